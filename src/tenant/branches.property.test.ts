import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { bytesToId, type AuthorKey, type DocId, type EntryHash, type KeyId } from "../std/index.ts";
import {
  branchState,
  entriesOfLine,
  indexesOfLine,
  lineOf,
  linesOf,
  mainHeadsOf,
  openBranches,
} from "./branches.ts";
import { Catalog, type AcceptedEntry, type CatalogDoc } from "./catalog.ts";
import { branchNames } from "./doc-fold.ts";
import { encodeNote, type Note } from "./note.ts";

const docId: DocId = bytesToId("DocId", new Uint8Array(16).fill(1));
const keyId: KeyId = bytesToId("KeyId", new Uint8Array(16).fill(2));
const author: AuthorKey = bytesToId("AuthorKey", new Uint8Array(32).fill(3));
const hashOf = (n: number): string => n.toString(16).padStart(64, "0");
const entryHashOf = (n: number): EntryHash => bytesToId("EntryHash", new Uint8Array(32).fill(n));

interface Step {
  readonly note: Note;
  readonly deps: readonly number[];
  readonly isDelete: boolean;
}

const notes = fc.constantFrom<Note>(
  {},
  {},
  { branch: "a" },
  { branch: "a" },
  { branch: "b" },
  { merge: "a" },
  { branch: "a", discard: true },
  { branch: "b", discard: true },
);
const histories: fc.Arbitrary<readonly Step[]> = fc
  .array(
    fc.record({
      note: notes,
      back: fc.array(fc.nat(5), { minLength: 1, maxLength: 3 }),
      isDelete: fc.boolean(),
    }),
    { maxLength: 16 },
  )
  .map((steps) =>
    steps.map(({ back, note, isDelete }, index) => ({
      note,
      isDelete: isDelete && note.branch === undefined && note.merge === undefined,
      deps: [...new Set(back.map((step) => Math.max(0, index - step)))],
    })),
  );

function accept(catalog: Catalog, number: number, step: Step | undefined): void {
  const note = step === undefined || Object.keys(step.note).length === 0 ? "" : encodeNote(step.note);
  catalog.accept({
    docId,
    keyId,
    author,
    atMs: number,
    entryType: step === undefined ? "doc_create" : step.isDelete ? "doc_delete" : "doc_change",
    position: number,
    entryIndex: 0,
    entryHash: entryHashOf(number),
    changeHash: hashOf(number),
    dependencyHashes: (step?.deps ?? []).map(hashOf),
    actor: hashOf(number).slice(32),
    seq: 1,
    note,
    isEmpty: note !== "",
  });
}

/** Entry 0 creates; entry n is step n - 1. */
function build(steps: readonly Step[], order: readonly number[]): CatalogDoc {
  const catalog = new Catalog();
  for (const number of order) accept(catalog, number, number === 0 ? undefined : steps[number - 1]);
  const doc = catalog.get(docId);
  if (doc === undefined) throw new Error("no document");
  return doc;
}

const inOrder = (steps: readonly Step[]): readonly number[] => [...Array(steps.length + 1).keys()];

/** Another order in which each entry follows its dependencies. */
function shuffled(steps: readonly Step[], picks: readonly number[]): readonly number[] {
  const order: number[] = [0];
  const left = new Set(steps.map((_, index) => index + 1));
  for (let turn = 0; left.size > 0; turn++) {
    const ready = [...left].filter((number) =>
      (steps[number - 1]?.deps ?? []).every((dep) => order.includes(dep)),
    );
    const next = ready[(picks[turn % picks.length] ?? 0) % ready.length] ?? 0;
    order.push(next);
    left.delete(next);
  }
  return order;
}

/** What branches.ts says, once more, without any cleverness. */
function dull(steps: readonly Step[]): {
  main: Set<number>;
  heads: (members: Set<number>) => string[];
  open: Map<string, Set<number>>;
  isDeleted: boolean;
} {
  const depsOf = (number: number): readonly number[] => (number === 0 ? [] : (steps[number - 1]?.deps ?? []));
  const past = (number: number): Set<number> =>
    new Set([number, ...depsOf(number).flatMap((dep) => [...past(dep)])]);
  const all = [...inOrder(steps)];
  const noteOf = (number: number): Note => (number === 0 ? {} : (steps[number - 1]?.note ?? {}));
  const union = (numbers: readonly number[]): Set<number> =>
    new Set(numbers.flatMap((one) => [...past(one)]));
  const main = union(all.filter((number) => noteOf(number).branch === undefined));
  const open = new Map<string, Set<number>>();
  for (const name of ["a", "b"]) {
    const discarded = union(
      all.filter((number) => noteOf(number).branch === name && noteOf(number).discard === true),
    );
    const live = all.filter(
      (number) => noteOf(number).branch === name && !main.has(number) && !discarded.has(number),
    );
    if (live.length > 0) open.set(name, union(live));
  }
  const heads = (members: Set<number>): string[] =>
    [...members]
      .filter((number) => ![...members].some((other) => depsOf(other).includes(number)))
      .map(hashOf)
      .sort();
  const deletions = [...main].filter((number) => number > 0 && steps[number - 1]?.isDelete === true);
  const isChange = (number: number): boolean => number > 0 && steps[number - 1]?.isDelete !== true;
  const isDeleted = deletions.some(
    (deletion) =>
      ![...main].some((other) => other !== deletion && isChange(other) && past(other).has(deletion)),
  );
  return { main, heads, open, isDeleted };
}

