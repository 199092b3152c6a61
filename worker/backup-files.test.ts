/** Attachments in backup files: their bytes come back without any server, hold against what somebody made up, and are not let go too soon. */
import { afterEach, describe, expect, it } from "vitest";
import {
  attachmentField,
  attachmentLimits,
  encodePart,
  encodeRecord,
  readPart,
  type Part,
} from "../src/attachment/index.ts";
import { bytesToId, concatBytes, CofferError, parseId } from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import { ChunkStore } from "../src/sync/index.ts";
import {
  backupChunkBytes,
  chainHash,
  createBackupKey,
  emptyChain,
  sealChunk,
  type BackupHeader,
} from "../src/tenant/backup-codec.ts";
import { BackupReader } from "../src/tenant/backup-reader.ts";
import { BackupRecordReader, encodeBackupRecord, type BackupRecord } from "../src/tenant/backup-records.ts";
import {
  closeDevices,
  crypto,
  draft,
  env,
  newSubscription,
  people,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

afterEach(closeDevices);

const { chunkBytes, partBytes } = attachmentLimits;
const password = "fourteen amber foxes under glass";
const open = { userName: undefined, password: people.userPassword, keepSession: false };
const contentOf = (size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >>> 8) + (at >>> 16)) & 255);

interface Home {
  readonly storage: Storage;
  readonly device: Device;
  readonly id: string;
  readonly database: number;
  readonly docId: string;
}

async function founded(): Promise<Home> {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const { id } = await device.api.createTenant(people);
  const database = newSubscription();
  await device.api.openDatabase(id, "films", database);
  const [docId = ""] = await device.api.createDocuments(database, [{ title: "Ran" }]);
  return { storage, device, id, database, docId };
}

async function add({ database, device: { api }, docId }: Home, bytes: Uint8Array, isShared = false) {
  const upload = await api.openUpload(database, docId, isShared);
  for (let from = 0; from < bytes.length; from += partBytes)
    await api.writeUpload(upload, bytes.slice(from, from + partBytes));
  const { atMs, id, parts } = await api.finishUpload(upload);
  const read = parts.map((part) => readPart(part) ?? expect.fail("a part"));
  const value = encodeRecord({ name: "a.bin", type: "", addedAtMs: atMs, parts: read });
  const doc = newSubscription();
  const { heads } = await api.openDocument(database, docId, doc);
  await api.changeDocument(doc, draft([{ op: "set", path: [attachmentField(id)], value }], heads));
  await api.closeDocument(doc);
  await api.nameParts(database, parts);
  return read;
}

async function exportFile({ device, id }: Home, choice: { files?: boolean; resume?: Uint8Array } = {}) {
  const { files = true, resume } = choice;
  const from = resume && { header: resume.slice(0, 600), sizeBytes: resume.length };
  const number = await device.api.openExport(id, { password, documents: true, files, resume: from });
  const pieces: Uint8Array[] = [];
  for (let piece = await device.api.readExport(number); piece !== undefined;) {
    expect(piece.length).toBeLessThanOrEqual(65_552);
    pieces.push(piece);
    piece = await device.api.readExport(number);
  }
  return concatBytes(...pieces);
}

async function importFile({ api }: Device, file: Uint8Array, upTo = file.length, pieceBytes = 500_000) {
  const number = await api.openImport(password);
  try {
    for (let at = 0; at < upTo; at += pieceBytes)
      await api.writeImport(number, file.slice(at, Math.min(upTo, at + pieceBytes)));
    return await api.finishImport(number);
  } finally {
    await api.abortBackup(number);
  }
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "none",
    (error: unknown) => (error as CofferError).code,
  );

const chunksOf = (storage: Storage, id: string): ChunkStore =>
  new ChunkStore(storage, "coffer", parseId("TenantId", id) ?? expect.fail("an id"));

/** Everything that is kept of attachments: ciphertexts, and what is said of them. */
async function keptCount(storage: Storage, id: string): Promise<number> {
  const names = await storage.listStores();
  const name = `coffer/tenant/${id}/chunks`;
  if (!names.includes(name)) return 0;
  const store = await storage.openStore(name);
  const slots = await store.readSlots("c/");
  store.close();
  return slots.length;
}

async function readAll(device: Device, database: number, docId: string, parts: readonly Part[]) {
  const pieces: Uint8Array[] = [];
  for (const part of parts)
    pieces.push(
      await device.api.readPart(database, docId, encodePart(part), { from: 0, to: part.sizeBytes }),
    );
  return Buffer.from(concatBytes(...pieces));
}

async function opened(device: Device, id: string): Promise<number> {
  await device.api.openTenant(id, open);
  const database = newSubscription();
  await device.api.openDatabase(id, "films", database);
  return database;
}

