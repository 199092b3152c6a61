/**
 * Ranges of a set of commits as bytes: the body of a `ranges` frame after its database.
 *
 * | field | bytes |
 * |---|---|
 * | salt | 8: chosen by who begins, the same in every message of a session |
 * | count | varint, at most 8192 |
 * | ranges | count × range, each beginning where the one before ended, the first at the start; what follows the last is settled |
 *
 * | part | bytes |
 * |---|---|
 * | range | varint time, u8 mode × 64 + length of prefix (0…32), prefix, body |
 * | time | 0 = to the end, and then the range is the last one; else 1 + milliseconds beyond the bound before (the first: since 1970) |
 * | mode 0, skip | no body: settled |
 * | mode 1, fingerprint | 12: SHA-256("coffer/reconcile/v1\0" ‖ salt ‖ u64 count ‖ sum of hashes modulo 2^256, little end first(32)), cut |
 * | mode 2, ids | varint count ≤ 64, count × id(6): everything the sender has here |
 * | mode 3, want | varint count ≥ 1, ≤ 64, count × id(6): what the receiver named here and the sender lacks |
 * | id | SHA-256("coffer/reconcile-id/v1\0" ‖ salt ‖ commitHash(32)), cut to 6 |
 *
 * Items are ordered by the time of their header, then by hash; a bound stands before the first item that has its time and a hash
 * not below its prefix. Bounds ascend strictly.
 */
import { assert, compareBytes, type ByteReader, type ByteWriter } from "../std/index.ts";
import { endBound, type Bound } from "./reconcile-set.ts";

/** What is said of one range. */
export type Range = { readonly upTo: Bound } & (
  | { readonly mode: "skip" }
  | { readonly mode: "fingerprint"; readonly fingerprint: Uint8Array }
  | { readonly mode: "ids" | "want"; readonly ids: readonly Uint8Array[] }
);

export const reconcileLimits = {
  saltBytes: 8,
  idBytes: 6,
  fingerprintBytes: 12,
  idsPerRange: 64,
  ranges: 8192,
} as const;

const modes = ["skip", "fingerprint", "ids", "want"] as const;
const prefixBytes = 32;

/** Write ranges, in order. */
export function writeRanges(writer: ByteWriter, ranges: readonly Range[]): void {
  writer.varint(ranges.length);
  let beforeMs = 0;
  for (const range of ranges) {
    const { timeMs, prefix } = range.upTo;
    writer.varint(timeMs === Infinity ? 0 : 1 + timeMs - beforeMs);
    writer.u8(modes.indexOf(range.mode) * 64 + prefix.length).fixed(prefix);
    beforeMs = timeMs;
    if (range.mode === "fingerprint") writer.fixed(range.fingerprint, reconcileLimits.fingerprintBytes);
    if (range.mode !== "ids" && range.mode !== "want") continue;
    assert(range.ids.length <= reconcileLimits.idsPerRange, "reconcile: few ids");
    writer.varint(range.ids.length);
    for (const id of range.ids) writer.fixed(id, reconcileLimits.idBytes);
  }
}

/** Read ranges; whatever is wrong is noted in the reader. */
export function readRanges(reader: ByteReader): readonly Range[] {
  const count = reader.varint(reconcileLimits.ranges);
  const ranges: Range[] = [];
  let before: Bound = { timeMs: 0, prefix: new Uint8Array(0) };
  for (let index = 0; index < count && reader.error === undefined; index++) {
    const range = readRange(reader, before);
    // The first one may end at the very start: nothing is older.
    if (index > 0 && !isAfter(range.upTo, before)) reader.fail("bound");
    before = range.upTo;
    ranges.push(range);
  }
  return ranges;
}

function readRange(reader: ByteReader, before: Bound): Range {
  if (before.timeMs === Infinity) reader.fail("bound after the end");
  const delta = reader.varint();
  const head = reader.u8();
  const length = head & 63;
  if (length > prefixBytes) reader.fail("prefix");
  const prefix = reader.fixed(Math.min(length, prefixBytes)).slice();
  const timeMs = before.timeMs + delta - 1;
  if (delta === 0 ? length > 0 : !Number.isSafeInteger(timeMs)) reader.fail("bound");
  const upTo = delta === 0 ? endBound : { timeMs, prefix };
  const mode = modes[head >> 6] ?? "skip";
  if (mode === "skip") return { upTo, mode };
  if (mode === "fingerprint")
    return { upTo, mode, fingerprint: reader.fixed(reconcileLimits.fingerprintBytes).slice() };
  return { upTo, mode, ids: readIds(reader, mode) };
}

function readIds(reader: ByteReader, mode: "ids" | "want"): readonly Uint8Array[] {
  const count = reader.varint(reconcileLimits.idsPerRange);
  if (mode === "want" && count === 0) reader.fail("nothing is wanted");
  const ids: Uint8Array[] = [];
  for (let index = 0; index < count && reader.error === undefined; index++)
    ids.push(reader.fixed(reconcileLimits.idBytes).slice());
  return ids;
}

function isAfter(a: Bound, b: Bound): boolean {
  if (a.timeMs !== b.timeMs) return a.timeMs > b.timeMs;
  return compareBytes(a.prefix, b.prefix) > 0;
}
