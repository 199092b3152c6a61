/** Builders: small functions that write expressions. They check nothing; `judgeExpression` does. */
import { fieldPath, type Expression, type FieldPath, type Literal, type Operator } from "./expression.ts";

/** What is compared: a field by its path, or any expression. */
export type Operand = string | FieldPath | Expression;

/** What it is compared with: a literal, or any expression. */
export type Comparand = Literal | Expression;

/** Read a field: `field("address.city")`, or `field(["a.b"])` when a key holds a dot. */
export const field = (path: string | FieldPath): Expression => ({ op: "field", path: fieldPath(path) });

/** A literal where an expression is asked for. */
export const value = (literal: Literal): Expression => ({ op: "value", value: literal });

/** The same value: of the same kind and equal; lists and maps by their content, dates by their time. */
export const eq = (left: Operand, right: Comparand): Expression => binary("eq", left, right);

/** Not the same value; a missing field differs from every literal. */
export const neq = (left: Operand, right: Comparand): Expression => binary("neq", left, right);

/** Less than. */
export const lt = (left: Operand, right: Comparand): Expression => binary("lt", left, right);

/** Less than or equal. */
export const lte = (left: Operand, right: Comparand): Expression => binary("lte", left, right);

/** Greater than. */
export const gt = (left: Operand, right: Comparand): Expression => binary("gt", left, right);

/** Greater than or equal. */
export const gte = (left: Operand, right: Comparand): Expression => binary("gte", left, right);

/** All of them hold; with none, true. */
export const and = (...args: readonly Expression[]): Expression => ({ op: "and", args });

/** At least one of them holds; with none, false. */
export const or = (...args: readonly Expression[]): Expression => ({ op: "or", args });

/** It does not hold. */
export const not = (of: Operand): Expression => unary("not", of);

/** The field is there, `null` included. */
export const exists = (of: Operand): Expression => unary("exists", of);

/** A text holds a text, or a list holds a value. For any case: `contains(lower("name"), "ada")`. */
export const contains = (left: Operand, right: Comparand): Expression => binary("contains", left, right);

/** A text begins with a text. */
export const startsWith = (left: Operand, right: Comparand): Expression => binary("startsWith", left, right);

/** A text ends with a text. */
export const endsWith = (left: Operand, right: Comparand): Expression => binary("endsWith", left, right);

/** The value is one of these. */
export const isIn = (of: Operand, values: readonly Literal[]): Expression => ({
  op: "in",
  args: [operand(of)],
  values,
});

/** A text in lower case, by Unicode and not by locale. */
export const lower = (of: Operand): Expression => unary("lower", of);

/** Units of a text, elements of a list, bytes of a byte string. */
export const length = (of: Operand): Expression => unary("length", of);

/** The year of a date, in UTC or a time zone. */
export const year = (of: Operand, zone?: Comparand): Expression => ofDate("year", of, zone);

/** The month of a date, in UTC or a time zone: 1…12. */
export const month = (of: Operand, zone?: Comparand): Expression => ofDate("month", of, zone);

/** The day of the month of a date, in UTC or a time zone: 1…31. */
export const day = (of: Operand, zone?: Comparand): Expression => ofDate("day", of, zone);

/** The first that is neither missing nor `null`. */
export const coalesce = (first: Operand, ...rest: readonly Comparand[]): Expression => ({
  op: "coalesce",
  args: [operand(first), ...rest.map(comparand)],
});

const unary = (op: Operator, of: Operand): Expression => ({ op, args: [operand(of)] });

const ofDate = (op: Operator, of: Operand, zone: Comparand | undefined): Expression =>
  zone === undefined ? unary(op, of) : binary(op, of, zone);

const binary = (op: Operator, left: Operand, right: Comparand): Expression => ({
  op,
  args: [operand(left), comparand(right)],
});

/** What is compared, as an expression. */
export function operand(of: Operand): Expression {
  return typeof of === "object" && "op" in of ? of : field(of);
}

/** What it is compared with, as an expression. */
export function comparand(of: Comparand): Expression {
  return typeof of === "object" && of !== null && "op" in of ? of : value(of);
}
