import * as Automerge from "@automerge/automerge/slim";
import { beforeAll, describe, expect, it } from "vitest";
import {
  applyPatches,
  Atomic,
  Counter,
  encodeInitialValue,
  increment,
  recordDraft,
  splice,
  type DocValue,
  type DraftOperation,
} from "../draft/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import { changeLimits, type DocChange, type DocEngine, type OpenDoc } from "./doc.ts";

const actors = ["0a", "0b", "0c"].map((byte) => byte.repeat(16)) as [string, string, string];
const [ours, theirs, third] = actors;
let engine: DocEngine;
beforeAll(async () => {
  engine = await loadEngine();
});

type Op = Record<string, unknown>;
function hostile(ops: Op[], more: object = {}): DocChange {
  const verdict = engine.parseChange(
    Automerge.encodeChange({
      actor: theirs,
      seq: 1,
      startOp: 1,
      time: 0,
      message: null,
      deps: [],
      ops,
      ...more,
    } as never),
  );
  if (verdict.kind !== "change") throw new Error(verdict.reason);
  return verdict.change;
}
const set = (key: string, value: number): Op => ({
  action: "set",
  obj: "_root",
  key,
  value,
  datatype: "int",
  pred: [],
});

function open(value: unknown = { a: 1 }): { doc: OpenDoc; first: DocChange } {
  const { change: first } = engine.encodeCreate({
    value: encodeInitialValue(value),
    actor: ours,
    timeMs: 5_000,
  });
  const doc = engine.createDoc();
  doc.applyChanges([first]);
  return { doc, first };
}
const edit = (doc: OpenDoc, operations: DraftOperation[], baseHeads = doc.heads, actor = ours) =>
  doc.replay({ operations, baseHeads, actor, timeMs: 6_000 });

describe("encodeCreate", () => {
  it("reads back as it was given, for any key and value", () => {
    const value = JSON.parse(
      '{"__proto__":{"x":1},"constructor":"c","":0,"a/b":{"~":["__proto__"]}}',
    ) as Record<string, unknown>;
    Object.assign(value, {
      c: Counter(3),
      s: Atomic("s"),
      d: new Date(9),
      b: Uint8Array.of(1),
      n: null,
      f: 0.5,
      big: [1e300, 2 ** 60, -(2 ** 60), -1e300, NaN],
    });
    const initial = engine.encodeCreate({ value: encodeInitialValue(value), actor: ours, timeMs: 0 });
    const doc = engine.createDoc();
    expect(doc.applyChanges([initial.change])).toEqual({
      applied: [initial.change],
      waiting: [],
      rejected: [],
    });
    expect(doc.value).toEqual(initial.value);
    expect(Object.keys(doc.value)).toContain("__proto__");
    expect(Object.getPrototypeOf(doc.value)).toBe(Object.prototype);
    expect(Object.isFrozen(doc.value)).toBe(true);
    doc.close();
  });

  it("writes one change for an empty document too", () => {
    const { doc, first } = open({});
    expect([first.seq, doc.value, doc.heads]).toEqual([1, {}, [first.hash]]);
    doc.close();
  });
});

