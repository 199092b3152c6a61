/** Oracle: edits that are written without Automerge are, byte for byte, what Automerge writes, and show the same. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { createWebVerifier } from "../crypto/index.ts";
import {
  Counter,
  encodeInitialValue,
  type DocValue,
  type DraftOperation,
  type DraftValue,
} from "../draft/index.ts";
import { bytesToHex } from "../std/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import { createChangeCodec } from "./codec.ts";
import { anyFields } from "./create-fixtures.ts";
import type { DocChange, DocEngine, OpenDoc } from "./doc.ts";

const numRuns = 2 * Number(process.env["COFFER_RUNS"] ?? 500);
const actors = ["aa".repeat(16), "0b".repeat(16), "ee".repeat(16)];
const createdAtMs = 1_700_000_123_456;
const timeMs = 1_700_000_200_000;
const { sha256 } = createWebVerifier();
const codec = createChangeCodec((bytes) => sha256(bytes));
let engine: DocEngine;

beforeAll(async () => {
  engine = await loadEngine();
});

interface Made {
  readonly change: DocChange;
  readonly value: { readonly [key: string]: DocValue };
}

const make = (plain: object, actor: string): Made =>
  codec.encodeCreate({ value: encodeInitialValue(plain), actor, timeMs: createdAtMs });

/** What Automerge makes of the same edit. */
function replay({ change }: Made, actor: string, operations: readonly DraftOperation[]): Made | undefined {
  const doc = engine.createDoc();
  doc.applyChanges([change]);
  const [written] = doc.replay({ operations, baseHeads: [change.hash], actor, timeMs }).changes;
  const made = written && { change: written, value: doc.value };
  doc.close();
  return made;
}

function encode(made: Made, actor: string, operations: readonly DraftOperation[]): Made | undefined {
  const created = { hash: made.change.hash, actor: made.change.actor, atMs: createdAtMs };
  const known = codec.knowCreated({ value: made.value, created });
  const written = known && codec.encodeEdit(known, { operations, actor, timeMs });
  return written && { change: written.change, value: written.after.value };
}

const set = (name: string, value: DraftValue): DraftOperation => ({ op: "set", path: [name], value });
const [ours = "", theirs = ""] = actors;

const anyScalar = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({ maxLength: 300 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }).map((value) => value + 0),
  fc.boolean(),
  fc.constant(null),
);
const anyName = fc.oneof(
  fc.constantFrom("title", "done", "a", "z", "count"),
  fc.string({ unit: "grapheme", minLength: 1 }),
);

const anyPlainFields = fc
  .tuple(anyFields, fc.dictionary(anyName, anyScalar, { maxKeys: 5 }))
  .map(([a, b]) => ({ ...a, ...b }));
const anyEdit = fc.dictionary(anyName, anyScalar, { minKeys: 1, maxKeys: 4 });
const operationsOf = (edit: { readonly [name: string]: DraftValue }): readonly DraftOperation[] =>
  Object.entries(edit).map(([name, value]) => set(name, value));

/** An open document, which is closed. */
function withDoc<T>(use: (doc: OpenDoc) => T): T {
  const doc = engine.createDoc();
  try {
    return use(doc);
  } finally {
    doc.close();
  }
}

