/**
 * The rows of one live query in order, as far as they are needed, kept up to date by deltas.
 *
 * ```
 *   all rows that match, in order:  r r r r r r r r │ r r r r r r …      without a limit all of them are kept
 *                                   └─ kept: the window and some to spare ┘ bound: what sorts behind is counted only
 * ```
 *
 * When so many rows went that the window is no longer covered, the kept ones are read again from all rows, with room to spare.
 *
 * Guarantees
 * - Q1 total, window and cursor equal those of a query evaluated afresh
 * - Q2 a delta takes O(log n); reading again comes at most once in as many deltas as rows are spared
 */
import { takeFirst, type Cursor, type Definition, type Keys } from "../expr/index.ts";
import { diffWindows, OrderedList, type Splice } from "./ordered-list.ts";
import type { QueryPlan } from "./query-plan.ts";
import type { Row, RowDelta } from "./row-feed.ts";
import type { AnyRows, OrderedRows } from "./row-indexes.ts";

/** A row with what it is sorted by. */
export interface Entry {
  readonly row: Row;
  readonly keys: Keys;
  /** where it stands in a list of entries */
  leaf: object | undefined;
}

/** Where a query reads rows. */
export interface QuerySource {
  /** so many rows are kept beyond the window at least */
  readonly spareRows: number;
  /** all rows that may match now: of the database's only a few where an index tells which */
  candidates(definition: Definition): Iterable<Row>;
  /** the same of a query, in its order where they are at hand so */
  find(plan: QueryPlan): OrderedRows | AnyRows;
}

/** Beyond so many deltas at a time the windows before and after are compared. */
const manyDeltas = 32;

/** Rows that match, in order, through a window. */
export class QueryRows {
  readonly #plan: QueryPlan;
  readonly #source: QuerySource;
  readonly #byId = new Map<string, Entry>();
  readonly #list: OrderedList<Entry>;
  /** what does not sort before it is not kept */
  #bound: Entry | undefined;
  #total = 0;
  /** by what rows show: all entries that show it */
  readonly #twins = new Map<unknown, OrderedList<Entry>>();
  /** the firsts of these, by id, as they stand in the list */
  readonly #heads = new Map<string, Entry>();

  constructor(plan: QueryPlan, source: QuerySource) {
    this.#plan = plan;
    this.#source = source;
    this.#list = new OrderedList<Entry>(plan.compare, plan.range);
    this.#read();
  }

  /** Rows that match, without limit, offset and cursor. */
  get total(): number {
    return this.#plan.shownKey === undefined ? this.#total : this.#twins.size;
  }

  window(): readonly Row[] {
    return this.#list.window().map(({ row }) => row);
  }

  /** The place of the last row that the window shows. */
  get cursor(): Cursor | undefined {
    const { start, end } = this.#plan.range;
    const last = this.#list.at(Math.min(end, this.#list.count) - 1);
    return last === undefined || end <= start || this.#list.count <= start ? undefined : cursorOf(last);
  }

  /** Take deltas in. @returns what changes in the window */
  apply(deltas: readonly RowDelta[]): readonly Splice<Row>[] {
    if (deltas.length > manyDeltas) {
      const before = this.window();
      for (const delta of deltas) this.#take(delta);
      if (this.#isShort) this.#read();
      return diffWindows(before, this.window());
    }
    const splices = deltas
      .flatMap((delta) => this.#take(delta))
      .map(({ put, ...splice }) => ({ ...splice, put: put.map(({ row }) => row) }));
    if (!this.#isShort) return splices;
    const before = this.window();
    this.#read();
    return [...splices, ...diffWindows(before, this.window())];
  }

  /** Whether rows of the window are not kept. */
  get #isShort(): boolean {
    return this.#bound !== undefined && this.#list.count < this.#plan.range.end;
  }

  #take({ docId, before, after }: RowDelta): readonly Splice<Entry>[] {
    const { matches, shownKey } = this.#plan;
    const isMatch = after !== undefined && matches(after.value);
    if (before !== undefined && matches(before.value)) this.#total -= 1;
    if (isMatch) this.#total += 1;
    const old = this.#byId.get(docId);
    const entry = isMatch ? this.#entryOf(after) : undefined;
    if (shownKey !== undefined) return this.#takeTwin(old, entry);
    const kept = entry !== undefined && this.#isKept(entry) ? entry : undefined;
    this.#note(docId, kept);
    const splices = this.#list.replace(old, kept);
    this.#trim();
    return splices;
  }

  /** Of rows that show the same only the first is in the list. */
  #takeTwin(old: Entry | undefined, entry: Entry | undefined): readonly Splice<Entry>[] {
    const [from, to] = [this.#twinsOf(old), this.#twinsOf(entry)];
    const heads = new Map([from, to].filter((one) => one !== undefined).map((one) => [one, one.at(0)]));
    if (old !== undefined) {
      this.#byId.delete(old.row.docId);
      from?.replace(old, undefined);
    }
    if (entry !== undefined) {
      this.#byId.set(entry.row.docId, entry);
      to?.replace(undefined, entry);
    }
    const splices: Splice<Entry>[] = [];
    for (const [twins, head] of heads) {
      if (twins.count === 0 && old !== undefined) this.#twins.delete(this.#plan.shownKey?.(old.row));
      splices.push(...this.#replaceHead(head, twins.at(0)));
    }
    return splices;
  }

  /** Heads stand in two lists: in that of the window as copies. */
  #replaceHead(before: Entry | undefined, after: Entry | undefined): readonly Splice<Entry>[] {
    if (before === after) return [];
    const copy = after === undefined ? undefined : { ...after, leaf: undefined };
    const shown = before === undefined ? undefined : this.#heads.get(before.row.docId);
    if (before !== undefined) this.#heads.delete(before.row.docId);
    if (copy !== undefined) this.#heads.set(copy.row.docId, copy);
    const keptOf = (one: Entry | undefined): Entry | undefined =>
      one !== undefined && this.#isKept(one) ? one : undefined;
    return this.#list.replace(keptOf(shown), keptOf(copy));
  }

  #twinsOf(entry: Entry | undefined): OrderedList<Entry> | undefined {
    if (entry === undefined) return undefined;
    const key = this.#plan.shownKey?.(entry.row);
    const twins = this.#twins.get(key) ?? new OrderedList<Entry>(this.#plan.compare, { start: 0, end: 0 });
    this.#twins.set(key, twins);
    return twins;
  }

