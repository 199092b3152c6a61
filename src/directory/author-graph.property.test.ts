import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesToId, type CommitHash } from "../std/index.ts";
import { createAuthorGraph } from "./author-graph.ts";

const hashOf = (index: number): CommitHash => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(28, index);
  return bytesToId("CommitHash", bytes);
};

/** Node i follows some of the nodes below i. */
const graphs = fc
  .array(fc.array(fc.nat({ max: 1000 }), { maxLength: 3 }), { minLength: 1, maxLength: 25 })
  .map((rows) =>
    rows.map((picks, index) => (index === 0 ? [] : [...new Set(picks.map((pick) => pick % index))])),
  );

/** The dull twin: walk from the heads anew for every question. */
function isCoveredPlainly(
  known: ReadonlyMap<CommitHash, readonly CommitHash[]>,
  commit: CommitHash,
  heads: readonly CommitHash[],
): boolean | undefined {
  const past = new Set<CommitHash>();
  const walk = (at: CommitHash): void => {
    if (past.has(at)) return;
    past.add(at);
    for (const before of known.get(at) ?? []) walk(before);
  };
  heads.forEach(walk);
  if (past.has(commit)) return true;
  return [...past].every((at) => known.has(at)) ? false : undefined;
}

describe("author graph", () => {
  test("answers as a plain recomputation does, after every arrival, for changing cuts", () => {
    const cases = fc.record({
      graph: graphs,
      order: fc.array(fc.nat(), { minLength: 25, maxLength: 25 }),
      cuts: fc.array(fc.array(fc.nat({ max: 1000 }), { maxLength: 3 }), { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(cases, ({ graph, order, cuts }) => {
        const arrivals = graph
          .map((before, index) => ({ index, before }))
          .sort((a, b) => (order[a.index] ?? 0) - (order[b.index] ?? 0));
        const judged = createAuthorGraph();
        const known = new Map<CommitHash, readonly CommitHash[]>();
        for (const [step, { index, before }] of arrivals.entries()) {
          judged.add(hashOf(index), before.map(hashOf));
          const early = [...known].filter(([, followed]) => followed.includes(hashOf(index)));
          expect(judged.overtook(hashOf(index)).toSorted()).toEqual(early.map(([hash]) => hash).toSorted());
          known.set(hashOf(index), before.map(hashOf));
          const heads = (cuts[step % cuts.length] ?? []).map((pick) => hashOf(pick % graph.length));
          for (let i = 0; i < graph.length; i++) {
            expect(judged.isCovered(hashOf(i), heads)).toBe(isCoveredPlainly(known, hashOf(i), heads));
          }
        }
        const followed = new Set(graph.flat());
        const ends = graph.map((_, index) => index).filter((index) => !followed.has(index));
        expect(judged.heads()).toEqual(ends.map(hashOf).sort());
      }),
    );
  });

  test("tells where the known past of the cuts it was asked for ends", () => {
    fc.assert(
      fc.property(graphs, fc.array(fc.boolean(), { minLength: 25, maxLength: 25 }), (graph, isKnown) => {
        const judged = createAuthorGraph();
        const known = graph.map((before, index) => (isKnown[index] === true ? before : undefined));
        for (const [index, before] of known.entries())
          if (before !== undefined) judged.add(hashOf(index), before.map(hashOf));
        expect(judged.lacking(100)).toEqual([]);
        const head = graph.length - 1;
        judged.isCovered(hashOf(0), [hashOf(head)]);
        const ends = new Set<CommitHash>();
        const walk = (at: number): void => {
          const before = known[at];
          if (before === undefined) ends.add(hashOf(at));
          else before.forEach(walk);
        };
        walk(head);
        expect(judged.lacking(100).toSorted()).toEqual([...ends].sort());
        expect(judged.lacking(2)).toEqual(judged.lacking(100).slice(0, 2));
      }),
    );
  });

  test("says unknown while the past of the cut is not known, and never takes an answer back", () => {
    const graph = createAuthorGraph();
    const [a, b, c, d] = [hashOf(1), hashOf(2), hashOf(3), hashOf(4)] as const;
    expect(graph.isCovered(a, [c])).toBeUndefined();
    expect(graph.isCovered(c, [c])).toBe(true);
    graph.add(c, [b]);
    expect(graph.isCovered(b, [c])).toBe(true);
    expect(graph.isCovered(a, [c])).toBeUndefined();
    graph.add(a, []);
    expect(graph.isCovered(a, [c])).toBeUndefined();
    graph.add(b, [a]);
    graph.add(d, [c]);
    expect(graph.isCovered(a, [c])).toBe(true);
    expect(graph.isCovered(d, [c])).toBe(false);
    expect(graph.isCovered(a, [])).toBe(false);
  });

  test("keeps the first predecessors it was given, and a head only while nothing follows it", () => {
    const graph = createAuthorGraph();
    graph.add(hashOf(2), [hashOf(1)]);
    graph.add(hashOf(2), [hashOf(7)]);
    graph.add(hashOf(1), []);
    expect(graph.heads()).toEqual([hashOf(2)]);
    expect(graph.isCovered(hashOf(7), [hashOf(2)])).toBe(false);
    expect([graph.has(hashOf(1)), graph.has(hashOf(7))]).toEqual([true, false]);
  });

  test("ends on circles, which hashes make impossible", () => {
    const graph = createAuthorGraph();
    graph.add(hashOf(1), [hashOf(2)]);
    graph.add(hashOf(2), [hashOf(1), hashOf(2)]);
    expect(graph.isCovered(hashOf(1), [hashOf(2)])).toBe(true);
    expect(graph.isCovered(hashOf(3), [hashOf(2)])).toBe(false);
  });
});
