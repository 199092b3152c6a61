import fc from "fast-check";
import { expect, test } from "vitest";
import { columnNames, columnOf, groupNames } from "./columns.ts";
import { formatCategory, formatCell } from "./format-cell.ts";

test.each([
  ["worldwideUsd", 766_812_167, "sum", "$767M"],
  ["imdb", 6.25, "average", "6.3"],
  ["rottenTomatoes", 71.4, "average", "71 %"],
  ["runtimeMinutes", 112.4, "average", "112"],
  ["votes", 12_345_678, "sum", "12.3M"],
  ["votes", 12_345, "none", "12,345"],
  ["year", 1999, "none", "1999"],
  ["director", 321, "distinct", "321"],
  ["director", "Akira Kurosawa", "none", "Akira Kurosawa"],
  ["films", 3201, "none", "3,201"],
] as const)("%s: %s is %s", (name, value, how, text) => {
  expect(formatCell(name, value, how)).toBe(text);
});

test("of what others may have written, nothing strange is shown", () => {
  fc.assert(
    fc.property(fc.constantFrom(...columnNames), fc.anything(), (name, value) => {
      for (const how of columnOf(name).totals) expect(typeof formatCell(name, value, how)).toBe("string");
    }),
  );
  expect(formatCell("imdb", "6.5", "average")).toBe("");
  expect(formatCell("worldwideUsd", Number.NaN, "sum")).toBe("");
  expect(formatCell("director", { of: "nobody" }, "none")).toBe("");
});

test("categories have names, also those of which nothing is known", () => {
  expect(formatCategory("decade", 1990)).toBe("1990s");
  expect(formatCategory("genre", "Drama")).toBe("Drama");
  for (const name of groupNames) expect(formatCategory(name, null)).toMatch(/unknown|^No/);
});
