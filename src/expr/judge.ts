/**
 * Untrusted definitions to typed ones. Any value gives a verdict, in time bounded by the limits; nothing is
 * kept of the input.
 */
import {
  arity,
  fieldPath,
  expressionLimits as limits,
  type Expression,
  type Literal,
  type Operator,
  type SortKey,
} from "./expression.ts";
import { parseExpression } from "./text-form.ts";
import { kindOf } from "./value.ts";

/** A query as plain data. */
export interface Definition {
  readonly filter: Expression | undefined;
  readonly sort: readonly SortKey[];
  /** a BCP 47 tag, by which texts sort; without it the reader's own */
  readonly locale: string | undefined;
  readonly limit: number | undefined;
  readonly offset: number;
  /** only what comes after this place in the order */
  readonly after: Cursor | undefined;
  /** what a row shows; without it all of the document */
  readonly select: readonly Named[] | undefined;
  /** rows that show the same are one: the first */
  readonly distinct: boolean;
  readonly group: Grouping | undefined;
}

/** A computed value and its name. */
export interface Named {
  readonly name: string;
  readonly of: Expression;
}

/** Groups of rows, and what is computed of each. */
export interface Grouping {
  readonly by: readonly Named[];
  readonly totals: readonly GroupTotal[];
}

/** A total of a group; without `of` a count of its rows. */
export interface GroupTotal {
  readonly name: string;
  readonly fn: TotalFunction;
  readonly of: Expression | undefined;
}

/** What can be computed of a group. */
export type TotalFunction = (typeof totalFunctions)[number];
const totalFunctions = ["sum", "average", "count", "min", "max", "distinct"] as const;

/** A place in an order: the sort keys of a row, and its id. Lists, maps and bytes, which have no order, stand empty. */
export interface Cursor {
  readonly keys: readonly unknown[];
  readonly id: string;
}

/** What the judgement of an untrusted definition gives. `at` names the place, such as `filter.args.0.op`. */
export type DefinitionVerdict =
  | { readonly kind: "definition"; readonly definition: Definition }
  | MalformedVerdict;

/** `position` and `message` where an expression was written as text. */
export interface MalformedVerdict {
  readonly kind: "malformed";
  readonly at: string;
  readonly position?: number;
  readonly message?: string;
}

/** What the judgement of an untrusted expression gives. */
export type ExpressionVerdict =
  | { readonly kind: "expression"; readonly expression: Expression }
  | MalformedVerdict;

/**
 * Judge an untrusted query definition. Unknown keys, operators over their arity and anything past the limits
 * are malformed.
 */
export function parseDefinition(input: unknown): DefinitionVerdict {
  return judge(() => ({ kind: "definition", definition: readDefinition(input) }));
}

/** Judge an untrusted expression. */
export function judgeExpression(input: unknown): ExpressionVerdict {
  return judge(() => ({
    kind: "expression",
    expression: readExpression(input, "", { depth: 0, nodes: { left: limits.nodes } }),
  }));
}

/** Thrown inside this file only: where reading stopped. */
class Malformed extends Error {
  readonly verdict: MalformedVerdict;
  constructor(at: string, text?: { readonly position: number; readonly message: string }) {
    super(at);
    this.verdict = { kind: "malformed", at, ...text };
  }
}

function judge<T>(read: () => T): T | MalformedVerdict {
  try {
    return read();
  } catch (cause) {
    return cause instanceof Malformed ? cause.verdict : { kind: "malformed", at: "" };
  }
}

/** Read an expression in either form: as data, or as text. */
function readEither(input: unknown, at: string): Expression {
  if (typeof input !== "string")
    return readExpression(input, at, { depth: 0, nodes: { left: limits.nodes } });
  const verdict = parseExpression(input);
  if (verdict.kind === "expression") return verdict.expression;
  throw new Malformed(at, { position: verdict.position, message: verdict.message });
}

const definitionKeys = [
  ...(["filter", "sort", "locale", "limit", "offset"] as const),
  ...(["after", "select", "distinct", "group"] as const),
] as const;

function readDefinition(input: unknown): Definition {
  const read = readRecord(input, "", definitionKeys);
  const { after, distinct, filter, group, limit, locale, offset, select, sort } = read;
  if (distinct !== undefined && typeof distinct !== "boolean") throw new Malformed("distinct");
  const keys = sort === undefined ? [] : readList(sort, "sort", [0, limits.sortKeys]);
  return {
    filter: filter === undefined ? undefined : readEither(filter, "filter"),
    sort: keys.map((key, index) => readSortKey(key, `sort.${index}`)),
    locale: locale === undefined ? undefined : readLocale(locale),
    limit: limit === undefined ? undefined : readCount(limit, "limit"),
    offset: offset === undefined ? 0 : readCount(offset, "offset"),
    after: after === undefined ? undefined : readCursor(after, Math.max(1, keys.length)),
    select: select === undefined ? undefined : readSelect(select),
    distinct: distinct === true,
    group: group === undefined ? undefined : readGrouping(group),
  };
}

function readLocale(input: unknown): string {
  const locale = readText(input, "locale", limits.keyLength);
  try {
    return Intl.getCanonicalLocales(locale)[0] ?? locale;
  } catch {
    throw new Malformed("locale");
  }
}

function readCursor(input: unknown, keyCount: number): Cursor {
  const { id, keys } = readRecord(input, "after", ["keys", "id"]);
  return {
    id: readText(id, "after.id", limits.keyLength),
    keys: readList(keys, "after.keys", [keyCount, keyCount]).map(readCursorKey),
  };
}

