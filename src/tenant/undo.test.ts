import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToId } from "../std/index.ts";
import type { AcceptedEntry } from "./catalog.ts";
import { causalOrder } from "./entry-order.ts";
import { encodeNote, takenOf, type Note } from "./note.ts";
import { countSteps, nextStep, readStacks } from "./undo.ts";

const hashOf = (n: number): string => n.toString(16).padStart(4, "0").repeat(16);

interface Made {
  readonly deps?: readonly number[];
  readonly note?: Note;
  readonly atMs?: number;
  readonly isEmpty?: boolean;
  readonly by?: number;
  readonly isDelete?: boolean;
}

/** Entries on top of a creation; each stands on the one before unless it says otherwise. Positions name authors. */
function history(made: readonly Made[]): readonly AcceptedEntry[] {
  return [{ by: 9 }, ...made].map((one: Made, index): AcceptedEntry => {
    const { deps = index === 0 ? [] : [index - 1], note, atMs = index * 10, isEmpty = false, by = 1 } = one;
    return {
      position: by,
      entryIndex: 0,
      entryHash: bytesToId("EntryHash", new Uint8Array(32).fill(index)),
      changeHash: hashOf(index),
      dependencies: deps,
      entryType: index === 0 ? "doc_create" : one.isDelete === true ? "doc_delete" : "doc_change",
      actor: "aa",
      seq: index,
      note: note === undefined ? "" : encodeNote(note),
      atMs,
      isEmpty,
    };
  });
}

const stacks = (made: readonly Made[]) => readStacks(history(made), ({ position }) => position === 1);
const undoOf = (last: number, count = 1): Note => ({ undo: takenOf(hashOf(last), count) });
const redoOf = (last: number, count = 1): Note => ({ redo: takenOf(hashOf(last), count) });
const next = (made: readonly Made[], isRedo = false, groupMs = 0) =>
  nextStep(stacks(made), { isRedo, groupMs });

describe("the undo stack", () => {
  it("holds the user's own edits, and no creation, deletion, join, mark or merge", () => {
    const made: Made[] = [
      {},
      { by: 2 },
      { isEmpty: true },
      { isDelete: true, isEmpty: true },
      { note: { branch: "a" }, isEmpty: true },
      { note: { merge: "a" }, isEmpty: true },
      {},
    ];
    expect(countSteps(stacks(made), 0)).toEqual({ undo: 2, redo: 0 });
    expect(next(made)).toMatchObject({ before: [hashOf(6)], after: [hashOf(7)], note: undoOf(7) });
  });

  it("ignores what others say of the user's edits, and names that are none of theirs", () => {
    const made: Made[] = [{}, { by: 2, note: undoOf(1) }, { note: undoOf(2) }, { note: redoOf(1) }];
    expect(countSteps(stacks(made), 0)).toEqual({ undo: 1, redo: 0 });
  });

  it("takes back what was made again by what made it", () => {
    const made: Made[] = [{}, { note: undoOf(1) }, { note: redoOf(1) }];
    expect(countSteps(stacks(made), 0)).toEqual({ undo: 1, redo: 0 });
    expect(next(made)).toMatchObject({ before: [hashOf(2)], after: [hashOf(3)], note: undoOf(1) });
    expect(next(made.slice(0, 2), true)).toMatchObject({ before: [hashOf(1)], after: [hashOf(2)] });
  });

  it("empties the redo stack at a new edit", () => {
    expect(countSteps(stacks([{}, {}, { note: undoOf(2) }, {}]), 0)).toEqual({ undo: 2, redo: 0 });
  });

  it("groups edits that follow each other soon, each upon the last alone", () => {
    const made: Made[] = [{ atMs: 10 }, { atMs: 20 }, { atMs: 200 }, { atMs: 210 }, { atMs: 215 }];
    expect(countSteps(stacks(made), 50)).toEqual({ undo: 2, redo: 0 });
    expect(next(made, false, 50)).toMatchObject({
      before: [hashOf(2)],
      after: [hashOf(5)],
      note: undoOf(5, 3),
    });
    const crossed: Made[] = [{}, { by: 2, deps: [0] }, { deps: [1, 2] }];
    expect(countSteps(stacks(crossed), 50)).toEqual({ undo: 2, redo: 0 });
  });

  it("takes edits for apart that a clock which went back makes seem so", () => {
    const made: Made[] = [{ atMs: 900_000 }, { atMs: 1000 }, { atMs: 998 }];
    expect(countSteps(stacks(made), 0)).toEqual({ undo: 3, redo: 0 });
    expect(next(made)).toMatchObject({ before: [hashOf(2)], after: [hashOf(3)], note: undoOf(3) });
    expect(countSteps(stacks(made), 50)).toEqual({ undo: 2, redo: 0 });
    expect(next(made, false, 50)).toMatchObject({ before: [hashOf(1)], note: undoOf(3, 2) });
  });

  it("groups those that are less than the pause apart, and no others, whatever the clock did", () => {
    const times = fc.array(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.nat(2 ** 41)), { minLength: 1 });
    fc.assert(
      fc.property(times, fc.constantFrom(0, 1, 100, 60_000), (atMs, groupMs) => {
        const made = atMs.map((ms): Made => ({ atMs: ms }));
        const isApart = (ms: number, index: number): boolean =>
          index === 0 || !(Math.abs(ms - (atMs[index - 1] ?? 0)) < groupMs);
        expect(countSteps(stacks(made), groupMs).undo).toBe(atMs.filter(isApart).length);
        const lastGroup = atMs.length - atMs.findLastIndex(isApart);
        expect(next(made, false, groupMs)?.note).toEqual(undoOf(atMs.length, lastGroup));
      }),
    );
  });

  it("keeps a group together that was taken back together", () => {
    const made: Made[] = [{}, {}, {}, { note: undoOf(3, 2) }];
    expect(countSteps(stacks(made), 0)).toEqual({ undo: 1, redo: 1 });
    expect(next(made, true)).toMatchObject({ before: [hashOf(3)], after: [hashOf(4)], note: redoOf(3, 2) });
    expect(countSteps(stacks([...made, { note: redoOf(3, 2) }]), 0)).toEqual({ undo: 2, redo: 0 });
  });

  it("counts the same step of two devices at the same time once, and makes both again", () => {
    const made: Made[] = [{}, { note: undoOf(1) }, { note: undoOf(1), deps: [1] }];
    expect(countSteps(stacks(made), 0)).toEqual({ undo: 0, redo: 1 });
    expect(next(made, true)?.after.toSorted()).toEqual([hashOf(2), hashOf(3)]);
    expect(next(made, true)?.before).toEqual([hashOf(1)]);
  });

  it("takes what an undo restored back with what it belongs to", () => {
    const made: Made[] = [{}, {}, { note: undoOf(2) }];
    expect(next(made)?.wide).toEqual({ after: [hashOf(3)], others: [] });
    const crossed: Made[] = [{}, { by: 2 }, {}, { note: undoOf(3) }];
    expect(next(crossed)?.wide?.others.map(({ changeHash }) => changeHash)).toEqual([hashOf(2)]);
    expect(next([{}, {}])?.wide).toBeUndefined();
  });
});

describe("the order of entries", () => {
  it("follows causality where clocks do not, then time, then hash", () => {
    const made: Made[] = [
      { atMs: 500 },
      { deps: [1], atMs: 5 },
      { deps: [0], atMs: 100 },
      { deps: [0], atMs: 100 },
    ];
    expect(causalOrder(history(made))).toEqual([0, 3, 4, 1, 2]);
  });
});
