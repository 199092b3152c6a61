import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arity, expressionLimits, type Expression, type Literal, type Operator } from "./expression.ts";
import { evaluate, judgeExpression, parseExpression, printExpression } from "./index.ts";
import { words } from "./words.ts";

const runs = Number(process.env["COFFER_RUNS"] ?? 1000);
const step = fc.oneof(
  fc.constantFrom(
    "a",
    "status",
    "and",
    "not",
    "null",
    "nan",
    "total",
    "0",
    "17",
    "01",
    "",
    "a b",
    "`",
    "``",
    "ä",
    "$x",
    "x.y",
    "'",
  ),
  fc.string({ maxLength: 6 }),
);
const literal: fc.Arbitrary<Literal> = fc.oneof(
  fc.constantFrom(
    null,
    true,
    false,
    -0,
    0,
    Number.NaN,
    Infinity,
    -Infinity,
    1e21,
    5e-324,
    -1.5,
    "'",
    "''",
    "it's",
  ),
  fc.double(),
  fc.integer(),
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.date({ noInvalidDate: false }),
);
const expression: fc.Arbitrary<Expression> = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    literal.map((of): Expression => ({ op: "value", value: of })),
    fc.array(step, { minLength: 1, maxLength: 3 }).map((path): Expression => ({ op: "field", path })),
    fc
      .tuple(tie("expression"), fc.array(literal, { maxLength: 4 }))
      .map(([of, values]): Expression => ({ op: "in", args: [of], values })),
    fc
      .constantFrom(...(Object.keys(arity) as Operator[]))
      .chain((op) =>
        fc
          .array(tie("expression"), { minLength: arity[op][0], maxLength: Math.min(4, arity[op][1]) })
          .map((args): Expression => ({ op, args })),
      ),
  ),
})).expression;

const word = fc.constantFrom(
  "(",
  ")",
  ",",
  ".",
  "+",
  "-",
  "*",
  "/",
  "%",
  "=",
  "!=",
  "<",
  "<=",
  "in",
  "and",
  "or",
  "not",
  "'a'",
  "`b`",

  "1",
  "2.5",
  "nan",
  "null",
  "true",
  "@2024-01-01",
  "@x",
  "name",
  "total",
  "if",
  "exists",
  " ",
  "'",
  "`",
  "#",
  ...words.reserved,
);

describe("the text form", () => {
  it("reads what is printed as the same expression", () => {
    fc.assert(
      fc.property(expression, (of) => {
        expect(judgeExpression(of).kind).toBe("expression");
        const text = printExpression(of);
        expect(parseExpression(text)).toStrictEqual({ kind: "expression", expression: of });
      }),
      { numRuns: runs },
    );
  });

  it("gives a verdict for any text, and one form for what it accepts, which says the same", () => {
    const text = fc.oneof(
      fc.array(word, { maxLength: 30 }).map((list) => list.join(" ")),
      fc.array(word, { maxLength: 30 }).map((list) => list.join("")),
      fc.string({ unit: "binary" }),
      expression.chain((of) => {
        const printed = printExpression(of);
        return fc
          .tuple(fc.nat(printed.length), fc.nat(3), fc.string({ maxLength: 2 }))
          .map(([at, cut, put]) => printed.slice(0, at) + put + printed.slice(at + cut));
      }),
    );
    fc.assert(
      fc.property(text, (of) => {
        const verdict = parseExpression(of);
        if (verdict.kind === "malformed") {
          expect(verdict.message).not.toBe("");
          expect(verdict.position).toBeGreaterThanOrEqual(0);
          expect(verdict.position).toBeLessThanOrEqual(of.length);
          return;
        }
        expect(judgeExpression(verdict.expression).kind).toBe("expression");
        const printed = printExpression(verdict.expression);
        expect(parseExpression(printed)).toStrictEqual(verdict);
      }),
      { numRuns: runs * 2 },
    );
  });

  it.each([
    "status = 'open' and total(amount) > 100",
    "a and b or not c and d",
    "(a or b) and c",
    "a - (b - c) - d",
    "-a * -(5) + -5",
    "(a = b) = c",
    "not exists(a.b.0.`c d`)",
    "kind(a) in ('list', 'map', null, -1, nan)",
    "and() or and(a)",
    "if(due < @2024-02-29T00:00:00.000Z, 'late', 'it''s fine')",
    "year(closed, 'Europe/Berlin') = 2024 and pluck(items, 'price.net') != list()",
  ])("prints %s as it was written", (text) => {
    const verdict = parseExpression(text);
    expect(verdict.kind === "expression" && printExpression(verdict.expression)).toBe(text);
  });

  it.each([
    ["", 0, "a value is missing"],
    ["a =", 3, "a value is missing"],
    ["a = b = c", 6, "something after the end"],
    ["nosuch(a)", 0, 'there is no function "nosuch"'],
    ["toString(a)", 0, 'there is no function "toString"'],
    ["lower()", 0, "lower takes 1 arguments"],
    ["a and and b", 6, '"and" in a wrong place'],
    ["x = 'open", 4, "a quote that is never closed"],
    ["a # b", 2, "a character that has no meaning here"],
    ["a in (b)", 6, "a literal is missing"],
    ["1e999", 0, "a number that is too large"],
    ["@2024-13-45", 0, "no date: @2024-02-29 or @2024-02-29T12:00:00Z"],
    ["a.", 2, "a name is missing"],
    ["(a", 2, '")" is missing'],
  ])("says where and why %j is refused", (text, position, message) => {
    expect(parseExpression(text)).toEqual({ kind: "malformed", position, message });
  });

  it("is bounded: neither nesting nor length nor number of parts throws or takes long", () => {
    const hostile = [
      "(".repeat(1e6),
      "not ".repeat(1e6),
      "-".repeat(1e6) + "a",
      "a".repeat(1e6),
      "1".repeat(1e6),
      "'".repeat(1e6 + 1),
      "`".repeat(1e6 + 1),
      " ".repeat(1e6),
      "@".repeat(1e5),
      "abs(".repeat(1e5),
      Array.from({ length: 1e5 }, () => "a").join(" + "),
      Array.from({ length: 1e5 }, () => "a").join(" or "),
      `a in (${"1,".repeat(1e5)}1)`,
      Array.from({ length: 1e5 }, () => "a").join("."),
    ];
    for (const text of hostile) expect(parseExpression(text).kind).toBe("malformed");
    const deepest = "abs(".repeat(expressionLimits.depth) + "a" + ")".repeat(expressionLimits.depth);
    expect(parseExpression(deepest).kind).toBe("expression");
    expect(parseExpression(`abs(${deepest})`)).toMatchObject({
      kind: "malformed",
      message: "nested too deeply",
    });
    expect(evaluate({ op: "field", path: ["a"] }, undefined)).toBeUndefined();
  });
});
