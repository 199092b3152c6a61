import { describe, expect, it } from "vitest";
import fc from "fast-check";
import type { DocSnapshot } from "../../worker/api.ts";
import { applyPatches, type DocValue } from "../draft/index.ts";
import { isNews, updateOf } from "./told.ts";

type Fields = { readonly [key: string]: DocValue };

const shown = (value: Fields | undefined): DocSnapshot => ({
  value,
  heads: ["aa"],
  status: "ready",
  lastChange: { author: "a", atMs: 1 },
  branches: ["draft"],
});

describe("what a page is told", () => {
  it("leads from what it was told last to what is there now", () => {
    const fields = fc.dictionary(
      fc.constantFrom("a", "b", "c"),
      fc.oneof(
        fc.string(),
        fc.integer(),
        fc.array(fc.string(), { maxLength: 4 }),
        fc.dictionary(fc.string(), fc.string()),
      ),
    );
    fc.assert(
      fc.property(fields, fields, (before, now) => {
        const update = updateOf(shown(before), shown(now));
        const value = "patches" in update ? applyPatches(before, update.patches) : update.value;
        expect(value).toEqual(now);
        const { heads, status, lastChange, branches } = shown(now);
        expect(update).toMatchObject({ heads, status, lastChange, branches });
      }),
    );
  });

  it("is the whole where there is no value on either side", () => {
    expect(updateOf(undefined, shown({ a: 1 }))).toEqual(shown({ a: 1 }));
    expect(updateOf(shown(undefined), shown({ a: 1 }))).toEqual(shown({ a: 1 }));
    expect(updateOf(shown({ a: 1 }), shown(undefined))).toEqual(shown(undefined));
  });

  it("is the whole where patches would be more, and patches where they are less", () => {
    const long = "x".repeat(10_000);
    const list = Array.from({ length: 100 }, (_, index) => ({ text: `${index}${long.slice(0, 100)}` }));
    const other = list.map(({ text }) => ({ text: text.split("").reverse().join("") }));
    expect("patches" in updateOf(shown({ list }), shown({ list: other }))).toBe(false);
    const grown = { list, long, n: 1 };
    expect("patches" in updateOf(shown({ list, long, n: 0 }), shown(grown))).toBe(true);
    expect("patches" in updateOf(shown({ list, n: 0 }), shown({ list, n: 0, long }))).toBe(true);
  });

  it("is nothing where nothing changed", () => {
    const value = { a: 1 };
    expect(isNews(shown(value), shown(value))).toBe(false);
    expect(isNews(undefined, shown(value))).toBe(true);
    for (const news of [
      { value: { a: 1 } },
      { heads: ["bb"] },
      { status: "deleted" as const },
      { branches: [] },
      { lastChange: { author: "a", atMs: 2 } },
    ])
      expect(isNews(shown(value), { ...shown(value), ...news })).toBe(true);
  });
});
