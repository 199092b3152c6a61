/** Builders: small functions that write expressions. They check nothing; `judgeExpression` does. */
import { fieldPath, type Expression, type FieldPath, type Literal, type Operator } from "./expression.ts";

/** What is compared: a field by its path, or any expression. */
export type Operand = string | FieldPath | Expression;

/** What it is compared with: a literal, or any expression. */
export type Comparand = Literal | Expression;

/** Writers of one operator each; what is left out is no argument. */
const ofDate =
  (op: Operator) =>
  (of: Operand, by?: Comparand): Expression => ({
    op,
    args: by === undefined ? [operand(of)] : [operand(of), comparand(by)],
  });
const unary: (op: Operator) => (of: Operand) => Expression = ofDate;
const binary: (op: Operator) => (left: Operand, right: Comparand) => Expression = ofDate;

/** Read a field: `field("address.city")`, or `field(["a.b"])` when a key holds a dot. */
export const field = (path: string | FieldPath): Expression => ({ op: "field", path: fieldPath(path) });

/** A literal where an expression is asked for. */
export const value = (literal: Literal): Expression => ({ op: "value", value: literal });

/** The same value: of the same kind and equal; lists and maps by their content, dates by their time. */
export const eq = binary("eq");

/** Not the same value; a missing field differs from every literal. */
export const neq = binary("neq");

/** Less than. */
export const lt = binary("lt");

/** Less than or equal. */
export const lte = binary("lte");

/** Greater than. */
export const gt = binary("gt");

/** Greater than or equal. */
export const gte = binary("gte");

/** All of them hold; with none, true. */
export const and = (...args: readonly Expression[]): Expression => ({ op: "and", args });

/** At least one of them holds; with none, false. */
export const or = (...args: readonly Expression[]): Expression => ({ op: "or", args });

/** It does not hold. */
export const not = unary("not");

/** The field is there, `null` included. */
export const exists = unary("exists");

/** A text holds a text, or a list holds a value. For any case: `contains(lower("name"), "ada")`. */
export const contains = binary("contains");

/** A text begins with a text. */
export const startsWith = binary("startsWith");

/** A text ends with a text. */
export const endsWith = binary("endsWith");

/** The value is one of these. */
export const isIn = (of: Operand, values: readonly Literal[]): Expression => ({
  op: "in",
  args: [operand(of)],
  values,
});

/** A text in lower case, by Unicode and not by locale. */
export const lower = unary("lower");

/** Units of a text, elements of a list, bytes of a byte string. */
export const length = unary("length");

/** The year of a date, in UTC or a time zone. */
export const year = ofDate("year");

/** The month of a date, in UTC or a time zone: 1…12. */
export const month = ofDate("month");

/** The day of the month of a date, in UTC or a time zone: 1…31. */
export const day = ofDate("day");

/** The first that is neither missing nor `null`. */
export const coalesce = (first: Operand, ...rest: readonly Comparand[]): Expression => ({
  op: "coalesce",
  args: [operand(first), ...rest.map(comparand)],
});

/** What is compared, as an expression. */
export function operand(of: Operand): Expression {
  return typeof of === "object" && "op" in of ? of : field(of);
}

/** What it is compared with, as an expression. */
export function comparand(of: Comparand): Expression {
  return typeof of === "object" && of !== null && "op" in of ? of : value(of);
}
