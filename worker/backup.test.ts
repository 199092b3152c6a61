import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket as NodeWebSocket } from "ws";
import { afterEach, describe, expect, it } from "vitest";
import { startServer } from "../server/src/index.ts";
import { concatBytes, equalBytes } from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

afterEach(closeDevices);

const password = "fourteen amber foxes under glass";
const open = { userName: undefined, password: people.userPassword, keepSession: false };

interface Home {
  readonly storage: Storage;
  readonly device: Device;
  readonly id: string;
  readonly database: number;
}

async function openContacts(device: Device, tenantId: string): Promise<number> {
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "contacts", database);
  return database;
}

async function founded(commitCount = 0): Promise<Home> {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const { id } = await device.api.createTenant(people);
  const database = await openContacts(device, id);
  await addDocuments({ device, database }, commitCount);
  return { storage, device, id, database };
}

/** Commits of about 10 kB each, so that a few of them fill a chunk. */
async function addDocuments(
  { device, database }: Pick<Home, "device" | "database">,
  count: number,
): Promise<void> {
  for (let n = 0; n < count; n++)
    await device.api.createDocuments(database, [{ n, text: `${n} `.repeat(3000) }, { n: -n }]);
}

interface ExportChoice {
  readonly documents?: boolean;
  readonly resume?: { readonly header: Uint8Array; readonly sizeBytes: number };
  readonly password?: string;
}

async function exportFile(
  { device, id }: Pick<Home, "device" | "id">,
  choice: ExportChoice = {},
): Promise<Uint8Array> {
  const options = { password, documents: true, resume: undefined, ...choice };
  const number = await device.api.openExport(id, options);
  const pieces: Uint8Array[] = [];
  for (;;) {
    const piece = await device.api.readExport(number);
    if (piece === undefined) return concatBytes(...pieces);
    expect(piece.length).toBeLessThanOrEqual(65_552);
    pieces.push(piece);
  }
}

async function importFile(
  { api }: Device,
  file: Uint8Array,
  { pieceBytes = 50_000, word = password }: { pieceBytes?: number; word?: string } = {},
) {
  const number = await api.openImport(word);
  try {
    for (let at = 0; at < file.length; at += pieceBytes)
      await api.writeImport(number, file.slice(at, at + pieceBytes));
    return await api.finishImport(number);
  } finally {
    await api.abortBackup(number);
  }
}

async function idsOf(device: Device, tenantId: string): Promise<readonly string[]> {
  const database = await openContacts(device, tenantId);
  return (await device.api.documentIds(database)).toSorted();
}

const logOf = async (storage: Storage, id: string) => {
  const store = await storage.openStore(`coffer/tenant/${id}`);
  const log = await store.readLog({ after: 0, maxCount: 10_000, maxBytes: 1e9 });
  store.close();
  return log.map(({ commitHash }) => commitHash);
};

const dumpOf = async (storage: Storage, id: string): Promise<ReadonlyMap<string, unknown>> => {
  const [tenant, device] = [
    await storage.openStore(`coffer/tenant/${id}`),
    await storage.openStore("coffer/device"),
  ];
  const slots = [...(await tenant.readSlots("")), ...(await device.readSlots(""))];
  const kept = slots.filter(({ name }) => !name.startsWith("derived/"));
  return new Map(kept.map(({ name, value }) => [name, value]));
};

