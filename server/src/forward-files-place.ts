/**
 * How far another server has the files of a log: the chunks that its commits name. Kept beside the log's own place, under
 * SHA-256("coffer/forward-files/v1\0" ‖ the other server's key) instead of that key.
 *
 * | field | bytes |
 * |---|---|
 * | version | u8, 1 |
 * | epoch | varint: of the log here |
 * | farEpoch | varint: of the tenant's directory there |
 * | seq | varint: the commits before were gone through; never beyond what the other server acknowledged of the log |
 * | missing | varint count (at most 256), each varint from, varint length: rising, apart; commits before `seq` of whose chunks some are not there |
 *
 * ```
 *            gone through      │ named, and not asked for │ not acknowledged: nothing of it is sent
 *   0 ──────────────────────── seq ─────────────────────── log's place ────── size
 *        ^ missing: looked at again when a chunk arrives here, when there may be room there, and at every start
 * ```
 * A commit is missing while this server has not all of its chunks, or the other one had no room for some. Where there would be more than 256
 * ranges, two become one with what is between them: that is asked for once more, and nothing is forgotten. With another epoch on either side
 * it begins again at 0; the question for many chunks says what is there.
 */
import { ByteReader, ByteWriter, utf8ToBytes } from "../../src/std/index.ts";
import type { RelayCrypto } from "./directories.ts";
import { addRange, removeRange, type SeqRange, type SeqRanges } from "./seq-ranges.ts";
import type { LogState } from "./storage.ts";

/** How far another server has the files of a log. */
export interface FilesPlace {
  readonly epoch: number;
  readonly farEpoch: number;
  readonly seq: number;
  readonly missing: SeqRanges;
}

const domain = utf8ToBytes("coffer/forward-files/v1\0");
const version = 1;

/** So many ranges are kept of a log. */
export const maxMissing = 256;

/** The name that the places of files are kept under, 32 bytes. */
export function filesName(crypto: Pick<RelayCrypto, "sha256">, serverKey: Uint8Array): Uint8Array {
  return crypto.sha256(domain, serverKey);
}

/** Write a place. */
export function encodeFilesPlace({ epoch, farEpoch, missing, seq }: FilesPlace): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().u8(version).varint(epoch).varint(farEpoch).varint(seq);
  writer.varint(missing.length);
  for (const { from, to } of missing) writer.varint(from).varint(to - from);
  return writer.toBytes();
}

/** Read a place; `undefined` for anything else, and then the log's files are gone through from its start. */
export function decodeFilesPlace(bytes: Uint8Array): FilesPlace | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) return undefined;
  const [epoch, farEpoch, seq] = [reader.varint(), reader.varint(), reader.varint()];
  const count = reader.varint(maxMissing);
  const missing: SeqRange[] = [];
  while (missing.length < count && reader.error === undefined) {
    const from = reader.varint();
    const to = from + reader.varint();
    const before = missing.at(-1);
    if (to <= from || to > seq || (before !== undefined && from <= before.to)) return undefined;
    missing.push({ from, to });
  }
  return reader.finish() ? { epoch, farEpoch, seq, missing } : undefined;
}

/** Where the files of a log go on. @param acknowledged how much of the log the other server has */
export function filesPlaceOf(
  log: Pick<LogState, "epoch">,
  known: FilesPlace | undefined,
  { farEpoch, acknowledged }: { readonly farEpoch: number; readonly acknowledged: number },
): FilesPlace {
  const isGood =
    known !== undefined &&
    known.epoch === log.epoch &&
    known.farEpoch === farEpoch &&
    known.seq <= acknowledged;
  return isGood ? known : { epoch: log.epoch, farEpoch, seq: 0, missing: [] };
}

/** Where they stand once a range was gone through, and some of its commits are missing. */
export function goThrough(place: FilesPlace, range: SeqRange, missing: readonly number[]): FilesPlace {
  // In this order, so that the bound holds without what is about to be found missing again.
  let left = removeRange(place.missing, range, maxMissing);
  for (const seq of missing) left = addRange(left, { from: seq, to: seq + 1 }, maxMissing);
  return { ...place, seq: Math.max(place.seq, range.to), missing: left };
}
