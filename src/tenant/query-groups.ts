/**
 * The groups of a live query: rows that match, by the values that they are grouped by, each with its totals, in the order of those
 * values. Kept up to date by deltas.
 *
 * | total | of the rows of a group |
 * |---|---|
 * | `count` | how many there are; with `of`, those that have a value that is not `null` |
 * | `sum` `average` | the finite numbers, added exactly and rounded once; `average` of none is missing |
 * | `min` `max` | booleans, numbers, dates and texts, texts by code unit; of none missing |
 * | `distinct` | how many different values that are not `null` |
 *
 * G1 groups and totals equal, bit for bit, those computed afresh
 * G2 a delta takes O(log n)
 */
import {
  compareKeys,
  compareValues,
  compile,
  kindOf,
  sameKey,
  type Definition,
  type Grouping,
  type Keys,
  type TotalFunction,
} from "../expr/index.ts";
import { ExactSum } from "../std/index.ts";
import type { QueryGroup } from "../../worker/api.ts";
import { diffWindows, OrderedList, type Splice } from "./ordered-list.ts";
import type { Row, RowDelta } from "./row-feed.ts";

type Read = (value: unknown) => unknown;

/** Values with how often each is there, in order. */
interface Counted {
  readonly of: unknown;
  readonly key: string;
  times: number;
  leaf: object | undefined;
}

/** One total of one group. */
interface Account {
  add(of: unknown, sign: 1 | -1): void;
  readonly value: unknown;
}

interface Group {
  readonly key: string;
  readonly keys: Keys;
  readonly accounts: readonly Account[];
  rowCount: number;
  leaf: object | undefined;
}

const whole = { start: 0, end: Number.POSITIVE_INFINITY };
const manyGroups = 32;

/** Rows in groups. */
export class QueryGroups {
  readonly #matches: (value: unknown) => boolean;
  readonly #grouping: Grouping;
  readonly #by: readonly Read[];
  readonly #of: readonly (Read | undefined)[];
  readonly #byKey = new Map<string, Group>();
  readonly #list: OrderedList<Group>;

  constructor(
    { group, locale }: { readonly group: Grouping; readonly locale: Definition["locale"] },
    matches: (value: unknown) => boolean,
    rows: Iterable<Row>,
  ) {
    this.#matches = matches;
    this.#grouping = group;
    this.#by = group.by.map(({ of }) => compile(of));
    this.#of = group.totals.map(({ of }) => of && compile(of));
    const order = compareKeys(
      group.by.map(({ name }) => ({ field: [name] })),
      locale,
    );
    this.#list = new OrderedList<Group>(
      (one, other) => order(one.keys, other.keys) || compareTexts(one.key, other.key),
      whole,
    );
    for (const row of rows) this.#enter(row, 1);
    for (const group of this.#byKey.values()) this.#list.replace(undefined, group);
  }

  /** All groups, in order. */
  groups(): readonly QueryGroup[] {
    return this.#list.window().map((group) => this.#show(group));
  }

