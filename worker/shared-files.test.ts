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
import {
  createContentKey,
  createContentSealer,
  padInto,
  paddedSizeBytes,
  parseCommit,
} from "../src/entry/index.ts";
import {
  bytesToBase64url,
  bytesToId,
  idToBytes,
  parseId,
  utf8ToBytes,
  type CofferError,
} from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import { ChunkStore, isReceived } from "../src/sync/index.ts";
import { crypto, draft, env, newSubscription, people, startDevice, type Device } from "./device-fixtures.ts";
import { serveEachTest } from "./server-fixtures.ts";

const { chunkBytes } = attachmentLimits;
const domain = utf8ToBytes("coffer/chunk/v1\0");
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

  it("tells nothing to a server that guesses what is in it: neither name, nor hash, nor bytes follow without the key", async () => {
    const [one, two] = [await founded(), await founded("another")];
    const stored: Uint8Array[] = [];
    const known: Uint8Array[] = [];
    for (const party of [one, two]) {
      const { device, storage, tenantId } = party;
      const [docId = ""] = await device.api.createDocuments(party.database, [{ title: "a" }]);
      const { commitHash } = await add(party, docId);
      const part = (await chunksOf(party).part(commitHash)) ?? expect.fail("a part");
      for (const { hash } of part.chunks) {
        const bytes = (await chunksOf(party).chunksOf([hash]))[0] ?? expect.fail("a chunk");
        // What a server has of a chunk: its name, and its bytes in their pieces.
        stored.push(hash, bytes.subarray(0, 32), bytes.subarray(32, 64), bytes.subarray(-16));
      }
      // And what it knows besides: every id, salt, commitment and key name that stands open in the commit.
      const log = await storage.openStore(`coffer/tenant/${tenantId}`);
      const records = await log.readLog({ after: 0, maxCount: 100, maxBytes: 1e9 });
      log.close();
      const record = records.find((found) => found.commitHash === commitHash) ?? expect.fail("a commit");
      const parsed = parseCommit(crypto, record.bytes, commitHash);
      if (parsed.kind !== "verified") throw new Error(parsed.kind);
      const { author, keys, salt, writerNonce } = parsed.commit.header;
      const [named = expect.fail("a key")] = keys;
      const open = [idToBytes(named.keyId), named.fingerprint, named.commitment, idToBytes(author)];
      known.push(...open, salt, writerNonce, new Uint8Array(32), idToBytes(commitHash));
      known.push(idToBytes(parseId("TenantId", tenantId) ?? expect.fail("an id")), idToBytes(part.docId));
    }
    const guesses = [0, 2, 3].map((at) => content.subarray(at * chunkBytes, (at + 1) * chunkBytes));
    const padded = guesses.map((guess) => {
      const room = new Uint8Array(paddedSizeBytes(guess.length));
      padInto(room, guess);
      return room;
    });
    const computed: Uint8Array[] = [];
    for (const guess of [...guesses, ...padded]) {
      computed.push(crypto.sha256(guess));
      for (const value of known) {
        computed.push(crypto.sha256(value, guess), crypto.sha256(guess, value));
        computed.push(crypto.hmacSha256(value, guess), crypto.hmacSha256(value, domain, guess));
      }
    }
    // The product's own way, with whatever is known in the place of the secret.
    for (const value of known) {
      const secret = crypto.sha256(value);
      for (const tenantId of [one.tenantId, two.tenantId])
        for (const raw of value.length === 32 ? [value, secret] : [secret]) {
          const id = parseId("TenantId", tenantId) ?? expect.fail("an id");
          const keyId = bytesToId("KeyId", known[0] ?? expect.fail("a key id"));
          const key = await createContentKey(crypto, { keyId, epoch: 1, secret: raw });
          const sealer = await createContentSealer(crypto, key, id);
          for (const guess of guesses) {
            const sealed = await sealer.seal(guess);
            computed.push(crypto.sha256(sealed), sealed.subarray(0, 32), sealed.subarray(32, 64));
          }
          for (let at = 1; at < stored.length; at += 4)
            expect(await sealer.open(stored[at] ?? expect.fail("bytes"))).toBeUndefined();
        }
    }
    const found = new Set(stored.map(bytesToBase64url));
    expect(computed.filter((bytes) => found.has(bytesToBase64url(bytes)))).toEqual([]);
    // Nor has one tenant's anything in common with the other's: of four chunks each, three are different ones.
    expect(new Set(stored.filter((_, at) => at % 4 === 0).map(bytesToBase64url)).size).toBe(6);
    expect(new Set(stored.filter((_, at) => at % 4 === 1).map(bytesToBase64url)).size).toBe(6);
    expect(computed.length).toBeGreaterThan(400);
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
