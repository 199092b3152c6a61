/**
 * Where the time of an import goes: each stage of the worker alone, called as the worker calls it.
 *
 * | Stage | What runs |
 * |---|---|
 * | record | the page's half: a value becomes its message |
 * | message | the structured clone of a chunk there and of its ids back |
 * | encode | document id, actor id, the first change |
 * | seal | a commit's keys, encryption, headers: `sealCommit` without the two below |
 * | hash | every SHA-256 inside `sealCommit` |
 * | sign | the signature of each commit |
 * | store | one relaxed transaction for each commit |
 */
import type { Crypto } from "../../src/crypto/index.ts";
import { createChangeCodec, type ChangeCodec } from "../../src/doc/index.ts";
import { encodeInitialValue, type DraftValue } from "../../src/draft/index.ts";
import {
  createContentKey,
  createDocNaming,
  entryLimits,
  sealCommit,
  sealedSizeBytes,
  type Commit,
  type ContentKey,
  type EntryDraft,
} from "../../src/entry/index.ts";
import { bytesToId, type CommitHash } from "../../src/std/index.ts";
import type { Store } from "../../src/store/index.ts";

export type StageName = "record" | "message" | "encode" | "replay" | "seal" | "hash" | "sign" | "store";

/** As many values as the page sends in one message. */
const messageLength = 512;

/** The time of each stage, and the bytes of the commits. */
export interface StageTimes {
  readonly totalMs: Readonly<Record<Exclude<StageName, "replay">, number>>;
  readonly commitBytes: number;
  readonly commitCount: number;
}

interface Author {
  readonly tenantId: ReturnType<typeof bytesToId<"TenantId">>;
  readonly dbId: ReturnType<typeof bytesToId<"DbId">>;
  readonly author: ReturnType<typeof bytesToId<"AuthorKey">>;
  readonly signingKey: CryptoKey;
  readonly writerNonce: Uint8Array<ArrayBuffer>;
  readonly key: ContentKey;
}

/** Someone who writes into a database of their own. */
export async function createAuthor(crypto: Crypto): Promise<Author> {
  const pair = await crypto.createSigningPair();
  const keyId = bytesToId("KeyId", crypto.randomBytes(16));
  return {
    tenantId: bytesToId("TenantId", crypto.randomBytes(32)),
    dbId: bytesToId("DbId", crypto.randomBytes(16)),
    author: bytesToId("AuthorKey", pair.publicKey),
    signingKey: pair.privateKey,
    writerNonce: crypto.randomBytes(16),
    key: await createContentKey(crypto, { keyId, epoch: 1, secret: crypto.randomBytes(32) }),
  };
}

/** A stop-watch for each stage. */
export class Watches {
  readonly totalMs: Record<StageName, number> = {
    record: 0,
    message: 0,
    encode: 0,
    replay: 0,
    seal: 0,
    hash: 0,
    sign: 0,
    store: 0,
  };

  run<T>(stage: StageName, step: () => T): T {
    const startMs = performance.now();
    const result = step();
    this.totalMs[stage] += performance.now() - startMs;
    return result;
  }

  async wait<T>(stage: StageName, step: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    const result = await step();
    this.totalMs[stage] += performance.now() - startMs;
    return result;
  }
}

/** The same crypto, with hashing and signing on watches of their own. */
export function watchedCrypto(crypto: Crypto, watches: Watches): Crypto {
  return {
    ...crypto,
    sha256: (...parts) => watches.run("hash", () => crypto.sha256(...parts)),
    digest: (bytes) => watches.wait("hash", () => crypto.digest(bytes)),
    sign: (key, message) => watches.wait("sign", () => crypto.sign(key, message)),
  };
}

/** Import the rows stage by stage: messages of 512 values, commits as large as a writer makes them. */
export async function measureStages(
  rows: readonly object[],
  { crypto, store }: { crypto: Crypto; store: Store },
): Promise<StageTimes> {
  const codec = createChangeCodec((bytes) => crypto.sha256(bytes));
  const author = await createAuthor(crypto);
  const watches = new Watches();
  const watched = watchedCrypto(crypto, watches);
  let previous: CommitHash | undefined;
  let commitBytes = 0;
  let commitCount = 0;
  for (let from = 0; from < rows.length; from += messageLength) {
    const chunk = rows.slice(from, from + messageLength);
    const recorded = watches.run("record", () => chunk.map((row) => encodeInitialValue(row)));
    const values = watches.run("message", () => structuredClone(recorded));
    const drafts = watches.run("encode", () => encodeChunk(values, { codec, crypto, author, from }));
    for (const entries of cutIntoCommits(drafts)) {
      const commit = await sealWatched(watched, watches, { author, entries, previous, seq: commitCount + 1 });
      const record = { commitHash: commit.commitHash, bytes: new Uint8Array(commit.bytes), origin: "" };
      await watches.wait("store", () => store.write({ records: [record], durability: "relaxed" }));
      previous = commit.commitHash;
      commitBytes += commit.bytes.length;
      commitCount += 1;
    }
    watches.run("message", () => structuredClone(drafts.map(({ docId }) => docId)));
  }
  const { replay: _, ...totalMs } = watches.totalMs;
  return { totalMs, commitBytes, commitCount };
}

/** As the product cuts: by number and by size. */
function cutIntoCommits(drafts: readonly EntryDraft[]): readonly (readonly EntryDraft[])[] {
  const commits: EntryDraft[][] = [[]];
  let sizeBytes = 0;
  for (const draft of drafts) {
    const size = sealedSizeBytes(draft.plaintext.length);
    const last = commits.at(-1) ?? [];
    const isFull =
      last.length >= entryLimits.entriesPerCommit || sizeBytes + size > entryLimits.commitTargetBytes;
    if (isFull && last.length > 0) {
      commits.push([draft]);
      sizeBytes = size;
    } else {
      last.push(draft);
      sizeBytes += size;
    }
  }
  return commits;
}

function encodeChunk(
  values: readonly DraftValue[],
  { codec, crypto, author, from }: { codec: ChangeCodec; crypto: Crypto; author: Author; from: number },
): readonly EntryDraft[] {
  const nameDoc = createDocNaming(crypto, { ...author, keyId: author.key.keyId });
  return values.map((value, index) => {
    const docCounter = from + index;
    const name = nameDoc(docCounter);
    const { docId, actor } = name;
    const { change } = codec.encodeCreate({ value, actor, timeMs: Date.now() });
    return {
      entryType: "doc_create",
      docId,
      dependencies: [],
      key: author.key,
      docCounter,
      name,
      plaintext: change.bytes,
    };
  });
}

/** Seal one commit; what hashing and signing took inside is not counted as sealing. */
async function sealWatched(
  crypto: Crypto,
  watches: Watches,
  parts: { author: Author; entries: readonly EntryDraft[]; previous: CommitHash | undefined; seq: number },
): Promise<Commit> {
  const { author, entries, previous, seq } = parts;
  const innerMs = (): number => watches.totalMs.hash + watches.totalMs.sign;
  const before = innerMs();
  const commit = await watches.wait("seal", () =>
    sealCommit(crypto, {
      ...author,
      writerSeq: seq,
      predecessors: previous === undefined ? [] : [previous],
      directoryHead: undefined,
      createdAtMs: Date.now(),
      entries,
    }),
  );
  watches.totalMs.seal -= innerMs() - before;
  return commit;
}
