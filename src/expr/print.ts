/** Write expressions as text: the one form that reading gives back as it was, see text-form.ts. */
import type { Expression, FieldPath, Literal, Operator } from "./expression.ts";
import { isDigits, isPlainName } from "./tokens.ts";
import { words } from "./words.ts";

/** How tightly a form binds its operands: what binds less than its place asks for gets parentheses. */
const binding = { either: 0, both: 1, inverse: 2, comparison: 3, sum: 4, product: 5, sign: 6, primary: 7 };

const signs = new Map<Operator, readonly [sign: string, binds: number]>([
  ...[...words.comparisons].map(([sign, op]) => [op, [sign, binding.comparison]] as const),
  ...[...words.sums].map(([sign, op]) => [op, [sign, binding.sum]] as const),
  ...[...words.products].map(([sign, op]) => [op, [sign, binding.product]] as const),
]);

/** Write an expression as text. */
export function printExpression(expression: Expression): string {
  return print(expression, binding.either);
}

function print(expression: Expression, least: number): string {
  const [text, binds] = printForm(expression);
  return binds < least ? `(${text})` : text;
}

function printForm(expression: Expression): readonly [text: string, binds: number] {
  if (expression.op === "value") return printValue(expression.value);
  if (expression.op === "field") return [printPath(expression.path), binding.primary];
  const { args, op } = expression;
  const [first, second] = args;
  if (op === "in") {
    const values = expression.values.map((value) => printLiteral(value)).join(", ");
    return [`${first === undefined ? "" : print(first, binding.sum)} in (${values})`, binding.comparison];
  }
  if ((op === "and" || op === "or") && args.length > 1) {
    const binds = op === "and" ? binding.both : binding.either;
    return [args.map((arg) => print(arg, binds + 1)).join(` ${op} `), binds];
  }
  if (first !== undefined && args.length === 1 && op === "not")
    return [`not ${print(first, binding.inverse)}`, binding.inverse];
  if (first !== undefined && args.length === 1 && op === "negate") {
    // In front of a number the sign would become the number's own.
    const isNumber = first.op === "value" && typeof first.value === "number";
    return [isNumber ? `-(${print(first, 0)})` : `-${print(first, binding.sign)}`, binding.sign];
  }
  const between = args.length === 2 ? signs.get(op) : undefined;
  if (between !== undefined && first !== undefined && second !== undefined) {
    const [sign, binds] = between;
    // Comparisons do not chain; sums and products do, from the left.
    const left = print(first, binds === binding.comparison ? binds + 1 : binds);
    return [`${left} ${sign} ${print(second, binds + 1)}`, binds];
  }
  return [`${op}(${args.map((arg) => print(arg, 0)).join(", ")})`, binding.primary];
}

function printValue(value: Literal): readonly [text: string, binds: number] {
  const text = printLiteral(value);
  return [text, text.startsWith("-") ? binding.sign : binding.primary];
}

function printLiteral(value: Literal): string {
  if (typeof value === "string") return `'${value.replaceAll("'", "''")}'`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "@invalid" : `@${value.toISOString()}`;
  if (typeof value !== "number") return String(value);
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-infinity" : "infinity";
  return Object.is(value, -0) ? "-0" : String(value);
}

function printPath(path: FieldPath): string {
  return path
    .map((step, index) => {
      const isPlain = isPlainName(step) && !(index === 0 && words.reserved.has(step));
      return isPlain || (index > 0 && isDigits(step)) ? step : `\`${step.replaceAll("`", "``")}\``;
    })
    .join(".");
}
