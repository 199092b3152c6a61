/** A definition made ready for many documents: what each of them brings to a view. */
import { collatorOf, compareValues, compile, compileFilter, kindOf, type Read } from "../expr/index.ts";
import type {
  CategoryColumn,
  Column,
  ColumnSource,
  TotalColumn,
  TotalFunction,
  ViewDefinition,
} from "./definition.ts";
import { stepOf, uncategorised, type Step } from "./path.ts";
import { createPathFinder } from "./paths.ts";

/** A document as a view reads it. */
export interface ViewRow {
  readonly docId: string;
  readonly value: { readonly [key: string]: unknown };
  readonly author: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}

/** What a document brings to a view. */
export interface Measures {
  /** the categories it stands in; none: it is not in the view */
  readonly paths: readonly (readonly Step[])[];
  /** what it is ordered by */
  readonly keys: readonly unknown[];
  /** what it adds to each account */
  readonly parts: readonly unknown[];
}

/** What is kept of a column, for the totals that are read from it: numbers, whether there is a value, its distinct values, or any. */
export type AccountKind = "numbers" | "present" | "distinct" | "any";

/** A total, and what it is read from. */
export interface PlannedTotal {
  readonly name: string;
  readonly how: TotalFunction;
  /** among the accounts; −1 counts documents, whatever is in them */
  readonly account: number;
  /** among the extremes; −1 for what is none */
  readonly extreme: number;
}

/** A definition, ready. */
export interface Plan {
  readonly definition: ViewDefinition;
  readonly categories: readonly CategoryColumn[];
  readonly totals: readonly PlannedTotal[];
  /** totals of one column share an account */
  readonly accounts: readonly AccountKind[];
  /** which of the totals are extremes */
  readonly extremes: readonly ("min" | "max")[];
  /** what a row is held against; the origin is the number of its source */
  measure(row: ViewRow, origin: number): Measures;
  /** of that, what it is ordered by */
  keysOf(row: ViewRow, origin: number): readonly unknown[];
  /** of that, what it adds to each account */
  partsOf(row: ViewRow, origin: number): readonly unknown[];
  /** a document's own value for one of the extremes; `undefined` where it has none */
  readExtreme(row: ViewRow, origin: number, extreme: number): unknown;
  /** what the page sees of a document */
  show(row: ViewRow, origin: number): { readonly [column: string]: unknown };
  /** some column orders */
  readonly isOrdered: boolean;
  /** by the columns that order */
  compareKeys(left: readonly unknown[], right: readonly unknown[]): number;
  /** categories that stand side by side */
  compareSteps(left: Step, right: Step): number;
  isBetter(extreme: number): (one: unknown, other: unknown) => boolean;
}

/** A source of a view: its name, and which of its documents count. */
export interface SourcePlan {
  readonly origin: string;
  readonly matches: (value: unknown, id: string) => boolean;
}

type Reader = (row: ViewRow, origin: number) => unknown;

/** A column with what it reads. */
interface Prepared<C extends Column> {
  readonly column: C;
  readonly read: Reader;
}

/** Make a definition ready. */
export function planView(definition: ViewDefinition, sources: readonly SourcePlan[]): Plan {
  const { columns } = definition;
  const prepare = <C extends Column>(column: C): Prepared<C> => ({
    column,
    read: readerOf(column.of, sources),
  });
  const categories = columns.filter((column) => column.role === "category");
  const sorts = columns.filter((column) => column.role === "sorted").map(prepare);
  const totals = columns.filter((column) => column.role === "total").map(prepare);
  const extremes = totals.filter(({ column: { total } }) => total === "min" || total === "max");
  const accounts = new Map(
    totals
      .filter(({ column }) => column.of !== undefined)
      .map(({ column, read }) => [accountName(column), { kind: accountKinds[column.total], read }]),
  );
  const parts = [...accounts.values()];
  const shown = columns.filter(isShown).map(prepare);
  const matches = compileFilter(definition.filter);
  const collator = collatorOf(definition.locale);
  const signs = sorts.map(({ column: { order } }) => (order === "desc" ? -1 : 1));
  const findPaths = createPathFinder(definition, categories.map(prepare));
  const compareScalars = (left: unknown, right: unknown): number => compareValues(left, right, collator);
  const keysOf = (row: ViewRow, origin: number): readonly unknown[] =>
    sorts.map(({ read }) => read(row, origin));
  const partsOf = (row: ViewRow, origin: number): readonly unknown[] =>
    parts.map(({ kind, read }) => partOf(kind, read(row, origin)));
  return {
    definition,
    categories,
    totals: totals.map(({ column }) => ({
      name: column.name,
      how: column.total,
      account: column.of === undefined ? -1 : [...accounts.keys()].indexOf(accountName(column)),
      extreme: extremes.findIndex((extreme) => extreme.column === column),
    })),
    accounts: parts.map(({ kind }) => kind),
    extremes: extremes.map(({ column: { total } }) => (total === "min" ? "min" : "max")),
    isOrdered: sorts.length > 0,
    measure(row, origin) {
      const isIn = sources[origin]?.matches(row.value, row.docId) === true && matches(row.value);
      const paths = isIn ? findPaths(row, origin) : [];
      // What is not in the view is neither ordered nor added up.
      if (paths.length === 0) return nothing;
      return { paths, keys: keysOf(row, origin), parts: partsOf(row, origin) };
    },
    keysOf,
    partsOf,
    readExtreme: (row, origin, index) => orderedOf(extremes[index]?.read(row, origin)),
    show: (row, origin) =>
      Object.fromEntries(shown.map(({ column: { name }, read }) => [name, read(row, origin)])),
    compareKeys(left, right) {
      for (let level = 0; level < signs.length; level += 1) {
        const order = compareMissingLast(left[level], right[level], signs[level] ?? 1, collator);
        if (order !== 0) return order;
      }
      return 0;
    },
    compareSteps: (left, right) => compareSteps(definition, categories, [left, right], compareScalars),
    isBetter: (index) =>
      extremes[index]?.column.total === "min"
        ? (one, other) => compareScalars(one, other) < 0
        : (one, other) => compareScalars(one, other) > 0,
  };
}

