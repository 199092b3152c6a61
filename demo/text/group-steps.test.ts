import type { HistoryStep, Patch } from "cofferdb";
import { expect, test } from "vitest";
import { groupSteps, typingPauseMs } from "./group-steps.ts";

const step = (atMs: number, patches: readonly Patch[], rest: Partial<HistoryStep> = {}): HistoryStep => ({
  hash: `at ${atMs}`,
  kind: "change",
  author: "olivia",
  atMs,
  parents: [],
  branch: undefined,
  patches,
  verified: true,
  ...rest,
});

const typed = (index: number, insert: string, remove = 0): Patch => ({
  op: "spliceText",
  path: ["notes"],
  index,
  remove,
  insert,
});
const set = (path: readonly (string | number)[], value: string | number): Patch => ({
  op: "set",
  path,
  value,
});

test("typing without a pause is one step, with the text that came of it", () => {
  const [only, ...rest] = groupSteps([
    step(1000, [typed(20, "a")]),
    step(1100, [typed(21, "x")]),
    step(1200, [typed(21, "", 1)]),
    step(1300, [typed(21, "nd")]),
  ]);
  expect(rest).toEqual([]);
  expect(only).toMatchObject({ hash: "at 1300", atMs: 1300, patches: [typed(20, "and")] });
});

test("a short text is told whole, and a field that is written over once", () => {
  const [only] = groupSteps([
    step(0, [set(["title"], "D")]),
    step(10, [{ op: "spliceText", path: ["title"], index: 1, remove: 0, insert: "une" }]),
    step(20, [set(["ratings", "imdb"], 7)]),
    step(30, [set(["ratings", "imdb"], 8)]),
    step(40, [{ op: "delete", path: ["ratings"] }]),
  ]);
  expect(only?.patches).toEqual([set(["title"], "Dune"), { op: "delete", path: ["ratings"] }]);
});

test("typing elsewhere in the text, or over what was there before, is told by itself", () => {
  const [only] = groupSteps([
    step(0, [typed(20, "abc")]),
    step(10, [typed(5, "x")]),
    step(20, [typed(4, "", 1)]),
  ]);
  expect(only?.patches).toEqual([typed(20, "abc"), typed(5, "x"), typed(4, "", 1)]);
});

test("a pause, another author, another branch and another deed begin a new step", () => {
  const steps = [
    step(0, [], { kind: "create" }),
    step(10, []),
    step(10 + typingPauseMs, []),
    step(20 + typingPauseMs, [], { author: "gustav" }),
    step(30 + typingPauseMs, [], { author: "gustav", branch: "draft" }),
    step(40 + typingPauseMs, [], { kind: "undo" }),
    step(50 + typingPauseMs, [], { kind: "undo" }),
    step(5, [], { kind: "change" }),
    step(4, [], { kind: "change" }),
  ];
  expect(groupSteps(steps)).toEqual(steps);
});

test("a group holds only when each of its steps does", () => {
  const [only] = groupSteps([step(0, [], { verified: false }), step(10, [])]);
  expect(only?.verified).toBe(false);
});
