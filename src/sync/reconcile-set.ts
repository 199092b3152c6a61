import { assert, compareBytes } from "../std/index.ts";

/** A commit as reconciliation sees it: the time its header says, and its hash. Both sides order by them. */
export interface ReconcileItem {
  readonly timeMs: number;
  /** 32 bytes */
  readonly hash: Uint8Array;
}

/** Where a range ends: before the first item that is not below it. */
export interface Bound {
  /** Infinity = after everything */
  readonly timeMs: number;
  /** of a hash, at most 32 bytes */
  readonly prefix: Uint8Array;
}

/** After every item. */
export const endBound: Bound = { timeMs: Infinity, prefix: new Uint8Array(0) };

const chunkItems = 512;
const sumWords = 8;

interface Chunk {
  readonly items: ReconcileItem[];
  /** of the hashes, as numbers modulo 2^256 */
  readonly sum: Uint32Array;
}

/**
 * A set of commits in order, in which a range's sum is known without looking at all of it.
 *
 * ```
 * [512 items, sum] [512 items, sum] [ … ]      a range: whole chunks by their sums, and the items at its two ends
 * ```
 *
 * Adding an item changes one chunk; one that is too large becomes two.
 */
export class ReconcileSet {
  #chunks: Chunk[] = [];
  /** how many items stand before each chunk; made anew after a change */
  #starts: number[] | undefined;
  #size = 0;

  /** Make a set; items that are there twice count once. */
  static of(items: Iterable<ReconcileItem>): ReconcileSet {
    const sorted = [...items].sort(compareItems);
    const unique = sorted.filter((item, index) => {
      const before = sorted[index - 1];
      return before === undefined || compareItems(before, item) !== 0;
    });
    const set = new ReconcileSet();
    for (let at = 0; at < unique.length; at += chunkItems)
      set.#chunks.push(toChunk(unique.slice(at, at + chunkItems)));
    set.#size = unique.length;
    return set;
  }

  get size(): number {
    return this.#size;
  }