describe("applyChanges", () => {
  it("orders what came out of order, and lets the rest wait", () => {
    const { doc, first } = open();
    const one = edit(doc, [{ op: "set", path: ["b"], value: 1 }]).changes[0] as DocChange;
    const two = edit(doc, [{ op: "set", path: ["b"], value: 2 }]).changes[0] as DocChange;
    const other = engine.createDoc();
    expect(other.applyChanges([two]).waiting).toEqual([two]);
    expect(other.applyChanges([two, one, first]).applied).toEqual([first, one, two]);
    expect(other.applyChanges([one])).toEqual({ applied: [one], waiting: [], rejected: [] });
    expect(other.heads).toEqual(doc.heads);
    doc.close();
    other.close();
  });

  it("rejects the one that cannot be applied, and applies the others of its batch", () => {
    const { doc, first } = open();
    const bad = hostile([
      { action: "set", obj: `77@${third}`, key: "k", value: 1, datatype: "int", pred: [] },
    ]);
    const onBad = hostile([set("k", 2)], { seq: 2, startOp: 9, deps: [bad.hash] });
    const badPred = hostile([{ ...set("k", 1), pred: [`3@${third}`] }], {
      seq: 1,
      startOp: 9,
      actor: "0d".repeat(16),
    });
    const good = hostile([set("good", 1)], { actor: "0e".repeat(16) });
    const result = doc.applyChanges([bad, onBad, badPred, good]);
    expect(result.applied).toEqual([good]);
    expect(result.waiting).toEqual([onBad]);
    expect(result.rejected.map(({ change, reason }) => `${change.hash} ${reason}`).sort()).toEqual(
      [bad, badPred].map(({ hash }) => `${hash} not-applicable`).sort(),
    );
    expect(doc.value).toEqual({ a: 1, good: 1 });
    expect(doc.heads).toEqual([first.hash, good.hash].sort());
    expect(edit(doc, [{ op: "set", path: ["a"], value: 2 }]).changes.length).toBe(1);
    doc.close();
  });

  it("rejects a second change with a seq that is taken, and one that skips a seq", () => {
    const { doc } = open();
    const [one, same, skips] = [
      hostile([set("k", 1)]),
      hostile([set("k", 2)]),
      hostile([set("k", 3)], { seq: 3, startOp: 9 }),
    ];
    expect(doc.applyChanges([one, same]).rejected).toEqual([{ change: same, reason: "conflicting-seq" }]);
    expect(doc.applyChanges([same, skips]).rejected.map(({ reason }) => reason)).toEqual([
      "conflicting-seq",
      "not-applicable",
    ]);
    doc.close();
  });

  it("bounds depth over several changes, also in what was deleted, on every replica alike", () => {
    const deep = (startOp: number, seq: number, parent: string, levels: number, deps: string[]): DocChange =>
      hostile(
        Array.from({ length: levels }, (_, i) => ({
          action: "makeMap",
          obj: i === 0 ? parent : `${startOp + i - 1}@${theirs}`,
          key: "d",
          pred: [],
        })),
        { startOp, seq, deps },
      );
    const half = deep(1, 1, "_root", changeLimits.depth - 4, []);
    const bottom = `${changeLimits.depth - 4}@${theirs}`;
    const fits = deep(1000, 2, bottom, 4, [half.hash]);
    const over = deep(2000, 2, bottom, 5, [half.hash]);
    for (const changes of [
      [half, over, fits],
      [half, fits],
    ]) {
      const doc = engine.createDoc();
      const { applied, rejected } = doc.applyChanges(changes);
      expect(applied).toEqual([half, fits]);
      expect(rejected.map(({ reason }) => reason)).toEqual(changes.includes(over) ? ["limit"] : []);
      doc.close();
    }
    const doc = engine.createDoc();
    doc.applyChanges([half]);
    edit(doc, [{ op: "delete", path: ["d"] }]);
    expect(doc.applyChanges([over]).rejected.map(({ reason }) => reason)).toEqual(["limit"]);
    expect(doc.applyChanges([fits]).applied).toEqual([fits]);
    doc.close();
  });
});

