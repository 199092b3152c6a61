/** Oracle: the first change that is written without Automerge is, byte for byte, the one that Automerge writes. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import * as Automerge from "@automerge/automerge/slim";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { createWebVerifier } from "../crypto/index.ts";
import { Atomic, Counter, encodeInitialValue, replayInitial } from "../draft/index.ts";
import { bytesToHex } from "../std/index.ts";
import { encodeCreate } from "./create-change.ts";
import { loadAutomerge } from "./load.ts";
import { replayTarget, type Library } from "./library.ts";

const runs = Number(process.env["COFFER_RUNS"] ?? 500);
const actor = "aa".repeat(16);
const timeMs = 1_700_000_123_456;
const { sha256 } = createWebVerifier();
let library: Library;

beforeAll(async () => {
  const wasm = createRequire(import.meta.url).resolve("@automerge/automerge/automerge.wasm");
  await loadAutomerge(() => readFile(wasm));
  library = {
    empty: Automerge.getBackend(Automerge.init()),
    counter: (start: number) => new Automerge.Counter(start),
    atomic: (text: string) => new Automerge.ImmutableString(text),
    sha256: (bytes: Uint8Array) => sha256(bytes),
  } as Library;
});

/** What Automerge makes of the same value. */
function byAutomerge(value: ReturnType<typeof encodeInitialValue>): Uint8Array {
  const handle = library.empty.clone(actor);
  replayInitial(replayTarget(library, handle), value);
  handle.commit(undefined, Math.floor(timeMs / 1000));
  const [bytes] = handle.getChanges([]);
  handle.free();
  return bytes ?? new Uint8Array(0);
}

function expectSame(plain: object): void {
  const value = encodeInitialValue(plain);
  const written = encodeCreate({ value, actor, timeMs }, (bytes) => sha256(bytes));
  if (written === undefined) return;
  const oracle = byAutomerge(value);
  expect(bytesToHex(written.bytes)).toBe(bytesToHex(oracle));
  const decoded = Automerge.decodeChange(oracle);
  expect([written.hash, written.actor, written.seq, written.deps]).toEqual([
    decoded.hash,
    decoded.actor,
    decoded.seq,
    decoded.deps,
  ]);
}

const cases: readonly object[] = [
  { all: "héllo 😀", nested: { y: "q", x: [1, "t", { k: 2 }] }, yes: true, no: false, none: null },
  { float: 1.5, negative: -7, zero: 0, minusZero: -0, nan: Number.NaN, infinite: Number.POSITIVE_INFINITY },
  {
    atomic: Atomic("whole"),
    counter: Counter(3),
    date: new Date(5),
    early: new Date(-1),
    bytes: new Uint8Array([1, 2]),
  },
  { "": 1, emptyText: "", emptyMap: {}, emptyList: [], combining: "e\u0301👩‍👩‍👧 a\r\nb" },
  { __proto__key: 1, constructor: "c", toString: "t" },
];

describe("the first change of a document", () => {
  it.each(cases)("is what Automerge writes for %j", (plain) => {
    expectSame(plain);
    const value = encodeInitialValue(plain);
    expect(encodeCreate({ value, actor, timeMs }, (bytes) => sha256(bytes))).toBeDefined();
  });

  it("is what Automerge writes for any value it writes at all", () => {
    const leaf = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "binary" }),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array(),
      fc.date({ noInvalidDate: true }),
      fc.string().map((text) => Atomic(text)),
      fc.maxSafeInteger().map((start) => Counter(start)),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie("value"), { maxLength: 5 }),
        fc.dictionary(fc.string({ unit: "binary" }), tie("value"), { maxKeys: 5 }),
      ),
    }));
    const fields = fc.dictionary(fc.string({ unit: "binary" }), value, { maxKeys: 8 });
    fc.assert(fc.property(fields, expectSame), { numRuns: runs });
  });

  it("is left to Automerge for an empty document and for whole numbers beyond 2^53", () => {
    for (const plain of [{}, { large: 2 ** 60 }]) {
      expect(
        encodeCreate({ value: encodeInitialValue(plain), actor, timeMs }, (bytes) => sha256(bytes)),
      ).toBeUndefined();
    }
  });
});
