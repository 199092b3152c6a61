import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket as NodeWebSocket } from "ws";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSqliteStorage, startServer, type RunningServer } from "../server/src/index.ts";
import { directoryDbId, encodeCommit, parseCommit, presenceOf, type Commit } from "../src/entry/index.ts";
import type { TenantId } from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import { createHttpTransport } from "../src/sync/index.ts";
import { syncTenants } from "../sw/sync-tenants.ts";
import { bring, eventually, logOf, reopen, tenantOf, valueOf, type Replica } from "./attack-fixtures.ts";
import { closeDevices, crypto, draft, env, newSubscription, people, startDevice } from "./device-fixtures.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;
const guestPassword = "marble tunnel saffron";
const sharePassword = "lusab-babad-gutih-tugad";

interface Place {
  readonly folder: string;
  server: RunningServer;
}
let places: Place[];

beforeEach(() => {
  places = [];
});
afterEach(async () => {
  await closeDevices();
  for (const { folder, server } of places) {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
});

async function newServer(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "coffer-test-"));
  const place = { folder, server: await startServer({ dataFolder: folder, port: 0 }) };
  places.push(place);
  return place;
}

interface Owner extends Replica {
  readonly proof: { readonly adminKey: string; readonly adminPassword: string };
}

/** A tenant on a device that has met no server. */
async function foundedOffline(storage: Storage = createMemoryStorage(env)): Promise<Owner> {
  const device = await startDevice(storage);
  const tenant = await device.api.createTenant(people);
  const database = newSubscription();
  await device.api.openDatabase(tenant.id, "contacts", database);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  return { device, storage, tenantId: tenant.id as TenantId, database, proof };
}

const createMany = ({ database, device }: Replica, count: number) =>
  device.api.createDocuments(
    database,
    Array.from({ length: count }, (_, n) => ({ n })),
  );

async function publishTo({ server }: Place, { device, proof, tenantId }: Owner): Promise<void> {
  await device.api.publish(tenantId, server.url, proof);
}

async function connect({ device, tenantId }: Replica, { server }: Place): Promise<void> {
  await device.api.connect(tenantId, server.url);
  await device.api.sync(tenantId, server.url);
}

async function joined(
  { device: admin, proof, tenantId }: Owner,
  place?: Place,
  userName = "cn=guest/o=acme",
): Promise<Replica> {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const { key } = await device.api.createUserId(userName, guestPassword);
  const response = await admin.api.approveJoinRequest(tenantId, await device.api.createJoinRequest(key), {
    ...proof,
    sharePassword,
    serverUrl: place?.server.url,
    expiresInMs: 60_000,
  });
  await device.api.joinTenant(response, { key, password: guestPassword, sharePassword });
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "contacts", database);
  return { device, storage, tenantId, database };
}

async function edit({ database, device }: Replica, id: string, value: string): Promise<void> {
  const doc = newSubscription();
  const { heads } = await device.api.openDocument(database, id, doc);
  await device.api.changeDocument(doc, draft([{ op: "set", path: ["edited"], value }], heads));
  await device.api.closeDocument(doc);
}

const idsOf = ({ database, device }: Replica) => device.api.documentIds(database);

/** Nothing is left to move, nothing was refused, and nobody is accused of anything. */
async function expectQuiet(replica: Replica, unjudgedCount: number): Promise<void> {
  await eventually(() => tenantOf(replica)).toMatchObject({
    alarms: [],
    quarantine: [],
    status: { unjudgedCount, quarantinedCount: 0 },
  });
  await eventually(() =>
    (tenantOf(replica)?.links ?? []).filter(
      ({ status: { error, pendingPull, pendingPush, verifiedCompleteAtMs } }) =>
        error !== undefined || pendingPull + pendingPush > 0 || verifiedCompleteAtMs === undefined,
    ),
  ).toEqual([]);
}

