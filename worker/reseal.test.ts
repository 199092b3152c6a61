import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openEntries, openEntry, type Commit } from "../src/entry/index.ts";
import { loadBag, openBagSecrets, unlockVault, type KeyBag } from "../src/keys/index.ts";
import {
  bring,
  entryHashOf,
  eventually,
  lastDirectoryCommit,
  loadEngine,
  logOf,
  reopen,
  setStage,
  stateOf,
  tenantOf,
  type Replica,
  type Stage,
} from "./attack-fixtures.ts";
import { closeDevices, crypto, draft, newSubscription, people } from "./device-fixtures.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await setStage();
});
afterEach(closeDevices);

async function create({ database, device }: Replica, count: number, from = 0): Promise<readonly string[]> {
  const values = Array.from({ length: count }, (_, i) => ({ title: `film ${from + i}` }));
  return device.api.createDocuments(database, values);
}

async function edit({ database, device }: Replica, id: string, title: string): Promise<void> {
  const doc = newSubscription();
  const { heads } = await device.api.openDocument(database, id, doc);
  await device.api.changeDocument(doc, draft([{ op: "set", path: ["title"], value: title }], heads));
}

/** Seal anew, at most some steps. Gives the last progress, and whether all is done. */
async function reseal({ device, tenantId }: Replica, name = "default", steps = Infinity) {
  const id = await device.api.openReseal(tenantId, name);
  let last: Awaited<ReturnType<typeof device.api.stepReseal>>;
  for (let step = 0; step < steps; step++) {
    const progress = await device.api.stepReseal(id);
    if (progress === undefined) return { ...last, isDone: true };
    last = progress;
  }
  return { ...last, isDone: false };
}

const rotate = ({ device, tenantId }: Replica, name = "default"): Promise<void> =>
  device.api.rotateKey(tenantId, name, stage.proof);

/** The snapshots of a log: which document, under which epoch. */
function snapshotsIn(
  log: readonly Commit[],
): readonly { docId: string; epoch: number; commit: Commit; index: number }[] {
  return log.flatMap((commit) =>
    commit.entries.flatMap(({ header }, index) => {
      const key = commit.header.keys[header?.keyIndex ?? -1];
      if (header?.entryType !== "doc_snapshot" || key === undefined) return [];
      return [{ docId: header.docId, epoch: key.epoch, commit, index }];
    }),
  );
}

async function bagOf({ storage, tenantId }: Replica): Promise<KeyBag> {
  const own = await storage.openStore("coffer/device");
  const vault = (await own.readSlot(`vault/${tenantOf(stage.victim)?.self?.key}`))?.value as Uint8Array;
  const identity = await unlockVault(crypto, vault, people.userPassword);
  const store = await storage.openStore(`coffer/tenant/${tenantId}`);
  const sealed = (await store.readSlot("bag"))?.value as Uint8Array;
  const bag = await loadBag(crypto, await openBagSecrets(crypto, identity, sealed, { minVersion: 0 }));
  own.close();
  store.close();
  return bag;
}