describe("replay", () => {
  it("happens wholly or not at all", () => {
    const { doc } = open({ a: "text", n: Atomic("x"), c: Counter(1), plain: 1 });
    const before = [doc.value, doc.heads];
    const misfits: DraftOperation[] = [
      { op: "set", path: ["nowhere", "x"], value: 1 },
      { op: "set", path: ["a", "x"], value: 1 },
      { op: "splice", path: ["a"], index: 0, remove: 0, values: [1] },
      { op: "spliceText", path: ["n"], index: 0, remove: 0, insert: "x" },
      { op: "spliceText", path: ["a"], index: 3, remove: 2, insert: "x" },
      { op: "increment", path: ["plain"], by: 1 },
      { op: "updateText", path: [], value: "x" },
      { op: "set", path: [], value: 1 },
    ];
    for (const misfit of misfits) {
      expect(() => edit(doc, [{ op: "set", path: ["a"], value: "lost" }, misfit])).toThrow(
        expect.objectContaining({ code: "input/invalid" }),
      );
      expect([doc.value, doc.heads]).toEqual(before);
    }
    expect(() => edit(doc, [], ["00".repeat(32)])).toThrow(
      expect.objectContaining({ code: "input/invalid" }),
    );
    expect(edit(doc, [{ op: "increment", path: ["c"], by: 2 }]).changes.length).toBe(1);
    expect(doc.value.c).toBe(3);
    doc.close();
  });

  it("refuses to write more than it would accept", () => {
    const { doc } = open({ a: "x".repeat(200_000) });
    const { heads } = doc;
    edit(doc, [{ op: "spliceText", path: ["a"], index: 0, remove: 0, insert: "y".repeat(200_000) }]);
    expect(() =>
      edit(doc, [{ op: "spliceText", path: ["a"], index: 0, remove: 400_000, insert: "" }]),
    ).toThrow(expect.objectContaining({ code: "input/too-large" }));
    expect(doc.heads).not.toEqual(heads);
    expect((doc.value.a as string).length).toBe(400_000);
    doc.close();
  });

  it("writes nothing for an edit that changed nothing", () => {
    const { doc } = open();
    expect(edit(doc, [{ op: "set", path: ["a"], value: 1 }])).toEqual({
      changes: [],
      heads: doc.heads,
      draftHeads: doc.heads,
    });
    doc.close();
  });

  it("keeps branches that did not change, and chains drafts on their own branch", () => {
    const { doc, first } = open({ a: { x: 1 }, b: { y: [1] } });
    const { b } = doc.value;
    const base = doc.value;
    doc.applyChanges([hostile([set("remote", 1)], { startOp: 50, deps: [first.hash] })]);
    const draft = recordDraft<{ a: { x: number } }>(base as never, (root) => {
      root.a.x = 2;
    });
    const one = edit(doc, [...draft.operations], [first.hash]);
    const two = edit(doc, [{ op: "set", path: ["a", "x"], value: 3 }], [...one.draftHeads]);
    const again = edit(doc, [{ op: "set", path: ["a", "z"], value: 4 }], [first.hash]);
    expect(doc.value).toEqual({ a: { x: 3, z: 4 }, b: { y: [1] }, remote: 1 });
    expect(doc.value.b).toBe(b);
    expect(two.changes[0]?.deps).toEqual(one.draftHeads);
    for (const change of [one, two, again].flatMap(({ changes }) => changes)) {
      expect(change.actor === ours || /^13b22309[0-9a-f]{2}/.test(change.actor)).toBe(true);
      expect(change.actor.endsWith(ours)).toBe(true);
    }
    const other = engine.createDoc();
    other.applyChanges(
      [again, two, one]
        .flatMap(({ changes }) => changes)
        .concat(first, hostile([set("remote", 1)], { startOp: 50, deps: [first.hash] })),
    );
    expect([other.value, other.heads]).toEqual([doc.value, doc.heads]);
    doc.close();
    other.close();
  });

  it("edits text and counters under any key", () => {
    const { doc } = open({ "": "abc", "a/b": { "~": Counter(1) } });
    const { operations } = recordDraft<Record<string, DocValue>>(doc.value, (draft) => {
      splice(draft, [""], 1, 1, "X");
      increment(draft, ["a/b", "~"], 4);
      draft["__proto__"] = "own";
    });
    edit(doc, [...operations]);
    expect(doc.value).toEqual(JSON.parse('{"": "aXc", "a/b": { "~": 5 }, "__proto__": "own" }'));
    doc.close();
  });

  it("shows what was removed from a list behind the heads as everyone else reads it", () => {
    const { doc, first } = open({ list: ["x", {}] });
    const remote = engine.createDoc();
    remote.applyChanges([first]);
    const { changes } = edit(remote, [{ op: "set", path: ["list", 1], value: {} }], remote.heads, theirs);
    doc.applyChanges(changes);
    const one = edit(doc, [{ op: "set", path: ["list", 1], value: 0 }], [first.hash], third);
    edit(
      doc,
      [{ op: "splice", path: ["list"], index: 1, remove: 1, values: [] }],
      [...one.draftHeads],
      third,
    );
    expect(doc.value).toEqual({ list: ["x", {}] });
    doc.close();
    remote.close();
  });
});

