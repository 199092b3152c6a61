/** The bytes of files on the page, piece by piece as the worker opens them. */
import { attachmentLimits, encodePart, findParts, type AttachmentRecord } from "../attachment/index.ts";
import { CofferError } from "../std/index.ts";
import { throwIfAborted, unlessAborted } from "./abort.ts";
import type { AttachmentProgress, AttachmentRange, AttachmentRun } from "./attachment-types.ts";
import type { DatabaseCore } from "./database.ts";
import type { DocCore } from "./doc.ts";
import { runCallers } from "./session.ts";

const { chunkBytes } = attachmentLimits;
/** so many parts of a file are read at once, in their order: one is taken from the disk while another is decrypted */
const piecesAtOnce = 3;

/** Bytes of a document: a file's, or those of what was made of it. */
export type Content = Pick<AttachmentRecord, "parts" | "sizeBytes" | "type">;

/** Tell how far a call is. */
export function tellProgress(onProgress: AttachmentRun["onProgress"], progress: AttachmentProgress): void {
  if (onProgress !== undefined) runCallers(() => onProgress(progress));
}

/**
 * The bytes of a range: first the rest of the chunk that it begins in, so that there is something at once, then part by part. From the second
 * piece on the next ones are read while one is being taken.
 */
export async function* piecesOf(
  core: DatabaseCore,
  own: DocCore,
  { parts, sizeBytes }: Content,
  { from = 0, onProgress, signal, to = sizeBytes }: AttachmentRange,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to < from)
    throw new CofferError("input/invalid", { message: "A range is from a byte up to a later one." });
  const totalBytes = Math.max(0, Math.min(to, sizeBytes) - from);
  let doneBytes = 0;
  const waiting = findParts(parts, from, to).flatMap(({ index, ...range }, at) => {
    const part = parts[index];
    return part === undefined ? [] : firstApart(at, range).map((piece) => ({ part, range: piece }));
  });
  const next = (): Promise<readonly Uint8Array[]> | undefined => {
    const { part, range } = waiting.shift() ?? {};
    if (part === undefined || range === undefined) return undefined;
    const reading = core.call((api) =>
      api.readPieces(core.subscription, own.place.id, encodePart(part), range),
    );
    // What is read ahead, and not taken any more, fails for nobody.
    reading.catch(() => undefined);
    return reading;
  };
  const readings: Promise<readonly Uint8Array[]>[] = [];
  for (;;) {
    throwIfAborted(signal);
    for (const count = doneBytes > 0 ? piecesAtOnce : 1; readings.length < count;) {
      const further = next();
      if (further === undefined) break;
      readings.push(further);
    }
    const reading = readings.shift();
    if (reading === undefined) return;
    for (const bytes of await unlessAborted(signal, reading)) {
      throwIfAborted(signal);
      doneBytes += bytes.length;
      tellProgress(onProgress, { doneBytes, totalBytes });
      yield bytes as Uint8Array<ArrayBuffer>;
    }
  }
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** The range of the first part, cut behind the chunk that it begins in. */
function firstApart(at: number, { from, to }: Range): readonly Range[] {
  const end = (Math.floor(from / chunkBytes) + 1) * chunkBytes;
  return at > 0 || to <= end
    ? [{ from, to }]
    : [
        { from, to: end },
        { from: end, to },
      ];
}
