import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket as NodeWebSocket } from "ws";
import { afterEach, describe, expect, it } from "vitest";
import { startServer } from "../server/src/index.ts";
import { CofferError, type Env } from "../src/std/index.ts";
import { sorted, total } from "../src/view/index.ts";
import { createMemoryStorage, type SlotWrite, type Storage } from "../src/store/index.ts";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  rowsBy,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

afterEach(closeDevices);

const password = "fourteen amber foxes under glass";
const open = { userName: undefined, password: people.userPassword, keepSession: false };
const full = { code: "store/quota" };

interface Disk {
  readonly storage: Storage;
  isFull: boolean;
  usage: { usageBytes: number; quotaBytes: number } | undefined;
}

/** A disk that can be filled: whatever is written is refused then. */
function createDisk(): Disk {
  const storage = createMemoryStorage(env);
  const disk: Disk = {
    isFull: false,
    usage: undefined,
    storage: {
      ...storage,
      async openStore(name) {
        const store = await storage.openStore(name);
        const [write, rewrite] = [store.write.bind(store), store.rewrite.bind(store)];
        const refuse = (): void => {
          if (disk.isFull) throw new CofferError("store/quota", { store: name });
        };
        store.write = async (batch) => {
          refuse();
          return write(batch);
        };
        store.rewrite = async (records, slots) => {
          refuse();
          return rewrite(records, slots);
        };
        store.usage = async () => disk.usage;
        return store;
      },
    },
  };
  return disk;
}

async function openContacts(device: Device, tenantId: string): Promise<number> {
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "contacts", database);
  return database;
}

async function idsOf(device: Device, tenantId: string): Promise<readonly string[]> {
  return (await device.api.documentIds(await openContacts(device, tenantId))).toSorted();
}

async function exportFile({ api }: Device, id: string, documents = true): Promise<readonly Uint8Array[]> {
  const number = await api.openExport(id, { password, documents, resume: undefined });
  const pieces: Uint8Array[] = [];
  for (let piece = await api.readExport(number); piece !== undefined; piece = await api.readExport(number))
    pieces.push(piece);
  return pieces;
}

async function importFile({ api }: Device, pieces: readonly Uint8Array[]) {
  const number = await api.openImport(password);
  for (const piece of pieces) await api.writeImport(number, piece);
  return api.finishImport(number);
}

async function founded(storage: Storage) {
  const device = await startDevice(storage);
  const { adminUser, id, self } = await device.api.createTenant(people);
  const database = await openContacts(device, id);
  const [docId = ""] = await device.api.createDocuments(database, [{ name: "Ada" }]);
  const proof = {
    adminKey: adminUser?.key ?? "",
    adminPassword: people.adminPassword,
  };
  return { device, id, docId, database, proof, userKey: self?.key ?? "" };
}