  #note(docId: string, entry: Entry | undefined): void {
    if (entry === undefined) this.#byId.delete(docId);
    else this.#byId.set(docId, entry);
  }

  #isKept(entry: Entry): boolean {
    const { after, compare } = this.#plan;
    if (after !== undefined && compare(entry, after) <= 0) return false;
    return this.#bound === undefined || compare(entry, this.#bound) < 0;
  }

  #entryOf(row: Row): Entry {
    return { row, keys: this.#plan.keysOf(row), leaf: undefined };
  }

  /** Let go of rows far behind the window. */
  #trim(): void {
    const most = this.#plan.range.end * 2 + 4 * this.#source.spareRows;
    if (this.#list.count <= most) return;
    const kept = this.#plan.range.end + 2 * this.#source.spareRows;
    const all: Entry[] = [];
    for (let rank = 0; rank < this.#list.count; rank++) {
      const entry = this.#list.at(rank);
      if (entry !== undefined) all.push(entry);
    }
    for (const entry of all.slice(kept)) this.#byId.delete(entry.row.docId);
    this.#bound = all[kept];
    this.#list.build(all.slice(0, kept));
  }

  /** Read all rows anew. */
  #read(): void {
    const { compare, matches, range, shownKey } = this.#plan;
    this.#byId.clear();
    this.#bound = undefined;
    this.#total = 0;
    if (shownKey !== undefined) return this.#readTwins();
    const most = range.end + 2 * this.#source.spareRows;
    const read = this.#source.find(this.#plan);
    const found =
      read.kind === "any"
        ? takeFirst(this.#passing(read.rows, matches), compare, most + 1)
        : this.#firstOf(read, most + 1);
    if (found.length > most) this.#bound = found.pop();
    for (const entry of found) this.#byId.set(entry.row.docId, entry);
    this.#list.build(found);
  }

  #passing(rows: Iterable<Row>, matches: (value: unknown) => boolean): readonly Entry[] {
    const passing: Entry[] = [];
    for (const row of rows) {
      if (!matches(row.value)) continue;
      this.#total += 1;
      const entry = this.#entryOf(row);
      if (this.#isKept(entry)) passing.push(entry);
    }
    return passing;
  }

  /** The first rows of those that are in order already. */
  #firstOf({ matches, rows, total }: OrderedRows, count: number): Entry[] {
    const first: Entry[] = [];
    for (const { keys, row } of rows) {
      if (total !== undefined && first.length >= Math.min(count, total)) break;
      if (!matches(row.value)) continue;
      this.#total += 1;
      if (first.length === count) continue;
      const entry: Entry = { row, keys, leaf: undefined };
      if (this.#isKept(entry)) first.push(entry);
    }
    if (total !== undefined) this.#total = total;
    return first;
  }

  #readTwins(): void {
    const { matches } = this.#plan;
    for (const row of this.#source.candidates(this.#plan.definition)) {
      if (!matches(row.value)) continue;
      this.#total += 1;
      this.#takeTwin(undefined, this.#entryOf(row));
    }
  }
}

/** A place in the order that outlives the row: values without an order stand empty. */
function cursorOf({ keys, row }: Entry): Cursor {
  return { keys: keys.map(emptied), id: row.docId };
}

function emptied(of: unknown): unknown {
  if (of instanceof Uint8Array) return new Uint8Array(0);
  if (Array.isArray(of)) return [];
  return typeof of === "object" && of !== null && !(of instanceof Date) ? {} : of;
}
