/**
 * Expressions as text: `status = 'open' and total(amount) > 100`.
 *
 * ```
 *   either      = both ("or" both)*
 *   both        = inverse ("and" inverse)*
 *   inverse     = "not" inverse | comparison
 *   comparison  = sum (("=" | "!=" | "<" | "<=" | ">" | ">=") sum | "in" "(" literals ")")?
 *   sum         = product (("+" | "-") product)*
 *   product     = sign (("*" | "/" | "%") sign)*
 *   sign        = "-" sign | primary
 *   primary     = literal | field | function "(" arguments ")" | "(" either ")"
 *   field       = (name | quoted) ("." (name | digits | quoted))*
 * ```
 *
 * Functions are the operators of expression.ts by their names, every one of them. A name before a parenthesis is a function; the words
 * `and or not in true false null nan infinity` are no fields unless they are quoted.
 *
 * Guarantees: what `printExpression` writes, `parseExpression` reads as the same expression; printing what was read gives one form for
 * all texts of one expression. Any text gives a verdict, in time proportional to its length.
 */
import {
  arity,
  expressionLimits as limits,
  type Expression,
  type Literal,
  type Operator,
} from "./expression.ts";
import { Malformed } from "./malformed.ts";
import { words } from "./words.ts";
import { readToken, type Token } from "./tokens.ts";

/** What reading a text gives; `position` counts UTF-16 units from its beginning. */
export type TextVerdict =
  | { readonly kind: "expression"; readonly expression: Expression }
  | { readonly kind: "malformed"; readonly position: number; readonly message: string };

/** Read an expression from its text. Never throws. */
export function parseExpression(text: string): TextVerdict {
  try {
    if (typeof text !== "string") throw new Malformed(0, "no text");
    const reader = new Reader(text);
    const { expression } = readEither(reader);
    if (reader.token.kind !== "end") throw new Malformed(reader.token.at, "something after the end");
    return { kind: "expression", expression };
  } catch (cause) {
    if (!(cause instanceof Malformed)) throw cause;
    return { kind: "malformed", position: cause.position, message: cause.message };
  }
}

/** How deep parentheses and signs may stand in one another: an expression of the greatest depth needs no more. */
const deepest = 4 * limits.depth;

/** An expression with its depth. */
interface Node {
  readonly expression: Expression;
  readonly depth: number;
}

class Reader {
  readonly source: string;
  token: Token;
  #nodesLeft: number = limits.nodes;
  #nesting = 0;

  constructor(source: string) {
    this.source = source;
    this.token = readToken(source, 0);
  }

  next(isStep = false): Token {
    const { token } = this;
    this.token = readToken(this.source, token.end, isStep);
    return token;
  }

  isSign(text: string): boolean {
    return this.token.kind === "sign" && this.token.text === text;
  }

  isWord(text: string): boolean {
    return this.token.kind === "name" && this.token.text === text;
  }

  /** Read a sign, if it stands here. */
  take(text: string): boolean {
    if (!this.isSign(text)) return false;
    this.next();
    return true;
  }

  expect(text: string): void {
    if (!this.take(text)) throw new Malformed(this.token.at, `"${text}" is missing`);
  }