describe("attachments in a backup", () => {
  it("come back on a fresh device without a server, byte for byte, and are kept until somebody else has them", async () => {
    const home = await founded();
    const bytes = contentOf(partBytes + chunkBytes + 77);
    const parts = [...(await add(home, bytes)), ...(await add(home, bytes.slice(0, 900), true))];
    const file = await exportFile(home);
    const storage = createMemoryStorage(env);
    const fresh = await startDevice(storage);
    const report = await importFile(fresh, file);
    expect(report.fileBytes).toBeGreaterThan(bytes.length);
    const database = await opened(fresh, home.id);
    const got = await readAll(fresh, database, home.docId, parts);
    expect(Buffer.compare(got, concatBytes(bytes, bytes.slice(0, 900)))).toBe(0);
    // This device may be the only one that has them: nothing frees them, and a server is brought them.
    expect(await fresh.api.freeParts(database, parts.map(encodePart))).toBe(0);
    const known = await chunksOf(storage, home.id).parts();
    expect(known.map(({ isNamed, isOwn }) => [isNamed, isOwn])).toEqual(parts.map(() => [true, true]));
    // Taken in once more nothing changes.
    expect(await importFile(fresh, file)).toEqual({ ...report, newCount: 0 });
    expect(await chunksOf(storage, home.id).parts()).toEqual(known);
  });

  it("are left out where that is asked for, and what is not on the device is not in the file", async () => {
    const home = await founded();
    const [part = expect.fail("a part")] = await add(home, contentOf(3 * chunkBytes));
    expect((await exportFile(home, { files: false })).length).toBeLessThan(chunkBytes);
    const store = chunksOf(home.storage, home.id);
    await store.edit(part.commitHash, (before) => ({ ...before, received: new Map([["srv", 0b010]]) }));
    expect(await store.evict(part.commitHash)).toBeGreaterThan(0);
    const storage = createMemoryStorage(env);
    const fresh = await startDevice(storage);
    await importFile(fresh, await exportFile(home));
    const [restored] = await chunksOf(storage, home.id).parts();
    expect(restored?.chunks.map(({ isHere }) => isHere)).toEqual([true, false, true]);
    const database = await opened(fresh, home.id);
    const read = (from: number) =>
      fresh.api.readPart(database, home.docId, encodePart(part), { from, to: from + 1 });
    expect([await codeOf(read(0)), await codeOf(read(chunkBytes))]).toEqual(["none", "net/offline"]);
    // Without attachments the file has the form that it always had.
    const plain = await exportFile(await founded());
    expect([plain[4], (await exportFile(home))[4], (await exportFile(home, { files: false }))[4]]).toEqual([
      1, 2, 1,
    ]);
  });

  it("go on where the file broke off with the same bytes, and are refused when other bytes are here by then", async () => {
    const home = await founded();
    const [part = expect.fail("a part")] = await add(home, contentOf(2 * chunkBytes + 5));
    const file = await exportFile(home);
    for (const at of [700, 70_000, file.length >> 1, file.length - 1]) {
      const rest = await exportFile(home, { resume: file.slice(0, at) });
      expect(Buffer.compare(concatBytes(file.slice(0, at), rest), file)).toBe(0);
    }
    // A file that was added later is none of this one's.
    await add(home, contentOf(99));
    const rest = await exportFile(home, { resume: file.slice(0, 70_000) });
    expect(rest.length).toBe(file.length - 70_000);
    const store = chunksOf(home.storage, home.id);
    await store.edit(part.commitHash, (before) => ({ ...before, received: new Map([["srv", 0b111]]) }));
    await store.evict(part.commitHash);
    expect(await codeOf(exportFile(home, { resume: file.slice(0, 70_000) }))).toBe("input/invalid");
  });

  it("that broke off anywhere, or met a full disk, are whole parts, and come all of them the next time", async () => {
    const home = await founded();
    const bytes = contentOf(partBytes + 2 * chunkBytes);
    const parts = await add(home, bytes);
    const file = await exportFile(home);
    const inner = createMemoryStorage(env);
    let left = Infinity;
    const storage: Storage = {
      ...inner,
      async openStore(name) {
        const store = await inner.openStore(name);
        const write = store.write.bind(store);
        store.write = async (batch) => {
          if (name.endsWith("/chunks") && left-- <= 0) throw new CofferError("store/quota", { store: name });
          return write(batch);
        };
        return store;
      },
    };
    const fresh = await startDevice(storage);
    const counts = new Set<number>();
    for (let at = 1; at <= 10; at++) {
      expect(await codeOf(importFile(fresh, file, Math.floor((file.length * at) / 11)))).toBe(
        "entry/corrupt",
      );
      counts.add(await keptCount(inner, home.id));
      expect(await fresh.api.tenants()).toEqual([]);
    }
    expect([...counts]).toEqual([0, 16]);
    left = 0;
    expect(await codeOf(importFile(fresh, file))).toBe("store/quota");
    left = Infinity;
    await importFile(fresh, file);
    const database = await opened(fresh, home.id);
    expect(Buffer.compare(await readAll(fresh, database, home.docId, parts), bytes)).toBe(0);
  });

  it("of a document that was purged here do not come back", async () => {
    const home = await founded();
    await add(home, contentOf(chunkBytes + 5));
    const file = await exportFile(home);
    await home.device.api.purgeDocument(home.database, home.docId);
    await expect.poll(() => keptCount(home.storage, home.id)).toBe(0);
    await importFile(home.device, file);
    await expect.poll(() => keptCount(home.storage, home.id)).toBe(0);
    expect(await chunksOf(home.storage, home.id).parts()).toEqual([]);
  });
});

