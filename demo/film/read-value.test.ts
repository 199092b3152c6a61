import fc from "fast-check";
import { expect, test } from "vitest";
import { numberOf, readAt, readTypedNumber, textOf, textsOf } from "./read-value.ts";

test("whatever a document holds, a text, a number and a list can be read", () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      expect(typeof textOf(value)).toBe("string");
      expect(textsOf(value).every((item) => typeof item === "string")).toBe(true);
      expect([undefined, value]).toContain(numberOf(value));
      readAt(value, ["a", "b"]);
    }),
  );
});

test("a path leads through own keys only", () => {
  expect(readAt({ ratings: { imdb: 8 } }, ["ratings", "imdb"])).toBe(8);
  expect(readAt({}, ["constructor", "name"])).toBeUndefined();
  expect(readAt({ ratings: "none" }, ["ratings", "imdb"])).toBeUndefined();
});

test.each([
  ["8.5", { kind: "number", number: 8.5 }],
  [" 1,234 ", { kind: "number", number: 1234 }],
  ["", { kind: "empty" }],
  ["abc", { kind: "wrong", why: "This is not a number." }],
  ["99999", { kind: "wrong", why: "It must be between 0 and 10000." }],
])("typed %s is read", (typed, outcome) => {
  expect(readTypedNumber(typed, { min: 0, max: 10_000 })).toStrictEqual(outcome);
});