/** The documents' commits of a server that is not running. */
async function commitsAt({ folder }: Pick<Place, "folder">, tenantId: TenantId): Promise<readonly Commit[]> {
  const storage = openSqliteStorage(join(folder, "relay.db"), { crypto, env });
  const commits: Commit[] = [];
  for (const { dbId } of await storage.listLogs(tenantId)) {
    const range = { fromSeq: 0, maxCount: 1000, maxBytes: 1e9 };
    for (const { bytes } of await storage.readCommits(tenantId, dbId, range)) {
      const verdict = parseCommit(crypto, bytes ?? new Uint8Array(0));
      if (verdict.kind === "verified" && dbId !== directoryDbId(crypto, tenantId))
        commits.push(verdict.commit);
    }
  }
  await storage.close();
  return commits;
}

/** Stop a server, do something to its disk, and start it where it was. */
async function whileStopped(place: Place, act: () => Promise<void>): Promise<void> {
  const { port } = new URL(place.server.url);
  await place.server.close();
  await act();
  place.server = await startServer({ dataFolder: place.folder, port: Number(port) });
}

/** As a malicious server would: take the ciphertexts of a document out of whole commits. */
async function strip({ folder }: Place, tenantId: TenantId, docId: string): Promise<void> {
  const storage = openSqliteStorage(join(folder, "relay.db"), { crypto, env });
  const directorySize = (await storage.readLog(tenantId, directoryDbId(crypto, tenantId)))?.size ?? 0;
  await storage.close();
  const commits = await commitsAt({ folder }, tenantId);
  const again = openSqliteStorage(join(folder, "relay.db"), { crypto, env });
  for (const commit of commits) {
    const { commitHash, header } = commit;
    const entries = commit.entries.map(({ ciphertext, ...rest }) =>
      rest.header?.docId === docId || ciphertext === undefined ? rest : { ...rest, ciphertext },
    );
    const bytes = encodeCommit({ ...commit, entries });
    const { author, createdAtMs } = header;
    // It says nothing of that.
    const stripped = { commitHash, author, createdAtMs, bytes, unite: () => ({ bytes }) };
    const place = { tenantId, dbId: header.dbId, replicaId: new Uint8Array(16), directorySize };
    expect(await again.append({ ...place, commits: [stripped] })).toMatchObject({
      results: [{ status: "present" }],
    });
  }
  await again.close();
}

