/** How the films are arranged in a view: by what, with which columns, in which order. Plain data that is stored and shared. Pure. */
import {
  category,
  display,
  sorted,
  total,
  type ColumnInput,
  type QueryDefinition,
  type ViewDefinitionInput,
} from "cofferdb";
import { field } from "cofferdb/expressions";
import {
  columnNames,
  columnOf,
  groupingOf,
  groupNames,
  type ColumnName,
  type GroupName,
  type TotalName,
} from "./columns.ts";

type Order = "asc" | "desc";

/** A level of categories. */
export interface Level {
  readonly name: GroupName;
  readonly order: Order;
}

/** A column with what it comes to. */
export interface ChosenColumn {
  readonly name: ColumnName;
  readonly total: TotalName;
}

/** An arrangement of the films. */
export interface Arrangement {
  /** one or two, the outer one first */
  readonly levels: readonly Level[];
  readonly columns: readonly ChosenColumn[];
  /** how films stand within a category */
  readonly sort: { readonly name: ColumnName | "title"; readonly order: Order };
  readonly isChartShown: boolean;
  /** the column whose totals the chart shows */
  readonly measure: ColumnName;
}

const chosen = (name: ColumnName): ChosenColumn => ({ name, total: columnOf(name).totals[0] ?? "none" });

/** A level as it is usual. */
export const usualLevel = (name: GroupName): Level => ({ name, order: groupingOf(name).order });

/** What a view begins with. */
export const usualArrangement: Arrangement = {
  levels: [usualLevel("decade"), usualLevel("genre")],
  columns: (["films", "director", "year", "runtimeMinutes", "imdb", "worldwideUsd"] as const).map(chosen),
  sort: { name: "title", order: "asc" },
  isChartShown: true,
  measure: "worldwideUsd",
};

/** The name of the column of a level. */
export const levelColumn = (index: number): string => `level${index}`;

/** Write the definition that the product takes. */
export function definitionOf({ columns, levels, sort }: Arrangement): ViewDefinitionInput {
  return {
    columns: [
      ...levels.map(({ name, order }, index) =>
        category(levelColumn(index), { expr: groupingOf(name).expr, order, separator: null }),
      ),
      ...(sort.name === "title"
        ? []
        : [sorted("order", { expr: field(fieldOf(sort.name)), order: sort.order, isHidden: true })]),
      sorted("title", { order: sort.name === "title" ? sort.order : "asc" }),
      ...columns.filter(({ name }) => name !== "films").map(columnInput),
    ],
  };
}

function columnInput({ name, total: how }: ChosenColumn): ColumnInput {
  const { field: path } = columnOf(name);
  return how === "none" ? display(name, { field: path }) : total(path, how, { name });
}

const fieldOf = (name: ColumnName): string => columnOf(name).field;

/** What the chart shows: a column that is there and has a total, otherwise how many films there are. */
export function measureOf({ columns, measure }: Arrangement): ChosenColumn {
  const found = columns.find(({ name, total: how }) => name === measure && how !== "none");
  return found ?? { name: "films", total: "none" };
}

/** Write the query whose groups are the bars of the chart. */
export function chartQuery(arrangement: Arrangement): QueryDefinition {
  const [outer] = arrangement.levels;
  const { name, total: how } = measureOf(arrangement);
  const totals = how === "none" ? {} : { value: { fn: how, of: field(fieldOf(name)) } };
  return { limit: 0, group: { by: { level: groupingOf(outer?.name ?? "decade").expr }, totals } };
}

/**
 * Judge an arrangement that comes from elsewhere: what is not known is left out, what is missing is as usual. Every value gives one.
 */
export function parseArrangement(input: unknown): Arrangement {
  const { columns, isChartShown, levels, measure, sort } = read(input);
  const readLevels = distinct(list(levels).flatMap(readLevel)).slice(0, 2);
  const readColumns = distinct(list(columns).flatMap(readColumn));
  const { name: sortName, order: sortOrder } = read(sort);
  return {
    levels: readLevels.length > 0 ? readLevels : usualArrangement.levels,
    columns: Array.isArray(columns) ? readColumns : usualArrangement.columns,
    sort: {
      name: columnNames.find((name) => name === sortName && name !== "films") ?? "title",
      order: sortOrder === "desc" ? "desc" : "asc",
    },
    isChartShown: isChartShown !== false,
    measure: columnNames.find((name) => name === measure) ?? usualArrangement.measure,
  };
}

function readLevel(input: unknown): readonly Level[] {
  const { name: given, order } = read(input);
  const name = groupNames.find((one) => one === given);
  if (name === undefined) return [];
  return [{ name, order: order === "desc" ? "desc" : order === "asc" ? "asc" : groupingOf(name).order }];
}

function readColumn(input: unknown): readonly ChosenColumn[] {
  const { name: given, total: how } = read(input);
  const name = columnNames.find((one) => one === given);
  if (name === undefined) return [];
  return [{ name, total: columnOf(name).totals.find((one) => one === how) ?? chosen(name).total }];
}

/** Each name once: the first counts. */
function distinct<T extends { readonly name: string }>(items: readonly T[]): readonly T[] {
  return items.filter(({ name }, index) => items.findIndex((one) => one.name === name) === index);
}

const list = (input: unknown): readonly unknown[] => (Array.isArray(input) ? input : []);

const read = (input: unknown): Readonly<Record<string, unknown>> =>
  typeof input === "object" && input !== null ? (input as Record<string, unknown>) : {};

/** Put a column in or take it out; one that comes in stands last. */
export function toggleColumn(columns: readonly ChosenColumn[], name: ColumnName): readonly ChosenColumn[] {
  const kept = columns.filter((column) => column.name !== name);
  return kept.length < columns.length ? kept : [...columns, chosen(name)];
}

/** Move a column so many places; at the ends it stays. */
export function moveColumn(
  columns: readonly ChosenColumn[],
  name: ColumnName,
  places: number,
): readonly ChosenColumn[] {
  const from = columns.findIndex((column) => column.name === name);
  const column = columns[from];
  if (column === undefined) return columns;
  const to = Math.max(0, Math.min(columns.length - 1, from + places));
  return columns.toSpliced(from, 1).toSpliced(to, 0, column);
}

/** The order of films after a press on the head of a column. */
export function nextSort(now: Arrangement["sort"], name: ColumnName | "title"): Arrangement["sort"] {
  if (now.name === name) return { name, order: now.order === "asc" ? "desc" : "asc" };
  const isNumber = name !== "title" && columnOf(name).kind !== "text";
  return { name, order: isNumber ? "desc" : "asc" };
}
