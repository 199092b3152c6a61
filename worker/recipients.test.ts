import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodeRecord, parseRecord } from "../src/directory/index.ts";
import { openEntries, type Commit } from "../src/entry/index.ts";
import { loadBag, openBagSecrets } from "../src/keys/index.ts";
import {
  bring,
  eventually,
  lastDirectoryCommit,
  logOf,
  setStage,
  tenantOf,
  valueOf,
  type Author,
  type Replica,
  type Stage,
} from "./attack-fixtures.ts";
import { closeDevices, crypto, draft, newSubscription, people } from "./device-fixtures.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await setStage();
});
afterEach(closeDevices);

const edits = (change: { add?: readonly string[]; remove?: readonly string[] }) => ({
  add: [],
  remove: [],
  ...change,
});

async function createFor(users: readonly string[], groups: readonly string[] = []): Promise<string> {
  const { proof, victim } = stage;
  const { api } = victim.device;
  const keyName = await api.createListKey(victim.tenantId, { users, groups }, proof);
  const [id = ""] = await api.createDocuments(victim.database, [{ secret: "for some" }], { keyName });
  return id;
}

async function edit({ database, device }: Replica, id: string, value: string): Promise<void> {
  const doc = newSubscription();
  const { heads } = await device.api.openDocument(database, id, doc);
  await device.api.changeDocument(doc, draft([{ op: "set", path: ["secret"], value }], heads));
}

const change = (id: string, by: Parameters<typeof edits>[0]): Promise<void> =>
  stage.victim.device.api.changeRecipients(stage.victim.database, id, edits(by), stage.proof);

const recipients = ({ database, device }: Replica, id: string): Promise<readonly string[]> =>
  device.api.recipientsOf(database, id);

/** Bring all that the admin's device has to the member's, and wait until it is judged. */
async function sync(): Promise<void> {
  const { victim, villainReplica } = stage;
  const log = await logOf(victim);
  await bring(villainReplica, log);
  const directory = await lastDirectoryCommit(victim);
  await eventually(async () => {
    const { steps } = await lastSteps(villainReplica);
    return steps.some(({ commitHash }) => commitHash === directory);
  }).toBe(true);
  await villainReplica.device.api.documentIds(villainReplica.database);
}

async function lastSteps({ device, tenantId }: Replica) {
  const query = { fromMs: undefined, toMs: undefined, database: undefined, user: stage.proof.adminKey };
  return device.api.audit(tenantId, 0, query);
}

const statusOf = async ({ database, device }: Replica, id: string) => {
  const { status, value } = await device.api.openDocument(database, id, newSubscription());
  return { status, value };
};

/** What a member can open of commits with every key that their device was handed. */
async function opened(
  { storage, tenantId }: Replica,
  { identity }: Author,
  commits: readonly Commit[],
): Promise<ReadonlySet<string>> {
  const store = await storage.openStore(`coffer/tenant/${tenantId}`);
  const sealed = (await store.readSlot("bag"))?.value as Uint8Array;
  store.close();
  const bag = await loadBag(crypto, await openBagSecrets(crypto, identity, sealed, { minVersion: 0 }));
  const kinds = new Set<string>();
  for (const commit of commits)
    for (const { kind } of await openEntries(crypto, commit, (name) => bag.find(name))) kinds.add(kind);
  return kinds;
}

