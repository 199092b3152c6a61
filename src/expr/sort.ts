/**
 * Orders of rows by keys that are read once, and the first rows of an order without putting all of them in order.
 *
 * While one item after the other passes, only the `count` first so far are kept, as a heap with the last of them on top:
 *
 * ```
 *   item ──► before the top? ──no──► dropped          one comparison for most items
 *               └──yes──► takes its place, sinks
 * ```
 */
import { fieldPath, type SortKey } from "./expression.ts";
import { collatorOf, compareValues } from "./order.ts";
import { kindOf, readPath } from "./value.ts";

/** What a row is sorted by. */
export type Keys = readonly unknown[];

/** A function that reads the keys of a row's value. */
export function keyReader(sort: readonly SortKey[]): (value: unknown) => Keys {
  const paths = sort.map(({ field }) => fieldPath(field));
  return (value) => paths.map((path) => readPath(value, path));
}

/** The order of `createComparator`, over keys. */
export function compareKeys(
  sort: readonly SortKey[],
  locale: string | undefined,
): (left: Keys, right: Keys) => number {
  const collator = collatorOf(locale);
  const signs = sort.map(({ order }) => (order === "desc" ? -1 : 1));
  return (left, right) => {
    for (let level = 0; level < signs.length; level++) {
      const [one, other] = [left[level], right[level]];
      if (one === other && typeof one === "string") continue;
      // What most keys are, without asking for their kinds.
      if (typeof one === "string" && typeof other === "string") {
        const order = collator.compare(one, other) || (one < other ? -1 : 1);
        return order * (signs[level] ?? 1);
      }
      const [oneIsMissing, otherIsMissing] = [kindOf(one) === "missing", kindOf(other) === "missing"];
      if (oneIsMissing && otherIsMissing) continue;
      if (oneIsMissing) return 1;
      if (otherIsMissing) return -1;
      const order = compareValues(one, other, collator);
      if (order !== 0) return order * (signs[level] ?? 1);
    }
    return 0;
  };
}

/** The first `count` items of a total order, sorted. */
export function takeFirst<Item>(
  items: Iterable<Item>,
  compare: (left: Item, right: Item) => number,
  count: number,
): Item[] {
  const first: Item[] = [];
  for (const item of items) {
    if (first.length < count) {
      first.push(item);
      // From here on a heap, as is any list that is sorted backwards.
      if (first.length === count) first.sort((left, right) => compare(right, left));
      continue;
    }
    const [top] = first;
    if (top !== undefined && compare(item, top) < 0) sink(first, item, compare);
  }
  return first.sort(compare);
}

/** Put an item in the place of the top. */
function sink<Item>(heap: Item[], added: Item, compare: (left: Item, right: Item) => number): void {
  let at = 0;
  for (let below = 1; below < heap.length; below = 2 * at + 1) {
    const [left, right] = [heap[below], heap[below + 1]];
    const isRight = left !== undefined && right !== undefined && compare(right, left) > 0;
    const last = isRight ? right : left;
    if (last === undefined || compare(added, last) >= 0) break;
    heap[at] = last;
    at = isRight ? below + 1 : below;
  }
  heap[at] = added;
}
