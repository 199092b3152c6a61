/**
 * A secondary index: the rows of a database in the order of one field, so that whoever looks for a value or a range finds the few rows
 * that may match without looking at all of them.
 *
 * Guarantees
 * - I1 what it gives for a {@link Probe} is every row that passes the parts of the filter that it stands for, and each row once
 * - I2 a change takes O(log n), a look-up O(log n) and the rows that it gives
 * - I3 the order that it begins with is a hint: whatever stands in it, the index is right; a good one saves most of the sorting
 */
import {
  compareValues,
  kindOf,
  readPath,
  sameKey,
  type Expression,
  type FieldPath,
  type Kind,
} from "../expr/index.ts";
import { CountedList, sortInSteps, type Listed } from "../view/index.ts";
import type { Value } from "./order-index.ts";
import type { Row, RowDelta } from "./row-feed.ts";

/** Where a part of an index ends; `isOpen`: just before what equals it. */
interface Bound {
  readonly of: unknown;
  readonly isOpen: boolean;
}

/** A part of an index: values of one kind between two bounds, or texts with one beginning. */
interface Span {
  readonly kind: Kind;
  readonly low?: Bound | undefined;
  readonly high?: Bound | undefined;
  readonly prefix?: string;
}

/** Where in the index of a field the rows are that a filter can let pass. */
export interface Probe {
  readonly path: FieldPath;
  readonly spans: readonly Span[];
  /** what the filter demands that just these rows hold */
  readonly parts: readonly Expression[];
}

interface Entry extends Listed {
  readonly of: unknown;
  /** what it holds in the field that comes first, where there is one */
  readonly within: unknown;
  readonly row: Row;
}

/** Kinds that are looked for, in order. What else a field holds equals no literal, and is in no range. */
const indexed: readonly Kind[] = ["null", "boolean", "number", "date", "string"];
/** An `in` of more values is not looked up one by one. */
const mostSpans = 64;
/** Rows that are taken in one step. */
const stepSize = 512;
/** An order is written again after so many changes, and after a share of its rows: writing it costs what it weighs. */
const leastChanges = 64;
const changedShare = 32;

/** The index of one field; or of one field among the rows that hold the same in another. */
export class RowIndex {
  readonly path: FieldPath;
  readonly #within: FieldPath | undefined;
  readonly #list = new CountedList<Entry>({
    compare: compareEntries,
    weightOf: () => 1,
    extremeCount: 0,
    extremeOf: () => undefined,
    isBetter: () => () => false,
  });
  readonly #byId = new Map<string, Entry>();
  /** entries that came, went or moved since {@link takeOrder} */
  #changes = Number.POSITIVE_INFINITY;

  constructor(path: FieldPath, within?: FieldPath) {
    this.path = path;
    this.#within = within;
  }

  /** Begin with these rows, in steps of a few hundred. `order`: their numbers as they may stand. */
  *build(rows: Iterable<Row>, order: readonly number[] = []): Generator<number, void> {
    const byNumber = new Map<number, Entry>();
    for (const row of rows) {
      const entry = this.#entryOf(row);
      if (entry === undefined) continue;
      byNumber.set(row.number, entry);
      this.#byId.set(row.docId, entry);
      if (byNumber.size % stepSize === 0) yield 0;
    }
    const hinted = new Set(order.flatMap((number) => byNumber.get(number) ?? []));
    for (const entry of byNumber.values()) hinted.add(entry);
    yield 0;
    // Sorting what is in order already takes one comparison for each row.
    this.#list.build(yield* sortInSteps([...hinted], compareEntries, stepSize));
  }

  apply(deltas: readonly RowDelta[]): void {
    for (const { docId, before, after } of deltas) {
      const old = this.#byId.get(docId);
      if (old !== undefined && before !== undefined) this.#list.remove(old);
      const entry = after && this.#entryOf(after);
      if (entry === undefined) this.#byId.delete(docId);
      else {
        this.#byId.set(docId, entry);
        this.#list.insert(entry);
      }
      if (old !== undefined || entry !== undefined) this.#changes += 1;
    }
  }

  /** How many rows a probe gives; of those that hold `value` in the field that comes first, where there is one. */
  count({ spans }: Probe, value?: Value): number {
    return spans.reduce((sum, span) => {
      const [start, end] = this.#ranks(span, value);
      return sum + end - start;
    }, 0);
  }

  /** The rows of a probe. */
  rows({ spans }: Probe): Row[] {
    const found: Row[] = [];
    for (const span of spans) {
      const [start, end] = this.#ranks(span);
      for (const { row } of this.#list.slice(start, end)) found.push(row);
    }
    return found;
  }

  /** The numbers of all rows in order, to begin with the next time; `undefined` while those that were taken last are near enough. */
  takeOrder(): readonly number[] | undefined {
    if (this.#changes < Math.max(leastChanges, this.#list.count / changedShare)) return undefined;
    this.#changes = 0;
    return [...this.#list.from()].map(({ row }) => row.number);
  }

  #entryOf(row: Row): Entry | undefined {
    const of = readPath(row.value, this.path);
    const within = this.#within && readPath(row.value, this.#within);
    return indexed.includes(kindOf(of)) ? { of, within, row, leaf: undefined } : undefined;
  }

  #ranks({ kind, low, high, prefix }: Span, value?: Value): readonly [start: number, end: number] {
    if (this.#list.count === 0) return [0, 0];
    const place = indexed.indexOf(kind);
    const sideOf = (within: unknown): number => (value === undefined ? 0 : compareValues(within, value.of));
    const start = this.#list.countWhile(({ of, within }) => {
      const side = sideOf(within);
      if (side !== 0) return side < 0;
      const other = indexed.indexOf(kindOf(of));
      if (other !== place || low === undefined) return other < place;
      return compareValues(of, low.of) < (low.isOpen ? 1 : 0);
    });
    const end = this.#list.countWhile(({ of, within }) => {
      const side = sideOf(within);
      if (side !== 0) return side < 0;
      const other = indexed.indexOf(kindOf(of));
      if (other !== place) return other < place;
      if (prefix !== undefined) return (of as string) < prefix || (of as string).startsWith(prefix);
      return high === undefined || compareValues(of, high.of) < (high.isOpen ? 0 : 1);
    });
    return [start, Math.max(start, end)];
  }
}