describe("edits without Automerge", () => {
  it("are what Automerge writes, each upon the other, whoever edits", () => {
    let longest = 0;
    fc.assert(
      fc.property(
        anyPlainFields,
        fc.array(fc.tuple(anyEdit, fc.constantFrom(...actors)), { minLength: 2, maxLength: 12 }),
        (plain, edits) =>
          withDoc((doc) => {
            const made = make(plain, ours);
            const created = { hash: made.change.hash, actor: ours, atMs: createdAtMs };
            let known = codec.knowCreated({ value: made.value, created });
            doc.applyChanges([made.change]);
            let count = 0;
            for (const [edit, actor] of edits) {
              const draft = { operations: operationsOf(edit), actor, timeMs: timeMs + count * 1000 };
              const written = known && codec.encodeEdit(known, draft);
              if (written === undefined) break;
              const [oracle] = doc.replay({ ...draft, baseHeads: doc.heads }).changes;
              expect(bytesToHex(written.change.bytes)).toBe(bytesToHex(oracle?.bytes ?? new Uint8Array(0)));
              expect(written.change).toEqual(oracle);
              expect(written.after.value).toEqual(doc.value);
              known = written.after;
              count += 1;
            }
            longest = Math.max(longest, count);
          }),
      ),
      { numRuns: numRuns / 2 },
    );
    expect(longest).toBeGreaterThan(6);
  });

  it("leave a known document as it was: the same edit can be written again", () => {
    const made = make({ title: "a", n: 1 }, ours);
    const created = { hash: made.change.hash, actor: ours, atMs: createdAtMs };
    const known = codec.knowCreated({ value: made.value, created });
    if (known === undefined) throw new Error("A plain document is known");
    const edit = { operations: [set("title", "b"), set("new", 2)], actor: theirs, timeMs };
    const [first, second] = [codec.encodeEdit(known, edit), codec.encodeEdit(known, edit)];
    expect(first).toBeDefined();
    expect(second).toEqual(first);
  });
});

describe("a first edit without Automerge", () => {
  it("is what Automerge writes, whoever edits", () => {
    let coveredCount = 0;
    fc.assert(
      fc.property(anyPlainFields, anyEdit, fc.constantFrom(...actors), (plain, edit, editor) => {
        const made = make(plain, ours);
        const operations = operationsOf(edit);
        const encoded = encode(made, editor, operations);
        if (encoded === undefined) return;
        coveredCount += 1;
        const oracle = replay(made, editor, operations);
        expect(bytesToHex(encoded.change.bytes)).toBe(bytesToHex(oracle?.change.bytes ?? new Uint8Array(0)));
        expect(encoded).toEqual(oracle);
        expect(codec.parseChange(encoded.change.bytes)).toEqual({ kind: "change", change: encoded.change });
      }),
      { numRuns },
    );
    expect(coveredCount).toBeGreaterThan(numRuns / 10);
  });

  it("sets fields in the order of the edit, old ones and new ones", () => {
    const made = make({ b: "text", a: 1, c: [1, { deep: true }] }, ours);
    const operations = [set("z", "new ✓ 😀"), set("b", "other"), set("a", -7), set("c", 0.5), set("e", "")];
    for (const editor of actors) {
      const encoded = encode(made, editor, operations);
      expect(encoded).toBeDefined();
      expect(encoded).toEqual(replay(made, editor, operations));
      expect(encoded?.value).toEqual({ a: -7, b: "other", c: 0.5, e: "", z: "new ✓ 😀" });
    }
  });

  it("writes the first change again, a second earlier where its commit came late", () => {
    const { change, value } = make({ title: "a", since: new Date(3) }, ours);
    for (const [lateMs, isThere] of [
      [0, true],
      [900, true],
      [2500, false],
    ] as const) {
      const created = { hash: change.hash, actor: ours, atMs: createdAtMs + lateMs };
      expect(codec.writeAgain({ value, created })).toEqual(isThere ? change : undefined);
    }
    const created = { hash: change.hash, actor: theirs, atMs: createdAtMs };
    expect(codec.writeAgain({ value, created })).toBeUndefined();
  });

  it("leaves the rest to Automerge", () => {
    const made = make({ title: "a", n: 3, count: 1, list: [1] }, ours);
    const others: readonly (readonly DraftOperation[])[] = [
      [],
      [set("n", 3)],
      [set("title", "x"), set("title", "y")],
      [set("title", ["x"])],
      [set("__proto__", "x")],
      [set("title", "\ud800")],
      [set("title", "x".repeat(5000))],
      [set("n", -0)],
      [{ op: "delete", path: ["title"] }],
      [{ op: "set", path: ["list", 0], value: 2 }],
      [{ op: "spliceText", path: ["title"], index: 0, remove: 1, insert: "b" }],
    ];
    for (const operations of others) expect(encode(made, ours, operations)).toBeUndefined();
    // what it shows is less than what it holds
    const counting = make({ count: Counter(2) }, ours);
    expect(encode(counting, ours, [set("title", "x")])).toBeUndefined();
  });
});