describe("a backup file", () => {
  it("brings a tenant to a fresh device, in pieces of any size, and can be taken in twice", async () => {
    const home = await founded(40);
    const ids = await idsOf(home.device, home.id);
    const file = await exportFile(home);
    expect(file.length).toBeGreaterThan(3 * 65_552);
    for (const pieceBytes of [7919, 65_552, file.length]) {
      const storage = createMemoryStorage(env);
      const fresh = await startDevice(storage);
      const log = await logOf(home.storage, home.id);
      const report = { tenantId: home.id, commitCount: log.length, newCount: log.length, fileBytes: 0 };
      expect(await importFile(fresh, file, { pieceBytes })).toEqual(report);
      expect(await logOf(storage, home.id)).toEqual(log);
      expect(await fresh.api.tenants()).toMatchObject([
        { id: home.id, locked: true, kept: false, lost: false },
      ]);
      await expect(fresh.api.openTenant(home.id, { ...open, password: "not this" })).rejects.toMatchObject({
        code: "key/wrong-password",
      });
      expect(await fresh.api.openTenant("acme", open)).toMatchObject({
        name: "acme",
        self: { userName: people.userName },
        adminUser: { userName: people.adminName },
      });
      expect(await importFile(fresh, file)).toEqual({ ...report, newCount: 0 });
      await expect.poll(() => idsOf(fresh, home.id)).toEqual(ids);
      // And it goes on there.
      await addDocuments({ device: fresh, database: await openContacts(fresh, home.id) }, 1);
      expect(await idsOf(fresh, home.id)).toHaveLength(ids.length + 2);
    }
  });

  it("is written while the tenant is locked, and holds nothing that can be read", async () => {
    const home = await founded(2);
    await home.device.api.lock(home.id);
    const file = await exportFile(home);
    const text = new TextDecoder("latin1").decode(file);
    for (const canary of ["acme", "owner", "contacts", "0 0 0"]) expect(text).not.toContain(canary);
    await expect(exportFile(home, { password: "password" })).rejects.toMatchObject({
      code: "input/weak-password",
    });
    await expect(home.device.api.readExport(999)).rejects.toMatchObject({ code: "aborted" });
  });

  it("goes on where it broke off with the same bytes, at any place", async () => {
    const home = await founded(30);
    const file = await exportFile(home);
    await addDocuments(home, 2);
    const header = file.slice(0, 1000);
    for (const sizeBytes of [0, 5, 200, 66_000, 65_552 * 2, file.length - 1, file.length]) {
      const rest = await exportFile(home, { resume: { header, sizeBytes } });
      expect(equalBytes(concatBytes(file.slice(0, sizeBytes), rest), file), `${sizeBytes}`).toBe(true);
    }
    const refused = async (choice: ExportChoice): Promise<unknown> =>
      exportFile(home, choice).catch((error: { code: string }) => error.code);
    expect(await refused({ resume: { header, sizeBytes: file.length + 1 } })).toBe("input/invalid");
    expect(await refused({ resume: { header: header.slice(0, 50), sizeBytes: 50 } })).toBe("entry/corrupt");
    expect(await refused({ password: "another word", resume: { header, sizeBytes: 0 } })).toBe(
      "key/wrong-password",
    );
    const other = await founded();
    const theirs = (await exportFile(other)).slice(0, 1000);
    expect(await refused({ resume: { header: theirs, sizeBytes: 0 } })).toBe("input/invalid");
    // Once the keys have changed it would be another content under the same key.
    await home.device.api.createKey(home.id, "salaries");
    expect(await refused({ resume: { header, sizeBytes: 70_000 } })).toBe("input/invalid");
  });

  it("is refused whole when any part is missing, moved, foreign or changed, and nothing is listed", async () => {
    const home = await founded(30);
    const file = await exportFile(home);
    const foreign = await exportFile(home);
    const headerBytes = ((file[5] ?? 0) << 8) | (file[6] ?? 0);
    const chunk = (from: Uint8Array, index: number): Uint8Array =>
      from.slice(headerBytes + index * 65_552, headerBytes + (index + 1) * 65_552);
    const header = file.slice(0, headerBytes);
    const rest = file.slice(headerBytes + 65_552 * 2);
    const flipped = (at: number): Uint8Array => file.map((byte, here) => (here === at ? byte ^ 4 : byte));
    const bad: readonly [string, Uint8Array][] = [
      ["nothing", file.slice(0, 0)],
      ["header only", header],
      ["last byte", file.slice(0, -1)],
      ["last chunk", concatBytes(header, chunk(file, 0), chunk(file, 1))],
      ["swapped chunks", concatBytes(header, chunk(file, 1), chunk(file, 0), rest)],
      ["chunk twice", concatBytes(header, chunk(file, 0), chunk(file, 0), rest)],
      ["foreign chunk", concatBytes(header, chunk(file, 0), chunk(foreign, 1), rest)],
      ["other header", concatBytes(foreign.slice(0, headerBytes), file.slice(headerBytes))],
      ["more", concatBytes(file, new Uint8Array(1))],
      ["changed chunk", flipped(headerBytes + 70_000)],
      ["changed end", flipped(file.length - 1)],
    ];
    for (const [what, bytes] of bad) {
      const fresh = await startDevice(createMemoryStorage(env));
      await expect(importFile(fresh, bytes), what).rejects.toMatchObject({ code: "entry/corrupt" });
      expect(await fresh.api.tenants()).toEqual([]);
    }
    const fresh = await startDevice(createMemoryStorage(env));
    await expect(importFile(fresh, file, { word: "another" })).rejects.toMatchObject({
      code: "key/wrong-password",
    });
  });

  it("is begun again after it broke off, and what was stored is not stored twice", async () => {
    const home = await founded(60);
    const file = await exportFile(home);
    const storage = createMemoryStorage(env);
    const first = await startDevice(storage);
    const number = await first.api.openImport(password);
    await first.api.writeImport(number, file.slice(0, file.length - 70_000));
    await first.api.abortBackup(number);
    await expect(first.api.writeImport(number, file)).rejects.toMatchObject({ code: "aborted" });
    await expect(first.api.finishImport(number)).rejects.toMatchObject({ code: "aborted" });
    expect(await first.api.tenants()).toEqual([]);
    await importFile(first, file);
    const log = await logOf(storage, home.id);
    expect(new Set(log).size).toBe(log.length);
    expect(log).toEqual(await logOf(home.storage, home.id));
  });

  it("only adds to a tenant that is here: nothing of it is changed, older or newer", async () => {
    const home = await founded(3);
    const before = await exportFile(home);
    await addDocuments(home, 3);
    await home.device.api.createKey(home.id, "salaries");
    const after = await exportFile(home);
    const ids = await idsOf(home.device, home.id);

    // An old file over a newer state.
    const old = await dumpOf(home.storage, home.id);
    expect(await importFile(home.device, before)).toMatchObject({ newCount: 0 });
    const kept = await dumpOf(home.storage, home.id);
    for (const [name, value] of old)
      if (!name.startsWith("tenant/") && !["bag", "names"].includes(name))
        expect(kept.get(name), name).toEqual(value);
    expect(await idsOf(home.device, home.id)).toEqual(ids);

    // A newer file where the tenant is open: documents and keys come, without unlocking anew.
    const other = createMemoryStorage(env);
    const second = await startDevice(other);
    await importFile(second, before);
    await second.api.openTenant(home.id, open);
    await addDocuments({ device: second, database: await openContacts(second, home.id) }, 1);
    const own = await idsOf(second, home.id);
    expect(await importFile(second, after)).toMatchObject({ tenantId: home.id });
    await expect.poll(() => idsOf(second, home.id)).toEqual([...new Set([...own, ...ids])].toSorted());
    const told = () => second.events.findLast((event) => event.kind === "tenant");
    await expect
      .poll(() => told()?.kind === "tenant" && told())
      .toMatchObject({ snapshot: { keys: expect.arrayContaining(["salaries"]) } });
    const database = await openContacts(second, home.id);
    await expect(
      second.api.createDocuments(database, [{ secret: 1 }], { keyName: "salaries" }),
    ).resolves.toHaveLength(1);
  });

  it("brings nothing back that was purged here, and takes along what was purged", async () => {
    const home = await founded(2);
    const older = await exportFile(home);
    const [purged = "", ...others] = await idsOf(home.device, home.id);
    await home.device.api.purgeDocument(home.database, purged);
    const younger = await exportFile(home);
    await importFile(home.device, older);
    expect(await idsOf(home.device, home.id)).toEqual(others);
    await home.device.api.closeTenant(home.id);
    await home.device.api.openTenant(home.id, open);
    await expect.poll(() => idsOf(home.device, home.id)).toEqual(others);
    const fresh = await startDevice(createMemoryStorage(env));
    await importFile(fresh, younger);
    await fresh.api.openTenant(home.id, open);
    await expect.poll(() => idsOf(fresh, home.id)).toEqual(others);
    expect((await fresh.api.openTenant(home.id, open)).alarms).toEqual([]);
  });

  it("of one user is not taken in over another's tenant", async () => {
    const home = await founded();
    const guest = await startDevice(createMemoryStorage(env));
    const { key } = await guest.api.createUserId("cn=guest/o=acme", people.userPassword);
    const sharePassword = await home.device.api.createSharePassword();
    const snapshot = await home.device.api.openTenant(home.id, open);
    const response = await home.device.api.approveJoinRequest(
      home.id,
      await guest.api.createJoinRequest(key),
      {
        adminKey: snapshot.adminUser?.key ?? "",
        adminPassword: people.adminPassword,
        sharePassword,
        serverUrl: undefined,
        expiresInMs: 60_000,
      },
    );
    await guest.api.joinTenant(response, { key, password: people.userPassword, sharePassword });
    await expect(importFile(guest, await exportFile(home))).rejects.toMatchObject({ code: "input/used" });
    // The guest's own has no admin in it.
    const fresh = await startDevice(createMemoryStorage(env));
    await importFile(fresh, await exportFile({ device: guest, id: home.id }));
    const there = await fresh.api.openTenant(home.id, open);
    expect(there).toMatchObject({ self: { userName: "cn=guest/o=acme", key }, adminUser: undefined });
  });

  it("gives two devices device keys of their own, and what both write is kept", async () => {
    const home = await founded(1);
    const file = await exportFile(home);
    const devices: { storage: Storage; device: Device; ids: readonly string[] }[] = [];
    for (let n = 0; n < 2; n++) {
      const storage = createMemoryStorage(env);
      const device = await startDevice(storage);
      await importFile(device, file);
      await device.api.openTenant(home.id, open);
      const database = await openContacts(device, home.id);
      await expect.poll(() => device.api.documentIds(database)).toHaveLength(2);
      const ids = [...(await device.api.documentIds(database))];
      const doc = newSubscription();
      const { heads } = await device.api.openDocument(database, ids[0] ?? "", doc);
      await device.api.changeDocument(doc, draft([{ op: "set", path: [`by${n}`], value: n }], heads));
      await device.api.closeTenant(home.id);
      devices.push({ storage, device, ids });
    }
    const [one, two] = devices;
    if (one === undefined || two === undefined) throw new Error("two devices");
    // Pages of one do not open on the other: it judges its log again.
    const store = await two.storage.openStore(`coffer/tenant/${home.id}`);
    const pages = await (await one.storage.openStore(`coffer/tenant/${home.id}`)).readSlots("derived/");
    expect(pages.length).toBeGreaterThan(0);
    await store.write({ slots: pages.map(({ name, value }) => ({ name, value })) });
    await one.device.api.openTenant(home.id, open);
    await importFile(two.device, await exportFile({ device: one.device, id: home.id }));
    const there = await two.device.api.openTenant(home.id, open);
    expect(there.alarms.filter(({ kind }) => kind === "equivocation")).toEqual([]);
    const database = await openContacts(two.device, home.id);
    const valueOf = async (): Promise<unknown> =>
      (await two.device.api.openDocument(database, one.ids[0] ?? "", newSubscription())).value;
    await expect.poll(valueOf).toMatchObject({ by0: 0, by1: 1 });
  });
});