describe("a document that is purged before its commit was sent", () => {
  it("leaves the others of that commit to everyone, and what is written on them later", async () => {
    const owner = await foundedOffline();
    const ids = await createMany(owner, 20);
    const [kept = "", purged = ""] = ids;
    await edit(owner, purged, "secret");
    await owner.device.api.purgeDocument(owner.database, purged);
    await edit(owner, kept, "offline");
    const place = await newServer();
    await publishTo(place, owner);
    await connect(owner, place);
    await expectQuiet(owner, 0);
    const others = ids.filter((id) => id !== purged);
    const guest = await joined(owner, place);
    await eventually(() => idsOf(guest)).toEqual(others);
    await eventually(() => valueOf(guest, kept)).toEqual({ n: 0, edited: "offline" });
    await edit(owner, kept, "online");
    await edit(guest, others[5] ?? "", "by the guest");
    await eventually(() => valueOf(guest, kept)).toMatchObject({ edited: "online" });
    await eventually(() => valueOf(owner, others[5] ?? "")).toMatchObject({ edited: "by the guest" });
    // The creation and the edit that were erased are waited for by nobody.
    await expectQuiet(guest, 0);
    const again = await reopen(guest, guestPassword);
    expect(await idsOf(again)).toEqual(others);
    await eventually(() => tenantOf(again)?.status.unjudgedCount).toBe(0);
    await expectQuiet(owner, 0);
    expect(await idsOf(owner)).toEqual(others);
  });

  it("is sent without it by the service worker, too", async () => {
    const owner = await foundedOffline();
    const place = await newServer();
    await publishTo(place, owner);
    await connect(owner, place);
    const guest = await joined(owner, place);
    let ids: readonly string[] = [];
    await whileStopped(place, async () => {
      ids = await createMany(owner, 3);
      await owner.device.api.purgeDocument(owner.database, ids[1] ?? "");
      await owner.device.api.closeTenant(owner.tenantId);
    });
    const openTransport = (url: string) => ({ http: createHttpTransport(env, url), live: undefined });
    const world = { env, crypto, storage: owner.storage, scope: "coffer", openTransport };
    expect(await syncTenants(world)).toEqual([undefined]);
    await eventually(() => idsOf(guest)).toEqual([ids[0], ids[2]]);
    await connect(guest, place);
    await expectQuiet(guest, 0);
  });

  it("changes nothing for anyone when it was sent", async () => {
    const owner = await foundedOffline();
    const place = await newServer();
    await publishTo(place, owner);
    await connect(owner, place);
    const ids = await createMany(owner, 4);
    await owner.device.api.sync(owner.tenantId, place.server.url);
    await owner.device.api.purgeDocument(owner.database, ids[2] ?? "");
    await whileStopped(place, async () => {
      // All is pushed again in a new epoch: what the server has of it stays.
      const storage = openSqliteStorage(join(place.folder, "relay.db"), { crypto, env });
      await storage.startNewEpochs();
      await storage.close();
    });
    await connect(owner, place);
    const guest = await joined(owner, place);
    await eventually(() => idsOf(guest)).toEqual(ids);
    await expectQuiet(guest, 0);
    await expectQuiet(owner, 0);
    expect(await idsOf(owner)).toEqual(ids.filter((_, index) => index !== 2));
    await eventually(async () => heldOf(await logOf(owner), ids[2] ?? "")[1]).toBe(0);
  });

  it("goes on to another server from its author's devices only, until it is whole", async () => {
    const owner = await foundedOffline();
    const ids = await createMany(owner, 3);
    const copies = await logOf(owner);
    await owner.device.api.purgeDocument(owner.database, ids[0] ?? "");
    const [one, two] = [await newServer(), await newServer()];
    for (const place of [one, two]) await publishTo(place, owner);
    await connect(owner, one);
    const guest = await joined(owner, one);
    await eventually(() => idsOf(guest)).toEqual(ids.slice(1));
    const [own = ""] = await createMany(guest, 1);
    await publishTo(two, owner);
    await connect(guest, two);
    await expectQuiet(guest, 0);
    await whileStopped(two, async () => {
      const stored = await commitsAt(two, owner.tenantId);
      // The word that it was erased goes on, what lacks it does not.
      const headers = stored.map(({ entries }) => entries[0]?.header);
      expect(headers.map((header) => header?.entryType)).toEqual(["doc_purge", "doc_create"]);
      expect(headers[1]?.docId).toBe(own);
    });
    // The whole comes from elsewhere: it is shown, and handed on whole.
    await bring(
      guest,
      copies.filter((copy) => presenceOf(copy) === "whole"),
    );
    await eventually(() => idsOf(guest)).toHaveLength(4);
    await connect(guest, two);
    await expectQuiet(guest, 0);
    await connect(guest, one);
    for (const place of [one, two]) {
      await whileStopped(place, async () => {
        const stored = await commitsAt(place, owner.tenantId);
        expect(stored.map(presenceOf)).toEqual(["whole", "whole", "whole"]);
      });
    }
  });
});

/** What a log holds of a document: how many entries, and how many with their ciphertexts; an author's word that some were erased is none. */
function heldOf(commits: readonly Commit[], docId: string): readonly [number, number] {
  const own = commits.flatMap(({ entries }) =>
    entries.filter(({ header }) => header?.docId === docId && header.entryType !== "doc_purge"),
  );
  return [own.length, own.filter(({ ciphertext }) => ciphertext !== undefined).length];
}

