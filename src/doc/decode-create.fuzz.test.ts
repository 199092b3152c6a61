/** What is read without Automerge is what Automerge reads, or nothing: of any change, also of damaged and hostile ones. */
import * as Automerge from "@automerge/automerge/slim";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { createWebVerifier } from "../crypto/index.ts";
import { encodeInitialValue } from "../draft/index.ts";
import { concatBytes } from "../std/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import { createChangeCodec } from "./codec.ts";
import { anyFields, type Handle } from "./create-fixtures.ts";
import { changeLimits, type DocChange, type DocEngine } from "./doc.ts";

const runs = Number(process.env["COFFER_RUNS"] ?? 500);
const actor = "0a".repeat(16);
const { sha256 } = createWebVerifier();
const codec = createChangeCodec((bytes) => sha256(bytes));
let engine: DocEngine;
let empty: Handle;

beforeAll(async () => {
  engine = await loadEngine();
  empty = Automerge.getBackend(Automerge.init());
});

/** @returns whether it was read without Automerge */
function expectSame(change: DocChange): boolean {
  const decoded = codec.decodeCreate(change);
  if (decoded === undefined) return false;
  const open = engine.createDoc();
  expect(open.applyChanges([change]).applied).toEqual([change]);
  expect(decoded).toStrictEqual(open.value);
  open.close();
  return true;
}

function parse(bytes: Uint8Array): DocChange {
  const verdict = codec.parseChange(bytes);
  if (verdict.kind === "bad") throw new Error(verdict.reason);
  return verdict.change;
}

type Op = Record<string, unknown>;
const encode = (ops: Op[], more: object = {}): DocChange =>
  parse(
    Automerge.encodeChange({
      actor,
      seq: 1,
      startOp: 1,
      time: 0,
      message: null,
      deps: [],
      ops,
      ...more,
    } as never),
  );
const field = (key: string, value: unknown, more: Op = {}): Op => ({
  action: "set",
  obj: "_root",
  key,
  value,
  pred: [],
  ...more,
});