describe("on a full disk", () => {
  it("founding says so, leaves nothing that is listed, and works once there is room", async () => {
    const disk = createDisk();
    const { api } = await startDevice(disk.storage);
    disk.isFull = true;
    await expect(api.createTenant(people)).rejects.toMatchObject(full);
    await expect(api.createUserId("cn=x/o=acme", people.userPassword)).rejects.toMatchObject(full);
    expect(await api.tenants()).toEqual([]);
    disk.isFull = false;
    expect(await api.createTenant(people)).toMatchObject({ name: "acme" });
  });

  it("no list, view or search ever shows what was not stored, and shows it once it is", async () => {
    const disk = createDisk();
    const { device, docId, database } = await founded(disk.storage);
    const { api, events } = device;
    const [query, view, search] = [newSubscription(), newSubscription(), newSubscription()];
    await api.openQuery(database, { sort: [{ field: "name" }] }, query);
    const sources = [{ origin: "own", database, filter: undefined }];
    const definition = { columns: [sorted("name"), total("*", "count")] };
    await api.openView({ sources, definition, state: undefined, window: { from: 0, count: 9 } }, view);
    const searched = { text: "eve", fields: undefined, filter: undefined, sort: [], locale: undefined };
    const shown = { limit: 9, offset: 0, highlight: false, excerptLength: undefined };
    await api.openSearch(database, { ...searched, ...shown, prefix: "last", fuzzy: 0 }, search);
    await expect.poll(() => JSON.stringify(events.filter(({ kind }) => kind !== "tenant"))).toContain("Ada");
    const doc = newSubscription();
    const { heads } = await api.openDocument(database, docId, doc);
    const edit = draft([{ op: "set", path: ["name"], value: "Eve" }], heads);
    disk.isFull = true;
    await expect(api.changeDocument(doc, edit)).rejects.toMatchObject(full);
    await expect(api.createDocuments(database, [{ name: "Bob" }])).rejects.toMatchObject(full);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(JSON.stringify(events)).not.toMatch(/Eve|Bob/);
    disk.isFull = false;
    await api.changeDocument(doc, edit);
    await expect.poll(() => rowsBy(events, query).map(({ value }) => value)).toEqual([{ name: "Eve" }]);
    const tellers = (): ReadonlySet<string> =>
      new Set(events.filter((one) => JSON.stringify(one).includes("Eve")).map(({ kind }) => kind));
    await expect.poll(tellers).toEqual(new Set(["query", "view", "search"]));
  });

  it("a tenant opens, reads, exports and locks; edits say so and work once there is room", async () => {
    const disk = createDisk();
    const { device, id, docId } = await founded(disk.storage);
    await device.api.closeTenant(id);
    disk.isFull = true;
    const next = await startDevice(disk.storage);
    expect(await next.api.openTenant(id, { ...open, keepSession: true })).toMatchObject({ name: "acme" });
    expect((await next.api.tenants())[0]).toMatchObject({ kept: false, locked: false });
    const database = await openContacts(next, id);
    const doc = newSubscription();
    const { value, heads } = await next.api.openDocument(database, docId, doc);
    expect(value).toEqual({ name: "Ada" });
    await expect(next.api.createDocuments(database, [{ name: "Bob" }])).rejects.toMatchObject(full);
    const edit = draft([{ op: "set", path: ["name"], value: "Eve" }], heads);
    await expect(next.api.changeDocument(doc, edit)).rejects.toMatchObject(full);
    const again = await next.api.openDocument(database, docId, newSubscription());
    expect(again.value).toEqual({ name: "Ada" });
    const pieces = await exportFile(next, id);
    await next.api.lock(id);
    expect((await next.api.tenants())[0]?.locked).toBe(true);
    await next.api.unlock(id, { password: people.userPassword });
    await next.api.closeTenant(id);

    disk.isFull = false;
    await next.api.openTenant(id, open);
    const roomy = await openContacts(next, id);
    expect(await next.api.createDocuments(roomy, [{ name: "Bob" }])).toHaveLength(1);
    const fresh = await startDevice(createMemoryStorage(env));
    await importFile(fresh, pieces);
    await fresh.api.openTenant(id, open);
    await expect.poll(() => idsOf(fresh, id)).toEqual([docId]);
  });

  /** What writes: a case for each. */
  type World = Awaited<ReturnType<typeof founded>>;
  type Writing = (world: World, doc: number, heads: readonly string[]) => Promise<unknown>;
  const nobody = { addUsers: [], removeUsers: [], addGroups: [], removeGroups: [] };
  const set = (name: string) => [{ op: "set" as const, path: ["name"], value: name }];
  const writings: Record<string, Writing> = {
    "a new document": ({ device, database }) => device.api.createDocuments(database, [{ name: "Bob" }]),
    "many new documents": ({ device, database }) =>
      device.api.createDocuments(
        database,
        Array.from({ length: 300 }, (_, n) => ({ n })),
      ),
    "an edit": ({ device }, doc, heads) => device.api.changeDocument(doc, draft(set("Eve"), heads)),
    "edits of many": ({ device, database, docId }, _, baseHeads) =>
      device.api.changeDocuments(database, [{ docId, baseHeads, operations: set("Eve") }], "relaxed"),
    "an undo": ({ device }, doc) => device.api.undo(doc, { isRedo: false, groupMs: 0 }),
    "a redo": ({ device }, doc) => device.api.undo(doc, { isRedo: true, groupMs: 0 }),
    "a branch": ({ device, database, docId }) => device.api.createBranch(database, docId, "other"),
    "a merge": ({ device, database, docId }) => device.api.endBranch(database, docId, "plan", "merge"),
    "a discard": ({ device, database, docId }) => device.api.endBranch(database, docId, "plan", "discard"),
    "a deletion": ({ device, database, docId }) => device.api.deleteDocument(database, docId),
    "a purge": ({ device, database, docId }) => device.api.purgeDocument(database, docId),
    "members of a group": ({ device, id, proof, userKey }) =>
      device.api.setGroup(id, "staff", { ...nobody, addUsers: [userKey] }, proof),
    "a key": ({ device, id }) => device.api.createKey(id, "salaries"),
    "a rotation": ({ device, id, proof }) => device.api.rotateKey(id, "default", proof),
  };

  it.each(Object.entries(writings))("%s says so, and what was there is there", async (name, write) => {
    const disk = createDisk();
    const world = await founded(disk.storage);
    const { database, device, docId, id } = world;
    const doc = newSubscription();
    let { heads } = await device.api.openDocument(database, docId, doc);
    for (const one of ["Bea", "Cleo"])
      ({ heads } = await device.api.changeDocument(doc, draft(set(one), heads)));
    if (name === "a redo") await device.api.undo(doc, { isRedo: false, groupMs: 0 });
    await device.api.createBranch(database, docId, "plan");
    const [before] = await device.api.readDocuments(database, [docId]);
    const ids = await idsOf(device, id);
    disk.isFull = true;
    await expect(write(world, doc, before?.snapshot.heads ?? [])).rejects.toMatchObject(full);
    for (const seen of [before, (await device.api.readDocuments(database, [docId]))[0]])
      expect(seen?.snapshot).toMatchObject({
        value: before?.snapshot.value,
        status: "ready",
        branches: ["plan"],
      });
    expect(await idsOf(device, id)).toEqual(ids);
    expect(await exportFile(device, id)).not.toEqual([]);
    await device.api.lock(id);
    await device.api.unlock(id, { password: people.userPassword });
    disk.isFull = false;
    const again = await openContacts(device, id);
    const late = newSubscription();
    const { heads: now, value } = await device.api.openDocument(again, docId, late);
    expect(value).toEqual(before?.snapshot.value);
    await write({ ...world, database: again }, late, now);
  });

  it("an edit that no page holds yet is there when its document is opened after a crash", async () => {
    const storage = createMemoryStorage(env);
    const { device, id, docId, database } = await founded(storage);
    const doc = newSubscription();
    let { heads } = await device.api.openDocument(database, docId, doc);
    const store = await storage.openStore(`coffer/tenant/${id}`);
    await expect.poll(async () => (await store.readSlots("derived/")).length).toBeGreaterThan(0);
    for (let round = 0; round < 3; round++) {
      const value = `round ${round}`;
      ({ heads } = await device.api.changeDocument(
        doc,
        draft([{ op: "set", path: ["name"], value }], heads),
      ));
      // Nobody closed the one before: its pages are not written.
      const next = await startDevice({
        ...storage,
        async openStore(name) {
          const opened = await storage.openStore(name);
          const readLog = opened.readLog.bind(opened);
          opened.readLog = async (range) => {
            await new Promise((resolve) => setTimeout(resolve, 30));
            return readLog(range);
          };
          return opened;
        },
      });
      await next.api.openTenant(id, { password: people.userPassword });
      const again = await openContacts(next, id);
      const [read] = await next.api.readDocuments(again, [docId]);
      expect(read?.snapshot).toMatchObject({ heads, value: { name: value } });
      expect((await next.api.openDocument(again, docId, newSubscription())).heads).toEqual(heads);
      await next.api.closeTenant(id);
    }
  });

  it("a tenant opens after a crash that left its markers", async () => {
    const disk = createDisk();
    const { device, id, docId } = await founded(disk.storage);
    await device.api.closeTenant(id);
    const store = await disk.storage.openStore(`coffer/tenant/${id}`);
    const mark = new Uint8Array(18);
    mark[0] = 1;
    await store.write({ slots: [{ name: "judging/0123456789abcdef", value: mark }] });
    disk.isFull = true;
    const next = await startDevice(disk.storage);
    await next.api.openTenant(id, open);
    expect(await idsOf(next, id)).toEqual([docId]);
  });

  it("locking locks, and says when the kept session could not be ended", async () => {
    const disk = createDisk();
    const { device, id } = await founded(disk.storage);
    await device.api.openTenant(id, { ...open, keepSession: true });
    const second = await startDevice(disk.storage);
    await second.api.openTenant(id, { ...open, keepSession: true });
    disk.isFull = true;
    await expect(device.api.lock(id)).rejects.toMatchObject(full);
    expect((await device.api.tenants())[0]).toMatchObject({ locked: true, kept: true });
    await expect.poll(async () => (await second.api.tenants())[0]?.locked).toBe(true);
    disk.isFull = false;
    await device.api.lock(id);
    expect((await device.api.tenants())[0]).toMatchObject({ kept: false });
  });

  it("an import says so, and is begun again once there is room", async () => {
    const { device, id, docId } = await founded(createMemoryStorage(env));
    const pieces = await exportFile(device, id);
    const disk = createDisk();
    const fresh = await startDevice(disk.storage);
    disk.isFull = true;
    await expect(importFile(fresh, pieces)).rejects.toMatchObject(full);
    expect(await fresh.api.tenants()).toEqual([]);
    disk.isFull = false;
    await importFile(fresh, pieces);
    await fresh.api.openTenant(id, open);
    await expect.poll(() => idsOf(fresh, id)).toEqual([docId]);
  });
});

