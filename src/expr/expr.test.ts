import { describe, expect, it } from "vitest";
import {
  and,
  coalesce,
  compileFilter,
  contains,
  createComparator,
  day,
  endsWith,
  eq,
  evaluate,
  exists,
  expressionLimits,
  field,
  gt,
  gte,
  isIn,
  length,
  lower,
  lt,
  lte,
  matches,
  month,
  neq,
  not,
  or,
  parseDefinition,
  judgeExpression,
  startsWith,
  value,
  year,
  type Expression,
} from "./index.ts";

const ada = {
  name: "Ada Lovelace",
  born: new Date(Date.UTC(1815, 11, 10)),
  tags: ["maths", "poetry"],
  address: { city: "London", "post.code": "SW1" },
  age: 36,
  alive: false,
  email: null,
  key: new Uint8Array([1, 2, 3]),
};

describe("evaluate", () => {
  it.each<[string, Expression, unknown]>([
    ["a field", field("name"), "Ada Lovelace"],
    ["a field below", field("address.city"), "London"],
    ["a key with a dot", field(["address", "post.code"]), "SW1"],
    ["an element", field("tags.1"), "poetry"],
    ["a path through nothing", field("nobody.city"), undefined],
    ["a path through a text", field("name.length"), undefined],
    ["the length of a list as a field", field("tags.length"), undefined],
    ["a prototype's key", field("constructor.name"), undefined],
    ["eq", eq("address.city", "London"), true],
    ["eq of a date", eq("born", new Date(Date.UTC(1815, 11, 10))), true],
    ["eq of null", eq("email", null), true],
    ["missing is not null", eq("phone", null), false],
    ["neq of a missing field", neq("status", "done"), true],
    ["eq of structures", eq("address", field("address")), true],
    ["lt", lt("age", 37), true],
    ["lte", lte("age", 36), true],
    ["gt", gt("name", "Abacus"), true],
    ["gte of dates", gte("born", new Date(0)), false],
    [
      "no order between kinds",
      or(lt("age", "40"), gt("age", "40"), lte("age", "40"), gte("age", "40")),
      false,
    ],
    ["no order with a missing field", or(lt("due", 5), gte("due", 5)), false],
    ["and", and(eq("age", 36), not(eq("alive", true))), true],
    ["and of nothing", and(), true],
    ["or of nothing", or(), false],
    ["only true is true", and(field("age")), false],
    ["not of what is missing", not("phone"), true],
    ["exists", exists("email"), true],
    ["exists not", exists("phone"), false],
    ["contains in a text", contains(lower("name"), "love"), true],
    ["contains in a list", contains("tags", "poetry"), true],
    ["contains of the wrong kind", contains("age", "3"), false],
    ["startsWith", startsWith("name", "Ada"), true],
    ["endsWith", endsWith("name", "lace"), true],
    ["isIn", isIn("address.city", ["Paris", "London"]), true],
    ["isIn of dates", isIn("born", [new Date(Date.UTC(1815, 11, 10))]), true],
    ["isIn of what is missing", isIn("phone", [null]), false],
    ["length of a list", length("tags"), 2],
    ["length of bytes", length("key"), 3],
    ["year", year("born"), 1815],
    ["month", month("born"), 12],
    ["day", day("born"), 10],
    ["year of a text", year("name"), undefined],
    ["coalesce", coalesce("phone", field("email"), "none"), "none"],
    ["a literal", value(5), 5],
  ])("%s", (_name, expression, expected) => {
    expect(evaluate(expression, ada)).toEqual(expected);
    expect(matches(expression, ada)).toBe(expected === true);
    expect(compileFilter(expression)(ada)).toBe(expected === true);
  });

  it("reads an own key named as a prototype's", () => {
    const hostile = JSON.parse('{"__proto__": {"isAdmin": true}, "constructor": 5}') as object;
    expect(evaluate(field("__proto__.isAdmin"), hostile)).toBe(true);
    expect(evaluate(field("constructor"), hostile)).toBe(5);
    expect(evaluate(field("__proto__.isAdmin"), {})).toBeUndefined();
  });

  it("takes what lies too deep as missing", () => {
    let deep: Expression = value(true);
    for (let level = 0; level < 100_000; level += 1) deep = { op: "and", args: [deep] };
    expect(evaluate(deep, {})).toBe(false);
  });

  it("passes everything without a filter", () => {
    expect(compileFilter(undefined)({})).toBe(true);
  });
});

describe("createComparator", () => {
  const sorted = (values: readonly unknown[], order?: "asc" | "desc"): unknown[] =>
    values
      .map((of) => ({ of }))
      .sort(createComparator([order === undefined ? { field: "of" } : { field: "of", order }], "en"))
      .map((row) => row.of);

  it("orders kinds", () => {
    const one = new Date(1);
    expect(sorted([{}, [1], "a", one, 2, Number.NaN, true, false, null, undefined])).toEqual([
      null,
      false,
      true,
      Number.NaN,
      2,
      one,
      "a",
      [1],
      {},
      undefined,
    ]);
  });

  it("keeps what is missing last in both directions", () => {
    expect(sorted([undefined, 1, 2])).toEqual([1, 2, undefined]);
    expect(sorted([undefined, 1, 2], "desc")).toEqual([2, 1, undefined]);
  });

  it("orders texts as a reader would", () => {
    expect(sorted(["file 10", "éclair", "File 9", "zebra", "eclair"])).toEqual([
      "eclair",
      "éclair",
      "File 9",
      "file 10",
      "zebra",
    ]);
    expect(["z", "ä", "a"].sort(createComparatorOfTexts("sv"))).toEqual(["a", "z", "ä"]);
    expect(["z", "ä", "a"].sort(createComparatorOfTexts("de"))).toEqual(["a", "ä", "z"]);
  });

  it("never takes two different texts for one", () => {
    expect(createComparatorOfTexts("en")("\u00e9", "e\u0301")).not.toBe(0);
  });

  it("decides by the next key when the first ties", () => {
    const rows = [
      { city: "Oslo", name: "B", at: { n: 1 } },
      { city: "Bergen", name: "A", at: { n: 2 } },
      { city: "Oslo", name: "A", at: { n: 3 } },
    ];
    const order = createComparator([
      { field: "city", order: "desc" },
      { field: "at.n", order: "desc" },
    ]);
    expect(rows.sort(order).map((row) => row.at.n)).toEqual([3, 1, 2]);
  });
});

