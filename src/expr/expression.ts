/**
 * Expressions and sort keys as plain data: they cross threads, can be stored in a document, synced, and are
 * safe to run.
 *
 * | `op` | arguments | gives |
 * |---|---|---|
 * | `value` | | the literal |
 * | `field` | | what the path leads to, or missing |
 * | `eq` `neq` | 2 | sameness of any two values; `neq` is exactly not-`eq` |
 * | `lt` `lte` `gt` `gte` | 2 | order of two numbers, two strings (by code unit), two dates or two booleans; otherwise false |
 * | `and` `or` | 0… | logic; only `true` counts as true, everything else as false |
 * | `not` | 1 | true unless its argument is `true` |
 * | `exists` | 1 | true unless its argument is missing (`null` exists) |
 * | `contains` | 2 | a text holds a text, or a list holds a value |
 * | `startsWith` `endsWith` | 2 | a text begins or ends with a text |
 * | `in` | 1 | its argument is one of `values` |
 * | `coalesce` | 1… | the first argument that is neither missing nor `null` |
 * | `if` | 2…3 | the second when the first is `true`, otherwise the third, or missing |
 * | `kind` | 1 | the name of its kind: `null` `boolean` `number` `date` `string` `bytes` `list` `map` `missing` |
 * | `add` `subtract` `multiply` `divide` | 2 | of numbers |
 * | `remainder` | 2 | of numbers, with the sign of the first |
 * | `negate` `abs` `floor` `ceil` | 1 | of a number |
 * | `round` | 1…2 | to so many decimals (0; −15 to 15), halves away from zero |
 * | `number` | 1 | of a text in decimal, of a date in milliseconds, or the number itself |
 * | `lower` `upper` | 1 | the text in that case, by Unicode and not by locale |
 * | `trim` | 1 | the text without white space around it |
 * | `concat` | 0… | the texts of its arguments, one after the other |
 * | `text` | 1 | a number in decimal, a date in ISO form, `true` or `false`, or the text itself |
 * | `substring` | 2…3 | UTF-16 units from an index on, at most so many; a negative index counts from the end |
 * | `replace` | 3 | the text with every occurrence of a text, from the left, replaced by another |
 * | `length` | 1 | UTF-16 units of a text, elements of a list, bytes of a byte string |
 * | `date` | 1 | of an ISO text, or of milliseconds; the date itself |
 * | `year` `quarter` `month` `week` `day` `weekday` `hour` `minute` `second` | 1…2 | part of a date: January = 1, Monday = 1, ISO weeks |
 * | `startOf` | 2…3 | the first moment of the `year` `quarter` `month` `week` `day` `hour` `minute` of a date |
 * | `addTime` | 3…4 | a date, so many (whole) `years` `months` `weeks` `days` `hours` `minutes` `seconds` later; days that a month lacks become its last |
 * | `timeBetween` | 3…4 | whole units from the first date to the second, towards zero |
 * | `isoDate` | 1…2 | the day of a date as `2024-02-29` |
 * | `list` | 0… | a list of its arguments; missing ones are left out |
 * | `at` | 2 | an element of a list; a negative index counts from the end |
 * | `slice` | 2…3 | elements from an index on, at most so many |
 * | `pluck` | 2 | of each element, what a path of names and dots leads to; elements without it are left out |
 * | `unique` | 1 | the list with each value once, where it was first |
 * | `sorted` | 1 | the list in the order of kinds and values, texts by code unit |
 * | `split` | 2 | a text's parts between occurrences of a text |
 * | `join` | 2 | the texts of a list's elements, with a text in between |
 * | `total` `average` | 0… | of all finite numbers among arguments and elements of list arguments, exactly rounded once; of none 0, or missing |
 * | `count` | 0… | how many arguments and elements of list arguments are neither missing nor `null` |
 * | `min` `max` | 0… | the first or last of these in the order of `sorted`, among booleans, numbers but NaN, dates and texts |
 * | `distinct` | 0… | how many different ones these are |
 *
 * Parts of dates and calendar units are those of UTC, or of the IANA time zone in the last argument, as this device's zone data
 * has it. An unknown zone, unit or invalid date gives missing.
 *
 * Values in order, as `sorted` and every order of rows has them: `null`, booleans, numbers (NaN first), dates, texts, byte strings,
 * lists, maps. -0 is 0. Whatever is none of these (a bigint, a function) is missing.
 *
 * What does not fit (the year of a text, a path through a number), and numbers that would not be finite, texts over 65,536 units
 * and lists over 4,096 elements that would come out, are missing. No expression throws, loops or reads a prototype; it costs
 * at most its nodes times the size of what it reads.
 */