describe("the storage's health", () => {
  it("is told at the start, after writes, soon after one that was refused, and when asked", async () => {
    const disk = createDisk();
    disk.usage = { usageBytes: 1, quotaBytes: 100 };
    const timers: { afterMs: number; run: () => void }[] = [];
    const world: Env = {
      ...env,
      setTimer(afterMs, run) {
        const timer = { afterMs, run };
        timers.push(timer);
        return () => {
          const at = timers.indexOf(timer);
          if (at >= 0) timers.splice(at, 1);
        };
      },
    };
    const device = await startDevice(disk.storage, world);
    const told = () => device.events.filter((event) => event.kind === "storage");
    await expect.poll(told).toEqual([{ kind: "storage", usageBytes: 1, quotaBytes: 100 }]);
    const after = (afterMs: number) => timers.filter((timer) => timer.afterMs === afterMs);
    disk.usage = { usageBytes: 2, quotaBytes: 100 };
    await device.api.createUserId("cn=one/o=acme", people.userPassword);
    await device.api.createUserId("cn=two/o=acme", people.userPassword);
    // Two writes, one measurement.
    expect(after(2_000)).toHaveLength(1);
    after(2_000)[0]?.run();
    await expect.poll(told).toHaveLength(2);
    expect(timers).toEqual([]);

    disk.isFull = true;
    await expect(device.api.createUserId("cn=x/o=acme", people.userPassword)).rejects.toMatchObject(full);
    expect(timers.map(({ afterMs }) => afterMs)).toEqual([100]);
    await device.api.measureStorage();
    await expect.poll(told).toHaveLength(3);
    expect(timers).toEqual([]);
    disk.usage = undefined;
    await device.api.measureStorage();
    expect(told()).toHaveLength(3);
  });
});