const numbersOf = (entries: readonly AcceptedEntry[]): Set<number> =>
  new Set(entries.map(({ position }) => position));

describe("branches", () => {
  it("agree with the plain definition, whatever the order in which entries came", () => {
    fc.assert(
      fc.property(histories, fc.array(fc.nat(99), { minLength: 1, maxLength: 8 }), (steps, picks) => {
        const plain = dull(steps);
        for (const order of [inOrder(steps), shuffled(steps, picks)]) {
          const doc = build(steps, order);
          const { entries } = doc;
          const lines = linesOf(entries);
          expect(numbersOf(entriesOfLine(entries, "main"))).toEqual(plain.main);
          expect(doc.heads).toEqual(plain.heads(plain.main));
          expect(mainHeadsOf(lines)).toEqual(doc.heads);
          expect(doc.isDeleted).toBe(plain.isDeleted);
          expect(branchNames(doc)).toEqual([...plain.open.keys()].sort());
          expect(openBranches(lines)).toEqual([...plain.open.keys()].sort());
          for (const name of ["a", "b"]) {
            const members = plain.open.get(name);
            expect(numbersOf(entriesOfLine(entries, lineOf(name)))).toEqual(members ?? new Set());
            const state = branchState(lines, name);
            const isKnown = steps.some(({ note }) => note.branch === name);
            expect(state.kind).toBe(members !== undefined ? "open" : isKnown ? "ended" : "none");
            if (state.kind === "open") expect(state.heads).toEqual(plain.heads(members ?? new Set()));
          }
        }
      }),
    );
  });

  it("are the same after entries were taken out, as if they had never come", () => {
    fc.assert(
      fc.property(histories, fc.nat(16), (steps, victim) => {
        const whole = new Catalog();
        const without = new Catalog();
        const gone = new Set<number>();
        for (const number of inOrder(steps)) {
          const step = number === 0 ? undefined : steps[number - 1];
          accept(whole, number, step);
          if (number === victim + 1 || (step?.deps ?? []).some((dep) => gone.has(dep))) gone.add(number);
          else accept(without, number, step);
        }
        whole.withdraw(docId, new Set([entryHashOf(victim + 1)]));
        const [left, expected] = [whole, without].map((catalog) => catalog.get(docId));
        expect(left?.heads).toEqual(expected?.heads);
        expect(left?.isBranched).toBe(expected?.isBranched);
        expect(left?.isDeleted).toBe(expected?.isDeleted);
        expect(left && branchNames(left)).toEqual(expected && branchNames(expected));
      }),
    );
  });

  it("keep a branch open that someone edited while it was merged or discarded", () => {
    const on = (note: Note, ...deps: number[]): Step => ({ note, deps, isDelete: false });
    const mark = on({ branch: "a" }, 0);
    const edit = on({ branch: "a" }, 1);
    for (const end of [on({ merge: "a" }, 0, 2), on({ branch: "a", discard: true }, 2)]) {
      const ended = build([mark, edit, end], [0, 1, 2, 3]);
      expect(branchNames(ended)).toEqual([]);
      const state = branchState(linesOf(ended.entries), "a");
      expect(state.kind).toBe("ended");
      const late = build([mark, edit, end, on({ branch: "a" }, 2)], [0, 1, 2, 3, 4]);
      expect(branchNames(late)).toEqual(["a"]);
      expect([...indexesOfLine(late.entries, "/a")].sort()).toEqual([0, 1, 2, 4]);
    }
  });

  it("cost a document nothing that has none", () => {
    const catalog = new Catalog();
    accept(catalog, 0, undefined);
    accept(catalog, 1, { note: {}, deps: [0], isDelete: false });
    const doc = catalog.get(docId);
    expect(doc?.isBranched).toBe(false);
    expect(doc && branchNames(doc)).toBe(doc && branchNames(doc));
  });
});
