/**
 * Where the time of one insert and of one update goes: each stage of the worker alone, called as the worker calls it, one document after
 * another, each awaited until it is stored.
 *
 * | Stage | What runs |
 * |---|---|
 * | floor | one raw `add` of as many bytes, in a relaxed transaction of its own, until it is complete: before each document, in turns |
 * | encode | an insert: document id, actor id, the first change |
 * | replay | an update: the change that sets one field |
 * | seal | the commit of one entry: its encryption, and header, and an update's key; that of an insert is derived while it is encoded. Without the two below |
 * | hash | every SHA-256 inside |
 * | sign | the signature |
 * | store | `store.write` of the commit: the floor, and what stands around it |
 */
import { createFastHash, createWebCrypto, type Crypto } from "../../src/crypto/index.ts";
import { createChangeCodec } from "../../src/doc/index.ts";
import { encodeInitialValue } from "../../src/draft/index.ts";
import {
  createDocNaming,
  prepareSealing,
  sealCommit,
  type EntryDraft,
  type PreparedSealing,
  type SealedCommit,
} from "../../src/entry/index.ts";
import { createSystemEnv, type CommitHash, type EntryHash } from "../../src/std/index.ts";
import { createDexieStorage } from "../../src/store/index.ts";
import { makeRows } from "./rows.ts";
import { createAuthor, watchedCrypto, Watches } from "./stages.ts";

export type SingleStage = "floor" | "encode" | "replay" | "seal" | "hash" | "sign" | "store";

/** Milliseconds of each document, by stage; those of an update are of its own. */
export type SingleStageTimes = Readonly<Record<"insert" | "update", Partial<Record<SingleStage, number[]>>>>;

/** Write `count` documents and then an update of each, stage by stage. */
export async function measureSingleStages(storeName: string, count: number): Promise<SingleStageTimes> {
  const env = createSystemEnv();
  const fast = createFastHash();
  await fast.settled;
  const crypto = createWebCrypto(env, fast.sha256);
  const codec = createChangeCodec((bytes) => crypto.sha256(bytes));
  const store = await createDexieStorage(env).openStore(storeName);
  const author = await createAuthor(crypto);
  const nameDoc = createDocNaming(crypto, { ...author, keyId: author.key.keyId });
  const times = { insert: {}, update: {} } satisfies SingleStageTimes;
  const floor = await openFloor(`${storeName}-floor`);
  const timeMs = Date.now();
  let seq = 0;
  let previous: CommitHash | undefined;
  const write = async (watches: Watches, entry: EntryDraft): Promise<SealedCommit> => {
    const isInsert = entry.entryType === "doc_create";
    const prepared = isInsert ? await prepareSealing(crypto, author.key) : undefined;
    const commit = await seal(crypto, watches, { ...author, entry, previous, prepared, seq: (seq += 1) });
    const record = { commitHash: commit.commitHash, bytes: commit.bytes, origin: "" };
    await watches.wait("store", () => store.write({ records: [record], durability: "relaxed" }));
    previous = commit.commitHash;
    return commit;
  };
  const made: { docId: EntryDraft["docId"]; actor: string; entryHash: EntryHash; hash: string }[] = [];
  const rows = makeRows(count);
  for (const [docCounter, row] of rows.entries()) {
    const watches = new Watches();
    const floorMs = await floor.add();
    const { name, created } = watches.run("encode", () => {
      const named = nameDoc(docCounter);
      const value = encodeInitialValue(row);
      return { name: named, created: codec.encodeCreate({ value, actor: named.actor, timeMs }) };
    });
    const { change } = created;
    const { key } = author;
    const { docId } = name;
    const commit = await write(watches, {
      entryType: "doc_create",
      docId,
      dependencies: [],
      key,
      docCounter,
      name,
      plaintext: change.bytes,
    });
    note(times.insert, watches, floorMs);
    const [entry] = commit.entries;
    if (entry !== undefined)
      made.push({ docId, actor: name.actor, entryHash: entry.entryHash, hash: change.hash });
  }
  for (const [index, { docId, actor, entryHash, hash }] of made.entries()) {
    const watches = new Watches();
    const floorMs = await floor.add();
    const value = { ...rows[index] } as Parameters<typeof codec.knowCreated>[0]["value"];
    const written = watches.run("replay", () => {
      const known = codec.knowCreated({ value, created: { hash, actor, atMs: timeMs } });
      const operations = [{ op: "set", path: ["name"], value: `Changed ${index}` }] as const;
      return known && codec.encodeEdit(known, { operations, actor, timeMs });
    });
    if (written === undefined)
      throw new Error("The first edit of a plain document is written without Automerge");
    const plaintext = written.change.bytes;
    const { key } = author;
    await write(watches, { entryType: "doc_change", docId, dependencies: [entryHash], key, plaintext });
    note(times.update, watches, floorMs);
  }
  await store.destroy();
  floor.remove();
  return times;
}

function note(times: Partial<Record<SingleStage, number[]>>, { totalMs }: Watches, floorMs: number): void {
  (times.floor ??= []).push(floorMs);
  for (const stage of ["encode", "replay", "seal", "hash", "sign", "store"] as const)
    (times[stage] ??= []).push(totalMs[stage]);
}

/** Seal one commit of one entry; what hashing and signing took inside is not counted as sealing. */
async function seal(
  crypto: Crypto,
  watches: Watches,
  parts: Awaited<ReturnType<typeof createAuthor>> & {
    readonly entry: EntryDraft;
    readonly previous: CommitHash | undefined;
    readonly prepared: PreparedSealing | undefined;
    readonly seq: number;
  },
): Promise<SealedCommit> {
  const { entry, previous, prepared, seq, ...author } = parts;
  const commit = await watches.wait("seal", () =>
    sealCommit(watchedCrypto(crypto, watches), {
      ...author,
      writerSeq: seq,
      predecessors: previous === undefined ? [] : [previous],
      directoryHead: undefined,
      createdAtMs: Date.now(),
      entries: [entry],
      prepared,
    }),
  );
  watches.totalMs.seal -= watches.totalMs.hash + watches.totalMs.sign;
  return commit;
}

/** What IndexedDB takes for the same: nothing of ours is in it. `add` tells how long it took. */
async function openFloor(name: string): Promise<{ add(): Promise<number>; remove(): void }> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.addEventListener("upgradeneeded", () => {
      request.result.createObjectStore("log", { keyPath: "position", autoIncrement: true });
    });
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error ?? new Error("IndexedDB did not open")));
  });
  const bytes = new Uint8Array(700);
  return {
    async add() {
      const startMs = performance.now();
      await new Promise<void>((resolve, reject) => {
        const transaction = database.transaction(["log"], "readwrite", { durability: "relaxed" });
        transaction.addEventListener("complete", () => resolve());
        transaction.addEventListener("abort", () => reject(transaction.error ?? new Error("aborted")));
        transaction.objectStore("log").add({ commitHash: "c".repeat(43), bytes, origin: "" });
        transaction.commit();
      });
      return performance.now() - startMs;
    },
    remove() {
      database.close();
      indexedDB.deleteDatabase(name);
    },
  };
}