describe("an open document", () => {
  it("shows what only other programs write as reading it anew shows it", () => {
    const { doc, first } = open({ t: "abcd", l: [1, 2], c: Counter(1) });
    const ids = Object.fromEntries(
      (Automerge.decodeChange(first.bytes) as { ops: { key?: string; action: string }[] }).ops.map(
        (op, i) => [op.key ?? "", `${i + 1}@${ours}`],
      ),
    );
    const object = ids["t"] ?? "";
    const changes = [
      hostile([{ action: "set", obj: object, elemId: "_head", insert: true, value: "long👍", pred: [] }], {
        startOp: 50,
        deps: [first.hash],
      }),
      hostile([{ action: "makeMap", obj: object, elemId: "_head", insert: true, pred: [] }], {
        startOp: 60,
        deps: [first.hash],
        actor: third,
      }),
      hostile(
        [{ action: "set", obj: object, elemId: "_head", insert: true, value: 5, datatype: "int", pred: [] }],
        {
          startOp: 70,
          deps: [first.hash],
          actor: "0d".repeat(16),
        },
      ),
    ];
    const check = (): void => {
      const fresh = engine.loadDoc(doc.save());
      expect(doc.value).toEqual(fresh?.value);
      fresh?.close();
    };
    for (const change of changes) {
      expect(doc.applyChanges([change]).applied).toEqual([change]);
      check();
      for (let index = 0; index + 2 <= (doc.value.t as string).length; index += 2) {
        const before = doc.heads;
        edit(doc, [{ op: "spliceText", path: ["t"], index, remove: 0, insert: "-" }]);
        edit(doc, [{ op: "spliceText", path: ["t"], index, remove: 2, insert: "" }]);
        check();
        expect(applyPatches(doc.valueAt(before), doc.diff(before, doc.heads))).toEqual(doc.value);
      }
    }
    doc.close();
  });

  it("writes empty changes, knows its heads and can be saved", () => {
    const { doc, first } = open();
    const empty = doc.emptyChange({ actor: theirs, timeMs: 0 });
    expect([empty.actor, empty.seq, empty.deps]).toEqual([theirs, 1, [first.hash]]);
    expect([doc.hasHeads([first.hash, empty.hash]), doc.hasHeads(["00".repeat(32)])]).toEqual([true, false]);
    expect(Automerge.load(doc.snapshot())).toEqual({ a: 1 });
    doc.close();
    expect(() => doc.value).toThrow();
  });

  it("keeps a note with a change, within its limit", () => {
    const { doc, first } = open();
    const operations: DraftOperation[] = [{ op: "set", path: ["b"], value: 1 }];
    const base = { actor: theirs, timeMs: 0, note: "ä".repeat(changeLimits.noteBytes / 2) };
    const [change] = doc.replay({ ...base, operations, baseHeads: doc.heads }).changes;
    const behind = doc.replay({ ...base, operations, baseHeads: [first.hash], actor: third }).changes[0];
    const empty = doc.emptyChange({ ...base, note: '{"merge":"x"}' });
    const past = doc.emptyChange({ actor: "0f".repeat(16), timeMs: 0, note: "past", at: [first.hash] });
    expect([first, change, behind, empty, past].map((written) => written?.note)).toEqual([
      "",
      base.note,
      base.note,
      '{"merge":"x"}',
      "past",
    ]);
    const other = engine.createDoc();
    const { applied } = other.applyChanges(
      [first, change, behind, empty, past].filter((one) => one !== undefined),
    );
    expect(applied.map(({ note }) => note).sort()).toEqual(
      ["", "past", '{"merge":"x"}', base.note, base.note].sort(),
    );
    expect(() => doc.emptyChange({ ...base, note: `${base.note}x` })).toThrow();
    expect(() => doc.replay({ ...base, note: `${base.note}x`, operations, baseHeads: doc.heads })).toThrow();
    doc.close();
    other.close();
  });
});