describe("sealing anew", () => {
  it("writes each document once under the newest epoch, whole, and nothing again", async () => {
    const { victim } = stage;
    const ids = await create(victim, 20);
    await edit(victim, ids[3] ?? "", "edited");
    await victim.device.api.createBranch(victim.database, ids[4] ?? "", "draft");
    await victim.device.api.deleteDocument(victim.database, ids[5] ?? "");
    await rotate(victim);
    await create(victim, 3, 100);
    const before = await stateOf(victim);
    expect(await reseal(victim)).toEqual({ doneCount: 20, totalCount: 20, leftOut: [], isDone: true });
    const snapshots = snapshotsIn(await logOf(victim));
    expect(snapshots.map(({ docId }) => docId).toSorted()).toEqual(ids.toSorted());
    expect(new Set(snapshots.map(({ epoch }) => epoch))).toEqual(new Set([2]));
    // The newest epoch alone opens each of them.
    const bag = await bagOf(victim);
    const engine = await loadEngine();
    for (const { commit, docId, index } of snapshots) {
      const opened = await openEntry(crypto, commit, index, (name) =>
        name.epoch === 2 ? bag.find(name) : undefined,
      );
      if (opened.kind !== "opened") throw new Error(opened.kind);
      const doc = engine.createDoc();
      doc.applyChanges(engine.readSnapshot(opened.plaintext) ?? []);
      if (before.has(docId)) expect(doc.value).toEqual(before.get(docId));
      doc.close();
    }
    const size = (await logOf(victim)).length;
    expect(await reseal(victim)).toEqual({ doneCount: 0, totalCount: 0, leftOut: [], isDone: true });
    await edit(victim, ids[0] ?? "", "under the new epoch");
    expect(await reseal(victim)).toMatchObject({ totalCount: 0 });
    expect((await logOf(victim)).length).toBe(size + 1);
    expect(await stateOf(victim)).toEqual(
      new Map(before).set(ids[0] ?? "", { title: "under the new epoch" }),
    );
  });

  it("goes on where it ended, after an abort, a lock and a worker that was killed", async () => {
    const { victim } = stage;
    const ids = await create(victim, 50);
    await rotate(victim);
    expect(await reseal(victim, "default", 2)).toMatchObject({
      doneCount: 16,
      totalCount: 50,
      isDone: false,
    });
    const again = await reopen(victim, people.userPassword);
    const id = await again.device.api.openReseal(again.tenantId, "default");
    expect(await again.device.api.stepReseal(id)).toMatchObject({ doneCount: 0, totalCount: 34 });
    await again.device.api.stepReseal(id);
    await again.device.api.lock(again.tenantId);
    await expect(again.device.api.stepReseal(id)).rejects.toMatchObject({ code: "access/locked" });
    await expect(again.device.api.stepReseal(id)).rejects.toMatchObject({ code: "aborted" });
    const third = await reopen(again, people.userPassword);
    const given = await third.device.api.openReseal(third.tenantId, "default");
    await third.device.api.stepReseal(given);
    await third.device.api.closeReseal(given);
    await expect(third.device.api.stepReseal(given)).rejects.toMatchObject({ code: "aborted" });
    expect(await reseal(third)).toMatchObject({ doneCount: 18, totalCount: 18, isDone: true });
    const written = snapshotsIn(await logOf(third)).map(({ docId }) => docId);
    expect(written.toSorted()).toEqual(ids.toSorted());
  });

  it("covers every old entry, not some of them: an edit under the former epoch that comes late is sealed anew", async () => {
    const { victim, villain } = stage;
    const writerNonce = villain.nonce();
    const made = villain.create(writerNonce, 0, { title: "theirs" });
    const created = await villain.seal({ writerNonce, entries: [made.entry] });
    await bring(victim, [created]);
    await eventually(() => victim.device.api.documentIds(victim.database)).toContain(made.docId);
    await rotate(victim);
    await reseal(victim);
    const late = villain.edit([made.change], {
      docId: made.docId,
      writerNonce,
      operations: [{ op: "set", path: ["late"], value: true }],
      dependencies: [entryHashOf(created)],
    });
    await bring(victim, [
      await villain.seal({
        writerNonce,
        writerSeq: 2,
        predecessors: [created.commitHash],
        entries: [late.entry],
      }),
    ]);
    await eventually(async () => [...(await stateOf(victim)).values()]).toEqual([
      { title: "theirs", late: true },
    ]);
    expect(await reseal(victim)).toMatchObject({ doneCount: 1, isDone: true });
    expect(await reseal(victim)).toMatchObject({ totalCount: 0 });
  });

  it("is taken by other devices, which do not write it again", async () => {
    const { victim, villainReplica } = stage;
    await create(victim, 5);
    await rotate(victim);
    await reseal(victim);
    await bring(villainReplica, await logOf(victim));
    await eventually(() => villainReplica.device.api.documentIds(villainReplica.database)).toHaveLength(5);
    await eventually(() => tenantOf(villainReplica)?.status.unjudgedCount).toBe(0);
    expect(tenantOf(villainReplica)?.quarantine).toEqual([]);
    expect(await reseal(villainReplica)).toMatchObject({ totalCount: 0, isDone: true });
    expect(await stateOf(villainReplica)).toEqual(await stateOf(victim));
  });

  it("of a named key touches no other key's documents, and none slides to another key", async () => {
    const { victim } = stage;
    const { api } = victim.device;
    await create(victim, 2);
    await api.createKey(victim.tenantId, "salaries");
    const [secret = ""] = await api.createDocuments(victim.database, [{ pay: 1 }], { keyName: "salaries" });
    await rotate(victim);
    await rotate(victim, "salaries");
    expect(await reseal(victim, "salaries")).toMatchObject({ doneCount: 1, isDone: true });
    const [snapshot, ...others] = snapshotsIn(await logOf(victim));
    expect([snapshot?.docId, snapshot?.epoch, others]).toEqual([secret, 2, []]);
    const keyIds = (await logOf(victim)).flatMap(({ entries, header }) =>
      entries.flatMap((entry) =>
        entry.header?.docId === secret ? [header.keys[entry.header.keyIndex]?.keyId] : [],
      ),
    );
    expect([keyIds.length, new Set(keyIds).size]).toEqual([2, 1]);
    await expect(reseal(victim, "$publicinfos")).rejects.toMatchObject({ code: "input/invalid" });
    await expect(reseal(victim, "nothing")).rejects.toMatchObject({ code: "key/missing" });
  });

  it("goes by the epoch of the moment when another rotation comes between", async () => {
    const { victim } = stage;
    await create(victim, 20);
    await rotate(victim);
    const id = await victim.device.api.openReseal(victim.tenantId, "default");
    await victim.device.api.stepReseal(id);
    await victim.device.api.stepReseal(id);
    await rotate(victim);
    while ((await victim.device.api.stepReseal(id)) !== undefined);
    expect(
      snapshotsIn(await logOf(victim))
        .map(({ epoch }) => epoch)
        .toSorted(),
    ).toEqual([...Array.from({ length: 16 }, () => 2), ...Array.from({ length: 4 }, () => 3)]);
    // What the second one made old is written once more, and then it is all under the third epoch.
    expect(await reseal(victim)).toMatchObject({ doneCount: 16, isDone: true });
    expect(await reseal(victim)).toMatchObject({ totalCount: 0 });
    expect(tenantOf(victim)?.quarantine).toEqual([]);
  });

  it("is not for readers", async () => {
    const { proof, victim, villain, villainReplica } = stage;
    await create(victim, 2);
    await rotate(victim);
    await victim.device.api.setRoles(
      victim.tenantId,
      [{ database: "contacts", user: villain.author, group: undefined, role: "reader" }],
      proof,
    );
    await bring(villainReplica, await logOf(victim));
    await eventually(() => villainReplica.device.api.getRole(victim.tenantId, "contacts", undefined)).toBe(
      "reader",
    );
    await eventually(() => villainReplica.device.api.documentIds(villainReplica.database)).toHaveLength(2);
    await expect(reseal(villainReplica)).rejects.toMatchObject({ code: "access/denied" });
  });

  it("is not done by a snapshot that somebody made up, which is quarantined", async () => {
    const { bystander, victim, villain } = stage;
    const writerNonce = bystander.nonce();
    const made = bystander.create(writerNonce, 0, { title: "theirs" });
    const created = await bystander.seal({ writerNonce, entries: [made.entry] });
    await bring(victim, [created]);
    await eventually(() => victim.device.api.documentIds(victim.database)).toContain(made.docId);
    await rotate(victim);
    villain.directoryHead = await lastDirectoryCommit(victim);
    const bag = await bagOf(victim);
    const key = bag.current(villain.key.keyId);
    if (key?.epoch !== 2) throw new Error("a member holds the new epoch");
    const other = villain.create(villain.nonce(), 0, { title: "made up" });
    const doc = villain.engine.createDoc();
    doc.applyChanges([other.change]);
    // An honest entry beside it, so that the commit itself is not refused.
    const ownNonce = villain.nonce();
    const own = villain.create(ownNonce, 0, { title: "own" });
    const forged = await villain.seal({
      writerNonce: ownNonce,
      entries: [
        { ...own.entry, key },
        {
          entryType: "doc_snapshot",
          docId: made.docId,
          dependencies: [entryHashOf(created)],
          key,
          plaintext: doc.snapshot(),
        },
      ],
    });
    doc.close();
    await bring(victim, [forged]);
    await eventually(() => tenantOf(victim)?.quarantine.map(({ reason }) => reason)).toContain("snapshot");
    expect(await reseal(victim)).toMatchObject({ doneCount: 1, isDone: true });
    const state = await stateOf(victim);
    expect([state.get(made.docId), state.get(own.docId)]).toEqual([{ title: "theirs" }, { title: "own" }]);
    const opened = await openEntries(crypto, (await logOf(victim)).at(-1) ?? forged, (name) =>
      bag.find(name),
    );
    expect(opened.map(({ kind }) => kind)).toEqual(["opened"]);
  });
});
