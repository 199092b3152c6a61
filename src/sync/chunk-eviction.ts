/**
 * Which chunks of files go when there is too much of them: what was used longest ago first, never what is pinned, and never what nobody else is
 * known to hold. Pure: `ChunkStore` does it.
 *
 * What a part weighs, in bytes of ciphertext
 *
 * | name | what |
 * |---|---|
 * | here | on this device |
 * | unsafe | of these, those that were written here and that no server gave a receipt for |
 * | pinned | here, safe, and kept by the user's wish |
 * | freeable | here, safe, and not pinned: `here = unsafe + pinned + freeable`, where what is pinned and unsafe counts as unsafe |
 */
import type { CommitHash } from "../std/index.ts";
import { isReceived, isUnjudged, type StoredPart } from "./stored-part.ts";

/** What the chunks of one part, or of many, weigh. */
export interface ChunkSums {
  readonly hereBytes: number;
  readonly unsafeBytes: number;
  readonly pinnedBytes: number;
  readonly freeableBytes: number;
}

/** What is to be known of a part to judge whether it goes. */
export interface PartFacts extends ChunkSums {
  readonly commitHash: CommitHash;
  readonly usedAtMs: number;
  readonly createdAtMs: number;
  readonly isPinned: boolean;
  /** nobody here has judged its commit */
  readonly isUnjudged: boolean;
  /** of all its chunks, here or not */
  readonly totalBytes: number;
}

/** Nothing. */
export const noChunks: ChunkSums = { hereBytes: 0, unsafeBytes: 0, pinnedBytes: 0, freeableBytes: 0 };

/** Weigh a part. */
export function factsOf(part: StoredPart): PartFacts {
  let [hereBytes, totalBytes, unsafeBytes] = [0, 0, 0];
  for (const [index, { isHere, sizeBytes }] of part.chunks.entries()) {
    totalBytes += sizeBytes;
    if (isHere) hereBytes += sizeBytes;
    if (isHere && !mayGo(part, index)) unsafeBytes += sizeBytes;
  }
  const { commitHash, createdAtMs, isPinned, usedAtMs } = part;
  const safeBytes = hereBytes - unsafeBytes;
  const [pinnedBytes, freeableBytes] = isPinned ? [safeBytes, 0] : [0, safeBytes];
  const sums = { hereBytes, unsafeBytes, pinnedBytes, freeableBytes };
  return { commitHash, createdAtMs, isPinned, isUnjudged: isUnjudged(part), totalBytes, usedAtMs, ...sums };
}

/** Whether a chunk is known to be elsewhere: it was fetched from there, or somebody gave a receipt for it. */
export function mayGo(part: StoredPart, index: number): boolean {
  return !part.isOwn || isReceived(part, index);
}

/** Add up what parts weigh; `sign` -1 takes away. */
export function addChunks(sums: ChunkSums, more: ChunkSums, sign: 1 | -1 = 1): ChunkSums {
  return {
    hereBytes: sums.hereBytes + sign * more.hereBytes,
    unsafeBytes: sums.unsafeBytes + sign * more.unsafeBytes,
    pinnedBytes: sums.pinnedBytes + sign * more.pinnedBytes,
    freeableBytes: sums.freeableBytes + sign * more.freeableBytes,
  };
}

/** The parts to evict so that so many bytes are freed, or as many as may be: what was used longest ago first. */
export function chooseEvictions(parts: readonly PartFacts[], bytes: number): readonly CommitHash[] {
  const chosen: CommitHash[] = [];
  let leftBytes = bytes;
  for (const { commitHash, freeableBytes } of parts.filter((part) => part.freeableBytes > 0).sort(byUse)) {
    if (leftBytes <= 0) break;
    chosen.push(commitHash);
    leftBytes -= freeableBytes;
  }
  return chosen;
}

function byUse(a: PartFacts, b: PartFacts): number {
  return a.usedAtMs - b.usedAtMs || a.createdAtMs - b.createdAtMs || (a.commitHash < b.commitHash ? -1 : 1);
}