function readCursorKey(key: unknown, index: number): unknown {
  if (key === undefined) return undefined;
  const kind = kindOf(key);
  if (kind === "bytes") return new Uint8Array(0);
  if (kind === "list") return [];
  return kind === "map" ? {} : readLiteral(key, `after.keys.${index}`);
}

/** Fields by their paths, or named expressions. */
function readSelect(input: unknown): readonly Named[] {
  if (!Array.isArray(input)) return readNamed(input, "select");
  return readList(input, "select", [1, limits.columns]).map((field, index) => {
    const name = readText(field, `select.${index}`, limits.keyLength);
    return { name, of: { op: "field", path: fieldPath(name) } };
  });
}

function readNamed(input: unknown, at: string): readonly Named[] {
  return readFields(input, at).map(([name, of]) => ({ name, of: readEither(of, `${at}.${name}`) }));
}

function readFields(input: unknown, at: string): readonly (readonly [name: string, value: unknown])[] {
  if (kindOf(input) !== "map") throw new Malformed(at);
  const fields = Object.entries(input as object) as [string, unknown][];
  if (fields.length > limits.columns || fields.some(([name]) => name.length > limits.keyLength))
    throw new Malformed(at);
  return fields;
}

function readGrouping(input: unknown): Grouping {
  const { by, totals } = readRecord(input, "group", ["by", "totals"]);
  return {
    by: by === undefined ? [] : readNamed(by, "group.by"),
    totals: readFields(totals ?? {}, "group.totals").map(([name, total]) => {
      const at = `group.totals.${name}`;
      const { fn, of } = readRecord(total, at, ["fn", "of"]);
      const known = totalFunctions.find((one) => one === fn);
      if (known === undefined || (of === undefined && known !== "count")) throw new Malformed(`${at}.fn`);
      return { name, fn: known, of: of === undefined ? undefined : readEither(of, `${at}.of`) };
    }),
  };
}

function readSortKey(input: unknown, at: string): SortKey {
  const { field, order } = readRecord(input, at, ["field", "order"]);
  const path =
    typeof field === "string"
      ? readText(field, `${at}.field`, limits.keyLength)
      : readPathSteps(field, `${at}.field`);
  if (order !== undefined && order !== "asc" && order !== "desc") throw new Malformed(`${at}.order`);
  return order === undefined ? { field: path } : { field: path, order };
}

interface Budget {
  readonly depth: number;
  readonly nodes: { left: number };
}

function readExpression(input: unknown, at: string, budget: Budget): Expression {
  if (budget.depth > limits.depth || budget.nodes.left <= 0) throw new Malformed(at);
  budget.nodes.left -= 1;
  const { op, value, path, args, values } = readRecord(input, at, ["op", "value", "path", "args", "values"]);
  if (op === "value") return { op, value: readLiteral(value, join(at, "value")) };
  if (op === "field") return { op, path: readPathSteps(path, join(at, "path")) };
  const below = { depth: budget.depth + 1, nodes: budget.nodes };
  if (op === "in") {
    const [of] = readList(args, join(at, "args"), [1, 1]);
    const list = readList(values, join(at, "values"), [0, limits.literals]);
    return {
      op,
      args: [readExpression(of, join(at, "args.0"), below)],
      values: list.map((literal, index) => readLiteral(literal, join(at, `values.${index}`))),
    };
  }
  if (!isOperator(op)) throw new Malformed(join(at, "op"));
  const list = readList(args, join(at, "args"), arity[op]);
  return { op, args: list.map((arg, index) => readExpression(arg, join(at, `args.${index}`), below)) };
}

const join = (at: string, key: string): string => (at === "" ? key : `${at}.${key}`);

const isOperator = (op: unknown): op is Operator => typeof op === "string" && Object.hasOwn(arity, op);

function readRecord<K extends string>(
  input: unknown,
  at: string,
  known: readonly K[],
): { readonly [key in K]?: unknown } {
  if (typeof input !== "object" || input === null || Array.isArray(input)) throw new Malformed(at);
  const found: { [key in K]?: unknown } = {};
  for (const key of Object.keys(input)) {
    const name = known.find((one) => one === key);
    if (name === undefined) throw new Malformed(at);
    found[name] = (input as { readonly [key in K]?: unknown })[name];
  }
  return found;
}

function readList(input: unknown, at: string, [fewest, most]: readonly [number, number]): readonly unknown[] {
  if (!Array.isArray(input) || input.length < fewest || input.length > most) throw new Malformed(at);
  return Array.from(input as readonly unknown[]);
}

function readPathSteps(input: unknown, at: string): readonly string[] {
  return readList(input, at, [1, limits.pathSteps]).map((step) => readText(step, at, limits.keyLength));
}

function readText(input: unknown, at: string, longest: number): string {
  if (typeof input !== "string" || input.length > longest) throw new Malformed(at);
  return input;
}

function readLiteral(input: unknown, at: string): Literal {
  if (input === null || typeof input === "boolean" || typeof input === "number") return input;
  if (typeof input === "string") return readText(input, at, limits.textLength);
  if (input instanceof Date) return new Date(input.getTime());
  throw new Malformed(at);
}

function readCount(input: unknown, at: string): number {
  if (typeof input !== "number" || !Number.isSafeInteger(input) || input < 0) throw new Malformed(at);
  return input;
}
