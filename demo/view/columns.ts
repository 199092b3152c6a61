/** What a view of the films can group by and show: a closed list, so that what others have stored can be judged by it. Pure. */
import type { TotalFunction } from "cofferdb";
import { divide, field, floor, multiply, type Expression } from "cofferdb/expressions";

/** What a category of films stands for. */
export interface Grouping {
  readonly label: string;
  readonly many: string;
  /** the category of films of which it is not known */
  readonly unknown: string;
  readonly expr: Expression;
  /** how the categories are usually ordered */
  readonly order: "asc" | "desc";
  /** numbers stand on a line, names do not */
  readonly isNumber: boolean;
}

/** The groupings by name. */
export const groupings = {
  decade: {
    label: "Decade",
    many: "Decades",
    unknown: "Year unknown",
    expr: multiply(floor(divide(field("year"), 10)), 10),
    order: "desc",
    isNumber: true,
  },
  year: {
    label: "Year",
    many: "Years",
    unknown: "Year unknown",
    expr: field("year"),
    order: "desc",
    isNumber: true,
  },
  genre: {
    label: "Genre",
    many: "Genres",
    unknown: "No genre",
    expr: field("genre"),
    order: "asc",
    isNumber: false,
  },
  director: {
    label: "Director",
    many: "Directors",
    unknown: "Director unknown",
    expr: field("director"),
    order: "asc",
    isNumber: false,
  },
  distributor: {
    label: "Distributor",
    many: "Distributors",
    unknown: "Distributor unknown",
    expr: field("distribution.distributor"),
    order: "asc",
    isNumber: false,
  },
  rated: {
    label: "Rating",
    many: "Ratings",
    unknown: "Not rated",
    expr: field("rated"),
    order: "asc",
    isNumber: false,
  },
} as const satisfies Record<string, Grouping>;

/** The name of a grouping. */
export type GroupName = keyof typeof groupings;

/** How a column comes to one value for many films; `none`: it shows those of films only. */
export type TotalName = Extract<TotalFunction, "sum" | "average" | "min" | "max" | "distinct"> | "none";

/** The words for totals. */
export const totalWords: Readonly<Record<TotalName, string>> = {
  sum: "total",
  average: "average",
  min: "lowest",
  max: "highest",
  distinct: "how many",
  none: "no total",
};

/** How the values of a column are written. */
export type ColumnKind = "films" | "text" | "year" | "rating" | "percent" | "minutes" | "count" | "money";

/** A column of a view. */
export interface FilmColumn {
  readonly label: string;
  readonly kind: ColumnKind;
  /** where its value is; a column of films counts them */
  readonly field: string;
  /** the first is the usual one */
  readonly totals: readonly TotalName[];
}

const numberTotals = ["average", "min", "max", "none"] as const;
const moneyTotals = ["sum", "average", "min", "max", "none"] as const;
const textTotals = ["none", "distinct"] as const;

/** The columns by name. */
export const filmColumns = {
  films: { label: "Films", kind: "films", field: "*", totals: ["none"] },
  year: { label: "Year", kind: "year", field: "year", totals: ["none", "min", "max"] },
  director: { label: "Director", kind: "text", field: "director", totals: textTotals },
  genre: { label: "Genre", kind: "text", field: "genre", totals: textTotals },
  rated: { label: "Rated", kind: "text", field: "rated", totals: textTotals },
  runtimeMinutes: {
    label: "Minutes",
    kind: "minutes",
    field: "runtimeMinutes",
    totals: ["average", "sum", "min", "max", "none"],
  },
  imdb: { label: "IMDb", kind: "rating", field: "ratings.imdb", totals: numberTotals },
  rottenTomatoes: {
    label: "Tomatoes",
    kind: "percent",
    field: "ratings.rottenTomatoes",
    totals: numberTotals,
  },
  votes: { label: "Votes", kind: "count", field: "ratings.votes", totals: moneyTotals },
  distributor: { label: "Distributor", kind: "text", field: "distribution.distributor", totals: textTotals },
  budgetUsd: { label: "Budget", kind: "money", field: "distribution.budgetUsd", totals: moneyTotals },
  worldwideUsd: {
    label: "Worldwide",
    kind: "money",
    field: "distribution.worldwideUsd",
    totals: moneyTotals,
  },
} as const satisfies Record<string, FilmColumn>;

/** The name of a column. */
export type ColumnName = keyof typeof filmColumns;

/** All columns, in their usual order. */
export const columnNames = Object.keys(filmColumns) as readonly ColumnName[];

/** All groupings, in their usual order. */
export const groupNames = Object.keys(groupings) as readonly GroupName[];

/** A column, without what is special to it. */
export const columnOf = (name: ColumnName): FilmColumn => filmColumns[name];

/** A grouping, without what is special to it. */
export const groupingOf = (name: GroupName): Grouping => groupings[name];

/** Whether a column stands to the right, in figures of one width. */
export const isNumeric = (name: ColumnName): boolean => columnOf(name).kind !== "text";
