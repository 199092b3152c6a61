import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  attachmentField,
  attachmentLimits,
  encodePart,
  encodeRecord,
  findParts,
  readAttachments,
  readPart,
  type Part,
} from "../src/attachment/index.ts";
import { parseCommit, sealedSizeBytes } from "../src/entry/index.ts";
import { ChunkStore } from "../src/sync/index.ts";
import { CofferError, bytesToBase64url, parseId, type CommitHash } from "../src/std/index.ts";
import { createMemoryStorage, type Storage, type Store } from "../src/store/index.ts";
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

const { chunkBytes, partBytes } = attachmentLimits;
const storeNames = (tenantId: string) => {
  const log = `coffer/tenant/${tenantId}`;
  return { log, chunks: `${log}/chunks` };
};

/** Bytes that compress to nothing else: each tells where it stands. */
const contentOf = (size: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >>> 8) * seed + (at >>> 16)) & 255);

interface Bench {
  readonly storage: Storage;
  readonly device: Device;
  readonly tenantId: string;
  readonly database: number;
  readonly docId: string;
}

let bench: Bench;

beforeEach(async () => {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const { id: tenantId } = await device.api.createTenant(people);
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "films", database);
  const [docId = ""] = await device.api.createDocuments(database, [{ title: "Ran" }]);
  bench = { storage, device, tenantId, database, docId };
});
afterEach(closeDevices);

async function upload(bytes: Uint8Array, pieceBytes = 1_000_003, { device, database, docId } = bench) {
  const id = await device.api.openUpload(database, docId);
  for (let from = 0; from < bytes.length; from += pieceBytes)
    await device.api.writeUpload(id, bytes.slice(from, from + pieceBytes));
  return device.api.finishUpload(id);
}

/** Add a file as a page does. */
async function add(
  bytes: Uint8Array,
  name = "a.bin",
  on = bench,
): Promise<{ id: string; parts: readonly Part[] }> {
  const { api } = on.device;
  const { atMs, id, parts } = await upload(bytes, 1_000_003, on);
  const read = parts.map((part) => readPart(part) ?? expect.fail("a part"));
  const record = encodeRecord({ name, type: "application/pdf", addedAtMs: atMs, parts: read });
  const doc = newSubscription();
  const { heads } = await api.openDocument(on.database, on.docId, doc);
  await api.changeDocument(doc, draft([{ op: "set", path: [attachmentField(id)], value: record }], heads));
  await api.closeDocument(doc);
  await api.nameParts(on.database, parts);
  return { id, parts: read };
}

async function read(parts: readonly Part[], from: number, to: number, on = bench): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (const { index, ...range } of findParts(parts, from, to)) {
    const part = parts[index] ?? expect.fail("a part");
    pieces.push(await on.device.api.readPart(on.database, on.docId, encodePart(part), range));
  }
  return Buffer.concat(pieces);
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "none",
    (error: unknown) => (error as CofferError).code,
  );

async function withStore<T>(name: string, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await bench.storage.openStore(name);
  try {
    return await use(store);
  } finally {
    store.close();
  }
}

/** The hashes of a part's chunks, as its commit says them. */
async function hashesOf({ commitHash }: Part): Promise<readonly Uint8Array[]> {
  return withStore(storeNames(bench.tenantId).log, async (store) => {
    const records = await store.readLog({ after: 0, maxCount: 1000, maxBytes: 1e9 });
    const record = records.find((one) => one.commitHash === commitHash) ?? expect.fail("the commit");
    const parsed = parseCommit(crypto, record.bytes);
    if (parsed.kind !== "verified") throw new Error(parsed.reason);
    return parsed.commit.entries.map(({ header }) => header?.ciphertextHash ?? expect.fail("a header"));
  });
}

const slotOf = (hash: Uint8Array): string => `c/${bytesToBase64url(hash)}`;

