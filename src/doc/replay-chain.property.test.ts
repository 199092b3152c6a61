/** The oracle of chains: drafts replayed in one go give the changes, heads and value that replaying them one by one gives. */
import fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { encodeInitialValue, type DraftOperation } from "../draft/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import type { DocChange, DocEngine, OpenDoc, ReplayResult } from "./doc.ts";

const numRuns = Number(process.env.COFFER_RUNS ?? 200);
const [ours, theirs] = ["0a".repeat(16), "0b".repeat(16)] as const;
let engine: DocEngine;
beforeAll(async () => {
  engine = await loadEngine();
});

const text = fc.string({ maxLength: 5, unit: "binary" });
/** Some do not fit: beyond the text, or at a field that was deleted. */
const operation: fc.Arbitrary<DraftOperation> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(fc.nat(4), fc.nat(2), text)
      .map(
        ([index, remove, insert]) => ({ op: "spliceText", path: ["text"], index, remove, insert }) as const,
      ),
  },
  { weight: 1, arbitrary: text.map((value) => ({ op: "updateText", path: ["text"], value }) as const) },
  { weight: 1, arbitrary: fc.nat(3).map((key) => ({ op: "delete", path: [`k${key}`] }) as const) },
);
const drafts = fc.array(fc.array(operation, { maxLength: 3 }), { minLength: 1, maxLength: 12 });

interface Pair {
  readonly chained: OpenDoc;
  readonly single: OpenDoc;
  readonly baseHeads: readonly string[];
}

/** Two of one document, where others may have written behind the heads that the drafts stand on. */
function openPair(isBehind: boolean): Pair {
  const value = encodeInitialValue({ text: "somewhat", k0: 1, k1: "b" });
  const { change } = engine.encodeCreate({ value, actor: ours, timeMs: 1000 });
  const open = (changes: readonly DocChange[]): OpenDoc => {
    const doc = engine.createDoc();
    doc.applyChanges(changes);
    return doc;
  };
  const other = open([change]);
  const foreign = other.replay({
    operations: [{ op: "spliceText", path: ["text"], index: 2, remove: 2, insert: "THEIRS" }],
    baseHeads: other.heads,
    actor: theirs,
    timeMs: 2000,
  }).changes;
  other.close();
  const changes = isBehind ? [change, ...foreign] : [change];
  return { chained: open(changes), single: open(changes), baseHeads: [change.hash] };
}

function oneByOne(doc: OpenDoc, all: readonly DraftOperation[][], baseHeads: readonly string[]) {
  const results: ReplayResult[] = [];
  let heads = baseHeads;
  for (const operations of all) {
    const result = doc.replay({ operations, baseHeads: heads, actor: ours, timeMs: 3000, note: "n" });
    results.push(result);
    heads = result.draftHeads;
  }
  return results;
}

it("gives what one by one gives, or nothing at all where one of them does not fit", () => {
  let fitCount = 0;
  let misfitCount = 0;
  fc.assert(
    fc.property(drafts, fc.boolean(), (all, isBehind) => {
      const { chained, single, baseHeads } = openPair(isBehind);
      const before = { heads: chained.heads, value: chained.value };
      let expected: ReplayResult[] | undefined;
      try {
        expected = oneByOne(single, all, baseHeads);
      } catch {
        misfitCount += 1;
      }
      const replay = () =>
        chained.replayChain({ drafts: all, baseHeads, actor: ours, timeMs: 3000, note: "n" });
      if (expected === undefined) {
        expect(replay).toThrow();
        expect({ heads: chained.heads, value: chained.value }).toEqual(before);
        // It goes on from there as if nothing had been tried.
        expect(chained.value).toBe(before.value);
      } else {
        fitCount += 1;
        const results = replay();
        expect(results.map(({ changes, draftHeads }) => ({ changes, draftHeads }))).toEqual(
          expected.map(({ changes, draftHeads }) => ({ changes, draftHeads })),
        );
        expect(results.every(({ heads }) => heads === chained.heads)).toBe(true);
        expect(chained.heads).toEqual(single.heads);
        expect(chained.value).toEqual(single.value);
      }
      chained.close();
      single.close();
    }),
    { numRuns },
  );
  expect(fitCount).toBeGreaterThan(numRuns / 20);
  expect(misfitCount).toBeGreaterThan(numRuns / 20);
});
