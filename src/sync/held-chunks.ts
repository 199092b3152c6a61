/**
 * The contents of files that a device holds, for whoever may have their commits: peers and bundles. What is given is what a commit of the log
 * names, and what comes is held against its commit before it is kept.
 *
 * Guarantees
 * - H1 a chunk is given where its commit could be given too and counts as accepted, a document names the file, and its bytes are those that
 *      were signed
 * - H2 what is kept has the size and the hash that its commit says
 * - H3 what came from another device, of a commit that was accepted, is kept as what was written here: no server has shown that it holds it, so
 *      it stays until one gave a receipt, and this device sees to it that one does
 * - H4 of a commit that nobody here has judged yet, it is kept as what may go at any time, and neither given nor sent to anyone, until whoever
 *      judges says how it ended; of a commit that was refused nothing is kept
 */
import { equalBytes, isCofferError, type AuthorKey } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { parseCommit, type Commit, type EntryHeader } from "../entry/index.ts";
import type { Store } from "../store/index.ts";
import { keepRestored, type ChunkStore } from "./chunk-store.ts";
import type { DeviceSets } from "./device-sets.ts";
import type { NamedPart } from "./file-frames.ts";
import { sendableTo } from "./local-log.ts";
import { chunkLimits, type StoredPart } from "./stored-part.ts";

/** How it stands with a commit. `unknown`: it waits, or nobody here can judge it, as on a locked device. */
export type Standing = "accepted" | "refused" | "unknown";

/** Says how it stands with a commit of the log that may name a part of a file. Whoever holds the keys knows; sync does not. */
export type StandingOf = (named: NamedPart) => Standing;

/** Where contents of files are given from and kept. */
export interface HeldPlace {
  readonly crypto: Pick<Verifier, "sha256">;
  readonly store: Store;
  readonly sets: DeviceSets;
  readonly userKey: AuthorKey | undefined;
  readonly chunks: ChunkStore;
  readonly standingOf: StandingOf;
}

/** What a commit names as one part of a file, none of it here; `undefined` when it does not. */
export function partOf(
  { commitHash, entries, header }: Commit,
  state: Pick<StoredPart, "isNamed" | "isOwn" | "usedAtMs">,
): StoredPart | undefined {
  const headers = entries.flatMap((entry): EntryHeader[] =>
    entry.header === undefined ? [] : [entry.header],
  );
  const docId = headers[0]?.docId;
  const isPart =
    docId !== undefined &&
    headers.length === entries.length &&
    headers.length <= chunkLimits.perPart &&
    headers.every((entry) => entry.entryType === "attachment_chunk" && entry.docId === docId);
  if (!isPart) return undefined;
  const chunks = headers.map(({ ciphertextHash, ciphertextSizeBytes }) => ({
    hash: ciphertextHash,
    sizeBytes: ciphertextSizeBytes,
    isHere: false,
  }));
  const { createdAtMs, dbId } = header;
  return {
    commitHash,
    dbId,
    docId,
    createdAtMs,
    chunks,
    isPinned: false,
    received: new Map<string, number>(),
    ...state,
  };
}

/**
 * The part that a commit of the log names, as it is kept where the commit stands so (H3, H4); `undefined` where the commit was refused, could
 * not be given to others, or names none.
 */
export async function findPart(
  { crypto, sets, standingOf, store, userKey }: HeldPlace,
  { commitHash, dbId }: NamedPart,
): Promise<StoredPart | undefined> {
  const standing = standingOf({ commitHash, dbId });
  if (standing === "refused") return undefined;
  const position = (await sets.read()).get(dbId)?.positions.get(commitHash);
  const [record] = position === undefined ? [] : await store.readRecords([position]);
  const verdict = record && parseCommit(crypto, record.bytes, commitHash);
  if (verdict?.kind !== "verified" || sendableTo(verdict.commit, userKey) !== dbId) return undefined;
  const isAccepted = standing === "accepted";
  return partOf(verdict.commit, { isNamed: isAccepted, isOwn: isAccepted, usedAtMs: 0 });
}

/** Chunks of a part, in the order asked; `undefined` for what is not to be given (H1). */
export async function readHeld(
  place: HeldPlace,
  named: NamedPart,
  indexes: readonly number[],
): Promise<readonly (Uint8Array<ArrayBuffer> | undefined)[]> {
  const { chunks, crypto } = place;
  const part = await findPart(place, named);
  // What a document named before this device was locked it still names.
  if (part === undefined || !((await chunks.part(named.commitHash)) ?? part).isNamed)
    return indexes.map(() => undefined);
  const found = indexes.map((index) => part.chunks[index]);
  const bytes = await chunks.chunksOf(found.flatMap((chunk) => chunk?.hash ?? []));
  let at = 0;
  return found.map((chunk) => {
    const held = chunk === undefined ? undefined : bytes[at++];
    return chunk !== undefined && held !== undefined && isChunk(crypto, chunk, held) ? held : undefined;
  });
}

/** Whether these bytes are a chunk that a commit names. */
export function isChunk(
  crypto: Pick<Verifier, "sha256">,
  { hash, sizeBytes }: Pick<StoredPart["chunks"][number], "hash" | "sizeBytes">,
  bytes: Uint8Array,
): boolean {
  return bytes.length === sizeBytes && equalBytes(crypto.sha256(bytes), hash);
}

/** Keep chunks that were verified, by their indexes (H3). @returns whether there was room for them */
export async function keepHeld(
  { chunks }: Pick<HeldPlace, "chunks">,
  part: StoredPart,
  bytes: ReadonlyMap<number, Uint8Array<ArrayBuffer>>,
): Promise<boolean> {
  try {
    await keepRestored(chunks, part, bytes);
    return true;
  } catch (error) {
    if (!isCofferError(error) || error.code !== "store/quota") throw error;
    return false;
  }
}
