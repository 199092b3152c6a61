import { expect, test } from "vitest";
import { describeKind, describePatches } from "./describe-step.ts";

test("each patch has its words", () => {
  const patches = [
    { op: "set", path: ["ratings", "imdb"], value: 8.1 },
    { op: "spliceText", path: ["title"], index: 0, remove: 0, insert: "The " },
    { op: "spliceText", path: ["notes"], index: 4, remove: 1, insert: "" },
    { op: "splice", path: ["tags"], index: 0, remove: 0, values: ["seen"] },
    { op: "delete", path: ["runtimeMinutes"] },
  ] as const;
  expect(describePatches({ kind: "change", patches })).toEqual([
    "Imdb: 8.1",
    "Title: “The ” typed",
    "Notes: a letter removed",
    "Tags: “seen” added",
    "and 1 more",
  ]);
  expect(describePatches({ kind: "change", patches: patches.slice(4) })).toEqual(["Runtime minutes cleared"]);
});

test("typing over, lists and empty values have their words", () => {
  const patches = [
    { op: "spliceText", path: ["notes"], index: 4, remove: 3, insert: "new" },
    { op: "splice", path: ["tags"], index: 0, remove: 1, values: [] },
    { op: "set", path: ["tags"], value: [] },
    { op: "set", path: ["tags"], value: ["a", "b"] },
  ] as const;
  expect(describePatches({ kind: "change", patches })).toEqual([
    "Notes: “new” typed over 3 letters",
    "Tags: 1 entry removed",
    "Tags: empty",
    "Tags: 2 entries",
  ]);
});

test("a new document is not spelled out, and what is not a person's is left out", () => {
  expect(
    describePatches({ kind: "create", patches: [{ op: "set", path: ["title"], value: "Dune" }] }),
  ).toEqual([]);
  expect(describePatches({ kind: "change", patches: [{ op: "set", path: ["$version"], value: 2 }] })).toEqual(
    [],
  );
  expect(describeKind("undelete")).toBe("restored it");
});

test("long texts are cut, never inside a letter", () => {
  const [line] = describePatches({
    kind: "change",
    patches: [{ op: "set", path: ["notes"], value: `${"x".repeat(39)}😀${"y".repeat(40)}` }],
  });
  expect(line?.isWellFormed()).toBe(true);
  expect(line?.length).toBeLessThan(60);
});