describe("a document that the admin purges everywhere", () => {
  it("is erased on every device and server, with what comes of it late; the others of its commits stay", async () => {
    const place = await newServer();
    const owner = await foundedOffline();
    await publishTo(place, owner);
    await connect(owner, place);
    const guest = await joined(owner, place);
    const ids = await createMany(owner, 3);
    const [gone = "", kept = ""] = ids;
    await eventually(() => idsOf(guest)).toHaveLength(3);
    await edit(guest, gone, "by the guest");
    await edit(guest, kept, "by the guest");
    await eventually(() => valueOf(owner, gone)).toMatchObject({ edited: "by the guest" });
    await eventually(() => valueOf(owner, kept)).toMatchObject({ edited: "by the guest" });
    // Of what they write without a network nobody knows yet.
    await guest.device.api.disconnect(guest.tenantId, place.server.url);
    await edit(guest, gone, "late");
    const { api } = owner.device;
    const purge = (docId: string, proof: unknown) => api.purgeDocument(owner.database, docId, proof as never);
    for (const [docId, proof, code] of [
      [kept, { ...owner.proof, adminPassword: "not this one" }, "key/wrong-password"],
      [kept, { ...owner.proof, adminKey: tenantOf(owner)?.self?.key }, "access/not-admin"],
      ["AAAAAAAAAAAAAAAAAAAAAA", owner.proof, "doc/missing"],
    ] as const)
      await expect(purge(docId, proof)).rejects.toMatchObject({ code });
    await purge(gone, owner.proof);
    await owner.device.api.sync(owner.tenantId, place.server.url);
    await connect(guest, place);
    const third = await joined(owner, place, "cn=third/o=acme");
    for (const replica of [owner, guest, third]) {
      await eventually(async () => (await idsOf(replica)).toSorted()).toEqual(
        ids.filter((id) => id !== gone).toSorted(),
      );
      await expectQuiet(replica, 0);
      expect(await valueOf(replica, kept)).toEqual({ n: 1, edited: "by the guest" });
      await eventually(async () => heldOf(await logOf(replica), gone)).toEqual([3, 0]);
      expect(heldOf(await logOf(replica), kept)).toEqual([2, 2]);
    }
    // It needs no word of the authors: nobody wrote one.
    const types = (await logOf(third)).flatMap(({ entries }) =>
      entries.map(({ header }) => header?.entryType),
    );
    expect(types).not.toContain("doc_purge");
    await whileStopped(place, async () => {
      const commits = await commitsAt(place, owner.tenantId);
      expect(heldOf(commits, gone)).toEqual([3, 0]);
      expect(heldOf(commits, kept)).toEqual([2, 2]);
    });
    // Whoever still has it brings it back to nobody: neither a server, nor an old copy of the log.
    const again = await reopen(third);
    await eventually(() => idsOf(again)).toHaveLength(2);
    const [created = ""] = await createMany(again, 1);
    await eventually(() => valueOf(owner, created)).toEqual({ n: 0 });
  });

  it("stays erased when an old copy of the log brings it, and its neighbours count, those of the revoked, too", async () => {
    const place = await newServer();
    const owner = await foundedOffline();
    await publishTo(place, owner);
    await connect(owner, place);
    const guest = await joined(owner, place);
    const [gone = "", kept = ""] = await createMany(guest, 2);
    await eventually(() => idsOf(owner)).toHaveLength(2);
    const whole = (await logOf(owner)).filter((commit) => heldOf([commit], gone)[1] > 0);
    await owner.device.api.purgeDocument(owner.database, gone, owner.proof);
    await eventually(async () => heldOf(await logOf(owner), gone)).toEqual([1, 0]);
    const key = tenantOf(guest)?.self?.key ?? "";
    await owner.device.api.revokeUser(owner.tenantId, key, owner.proof);
    // An old copy of the log brings it: it is erased again, and its neighbour counts.
    const fresh = await joined(owner, place, "cn=fresh/o=acme");
    await bring(fresh, whole);
    await eventually(() => valueOf(fresh, kept)).toEqual({ n: 1 });
    await eventually(async () => heldOf(await logOf(fresh), gone)[1]).toBe(0);
    expect(await valueOf(fresh, gone)).toBeUndefined();
    await expectQuiet(fresh, 0);
  });
});