describe("a backup that somebody made up, who knows its password", () => {
  interface Content {
    readonly header: BackupHeader;
    readonly records: readonly BackupRecord[];
  }

  async function takeApart(file: Uint8Array): Promise<Content> {
    const reader = new BackupReader(crypto, password);
    const content = new BackupRecordReader();
    const records: BackupRecord[] = [];
    for await (const chunk of reader.push(file))
      for (const record of content.push(chunk)) if (record !== "malformed") records.push(record);
    return { header: reader.header ?? expect.fail("a header"), records };
  }

  async function makeFile(header: BackupHeader, records: readonly BackupRecord[], hasChunks = true) {
    const content = concatBytes(...records.map(encodeBackupRecord));
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < content.length; at += backupChunkBytes)
      chunks.push(content.slice(at, at + backupChunkBytes));
    const contentHash = chunks.reduce((chain, chunk) => chainHash(crypto, chain, chunk), emptyChain);
    const key = await createBackupKey(crypto, password, {
      ...header,
      contentSizeBytes: content.length,
      contentHash,
      hasChunks,
    });
    const sealed = await Promise.all(chunks.map((chunk, at) => sealChunk(crypto, key, at, chunk)));
    return concatBytes(key.header, ...sealed);
  }

  it("adds no bytes but those that an accepted commit names, in their places", async () => {
    const home = await founded();
    await add(home, contentOf(chunkBytes + 5));
    const { header, records } = await takeApart(await exportFile(home));
    const storage = createMemoryStorage(env);
    const device = await startDevice(storage);
    const before = records.slice(0, -4);
    const [part, first, second, end] = records.slice(-4);
    if (
      part?.kind !== "part" ||
      first?.kind !== "chunk" ||
      second?.kind !== "chunk" ||
      end?.kind !== "chunks"
    )
      throw new Error("the records are others");
    const flipped = { ...first, bytes: first.bytes.map((byte, at) => (at === 99 ? byte ^ 1 : byte)) };
    const other = bytesToId("CommitHash", new Uint8Array(32).fill(5));
    const log = await home.storage.openStore(`coffer/tenant/${home.id}`);
    const documents = (await log.readLog({ after: 0, maxCount: 100, maxBytes: 1e9 })).flatMap(
      ({ commitHash }) => (commitHash === part.commitHash ? [] : [commitHash]),
    );
    log.close();
    expect(documents.length).toBeGreaterThan(2);
    const cases: Readonly<Record<string, readonly BackupRecord[]>> = {
      "no end": [part, first, second],
      "nothing at all": [],
      "two ends": [part, first, second, end, end],
      "another count": [part, first, second, { ...end, chunkCount: 3 }],
      "a chunk that was changed": [part, flipped, second, end],
      "a chunk that was cut": [part, { ...first, bytes: first.bytes.slice(0, -1) }, second, end],
      "chunks in another order": [part, second, first, end],
      "a chunk twice": [part, first, first, end],
      "a chunk too few": [part, first, { ...end, chunkCount: 1 }],
      "a chunk too many": [part, first, second, second, { ...end, chunkCount: 3 }],
      "chunks of no part": [first, second, end],
      "a part of no commit": [{ ...part, commitHash: other }, first, second, end],
      "bits beyond its chunks": [{ ...part, which: 0b111 }, first, second, first, { ...end, chunkCount: 3 }],
      "a part in a part": [part, part, first, second, end],
      "a commit behind it": [part, first, second, ...before.filter(({ kind }) => kind === "commit"), end],
      "the log's end twice": [...before.filter(({ kind }) => kind === "end"), part, first, second, end],
      ...Object.fromEntries(
        documents.map((commitHash, at) => [`commit ${at} as a part`, [{ ...part, commitHash }, first, end]]),
      ),
    };
    for (const [what, made] of Object.entries(cases)) {
      const file = await makeFile(header, [...before, ...made]);
      expect([what, await codeOf(importFile(device, file))]).toEqual([what, "entry/corrupt"]);
      expect(await device.api.tenants(), what).toEqual([]);
    }
    // A file that says it has none has none, and one that says it has some has an end of them.
    for (const [made, hasChunks] of [
      [[...before, part, first, second, end], false],
      [before, true],
    ] as const)
      expect(await codeOf(importFile(device, await makeFile(header, made, hasChunks)))).toBe("entry/corrupt");
    expect(await keptCount(storage, home.id)).toBeLessThanOrEqual(2);
    const taken = await importFile(device, await makeFile(header, records));
    expect(taken.fileBytes).toBe(first.bytes.length + second.bytes.length);
    expect(await keptCount(storage, home.id)).toBe(2);
  });
});
