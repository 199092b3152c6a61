/** Two devices with the admin's vault that write apart, and what becomes of it on servers and members' devices. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket as NodeWebSocket } from "ws";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startServer, type RunningServer } from "../server/src/index.ts";
import { directoryDbId } from "../src/entry/index.ts";
import { CofferError, concatBytes } from "../src/std/index.ts";
import { createMemoryStorage, type Batch, type Storage, type Store } from "../src/store/index.ts";
import type { AlarmEvent, TenantSnapshot } from "./api.ts";
import { eventually, logOf, type Replica } from "./attack-fixtures.ts";
import { closeDevices, crypto, env, newSubscription, people, startDevice } from "./device-fixtures.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

const word = "fourteen amber foxes under glass";
const password = "marble tunnel saffron";
const sharePassword = "lusab-babad-gutih-tugad";

const folders: string[] = [];
const servers: RunningServer[] = [];

async function newServer(): Promise<string> {
  const dataFolder = await mkdtemp(join(tmpdir(), "coffer-test-"));
  const server = await startServer({ dataFolder, port: 0 });
  folders.push(dataFolder);
  servers.push(server);
  return server.url;
}

let url: string;
beforeEach(async () => {
  url = await newServer();
});
afterEach(async () => {
  await closeDevices();
  for (const server of servers.splice(0)) await server.close();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

interface Party extends Replica {
  readonly proof: { readonly adminKey: string; readonly adminPassword: string };
  readonly key: string;
}

async function opened(rest: Omit<Party, "database">): Promise<Party> {
  const database = newSubscription();
  await rest.device.api.openDatabase(rest.tenantId, "contacts", database);
  return { ...rest, database };
}

/** A founder, and a second device with all that the first one has, the admin's vault included. Neither knows a server. */
async function twoAdmins(
  wrapped: (storage: Storage) => Storage = (storage) => storage,
): Promise<readonly [Party, Party]> {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const tenant = await device.api.createTenant(people);
  const tenantId = tenant.id as Replica["tenantId"];
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  const key = tenant.self?.key ?? "";
  const one = await opened({ storage, device, tenantId, proof, key });
  const number = await device.api.openExport(tenantId, {
    password: word,
    documents: true,
    resume: undefined,
  });
  const pieces: Uint8Array[] = [];
  for (let piece = await device.api.readExport(number); piece; piece = await device.api.readExport(number))
    pieces.push(piece);
  const otherStorage = wrapped(createMemoryStorage(env));
  const other = await startDevice(otherStorage);
  const taking = await other.api.openImport(word);
  await other.api.writeImport(taking, concatBytes(...pieces));
  await other.api.finishImport(taking);
  const open = { userName: undefined, password: people.userPassword, keepSession: false };
  await other.api.openTenant(tenantId, open);
  return [one, await opened({ storage: otherStorage, device: other, tenantId, proof, key })];
}

/** Let somebody join by a device with the admin's vault. */
async function joined(by: Party, userName: string, serverUrl: string | undefined = url): Promise<Party> {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const { key } = await device.api.createUserId(userName, password);
  const request = await device.api.createJoinRequest(key);
  const options = { ...by.proof, sharePassword, serverUrl, expiresInMs: 60_000 };
  const response = await by.device.api.approveJoinRequest(by.tenantId, request, options);
  await device.api.joinTenant(response, { key, password, sharePassword });
  return opened({ storage, device, tenantId: by.tenantId, proof: by.proof, key });
}

const publish = async (party: Party, to = url): Promise<void> => {
  await party.device.api.publish(party.tenantId, to, party.proof);
  await party.device.api.connect(party.tenantId, to);
};
const connect = (party: Party, to = url) => party.device.api.connect(party.tenantId, to);
const sync = (party: Party, to = url) => party.device.api.sync(party.tenantId, to).catch(() => undefined);

function shown({ device, tenantId }: Party): TenantSnapshot {
  const event = device.events.findLast((one) => one.kind === "tenant" && one.tenantId === tenantId);
  if (event?.kind !== "tenant") throw new Error("nothing is shown");
  return event.snapshot;
}

const forksOf = (party: Party): readonly AlarmEvent[] =>
  shown(party).alarms.filter(({ kind, heads }) => kind === "fork" && heads !== undefined);

/** What everybody must agree on. */
const arranged = (party: Party): unknown => {
  const { groups, keyGrants, settings, users } = shown(party);
  return {
    groups,
    settings,
    users: users
      ?.map(({ key, revoked, userName }) => ({ key, revoked, userName }))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    key: keyGrants?.find(({ name }) => name === "default"),
  };
};

const setColour = (party: Party, name: string, value: string) =>
  party.device.api.changeSettings(party.tenantId, undefined, [{ name, value }], party.proof);
const staff = (users: readonly string[]) => ({
  addUsers: users,
  removeUsers: [],
  addGroups: [],
  removeGroups: [],
});
const write = async (party: Party, value: object): Promise<string> =>
  (await party.device.api.createDocuments(party.database, [value as { by: string }]))[0] ?? "";
