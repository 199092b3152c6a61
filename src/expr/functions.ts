/** The functions of expressions by their operators: those that need all of their arguments' values. */
import { addTime, datePart, isoDate, readDate, startOf, timeBetween } from "./dates.ts";
import type { Operator } from "./expression.ts";
import {
  at,
  average,
  count,
  distinct,
  extreme,
  join,
  listOf,
  pluck,
  slice,
  sorted,
  total,
  unique,
} from "./lists.ts";
import { ofOne, ofTwo, readNumber, readText, round } from "./numbers.ts";
import { concat, ofText, replace, split, substring } from "./texts.ts";
import { kindOf } from "./value.ts";

type Evaluated =
  | ("eq" | "neq" | "lt" | "lte" | "gt" | "gte" | "contains" | "startsWith" | "endsWith")
  | ("and" | "or" | "not" | "exists" | "coalesce" | "if");

/** What a function does with its arguments: one by one, or with any number of them. */
interface Form {
  readonly of: (...args: readonly unknown[]) => unknown;
  readonly ofAll?: (args: readonly unknown[]) => unknown;
}

const fixed = (of: (...args: readonly unknown[]) => unknown): Form => ({ of });
const open = (ofAll: (args: readonly unknown[]) => unknown): Form => ({
  of: (...args) => ofAll(args),
  ofAll,
});

/** Every function. Total: a value or missing, whatever comes. */
export const functions: Readonly<Record<Exclude<Operator, Evaluated>, Form>> = {
  kind: fixed(kindOf),
  add: fixed(ofTwo((left, right) => left + right)),
  subtract: fixed(ofTwo((left, right) => left - right)),
  multiply: fixed(ofTwo((left, right) => left * right)),
  divide: fixed(ofTwo((left, right) => left / right)),
  remainder: fixed(ofTwo((left, right) => left % right)),
  negate: fixed(ofOne((of) => -of)),
  abs: fixed(ofOne(Math.abs)),
  floor: fixed(ofOne(Math.floor)),
  ceil: fixed(ofOne(Math.ceil)),
  round: fixed(round),
  number: fixed(readNumber),
  lower: fixed(ofText((of) => of.toLowerCase())),
  upper: fixed(ofText((of) => of.toUpperCase())),
  trim: fixed(ofText((of) => of.trim())),
  concat: open((args) => concat(args)),
  text: fixed(readText),
  substring: fixed(substring),
  replace: fixed(replace),
  length: fixed(lengthOf),
  date: fixed(readDate),
  year: fixed(datePart("year")),
  quarter: fixed(datePart("quarter")),
  month: fixed(datePart("month")),
  week: fixed(datePart("week")),
  day: fixed(datePart("day")),
  weekday: fixed(datePart("weekday")),
  hour: fixed(datePart("hour")),
  minute: fixed(datePart("minute")),
  second: fixed(datePart("second")),
  startOf: fixed(startOf),
  addTime: fixed(addTime),
  timeBetween: fixed(timeBetween),
  isoDate: fixed(isoDate),
  list: open(listOf),
  at: fixed(at),
  slice: fixed(slice),
  pluck: fixed(pluck),
  unique: fixed(unique),
  sorted: fixed(sorted),
  split: fixed(split),
  join: fixed(join),
  total: open(total),
  average: open(average),
  count: open(count),
  min: open((args) => extreme(args, -1)),
  max: open((args) => extreme(args, 1)),
  distinct: open(distinct),
};

function lengthOf(value: unknown): number | undefined {
  return typeof value === "string" || Array.isArray(value) || value instanceof Uint8Array
    ? value.length
    : undefined;
}