  /** Add an item. @returns whether it was not there */
  add(item: ReconcileItem): boolean {
    const index = Math.max(
      0,
      this.#chunkBefore((first) => compareItems(first, item) <= 0),
    );
    const chunk = this.#chunks[index];
    if (chunk === undefined) {
      this.#chunks.push(toChunk([item]));
    } else {
      const at = firstIndex(chunk.items.length, (i) => compareAt(chunk.items, i, item) >= 0);
      if (compareAt(chunk.items, at, item) === 0) return false;
      chunk.items.splice(at, 0, item);
      addHash(chunk.sum, item.hash);
      if (chunk.items.length > 2 * chunkItems)
        this.#chunks.splice(
          index,
          1,
          toChunk(chunk.items.slice(0, chunkItems)),
          toChunk(chunk.items.slice(chunkItems)),
        );
    }
    this.#size++;
    this.#starts = undefined;
    return true;
  }

  /** The items from one index to another. */
  slice(from: number, to: number): readonly ReconcileItem[] {
    const found: ReconcileItem[] = [];
    this.#visit(from, to, (chunk, start, end) => void found.push(...chunk.items.slice(start, end)));
    return found;
  }

  /** The sum of the hashes from one index to another, 32 bytes. */
  sum(from: number, to: number): Uint8Array<ArrayBuffer> {
    const total = new Uint32Array(sumWords);
    this.#visit(from, to, (chunk, start, end) => {
      if (start === 0 && end === chunk.items.length) addWords(total, chunk.sum);
      else for (const { hash } of chunk.items.slice(start, end)) addHash(total, hash);
    });
    const bytes = new Uint8Array(4 * sumWords);
    const view = new DataView(bytes.buffer);
    for (const [index, word] of total.entries()) view.setUint32(index * 4, word, true);
    return bytes;
  }

  /** How many items are below a bound. */
  countBelow(bound: Bound): number {
    if (bound.timeMs === Infinity) return this.#size;
    const index = this.#chunkBefore((first) => isBelow(first, bound));
    const chunk = this.#chunks[index];
    if (chunk === undefined) return 0;
    const inside = firstIndex(chunk.items.length, (i) => {
      const item = chunk.items[i];
      return item === undefined || !isBelow(item, bound);
    });
    return (this.#startsNow()[index] ?? 0) + inside;
  }

  /** The shortest bound with exactly so many items below it. */
  boundAt(count: number): Bound {
    if (count >= this.#size) return endBound;
    const [last] = count === 0 ? [undefined] : this.slice(count - 1, count);
    const [next] = this.slice(count, count + 1);
    assert(next !== undefined, "reconcile: below the size");
    if (last === undefined || last.timeMs !== next.timeMs)
      return { timeMs: next.timeMs, prefix: new Uint8Array(0) };
    let shared = 0;
    while (last.hash[shared] === next.hash[shared]) shared++;
    return { timeMs: next.timeMs, prefix: next.hash.slice(0, shared + 1) };
  }

  #startsNow(): readonly number[] {
    if (this.#starts !== undefined) return this.#starts;
    let start = 0;
    this.#starts = this.#chunks.map(({ items }) => {
      start += items.length;
      return start - items.length;
    });
    return this.#starts;
  }

  /** The last chunk whose first item is on the near side, or -1. */
  #chunkBefore(isNear: (first: ReconcileItem) => boolean): number {
    const isFar = (index: number): boolean => {
      const first = this.#chunks[index]?.items[0];
      return first === undefined || !isNear(first);
    };
    return firstIndex(this.#chunks.length, isFar) - 1;
  }

  #visit(from: number, to: number, each: (chunk: Chunk, start: number, end: number) => void): void {
    const starts = this.#startsNow();
    let index = Math.max(0, firstIndex(starts.length, (i) => (starts[i] ?? 0) > from) - 1);
    for (; index < this.#chunks.length; index++) {
      const chunk = this.#chunks[index];
      const start = starts[index] ?? 0;
      if (chunk === undefined || start >= to) return;
      const end = Math.min(to - start, chunk.items.length);
      const begin = Math.max(from - start, 0);
      if (begin < end) each(chunk, begin, end);
    }
  }
}

function compareItems(a: ReconcileItem, b: ReconcileItem): number {
  return a.timeMs - b.timeMs || compareBytes(a.hash, b.hash);
}

function compareAt(items: readonly ReconcileItem[], index: number, item: ReconcileItem): number {
  const other = items[index];
  return other === undefined ? 1 : compareItems(other, item);
}

function isBelow(item: ReconcileItem, bound: Bound): boolean {
  if (item.timeMs !== bound.timeMs) return item.timeMs < bound.timeMs;
  return compareBytes(item.hash.subarray(0, bound.prefix.length), bound.prefix) < 0;
}

/** The first index from which on it holds. */
function firstIndex(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function toChunk(items: ReconcileItem[]): Chunk {
  const sum = new Uint32Array(sumWords);
  for (const { hash } of items) addHash(sum, hash);
  return { items, sum };
}

function addHash(sum: Uint32Array, hash: Uint8Array): void {
  const view = new DataView(hash.buffer, hash.byteOffset, hash.byteLength);
  let carry = 0;
  for (let word = 0; word < sumWords; word++) {
    const value = (sum[word] ?? 0) + view.getUint32(word * 4, true) + carry;
    sum[word] = value >>> 0;
    carry = value > 0xffff_ffff ? 1 : 0;
  }
}

function addWords(sum: Uint32Array, other: Uint32Array): void {
  let carry = 0;
  for (let word = 0; word < sumWords; word++) {
    const value = (sum[word] ?? 0) + (other[word] ?? 0) + carry;
    sum[word] = value >>> 0;
    carry = value > 0xffff_ffff ? 1 : 0;
  }
}