const idsOf = (party: Party) => party.device.api.documentIds(party.database);

/** How many commits of the directory are in the logs of devices. */
const lineOf = async (party: Party): Promise<readonly string[]> => {
  const dbId = directoryDbId(crypto, party.tenantId);
  return [
    ...new Set(
      (await logOf(party)).filter(({ header }) => header.dbId === dbId).map(({ commitHash }) => commitHash),
    ),
  ];
};

it("what an admin's device wrote before it heard of another one is taken over with the next thing it writes, and nobody else is alarmed", async () => {
  const [one, two] = await twoAdmins();
  await publish(one);
  const bob = await joined(one, "cn=bob/o=acme");
  const eve = await joined(one, "cn=eve/o=acme");
  // Apart: the one revokes, the other lets somebody in and arranges things.
  await one.device.api.revokeUser(one.tenantId, eve.key, one.proof);
  await setColour(one, "colour", '"teal"');
  const late = await joined(two, "cn=late/o=acme");
  await two.device.api.setGroup(two.tenantId, "staff", staff([two.key, late.key]), two.proof);
  await setColour(two, "colour", '"red"');
  await setColour(two, "size", "7");
  const early = await write(late, { by: "late" });
  await sync(one);

  await connect(two);
  await eventually(() => forksOf(two).map(({ heads }) => heads?.length)).toEqual([2]);
  const ends = forksOf(two)[0]?.heads ?? [];
  expect(ends).toContain((await lineOf(one)).at(-1));
  for (const end of ends) expect(await lineOf(two)).toContain(end);
  // The server takes no second line, and so nobody hears of one.
  await sync(bob);
  expect(forksOf(bob)).toEqual([]);

  await setColour(two, "weight", "9");
  expect(forksOf(two).map(({ endedAtMs }) => endedAtMs !== undefined)).toEqual([true]);
  await sync(two);
  await connect(late);
  const all = [one, two, bob, late];
  await eventually(async () => {
    for (const party of all) await sync(party);
    return new Set(all.map((party) => JSON.stringify(arranged(party)))).size;
  }).toBe(1);
  expect(arranged(bob)).toMatchObject({
    // What was said on both is as the line says; what was said on one is there.
    settings: { size: 7, weight: 9 },
    groups: [{ name: "staff", members: [two.key, late.key].toSorted() }],
  });
  const revoked = shown(bob)
    .users?.filter((user) => user.revoked)
    .map(({ key }) => key);
  expect(revoked).toEqual([eve.key]);
  for (const party of [one, bob, late])
    expect(forksOf(party).filter(({ endedAtMs }) => endedAtMs === undefined)).toEqual([]);

  // Everybody reads what is written from now on, and what the new one wrote before.
  const id = await write(bob, { by: "bob" });
  await eventually(async () => {
    for (const party of all) await sync(party);
    const known = await Promise.all(all.map(idsOf));
    return known.every((ids) => ids.includes(id) && ids.includes(early));
  }).toBe(true);
}, 60_000);

it("lines that two servers were shown are one on every device that sees both: alarm with both ends, revocations of both, one merge for both servers", async () => {
  const [one, two] = await twoAdmins();
  const other = await newServer();
  await publish(one);
  const bob = await joined(one, "cn=bob/o=acme");
  const eve = await joined(one, "cn=eve/o=acme");
  const mal = await joined(one, "cn=mal/o=acme");
  await connect(two);
  await eventually(() => shown(two).users?.length).toBe(4);
  await two.device.api.disconnect(two.tenantId, url);
  await publish(two, other);
  await one.device.api.revokeUser(one.tenantId, eve.key, one.proof);
  await two.device.api.revokeUser(two.tenantId, mal.key, two.proof);
  await setColour(two, "colour", '"red"');
  await sync(one);
  await sync(two, other);

  await connect(bob);
  await connect(bob, other);
  await eventually(() => forksOf(bob).at(-1)?.heads?.length).toBe(2);
  await eventually(() =>
    shown(bob)
      .users?.filter((user) => user.revoked)
      .map(({ key }) => key)
      .toSorted(),
  ).toEqual([eve.key, mal.key].toSorted());
  // Neither server takes the other's line.
  await sync(bob);
  await sync(bob, other);
  const [ofOne, ofTwo] = [await lineOf(one), await lineOf(two)];
  expect(ofOne.filter((hash) => ofTwo.includes(hash)).length).toBeLessThan(ofOne.length);

  // The first device comes to see both, and merges by itself.
  await connect(one, other);
  await eventually(() => forksOf(one).at(-1)?.heads?.length).toBe(2);
  await one.device.api.mergeLines(one.tenantId, one.proof);
  const all = [one, two, bob];
  await eventually(
    async () => {
      for (const party of [one, bob]) for (const to of [url, other]) await sync(party, to);
      await sync(two, other);
      return [
        new Set(all.map((party) => JSON.stringify(arranged(party)))).size,
        ...all.map((party) => forksOf(party).filter(({ endedAtMs }) => endedAtMs === undefined).length),
      ];
    },
    { interval: 200 },
  ).toEqual([1, 0, 0, 0]);
  expect(
    shown(two)
      .users?.filter((user) => user.revoked)
      .map(({ key }) => key)
      .toSorted(),
  ).toEqual([eve.key, mal.key].toSorted());
  expect(shown(bob).settings).toEqual({ colour: "red" });
  // Who comes anew to either server sees one line.
  for (const to of [url, other]) {
    const fresh = await joined(one, `cn=fresh${to.length}${all.length}/o=acme`, to);
    all.push(fresh);
    await sync(one, to);
    await connect(fresh, to);
    await eventually(async () => {
      await sync(fresh, to);
      return shown(fresh)
        .users?.filter((user) => user.revoked)
        .map(({ key }) => key)
        .toSorted();
    }).toEqual([eve.key, mal.key].toSorted());
  }
}, 90_000);