describe("a document for a list of recipients", () => {
  it("is read by who is on it, and by no other member, on no device", async () => {
    const { bystander, victim, villain, villainReplica } = stage;
    const self = tenantOf(victim)?.self?.key ?? "";
    const theirs = await createFor([villain.author]);
    const notTheirs = await createFor([bystander.author]);
    expect(await recipients(victim, theirs)).toEqual([self, villain.author].toSorted());
    await sync();
    await eventually(() => valueOf(villainReplica, theirs)).toEqual({ secret: "for some" });
    expect(await recipients(villainReplica, theirs)).toEqual([self, villain.author].toSorted());
    expect((await statusOf(villainReplica, notTheirs)).value).toBeUndefined();
    await edit(villainReplica, theirs, "theirs, too");
    await bring(victim, await logOf(villainReplica));
    await eventually(() => valueOf(victim, theirs)).toEqual({ secret: "theirs, too" });
    const log = await logOf(victim);
    const about = log.filter(({ entries }) => entries.some(({ header }) => header?.docId === notTheirs));
    expect(await opened(villainReplica, villain, about)).toEqual(new Set(["no-key"]));
    const known = log.filter(({ entries }) => entries.some(({ header }) => header?.docId === theirs));
    expect(await opened(villainReplica, villain, known)).toEqual(new Set(["opened"]));
  });

  it("takes groups as they are now, and shows its key to nobody by a name", async () => {
    const { proof, victim, villain } = stage;
    const { api } = victim.device;
    const nobody = { addUsers: [], removeUsers: [], addGroups: [], removeGroups: [] };
    await api.setGroup(victim.tenantId, "board", { ...nobody, addUsers: [villain.author] }, proof);
    const id = await createFor([], ["board"]);
    expect(await recipients(victim, id)).toContain(villain.author);
    expect([tenantOf(victim)?.keys, tenantOf(victim)?.keyGrants?.map(({ name }) => name)]).toEqual([
      [],
      ["default"],
    ]);
    await expect(api.createKey(victim.tenantId, "$for/me")).rejects.toMatchObject({ code: "input/invalid" });
    await expect(createFor(["nobody"])).rejects.toMatchObject({ code: "input/unknown-id" });
    await expect(createFor([proof.adminKey])).rejects.toMatchObject({ code: "input/unknown-id" });
    await expect(createFor([], ["strangers"])).rejects.toMatchObject({ code: "input/unknown-id" });
    const mine = { adminKey: tenantOf(victim)?.self?.key ?? "", adminPassword: people.userPassword };
    await expect(
      api.createListKey(victim.tenantId, { users: [villain.author], groups: [] }, mine),
    ).rejects.toMatchObject({ code: "access/not-admin" });
  });

  it("is read with its past by who comes", async () => {
    const { bystander, victim, villain, villainReplica } = stage;
    const id = await createFor([bystander.author]);
    await edit(victim, id, "before");
    await change(id, { remove: [bystander.author] });
    await edit(victim, id, "under the second epoch");
    await sync();
    expect((await statusOf(villainReplica, id)).value).toBeUndefined();
    await change(id, { add: [villain.author] });
    await sync();
    await eventually(() => valueOf(villainReplica, id)).toEqual({ secret: "under the second epoch" });
    const history = await villainReplica.device.api.history(villainReplica.database, id, 0);
    expect(history.steps.map(({ verified }) => verified)).toEqual([true, true, true]);
  });

  it("tells who went nothing that is written from then on, and takes nothing of theirs under the former epoch", async () => {
    const { bystander, victim, villain, villainReplica } = stage;
    const id = await createFor([villain.author, bystander.author]);
    await sync();
    await eventually(() => valueOf(villainReplica, id)).toEqual({ secret: "for some" });
    await change(id, { remove: [villain.author] });
    expect(await recipients(victim, id)).not.toContain(villain.author);
    await edit(victim, id, "without them");
    const [last] = (await logOf(victim)).slice(-1);
    await sync();
    // Theirs is the former epoch: what it opens they go on reading, and nothing else.
    const about = (await logOf(victim)).filter(({ entries }) =>
      entries.some(({ header }) => header?.docId === id),
    );
    expect(await opened(villainReplica, villain, about.slice(0, 1))).toEqual(new Set(["opened"]));
    expect(await opened(villainReplica, villain, about.slice(1))).toEqual(new Set(["no-key"]));
    expect(await valueOf(villainReplica, id)).toEqual({ secret: "for some" });
    expect(last?.header.keys.map(({ epoch }) => epoch)).toEqual([2]);
    // Their device holds no key of the new epoch, and refuses to write under the old one.
    await expect(edit(villainReplica, id, "as if nothing had happened")).rejects.toMatchObject({
      code: "key/missing",
    });
    expect(await valueOf(victim, id)).toEqual({ secret: "without them" });
  });

  it("begins no epoch for who only comes, and one for all who go at once", async () => {
    const { bystander, victim, villain } = stage;
    const id = await createFor([]);
    await change(id, { add: [villain.author, bystander.author] });
    await edit(victim, id, "first epoch");
    await change(id, { remove: [villain.author, bystander.author] });
    await edit(victim, id, "second epoch");
    const epochs = (await logOf(victim)).flatMap(({ entries, header }) =>
      entries.flatMap((entry) =>
        entry.header?.docId === id ? [header.keys[entry.header.keyIndex]?.epoch] : [],
      ),
    );
    expect(epochs).toEqual([1, 1, 2]);
    expect(await recipients(victim, id)).toEqual([tenantOf(victim)?.self?.key]);
  });

  it("refuses what makes no sense, and changes nothing by it", async () => {
    const { proof, victim, villain } = stage;
    const id = await createFor([villain.author]);
    const [common = ""] = await victim.device.api.createDocuments(victim.database, [{ for: "all" }]);
    const size = (await logOf(victim)).length;
    const self = tenantOf(victim)?.self?.key ?? "";
    await expect(change(common, { remove: [villain.author] })).rejects.toMatchObject({
      code: "input/invalid",
    });
    await expect(change(id, { remove: [self] })).rejects.toMatchObject({ code: "input/invalid" });
    await expect(change(id, { add: [villain.author], remove: [villain.author] })).rejects.toMatchObject({
      code: "input/invalid",
    });
    await expect(change(id, {})).rejects.toMatchObject({ code: "input/invalid" });
    await expect(change(id, { remove: [proof.adminKey] })).rejects.toMatchObject({
      code: "input/unknown-id",
    });
    await expect(change("A".repeat(22), { add: [villain.author] })).rejects.toMatchObject({
      code: "doc/missing",
    });
    expect((await logOf(victim)).length).toBe(size);
    expect((await recipients(victim, common)).length).toBe(3);
  });

  it("is nobody's to hand on but the admin's: a record that a member signs wraps it for nobody", async () => {
    const { bystander, victim, villain, villainReplica } = stage;
    const id = await createFor([villain.author]);
    const record = encodeRecord({
      kind: "keyepoch",
      keyId: villain.key.keyId,
      epoch: 2,
      fingerprint: new Uint8Array(8),
      wraps: [{ userKey: bystander.author, sealed: new Uint8Array(80) }],
    });
    expect(parseRecord(record)?.kind).toBe("keyepoch");
    const directory = (await logOf(victim))[0]?.header.dbId;
    if (directory === undefined) throw new Error("no directory");
    const head = await lastDirectoryCommit(victim);
    const forged = await villain.seal({
      dbId: directory,
      directoryHead: head,
      predecessors: head === undefined ? [] : [head],
      entries: [
        {
          entryType: "directory_record",
          docId: "A".repeat(22) as never,
          dependencies: [],
          key: villain.key,
          plaintext: record,
        },
      ],
    });
    await bring(victim, [forged]);
    await eventually(() => tenantOf(victim)?.quarantine.map(({ reason }) => reason)).toContain("not-admin");
    expect(await recipients(victim, id)).not.toContain(bystander.author);
    await expect(
      villainReplica.device.api.exportKey(victim.tenantId, "$for/anything", "lusab-babad-gutih-tugad"),
    ).rejects.toMatchObject({ code: "input/invalid" });
  });
});
