import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPatches, diffValues, shareStructure, type DocValue, type Patch } from "./index.ts";
import { runsOf } from "../std/runs-fixtures.ts";

type Fields = { readonly [key: string]: DocValue };

const frozen = (value: unknown): Fields => shareStructure<unknown>(undefined, value) as Fields;
const diff = (before: unknown, after: unknown): readonly Patch[] =>
  diffValues({ v: before as DocValue }, { v: after as DocValue });

const keys = fc.constantFrom("a", "b", "c", "__proto__", "constructor", "", "0", "a/b");
const texts = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.constantFrom("👍👎", "👍", "x".repeat(40)),
);
const { fields } = fc.letrec<{ fields: Fields; value: DocValue }>((tie) => ({
  fields: fc
    .array(fc.tuple(keys, tie("value")), { maxLength: 4 })
    .map((entries) => Object.fromEntries(entries) as Fields),
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(
      texts,
      fc.integer({ min: 0, max: 3 }),
      fc.constantFrom(null, true, Number.NaN),
      fc.integer({ min: 0, max: 2 }).map((ms) => new Date(ms)),
      fc.uint8Array({ maxLength: 2 }),
    ),
    tie("fields"),
    fc.array(tie("value"), { maxLength: 5 }),
  ),
}));

/** Two versions of one document: the second keeps some branches of the first, as readings do. */
const versions = fc
  .tuple(fields, fields, fc.infiniteStream(fc.nat({ max: 5 })))
  .map(([before, other, choices]) => {
    const start = frozen(before);
    return [start, shareStructure(start, frozen(mixed(start, other, choices)))] as const;
  });

function mixed(before: DocValue, other: DocValue, choices: Iterator<number>): DocValue {
  const choice = choices.next().value as number;
  if (choice === 0) return other;
  if (typeof before === "string" && choice < 3) return `${before.slice(0, 8)}${choice}${before.slice(8)}`;
  if (Array.isArray(before)) {
    const list = before.map((item) => mixed(item, other, choices));
    if (choice === 1) list.splice(1, 1);
    if (choice === 2) list.splice(1, 0, other);
    return list;
  }
  if (Object.prototype.toString.call(before) !== "[object Object]") return before;
  const entries = Object.entries(before as Fields).map(([key, item]) => [key, mixed(item, other, choices)]);
  return Object.fromEntries(choice === 1 ? entries.slice(1) : entries) as Fields;
}

/** Every branch of `after` that no patch leads into or above is the very one of `before`. */
function expectShared(before: DocValue, after: DocValue, patches: readonly Patch[], depth: number): void {
  if (typeof before !== "object" || before === null) return;
  if (patches.length === 0) return expect(after).toBe(before) as unknown as void;
  if (patches.some(({ path }) => path.length <= depth)) return; // a list that was spliced
  expect(Object.isFrozen(after)).toBe(true);
  for (const [key, item] of Object.entries(before as Fields)) {
    const inside = patches.filter(({ path }) => String(path[depth]) === key);
    if (inside.some(({ path, op }) => path.length === depth + 1 && op !== "splice")) continue;
    expectShared(item, (after as Fields)[key] ?? null, inside, depth + 1);
  }
}

function expectDeepFrozen(value: DocValue): void {
  if (typeof value !== "object" || value === null || value instanceof Date || value instanceof Uint8Array)
    return;
  expect(Object.isFrozen(value)).toBe(true);
  for (const item of Object.values(value)) expectDeepFrozen(item as DocValue);
}

