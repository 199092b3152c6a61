import * as Automerge from "@automerge/automerge/slim";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { createWebVerifier } from "../crypto/index.ts";
import { encodeInitialValue } from "../draft/index.ts";
import { concatBytes } from "../std/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import { readMadeObjects } from "./change-chunk.ts";
import { changeLimits, type DocEngine } from "./doc.ts";

const actor = "0a".repeat(16);
const { sha256 } = createWebVerifier();
let engine: DocEngine;
beforeAll(async () => {
  engine = await loadEngine();
});

type Op = Record<string, unknown>;
const encode = (ops: Op[], more: object = {}): Uint8Array =>
  Automerge.encodeChange({
    actor,
    seq: 1,
    startOp: 1,
    time: 0,
    message: null,
    deps: [],
    ops,
    ...more,
  } as never);

/** A chunk with another body, its checksum right. */
function rebuild(body: Uint8Array, type = 1): Uint8Array {
  const size: number[] = [];
  for (let rest = body.length; ; rest >>= 7) {
    size.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  const hashed = concatBytes(Uint8Array.of(type, ...size), body);
  return concatBytes(Uint8Array.of(0x85, 0x6f, 0x4a, 0x83), sha256(hashed).subarray(0, 4), hashed);
}
const bodyOf = (chunk: Uint8Array): Uint8Array =>
  chunk.subarray((chunk[9] ?? 0) < 128 ? 10 : (chunk[10] ?? 0) < 128 ? 11 : 12);

/** Makes one object inside the other. */
function nested(levels: number): Op[] {
  return Array.from({ length: levels }, (_, i) => ({
    action: "makeMap",
    obj: i === 0 ? "_root" : `${i}@${actor}`,
    key: "d",
    pred: [],
  }));
}

describe("parseChange", () => {
  it("reads what Automerge says of the same change", () => {
    let doc = Automerge.from<Record<string, unknown>>(
      { a: { b: [1, "text", new Automerge.Counter(3)] }, t: "x" },
      { actor },
    );
    doc = Automerge.change(doc, { message: "why", time: -5 }, (d) => {
      d.a = null;
      Automerge.splice(d, ["t"], 0, 1, "👍 long".repeat(50));
      Automerge.mark(d, ["t"], { start: 0, end: 4, expand: "both" }, "bold", true);
    });
    const other = Automerge.change(Automerge.clone(doc, { actor: "0b".repeat(16) }), (d) =>
      Automerge.updateText(d, ["t"], "short"),
    );
    const merged = Automerge.emptyChange(
      Automerge.merge(
        Automerge.change(doc, (d) => delete d.a),
        other,
      ),
    );
    for (const bytes of Automerge.getAllChanges(merged)) {
      const decoded = Automerge.decodeChange(bytes);
      const verdict = engine.parseChange(bytes);
      expect(verdict).toEqual({
        kind: "change",
        change: {
          bytes: new Uint8Array(bytes),
          hash: decoded.hash,
          actor: decoded.actor,
          seq: decoded.seq,
          deps: decoded.deps,
          note: decoded.message ?? "",
        },
      });
      const makes = decoded.ops
        .map((op, index) => ({ op, id: `${decoded.startOp + index}@${decoded.actor}` }))
        .filter(({ op }) => op.action.startsWith("make"));
      expect(readMadeObjects(bytes)).toEqual(makes.map(({ op, id }) => ({ id, parent: op.obj })));
    }
  });

  it("reads large honest changes", () => {
    const text = engine.encodeCreate({
      value: encodeInitialValue({ t: "x".repeat(200_000), u: "ü".repeat(20_000) }),
      actor,
      timeMs: 0,
    });
    expect(engine.parseChange(text.change.bytes).kind).toBe("change");
    const list = engine.encodeCreate({
      value: encodeInitialValue({ l: Array.from({ length: 15_000 }, (_, i) => i) }),
      actor,
      timeMs: 0,
    });
    expect(engine.parseChange(list.change.bytes).kind).toBe("change");
  });

  it("refuses what a hostile writer can make", () => {
    const good = encode([{ action: "set", obj: "_root", key: "k", value: 1, datatype: "int", pred: [] }]);
    const bad = (bytes: Uint8Array): string => {
      const verdict = engine.parseChange(bytes);
      return verdict.kind === "bad" ? verdict.reason : "good";
    };
    expect(bad(good)).toBe("good");
    expect(bad(rebuild(bodyOf(good)))).toBe("good");
    expect(bad(rebuild(bodyOf(good), 2))).toBe("compressed");
    expect(bad(rebuild(bodyOf(good), 0))).toBe("malformed");
    expect(bad(concatBytes(good, Uint8Array.of(0)))).toBe("malformed");
    expect(bad(good.with(5, (good[5] ?? 0) ^ 1))).toBe("malformed");
    expect(bad(new Uint8Array(changeLimits.bytes + 1))).toBe("limit");
    expect(bad(encode(nested(changeLimits.depth)))).toBe("good");
    expect(bad(encode(nested(changeLimits.depth + 1)))).toBe("limit");
    expect(bad(encode(nested(2000)))).toBe("limit");
    const many = (count: number, action: object): Op[] => [
      { action: "makeList", obj: "_root", key: "l", pred: [] },
      ...Array.from({ length: count }, (_, i) => ({
        obj: `1@${actor}`,
        elemId: i === 0 ? "_head" : `${i + 1}@${actor}`,
        insert: true,
        pred: [],
        ...action,
      })),
    ];
    const bomb = encode(many(100_000, { action: "makeMap" }));
    expect(bomb.length).toBeLessThan(200);
    expect(bad(bomb)).toBe("limit");
    expect(bad(encode(many(100_000, { action: "set", value: null })))).toBe("limit");
    const key = "k".repeat(100_000);
    expect(
      bad(
        encode(
          Array.from({ length: 100 }, () => ({ action: "set", obj: "_root", key, value: null, pred: [] })),
        ),
      ),
    ).toBe("limit");
  });

  it("refuses columns that are malformed or do not fit each other", () => {
    const honest = { 0x15: [0x7f, 1, 0x6b], 0x34: [1], 0x42: [1, 1], 0x56: [1, 0], 0x70: [1, 0] };
    const judge = (own: { readonly [specification: number]: readonly number[] }): string => {
      const columns = Object.entries({ ...honest, ...own });
      const sizes = columns.flatMap(([specification, { length }]) => {
        const value = Number(specification);
        return value < 128 ? [value, length] : [(value & 127) | 128, value >> 7, length];
      });
      const body = [
        0,
        1,
        7,
        1,
        1,
        0,
        0,
        0,
        columns.length,
        ...sizes,
        ...columns.flatMap(([, bytes]) => bytes),
      ];
      const verdict = engine.parseChange(rebuild(Uint8Array.from(body)));
      return verdict.kind === "bad" ? verdict.reason : "good";
    };
    expect(judge({})).toBe("good");
    const malformed: { readonly [name: string]: Parameters<typeof judge>[0] } = {
      "a key that is not UTF-8": { 0x15: [0x7f, 1, 0xff] },
      "a key that goes on behind its column": { 0x15: [0x7f, 2, 0x6b] },
      "a run of no nulls": { 0x15: [0, 0, 0x7f, 1, 0x6b] },
      "a number that is not whole": { 0x56: [1, 0x80] },
      "more values than are left": { 0x56: [0x7e, 0] },
      "more values than operations": { 0x56: [2, 0] },
      "more keys than operations": { 0x15: [2, 1, 0x6b] },
      "more marks of insertion than operations": { 0x34: [2] },
      "predecessors that are not counted": { 0x71: [1, 0] },
      "counts of predecessors that are not there": { 0x70: [1, 1], 0x71: [] },
      "values without bytes": { 0x56: [1, 0x16] },
      "bytes without values": { 0x57: [0x6b] },
      "an action that is none": { 0x42: [1, 8] },
      "no action": { 0x42: [0, 1] },
      "a column that is not known": { 0x58: [1] },
    };
    for (const [name, own] of Object.entries(malformed))
      expect([name, judge(own)]).toEqual([name, "malformed"]);
  });

  it("gives a verdict for any bytes, and what it lets through harms no document", () => {
    const { change: first } = engine.encodeCreate({
      value: encodeInitialValue({ a: { b: [1, "text"] }, c: "x" }),
      actor,
      timeMs: 0,
    });
    const bodies = [
      bodyOf(first.bytes),
      bodyOf(encode(nested(5), { seq: 2, startOp: 20, deps: [first.hash] })),
      bodyOf(
        encode([{ action: "set", obj: "_root", key: "c", value: 1, datatype: "int", pred: [] }], {
          seq: 2,
          startOp: 20,
          deps: [first.hash],
        }),
      ),
    ];
    const edits = fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255), kind: fc.nat(2) }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(fc.constantFrom(...bodies), edits, (body, list) => {
        let bytes = [...body];
        for (const { at, byte, kind } of list) {
          const index = at % bytes.length;
          if (kind === 0) bytes[index] = byte;
          else bytes = kind === 1 ? bytes.toSpliced(index, 1) : bytes.toSpliced(index, 0, byte);
        }
        const verdict = engine.parseChange(rebuild(Uint8Array.from(bytes)));
        if (verdict.kind !== "change") return;
        const open = engine.createDoc();
        const { applied, waiting, rejected } = open.applyChanges([first, verdict.change]);
        expect(applied.length + waiting.length + rejected.length).toBe(
          verdict.change.hash === first.hash ? 1 : 2,
        );
        const again = open.replay({
          operations: [{ op: "set", path: ["z"], value: 1 }],
          baseHeads: open.heads,
          actor: "0c".repeat(16),
          timeMs: 0,
        });
        expect(again.changes.length).toBe(1);
        expect(open.save().length).toBeGreaterThan(0);
        open.close();
      }),
      { numRuns: Number(process.env.COFFER_RUNS ?? 500) },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => engine.parseChange(bytes).kind === "bad"),
    );
  });
});
