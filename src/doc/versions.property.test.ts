/** The oracle of versions: reading them, comparing them and going on from them equals folding their changes anew. */
import * as Automerge from "@automerge/automerge/slim";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  applyPatches,
  type DocValue,
  type DraftOperation,
  type Mark,
  type Patch,
  type Path,
} from "../draft/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import type { DocChange, DocEngine } from "./doc.ts";
import { applyDully, RandomHistory, randomSteps } from "./history-fixtures.ts";
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

/** A version whose every text is a list of its units with their marks: the dull twin of a document for patches of marks. */
type Lifted = Text | Lifted[] | Map<string, Lifted> | { readonly leaf: DocValue };

class Text {
  units: Readonly<Record<string, unknown>>[];
  constructor(text: string, marks: readonly Mark[] = []) {
    this.units = Array.from(text.split(""), (unit, at) => ({
      unit,
      ...Object.fromEntries(
        marks.filter(({ start, end }) => start <= at && at < end).map((m) => [`mark ${m.name}`, m.value]),
      ),
    }));
  }
}

function lift(value: DocValue, marksAt: (path: Path) => readonly Mark[], path: Path = []): Lifted {
  if (typeof value === "string") return new Text(value, marksAt(path));
  if (typeof value !== "object" || value === null || value instanceof Date || value instanceof Uint8Array)
    return { leaf: value };
  if (Array.isArray(value)) {
    const list: readonly DocValue[] = value;
    return list.map((element, index) => lift(element, marksAt, [...path, index]));
  }
  return new Map(Object.entries(value).map(([key, field]) => [key, lift(field, marksAt, [...path, key])]));
}

/** The version of these heads, from a document that has just its changes. */
function liftVersion(changes: readonly DocChange[], heads: readonly string[]): Lifted {
  const doc = engine.createDoc();
  doc.applyChanges(pastOf(changes, heads));
  const lifted = lift(doc.value, (path) => {
    try {
      return doc.marks(path);
    } catch {
      return []; // a string that is no text
    }
  });
  doc.close();
  return lifted;
}

function patchLifted(root: Lifted, patch: Patch): void {
  let owner = root;
  for (const step of patch.path.slice(0, -1)) owner = partOf(owner, step);
  const step = patch.path.at(-1) ?? "";
  const none = (): readonly Mark[] => [];
  if (patch.op === "set") {
    const value = lift(patch.value, none);
    if (owner instanceof Map) owner.set(String(step), value);
    else if (Array.isArray(owner)) owner[Number(step)] = value;
    return;
  }
  if (patch.op === "delete") {
    if (owner instanceof Map) owner.delete(String(step));
    return;
  }
  const part = partOf(owner, step);
  if (patch.op === "splice") {
    if (Array.isArray(part))
      part.splice(patch.index, patch.remove, ...patch.values.map((value) => lift(value, none)));
    return;
  }
  if (!(part instanceof Text)) throw new RangeError("a text was expected");
  if (patch.op === "spliceText")
    part.units.splice(patch.index, patch.remove, ...new Text(patch.insert).units);
  else
    part.units = part.units.map((unit, at) => {
      if (at < patch.range.start || at >= patch.range.end) return unit;
      const { [`mark ${patch.name}`]: _, ...rest } = unit;
      return patch.op === "mark" ? { ...rest, [`mark ${patch.name}`]: patch.value } : rest;
    });
}

function partOf(owner: Lifted, step: string | number): Lifted {
  const part = owner instanceof Map ? owner.get(String(step)) : Array.isArray(owner) && owner[Number(step)];
  if (part === undefined || part === false) throw new RangeError("a part was expected");
  return part;
}

describe("versions of a document", () => {
  it("tell of two texts that were marked in one change the marks of each", () => {
    const history = new RandomHistory(engine);
    const mark = (path: Path): DraftOperation => ({
      op: "mark",
      path,
      range: { start: 0, end: 1, expand: "none" },
      name: "bold",
      value: true,
    });
    const doc = history.doc(0);
    const before = doc.heads;
    history.replay(0, [mark(["m", "t"]), mark(["t"]), { op: "delete", path: ["n"] }]);
    const bold = { op: "mark", range: { start: 0, end: 1 }, name: "bold", value: true };
    expect(doc.diff(before, doc.heads)).toEqual([
      { op: "delete", path: ["n"] },
      { ...bold, path: ["m", "t"] },
      { ...bold, path: ["t"] },
    ]);
    history.close();
  });

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
        const marked = liftVersion(history.changes, before);
        for (const patch of patches) patchLifted(marked, patch);
        expect(marked).toEqual(liftVersion(history.changes, after));
        expect(doc.diff(before, before)).toEqual([]);
        history.close();
      }),
      { numRuns },
    );
  });
});
