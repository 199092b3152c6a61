/** Bundles as they are written in one piece, and taken in in small ones. */
import { concatBytes } from "../std/index.ts";
import { BundleReading, writeBundle, type BundlePlace } from "./bundle.ts";

/** What a place has that a summary lacks, as one file. */
export async function bundleOf(
  place: BundlePlace,
  summary?: Uint8Array,
  maxFileBytes?: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  for await (const piece of writeBundle(place, summary, maxFileBytes)) pieces.push(piece);
  return concatBytes(...pieces);
}

/** Take a file in, so many bytes at a time; what was begun ends, whatever the file holds. */
export async function takeIn(
  place: BundlePlace,
  bytes: Uint8Array,
  pieceBytes = 1000,
): ReturnType<BundleReading["finish"]> {
  const reading = new BundleReading(place);
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes)
      await reading.take(bytes.slice(at, at + pieceBytes));
    return await reading.finish();
  } finally {
    await reading.close();
  }
}
