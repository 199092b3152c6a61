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

test("a file comes by its name, grows, and goes; what it is made of is not told", () => {
  const patches = [
    { op: "set", path: ["$file:abc"], value: { v: 1, name: "poster.png", parts: [] } },
    { op: "set", path: ["$file:abc", "type"], value: "image/png" },
    { op: "splice", path: ["$file:abc", "parts"], index: 1, remove: 0, values: [new Uint8Array(1)] },
    { op: "delete", path: ["$file:abc"] },
    { op: "set", path: ["$file:def"], value: {} },
    { op: "set", path: ["$other"], value: 1 },
  ] as const;
  expect(describePatches({ kind: "change", patches })).toEqual([
    "“poster.png” added",
    "A file grew",
    "A file taken out",
    "A file added",
  ]);
});