function createComparatorOfTexts(locale: string): (left: string, right: string) => number {
  const compare = createComparator([{ field: "of" }], locale);
  return (left, right) => compare({ of: left }, { of: right });
}

describe("parseDefinition", () => {
  it("reads all that can be asked, expressions as text too", () => {
    const asked = {
      filter: "a = 1",
      locale: "de-de",
      after: { keys: [undefined, { a: 1 }, [1], new Uint8Array(2)].slice(0, 1), id: "x" },
      select: ["a", "b.c"],
      distinct: true,
      group: { by: { x: "a" }, totals: { n: { fn: "count" }, s: { fn: "sum", of: "a" } } },
    };
    expect(parseDefinition(asked)).toEqual({
      kind: "definition",
      definition: {
        filter: eq("a", 1),
        sort: [],
        locale: "de-DE",
        offset: 0,
        after: { keys: [undefined], id: "x" },
        select: [
          { name: "a", of: field("a") },
          { name: "b.c", of: field("b.c") },
        ],
        distinct: true,
        group: {
          by: [{ name: "x", of: field("a") }],
          totals: [
            { name: "n", fn: "count" },
            { name: "s", fn: "sum", of: field("a") },
          ],
        },
      },
    });
  });

  it.each([
    [{ filter: "a = " }, { at: "filter", position: 4, message: "a value is missing" }],
    [{ locale: "no_such" }, { at: "locale" }],
    [{ distinct: 1 }, { at: "distinct" }],
    [{ after: { keys: [], id: "x" } }, { at: "after.keys" }],
    [{ sort: [{ field: "a" }], after: { keys: [() => 1], id: "x" } }, { at: "after.keys.0" }],
    [{ select: [] }, { at: "select" }],
    [{ select: { x: 1 } }, { at: "select.x" }],
    [{ select: new Date() }, { at: "select" }],
    [{ group: { totals: { x: { fn: "median", of: "a" } } } }, { at: "group.totals.x.fn" }],
    [{ group: { totals: { x: { fn: "sum" } } } }, { at: "group.totals.x.fn" }],
    [{ group: { by: { x: "(" } } }, { at: "group.by.x", position: 1, message: "a value is missing" }],
  ])("refuses %j", (asked, verdict) => {
    expect(parseDefinition(asked)).toEqual({ kind: "malformed", ...verdict });
  });

  it("reads what the builders write", () => {
    const filter = and(
      eq("type", "task"),
      isIn("status", ["open", null]),
      gt("due", new Date(5)),
      not(exists("closed")),
    );
    const definition = { filter, sort: [{ field: "due", order: "desc" }, { field: ["a.b"] }], limit: 50 };
    expect(parseDefinition(definition)).toEqual({
      kind: "definition",
      definition: { ...definition, offset: 0, distinct: false },
    });
  });

  it("keeps nothing of its input", () => {
    const due = new Date(5);
    const verdict = judgeExpression(value(due));
    due.setTime(6);
    expect(verdict).toEqual({ kind: "expression", expression: value(new Date(5)) });
  });

  it.each<[unknown, string]>([
    [null, ""],
    [[], ""],
    [{ where: 1 }, ""],
    [{ filter: { op: "constructor", args: [] } }, "filter.op"],
    [{ filter: { op: "eq", args: [field("a")] } }, "filter.args"],
    [{ filter: { op: "not", args: [{ op: "field", path: [] }] } }, "filter.args.0.path"],
    [{ filter: { op: "field", path: ["a", 1] } }, "filter.path"],
    [{ filter: { op: "value", value: {} } }, "filter.value"],
    [{ filter: { op: "value" } }, "filter.value"],
    [{ filter: { op: "in", args: [field("a")], values: [[]] } }, "filter.values.0"],
    [{ filter: { op: "eq", args: [field("a"), value(1)], run: "x" } }, "filter"],
    [{ sort: [{ field: "a", order: "up" }] }, "sort.0.order"],
    [{ sort: [{}] }, "sort.0.field"],
    [{ sort: Array.from({ length: expressionLimits.sortKeys + 1 }, () => ({ field: "a" })) }, "sort"],
    [{ limit: -1 }, "limit"],
    [{ limit: 1.5 }, "limit"],
    [{ offset: "1" }, "offset"],
  ])("refuses %j at %s", (input, at) => {
    expect(parseDefinition(input)).toEqual({ kind: "malformed", at });
  });

  it("refuses what is too deep or too large", () => {
    let deep: Expression = value(true);
    for (let level = 0; level <= expressionLimits.depth; level += 1) deep = not(deep);
    expect(judgeExpression(deep).kind).toBe("malformed");
    const wide = and(...Array.from({ length: 200 }, () => or(eq("a", 1), eq("b", 2))));
    expect(judgeExpression(wide).kind).toBe("malformed");
    expect(judgeExpression(value("x".repeat(expressionLimits.textLength + 1))).kind).toBe("malformed");
  });
});
