/** Every handle is freed: counted where the library makes them. */
import * as Automerge from "@automerge/automerge/slim";
import { beforeAll, describe, expect, it } from "vitest";
import { loadEngine } from "./automerge-fixtures.ts";
import type { DocEngine } from "./doc.ts";
import { actorOf } from "./history-fixtures.ts";

let engine: DocEngine;
let live = 0;
beforeAll(async () => {
  engine = await loadEngine();
  const { prototype } = Automerge.getBackend(Automerge.init()).constructor as {
    prototype: Record<"clone" | "fork" | "free", (this: object, ...args: unknown[]) => object>;
  };
  const { clone, fork, free } = prototype;
  prototype.clone = function (...args) {
    live += 1;
    return clone.apply(this, args);
  };
  prototype.fork = function (...args) {
    live += 1;
    return fork.apply(this, args);
  };
  prototype.free = function (...args) {
    live -= 1;
    return free.apply(this, args);
  };
});

describe("handles", () => {
  it("are all freed, through a thousand rounds of everything a document does", () => {
    const start = live;
    for (let round = 0; round < 1000; round++) {
      const doc = engine.createDoc();
      const base = { actor: actorOf(0), timeMs: 0 };
      const first = doc.replay({
        ...base,
        operations: [
          { op: "set", path: ["t"], value: "text" },
          { op: "mark", path: ["t"], range: { start: 0, end: 2 }, name: "bold", value: true },
        ],
        baseHeads: [],
      });
      const operations = [{ op: "spliceText", path: ["t"], index: 1, remove: 1, insert: "x" }] as const;
      const second = doc.replay({ ...base, operations, baseHeads: doc.heads });
      doc.replay({ ...base, operations, baseHeads: first.heads });
      expect(() =>
        doc.replay({ ...base, operations: [{ op: "delete", path: ["x", "y"] }], baseHeads: doc.heads }),
      ).toThrow();
      doc.emptyChange({ actor: actorOf(1), timeMs: 0, at: first.heads });
      doc.valueAt(first.heads);
      doc.diff(first.heads, second.heads);
      expect(doc.inverse(first.heads, second.heads).length).toBeGreaterThan(0);
      doc.applyChanges(first.changes);
      const loaded = engine.loadDoc(doc.save());
      expect(engine.loadDoc(doc.save().subarray(1))).toBe(undefined);
      expect(engine.readSnapshot(doc.snapshot())?.length).toBe(4);
      engine.readSnapshot(doc.snapshot().subarray(1));
      expect(live - start).toBe(2);
      loaded?.close();
      doc.close();
      expect(live).toBe(start);
    }
  });
});