  /** Take deltas in. @returns what changes in the list */
  apply(deltas: readonly RowDelta[]): readonly Splice<QueryGroup>[] {
    const touched = new Map<string, Group>();
    for (const { before, after } of deltas) {
      for (const group of [before && this.#enter(before, -1), after && this.#enter(after, 1)])
        if (group !== undefined) touched.set(group.key, group);
    }
    const shown = touched.size > manyGroups ? this.#list.window() : undefined;
    const fresh = new Set<Group>();
    const splices = [...touched.values()].flatMap((group) => {
      const isListed = group.leaf !== undefined;
      const isThere = group.rowCount > 0;
      if (!isThere) this.#byKey.delete(group.key);
      if (isListed && isThere) fresh.add(group);
      return this.#list.replace(isListed ? group : undefined, isThere ? group : undefined);
    });
    if (shown === undefined) return splices.map((splice) => this.#showAll(splice));
    // A group whose totals changed counts as another one.
    const stale = shown.map((group) => (fresh.has(group) ? undefined : group));
    return diffWindows(stale, this.#list.window()).map((splice) => this.#showAll(splice));
  }

  #enter({ value }: Row, sign: 1 | -1): Group | undefined {
    if (!this.#matches(value)) return undefined;
    const keys = this.#by.map((read) => read(value));
    const key = String(sameKey(keys));
    const group = this.#byKey.get(key) ?? {
      key,
      keys: keys.map((of) => (of === 0 ? 0 : of)),
      accounts: this.#grouping.totals.map(({ fn, of }) => accounts[of === undefined ? "rows" : fn]()),
      rowCount: 0,
      leaf: undefined,
    };
    this.#byKey.set(key, group);
    group.rowCount += sign;
    for (const [index, account] of group.accounts.entries()) account.add(this.#of[index]?.(value), sign);
    return group;
  }

  #showAll({ at, put, remove }: Splice<Group | undefined>): Splice<QueryGroup> {
    return { at, remove, put: put.filter((group) => group !== undefined).map((group) => this.#show(group)) };
  }

  #show({ accounts: found, key, keys, rowCount }: Group): QueryGroup {
    const { by, totals } = this.#grouping;
    return {
      key,
      count: rowCount,
      by: named(by, keys),
      totals: named(
        totals,
        found.map(({ value }) => value),
      ),
    };
  }
}

function named(names: readonly { readonly name: string }[], values: readonly unknown[]): QueryGroup["by"] {
  const fields = names.map(({ name }, index) => [name, values[index]] as const);
  return Object.fromEntries(fields.filter(([, of]) => of !== undefined)) as QueryGroup["by"];
}

const isThere = (of: unknown): boolean => of !== null && kindOf(of) !== "missing";
const isNumber = (of: unknown): of is number => typeof of === "number" && Number.isFinite(of);

/** How each total is kept; `rows` counts rows whatever they hold. */
const accounts: Readonly<Record<TotalFunction | "rows", () => Account>> = {
  rows: () => counting(() => true),
  count: () => counting(isThere),
  sum: () => summing((sum) => sum.value),
  average: () => summing((sum, count) => (count === 0 ? undefined : sum.value / count)),
  min: () => ordering((list) => list.at(0)?.of, isOrdered),
  max: () => ordering((list) => list.at(list.count - 1)?.of, isOrdered),
  distinct: () => ordering((list) => list.count, isThere),
};

function counting(counts: (of: unknown) => boolean): Account {
  let count = 0;
  return {
    add(of, sign) {
      if (counts(of)) count += sign;
    },
    get value() {
      return count;
    },
  };
}

function summing(read: (sum: ExactSum, count: number) => number | undefined): Account {
  const sum = new ExactSum();
  let count = 0;
  return {
    add(of, sign) {
      if (!isNumber(of)) return;
      count += sign;
      sum.add(sign * of);
    },
    get value() {
      return read(sum, count);
    },
  };
}

function ordering(read: (list: OrderedList<Counted>) => unknown, counts: (of: unknown) => boolean): Account {
  const byKey = new Map<string, Counted>();
  const list = new OrderedList<Counted>(
    (one, other) => compareValues(one.of, other.of) || compareTexts(one.key, other.key),
    whole,
  );
  return {
    add(of, sign) {
      if (!counts(of)) return;
      const key = `${kindOf(of)} ${String(sameKey(of))}`;
      const counted = byKey.get(key) ?? { of: of === 0 ? 0 : of, key, times: 0, leaf: undefined };
      counted.times += sign;
      const isListed = counted.leaf !== undefined;
      if (isListed !== counted.times > 0)
        list.replace(isListed ? counted : undefined, isListed ? undefined : counted);
      if (counted.times > 0) byKey.set(key, counted);
      else byKey.delete(key);
    },
    get value() {
      return read(list);
    },
  };
}

function isOrdered(of: unknown): boolean {
  const kind = kindOf(of);
  return (
    kind === "boolean" ||
    kind === "string" ||
    ((kind === "number" || kind === "date") && !Number.isNaN(Number(of)))
  );
}

function compareTexts(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1;
}