describe("diffValues and applyPatches", () => {
  it("bring any version to any other, and leave alone what is the same in both", () => {
    fc.assert(
      fc.property(versions, ([before, after]) => {
        const patches = structuredClone(diffValues(before, after));
        const applied = applyPatches(before, patches);
        expect(applied).toEqual(after);
        expect(JSON.stringify(applied)).toBe(JSON.stringify(after)); // and the same order of keys
        expectShared(before, applied, patches, 0);
        expectDeepFrozen(applied);
        expect(diffValues(after, structuredClone(after))).toEqual([]);
        expect(diffValues(after, after)).toEqual([]);
        expect(Object.getPrototypeOf(applied)).toBe(Object.prototype);
      }),
      { numRuns: runsOf(1000) },
    );
  });

  it("follow patches of any order and place, each on what those before it left", () => {
    const before = frozen({ list: [{ n: 1 }, { n: 2 }], text: "abc", keep: { k: 1 } });
    const after = applyPatches(before, [
      { op: "splice", path: ["list"], index: 0, remove: 1, values: [{ n: 7 }, [1]] },
      { op: "set", path: ["list", 0, "n"], value: 8 },
      { op: "splice", path: ["list", 1], index: 1, remove: 0, values: [2] },
      { op: "set", path: ["list", 2, "in"], value: {} },
      { op: "set", path: ["list", 2, "in", "__proto__"], value: "own" },
      { op: "spliceText", path: ["text"], index: 1, remove: 1, insert: "BB" },
      { op: "delete", path: ["none"] },
      { op: "mark", path: ["text"], range: { start: 0, end: 1 }, name: "bold", value: true },
      { op: "unmark", path: ["text"], range: { start: 0, end: 1 }, name: "bold" },
    ]);
    const own: unknown = JSON.parse('{"__proto__":"own"}');
    expect(after).toEqual({
      list: [{ n: 8 }, [1, 2], { n: 2, in: own }],
      text: "aBBc",
      keep: { k: 1 },
    });
    expect(after.keep).toBe(before.keep);
    expect(before.list).toEqual([{ n: 1 }, { n: 2 }]);
    expectDeepFrozen(after);
  });

  it("give the same object when nothing but marks is told", () => {
    const before = frozen({ a: 1 });
    const bold = { path: ["a"], range: { start: 0, end: 1 }, name: "b" } as const;
    expect(applyPatches(before, [])).toBe(before);
    expect(applyPatches(before, [{ op: "unmark", ...bold }])).toBe(before);
  });

  it("say texts by the stretch that differs, never through a character", () => {
    const long = "x".repeat(50);
    const path = ["v"];
    expect(diff(`${long}👍${long}`, `${long}👎${long}`)).toEqual([
      { op: "spliceText", path, index: 50, remove: 2, insert: "👎" },
    ]);
    // U+1F44D and U+1F84D share their last half
    expect(diff(`${long}\u{1f44d}${long}`, `${long}\u{1f84d}${long}`)).toEqual([
      { op: "spliceText", path, index: 50, remove: 2, insert: "\u{1f84d}" },
    ]);
    expect(diff(long, `${long}x`)).toEqual([{ op: "spliceText", path, index: 50, remove: 0, insert: "x" }]);
    expect(diff(`${long}aa`, `${long}a`)).toEqual([
      { op: "spliceText", path, index: 51, remove: 1, insert: "" },
    ]);
    expect(diff("short", "shore")).toEqual([{ op: "set", path, value: "shore" }]);
  });

  it("say lists by what came and went, or by what changed inside", () => {
    const path = ["v"];
    expect(diff([{ a: 1 }, { b: 1 }], [{ a: 1 }, { b: 2 }])).toEqual([
      { op: "set", path: ["v", 1, "b"], value: 2 },
    ]);
    expect(diff([1, 2, 3], [1, 9, 3])).toEqual([{ op: "set", path: ["v", 1], value: 9 }]);
    expect(diff([1, 2, 3, 4], [1, 9, 8, 4])).toEqual([
      { op: "splice", path, index: 1, remove: 2, values: [9, 8] },
    ]);
    expect(diff([1, [2], 3], [1, [2], 4, 3])).toEqual([
      { op: "splice", path, index: 2, remove: 0, values: [4] },
    ]);
    expect(diff([1, 1, 1], [1, 1])).toEqual([{ op: "splice", path, index: 2, remove: 1, values: [] }]);
    expect(diff([], [])).toEqual([]);
    expect(diff([new Date(1)], [new Date(2)])).toEqual([{ op: "set", path: ["v", 0], value: new Date(2) }]);
    expect(diff([1], { 0: 1 })).toEqual([{ op: "set", path, value: { 0: 1 } }]);
  });

  it("take long lists and many patches", () => {
    const list = Array.from({ length: 50_000 }, (_, index) => index);
    const before = frozen({ list: [] });
    const after = frozen({ list });
    expect(applyPatches(before, diffValues(before, after))).toEqual(after);
    const sets = list.map((index): Patch => ({ op: "set", path: ["list", index], value: -index }));
    expect(applyPatches(after, sets).list).toEqual(list.map((index) => -index));
  });
});
