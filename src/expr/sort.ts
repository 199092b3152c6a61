/**
 * The first rows of an order, without putting all of them in order: what a list shows of many rows.
 *
 * Each row's keys are read once. While one row after the other passes, only the `count` first so far are kept, as a heap with the
 * last of them on top:
 *
 * ```
 *   row ──► before the top? ──no──► dropped          one comparison for most rows
 *               └──yes──► takes its place, sinks
 * ```
 */
import { fieldPath, type SortKey } from "./expression.ts";
import { collatorOf, compareValues } from "./order.ts";
import { kindOf, readPath } from "./value.ts";

interface Keyed<Row> {
  readonly row: Row;
  readonly keys: readonly unknown[];
}

type Compare<Row> = (left: Keyed<Row>, right: Keyed<Row>) => number;

/**
 * The first `count` rows in the order of {@link createComparator}, sorted.
 *
 * @param options.read the plain value of a row
 * @param options.tie decides between rows that the order does not tell apart
 */
export function sortFirst<Row>(
  rows: Iterable<Row>,
  options: {
    readonly sort: readonly SortKey[];
    readonly read: (row: Row) => unknown;
    readonly tie: (left: Row, right: Row) => number;
    readonly count: number;
    readonly locale?: string;
  },
): Row[] {
  const { sort, read, tie, count, locale } = options;
  const paths = sort.map(({ field }) => fieldPath(field));
  const compare = compareKeyed(sort, tie, locale);
  const first: Keyed<Row>[] = [];
  for (const row of rows) {
    const value = read(row);
    const keyed = { row, keys: paths.map((path) => readPath(value, path)) };
    if (first.length < count) {
      first.push(keyed);
      // From here on a heap, as is any list that is sorted backwards.
      if (first.length === count) first.sort((left, right) => compare(right, left));
      continue;
    }
    const [top] = first;
    if (top !== undefined && compare(keyed, top) < 0) sink(first, keyed, compare);
  }
  return first.sort(compare).map(({ row }) => row);
}

function compareKeyed<Row>(
  sort: readonly SortKey[],
  tie: (left: Row, right: Row) => number,
  locale: string | undefined,
): Compare<Row> {
  const collator = collatorOf(locale);
  const signs = sort.map(({ order }) => (order === "desc" ? -1 : 1));
  return (left, right) => {
    for (let level = 0; level < signs.length; level++) {
      const [one, other] = [left.keys[level], right.keys[level]];
      if (one === other && typeof one === "string") continue;
      const [oneIsMissing, otherIsMissing] = [kindOf(one) === "missing", kindOf(other) === "missing"];
      if (oneIsMissing && otherIsMissing) continue;
      if (oneIsMissing) return 1;
      if (otherIsMissing) return -1;
      const order = compareValues(one, other, collator);
      if (order !== 0) return order * (signs[level] ?? 1);
    }
    return tie(left.row, right.row);
  };
}

/** Put a row in the place of the top. */
function sink<Row>(heap: Keyed<Row>[], added: Keyed<Row>, compare: Compare<Row>): void {
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
