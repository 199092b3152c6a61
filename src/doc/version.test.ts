/** Versions: read by heads and from a document of their own they are the same, and no list is walked over again and again. */
import * as Automerge from "@automerge/automerge/slim";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { loadEngine } from "./automerge-fixtures.ts";
import type { DocEngine } from "./doc.ts";
import { RandomHistory, randomSteps } from "./history-fixtures.ts";
import type { Handle } from "./library.ts";
import { readPlain } from "./plain.ts";
import { withVersions, type Version } from "./version.ts";

const numRuns = Number(process.env.COFFER_RUNS ?? 30);
let engine: DocEngine;
beforeAll(async () => {
  engine = await loadEngine();
});

/** Everything that an object of a version tells, and what is in it. */
function readAll(version: Version, object: string, type: string): unknown {
  if (type === "text") return [version.text(object), version.marks(object)];
  const steps =
    type === "list"
      ? Array.from({ length: version.length(object) }, (_, index) => index)
      : version.keys(object);
  return steps.map((step) => {
    const found = version.getWithType(object, step);
    const isPart = found !== null && ["map", "list", "text"].includes(found[0]);
    const part = isPart ? readAll(version, String(found[1]), found[0]) : undefined;
    return [step, found, version.getAll(object, step), part];
  });
}

describe("a version", () => {
  it("reads the same by its heads and from a document of its own", () => {
    fc.assert(
      fc.property(randomSteps, (steps) => {
        const history = new RandomHistory(engine);
        history.run(steps);
        const bytes = history.changes.map((change) => change.bytes);
        const [doc] = Automerge.applyChanges(Automerge.init(), bytes);
        const handle: Handle = Automerge.getBackend(doc);
        for (const heads of history.versions) {
          const read = (credit: number): unknown =>
            withVersions(handle, (at) => [readPlain(at(heads)), readAll(at(heads), "_root", "map")], credit);
          expect(read(-1)).toEqual(read(Infinity));
        }
        Automerge.free(doc);
        history.close();
      }),
      { numRuns },
    );
  });

  it("walks over a list of any length about as often", () => {
    const walks = [1000, 4000].map((length) => {
      let doc = Automerge.from({ list: Array.from({ length }, (_, index) => index) });
      const heads = Automerge.getHeads(doc);
      doc = Automerge.change(doc, ({ list }) => void list.splice(0, length / 2));
      let count = 0;
      const counted = new Proxy(Automerge.getBackend(doc), {
        get(target, name) {
          const method: unknown = Reflect.get(target, name, target);
          if (typeof method !== "function") return method;
          return (...args: unknown[]): unknown => {
            // what is read with heads
            if (name !== "fork" && Array.isArray(args.at(-1))) count += 1;
            return Reflect.apply(method, target, args);
          };
        },
      });
      withVersions(counted, (at) => {
        const value = readPlain(at(heads));
        expect(value.list).toHaveLength(length);
        readAll(at(heads), "_root", "map");
      });
      Automerge.free(doc);
      return count;
    });
    for (const count of walks) expect(count).toBeLessThan(100);
  });
});
