/** Functions of lists, and aggregates. */
import { exactSum } from "../std/index.ts";
import { expressionLimits as limits, fieldPath } from "./expression.ts";
import { finite } from "./numbers.ts";
import { compareValues } from "./order.ts";
import { concat, rangeOf } from "./texts.ts";
import { kindOf, readPath, sameKey } from "./value.ts";

type List = readonly unknown[];

const isList = (of: unknown): of is List => Array.isArray(of);
const isThere = (of: unknown): boolean => of !== null && kindOf(of) !== "missing";
const short = (list: List): List | undefined => (list.length > limits.literals ? undefined : list);

/** A list of what is there. */
export function listOf(values: List): List {
  return values.filter((of) => kindOf(of) !== "missing");
}

/** An element of a list. */
export function at(list: unknown, index: unknown): unknown {
  return isList(list) && Number.isSafeInteger(index) ? list.at(Number(index)) : undefined;
}

/** Elements from an index on. */
export function slice(list: unknown, from: unknown, count: unknown): List | undefined {
  const range = isList(list) ? rangeOf(list.length, from, count) : undefined;
  return range && short((list as List).slice(...range));
}

/** Of each element, what a path leads to. */
export function pluck(list: unknown, path: unknown): List | undefined {
  if (!isList(list) || typeof path !== "string" || path.length > limits.keyLength) return undefined;
  const steps = fieldPath(path);
  if (steps.length > limits.pathSteps) return undefined;
  return short(listOf(list.map((element) => readPath(element, steps))));
}

/** Each value once. */
export function unique(list: unknown): List | undefined {
  if (!isList(list)) return undefined;
  const byKey = new Map<unknown, unknown>();
  for (const element of listOf(list)) {
    const key = sameKey(element);
    if (!byKey.has(key)) byKey.set(key, element);
  }
  return short([...byKey.values()]);
}

/** The list in order. */
export function sorted(list: unknown): List | undefined {
  return isList(list) ? short(listOf(list).toSorted((one, other) => compareValues(one, other))) : undefined;
}

/** The texts of a list's elements. */
export function join(list: unknown, between: unknown): string | undefined {
  return isList(list) && typeof between === "string" ? concat(list, between) : undefined;
}

/** What aggregates are made of: arguments, and elements of those that are lists. */
function* items(values: List): Generator<unknown> {
  for (const of of values) {
    if (isList(of)) yield* of;
    else yield of;
  }
}

function* numbers(values: List): Generator<number> {
  for (const of of items(values)) if (typeof of === "number" && Number.isFinite(of)) yield of;
}

/** The exact sum of the numbers. */
export function total(values: List): number | undefined {
  return finite(exactSum(numbers(values)));
}

/** The mean of the numbers. */
export function average(values: List): number | undefined {
  const found = [...numbers(values)];
  return found.length === 0 ? undefined : finite(exactSum(found) / found.length);
}

/** How many are there. */
export function count(values: List): number {
  let found = 0;
  for (const of of items(values)) if (isThere(of)) found += 1;
  return found;
}

/** How many different ones are there. */
export function distinct(values: List): number {
  const keys = new Set<unknown>();
  for (const of of items(values)) if (isThere(of)) keys.add(sameKey(of));
  return keys.size;
}

/** The first (−1) or last (1) in order. */
export function extreme(values: List, sign: 1 | -1): unknown {
  let found: unknown;
  for (const of of items(values)) {
    if (!isOrdered(of)) continue;
    if (found === undefined || compareValues(of, found) * sign > 0) found = of;
  }
  return found;
}

/** Tell values that have an order among their kind: booleans, numbers, valid dates, texts. */
export function isOrdered(of: unknown): boolean {
  const kind = kindOf(of);
  return (
    kind === "boolean" ||
    kind === "string" ||
    ((kind === "number" || kind === "date") && !Number.isNaN(Number(of)))
  );
}
