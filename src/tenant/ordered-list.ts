/**
 * An ordered list that is shown through a window, and says what changes in the window when an item comes, goes or moves.
 *
 * ```
 *   rank      0 1 2 │ 3 4 5 6 │ 7 8 …        window from 3 to 7
 *   1 leaves    ✗   │ ←       │              splices: index 0 goes, what was rank 7 comes in behind
 * ```
 *
 * Every change takes O(log n) and gives at most two splices of one item each.
 */
import { CountedList, type Listed } from "../view/index.ts";

/** Items to be taken out of a list from an index on, and others that take their place. */
export interface Splice<Item> {
  readonly at: number;
  readonly remove: number;
  readonly put: readonly Item[];
}

/** Where a window begins, and where it ends, as ranks. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The list. `compare` is 0 for the same item only. */
export class OrderedList<Item extends Listed> {
  readonly #list: CountedList<Item>;
  readonly #range: Range;

  constructor(compare: (left: Item, right: Item) => number, range: Range) {
    this.#range = range;
    this.#list = new CountedList({
      compare,
      weightOf: () => 1,
      extremeCount: 0,
      extremeOf: () => undefined,
      isBetter: () => () => false,
    });
  }

  get count(): number {
    return this.#list.count;
  }

  at(rank: number): Item | undefined {
    return this.#list.at(rank);
  }

  /** Take items in order, in place of all that was here. */
  build(sorted: readonly Item[]): void {
    this.#list.build(sorted);
  }

  /** What the window shows. */
  window(): Item[] {
    const { start, end } = this.#range;
    return end <= start ? [] : this.#list.slice(start, end);
  }

  /** Put one item in the place of another, wherever each of them belongs; either may be nothing. */
  replace(before: Item | undefined, after: Item | undefined): readonly Splice<Item>[] {
    const { start, end } = this.#range;
    const countBefore = this.count;
    const from = before === undefined ? -1 : this.#list.before(before).rank;
    if (before !== undefined) this.#list.remove(before);
    if (after !== undefined) this.#list.insert(after);
    if (end <= start) return [];
    const to = after === undefined ? -1 : this.#list.before(after).rank;
    if (before === undefined) return after === undefined ? [] : this.#cameIn(to, countBefore);
    if (after === undefined) return this.#wentOut(from, countBefore);
    if ((from < start && to < start) || (from >= end && to >= end)) return [];
    if (from === to) return [{ at: from - start, remove: 1, put: [after] }];
    return [this.#out(clamp(from, start, end - 1)), ...this.#in(clamp(to, start, end - 1))];
  }

  #cameIn(to: number, countBefore: number): readonly Splice<Item>[] {
    const { start, end } = this.#range;
    if (to >= end || this.count <= start) return [];
    const pushedOut = countBefore >= end ? [this.#out(end - 1)] : [];
    return [...pushedOut, ...this.#in(Math.max(to, start))];
  }

  #wentOut(from: number, countBefore: number): readonly Splice<Item>[] {
    const { start, end } = this.#range;
    if (from >= end || countBefore <= start) return [];
    return [this.#out(Math.max(from, start)), ...(countBefore > end ? this.#in(end - 1) : [])];
  }

  #out(rank: number): Splice<Item> {
    return { at: rank - this.#range.start, remove: 1, put: [] };
  }

  #in(rank: number): readonly Splice<Item>[] {
    const item = this.#list.at(rank);
    return item === undefined ? [] : [{ at: rank - this.#range.start, remove: 0, put: [item] }];
  }
}

/** What turns one window into another. Items that are in both must be in the same order in both. */
export function diffWindows<Item>(before: readonly Item[], after: readonly Item[]): readonly Splice<Item>[] {
  const kept = new Set(after);
  const known = new Set(before);
  const splices: Splice<Item>[] = [];
  let old = 0;
  let at = 0;
  while (old < before.length || at < after.length) {
    let remove = 0;
    for (; old < before.length && !kept.has(before[old] as Item); old += 1) remove += 1;
    const put: Item[] = [];
    const from = at;
    for (; at < after.length && !known.has(after[at] as Item); at += 1) put.push(after[at] as Item);
    if (remove > 0 || put.length > 0) splices.push({ at: from, remove, put });
    // What is next in both is the same item.
    for (; old < before.length && at < after.length && before[old] === after[at]; at += 1) old += 1;
  }
  return splices;
}

function clamp(of: number, low: number, high: number): number {
  return Math.min(Math.max(of, low), high);
}
