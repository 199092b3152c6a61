import { createHash } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { concatBytes } from "../std/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import { changeLimits, type DocEngine } from "./doc.ts";
import { RandomHistory, randomSteps } from "./history-fixtures.ts";
import { snapshotLimits } from "./snapshot.ts";

const numRuns = Number(process.env.COFFER_RUNS ?? 500);
let engine: DocEngine;
beforeAll(async () => {
  engine = await loadEngine();
});

function uleb(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...uleb(Math.floor(value / 128))];
}

/** A chunk with a right header around any body. */
function chunkOf(body: readonly number[] | Uint8Array, type = 0): Uint8Array {
  const tail = Uint8Array.from([type, ...uleb(body.length), ...body]);
  const checksum = createHash("sha256").update(tail).digest().subarray(0, 4);
  return concatBytes(Uint8Array.of(0x85, 0x6f, 0x4a, 0x83), checksum, tail);
}

function bodyOf(chunk: Uint8Array): Uint8Array {
  let at = 9;
  while ((chunk[at] ?? 0) >= 128) at += 1;
  return chunk.subarray(at + 1);
}

describe("reading a synced snapshot", () => {
  it("gives the changes that made it", () => {
    fc.assert(
      fc.property(randomSteps, (steps) => {
        const history = new RandomHistory(engine);
        history.run(steps);
        history.hear(0, 1);
        history.hear(0, 2);
        const doc = history.doc(0);
        const changes = engine.readSnapshot(doc.snapshot());
        const byHash = (a: { hash: string }, b: { hash: string }): number => (a.hash < b.hash ? -1 : 1);
        expect([...(changes ?? [])].sort(byHash)).toEqual([...history.changes].sort(byHash));
        history.close();
      }),
      { numRuns: numRuns / 5 },
    );
  });

  it("never throws: what is not whole and honest is nothing", () => {
    fc.assert(
      fc.property(
        randomSteps,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(),
        (steps, marks, cut) => {
          const history = new RandomHistory(engine);
          history.run(steps);
          const snapshot = history.doc(0).snapshot();
          const hashes = new Set(history.changes.map(({ hash }) => hash));
          const body = bodyOf(snapshot).slice();
          for (const [at, byte] of marks) body[at % body.length] = byte;
          for (const bytes of [
            chunkOf(body),
            chunkOf(body.subarray(0, cut % body.length)),
            snapshot.subarray(1),
          ]) {
            const read = engine.readSnapshot(bytes) ?? [];
            // Automerge checks the heads, so that what is read is what was there
            for (const { hash } of read) expect(hashes.has(hash)).toBe(true);
          }
          history.close();
        },
      ),
      { numRuns },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(engine.readSnapshot(bytes)).toBe(undefined);
        engine.readSnapshot(chunkOf(bytes));
      }),
      { numRuns },
    );
  });

  it("refuses other chunks, deflated columns, and what stands for more than the limits", () => {
    const doc = engine.createDoc();
    const [change] = doc.replay({
      operations: [{ op: "set", path: ["t"], value: "x".repeat(10_000) }],
      baseHeads: [],
      actor: "0a".repeat(16),
      timeMs: 0,
    }).changes;
    expect(engine.readSnapshot(change?.bytes ?? new Uint8Array())).toBe(undefined);
    expect(engine.readSnapshot(doc.save())).toBe(undefined);
    const snapshot = doc.snapshot();
    expect(engine.readSnapshot(snapshot)?.length).toBe(1);
    expect(engine.readSnapshot(concatBytes(snapshot, snapshot))).toBe(undefined);
    expect(engine.readSnapshot(concatBytes(snapshot, new Uint8Array(snapshotLimits.bytes)))).toBe(undefined);
    const key = "k".repeat(60_000);
    const note = "n".repeat(changeLimits.noteBytes);
    for (let i = 0; i < 150; i++) {
      const operations = [{ op: "set", path: [key], value: i }] as const;
      doc.replay({ operations, baseHeads: doc.heads, actor: "0a".repeat(16), timeMs: 0, note });
    }
    // small, and long when its changes are laid out
    expect(doc.snapshot().length).toBeLessThan(100_000);
    expect(engine.readSnapshot(doc.snapshot())).toBe(undefined);
    doc.close();
    const column = (specification: number, bytes: readonly number[]): number[] => [
      0, // actors
      0, // heads
      0, // columns of changes
      1, // columns of operations
      ...uleb(specification),
      ...uleb(bytes.length),
      ...bytes,
    ];
    const run = (count: number): number[] => [...uleb(count), 1];
    for (const body of [
      column(0x42 | 8, run(1)), // deflated
      column(0x42, run(2 ** 40)), // more rows than there may be
      column(0x80, run(2 ** 40)),
      column(0x15, [...uleb(2 ** 30), 3, 97, 97, 97]), // a long run of keys
      column(0x99, run(1)), // an unknown column
    ])
      expect(engine.readSnapshot(chunkOf(body))).toBe(undefined);
  });
});