describe("files of a document", () => {
  it("come back byte for byte, all of them and any range over chunks and parts", async () => {
    const bytes = contentOf(partBytes + chunkBytes + 77);
    const { parts } = await add(bytes);
    expect(parts.map(({ sizeBytes }) => sizeBytes)).toEqual([partBytes, chunkBytes + 77]);
    expect(Buffer.compare(await read(parts, 0, bytes.length), bytes)).toBe(0);
    const borders = [
      0,
      1,
      chunkBytes - 1,
      chunkBytes,
      chunkBytes + 1,
      partBytes - 1,
      partBytes,
      partBytes + 1,
      bytes.length,
    ];
    for (const from of borders)
      for (const to of borders.filter((one) => one >= from).slice(0, 3))
        expect(Buffer.compare(await read(parts, from, to), bytes.slice(from, to))).toBe(0);
    expect(await read(parts, bytes.length, bytes.length + 50)).toHaveLength(0);
  });

  it("leave no ciphertext in the log that is read at opening, and no name or byte of theirs anywhere", async () => {
    const bytes = contentOf(3 * chunkBytes);
    await add(bytes, "canary-of-the-mine.pdf");
    const { chunks, log } = storeNames(bench.tenantId);
    const records = await withStore(log, (store) =>
      store.readLog({ after: 0, maxCount: 1000, maxBytes: 1e9 }),
    );
    expect(records.reduce((sum, record) => sum + record.bytes.length, 0)).toBeLessThan(30_000);
    const slots = await withStore(chunks, (store) => store.readSlots(""));
    const sizes = slots
      .filter(({ name }) => name.startsWith("c/"))
      .map(({ value }) => (value as Uint8Array).length);
    expect(sizes).toEqual(Array(3).fill(sealedSizeBytes(chunkBytes)));
    const kept = [...records.map((record) => record.bytes), ...slots.map(({ value }) => value as Uint8Array)];
    for (const one of kept) {
      expect(Buffer.from(one).includes("canary-of-the-mine")).toBe(false);
      expect(Buffer.from(one).includes(Buffer.from(bytes.subarray(1000, 1024)))).toBe(false);
    }
  });

  it("show nothing in common when one file is added twice", async () => {
    const bytes = contentOf(2 * chunkBytes);
    const [one, two] = [await add(bytes), await add(bytes)];
    const hashes = [...one.parts, ...two.parts].map(async (part) =>
      (await hashesOf(part)).map(bytesToBase64url),
    );
    const all = (await Promise.all(hashes)).flat();
    expect(new Set(all).size).toBe(4);
  });

  it("are refused where a chunk is swapped, doubled, cut, left out or another file's", async () => {
    const { parts } = await add(contentOf(3 * chunkBytes));
    const { parts: others } = await add(contentOf(3 * chunkBytes, 5));
    const [part = expect.fail(), other = expect.fail()] = [parts[0], others[0]];
    const { chunks } = storeNames(bench.tenantId);
    const [a = expect.fail(), b = expect.fail()] = await hashesOf(part);
    const [foreign = expect.fail()] = await hashesOf(other);
    const valueOf = (hash: Uint8Array) =>
      withStore(
        chunks,
        async (store) => (await store.readSlot(slotOf(hash)))?.value as Uint8Array<ArrayBuffer>,
      );
    const [sound, second, third] = [await valueOf(a), await valueOf(b), await valueOf(foreign)];
    const flipped = sound.slice();
    flipped[500] = (flipped[500] ?? 0) ^ 1;
    for (const bad of [second, third, sound.slice(0, -1), new Uint8Array(0), flipped]) {
      await withStore(chunks, (store) => store.write({ slots: [{ name: slotOf(a), value: bad }] }));
      expect(await codeOf(read(parts, 0, 10))).toBe("entry/corrupt");
      // What stands in the other chunks is read all the same.
      expect(await read(parts, chunkBytes, chunkBytes + 4)).toHaveLength(4);
    }
    await withStore(chunks, (store) => store.write({ slots: [{ name: slotOf(a), value: undefined }] }));
    expect(await codeOf(read(parts, chunkBytes - 1, chunkBytes + 1))).toBe("net/offline");
    await withStore(chunks, (store) => store.write({ slots: [{ name: slotOf(a), value: sound }] }));
    expect(Buffer.compare(await read(parts, 0, 3 * chunkBytes), contentOf(3 * chunkBytes))).toBe(0);
  });

  it("are refused where the document says another length, commit or document", async () => {
    const { parts } = await add(contentOf(2 * chunkBytes + 9));
    const [part = expect.fail()] = parts;
    const { api } = bench.device;
    const lies = [
      part.sizeBytes - 1,
      part.sizeBytes + 1,
      2 * chunkBytes,
      chunkBytes,
      3 * chunkBytes + 9,
      partBytes,
    ].map((sizeBytes) => ({ ...part, sizeBytes }));
    for (const lie of lies) expect(await codeOf(read([lie], 0, lie.sizeBytes))).toBe("entry/corrupt");
    const [stranger = ""] = await api.createDocuments(bench.database, [{ title: "Ikiru" }]);
    expect(await codeOf(read(parts, 0, 9, { ...bench, docId: stranger }))).toBe("entry/corrupt");
    const log = await withStore(storeNames(bench.tenantId).log, (store) =>
      store.readLog({ after: 0, maxCount: 1000, maxBytes: 1e9 }),
    );
    const edits = log.map(({ commitHash }) => commitHash).filter((hash) => hash !== part.commitHash);
    for (const commitHash of edits)
      expect(await codeOf(read([{ ...part, commitHash }], 0, 9))).toBe("entry/corrupt");
    const unknown = parseId("CommitHash", "A".repeat(43)) as CommitHash;
    expect(await codeOf(read([{ ...part, commitHash: unknown }], 0, 9))).toBe("net/offline");
  });

  it("that are added at the same time are both there, in every order of arrival", async () => {
    const { device, database, docId } = bench;
    const [one, two] = [newSubscription(), newSubscription()];
    const { heads } = await device.api.openDocument(database, docId, one);
    await device.api.openDocument(database, docId, two);
    const [first, second] = [await upload(contentOf(10)), await upload(contentOf(20))];
    const set = ({ id, parts, atMs }: typeof first, name: string) => {
      const read = parts.map((part) => readPart(part) ?? expect.fail());
      const value = encodeRecord({ name, type: "", addedAtMs: atMs, parts: read });
      return draft([{ op: "set", path: [attachmentField(id)], value }], heads);
    };
    // Both stand on the same heads, as two who are offline do.
    await device.api.changeDocument(one, set(first, "one"));
    await device.api.changeDocument(two, set(second, "two"));
    const { value = {} } = await device.api.openDocument(database, docId, newSubscription());
    expect(
      readAttachments(value)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(["one", "two"]);
  });

  it("keep what two who append at once appended, and travel in time and undo like any edit", async () => {
    const { device, database, docId } = bench;
    const { id, parts } = await add(contentOf(100), "log.txt");
    const doc = newSubscription();
    const { heads } = await device.api.openDocument(database, docId, doc);
    const tails = [await upload(contentOf(11)), await upload(contentOf(12))];
    for (const tail of tails) {
      const path = [attachmentField(id), "parts"];
      const append = { op: "splice", path, index: 1, remove: 0, values: [...tail.parts] } as const;
      await device.api.changeDocument(doc, draft([append], heads));
    }
    const now = async () => (await device.api.openDocument(database, docId, newSubscription())).value ?? {};
    const [file] = readAttachments(await now());
    expect(file?.sizeBytes).toBe(123);
    expect(file?.parts.map(({ sizeBytes }) => sizeBytes).toSorted((a, b) => a - b)).toEqual([11, 12, 100]);
    expect(await read(file?.parts ?? [], 0, 123)).toHaveLength(123);
    await device.api.undo(doc, { isRedo: false, groupMs: 0 });
    expect(readAttachments(await now())[0]?.sizeBytes).toBeLessThan(123);
    await device.api.changeDocument(
      doc,
      draft(
        [{ op: "delete", path: [attachmentField(id)] }],
        (await device.api.openDocument(database, docId, newSubscription())).heads,
      ),
    );
    expect(readAttachments(await now())).toEqual([]);
    await device.api.undo(doc, { isRedo: false, groupMs: 0 });
    expect(readAttachments(await now()).map((one) => one.id)).toEqual([id]);
    // Its bytes stayed.
    expect(await read(parts, 0, 100)).toHaveLength(100);
  });
});

describe("what is added", () => {
  it("is read from a Blob by the worker, and survives a restart", async () => {
    const bytes = contentOf(chunkBytes + 5);
    const { device, database, docId, storage, tenantId } = bench;
    const id = await device.api.openUpload(database, docId);
    await device.api.writeUpload(id, new Blob([bytes.slice(0, 100)]));
    await device.api.writeUpload(id, new Blob([bytes.slice(100)]));
    const { parts } = await device.api.finishUpload(id);
    await device.api.closeTenant(tenantId);
    const again = await startDevice(storage);
    await again.api.openTenant(tenantId, { password: people.userPassword });
    const reopened = newSubscription();
    await again.api.openDatabase(tenantId, "films", reopened);
    const on = { ...bench, device: again, database: reopened };
    const read1 = await read(
      parts.map((part) => readPart(part) ?? expect.fail()),
      0,
      bytes.length,
      on,
    );
    expect(Buffer.compare(read1, bytes)).toBe(0);
  });

  it("is purged with its document, and goes with its tenant", async () => {
    const { parts } = await add(contentOf(2 * chunkBytes));
    const { device, database, docId, storage, tenantId } = bench;
    const { chunks } = storeNames(tenantId);
    await device.api.purgeDocument(database, docId);
    expect(await withStore(chunks, (store) => store.readSlots(""))).toEqual([]);
    expect(await codeOf(read(parts, 0, 1))).toBe("doc/missing");
    await device.api.closeTenant(tenantId);
    await device.api.removeTenant(tenantId);
    expect((await storage.listStores()).filter((name) => name.includes(tenantId))).toEqual([]);
  });

  it("is refused for who may not, for what is not there, over a limit, and once it was given up", async () => {
    const { device, database, docId } = bench;
    const { api } = device;
    const id = await api.openUpload(database, docId);
    expect(await codeOf(api.writeUpload(id, new Uint8Array(partBytes + 1)))).toBe("input/too-large");
    expect(await codeOf(api.writeUpload(id, new Uint8Array(1)))).toBe("aborted");
    const other = await api.openUpload(database, docId);
    await api.abortUpload(other);
    expect(await codeOf(api.finishUpload(other))).toBe("aborted");
    await api.deleteDocument(database, docId);
    expect(await codeOf(upload(contentOf(5)))).toBe("doc/deleted");
    const missing = { ...bench, docId: "AAAAAAAAAAAAAAAAAAAAAA" };
    expect(await codeOf(upload(contentOf(5), 9, missing))).toBe("doc/missing");
    const open = await Promise.all(Array.from({ length: 16 }, () => api.openUpload(database, docId)));
    expect(await codeOf(api.openUpload(database, docId))).toBe("input/too-large");
    for (const one of open) await api.abortUpload(one);
  });

  it("is not read while the tenant is locked", async () => {
    const { parts } = await add(contentOf(50));
    await bench.device.api.lock(bench.tenantId);
    expect(await codeOf(read(parts, 0, 1))).toBe("access/locked");
  });
});

describe("a disk that fills up, and a worker that dies", () => {
  /** A storage whose writes fail from a number on, as on a full disk, or are lost with the thread. */
  function failingFrom(storage: Storage, count: { left: number }): Storage {
    return {
      ...storage,
      async openStore(name) {
        const store = await storage.openStore(name);
        const write = store.write.bind(store);
        store.write = async (batch) => {
          const isBytes = name.endsWith("/chunks") || (batch.records?.length ?? 0) > 0;
          if (isBytes && count.left-- <= 0) throw new CofferError("store/quota", { store: name });
          return write(batch);
        };
        return store;
      },
    };
  }

  it("at any write of a file leaves the document whole, and the file can be added again", async () => {
    // Each part is a write of chunks and one of the log, some of them at once; the last one is small.
    for (let writes = 0; writes < 6; writes++) {
      const storage = createMemoryStorage(env);
      const count = { left: Infinity };
      const device = await startDevice(failingFrom(storage, count));
      const { id: tenantId } = await device.api.createTenant(people);
      const database = newSubscription();
      await device.api.openDatabase(tenantId, "films", database);
      const [docId = ""] = await device.api.createDocuments(database, [{ title: "Ran" }]);
      const on = { storage, device, tenantId, database, docId };
      count.left = writes;
      const bytes = contentOf(2 * partBytes + 10);
      // All of its pieces come at once, as a page hands them over.
      const { api } = device;
      const uploadId = await api.openUpload(database, docId);
      const pieces = [0, 1, 2].map((at) => bytes.slice(at * partBytes, (at + 1) * partBytes));
      const outcomes = await Promise.all(pieces.map((piece) => codeOf(api.writeUpload(uploadId, piece))));
      const ended = await codeOf(api.finishUpload(uploadId));
      // What was stored was, in order; behind what failed nothing is.
      const firstFailed = [...outcomes, ended].findIndex((code) => code !== "none");
      expect([...outcomes.slice(0, 2), ended].slice(firstFailed).every((code) => code !== "none")).toBe(true);
      expect([...outcomes, ended]).toContain("store/quota");
      const { value } = await device.api.openDocument(database, docId, newSubscription());
      expect(value).toEqual({ title: "Ran" });
      // What lies there is whole parts that no document names: they are not sent, and go once they are old.
      const tenant = parseId("TenantId", tenantId) ?? expect.fail();
      const strays = await new ChunkStore(storage, "coffer", tenant).parts();
      expect(strays.every(({ chunks, isNamed }) => !isNamed && chunks.every(({ isHere }) => isHere))).toBe(
        true,
      );
      expect(strays.length).toBeLessThanOrEqual(writes);
      count.left = Infinity;
      const { parts } = await add(bytes, "a.bin", on);
      expect(Buffer.compare(await read(parts, 0, bytes.length, on), bytes)).toBe(0);
      await device.api.closeTenant(tenantId);
      const later = { ...env, nowMs: () => env.nowMs() + 8 * 24 * 3600 * 1000 };
      await (await startDevice(storage, later)).api.openTenant(tenantId, { password: people.userPassword });
      const store = new ChunkStore(storage, "coffer", tenant);
      await expect.poll(async () => (await store.parts()).length).toBe(parts.length);
    }
  });

  it("before the document was told leaves chunks that are kept while they may be named, and erased once they are old", async () => {
    const { device, database, docId, storage, tenantId } = bench;
    const named = await upload(contentOf(100));
    const stray = await upload(contentOf(200));
    const parts = named.parts.map((part) => readPart(part) ?? expect.fail());
    const record = encodeRecord({ name: "a", type: "", addedAtMs: 1, parts });
    const doc = newSubscription();
    const { heads } = await device.api.openDocument(database, docId, doc);
    const set = { op: "set", path: [attachmentField(named.id)], value: record } as const;
    // The page edits the document, and dies before it says that the parts are named.
    await device.api.changeDocument(doc, draft([set], heads));
    await device.api.closeTenant(tenantId);
    const partsAfter = async (world = env) => {
      const again = await startDevice(storage, world);
      await again.api.openTenant(tenantId, { password: people.userPassword });
      const store = new ChunkStore(storage, "coffer", parseId("TenantId", tenantId) ?? expect.fail());
      await expect.poll(async () => (await store.parts()).some(({ isNamed }) => isNamed)).toBe(true);
      await again.api.closeTenant(tenantId);
      return store.parts();
    };
    const soon = await partsAfter();
    expect(soon.map(({ isNamed }) => isNamed).toSorted()).toEqual([false, true]);
    const later = { ...env, nowMs: () => env.nowMs() + 8 * 24 * 3600 * 1000 };
    const store = new ChunkStore(storage, "coffer", parseId("TenantId", tenantId) ?? expect.fail());
    const again = await startDevice(storage, later);
    await again.api.openTenant(tenantId, { password: people.userPassword });
    await expect.poll(async () => (await store.parts()).length).toBe(1);
    const [kept] = await store.parts();
    expect(kept?.commitHash).toBe(parts[0]?.commitHash);
    expect(kept?.commitHash).not.toBe(readPart(stray.parts[0])?.commitHash);
  });
});
