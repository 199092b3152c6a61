/**
 * Run expressions. Compiling turns one into closures, so that scanning many rows pays the reading of the
 * expression once. What lies past the limits of depth and size is missing, so that even an expression that no
 * parser has seen cannot cost without bound.
 */
import {
  expressionLimits,
  type Expression,
  type FieldPath,
  type Literal,
  type Operator,
} from "./expression.ts";
import { functions } from "./functions.ts";
import { isSame, kindOf, readPath } from "./value.ts";

/** A compiled expression: `undefined` stands for missing. */
export type Read = (value: unknown) => unknown;

/** Compute an expression over a value. Never throws; `undefined` stands for missing. */
export function evaluate(expression: Expression, value: unknown): unknown {
  return compile(expression)(value);
}

/** Tell whether an expression is true of a value. */
export function matches(expression: Expression, value: unknown): boolean {
  return evaluate(expression, value) === true;
}

/** Compile a filter for a scan; without a filter everything passes. */
export function compileFilter(filter: Expression | undefined): (value: unknown) => boolean {
  if (filter === undefined) return () => true;
  const read = compile(filter);
  return (value) => read(value) === true;
}

/** Compile an expression for many values. */
export function compile(expression: Expression): Read {
  return compileAt(expression, { depth: 0, nodes: { left: expressionLimits.nodes } });
}

interface Budget {
  readonly depth: number;
  /** shared by the whole expression */
  readonly nodes: { left: number };
}

const missing: Read = () => undefined;

function compileAt(expression: Expression, budget: Budget): Read {
  if (budget.depth > expressionLimits.depth || budget.nodes.left <= 0) return missing;
  budget.nodes.left -= 1;
  if (expression.op === "value") return constant(expression.value);
  if (expression.op === "field") return readField(expression.path);
  const below = { depth: budget.depth + 1, nodes: budget.nodes };
  const args = expression.args.map((arg) => compileAt(arg, below));
  const [first = missing, second = missing] = args;
  switch (expression.op) {
    case "and":
      return (value) => args.every((arg) => arg(value) === true);
    case "or":
      return (value) => args.some((arg) => arg(value) === true);
    case "not":
      return (value) => first(value) !== true;
    case "exists":
      return (value) => kindOf(first(value)) !== "missing";
    case "in":
      return isOneOf(first, expression.values);
    case "coalesce":
      return (value) => firstPresent(args, value);
    case "if":
      return (value) => (first(value) === true ? second(value) : args[2]?.(value));
    default:
      return applied(
        expression.op,
        args,
        expression.args.map((arg) => (arg.op === "value" ? arg.value : undefined)),
      );
  }
}

type Lazy = "and" | "or" | "not" | "exists" | "coalesce" | "if";
type Relation = "eq" | "neq" | "lt" | "lte" | "gt" | "gte" | "contains" | "startsWith" | "endsWith";

const relations: Readonly<Record<Relation, (left: unknown, right: unknown) => boolean>> = {
  eq: isSame,
  neq: (left, right) => !isSame(left, right),
  lt: (left, right) => compareOrdered(left, right) < 0,
  lte: (left, right) => compareOrdered(left, right) <= 0,
  gt: (left, right) => compareOrdered(left, right) > 0,
  gte: (left, right) => compareOrdered(left, right) >= 0,
  contains,
  startsWith: (left, right) => isText(left) && isText(right) && left.startsWith(right),
  endsWith: (left, right) => isText(left) && isText(right) && left.endsWith(right),
};

const isRelation = (op: string): op is Relation => Object.hasOwn(relations, op);

/** A function of its arguments' values; an operator that nobody has judged may be none. */
function applied(op: Exclude<Operator, Lazy>, args: readonly Read[], literals: readonly unknown[]): Read {
  const [first = missing, second = missing, third = missing] = args;
  if (isRelation(op)) {
    const holds = relations[op];
    const literal = literals[1];
    // Text and truth are the same exactly where they are identical.
    if (op === "eq" && (typeof literal === "string" || typeof literal === "boolean"))
      return (value) => first(value) === literal;
    return (value) => holds(first(value), second(value));
  }
  if (!Object.hasOwn(functions, op)) return missing;
  const { of, ofAll } = functions[op];
  if (ofAll !== undefined) return (value) => ofAll(args.map((arg) => arg(value)));
  if (args.length === 1) return (value) => of(first(value));
  if (args.length === 2) return (value) => of(first(value), second(value));
  if (args.length === 3) return (value) => of(first(value), second(value), third(value));
  return (value) => of(...args.map((arg) => arg(value)));
}

const isText = (value: unknown): value is string => typeof value === "string";

function constant(literal: Literal): Read {
  return () => literal;
}

function readField(path: FieldPath): Read {
  const [only] = path;
  if (only === undefined || path.length > 1) return (value) => readPath(value, path);
  return (value) => {
    if (kindOf(value) !== "map") return readPath(value, path);
    const found = Object.hasOwn(value as object, only)
      ? (value as { readonly [key: string]: unknown })[only]
      : undefined;
    return typeof found === "string" || typeof found === "number" || kindOf(found) !== "missing"
      ? found
      : undefined;
  };
}

/** NaN where the two have no order: every comparison with it is false. */
function compareOrdered(left: unknown, right: unknown): number {
  if (typeof left === "number" && typeof right === "number") return left === right ? 0 : left - right;
  const kind = kindOf(left);
  if (kind !== kindOf(right)) return Number.NaN;
  if (kind === "string") return left === right ? 0 : (left as string) < (right as string) ? -1 : 1;
  if (kind === "number" || kind === "date" || kind === "boolean") {
    const [one, other] = [Number(left), Number(right)];
    return one === other ? 0 : one - other;
  }
  return Number.NaN;
}

function contains(whole: unknown, part: unknown): boolean {
  if (isText(whole)) return isText(part) && whole.includes(part);
  return Array.isArray(whole) && kindOf(part) !== "missing" && whole.some((element) => isSame(element, part));
}

/** Dates are looked up by their time, everything else by itself: a set knows NaN, and takes -0 for 0. */
function isOneOf(read: Read, values: readonly Literal[]): Read {
  const scalars = new Set<unknown>(values.filter((value) => !(value instanceof Date)));
  const times = new Set<number>(
    values.filter((value) => value instanceof Date).map((date) => date.getTime()),
  );
  return (value) => {
    const found = read(value);
    return found instanceof Date
      ? times.has(found.getTime())
      : kindOf(found) !== "missing" && scalars.has(found);
  };
}

function firstPresent(args: readonly Read[], value: unknown): unknown {
  for (const arg of args) {
    const found = arg(value);
    if (found !== null && kindOf(found) !== "missing") return found;
  }
  return undefined;
}
