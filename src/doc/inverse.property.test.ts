/** Taking back: alone it restores the version before, and nothing that others wrote is lost. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { DocValue, DraftOperation } from "../draft/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import type { DocEngine } from "./doc.ts";
import { randomEdits, RandomHistory, randomSteps, textOf, type OperationFilter } from "./history-fixtures.ts";

const numRuns = Number(process.env.COFFER_RUNS ?? 200);
let engine: DocEngine;
beforeAll(async () => {
  engine = await loadEngine();
});

describe("the inverse of an edit", () => {
  it("restores the version before where nobody else wrote, marks included, and taken back itself it restores the edit", () => {
    fc.assert(
      fc.property(randomSteps, randomEdits, (steps, edits) => {
        const history = new RandomHistory(engine);
        history.run(steps);
        const doc = history.doc(0);
        const before = doc.value;
        const marksBefore = allMarks(doc.value, (path) => doc.marks(path));
        const edit = history.edit(0, edits);
        fc.pre(edit !== undefined);
        const edited = doc.value;
        const marksEdited = allMarks(doc.value, (path) => doc.marks(path));
        const undone = history.replay(0, doc.inverse(edit.before, edit.after), edit.after);
        expect(doc.value).toEqual(before);
        expect(allMarks(doc.value, (path) => doc.marks(path))).toEqual(marksBefore);
        history.replay(0, doc.inverse(edit.after, undone), undone);
        expect(doc.value).toEqual(edited);
        expect(allMarks(doc.value, (path) => doc.marks(path))).toEqual(marksEdited);
        history.close();
      }),
      { numRuns },
    );
  });
});

describe("the inverse of an edit among others'", () => {
  it("shows what would be there without it, where it wrote, inserted and counted", () => {
    fc.assert(
      fc.property(randomSteps, randomEdits, randomEdits, fc.nat(2), (steps, edits, theirs, more) => {
        const history = new RandomHistory(engine);
        history.run(steps);
        for (const [person, other] of [
          [0, 1],
          [0, 2],
          [1, 0],
          [2, 0],
        ] as const)
          history.hear(person, other);
        const edit = history.edit(0, edits, history.doc(0).heads, plainly);
        fc.pre(edit !== undefined);
        for (let i = 0; i <= more; i++) history.edit(1 + (i % 2), theirs);
        history.hear(1, 2);
        history.hear(0, 1);
        const doc = history.doc(0);
        history.replay(0, doc.inverse(edit.before, edit.after), edit.after);
        expect(doc.value).toEqual(history.doc(1).value);
        history.close();
      }),
      { numRuns },
    );
  });
});

describe("the inverse of an edit that others went on from", () => {
  it("takes nothing of theirs away, in fields, texts, lists and what is in them", () => {
    fc.assert(
      fc.property(randomSteps, randomEdits, fc.nat(), (steps, edits, at) => {
        const history = new RandomHistory(engine);
        history.run(steps);
        const edit = history.edit(0, edits);
        fc.pre(edit !== undefined);
        history.hear(1, 0);
        const { t, lm, m } = history.doc(1).value;
        const later: DraftOperation[] = [{ op: "set", path: ["n"], value: 12_345 }];
        if (typeof t === "string" && !/[\ud800-\udfff]/.test(t))
          later.push({ op: "spliceText", path: ["t"], index: at % (t.length + 1), remove: 0, insert: "§" });
        if (Array.isArray(lm)) {
          const list: readonly DocValue[] = lm;
          list.forEach((_, index) => later.push({ op: "set", path: ["lm", index, "mine"], value: at }));
          later.push({ op: "splice", path: ["lm"], index: at % (list.length + 1), remove: 0, values: [at] });
        }
        if (m !== undefined) later.push({ op: "set", path: ["m", "mine"], value: at });
        history.replay(1, later);
        const theirs = history.doc(1).value;
        history.hear(0, 1);
        const doc = history.doc(0);
        history.replay(0, doc.inverse(edit.before, edit.after), edit.after);
        expect(doc.value.n).toBe(12_345);
        const isMarked = (t: DocValue | undefined): boolean => t !== undefined && textOf(t).includes("§");
        expect(isMarked(doc.value.t)).toBe(isMarked(theirs.t));
        if (m !== undefined) expect(doc.value.m).toHaveProperty("mine", at);
        if (Array.isArray(lm)) {
          const after = doc.value.lm as readonly DocValue[];
          expect(after).toContain(at);
          const isTheirs = (element: DocValue): boolean => Object.hasOwn(Object(element) as object, "mine");
          expect(after.filter(isTheirs).length).toBe(
            (theirs.lm as readonly DocValue[]).filter(isTheirs).length,
          );
        }
        history.close();
      }),
      { numRuns },
    );
  });
});

/** Leave out what makes a copy when it is taken back, and marks. */
const plainly: OperationFilter = (operation, found) => {
  const isPart =
    Array.isArray(found) ||
    (typeof found === "object" && found !== null && Object.getPrototypeOf(found) === Object.prototype);
  const last = operation.path.at(-1);
  const isCopied =
    isPart ||
    typeof found === "string" ||
    (typeof last === "string" ? last : String(operation.path.at(-2))).includes("c");
  switch (operation.op) {
    case "set":
      return found === undefined || !isCopied;
    case "delete":
      return !isCopied;
    case "splice":
    case "spliceText":
      return operation.remove === 0;
    case "increment":
      return true;
    default:
      return false;
  }
};

type Path = (string | number)[];
function allMarks(value: unknown, marks: (path: Path) => readonly unknown[], path: Path = []): unknown[] {
  if (typeof value === "string") {
    try {
      return [path, marks(path)];
    } catch {
      return [];
    }
  }
  if (typeof value !== "object" || value === null || value instanceof Date || value instanceof Uint8Array)
    return [];
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, inner]) => allMarks(inner, marks, [...path, Array.isArray(value) ? Number(key) : key]));
}