  /** Go one level deeper while `read` runs. */
  within<T>(read: () => T): T {
    this.#nesting += 1;
    if (this.#nesting > deepest) throw new Malformed(this.token.at, "nested too deeply");
    const found = read();
    this.#nesting -= 1;
    return found;
  }

  leaf(expression: Expression, at: number): Node {
    this.#nodesLeft -= 1;
    if (this.#nodesLeft < 0) throw new Malformed(at, "too many parts");
    return { expression, depth: 0 };
  }

  node(op: Operator, args: readonly Node[], at: number): Node {
    const [fewest, most] = arity[op];
    if (args.length < fewest || args.length > most) {
      const count = fewest === most ? `${fewest}` : `${fewest} to ${most}`;
      throw new Malformed(at, `${op} takes ${count} arguments`);
    }
    return this.above({ op, args: args.map(({ expression }) => expression) }, args, at);
  }

  above(expression: Expression, args: readonly Node[], at: number): Node {
    const depth = 1 + Math.max(-1, ...args.map((arg) => arg.depth));
    if (depth > limits.depth) throw new Malformed(at, "nested too deeply");
    this.leaf(expression, at);
    return { expression, depth };
  }
}

function readEither(reader: Reader): Node {
  return readChain(reader, "or", () => readChain(reader, "and", () => readInverse(reader)));
}

/** `a and b and c` is one `and` of three. */
function readChain(reader: Reader, op: "and" | "or", readOne: () => Node): Node {
  const { at } = reader.token;
  const args = [readOne()];
  while (reader.isWord(op)) {
    reader.next();
    args.push(readOne());
  }
  const [only] = args;
  return args.length === 1 && only !== undefined ? only : reader.node(op, args, at);
}

function readInverse(reader: Reader): Node {
  if (!reader.isWord("not")) return readComparison(reader);
  const { at } = reader.next();
  return reader.within(() => reader.node("not", [readInverse(reader)], at));
}

function readComparison(reader: Reader): Node {
  const left = readSum(reader);
  const { token } = reader;
  if (reader.isWord("in")) {
    reader.next();
    const values = readLiterals(reader);
    return reader.above({ op: "in", args: [left.expression], values }, [left], token.at);
  }
  const op = token.kind === "sign" ? words.comparisons.get(token.text) : undefined;
  if (op === undefined) return left;
  reader.next();
  return reader.node(op, [left, readSum(reader)], token.at);
}

function readSum(reader: Reader): Node {
  return readOperators(reader, words.sums, () =>
    readOperators(reader, words.products, () => readSigned(reader)),
  );
}

function readOperators(reader: Reader, ops: ReadonlyMap<string, Operator>, readOne: () => Node): Node {
  let left = readOne();
  for (;;) {
    const { token } = reader;
    const op = token.kind === "sign" ? ops.get(token.text) : undefined;
    if (op === undefined) return left;
    reader.next();
    left = reader.node(op, [left, readOne()], token.at);
  }
}

function readSigned(reader: Reader): Node {
  if (!reader.isSign("-")) return readPrimary(reader);
  const { at } = reader.next();
  const number = readNumber(reader.token);
  if (number !== undefined) {
    reader.next();
    return reader.leaf({ op: "value", value: -number }, at);
  }
  return reader.within(() => reader.node("negate", [readSigned(reader)], at));
}

function readPrimary(reader: Reader): Node {
  const { token } = reader;
  const literal = readLiteral(token);
  if (literal !== undefined) {
    reader.next();
    return reader.leaf({ op: "value", value: literal }, token.at);
  }
  if (reader.take("(")) {
    const inner = reader.within(() => readEither(reader));
    reader.expect(")");
    return inner;
  }
  if (token.kind === "quoted") return readField(reader);
  if (token.kind !== "name") throw new Malformed(token.at, "a value is missing");
  const after = readToken(reader.source, token.end);
  if (after.kind === "sign" && after.text === "(") return readCall(reader, token.text);
  if (words.reserved.has(token.text)) throw new Malformed(token.at, `"${token.text}" in a wrong place`);
  return readField(reader);
}

function readCall(reader: Reader, name: string): Node {
  const { at } = reader.next();
  if (!Object.hasOwn(arity, name)) throw new Malformed(at, `there is no function "${name}"`);
  reader.expect("(");
  const args: Node[] = [];
  if (!reader.isSign(")")) {
    do args.push(reader.within(() => readEither(reader)));
    while (reader.take(","));
  }
  reader.expect(")");
  return reader.node(name as Operator, args, at);
}

function readField(reader: Reader): Node {
  const { at } = reader.token;
  const path: string[] = [];
  for (;;) {
    const { token } = reader;
    if (token.kind !== "name" && token.kind !== "quoted") throw new Malformed(token.at, "a name is missing");
    if (token.text.length > limits.keyLength) throw new Malformed(token.at, "a name that is too long");
    path.push(token.text);
    if (path.length > limits.pathSteps) throw new Malformed(token.at, "a path that is too long");
    reader.next();
    if (!reader.isSign(".")) return reader.leaf({ op: "field", path }, at);
    reader.next(true);
  }
}

/** A literal in one word; `undefined` when the word is none. */
function readLiteral(token: Token): Literal | undefined {
  if (token.kind === "text") {
    if (token.text.length > limits.textLength) throw new Malformed(token.at, "a text that is too long");
    return token.text;
  }
  if (token.kind === "date") return token.date;
  if (token.kind === "name" && words.constants.has(token.text)) return words.constants.get(token.text);
  return readNumber(token);
}

function readNumber(token: Token): number | undefined {
  if (token.kind === "number") return token.number;
  if (token.kind === "name" && token.text === "nan") return Number.NaN;
  return token.kind === "name" && token.text === "infinity" ? Number.POSITIVE_INFINITY : undefined;
}

function readLiterals(reader: Reader): readonly Literal[] {
  const values: Literal[] = [];
  reader.expect("(");
  if (!reader.isSign(")")) {
    do {
      if (values.length >= limits.literals) throw new Malformed(reader.token.at, "too many values");
      const isNegative = reader.take("-");
      const { token } = reader;
      const literal = isNegative ? negated(readNumber(token)) : readLiteral(token);
      if (literal === undefined) throw new Malformed(token.at, "a literal is missing");
      reader.next();
      values.push(literal);
    } while (reader.take(","));
  }
  reader.expect(")");
  return values;
}

const negated = (of: number | undefined): number | undefined => (of === undefined ? undefined : -of);
