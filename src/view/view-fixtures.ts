/** The dull twin of a view: everything made afresh, by looking at every document; and random definitions, documents and changes. */
import fc from "fast-check";
import { collatorOf, compareValues, evaluate, kindOf, matches, type Expression } from "../expr/index.ts";
import type { Column, ColumnInput, ColumnSource, ViewDefinition, ViewDefinitionInput } from "./definition.ts";
import { ExactSum } from "../std/index.ts";
import { categoryKey, documentKey, stepOf, type CategoryValue, type Step } from "./path.ts";
import type { ViewRow } from "./plan.ts";
import type { ShownRow } from "./rows.ts";
import type { ViewState } from "./state.ts";
import type { TotalValue } from "./totals.ts";

/** A source as the twin sees it. */
export interface DullSource {
  readonly origin: string;
  readonly filter: Expression | undefined;
  readonly rows: ReadonlyMap<string, ViewRow>;
}

interface Doc {
  readonly origin: number;
  readonly row: ViewRow;
  readonly path: readonly Step[];
}

/** All rows that are shown, and what everything comes to. */
export function dullView(
  definition: ViewDefinition,
  sources: readonly DullSource[],
  state: ViewState,
): { rows: readonly ShownRow[]; totals: { [name: string]: TotalValue }; documentCount: number } {
  const read = (of: ColumnSource, { origin, row }: Omit<Doc, "path">): unknown =>
    "expr" in of ? evaluate(of.expr, row.value) : metaOf(of.meta, row, sources[origin]?.origin ?? "");
  const docs = sources.flatMap(({ filter, rows }, origin) =>
    [...rows.values()]
      .filter((row) =>
        [filter, definition.filter].every((one) => one === undefined || matches(one, row.value)),
      )
      .flatMap((row) =>
        dullPaths(definition, (of) => read(of, { origin, row })).map((path) => ({ origin, row, path })),
      ),
  );
  const rows: ShownRow[] = [];
  const sorts = definition.columns.filter((column) => column.role === "sorted");
  const compareDocs = (one: Doc, other: Doc): number => {
    for (const { of, order } of sorts) {
      const found = compareDull(read(of, one), read(of, other), order, "last", definition);
      if (found !== 0) return found;
    }
    return one.origin - other.origin || (one.row.docId < other.row.docId ? -1 : 1);
  };
  const showDocs = (all: readonly Doc[], level: number, key: string): void => {
    for (const { origin, row, path } of all
      .filter((doc) => doc.path.length === level)
      .toSorted(compareDocs)) {
      const source = sources[origin]?.origin ?? "";
      const own = documentKey(key, source, row.docId);
      const values = definition.columns.flatMap((column): [string, unknown][] =>
        isShown(column) && column.of !== undefined ? [[column.name, read(column.of, { origin, row })]] : [],
      );
      rows.push({
        kind: "document",
        key: own,
        level: path.length,
        origin: source,
        id: row.docId,
        values: Object.fromEntries(values),
        selected: state.selected.includes(own),
      });
    }
  };
  const showAll = (all: readonly Doc[], level: number, key: string, path: readonly CategoryValue[]): void => {
    if (definition.documents === "before") showDocs(all, level, key);
    const groups = new Map<string, Doc[]>();
    for (const doc of all) {
      const step = doc.path[level];
      if (step !== undefined) groups.set(step.key, [...(groups.get(step.key) ?? []), doc]);
    }
    const sorted = [...groups.values()].toSorted(([one], [other]) =>
      compareSteps(definition, one, other, level),
    );
    for (const group of sorted) {
      const step = group[0]?.path[level] ?? stepOf(0, null);
      const own = categoryKey(key, step);
      const expanded = level < state.expandedTo !== state.flipped.includes(own);
      const within = new Set(
        group.map((doc) => (doc.path.length === level + 1 ? doc : doc.path[level + 1]?.key)),
      );
      const inner = [...path, step.value];
      rows.push({
        kind: "category",
        key: own,
        level,
        column: definition.columns.filter(({ role }) => role === "category")[step.column]?.name ?? "",
        value: step.value,
        path: inner,
        totals: dullTotals(definition, group, read),
        documentCount: new Set(group.map(({ row }) => row)).size,
        childCount: within.size,
        expanded,
        selected: state.selected.includes(own),
      });
      if (expanded) showAll(group, level + 1, own, inner);
    }
    if (definition.documents === "after") showDocs(all, level, key);
  };
  showAll(docs, 0, "", []);
  return {
    rows,
    totals: dullTotals(definition, docs, read),
    documentCount: new Set(docs.map(({ row }) => row)).size,
  };
}

function isShown(column: Column): boolean {
  return (
    column.role === "display" || column.role === "total" || (column.role === "sorted" && !column.isHidden)
  );
}

function metaOf(meta: string, row: ViewRow, origin: string): unknown {
  if (meta === "origin") return origin;
  if (meta === "id") return row.docId;
  if (meta === "author") return row.author;
  return new Date(meta === "createdAt" ? row.createdAtMs : row.changedAtMs);
}

function compareDull(
  one: unknown,
  other: unknown,
  order: "asc" | "desc",
  missing: "first" | "last",
  { locale }: ViewDefinition,
): number {
  const [isNone, isOtherNone] = [kindOf(one) === "missing", kindOf(other) === "missing"];
  if (isNone || isOtherNone) return (Number(isNone) - Number(isOtherNone)) * (missing === "first" ? -1 : 1);
  const found = compareValues(one, other, collatorOf(locale));
  return order === "desc" ? -found : found;
}