describe("an identity file", () => {
  it("is enough to sign in on a wiped device and bring everything back from the server", async () => {
    const dataFolder = await mkdtemp(join(tmpdir(), "coffer-test-"));
    const server = await startServer({ dataFolder, port: 0 });
    try {
      const home = await founded(4);
      const snapshot = await home.device.api.openTenant(home.id, open);
      const proof = { adminKey: snapshot.adminUser?.key ?? "", adminPassword: people.adminPassword };
      await home.device.api.publish(home.id, server.url, proof);
      await home.device.api.connect(home.id, server.url);
      await home.device.api.sync(home.id, server.url);
      const ids = await idsOf(home.device, home.id);
      const file = await exportFile(home, { documents: false });
      expect(file.length).toBeLessThan(8_000);
      await home.device.api.removeTenant(home.id);

      // The device is wiped, the link comes back with the file.
      const fresh = await startDevice(createMemoryStorage(env));
      expect(await importFile(fresh, file)).toEqual({
        tenantId: home.id,
        commitCount: 0,
        newCount: 0,
        fileBytes: 0,
      });
      expect(await fresh.api.tenants()).toMatchObject([{ lost: false }]);
      await fresh.api.openTenant(home.id, open);
      await expect.poll(() => idsOf(fresh, home.id)).toEqual(ids);
      await fresh.api.connect(home.id, server.url);
      await addDocuments({ device: fresh, database: await openContacts(fresh, home.id) }, 1);
      await fresh.api.sync(home.id, server.url);
      await fresh.api.closeTenant(home.id);
      await fresh.api.openTenant(home.id, open);
      await fresh.api.sync(home.id, server.url);
      expect((await idsOf(fresh, home.id)).length).toBe(ids.length + 2);
    } finally {
      await closeDevices();
      await server.close();
      await rm(dataFolder, { recursive: true, force: true });
    }
  });
});

describe("a page's messages", () => {
  it("are judged", async () => {
    const { device, id } = await founded();
    const bad: readonly object[] = [
      { password: 7, documents: true, resume: undefined },
      { password, documents: "yes", resume: undefined },
      { password, documents: true, resume: { header: "x", sizeBytes: 1 } },
      { password, documents: true, resume: { header: new Uint8Array(3), sizeBytes: -1 } },
    ];
    for (const options of bad)
      await expect(device.api.openExport(id, options as never)).rejects.toMatchObject({
        code: "input/invalid",
      });
    await expect(device.api.openImport(undefined as never)).rejects.toMatchObject({ code: "input/invalid" });
    const number = await device.api.openImport(password);
    await expect(device.api.writeImport(number, "x" as never)).rejects.toMatchObject({
      code: "input/invalid",
    });
  });

  it("leave a bounded number of files open", async () => {
    const { device } = await founded();
    const numbers: number[] = [];
    await expect(async () => {
      for (;;) numbers.push(await device.api.openImport(password));
    }).rejects.toMatchObject({ code: "input/too-large" });
    await device.api.abortBackup(numbers[0] ?? 0);
    await expect(device.api.openImport(password)).resolves.toBeGreaterThan(0);
  });
});
