/**
 * A part of a file: what one commit holds of it, at most 16 chunks.
 *
 * As the document keeps it, bytes
 *
 * | field | size |
 * |---|---|
 * | version | u8: 1, its chunks are sealed under a salt of their commit; 2, by their content, so that the same is stored once |
 * | commitHash | 32: the commit whose entries are the part's chunks, all of them and in order |
 * | sizeBytes | u32, 1…4 MiB: every chunk but the last holds 256 KiB |
 */
import { ByteReader, ByteWriter, idToBytes, readId, type CommitHash } from "../std/index.ts";

const partVersions = { salted: 1, shared: 2 } as const;

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
  /** its chunks are sealed by their content */
  readonly isShared?: true;
}

/** Write a part as its document keeps it: see the table above. */
export function encodePart({ commitHash, isShared, sizeBytes }: Part): Uint8Array<ArrayBuffer> {
  const version = isShared === true ? partVersions.shared : partVersions.salted;
  return new ByteWriter(37).u8(version).fixed(idToBytes(commitHash), 32).u32(sizeBytes).toBytes();
}

/** Read a part; `undefined` for anything that {@link encodePart} would not have written. */
export function readPart(value: unknown): Part | undefined {
  if (!(value instanceof Uint8Array) || value.length !== 37) return undefined;
  const reader = new ByteReader(value);
  const version = reader.u8();
  const isShared = version === partVersions.shared;
  if (!isShared && version !== partVersions.salted) return undefined;
  const commitHash = readId(reader, "CommitHash");
  const sizeBytes = reader.u32();
  const isSound = reader.finish() && sizeBytes >= 1 && sizeBytes <= cutting.partBytes;
  return isSound ? { commitHash, sizeBytes, ...(isShared ? { isShared } : {}) } : undefined;
}
