/**
 * expr: filters, orders and computed values as plain data.
 *
 * Guarantees
 * - X1 evaluating is total: any expression over any value gives a value or missing, never an exception, in
 *   bounded time
 * - X2 an order is a total preorder over any values whatever, so that every device with one locale sorts
 *   alike
 * - X3 untrusted definitions are judged, never trusted: `parseDefinition` and `judgeExpression` give a verdict, and so does
 *   `parseExpression` for any text
 * - X4 only own keys are read: a field named "constructor" or "__proto__" is a field like any other
 * - X5 an expression has a text form, and is printed as it was read: `parseExpression`, `printExpression`
 *
 * It does not know documents, stores or signals, and it holds no clock: what depends on now is a literal that
 * the caller puts in.
 */
export {
  and,
  coalesce,
  contains,
  day,
  endsWith,
  eq,
  exists,
  field,
  gt,
  gte,
  isIn,
  length,
  lower,
  lt,
  lte,
  month,
  neq,
  not,
  or,
  startsWith,
  value,
  year,
  type Comparand,
  type Operand,
} from "./builders.ts";
export {
  abs,
  add,
  addTime,
  at,
  average,
  ceil,
  concat,
  count,
  date,
  distinct,
  divide,
  floor,
  hour,
  isoDate,
  join,
  kind,
  list,
  max,
  min,
  minute,
  multiply,
  negate,
  number,
  pluck,
  quarter,
  remainder,
  replace,
  round,
  second,
  slice,
  sorted,
  split,
  startOf,
  substring,
  subtract,
  text,
  timeBetween,
  total,
  trim,
  unique,
  upper,
  week,
  weekday,
  when,
} from "./function-builders.ts";
export { compile, compileFilter, evaluate, matches, type Read } from "./evaluator.ts";
export {
  expressionLimits,
  fieldPath,
  type Expression,
  type FieldPath,
  type Literal,
  type Operator,
  type SortKey,
} from "./expression.ts";
export { isSame, kindOf, readPath, sameKey, type Kind } from "./value.ts";
export { collatorOf, compareValues, createComparator, type Comparator } from "./order.ts";
export { compareKeys, keyReader, takeFirst, type Keys } from "./sort.ts";
export {
  judgeExpression,
  parseDefinition,
  type Cursor,
  type Definition,
  type DefinitionVerdict,
  type ExpressionVerdict,
  type Grouping,
  type GroupTotal,
  type Named,
  type TotalFunction,
} from "./judge.ts";
export { printExpression } from "./print.ts";
export { parseExpression, type TextVerdict } from "./text-form.ts";
