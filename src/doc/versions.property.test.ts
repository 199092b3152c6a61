/** The oracle of versions: reading them, comparing them and going on from them equals folding their changes anew. */
import * as Automerge from "@automerge/automerge/slim";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { applyPatches, type DocValue, type Patch } from "../draft/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import type { DocChange, DocEngine } from "./doc.ts";
import { applyDully, RandomHistory, randomSteps, textOf } from "./history-fixtures.ts";
import { readPlain } from "./plain.ts";

const numRuns = Number(process.env.COFFER_RUNS ?? 300);
let engine: DocEngine;
beforeAll(async () => {
  engine = await loadEngine();
});

type Fields = { readonly [key: string]: DocValue };

/** Read wholly, from a document that has just these changes. */
function foldAnew(changes: readonly DocChange[]): Fields {
  const [doc] = Automerge.applyChanges(
    Automerge.init(),
    changes.map(({ bytes }) => bytes),
  );
  const value = readPlain(Automerge.getBackend(doc));
  Automerge.free(doc);
  return value;
}

function pastOf(changes: readonly DocChange[], heads: readonly string[]): readonly DocChange[] {
  const byHash = new Map(changes.map((change) => [change.hash, change]));
  const past = new Set<DocChange>();
  const next = [...heads];
  for (let hash = next.pop(); hash !== undefined; hash = next.pop()) {
    const change = byHash.get(hash);
    if (change === undefined || past.has(change)) continue;
    past.add(change);
    next.push(...change.deps);
  }
  return changes.filter((change) => past.has(change));
}

type Units = readonly Readonly<Record<string, unknown>>[];

/** The marks of each unit of the text "t", in the version of these heads. */
function marksOfText(changes: readonly DocChange[], heads: readonly string[]): Units | undefined {
  const doc = engine.createDoc();
  doc.applyChanges(pastOf(changes, heads));
  const { t } = doc.value;
  const marks = typeof t === "string" ? doc.marks(["t"]) : [];
  doc.close();
  if (typeof t !== "string") return undefined;
  return Array.from(t.split(""), (_, at) =>
    Object.fromEntries(
      marks.filter(({ start, end }) => start <= at && at < end).map((m) => [m.name, m.value]),
    ),
  );
}

/** What patches do to the marks of the text "t", one by one. */
function patchMarks(before: Units | undefined, patches: readonly Patch[]): Units | undefined {
  let units = before;
  for (const patch of patches) {
    if (patch.path.length !== 1 || patch.path[0] !== "t") continue;
    if (patch.op === "set") units = Array.from(textOf(patch.value).split(""), () => ({}));
    if (patch.op === "delete") units = undefined;
    if (patch.op === "spliceText")
      units = units?.toSpliced(patch.index, patch.remove, ...Array.from(patch.insert.split(""), () => ({})));
    if (patch.op === "mark" || patch.op === "unmark")
      units = units?.map((marks, at) => {
        if (at < patch.range.start || at >= patch.range.end) return marks;
        const { [patch.name]: _, ...rest } = marks;
        return patch.op === "mark" ? { ...rest, [patch.name]: patch.value } : rest;
      });
  }
  return units;
}

describe("versions of a document", () => {
  it("are read, compared and shown as their changes alone make them", () => {
    fc.assert(
      fc.property(randomSteps, fc.nat(), fc.nat(), (steps, first, second) => {
        const history = new RandomHistory(engine);
        history.run(steps);
        for (const person of history.docs.keys()) {
          const doc = history.doc(person);
          expect(doc.value).toEqual(foldAnew(pastOf(history.changes, doc.heads)));
        }
        history.hear(0, 1);
        history.hear(0, 2);
        const doc = history.doc(0);
        const pick = (n: number): readonly string[] => history.versions[n % history.versions.length] ?? [];
        const [before, after] = [pick(first), pick(second)];
        const from = doc.valueAt(before);
        const to = doc.valueAt(after);
        expect(from).toEqual(foldAnew(pastOf(history.changes, before)));
        const patches = doc.diff(before, after);
        let value = from;
        for (const patch of patches) value = applyDully(value, patch);
        expect(value).toEqual(to);
        expect(applyPatches(from, patches)).toEqual(to);
        const marked = patchMarks(marksOfText(history.changes, before), patches);
        expect(marked).toEqual(marksOfText(history.changes, after));
        expect(doc.diff(before, before)).toEqual([]);
        history.close();
      }),
      { numRuns },
    );
  });
});
