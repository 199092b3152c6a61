import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arity, type Operator } from "./expression.ts";
import { evaluate, expressionLimits, parseExpression } from "./index.ts";
import { sameKey, isSame } from "./value.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const row = {
  name: "Ada Lovelace",
  born: new Date("1815-12-10T23:30:00Z"),
  due: new Date("2024-03-31T00:30:00Z"),
  amounts: [0.1, 0.2, 0.3, "x", null],
  items: [{ net: 10, tags: ["a"] }, { net: 2.5 }, "odd"],
  tags: ["b", "a", "b"],
  n: 7,
  zero: -0,
  nan: Number.NaN,
  none: null,
  yes: true,
  bytes: new Uint8Array([1, 2]),
  bad: new Date(Number.NaN),
  huge: "x".repeat(40_000),
};

function run(text: string): unknown {
  const verdict = parseExpression(text);
  if (verdict.kind === "malformed") throw new Error(`${verdict.position}: ${verdict.message}`);
  return evaluate(verdict.expression, row);
}

const utc = (text: string): Date => new Date(text);

describe("functions", () => {
  it.each<[string, unknown]>([
    ["if(n > 5, 'big', 'small')", "big"],
    ["if(n, 'big')", undefined],
    ["kind(bytes)", "bytes"],
    ["kind(nosuch)", "missing"],
    ["n + 1 * 2 - 4 / 2 % 3", 7],
    ["n / 0", undefined],
    ["n + name", undefined],
    ["nan + 1", undefined],
    ["0 * -1", 0],
    ["-zero", 0],
    ["-7 % 4", -3],
    ["abs(-n) + floor(1.9) + ceil(1.1)", 10],
    ["week(@-271821-04-20T00:00:00Z)", 16],
    ["week(@+275760-09-13T00:00:00Z)", 37],
    ["round(1.005, 2)", 1.01],
    ["round(-2.5)", -3],
    ["round(1234.5, -2)", 1200],
    ["round(1e300, 3)", 1e300],
    ["round(5e-7, 6)", 1e-6],
    ["round(n, 1.5)", undefined],
    ["number(' -1.5e2 ')", -150],
    ["number('0x10')", undefined],
    ["number('')", undefined],
    ["number(@1970-01-01T00:00:01Z)", 1000],
    ["number(bad)", undefined],
    ["lower(name)", "ada lovelace"],
    ["upper('straße')", "STRASSE"],
    ["trim('  a ')", "a"],
    ["concat(name, ' ', n, ' ', zero, ' ', yes, none, nosuch, tags)", "Ada Lovelace 7 0 true"],
    ["concat(huge, huge)", undefined],
    ["text(1 / 4)", "0.25"],
    ["text(@2024-02-29)", "2024-02-29T00:00:00.000Z"],
    ["text(none)", undefined],
    ["substring(name, 4)", "Lovelace"],
    ["substring(name, -3, 2)", "ac"],
    ["substring(name, 2, -5)", ""],
    ["substring(name, 0.5)", undefined],
    ["replace('a.b.c', '.', '$&')", "a$&b$&c"],
    ["replace('abc', '', 'x')", "abc"],
    ["replace(huge, 'x', 'xx')", undefined],
    ["length(name) + length(tags) + length(bytes)", 17],
    ["date('2024-02-29')", utc("2024-02-29")],
    ["date('29.2.2024')", undefined],
    ["date('2024-02-29T10:00')", undefined],
    ["date(1e99)", undefined],
    ["year(born)", 1815],
    ["year(born, 'Asia/Tokyo')", 1815],
    ["day(born, 'Asia/Tokyo')", 11],
    ["hour(due, 'Europe/Berlin')", 1],
    ["hour(due, 'Nowhere/Land')", undefined],
    ["hour(due, 5)", undefined],
    ["hour(bad)", undefined],
    ["quarter(due) * 100 + month(due)", 103],
    ["week(@2021-01-03)", 53],
    ["week(@2021-01-04)", 1],
    ["weekday(@2024-03-31)", 7],
    ["minute(due) + second(due)", 30],
    ["startOf(due, 'day', 'Europe/Berlin')", utc("2024-03-30T23:00:00Z")],
    ["startOf(due, 'week')", utc("2024-03-25T00:00:00Z")],
    ["startOf(due, 'quarter', 'America/New_York')", utc("2024-01-01T05:00:00Z")],
    ["startOf(due, 'hour', 'Asia/Kolkata')", utc("2024-03-31T00:30:00Z")],
    ["startOf(due, 'fortnight')", undefined],
    // Clocks in São Paulo skipped midnight that day.
    ["startOf(@2018-11-04T12:00:00Z, 'day', 'America/Sao_Paulo')", utc("2018-11-04T03:00:00Z")],
    ["addTime(@2024-01-31, 1, 'months')", utc("2024-02-29")],
    ["addTime(@2024-02-29, -1, 'years')", utc("2023-02-28")],
    ["addTime(@2024-03-30T11:00:00Z, 1, 'days', 'Europe/Berlin')", utc("2024-03-31T10:00:00Z")],
    ["addTime(@2024-03-30T11:00:00Z, 24, 'hours', 'Europe/Berlin')", utc("2024-03-31T11:00:00Z")],
    ["addTime(due, 1e12, 'years')", undefined],
    ["addTime(due, 1.5, 'days')", undefined],
    ["timeBetween(@2024-01-31, @2024-02-29, 'months')", 1],
    ["timeBetween(@2024-01-30, @2024-02-28, 'months')", 0],
    ["timeBetween(@2024-02-29, @2020-02-29, 'years')", -4],
    ["timeBetween(@2024-03-30T23:30:00Z, @2024-03-31T22:30:00Z, 'days', 'Europe/Berlin')", 1],
    ["timeBetween(@2024-01-01, @2024-01-01T01:59:00Z, 'hours')", 1],
    ["timeBetween(due, none, 'days')", undefined],
    ["isoDate(@2024-12-31T23:30:00Z, 'Europe/Berlin')", "2025-01-01"],
    ["list(1, nosuch, none)", [1, null]],
    ["at(tags, -1)", "b"],
    ["at(tags, 9)", undefined],
    ["slice(tags, 1, 1)", ["a"]],
    ["pluck(items, 'net')", [10, 2.5]],
    ["pluck(items, 'tags.0')", ["a"]],
    ["unique(tags)", ["b", "a"]],
    ["sorted(list('b', 2, 'a', null, true, 10))", [null, true, 2, 10, "a", "b"]],
    ["split('a,b,,c', ',')", ["a", "b", "", "c"]],
    ["split(huge, 'x')", undefined],
    ["join(sorted(tags), '+')", "a+b+b"],
    ["total(amounts)", 0.6],
    ["total()", 0],
    ["total(pluck(items, 'net'), n, 'x')", 19.5],
    ["average(amounts)", 0.6 / 3],
    ["average(tags)", undefined],
    ["count(amounts, nosuch, none)", 4],
    ["min(amounts)", 0.1],
    ["max(n, 10, nan)", 10],
    ["max(born, due)", utc("2024-03-31T00:30:00Z")],
    ["min(tags)", "a"],
    ["min(none, bytes, bad)", undefined],
    ["distinct(tags, 'c', 0, zero)", 4],
    ["coalesce(nosuch, none, n)", 7],
  ])("%s", (text, expected) => {
    expect(run(text)).toStrictEqual(expected);
  });

  it("give no more than the limits, whatever they are given", () => {
    const values = fc.anything({
      withDate: true,
      withTypedArray: true,
      withBigInt: true,
      withSparseArray: true,
    });
    const argument = fc.oneof(
      values,
      fc.constantFrom(
        "day",
        "months",
        "hours",
        "Europe/Berlin",
        "UTC",
        "x".repeat(65_536),
        -1,
        1e9,
        2 ** 53,
        new Date(8.64e15),
        new Date(-8.64e15),
        new Date(0),
        new Date(Number.NaN),
      ),
      fc.array(fc.anything({ withDate: true })),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(arity) as Operator[])),
        fc.array(argument, { maxLength: 4 }),
        (op, args) => {
          const root: Record<string, unknown> = {};
          args.forEach((arg, index) => (root[`a${index}`] = arg));
          const fields = args.map((_, index) => ({ op: "field" as const, path: [`a${index}`] }));
          const found = evaluate({ op, args: fields }, root);
          if (typeof found === "number") expect(Number.isFinite(found) || args.some(Number.isNaN)).toBe(true);
          if (found instanceof Date && op !== "at")
            expect(args.includes(found) || !Number.isNaN(found.getTime())).toBe(true);
          if (typeof found === "string")
            expect(found.length).toBeLessThanOrEqual(2 * expressionLimits.textLength);
        },
      ),
      { numRuns: runsOf(3000) },
    );
  });

  it("read parts of dates as Intl does, in any zone at any time", () => {
    const zones = [
      "Europe/Berlin",
      "America/New_York",
      "Asia/Kolkata",
      "Australia/Lord_Howe",
      "Pacific/Apia",
      "America/Sao_Paulo",
      "Europe/Amsterdam",
      "UTC",
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.date({ min: new Date("0100-01-01"), max: new Date("2100-01-01"), noInvalidDate: true }),
        (zone, date) => {
          const shown = new Intl.DateTimeFormat("en-US", {
            timeZone: zone,
            hourCycle: "h23",
            year: "numeric",
            month: "numeric",
            day: "numeric",
            hour: "numeric",
            minute: "numeric",
            second: "numeric",
          }).formatToParts(date);
          for (const { type, value } of shown) {
            if (type === "literal" || !Object.hasOwn(arity, type)) continue;
            const args = [
              { op: "field" as const, path: ["d"] },
              { op: "value" as const, value: zone },
            ];
            expect(evaluate({ op: type as Operator, args }, { d: date })).toBe(Number(value));
          }
          const units = ["year", "quarter", "month", "week", "day", "hour", "minute"];
          for (const unit of units) {
            const start = run2("startOf", date, unit, zone) as Date;
            expect(start.getTime()).toBeLessThanOrEqual(date.getTime());
            expect(run2("startOf", start, unit, zone)).toEqual(start);
          }
        },
      ),
      { numRuns: runsOf(500) },
    );
  });

  it("take two values for one exactly where they are the same", () => {
    const value = fc.anything({ withDate: true, withTypedArray: true, withObjectString: true, maxDepth: 3 });
    fc.assert(
      fc.property(value, value, (one, other) => {
        expect(sameKey(one) === sameKey(other) || (Number.isNaN(one) && Number.isNaN(other))).toBe(
          isSame(one, other),
        );
        expect(Object.is(sameKey(one), sameKey(structuredClone(one)))).toBe(
          isSame(one, structuredClone(one)),
        );
      }),
      { numRuns: runsOf(2000) },
    );
  });
});

function run2(op: Operator, date: Date, unit: string, zone: string): unknown {
  const value = (of: string): { op: "value"; value: string } => ({ op: "value", value: of });
  return evaluate({ op, args: [{ op: "field", path: ["d"] }, value(unit), value(zone)] }, { d: date });
}
