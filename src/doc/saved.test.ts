import * as Automerge from "@automerge/automerge/slim";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { bytesToHex, parseHex } from "../std/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import type { DocChange, DocEngine, OpenDoc } from "./doc.ts";
import { actorOf, randomEdits, RandomHistory, randomSteps } from "./history-fixtures.ts";
import vectors from "./saved.vectors.json" with { type: "json" };

const numRuns = Number(process.env.COFFER_RUNS ?? 60);
let engine: DocEngine;
beforeAll(async () => {
  engine = await loadEngine();
});

function load(saved: Uint8Array): OpenDoc {
  const doc = engine.loadDoc(saved);
  if (doc === undefined) throw new RangeError("not loaded");
  return doc;
}

function sample(): OpenDoc {
  const doc = engine.createDoc();
  const replay = (actor: string, operations: Parameters<OpenDoc["replay"]>[0]["operations"]): void =>
    void doc.replay({ operations, baseHeads: doc.heads, actor, timeMs: 1_000_000, note: "a note" });
  replay(actorOf(0), [{ op: "set", path: ["t"], value: "Ada 👍" }]);
  replay(actorOf(1), [{ op: "set", path: ["m"], value: { inner: { list: [1, "two"] } } }]);
  replay(actorOf(0), [{ op: "spliceText", path: ["t"], index: 0, remove: 3, insert: "Eda" }]);
  return doc;
}

describe("a saved document", () => {
  it("has a frozen form", () => {
    const doc = sample();
    expect(bytesToHex(doc.save())).toBe(vectors.saved);
    expect(bytesToHex(doc.snapshot())).toBe(vectors.snapshot);
    const loaded = load(parseHex(vectors.saved) ?? new Uint8Array());
    expect([loaded.value, loaded.heads]).toEqual([doc.value, vectors.heads]);
    expect(loaded.value).toEqual({ t: "Eda 👍", m: { inner: { list: [1, "two"] } } });
    doc.close();
    loaded.close();
  });

  it("goes on as the one that it was saved from", () => {
    fc.assert(
      fc.property(randomSteps, randomEdits, randomEdits, (steps, ours, theirs) => {
        const history = new RandomHistory(engine);
        history.run(steps);
        history.hear(0, 1);
        const doc = history.doc(0);
        const twin = load(doc.save());
        expect([twin.value, twin.heads]).toEqual([doc.value, doc.heads]);
        for (const heads of history.versions) {
          expect(twin.hasHeads(heads)).toBe(doc.hasHeads(heads));
          if (doc.hasHeads(heads)) expect(twin.valueAt(heads)).toEqual(doc.valueAt(heads));
        }
        history.hear(2, 0);
        history.edit(2, theirs);
        const known = history.changes.length;
        const news = history.changes.filter(({ hash }) => history.doc(2).hasHeads([hash]));
        expect(twin.applyChanges(news)).toEqual(doc.applyChanges(news));
        history.edit(0, ours);
        const again = twin.applyChanges(history.changes.slice(known));
        expect(again.applied.length).toBe(history.changes.length - known);
        expect([twin.value, twin.heads]).toEqual([doc.value, doc.heads]);
        twin.close();
        history.close();
      }),
      { numRuns },
    );
  });

  it("keeps what later changes are judged by: seqs, and the depth of objects that are gone", () => {
    const make = (
      startOp: number,
      seq: number,
      levels: number,
      first: { obj: string; deps: string[] },
    ): DocChange => {
      const ops = Array.from({ length: levels }, (_, i) => ({
        action: "makeMap",
        obj: i === 0 ? first.obj : `${startOp + i - 1}@${actorOf(1)}`,
        key: "d",
        pred: [],
      }));
      const head = { actor: actorOf(1), seq, startOp, time: 0, message: null, deps: first.deps };
      const verdict = engine.parseChange(Automerge.encodeChange({ ...head, ops } as never));
      if (verdict.kind !== "change") throw new RangeError(verdict.reason);
      return verdict.change;
    };
    const half = make(1, 1, 60, { obj: "_root", deps: [] });
    const doc = engine.createDoc();
    doc.applyChanges([half]);
    const operations = [{ op: "delete", path: ["d"] }] as const;
    doc.replay({ operations, baseHeads: doc.heads, actor: actorOf(0), timeMs: 0 });
    const twin = load(doc.save());
    const over = make(1000, 2, 5, { obj: `60@${actorOf(1)}`, deps: [half.hash] });
    const same = make(1000, 1, 1, { obj: "_root", deps: [] });
    for (const one of [doc, twin])
      expect(one.applyChanges([over, same, half])).toEqual({
        applied: [half],
        waiting: [],
        rejected: [
          { change: over, reason: "limit" },
          { change: same, reason: "conflicting-seq" },
        ],
      });
    doc.close();
    twin.close();
  });

  it("is nothing when it is damaged, cut, or of another version", () => {
    const doc = sample();
    const saved = doc.save();
    for (let at = 0; at < saved.length; at++) {
      const damaged = saved.slice();
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      expect(engine.loadDoc(damaged)).toBe(undefined);
      expect(engine.loadDoc(saved.subarray(0, at))).toBe(undefined);
    }
    expect(engine.loadDoc(new Uint8Array([...saved, 0]))).toBe(undefined);
    doc.close();
  });
});
