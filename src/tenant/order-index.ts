/**
 * A secondary index in the order in which queries list rows: all rows, or by one field those that hold the same there.
 *
 * ```
 *   by city, listed by name:   Bergen: Ada  Bo  Cleo │ Oslo: Abe  Dan │ …      a query of one city begins at its part, and ends
 *                              └── in the order of the query itself ──┘        with the last row that it shows
 * ```
 *
 * Guarantees
 * - O1 what it gives for a value is every row that equals it there, each once, in the order of its queries
 * - O2 a change takes O(log n), finding a part too
 */
import { compareValues, readPath, type FieldPath, type Keys } from "../expr/index.ts";
import { CountedList, sortInSteps, type Listed } from "../view/index.ts";
import type { QueryPlan } from "./query-plan.ts";
import type { Row, RowDelta } from "./row-feed.ts";

/** A row with what it is sorted by. */
export interface OrderedRow {
  readonly row: Row;
  readonly keys: Keys;
}

/** What rows are to hold in the field of an index. */
export interface Value {
  readonly of: unknown;
}

interface Entry extends OrderedRow, Listed {
  readonly of: unknown;
}

/** Rows that are taken in one step. */
const stepSize = 512;

/** Rows in the order of a plan, under what they hold in a field where there is one. */
export class OrderIndex {
  readonly #by: FieldPath | undefined;
  readonly #keysOf: QueryPlan["keysOf"];
  readonly #compare: (left: Entry, right: Entry) => number;
  readonly #list: CountedList<Entry>;
  readonly #byId = new Map<string, Entry>();

  constructor(by: FieldPath | undefined, { keysOf, compare }: Pick<QueryPlan, "keysOf" | "compare">) {
    this.#by = by;
    this.#keysOf = keysOf;
    this.#compare =
      by === undefined ? compare : (left, right) => compareValues(left.of, right.of) || compare(left, right);
    this.#list = new CountedList<Entry>({
      compare: this.#compare,
      weightOf: () => 1,
      extremeCount: 0,
      extremeOf: () => undefined,
      isBetter: () => () => false,
    });
  }

  /** Begin with these rows, in steps of a few hundred. */
  *build(rows: readonly Row[]): Generator<number, void> {
    const entries: Entry[] = [];
    for (const [index, row] of rows.entries()) {
      const entry = this.#entryOf(row);
      entries.push(entry);
      this.#byId.set(row.docId, entry);
      if (index % stepSize === 0) yield 0;
    }
    this.#list.build(yield* sortInSteps(entries, this.#compare, stepSize));
  }

  apply(deltas: readonly RowDelta[]): void {
    for (const { docId, after } of deltas) {
      const old = this.#byId.get(docId);
      if (old !== undefined) this.#list.remove(old);
      const entry = after && this.#entryOf(after);
      if (entry === undefined) this.#byId.delete(docId);
      else {
        this.#byId.set(docId, entry);
        this.#list.insert(entry);
      }
    }
  }

  /** How many rows equal a value; all of them without one. */
  count(value: Value | undefined): number {
    const [start, end] = this.#ranks(value);
    return end - start;
  }

  /** These rows in order. */
  rows(value: Value | undefined): readonly OrderedRow[] {
    return this.#list.slice(...this.#ranks(value));
  }

  /** The same, from the first one on that is behind a place; what is not asked for is not looked at. */
  *from(
    value: Value | undefined,
    isBehind: (row: OrderedRow) => boolean = () => true,
  ): Generator<OrderedRow, void> {
    const [, end] = this.#ranks(value);
    const rank = this.#list.countWhile((entry) => {
      const order = value === undefined ? 0 : compareValues(entry.of, value.of);
      return order < 0 || (order === 0 && !isBehind(entry));
    });
    let left = end - rank;
    if (left <= 0) return;
    for (const entry of this.#list.from(rank)) {
      yield entry;
      left -= 1;
      if (left === 0) return;
    }
  }

  #ranks(value: Value | undefined): readonly [start: number, end: number] {
    const { count } = this.#list;
    if (value === undefined || count === 0) return [0, count];
    return [
      this.#list.countWhile(({ of }) => compareValues(of, value.of) < 0),
      this.#list.countWhile(({ of }) => compareValues(of, value.of) <= 0),
    ];
  }

  #entryOf(row: Row): Entry {
    const of = this.#by && readPath(row.value, this.#by);
    return { row, keys: this.#keysOf(row), of, leaf: undefined };
  }
}