/** A value that an expression can hold. */
export type Literal = null | boolean | number | string | Date;

/** Steps from the root: own keys of maps, indexes of lists in decimal. */
export type FieldPath = readonly string[];

/** Operators whose arguments are expressions, with the fewest and most arguments they take. */
export const arity = {
  eq: [2, 2],
  neq: [2, 2],
  lt: [2, 2],
  lte: [2, 2],
  gt: [2, 2],
  gte: [2, 2],
  and: [0, 256],
  or: [0, 256],
  not: [1, 1],
  exists: [1, 1],
  contains: [2, 2],
  startsWith: [2, 2],
  endsWith: [2, 2],
  coalesce: [1, 256],
  if: [2, 3],
  kind: [1, 1],
  add: [2, 2],
  subtract: [2, 2],
  multiply: [2, 2],
  divide: [2, 2],
  remainder: [2, 2],
  negate: [1, 1],
  abs: [1, 1],
  floor: [1, 1],
  ceil: [1, 1],
  round: [1, 2],
  number: [1, 1],
  lower: [1, 1],
  upper: [1, 1],
  trim: [1, 1],
  concat: [0, 256],
  text: [1, 1],
  substring: [2, 3],
  replace: [3, 3],
  length: [1, 1],
  date: [1, 1],
  year: [1, 2],
  quarter: [1, 2],
  month: [1, 2],
  week: [1, 2],
  day: [1, 2],
  weekday: [1, 2],
  hour: [1, 2],
  minute: [1, 2],
  second: [1, 2],
  startOf: [2, 3],
  addTime: [3, 4],
  timeBetween: [3, 4],
  isoDate: [1, 2],
  list: [0, 256],
  at: [2, 2],
  slice: [2, 3],
  pluck: [2, 2],
  unique: [1, 1],
  sorted: [1, 1],
  split: [2, 2],
  join: [2, 2],
  total: [0, 256],
  average: [0, 256],
  count: [0, 256],
  min: [0, 256],
  max: [0, 256],
  distinct: [0, 256],
} as const satisfies Record<string, readonly [number, number]>;

/** The name of an operator over expressions. */
export type Operator = keyof typeof arity;

/** A computation over one plain value. */
export type Expression =
  | { readonly op: "value"; readonly value: Literal }
  | { readonly op: "field"; readonly path: FieldPath }
  | { readonly op: "in"; readonly args: readonly [Expression]; readonly values: readonly Literal[] }
  | { readonly op: Operator; readonly args: readonly Expression[] };

/** One level of an order. What is missing comes last in both directions. */
export interface SortKey {
  /** `"address.city"`, or the steps when a key itself holds a dot */
  readonly field: string | FieldPath;
  /** default `"asc"` */
  readonly order?: "asc" | "desc";
}

/**
 * What a definition may cost: an expression over these is refused by the parser, and is missing to the
 * evaluator.
 */
export const expressionLimits = {
  depth: 32,
  nodes: 1024,
  pathSteps: 32,
  keyLength: 1024,
  /** of a literal, and of what a function gives */
  textLength: 64 * 1024,
  /** of an `in`, and elements of what a function gives */
  literals: 4096,
  sortKeys: 16,
  /** of a selection, a grouping, its totals */
  columns: 256,
} as const;

/** Turn `"address.city"` into its steps; steps are taken as they are. */
export function fieldPath(field: string | FieldPath): FieldPath {
  return typeof field === "string" ? field.split(".") : field;
}