describe("a store that is gone", () => {
  const destroy = async (storage: Storage, name: string): Promise<void> =>
    (await storage.openStore(name)).destroy();

  it("is noticed; the tenant opens again after a backup was taken in", async () => {
    const storage = createMemoryStorage(env);
    const { device, id, docId } = await founded(storage);
    const pieces = await exportFile(device, id);
    await device.api.closeTenant(id);
    expect((await device.api.tenants())[0]?.lost).toBe(false);
    await destroy(storage, `coffer/tenant/${id}`);
    const next = await startDevice(storage);
    expect((await next.api.tenants())[0]).toMatchObject({ lost: true, locked: true });
    for (let round = 0; round < 2; round++) {
      await expect(next.api.openTenant(id, open)).rejects.toMatchObject({ code: "key/missing" });
      // Opening made an empty store: what was lost is remembered.
      expect((await next.api.tenants())[0]?.lost).toBe(true);
    }
    expect(await importFile(next, pieces)).toMatchObject({ tenantId: id });
    expect((await next.api.tenants())[0]?.lost).toBe(false);
    expect((await next.api.openTenant(id, open)).alarms).toMatchObject([{ kind: "rollback" }]);
    await expect.poll(() => idsOf(next, id)).toEqual([docId]);
    // It is told once.
    await next.api.closeTenant(id);
    expect((await next.api.openTenant(id, open)).alarms).toEqual([]);
  });

  it("is replaced where the device's own registry was lost instead", async () => {
    const storage = createMemoryStorage(env);
    const { device, id, docId } = await founded(storage);
    const pieces = await exportFile(device, id, false);
    await device.api.closeTenant(id);
    await destroy(storage, "coffer/device");
    const next = await startDevice(storage);
    expect(await next.api.tenants()).toEqual([]);
    await importFile(next, pieces);
    await next.api.openTenant(id, open);
    await expect.poll(() => idsOf(next, id)).toEqual([docId]);
  });

  it("can be joined again", async () => {
    const home = await founded(createMemoryStorage(env));
    const admin = (await home.device.api.openTenant(home.id, open)).adminUser?.key ?? "";
    const storage = createMemoryStorage(env);
    const guest = await startDevice(storage);
    const join = async () => {
      const { key } = await guest.api.createUserId("cn=guest/o=acme", people.userPassword);
      const sharePassword = await guest.api.createSharePassword();
      const request = await guest.api.createJoinRequest(key);
      const response = await home.device.api.approveJoinRequest(home.id, request, {
        adminKey: admin,
        adminPassword: people.adminPassword,
        sharePassword,
        serverUrl: undefined,
        expiresInMs: 60_000,
      });
      return guest.api.joinTenant(response, { key, password: people.userPassword, sharePassword });
    };
    await join();
    await expect(join()).rejects.toMatchObject({ code: "input/used" });
    await guest.api.closeTenant(home.id);
    await destroy(storage, `coffer/tenant/${home.id}`);
    await expect(guest.api.openTenant(home.id, open)).rejects.toMatchObject({ code: "key/missing" });
    expect(await join()).toMatchObject({ name: "acme" });
    expect((await guest.api.tenants())[0]?.lost).toBe(false);
  });

  it.each(["emptied", "lost and restored from an identity file"])(
    "is filled again from the server when it was %s, own commits included",
    async (how) => {
      const dataFolder = await mkdtemp(join(tmpdir(), "coffer-test-"));
      const server = await startServer({ dataFolder, port: 0 });
      try {
        const storage = createMemoryStorage(env);
        const { device, id, docId } = await founded(storage);
        const adminKey = (await device.api.openTenant(id, open)).adminUser?.key ?? "";
        await device.api.publish(id, server.url, { adminKey, adminPassword: people.adminPassword });
        await device.api.connect(id, server.url);
        await device.api.sync(id, server.url);
        const pieces = await exportFile(device, id, false);
        await device.api.closeTenant(id);
        const name = `coffer/tenant/${id}`;
        const store = await storage.openStore(name);
        const slots = (await store.readSlots("")).map((slot): SlotWrite => ({
          name: slot.name,
          value: slot.value,
        }));
        await store.destroy();
        // Emptied by hand, the log keeps its name, and what is known of the server seems to fit it.
        const { logEpoch } = store;
        const emptied: Storage = {
          ...storage,
          async openStore(opened) {
            const other = await storage.openStore(opened);
            return opened === name ? Object.defineProperty(other, "logEpoch", { value: logEpoch }) : other;
          },
        };
        const next = await startDevice(how === "emptied" ? emptied : storage);
        if (how === "emptied") await (await storage.openStore(name)).write({ slots });
        else await importFile(next, pieces);
        const opened = await next.api.openTenant(id, open);
        const alarms = next.events.flatMap((event) => (event.kind === "tenant" ? event.snapshot.alarms : []));
        expect([...alarms, ...opened.alarms].map(({ kind }) => kind)).toContain("rollback");
        await expect.poll(() => idsOf(next, id)).toEqual([docId]);
        expect((await next.api.tenants())[0]?.lost).toBe(false);
        const database = await openContacts(next, id);
        await next.api.createDocuments(database, [{ name: "Bob" }]);
        await next.api.sync(id, server.url);
      } finally {
        await closeDevices();
        await server.close();
        await rm(dataFolder, { recursive: true, force: true });
      }
    },
  );
});
