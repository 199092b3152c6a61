/**
 * The specification's calls on a store, as thin adapters: over the log of a device, and over a server that is asked by HTTP.
 *
 * What an entry is here: one sealed change, snapshot, deletion, part of a file or directory record, as the specification has it, but
 * *inside a commit*: 1 to 256 entries that one action wrote under one signature. An entry has an id and a hash of its own and can be
 * asked for alone; what proves it is its commit, so that is what travels and what is stored: `StoreEntry.commit`. Fields that the
 * specification has and this does not: `signature` (the commit's), `originalSize` (sealed with the content).
 *
 * Guarantees
 * - E1 every call is bounded by {@link entryCallLimits}; more is `input/too-large`, anything else that cannot be read `input/invalid`
 * - E2 what is told of an entry is read from its commit, whose signature is verified: a remote can leave entries out, and can make none up
 * - E3 nothing is opened: of an entry whose key is missing, or not, there is its ciphertext and its header
 * - E4 what is put is verified, stored once, and unjudged, as from a peer
 *
 * | call | bound, and what it means beyond the specification |
 * |---|---|
 * | `hasEntries(ids)` | 4096 ids |
 * | `findNewEntries(knownIds)` | 10,000 known ids; the first 1000 that are not among them, in the order of the log |
 * | `findNewEntriesForDoc(knownIds, docId)` | likewise |
 * | `getEntries(ids)` | 256 ids; those that are there, until 4 MiB of commits are passed: ask again for the rest |
 * | `scanEntriesSince(cursor, limit)` | limit ≤ 1000; a cursor of another log begins anew; everything is there in the end, and nothing is skipped |
 * | `getIdBloomSummary()` | advisory only: never a reason not to ask `hasEntries`. Its salt is new each time |
 * | `getCompactionStatus()` | nothing is compacted here: the log has one record for each commit as it is. Its sizes are told |
 * | `resolveDependencies(id, options)` | on the device; breadth first, at most 10,000 entries; what is not here ends a way |
 * | `putEntries(entries)` | on the device; 4096 entries, whole commits |
 *
 * A log of more than 200,000 entries is answered by `scanEntriesSince` alone.
 */
import { bytesToBase64url, CofferError, idToBytes, type DbId, type TenantId } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { entryIdOf, verifyCommit, type Commit } from "../entry/index.ts";
import {
  decodeAnswerOf,
  encodeQuestion,
  entryCallLimits,
  type CommitPart,
  type EntryAnswer,
  type EntryCursor,
  type EntryQuestion,
} from "./entry-calls.ts";
import type { LogReader, StoreEntryMetadata } from "./store-types.ts";