const nothing: Measures = { paths: [], keys: [], parts: [] };
const readNothing: Reader = () => undefined;

function isShown(column: Column): boolean {
  if (column.role === "category") return false;
  if (column.role === "sorted") return !column.isHidden;
  return column.of !== undefined;
}

function readerOf(of: ColumnSource | undefined, sources: readonly SourcePlan[]): Reader {
  if (of === undefined) return readNothing;
  if ("expr" in of) {
    const run: Read = compile(of.expr);
    return ({ value }) => run(value);
  }
  switch (of.meta) {
    case "origin":
      return (_row, origin) => sources[origin]?.origin;
    case "id":
      return ({ docId }) => docId;
    case "author":
      return ({ author }) => author;
    case "createdAt":
      return ({ createdAtMs }) => new Date(createdAtMs);
    default:
      return ({ changedAtMs }) => new Date(changedAtMs);
  }
}

/** What is missing comes last in both directions. */
function compareMissingLast(left: unknown, right: unknown, sign: number, collator: Intl.Collator): number {
  // Nearly always texts: they are told apart without asking for their kinds.
  if (typeof left === "string" && left === right) return 0;
  const isLeftMissing = left === undefined || kindOf(left) === "missing";
  const isRightMissing = right === undefined || kindOf(right) === "missing";
  if (isLeftMissing || isRightMissing) return Number(isLeftMissing) - Number(isRightMissing);
  return sign * compareValues(left, right, collator);
}

/** First by the column: the finer levels of one column stand before the next column's categories. */
function compareSteps(
  definition: ViewDefinition,
  categories: readonly CategoryColumn[],
  [left, right]: readonly [Step, Step],
  compare: (left: unknown, right: unknown) => number,
): number {
  if (left.column !== right.column) return left.column - right.column;
  const [isLeftNone, isRightNone] = [left.value === uncategorised, right.value === uncategorised];
  if (isLeftNone || isRightNone) {
    const order = Number(isLeftNone) - Number(isRightNone);
    return definition.uncategorised === "first" ? -order : order;
  }
  const sign = categories[left.column]?.order === "desc" ? -1 : 1;
  return sign * compare(left.value, right.value);
}

const accountKinds: Readonly<Record<TotalFunction, AccountKind>> = {
  sum: "numbers",
  average: "numbers",
  count: "present",
  distinct: "distinct",
  min: "any",
  max: "any",
};

function accountName({ total, of }: TotalColumn): string {
  return JSON.stringify([accountKinds[total], of]);
}

/** What a document adds to one account: a number, that it counts, its distinct values, or any value that may be an extreme. */
function partOf(kind: AccountKind, value: unknown): unknown {
  switch (kind) {
    case "numbers":
      return typeof value === "number" && Number.isFinite(value) ? value : undefined;
    case "present":
      return isPresent(value);
    case "distinct":
      return distinctOf(value);
    default:
      return orderedOf(value);
  }
}

const isPresent = (value: unknown): boolean => value !== null && kindOf(value) !== "missing";

/** The distinct values of a value: its own, or a list's elements. */
function distinctOf(value: unknown): readonly string[] {
  const values = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  const keys = values
    .filter((one) => orderedOf(one) !== undefined)
    .map((one) => stepOf(0, one as string).key);
  return keys.length < 2 ? keys : [...new Set(keys)];
}

/** A value that has an order among its kind; `undefined` for any other. */
function orderedOf(value: unknown): unknown {
  const kind = kindOf(value);
  if (kind === "string" || kind === "boolean") return value;
  if (kind === "number" || kind === "date") return Number.isNaN(Number(value)) ? undefined : value;
  return undefined;
}
