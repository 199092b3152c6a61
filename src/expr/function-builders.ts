/**
 * Builders of the functions, each for the operator of its name: see expression.ts for what they give. They check nothing;
 * `judgeExpression` does.
 */
import { comparand, operand, type Comparand, type Operand } from "./builders.ts";
import type { Expression, Operator } from "./expression.ts";

type Units = "years" | "months" | "weeks" | "days" | "hours" | "minutes" | "seconds";
type Spans = "year" | "quarter" | "month" | "week" | "day" | "hour" | "minute";

/** Field or expression first, then literals or expressions. */
type OfOne = (of: Operand) => Expression;
type OfTwo = (left: Operand, right: Comparand) => Expression;
type OfDate = (date: Operand, zone?: Comparand) => Expression;
type OfAny = (...args: readonly Operand[]) => Expression;

const call = (op: Operator, of: Operand, ...rest: readonly (Comparand | undefined)[]): Expression => ({
  op,
  args: [operand(of), ...rest.filter((one) => one !== undefined).map(comparand)],
});
const ofOne =
  (op: Operator): OfOne =>
  (of) =>
    call(op, of);
const ofTwo =
  (op: Operator): OfTwo =>
  (left, right) =>
    call(op, left, right);
const ofDate =
  (op: Operator): OfDate =>
  (date, zone) =>
    call(op, date, zone);
const ofAny =
  (op: Operator): OfAny =>
  (...args) => ({ op, args: args.map(operand) });

/** The second when the condition is true, otherwise the third, or missing. The operator is `if`. */
export const when = (condition: Operand, then: Comparand, otherwise?: Comparand): Expression =>
  call("if", condition, then, otherwise);

/** The name of the kind of a value: `"number"`, `"missing"`… */
export const kind: OfOne = ofOne("kind");
/** Sum of two numbers. */
export const add: OfTwo = ofTwo("add");
/** Difference of two numbers. */
export const subtract: OfTwo = ofTwo("subtract");
/** Product of two numbers. */
export const multiply: OfTwo = ofTwo("multiply");
/** Quotient of two numbers; by zero, missing. */
export const divide: OfTwo = ofTwo("divide");
/** What a division leaves, with the sign of the first. */
export const remainder: OfTwo = ofTwo("remainder");
/** The number with the other sign. */
export const negate: OfOne = ofOne("negate");
/** The number without its sign. */
export const abs: OfOne = ofOne("abs");
/** The whole number below. */
export const floor: OfOne = ofOne("floor");
/** The whole number above. */
export const ceil: OfOne = ofOne("ceil");
/** The number to so many decimals, halves away from zero. */
export const round = (of: Operand, decimals?: Comparand): Expression => call("round", of, decimals);
/** The number that a text writes, or the milliseconds of a date. */
export const number: OfOne = ofOne("number");
/** A text in upper case, by Unicode and not by locale. */
export const upper: OfOne = ofOne("upper");
/** A text without white space around it. */
export const trim: OfOne = ofOne("trim");
/** The texts of all, one after the other. */
export const concat = (...args: readonly Expression[]): Expression => ({ op: "concat", args });
/** The text of a number, date or truth value. */
export const text: OfOne = ofOne("text");
/** A part of a text, from an index on. */
export const substring = (of: Operand, from: Comparand, count?: Comparand): Expression =>
  call("substring", of, from, count);
/** A text with every occurrence of a text replaced. */
export const replace = (of: Operand, what: Comparand, by: Comparand): Expression =>
  call("replace", of, what, by);
/** The date that an ISO text or a number of milliseconds says. */
export const date: OfOne = ofOne("date");
/** The quarter of a date: 1…4. */
export const quarter: OfDate = ofDate("quarter");
/** The ISO week of a date: 1…53. */
export const week: OfDate = ofDate("week");
/** The day of the week of a date: Monday is 1. */
export const weekday: OfDate = ofDate("weekday");
/** The hour of a date: 0…23. */
export const hour: OfDate = ofDate("hour");
/** The minute of a date. */
export const minute: OfDate = ofDate("minute");
/** The second of a date. */
export const second: OfDate = ofDate("second");
/** The first moment of the year, month… of a date. */
export const startOf = (of: Operand, unit: Spans, zone?: Comparand): Expression =>
  call("startOf", of, unit, zone);
/** A date so many units later. */
export const addTime = (of: Operand, count: Comparand, unit: Units, zone?: Comparand): Expression =>
  call("addTime", of, count, unit, zone);
/** Whole units from one date to another. */
export const timeBetween = (from: Operand, to: Operand, unit: Units, zone?: Comparand): Expression =>
  call("timeBetween", from, operand(to), unit, zone);
/** The day of a date, as `"2024-02-29"`. */
export const isoDate: OfDate = ofDate("isoDate");
/** A list of these. */
export const list: OfAny = ofAny("list");
/** An element of a list; a negative index counts from the end. */
export const at: OfTwo = ofTwo("at");
/** Elements of a list, from an index on. */
export const slice = (of: Operand, from: Comparand, count?: Comparand): Expression =>
  call("slice", of, from, count);
/** Of each element of a list, what a path leads to. */
export const pluck = (of: Operand, path: string): Expression => call("pluck", of, path);
/** A list with each value once. */
export const unique: OfOne = ofOne("unique");
/** A list in order. */
export const sorted: OfOne = ofOne("sorted");
/** A text's parts between occurrences of a text. */
export const split: OfTwo = ofTwo("split");
/** The texts of a list's elements, with a text in between. */
export const join: OfTwo = ofTwo("join");
/** The exact sum of all numbers, those in lists included. */
export const total: OfAny = ofAny("total");
/** The mean of all numbers, those in lists included. */
export const average: OfAny = ofAny("average");
/** How many are there, those in lists included. */
export const count: OfAny = ofAny("count");
/** The smallest, those in lists included. */
export const min: OfAny = ofAny("min");
/** The largest, those in lists included. */
export const max: OfAny = ofAny("max");
/** How many different ones there are, those in lists included. */
export const distinct: OfAny = ofAny("distinct");