it("a line that is longer than any request is taken by the server when it is brought together with the one that is there", async () => {
  const [one, two] = await twoAdmins();
  await publish(one);
  const bob = await joined(one, "cn=bob/o=acme");
  await connect(two);
  await eventually(() => shown(two).users?.length).toBe(2);
  await two.device.api.disconnect(two.tenantId, url);
  // Two and a half megabytes: a request brings two, a message of the live link a quarter of one.
  for (let round = 0; round < 12; round++) {
    const long = Array.from({ length: 50 }, (_, at) => ({
      name: `long ${at}`,
      value: JSON.stringify(`${round} ${at} `.repeat(600).slice(0, 4000)),
    }));
    await two.device.api.changeSettings(two.tenantId, undefined, long, two.proof);
  }
  await setColour(one, "colour", '"blue"');
  await sync(one);
  await connect(two);
  await eventually(() => forksOf(two).at(-1)?.heads?.length).toBe(2);
  await two.device.api.mergeLines(two.tenantId, two.proof);
  const early = await write(two, { after: "the merge" });
  for (const party of [one, bob]) await connect(party);
  await eventually(
    async () => {
      for (const party of [two, one, bob]) await sync(party);
      return [one, two, bob].map((party) => Object.keys(shown(party).settings ?? {}).length);
    },
    { interval: 500 },
  ).toEqual([51, 51, 51]);
  expect(new Set([one, two, bob].map((party) => JSON.stringify(arranged(party)))).size).toBe(1);
  await eventually(async () => (await idsOf(bob)).includes(early)).toBe(true);
  const fresh = await joined(one, "cn=fresh/o=acme");
  await sync(one);
  await connect(fresh);
  await eventually(async () => {
    await sync(fresh);
    return Object.keys(shown(fresh).settings ?? {}).length;
  }).toBe(51);
}, 120_000);

/** A storage whose stores fail to write two commits at once when they are told to: a step of a merge with what it brings in. */
function stumbling(storage: Storage, isFailing: () => boolean): Storage {
  const openStore = async (name: string): Promise<Store> => {
    const store = await storage.openStore(name);
    return new Proxy(store, {
      get(target, key) {
        if (key === "write")
          return async (batch: Batch) => {
            if ((batch.records ?? []).length === 2 && isFailing()) throw new CofferError("store/quota");
            return target.write(batch);
          };
        const member: unknown = Reflect.get(target, key, target);
        return typeof member === "function" ? (member.bind(target) as unknown) : member;
      },
    });
  };
  return { ...storage, openStore };
}

it("a merge that broke off between its steps loses nothing of either line when it is made", async () => {
  let left = Infinity;
  const [one, two] = await twoAdmins((storage) => stumbling(storage, () => left-- <= 0));
  await publish(one);
  const bob = await joined(one, "cn=bob/o=acme");
  await connect(two);
  await eventually(() => shown(two).users?.length).toBe(2);
  await two.device.api.disconnect(two.tenantId, url);
  await setColour(two, "first", "1");
  for (const weight of ["1", "2", "3"]) await setColour(two, "weight", weight);
  await setColour(one, "size", "7");
  await sync(one);
  await connect(two);
  await eventually(() => forksOf(two).at(-1)?.heads?.length).toBe(2);
  left = 2;
  await expect(two.device.api.mergeLines(two.tenantId, two.proof)).rejects.toMatchObject({
    code: "store/quota",
  });
  left = Infinity;
  await eventually(() => forksOf(two).at(-1)?.endedAtMs).toBeUndefined();
  await two.device.api.mergeLines(two.tenantId, two.proof);
  expect(shown(two).settings).toEqual({ first: 1, size: 7, weight: 3 });
  await connect(bob);
  await eventually(async () => {
    for (const party of [two, one, bob]) await sync(party);
    return [one, bob].map((party) => shown(party).settings);
  }).toEqual([shown(two).settings, shown(two).settings]);
}, 60_000);
