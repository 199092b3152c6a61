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
 * | `lower` | 1 | the text in lower case, by Unicode and not by locale |
 * | `length` | 1 | UTF-16 units of a text, elements of a list, bytes of a byte string |
 * | `year` `month` `day` | 1 | part of a date in UTC, January = 1, so that every device agrees |
 * | `coalesce` | 1… | the first argument that is neither missing nor `null` |
 *
 * What does not fit (the year of a text, a path through a number) is missing. No expression throws, loops or
 * reads a prototype.
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
  lower: [1, 1],
  length: [1, 1],
  year: [1, 1],
  month: [1, 1],
  day: [1, 1],
  coalesce: [1, 256],
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
  textLength: 64 * 1024,
  literals: 4096,
  sortKeys: 16,
} as const;

/** Turn `"address.city"` into its steps; steps are taken as they are. */
export function fieldPath(field: string | FieldPath): FieldPath {
  return typeof field === "string" ? field.split(".") : field;
}