function compareSteps(
  definition: ViewDefinition,
  one: Doc | undefined,
  other: Doc | undefined,
  level: number,
): number {
  const [left, right] = [one?.path[level], other?.path[level]];
  if (left === undefined || right === undefined) return 0;
  if (left.column !== right.column) return left.column - right.column;
  const columns = definition.columns.filter((column) => column.role === "category");
  const missing = definition.uncategorised === "first" ? "first" : "last";
  const order = columns[left.column]?.order ?? "asc";
  return compareDull(left.value ?? undefined, right.value ?? undefined, order, missing, definition);
}

function dullPaths(
  definition: ViewDefinition,
  read: (of: ColumnSource) => unknown,
): readonly (readonly Step[])[] {
  let paths: Step[][] = [[]];
  const columns = definition.columns.filter((column) => column.role === "category");
  for (const [index, { of, separator }] of columns.entries()) {
    const value = read(of);
    const elements = Array.isArray(value) ? (value as readonly unknown[]) : [value];
    const texts = new Map<string, Step[]>();
    for (const element of elements) {
      const parts = typeof element === "string" && separator !== null ? element.split(separator) : [element];
      const steps = parts
        .filter((part) => part !== "" && ["string", "number", "boolean", "date"].includes(kindOf(part)))
        .map((part) => stepOf(index, part as CategoryValue));
      if (steps.length > 0) texts.set(JSON.stringify(steps), steps);
    }
    if (texts.size === 0) {
      if (definition.uncategorised === "hidden") return [];
      texts.set("", [stepOf(index, null)]);
    }
    paths = paths.flatMap((path) => [...texts.values()].map((steps) => [...path, ...steps]));
  }
  return paths;
}

function dullTotals(
  definition: ViewDefinition,
  docs: readonly Doc[],
  read: (of: ColumnSource, doc: Doc) => unknown,
): { [name: string]: TotalValue } {
  const single = [...new Map(docs.map((doc) => [doc.row, doc])).values()];
  const totals = definition.columns.flatMap((column): [string, TotalValue][] => {
    if (column.role !== "total") return [];
    const { of, name, total } = column;
    if (of === undefined) return [[name, single.length]];
    const values = single.map((doc) => read(of, doc));
    const numbers = values.filter(
      (value): value is number => typeof value === "number" && Number.isFinite(value),
    );
    const sum = new ExactSum();
    for (const one of numbers) sum.add(one);
    const ordered = values
      .filter((value) => ["string", "number", "boolean", "date"].includes(kindOf(value)))
      .toSorted((one, other) => compareValues(one, other, collatorOf(definition.locale)));
    const flat = values.flatMap((value) => (Array.isArray(value) ? (value as readonly unknown[]) : [value]));
    const kinds = flat.filter((value) => ["string", "number", "boolean", "date"].includes(kindOf(value)));
    const found = {
      sum: sum.value,
      average: numbers.length === 0 ? null : sum.value / numbers.length,
      count: values.filter((value) => value !== null && value !== undefined).length,
      min: (ordered.at(0) ?? null) as TotalValue,
      max: (ordered.at(-1) ?? null) as TotalValue,
      distinct: new Set(kinds.map((value) => stepOf(0, value as CategoryValue).key)).size,
    };
    return [[name, found[total]]];
  });
  return Object.fromEntries(totals);
}

const fields = ["a", "b", "c", "d"] as const;
const scalar = fc.oneof(
  fc.constantFrom("x", "X", "y", "x\\y", "x\\z", "\\", "", "p/q", "@", "10", "9", "é"),
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(0.1, 0.2, 1e16, -1e16, 1e300),
  fc.boolean(),
  fc.constant(null),
  fc.constantFrom(new Date(0), new Date(86_400_000)),
);
const fieldValue = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }) },
);

/** A document's value. */
export const documentValue: fc.Arbitrary<{ readonly [key: string]: unknown }> = fc.dictionary(
  fc.constantFrom(...fields),
  fieldValue,
);

const field = fc.constantFrom(...fields);
const order = fc.constantFrom("asc" as const, "desc" as const);
const column: fc.Arbitrary<ColumnInput> = fc.oneof(
  fc.record({
    role: fc.constant("category" as const),
    name: field,
    order,
    separator: fc.constantFrom("\\", null),
  }),
  fc.record({ role: fc.constant("sorted" as const), name: field, order, isHidden: fc.boolean() }),
  fc.record({ role: fc.constant("display" as const), name: field }),
  fc.record({
    role: fc.constant("total" as const),
    name: field,
    total: fc.constantFrom("sum" as const, "average", "count", "min", "max", "distinct"),
  }),
  fc.record({
    role: fc.constantFrom("category" as const, "sorted"),
    name: field,
    meta: fc.constant("origin" as const),
  }),
);

/** A definition as an application writes it. */
export const definitionInput: fc.Arbitrary<ViewDefinitionInput> = fc
  .record({
    columns: fc.array(column, { minLength: 1, maxLength: 6 }),
    documents: fc.constantFrom("before" as const, "after" as const),
    uncategorised: fc.constantFrom("first" as const, "last", "hidden"),
    hasCount: fc.boolean(),
    isFiltered: fc.boolean(),
  })
  .map(({ columns, hasCount, isFiltered, ...rest }) => ({
    ...rest,
    locale: "en",
    columns: [
      ...columns.map((one, index) => ({
        ...one,
        ...("meta" in one ? {} : { field: one.name }),
        name: `${one.name}${index}`,
      })),
      ...(hasCount ? [{ role: "total" as const, name: "all", field: "*", total: "count" as const }] : []),
    ],
    ...(isFiltered
      ? { filter: { op: "exists" as const, args: [{ op: "field" as const, path: ["a"] }] } }
      : {}),
  }));
