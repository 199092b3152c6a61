/** Untrusted definitions of views to typed ones: any value gives a verdict, and nothing is kept of the input. */
import { field, judgeExpression, type Expression } from "../expr/index.ts";
import {
  metaFields,
  totalFunctions,
  viewLimits,
  type Column,
  type ColumnSource,
  type ViewDefinition,
} from "./definition.ts";

/** What the judgement of an untrusted definition gives. `at` names the place, such as `columns.0.of`. */
export type ViewVerdict =
  | { readonly kind: "definition"; readonly definition: ViewDefinition }
  | { readonly kind: "malformed"; readonly at: string };

/** Judge an untrusted definition. Unknown keys, names given twice and anything past the limits are malformed. */
export function parseViewDefinition(input: unknown): ViewVerdict {
  try {
    return { kind: "definition", definition: readDefinition(input) };
  } catch (cause) {
    return { kind: "malformed", at: cause instanceof Malformed ? cause.at : "" };
  }
}

/** Thrown inside this file only: where reading stopped. */
class Malformed extends Error {
  readonly at: string;
  constructor(at: string) {
    super(at);
    this.at = at;
  }
}

function readDefinition(input: unknown): ViewDefinition {
  const fields = readRecord(input, "", ["columns", "filter", "documents", "uncategorised", "locale"]);
  const { columns, filter, documents = "before", uncategorised = "last", locale } = fields;
  if (!Array.isArray(columns) || columns.length === 0 || columns.length > viewLimits.columns)
    throw new Malformed("columns");
  const read = Array.from(columns as readonly unknown[]).map((column, index) =>
    readColumn(column, `columns.${index}`),
  );
  const names = new Set<string>();
  for (const [index, { name }] of read.entries()) {
    if (names.has(name)) throw new Malformed(`columns.${index}.name`);
    names.add(name);
  }
  return {
    columns: read,
    filter: filter === undefined ? undefined : readExpression(filter, "filter"),
    documents: oneOf(documents, ["before", "after"], "documents"),
    uncategorised: oneOf(uncategorised, ["first", "last", "hidden"], "uncategorised"),
    locale: locale === undefined ? undefined : readLocale(locale),
  };
}

const columnKeys = [
  "role",
  "name",
  "field",
  "expr",
  "meta",
  "order",
  "separator",
  "isHidden",
  "total",
] as const;

function readColumn(input: unknown, at: string): Column {
  const fields = readRecord(input, at, columnKeys);
  const { order = "asc", separator = "\\", isHidden = false } = fields;
  const role = oneOf(fields.role, ["category", "sorted", "display", "total"], `${at}.role`);
  const name = readText(fields.name, `${at}.name`, viewLimits.nameLength);
  if (role === "total") {
    const total = oneOf(fields.total, totalFunctions, `${at}.total`);
    const isWhole = fields.field === "*" && fields.expr === undefined && fields.meta === undefined;
    if (isWhole && total !== "count") throw new Malformed(`${at}.field`);
    return { role, name, of: isWhole ? undefined : readSource(fields, name, at), total };
  }
  const of = readSource(fields, name, at);
  if (role === "display") return { role, name, of };
  const direction = oneOf(order, ["asc", "desc"], `${at}.order`);
  if (role === "sorted") {
    if (typeof isHidden !== "boolean") throw new Malformed(`${at}.isHidden`);
    return { role, name, of, order: direction, isHidden };
  }
  const cut = separator === null ? null : readText(separator, `${at}.separator`, viewLimits.nameLength);
  if (cut === "") throw new Malformed(`${at}.separator`);
  return { role, name, of, order: direction, separator: cut };
}

function readSource(
  { field: path, expr, meta }: { readonly field?: unknown; readonly expr?: unknown; readonly meta?: unknown },
  name: string,
  at: string,
): ColumnSource {
  if (expr !== undefined && meta !== undefined) throw new Malformed(`${at}.meta`);
  if (meta !== undefined) return { meta: oneOf(meta, metaFields, `${at}.meta`) };
  if (expr !== undefined) return { expr: readExpression(expr, `${at}.expr`) };
  const text = path === undefined ? name : readText(path, `${at}.field`, viewLimits.nameLength);
  return { expr: readExpression(field(text), `${at}.field`) };
}

function readExpression(input: unknown, at: string): Expression {
  const verdict = judgeExpression(input);
  if (verdict.kind === "malformed") throw new Malformed(verdict.at === "" ? at : `${at}.${verdict.at}`);
  return verdict.expression;
}

function readLocale(input: unknown): string {
  const locale = readText(input, "locale", viewLimits.nameLength);
  try {
    Intl.getCanonicalLocales(locale);
  } catch {
    throw new Malformed("locale");
  }
  return locale;
}

function oneOf<const T extends string>(input: unknown, of: readonly T[], at: string): T {
  const found = of.find((one) => one === input);
  if (found === undefined) throw new Malformed(at);
  return found;
}

function readText(input: unknown, at: string, longest: number): string {
  if (typeof input !== "string" || input.length > longest) throw new Malformed(at);
  return input;
}

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