/** A chunk with another body, its checksum right. */
function rebuild(body: readonly number[]): Uint8Array {
  const size: number[] = [];
  for (let rest = body.length; ; rest >>= 7) {
    size.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  const hashed = Uint8Array.of(1, ...size, ...body);
  return concatBytes(Uint8Array.of(0x85, 0x6f, 0x4a, 0x83), sha256(hashed).subarray(0, 4), hashed);
}
const bodyOf = (chunk: Uint8Array): Uint8Array =>
  chunk.subarray((chunk[9] ?? 0) < 128 ? 10 : (chunk[10] ?? 0) < 128 ? 11 : 12);

describe("decodeCreate", () => {
  it("reads every type of value", () => {
    const values: Op[] = [
      field("a", 1, { datatype: "uint" }),
      field("b", -5, { datatype: "int" }),
      field("c", 5, { datatype: "counter" }),
      field("d", -5, { datatype: "timestamp" }),
      field("e", -0.5, { datatype: "float64" }),
      field("f", "atomic"),
      field("h", null),
      field("i", true),
      field("j", false),
      field("k", 2 ** 53 - 1, { datatype: "uint" }),
      field("l", -(2 ** 53) + 1, { datatype: "int" }),
    ];
    expect(expectSame(encode(values))).toBe(true);
    expect(codec.decodeCreate(encode(values))).toMatchObject({ d: new Date(-5), c: 5, h: null });
  });

  it("leaves to Automerge what it does not cover", () => {
    const text: Op = { action: "makeText", obj: "_root", key: "t", pred: [] };
    const cases: DocChange[] = [
      encode([field("a", 1)], { deps: ["00".repeat(32)] }),
      encode([field("a", 1)], { seq: 2 }),
      encode([field("a", 1)], { startOp: 2 }),
      encode([field("a", 1), field("a", 2)]),
      encode([field("a", 1), field("a", 2, { pred: [`1@${actor}`] })]),
      encode([field("a", 1), { action: "del", obj: "_root", key: "a", pred: [`1@${actor}`] }]),
      encode([
        field("a", 1, { datatype: "counter" }),
        { action: "inc", obj: "_root", key: "a", value: 2, pred: [`1@${actor}`] },
      ]),
      encode([text, { action: "set", obj: `1@${actor}`, elemId: "_head", insert: true, value: 5, pred: [] }]),
      encode([field("a", 1, { obj: `5@${actor}` })]),
    ];
    for (const change of cases) expect(codec.decodeCreate(change)).toBeUndefined();
  });

  it("reads insertions in any order as Automerge does", () => {
    const step = fc.record({
      at: fc.nat(),
      kind: fc.nat(3),
      text: fc.string({ unit: "grapheme", maxLength: 4 }),
    });
    let readCount = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const handle = empty.clone(actor);
        const list = handle.putObject("_root", "list", []);
        const text = handle.putObject("_root", "text", "");
        for (const { at, kind, text: part } of steps) {
          const listAt = at % (handle.length(list) + 1);
          if (kind === 0) handle.insert(list, listAt, part, "str");
          else if (kind === 1) handle.insertObject(list, listAt, { part } as never);
          else handle.splice(text, at % (handle.length(text) + 1), 0, part);
        }
        handle.commit("a note", 5);
        const [bytes = new Uint8Array(0)] = handle.getChanges([]);
        handle.free();
        const change = parse(bytes);
        expect(change.note).toBe("a note");
        if (expectSame(change)) readCount += 1;
      }),
      { numRuns: runs },
    );
    expect(readCount).toBe(runs);
  });

  it("reads damaged changes as Automerge does, or not at all", () => {
    const edit = fc.record({ at: fc.nat(), byte: fc.nat(255), kind: fc.nat(2) });
    const edits = fc.array(edit, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(anyFields, edits, (plain, list) => {
        const { change } = codec.encodeCreate({ value: encodeInitialValue(plain), actor, timeMs: 0 });
        const body = [...bodyOf(change.bytes)];
        for (const { at, byte, kind } of list) {
          const index = at % body.length;
          if (kind === 0) body[index] = byte;
          else body.splice(index, kind === 1 ? 1 : 0, ...(kind === 1 ? [] : [byte]));
        }
        const verdict = codec.parseChange(rebuild(body));
        if (verdict.kind === "change") expectSame(verdict.change);
      }),
      { numRuns: 10 * runs },
    );
  });

  it("never throws, whatever the bytes, and ends soon", () => {
    const change = (bytes: Uint8Array<ArrayBuffer>): DocChange => ({
      bytes,
      hash: "",
      actor,
      seq: 1,
      deps: [],
      note: "",
    });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        codec.decodeCreate(change(new Uint8Array(bytes)));
        codec.decodeCreate(change(rebuild([...bytes]) as Uint8Array<ArrayBuffer>));
        // behind an honest head
        codec.decodeCreate(change(rebuild([0, 1, 7, 1, 1, 0, 0, 0, ...bytes]) as Uint8Array<ArrayBuffer>));
      }),
      { numRuns: runs },
    );
    // a run of two billion rows, in ten bytes
    const bomb = [
      0, 1, 7, 1, 1, 0, 0, 0, 2, 0x42, 6, 0x56, 6, 0x80, 0x80, 0x80, 0x80, 0x08, 1, 0x80, 0x80, 0x80, 0x80,
      0x08, 0,
    ];
    expect(codec.decodeCreate(change(rebuild(bomb) as Uint8Array<ArrayBuffer>))).toBeUndefined();
    expect(codec.parseChange(rebuild(bomb)).kind).toBe("bad");
  });

  it("shows no note that is longer than ours are", () => {
    const noteOf = (message: string): string => encode([field("a", 1)], { message }).note;
    expect(noteOf("why")).toBe("why");
    expect(noteOf("x".repeat(changeLimits.noteBytes))).toBe("x".repeat(changeLimits.noteBytes));
    expect(noteOf("x".repeat(changeLimits.noteBytes + 1))).toBe("");
    expect(noteOf("é".repeat(changeLimits.noteBytes / 2 + 1))).toBe("");
    expect(encode([field("a", 1)]).note).toBe("");
  });
});
