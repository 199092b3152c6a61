import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findReplacement, mergeText, moveCaret } from "./text-merge.ts";

const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });

describe("findReplacement", () => {
  it("turns the one text into the other", () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const { from, to, insert } = findReplacement(before, after);
        expect(from).toBeLessThanOrEqual(to);
        expect(before.slice(0, from) + insert + before.slice(to)).toBe(after);
      }),
    );
  });
});

describe("mergeText", () => {
  it.each([
    ["hello", "hello!", "Hello", "Hello!"],
    ["hello", "Hello", "hello!", "Hello!"],
    ["ab", "axb", "ayb", "ayxb"],
    ["abcdef", "abXef", "aYf", "aYXf"],
    ["abc", "", "abcd", "d"],
    ["", "mine", "theirs", "theirsmine"],
  ])("of %j, mine %j and theirs %j is %j", (base, mine, theirs, merged) => {
    expect(mergeText(base, mine, theirs)).toBe(merged);
  });

  it("takes the only side that changed", () => {
    fc.assert(
      fc.property(text, text, (base, changed) => {
        expect(mergeText(base, changed, base)).toBe(changed);
        expect(mergeText(base, base, changed)).toBe(changed);
      }),
    );
  });

  it("loses nothing that either side inserted", () => {
    fc.assert(
      fc.property(text, fc.nat(8), fc.nat(8), fc.nat(8), fc.nat(8), (base, a, b, c, d) => {
        const edit = (mark: string, from: number, to: number): string =>
          base.slice(0, Math.min(from, to)) + mark + base.slice(Math.max(from, to));
        const merged = mergeText(base, edit("MINE", a, b), edit("THEIRS", c, d));
        expect(merged).toContain("MINE");
        expect(merged).toContain("THEIRS");
      }),
    );
  });
});

describe("moveCaret", () => {
  it.each([
    [0, "abc", "xabc", 0],
    [2, "abc", "xabc", 3],
    [1, "abc", "abcx", 1],
    [2, "abcd", "axd", 2],
    [3, "abc", "", 0],
  ])("from %i in %j to %j is %i", (caret, before, after, moved) => {
    expect(moveCaret(caret, before, after)).toBe(moved);
  });

  it("stays inside", () => {
    fc.assert(
      fc.property(text, text, fc.nat(8), (before, after, at) => {
        const moved = moveCaret(Math.min(at, before.length), before, after);
        expect(moved).toBeGreaterThanOrEqual(0);
        expect(moved).toBeLessThanOrEqual(after.length);
      }),
    );
  });
});
