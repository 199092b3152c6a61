/**
 * Range-based set reconciliation: two sides that share no log find what each lacks, in bytes that grow with the difference and not
 * with the sets. Pure: sets and messages in, messages out; neither side keeps anything of a session but its set.
 *
 * ```
 * A  first      │  oldest … │ 64 │ 32 │ 16 newest │     a fingerprint each
 * B  answer     equal: settled;  different: 16 parts with fingerprints, or the ids of at most 16 items
 * A  answer     of ids: what A lacks it wants, what B lacks it delivers
 * ```
 *
 * Guarantees
 * - it ends: each answer settles a range, or makes it 16 times smaller for who answers
 * - whatever is received, the answer holds at most {@link reconcileLimits}.ranges ranges, and costs at most one hash for each of
 *   4096 items or 16 parts for each range
 * - two different sets are taken for equal with a chance of 2^-96, one item for another with 2^-48 in one session and another one in
 *   the next, since the salt is new; who can sign commits gains nothing by such a collision but that his own are not repaired
 */
import type { Verifier } from "../crypto/index.ts";
import { bytesToBase64url, ByteWriter, utf8ToBytes } from "../std/index.ts";
import { reconcileLimits, type Range } from "./reconcile-format.ts";
import { endBound, type ReconcileItem, type ReconcileSet } from "./reconcile-set.ts";

type Hashing = Pick<Verifier, "sha256">;

/** What one side makes of the other's ranges. */
export interface ReconcileAnswer {
  /** to be answered by the other side; none when everything is settled */
  readonly ranges: readonly Range[];
  /** what the other side lacks */
  readonly deliver: readonly ReconcileItem[];
}

const fanOut = 16;
const leafItems = 16;
/** Where one side names few items and the other has more than these, the range is divided instead of gone through. */
const maxCompared = 4096;
const maxAnswerRanges = 4096;
const fingerprintDomain = utf8ToBytes("coffer/reconcile/v1\0");
const idDomain = utf8ToBytes("coffer/reconcile-id/v1\0");

/** Begin: ranges that double towards the past, since what differs is mostly new. */
export function beginReconcile(crypto: Hashing, set: ReconcileSet, salt: Uint8Array): readonly Range[] {
  if (set.size === 0) return [{ upTo: endBound, mode: "ids", ids: [] }];
  const starts: number[] = [];
  for (let size = leafItems, at = set.size; at > 0; size *= 2) {
    at = Math.max(0, at - size);
    starts.unshift(at);
  }
  return starts.map((start, index) =>
    fingerprintRange(crypto, set, salt, [start, starts[index + 1] ?? set.size]),
  );
}

/** Answer ranges with what this side has. */
export function answerReconcile(
  crypto: Hashing,
  set: ReconcileSet,
  salt: Uint8Array,
  ranges: readonly Range[],
): ReconcileAnswer {
  const answered: Range[] = [];
  const deliver: ReconcileItem[] = [];
  let start = 0;
  for (const range of ranges) {
    if (answered.length >= maxAnswerRanges) {
      // The rest in one: it is divided again the next time.
      answered.push(fingerprintRange(crypto, set, salt, [start, set.size]));
      break;
    }
    // Bounds that do not ascend cannot be read; one below what is settled would only repeat it.
    const end = Math.max(start, set.countBelow(range.upTo));
    const part = answerRange(crypto, { set, salt, start, end }, range);
    for (const one of part.ranges) pushRange(answered, one);
    deliver.push(...part.deliver);
    start = end;
  }
  if (answered.at(-1)?.mode === "skip") answered.pop();
  return { ranges: answered, deliver };
}

/** A range of this side's set. */
interface Place {
  readonly set: ReconcileSet;
  readonly salt: Uint8Array;
  readonly start: number;
  readonly end: number;
}

function answerRange(crypto: Hashing, place: Place, range: Range): ReconcileAnswer {
  const { set, salt, start, end } = place;
  const { upTo } = range;
  const settled: Range = { upTo, mode: "skip" };
  if (range.mode === "skip") return { ranges: [settled], deliver: [] };
  if (range.mode === "fingerprint") {
    const own = fingerprintOf(crypto, set, salt, [start, end]);
    const isEqual = own.every((byte, index) => byte === range.fingerprint[index]);
    return { ranges: isEqual ? [settled] : divide(crypto, place, range), deliver: [] };
  }
  if (end - start > maxCompared) return { ranges: divide(crypto, place, range), deliver: [] };
  const named = new Set(range.ids.map(bytesToBase64url));
  const own = set.slice(start, end).map((item) => ({ item, id: idOf(crypto, salt, item) }));
  if (range.mode === "want") {
    const wanted = own.filter(({ id }) => named.has(bytesToBase64url(id)));
    return { ranges: [settled], deliver: wanted.map(({ item }) => item) };
  }
  const ownNames = new Set(own.map(({ id }) => bytesToBase64url(id)));
  const lacking = range.ids.filter((id) => !ownNames.has(bytesToBase64url(id)));
  const deliver = own.filter(({ id }) => !named.has(bytesToBase64url(id))).map(({ item }) => item);
  return { ranges: lacking.length === 0 ? [settled] : [{ upTo, mode: "want", ids: lacking }], deliver };
}

/** A range that differs: its ids when they are few, else its parts. The last part ends where the other side said. */
function divide(crypto: Hashing, { set, salt, start, end }: Place, { upTo }: Range): readonly Range[] {
  const count = end - start;
  if (count <= leafItems) {
    const ids = set.slice(start, end).map((item) => idOf(crypto, salt, item));
    return [{ upTo, mode: "ids", ids }];
  }
  return Array.from({ length: fanOut }, (_, part) => {
    const from = start + Math.floor((count * part) / fanOut);
    const to = start + Math.floor((count * (part + 1)) / fanOut);
    const range = fingerprintRange(crypto, set, salt, [from, to]);
    return part === fanOut - 1 ? { ...range, upTo } : range;
  });
}

/** Settled ranges side by side are one. */
function pushRange(ranges: Range[], range: Range): void {
  const last = ranges.at(-1);
  if (range.mode === "skip" && last?.mode === "skip") ranges.pop();
  ranges.push(range);
}

type Span = readonly [from: number, to: number];

function fingerprintRange(crypto: Hashing, set: ReconcileSet, salt: Uint8Array, span: Span): Range {
  return {
    upTo: set.boundAt(span[1]),
    mode: "fingerprint",
    fingerprint: fingerprintOf(crypto, set, salt, span),
  };
}

function fingerprintOf(crypto: Hashing, set: ReconcileSet, salt: Uint8Array, [from, to]: Span): Uint8Array {
  const count = new ByteWriter(8).u64(to - from).toBytes();
  return crypto
    .sha256(fingerprintDomain, salt, count, set.sum(from, to))
    .slice(0, reconcileLimits.fingerprintBytes);
}

/** What stands for an item under a salt: 6 bytes. */
export function idOf(crypto: Hashing, salt: Uint8Array, { hash }: Pick<ReconcileItem, "hash">): Uint8Array {
  return crypto.sha256(idDomain, salt, hash).slice(0, reconcileLimits.idBytes);
}