/** Whom a store asks, and for whom. */
export interface EntryReaderOptions {
  readonly crypto: Pick<Verifier, "sha256" | "verify">;
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  /** Ask the one who has the log; what comes is untrusted. */
  readonly ask: (question: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;
}

/** Make the calls on a store out of a way to ask it. */
export function createEntryReader(options: EntryReaderOptions): LogReader {
  const { crypto, dbId } = options;
  const ask = async <Call extends EntryQuestion["call"]>(
    question: EntryQuestion & { readonly call: Call },
  ): Promise<Extract<EntryAnswer, { readonly call: Call }>> => {
    const bytes = encodeQuestion(question);
    if (bytes.length > entryCallLimits.questionBytes)
      throw new CofferError("input/too-large", { maxBytes: entryCallLimits.questionBytes });
    const answer = decodeAnswerOf(await options.ask(bytes));
    if (answer?.call !== question.call) throw new CofferError("protocol/malformed", { reason: "answer" });
    return answer as Extract<EntryAnswer, { readonly call: Call }>;
  };
  const metadataOf = async (parts: readonly CommitPart[]): Promise<readonly StoreEntryMetadata[]> =>
    (await readParts(options, parts)).flatMap(({ commit, indexes }) =>
      indexes.map((index) => describe(crypto, commit, index)),
    );
  const findNew = async (knownIds: readonly string[], docId: string | undefined) => {
    const ids = readIds(knownIds, entryCallLimits.knownIds);
    if (docId !== undefined) readId(docId);
    return metadataOf((await ask({ call: "new", dbId, ids, docId })).parts);
  };
  return {
    async hasEntries(given) {
      const ids = readIds(given, entryCallLimits.askedIds);
      const { indexes } = await ask({ call: "has", dbId, ids });
      return indexes.flatMap((index) => ids[index] ?? []);
    },
    findNewEntries: (knownIds) => findNew(knownIds, undefined),
    findNewEntriesForDoc: (knownIds, docId) => findNew(knownIds, docId ?? ""),
    async getEntries(given) {
      const ids = readIds(given, entryCallLimits.gotIds);
      const asked = new Set(ids);
      const { parts } = await ask({ call: "get", dbId, ids });
      return (await readParts(options, parts)).flatMap(({ commit, indexes }) =>
        indexes.flatMap((index) => {
          const metadata = describe(crypto, commit, index);
          const encryptedData = commit.entries[index]?.ciphertext;
          return asked.has(metadata.id) ? [{ ...metadata, encryptedData, commit: commit.bytes }] : [];
        }),
      );
    },
    async scanEntriesSince(cursor, limit = entryCallLimits.answered) {
      if (!Number.isInteger(limit) || limit < 1) throw new CofferError("input/invalid", { at: "limit" });
      if (limit > entryCallLimits.answered)
        throw new CofferError("input/too-large", { max: entryCallLimits.answered });
      const { parts, next, hasMore } = await ask({ call: "scan", dbId, cursor: readCursor(cursor), limit });
      return { entries: await metadataOf(parts), nextCursor: `${next.epoch}.${next.position}`, hasMore };
    },
    async getIdBloomSummary() {
      const { call: _, ...summary } = await ask({ call: "bloom", dbId });
      return summary;
    },
    async getCompactionStatus() {
      const { call: _, ...sizes } = await ask({ call: "compaction", dbId });
      return { enabled: false, totalCompactions: 0, ...sizes };
    },
  };
}

/** Verify commits that were brought, and which of their entries are meant. @throws `protocol/malformed` for anything that is not as it must be */
async function readParts(
  { crypto, tenantId, dbId }: EntryReaderOptions,
  parts: readonly CommitPart[],
): Promise<readonly { readonly commit: Commit; readonly indexes: readonly number[] }[]> {
  const read: { readonly commit: Commit; readonly indexes: readonly number[] }[] = [];
  for (const { commit: bytes, indexes } of parts) {
    const verdict = await verifyCommit(crypto, bytes);
    const isOurs =
      verdict.kind === "verified" &&
      verdict.commit.header.tenantId === tenantId &&
      verdict.commit.header.dbId === dbId &&
      indexes.every((index) => verdict.commit.entries[index]?.header !== undefined);
    if (!isOurs) throw new CofferError("protocol/malformed", { reason: "entries" });
    read.push({ commit: verdict.commit, indexes });
  }
  return read;
}

/** Say of an entry what its commit says. */
export function describe(
  crypto: Pick<Verifier, "sha256">,
  { commitHash, entries, header }: Commit,
  index: number,
): StoreEntryMetadata {
  const entry = entries[index];
  if (entry?.header === undefined) throw new CofferError("input/invalid", { at: "index" });
  const { ciphertextHash, ciphertextSizeBytes, dependencies, docId, entryType, keyIndex } = entry.header;
  return {
    id: entryIdOf(crypto, entry.header, entry.entryHash),
    entryType,
    docId,
    dependencies,
    contentHash: bytesToBase64url(ciphertextHash),
    encryptedSize: ciphertextSizeBytes,
    createdAt: header.createdAtMs,
    createdByPublicKey: bytesToBase64url(idToBytes(header.author)),
    decryptionKeyId: header.keys[keyIndex]?.keyId ?? "",
    commitHash,
  };
}

function readIds(given: unknown, maxCount: number): readonly string[] {
  if (!Array.isArray(given)) throw new CofferError("input/invalid", { at: "ids" });
  if (given.length > maxCount) throw new CofferError("input/too-large", { ids: given.length, max: maxCount });
  return given.map(readId);
}

/** Read a text that may be an id: whether it is one, the log says. @throws `input/invalid` */
export function readId(given: unknown): string {
  if (typeof given !== "string" || !/^[\w-]{1,128}$/.test(given))
    throw new CofferError("input/invalid", { at: "id" });
  return given;
}

function readCursor(given: unknown): EntryCursor {
  if (given === undefined) return { epoch: "", position: 0 };
  const [, epoch, position] =
    typeof given === "string" ? (/^([\w-]{1,64})\.(\d{1,15})$/.exec(given) ?? []) : [];
  if (epoch === undefined) throw new CofferError("input/invalid", { at: "cursor" });
  return { epoch, position: Number(position) };
}