describe("a document that is purged after its commit was sent to a server that is then restored from a backup", () => {
  it("comes from those who have it whole to those who do not, at once or with their next connection, and not to who erased it", async () => {
    const place = await newServer();
    const owner = await foundedOffline();
    await publishTo(place, owner);
    await connect(owner, place);
    const [keeper, live, late] = [
      await joined(owner, place),
      await joined(owner, place, "cn=live/o=acme"),
      await joined(owner, place, "cn=late/o=acme"),
    ];
    const sortedIds = async (replica: Replica) => (await idsOf(replica)).toSorted();
    const away = ({ device, tenantId }: Replica) => device.api.disconnect(tenantId, place.server.url);
    await away(live);
    await away(late);
    let backup = new Uint8Array();
    await whileStopped(place, async () => {
      backup = await readFile(join(place.folder, "relay.db"));
    });
    const ids = (await createMany(owner, 3)).toSorted();
    const [first = "", gone = ""] = ids;
    await edit(owner, gone, "secret");
    await eventually(() => sortedIds(keeper)).toEqual(ids);
    await eventually(() => valueOf(keeper, gone)).toMatchObject({ edited: "secret" });
    await expectQuiet(owner, 0);
    await owner.device.api.purgeDocument(owner.database, gone);
    await away(keeper);
    await away(owner);
    await whileStopped(place, async () => {
      await writeFile(join(place.folder, "relay.db"), backup);
      const storage = openSqliteStorage(join(place.folder, "relay.db"), { crypto, env });
      await storage.startNewEpochs();
      await storage.close();
    });
    // Who erased it is the first to bring back what the server lost.
    await connect(owner, place);
    const others = ids.filter((id) => id !== gone);
    for (const replica of [live, late]) {
      await connect(replica, place);
      await eventually(() => sortedIds(replica)).toEqual(others);
    }
    await away(late);
    await connect(keeper, place);
    for (const replica of [live, late]) {
      if (replica === late) await connect(late, place);
      await eventually(() => sortedIds(replica)).toEqual(ids);
      await eventually(() => valueOf(replica, gone)).toMatchObject({ edited: "secret" });
      await expectQuiet(replica, 0);
    }
    await edit(live, first, "by another");
    await eventually(() => valueOf(owner, first)).toMatchObject({ edited: "by another" });
    expect(await sortedIds(owner)).toEqual(others);
    await eventually(async () => heldOf(await logOf(owner), gone)[1]).toBe(0);
    await whileStopped(place, async () => {
      const [entryCount, heldCount] = heldOf(await commitsAt(place, owner.tenantId), gone);
      expect(heldCount).toBe(entryCount);
    });
  });
});

describe("a server that takes ciphertexts out of whole commits", () => {
  it("hides those entries only until another server has them", async () => {
    const owner = await foundedOffline();
    const ids = await createMany(owner, 3);
    const [one, two] = [await newServer(), await newServer()];
    for (const place of [one, two]) {
      await publishTo(place, owner);
      await connect(owner, place);
    }
    await whileStopped(one, () => strip(one, owner.tenantId, ids[1] ?? ""));
    const guest = await joined(owner, one);
    await eventually(() => idsOf(guest)).toEqual([ids[0], ids[2]]);
    await connect(guest, one);
    // It shows as something that waits, and not as something that was purged.
    await expectQuiet(guest, 1);
    const status = async (id: string) =>
      (await guest.device.api.readDocuments(guest.database, [id]))[0]?.snapshot.status;
    expect(await status(ids[1] ?? "")).not.toBe("purged");
    await publishTo(two, owner);
    await connect(guest, two);
    await eventually(() => idsOf(guest)).toHaveLength(3);
    expect(await valueOf(guest, ids[1] ?? "")).toEqual({ n: 1 });
    await expectQuiet(guest, 0);
    // The first one is brought what it took out.
    await whileStopped(one, async () => {
      expect((await commitsAt(one, owner.tenantId)).map(presenceOf)).toEqual(["whole"]);
    });
    const again = await reopen(guest, guestPassword);
    expect(await valueOf(again, ids[1] ?? "")).toEqual({ n: 1 });
  });
});
