/** Files that are stored once: within one key of one tenant, seen by nobody without it, and kept as long as one of them is left. */
import { describe, expect, it } from "vitest";
import {
  attachmentField,
  attachmentLimits,
  encodePart,
  encodeRecord,
  readPart,
  type Part,
} from "../src/attachment/index.ts";
import { bytesToBase64url, parseId, type CofferError } from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import { ChunkStore, isReceived } from "../src/sync/index.ts";
import { draft, env, newSubscription, people, startDevice, type Device } from "./device-fixtures.ts";
import { serveEachTest } from "./server-fixtures.ts";

const { chunkBytes } = attachmentLimits;
const byPassword = { userName: undefined, password: people.userPassword, keepSession: false };
const server = serveEachTest();

interface Party {
  readonly storage: Storage;
  readonly device: Device;
  readonly tenantId: string;
  readonly database: number;
}

async function founded(tenantName = people.tenantName) {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const tenant = await device.api.createTenant({ ...people, tenantName });
  const database = newSubscription();
  await device.api.openDatabase(tenant.id, "films", database);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  return { storage, device, tenantId: tenant.id, database, proof };
}

/** Two chunks, the first of them twice, and the beginning of a third. */
const content = Uint8Array.from(
  { length: 3 * chunkBytes + 99 },
  (_, at) => ((at % chunkBytes) * 31 + (at >= 2 * chunkBytes ? 7 : 0) + ((at % chunkBytes) >>> 8)) & 255,
);

async function add({ database, device: { api } }: Party, docId: string, isShared = true): Promise<Part> {
  const upload = await api.openUpload(database, docId, isShared);
  await api.writeUpload(upload, content);
  const { atMs, id, parts } = await api.finishUpload(upload);
  const read = parts.map((part) => readPart(part) ?? expect.fail("a part"));
  const value = encodeRecord({ name: "a.bin", type: "", addedAtMs: atMs, parts: read });
  const doc = newSubscription();
  const { heads } = await api.openDocument(database, docId, doc);
  await api.changeDocument(doc, draft([{ op: "set", path: [attachmentField(id)], value }], heads));
  await api.closeDocument(doc);
  await api.nameParts(database, parts);
  return read[0] ?? expect.fail("a part");
}

const read = async ({ database, device }: Party, docId: string, part: Part): Promise<Buffer> =>
  Buffer.from(await device.api.readPart(database, docId, encodePart(part), { from: 0, to: part.sizeBytes }));

const chunksOf = ({ storage, tenantId }: Party): ChunkStore =>
  new ChunkStore(storage, "coffer", parseId("TenantId", tenantId) ?? expect.fail("an id"));

async function hashesOf(party: Party, { commitHash }: Part): Promise<readonly string[]> {
  return ((await chunksOf(party).part(commitHash))?.chunks ?? []).map(({ hash }) => bytesToBase64url(hash));
}

async function keptCount({ storage, tenantId }: Party): Promise<number> {
  const store = await storage.openStore(`coffer/tenant/${tenantId}/chunks`);
  const slots = await store.readSlots("c/");
  store.close();
  return slots.length;
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "none",
    (error: unknown) => (error as CofferError).code,
  );

describe("a file that is added twice", () => {
  it("is kept once where that is asked for, in whichever document and database of one key", async () => {
    const party = await founded();
    const { api } = party.device;
    const [a = "", b = ""] = await api.createDocuments(party.database, [{ title: "a" }, { title: "b" }]);
    const other = { ...party, database: newSubscription() };
    await api.openDatabase(party.tenantId, "others", other.database);
    const [c = ""] = await api.createDocuments(other.database, [{ title: "c" }]);
    const parts = [await add(party, a), await add(party, b), await add(other, c)];
    const [first = [], ...rest] = await Promise.all(parts.map((part) => hashesOf(party, part)));
    expect([first.length, ...rest]).toEqual([4, first, first]);
    expect(await keptCount(party)).toBe(3);
    for (const [on, docId, part] of [
      [party, a, parts[0]],
      [party, b, parts[1]],
      [other, c, parts[2]],
    ] as const)
      expect(Buffer.compare(await read(on, docId, part ?? expect.fail()), content)).toBe(0);
    // Without that wish it shows nothing in common with them.
    const alone = await hashesOf(party, await add(party, a, false));
    expect(alone.filter((hash) => first.includes(hash))).toEqual([]);
    // A part that says it is sealed in the other way is none.
    const [part = expect.fail("a part")] = parts;
    const { isShared: _, ...salted } = part;
    expect(await codeOf(read(party, a, salted))).toBe("entry/corrupt");
    expect(await codeOf(read(party, b, part))).toBe("entry/corrupt");
  });

  it("has nothing in common in another tenant, or under another key", async () => {
    const [one, two] = [await founded(), await founded("another")];
    const { api } = one.device;
    await api.createKey(one.tenantId, "salaries");
    const [open = ""] = await api.createDocuments(one.database, [{ title: "a" }]);
    const [secret = ""] = await api.createDocuments(one.database, [{ title: "b" }], { keyName: "salaries" });
    const [theirs = ""] = await two.device.api.createDocuments(two.database, [{ title: "a" }]);
    const hashes = [
      ...(await hashesOf(one, await add(one, open))),
      ...(await hashesOf(one, await add(one, secret))),
      ...(await hashesOf(two, await add(two, theirs))),
    ];
    expect([hashes.length, new Set(hashes).size]).toEqual([12, 9]);
  });

  it("stays for the others when one is purged, here, on the server and elsewhere, until the last one goes", async () => {
    const owner = await founded();
    const { api } = owner.device;
    await api.publish(owner.tenantId, server.url, owner.proof);
    const [a = "", b = ""] = await api.createDocuments(owner.database, [{ title: "a" }, { title: "b" }]);
    const parts = [await add(owner, a), await add(owner, b)];
    await api.connect(owner.tenantId, server.url);
    const isSent = async () =>
      (await chunksOf(owner).parts()).every((part) =>
        part.chunks.every((_, index) => isReceived(part, index)),
      );
    await expect.poll(isSent).toBe(true);
    await api.purgeDocument(owner.database, a, owner.proof);
    expect(await keptCount(owner)).toBe(3);
    const [, part = expect.fail("a part")] = parts;
    expect(Buffer.compare(await read(owner, b, part), content)).toBe(0);
    await api.sync(owner.tenantId, server.url);
    // A device that has none of it reads it from the server, which purged the first document.
    const password = "marble tunnel saffron";
    const exporting = await api.openExport(owner.tenantId, { password, documents: true, resume: undefined });
    const storage = createMemoryStorage(env);
    const device = await startDevice(storage);
    const importing = await device.api.openImport(password);
    for (
      let piece = await api.readExport(exporting);
      piece !== undefined;
      piece = await api.readExport(exporting)
    )
      await device.api.writeImport(importing, piece);
    await device.api.finishImport(importing);
    await device.api.openTenant(owner.tenantId, byPassword);
    await device.api.connect(owner.tenantId, server.url);
    const other = { storage, device, tenantId: owner.tenantId, database: newSubscription() };
    await device.api.openDatabase(owner.tenantId, "films", other.database);
    await expect.poll(() => codeOf(read(other, b, part))).toBe("none");
    expect(Buffer.compare(await read(other, b, part), content)).toBe(0);
    await api.purgeDocument(owner.database, b, owner.proof);
    expect(await keptCount(owner)).toBe(0);
    await api.sync(owner.tenantId, server.url);
    await expect.poll(() => keptCount(other)).toBe(0);
  });
});