function compareEntries(left: Entry, right: Entry): number {
  const order =
    (left.within === right.within ? 0 : compareValues(left.within, right.within)) ||
    compareValues(left.of, right.of);
  if (order !== 0) return order;
  return left.row.docId === right.row.docId ? 0 : left.row.docId < right.row.docId ? -1 : 1;
}

/** The name of a field's index. */
export function indexKey(path: FieldPath): string {
  return JSON.stringify(path);
}

/** All look-ups that a filter allows, by the names of their indexes: what it demands of single fields. */
export function probesOf(filter: Expression | undefined): ReadonlyMap<string, Probe> {
  const probes = new Map<string, Probe>();
  for (const part of conjuncts(filter)) {
    const probe = probeOf(part);
    if (probe === undefined) continue;
    const key = indexKey(probe.path);
    const other = probes.get(key);
    probes.set(key, other === undefined ? probe : narrower(other, probe));
  }
  return probes;
}

/** What a filter demands beyond what the rows of a probe hold; `undefined` where that is all. */
export function restOf(filter: Expression | undefined, { parts }: Probe): Expression | undefined {
  const rest = conjuncts(filter).filter((part) => !parts.includes(part));
  return rest.length === 0 ? undefined : { op: "and", args: rest };
}

/** The one value that a probe looks for; `undefined` where it looks for more, or for none. */
export function valueOf({ spans }: Probe): Value | undefined {
  const [span, second] = spans;
  if (span?.low === undefined || span.high === undefined || second !== undefined) return undefined;
  const isOne = compareValues(span.low.of, span.high.of) === 0 && !span.low.isOpen && !span.high.isOpen;
  return isOne ? { of: span.low.of } : undefined;
}

function conjuncts(filter: Expression | undefined): readonly Expression[] {
  if (filter?.op !== "and") return filter === undefined ? [] : [filter];
  return filter.args.flatMap((arg) => conjuncts(arg));
}

function probeOf(part: Expression): Probe | undefined {
  if (part.op === "value" || part.op === "field") return undefined;
  const [first, second] = part.args;
  if (part.op === "in") {
    if (first.op !== "field" || part.values.length > mostSpans) return undefined;
    const byKey = new Map(part.values.map((of) => [sameKey(of), of]));
    return { path: first.path, spans: [...byKey.values()].map(only), parts: [part] };
  }
  if (first === undefined || second === undefined || part.args.length !== 2) return undefined;
  const [field, literal, op] =
    first.op === "field" ? [first, second, part.op] : [second, first, flipped[part.op] ?? ""];
  if (field.op !== "field" || literal.op !== "value") return undefined;
  const span = spanOf(op, literal.value);
  return span && { path: field.path, spans: [span], parts: [part] };
}

const flipped: Readonly<Record<string, string>> = { eq: "eq", lt: "gt", lte: "gte", gt: "lt", gte: "lte" };

function only(of: unknown): Span {
  const bound = { of, isOpen: false };
  return { kind: kindOf(of), low: bound, high: bound };
}

function spanOf(op: string, of: unknown): Span | undefined {
  const kind = kindOf(of);
  const bound = { of, isOpen: op === "lt" || op === "gt" };
  if (op === "eq") return only(of);
  if (op === "startsWith") return typeof of === "string" ? { kind, low: bound, prefix: of } : undefined;
  // NaN and null have no order: no row passes, and there is nothing to look up.
  if (kind === "null" || (kind !== "string" && Number.isNaN(Number(of)))) return undefined;
  if (op === "lt" || op === "lte") return { kind, low: leastOf(kind), high: bound };
  return op === "gt" || op === "gte" ? { kind, low: bound } : undefined;
}

/** What has no order stands before all that has one. */
function leastOf(kind: Kind): Bound | undefined {
  if (kind === "number") return { of: Number.NEGATIVE_INFINITY, isOpen: false };
  return kind === "date" ? { of: new Date(-8.64e15), isOpen: false } : undefined;
}

/** Both of two probes of one field, where that is one span; otherwise the one of fewer. */
function narrower(one: Probe, other: Probe): Probe {
  const [left, right] = [one.spans[0], other.spans[0]];
  const isSimple = one.spans.length === 1 && other.spans.length === 1 && left?.kind === right?.kind;
  if (!isSimple || left === undefined || right === undefined || "prefix" in left || "prefix" in right)
    return one.spans.length <= other.spans.length ? one : other;
  const low = further(left.low, right.low, 1);
  const high = further(left.high, right.high, -1);
  return { path: one.path, spans: [{ kind: left.kind, low, high }], parts: [...one.parts, ...other.parts] };
}

function further(one: Bound | undefined, other: Bound | undefined, sign: 1 | -1): Bound | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const order = compareValues(one.of, other.of) * sign;
  return order > 0 || (order === 0 && one.isOpen) ? one : other;
}
