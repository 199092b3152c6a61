/** Which parts and which chunks hold a range of a file. */
import { assert } from "../std/index.ts";
import { cutting, type Part } from "./part.ts";

/** A range within the piece at an index: bytes `from`, up to and without `to`. */
export interface Slice {
  readonly index: number;
  readonly from: number;
  readonly to: number;
}

/** The parts that hold a range of a file, in order. What is beyond its end is left out. */
export function findParts(parts: readonly Part[], from: number, to: number): readonly Slice[] {
  return slice(
    parts.map(({ sizeBytes }) => sizeBytes),
    from,
    to,
  );
}

/** The chunks that hold a range of a part, in order. */
export function findChunks(partBytes: number, from: number, to: number): readonly Slice[] {
  return slice(chunkSizesOf(partBytes), from, to);
}

/** The plaintext sizes of a part's chunks. */
export function chunkSizesOf(partBytes: number): readonly number[] {
  assert(
    partBytes >= 1 && partBytes <= cutting.partBytes,
    "attachment: a part has a chunk, and no more than it may",
  );
  const count = Math.ceil(partBytes / cutting.chunkBytes);
  const last = partBytes - (count - 1) * cutting.chunkBytes;
  return Array.from({ length: count }, (_, index) => (index === count - 1 ? last : cutting.chunkBytes));
}

function slice(sizes: readonly number[], from: number, to: number): readonly Slice[] {
  const found: Slice[] = [];
  let start = 0;
  for (const [index, size] of sizes.entries()) {
    const first = Math.max(from, start);
    const end = Math.min(to, start + size);
    if (first < end) found.push({ index, from: first - start, to: end - start });
    start += size;
  }
  return found;
}
