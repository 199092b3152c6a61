/**
 * expr: filters, orders and computed values as plain data.
 *
 * Guarantees
 * - X1 evaluating is total: any expression over any value gives a value or missing, never an exception, in
 *   bounded time
 * - X2 an order is a total preorder over any values whatever, so that every device with one locale sorts
 *   alike
 * - X3 untrusted definitions are judged, never trusted: `parseDefinition` gives a verdict
 * - X4 only own keys are read: a field named "constructor" or "__proto__" is a field like any other
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
export { compile, compileFilter, evaluate, matches, type Read } from "./evaluator.ts";
export {
  expressionLimits,
  type Expression,
  type FieldPath,
  type Literal,
  type Operator,
  type SortKey,
} from "./expression.ts";
export { collatorOf, compareValues, createComparator, type Comparator } from "./order.ts";
export { sortFirst } from "./sort.ts";
export {
  parseDefinition,
  parseExpression,
  type Definition,
  type DefinitionVerdict,
  type ExpressionVerdict,
} from "./parse.ts";
export { isSame, kindOf } from "./value.ts";
