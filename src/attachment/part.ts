/**
 * A part of a file: what one commit holds of it, at most 16 chunks.
 *
 * As the document keeps it, bytes
 *
 * | field | size |
 * |---|---|
 * | version | u8, 1 |
 * | commitHash | 32: the commit whose entries are the part's chunks, all of them and in order |
 * | sizeBytes | u32, 1…4 MiB: every chunk but the last holds 256 KiB |
 */
import { ByteReader, ByteWriter, bytesToId, idToBytes, type CommitHash } from "../std/index.ts";

const partVersion = 1;

/** How a file is cut. */
export const cutting = {
  /** plaintext of a chunk; the last one of a part may hold less */
  chunkBytes: 256 * 1024,
  chunksPerPart: 16,
  /** what one commit carries, and one worker call */
  partBytes: 4 * 1024 * 1024,
} as const;

/** What one commit holds of a file. */
export interface Part {
  readonly commitHash: CommitHash;
  readonly sizeBytes: number;
}

/** Write a part as its document keeps it: see the table above. */
export function encodePart({ commitHash, sizeBytes }: Part): Uint8Array<ArrayBuffer> {
  return new ByteWriter(37).u8(partVersion).fixed(idToBytes(commitHash), 32).u32(sizeBytes).toBytes();
}

/** Read a part; `undefined` for anything that {@link encodePart} would not have written. */
export function readPart(value: unknown): Part | undefined {
  if (!(value instanceof Uint8Array) || value.length !== 37) return undefined;
  const reader = new ByteReader(value);
  if (reader.u8() !== partVersion) return undefined;
  const commitHash = bytesToId("CommitHash", reader.fixed(32));
  const sizeBytes = reader.u32();
  const isSound = reader.finish() && sizeBytes >= 1 && sizeBytes <= cutting.partBytes;
  return isSound ? { commitHash, sizeBytes } : undefined;
}
