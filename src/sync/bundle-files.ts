/**
 * Contents of files in bundles, see bundle.ts: which of them go into one, and how they are taken in.
 *
 * Guarantees
 * - B5 what is written is what H1 of held-chunks.ts allows, the newest first and of those the smallest, as far as the bundle is to hold:
 *      whole commits' worth of chunks, and never more than was said
 * - B6 what is taken in is held against its commit, chunk by chunk, before it is kept; it counts as no server's receipt, and before its commit
 *      was judged it may go (H4). What belongs to a commit that was refused is passed over
 */
import { CofferError, type CommitHash } from "../std/index.ts";
import { keepRestored } from "./chunk-store.ts";
import { encodeFileFrame, wantedChunks, type ChunkFrame } from "./file-frames.ts";
import { findPart, isChunk, readHeld, type HeldPlace } from "./held-chunks.ts";
import { byTurn, isUnjudged, type StoredPart } from "./stored-part.ts";

/** What of files goes into a bundle. */
export interface ChosenFiles {
  readonly parts: readonly StoredPart[];
  /** of ciphertexts */
  readonly fileBytes: number;
  /** that are here, are lacking there, and do not fit */
  readonly leftOutBytes: number;
}

/** Choose what of files goes into a bundle of so many bytes of them, but for parts that the reader has whole. */
export async function chooseFiles(
  { chunks, sets }: HeldPlace,
  hasWhole: (commitHash: CommitHash) => boolean,
  maxFileBytes: number,
): Promise<ChosenFiles> {
  const log = await sets.read();
  const parts: StoredPart[] = [];
  let [fileBytes, leftOutBytes] = [0, 0];
  for (const part of (await chunks.parts()).toSorted(byTurn)) {
    const hereBytes = part.chunks.reduce((sum, { isHere, sizeBytes }) => sum + (isHere ? sizeBytes : 0), 0);
    const isInLog = log.get(part.dbId)?.positions.has(part.commitHash) === true;
    if (hereBytes === 0 || !part.isNamed || !isInLog || hasWhole(part.commitHash)) continue;
    if (fileBytes + hereBytes > maxFileBytes) leftOutBytes += hereBytes;
    else {
      parts.push(part);
      fileBytes += hereBytes;
    }
  }
  return { parts, fileBytes, leftOutBytes };
}

/** The frames of these parts, a megabyte of them in memory at a time. What went meanwhile is left out. */
export async function* writeFiles(
  place: HeldPlace,
  parts: readonly StoredPart[],
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  for (const { chunks, commitHash, dbId } of parts) {
    const indexes = chunks.flatMap(({ isHere }, index) => (isHere ? [index] : []));
    for (let at = 0; at < indexes.length; at += wantedChunks) {
      const some = indexes.slice(at, at + wantedChunks);
      const held = await readHeld(place, { commitHash, dbId }, some);
      for (const [turn, index] of some.entries()) {
        const ciphertext = held[turn];
        if (ciphertext !== undefined)
          yield encodeFileFrame({ type: "chunk", dbId, commitHash, index, ciphertext });
      }
    }
  }
}

/** The parts of files that are here whole. */
export async function wholeParts({ chunks }: Pick<HeldPlace, "chunks">): Promise<readonly CommitHash[]> {
  const parts = await chunks.parts();
  return parts.flatMap(({ chunks: list, commitHash }) =>
    list.every(({ isHere }) => isHere) ? [commitHash] : [],
  );
}

/** The chunks of one bundle. */
export class ChunkIntake {
  readonly #place: HeldPlace & { readonly nowMs: () => number };
  /** the part that came last, which is the next one's most of the time */
  #part: StoredPart | undefined;
  /** of ciphertexts that were not here */
  newFileBytes = 0;
  /** that are not what their commit names, or whose commit is not here */
  wrongCount = 0;

  constructor(place: HeldPlace & { readonly nowMs: () => number }) {
    this.#place = place;
  }

  /** @throws `protocol/malformed` for a chunk of nothing, `store/…` */
  async take({ ciphertext, commitHash, dbId, index }: ChunkFrame): Promise<void> {
    if (ciphertext === undefined) throw new CofferError("protocol/malformed", { reason: "empty chunk" });
    const { chunks, crypto, nowMs, standingOf } = this.#place;
    if (standingOf({ commitHash, dbId }) === "refused") return;
    if (this.#part?.commitHash !== commitHash || this.#part.dbId !== dbId)
      this.#part = await findPart(this.#place, { commitHash, dbId });
    const part = this.#part;
    const chunk = part?.chunks[index];
    if (part === undefined || chunk === undefined || !isChunk(crypto, chunk, ciphertext)) {
      this.wrongCount += 1;
      return;
    }
    const known = await chunks.part(commitHash);
    const [held] = known?.chunks[index]?.isHere === true ? await chunks.chunksOf([chunk.hash]) : [];
    // What the disk lost or damaged is mended.
    if (held !== undefined && isChunk(crypto, chunk, held)) return;
    const usedAtMs = isUnjudged(part) ? nowMs() : part.usedAtMs;
    await keepRestored(chunks, { ...part, usedAtMs }, new Map([[index, ciphertext]]));
    this.newFileBytes += ciphertext.length;
  }
}
