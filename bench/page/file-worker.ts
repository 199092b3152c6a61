/**
 * A worker for files: Dexie's plain chunks, which files are measured against, and the stages of the product's own way, one after another.
 *
 * | Stage | What runs |
 * |---|---|
 * | seal, open | encryption and headers of a commit's chunks, without the hashes and the signature inside them |
 * | hash | every SHA-256 |
 * | sign | the signature of each commit |
 * | store, load | ciphertexts into IndexedDB and out of it |
 * | message | the structured clone of each part, as one that is copied between page and worker takes it |
 */
import { Dexie } from "dexie";
import { chunkSizesOf } from "../../src/attachment/index.ts";
import { createFastHash, createWebCrypto } from "../../src/crypto/index.ts";
import { openEntries, sealCommit, type CommitEntry, type EntryDraft } from "../../src/entry/index.ts";
import { bytesToId, createSystemEnv } from "../../src/std/index.ts";
import { createDexieStorage } from "../../src/store/index.ts";
import { ChunkStore } from "../../src/sync/index.ts";
import { answerOnce } from "./ask.ts";
import { chunkBytes, partBytes } from "./file-content.ts";
import { createAuthor, Watches, watchedCrypto } from "./stages.ts";

export type FileQuestion =
  | { readonly kind: "dexie"; readonly databaseName: string; readonly file: Blob }
  | { readonly kind: "stages"; readonly storeName: string; readonly file: Blob };

/** How long Dexie took, in milliseconds. */
export interface DexieFileTimes {
  readonly writeMs: number;
  readonly readMs: number;
}

/** How long each stage took for the whole file, in milliseconds. */
export interface FileStageTimes {
  readonly add: {
    readonly seal: number;
    readonly hash: number;
    readonly sign: number;
    readonly store: number;
  };
  readonly read: {
    readonly load: number;
    readonly hash: number;
    readonly open: number;
    readonly message: number;
  };
}

/** The file in plain chunks of 256 KiB, as many in a transaction as a commit of ours has, and read back in as large steps. */
async function dexie({
  databaseName,
  file,
}: Extract<FileQuestion, { kind: "dexie" }>): Promise<DexieFileTimes> {
  const database = new Dexie(databaseName, { chromeTransactionDurability: "relaxed" });
  database.version(1).stores({ chunks: "" });
  await database.open();
  const table = database.table<Uint8Array, number>("chunks");
  const perPart = partBytes / chunkBytes;
  let startMs = performance.now();
  for (let from = 0; from < file.size; from += partBytes) {
    const bytes = new Uint8Array(await file.slice(from, from + partBytes).arrayBuffer());
    const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, index) =>
      bytes.slice(index * chunkBytes, (index + 1) * chunkBytes),
    );
    await table.bulkAdd(
      chunks,
      chunks.map((_, index) => from / chunkBytes + index),
    );
  }
  const writeMs = performance.now() - startMs;
  startMs = performance.now();
  let readBytes = 0;
  for (let from = 0; from < file.size / chunkBytes; from += perPart) {
    const keys = Array.from({ length: perPart }, (_, index) => from + index);
    for (const chunk of await table.bulkGet(keys)) readBytes += chunk?.length ?? 0;
  }
  const readMs = performance.now() - startMs;
  await database.delete();
  if (readBytes !== file.size) throw new Error(`Dexie gave ${readBytes} of ${file.size} bytes`);
  return { writeMs, readMs };
}

async function stages({
  storeName,
  file,
}: Extract<FileQuestion, { kind: "stages" }>): Promise<FileStageTimes> {
  const hash = createFastHash();
  await hash.settled;
  const env = createSystemEnv();
  const crypto = createWebCrypto(env, hash.sha256);
  const author = await createAuthor(crypto);
  const chunks = new ChunkStore(createDexieStorage(env), storeName, author.tenantId);
  const docId = bytesToId("DocId", crypto.randomBytes(16));
  const [adding, reading] = [new Watches(), new Watches()];
  const [sealing, opening] = [watchedCrypto(crypto, adding), watchedCrypto(crypto, reading)];
  let loadMs = 0;
  for (let from = 0; from < file.size; from += partBytes) {
    const bytes = new Uint8Array(await file.slice(from, from + partBytes).arrayBuffer());
    const entries = chunkSizesOf(bytes.length).map((size, index): EntryDraft => {
      const plaintext = bytes.subarray(index * chunkBytes, index * chunkBytes + size);
      const dependencies = index === 0 ? [] : [{ index: index - 1 }];
      return {
        entryType: "attachment_chunk",
        docId,
        dependencies,
        key: author.key,
        isApart: true,
        plaintext,
      };
    });
    const head = { predecessors: [], directoryHead: undefined, createdAtMs: 0, writerSeq: 1 };
    const commit = await adding.wait("seal", () => sealCommit(sealing, { ...author, ...head, entries }));
    const sealed = commit.entries.flatMap(({ ciphertext, header }) =>
      ciphertext === undefined || header === undefined
        ? []
        : [{ hash: header.ciphertextHash, bytes: ciphertext }],
    );
    const place = { commitHash: commit.commitHash, dbId: author.dbId, docId, createdAtMs: 0 };
    await adding.wait("store", () => chunks.addOwn(place, sealed, 0));
    const startMs = performance.now();
    const here = await chunks.chunksOf(commit.entries.flatMap(({ header }) => header?.ciphertextHash ?? []));
    const loaded = commit.entries.map((entry, index): CommitEntry => {
      const ciphertext = here[index];
      return ciphertext === undefined ? entry : { ...entry, ciphertext };
    });
    loadMs += performance.now() - startMs;
    await reading.wait("hash", () =>
      Promise.all(loaded.map(({ ciphertext }) => crypto.digest(ciphertext ?? bytes))),
    );
    const opened = await reading.wait("seal", () =>
      openEntries(opening, { ...commit, entries: loaded }, () => author.key),
    );
    if (opened.some(({ kind }) => kind !== "opened")) throw new Error("A chunk did not open");
    reading.run("message", () => structuredClone(bytes));
  }
  await chunks.destroy();
  const { totalMs: added } = adding;
  const { totalMs: read } = reading;
  return {
    add: {
      seal: added.seal - added.hash - added.sign,
      hash: added.hash,
      sign: added.sign,
      store: added.store,
    },
    read: { load: loadMs, hash: read.hash, open: read.seal, message: read.message },
  };
}

answerOnce<FileQuestion, DexieFileTimes | FileStageTimes>(async (question) =>
  question.kind === "dexie" ? dexie(question) : stages(question),
);
