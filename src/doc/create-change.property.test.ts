/** Oracles: the first change that is written without Automerge is, byte for byte, the one that Automerge writes, and reads the same. */
import * as Automerge from "@automerge/automerge/slim";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { createWebVerifier } from "../crypto/index.ts";
import { Atomic, Counter, encodeInitialValue, type DraftValue } from "../draft/index.ts";
import { bytesToHex } from "../std/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import { createChangeCodec } from "./codec.ts";
import { changeLimits, type DocEngine } from "./doc.ts";
import { anyFields, compareText, writeByOperations, type Handle } from "./create-fixtures.ts";

const runs = 20 * Number(process.env["COFFER_RUNS"] ?? 500);
const actor = "aa".repeat(16);
const timeMs = 1_700_000_123_456;
const { sha256 } = createWebVerifier();
const codec = createChangeCodec((bytes) => sha256(bytes));
let engine: DocEngine;
let empty: Handle;

beforeAll(async () => {
  engine = await loadEngine();
  empty = Automerge.getBackend(Automerge.init());
});

/** What Automerge writes of operations on an empty document. */
function commit(write: (handle: Handle) => void): Uint8Array {
  const handle = empty.clone(actor);
  write(handle);
  const seconds = Math.floor(timeMs / 1000);
  if (handle.commit(undefined, seconds) === null) handle.emptyChange(undefined, seconds);
  const [bytes] = handle.getChanges([]);
  handle.free();
  return bytes ?? new Uint8Array(0);
}

/** The value in the form that Automerge takes whole trees in. */
function hydrate(value: DraftValue): unknown {
  if (value instanceof Map) {
    for (const [tag, content] of value as ReadonlyMap<string, number | string>)
      return tag === "counter"
        ? new Automerge.Counter(Number(content))
        : new Automerge.ImmutableString(String(content));
  }
  if (value instanceof Date || value instanceof Uint8Array || typeof value !== "object" || value === null)
    return value;
  if (Array.isArray(value)) return value.map(hydrate);
  return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, hydrate(element)]));
}

/** Trees keep whole numbers as 64-bit integers, so that larger ones are none of theirs. */
function isLarge(value: DraftValue): boolean {
  if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value);
  return typeof value === "object" && value !== null && Object.values(value).some(isLarge);
}

/** @param isThorough also by the ways that cost milliseconds */
function expectSame(plain: object, isThorough = true): void {
  const value = encodeInitialValue(plain);
  const { change, value: reading } = codec.encodeCreate({ value, actor, timeMs });
  const oracle = commit((handle) => writeByOperations(handle, value));
  expect(bytesToHex(change.bytes)).toBe(bytesToHex(oracle));
  if (isThorough && !isLarge(value)) {
    const tree = commit((handle) => handle.initRootFromHydrate(hydrate(value)));
    expect(bytesToHex(change.bytes)).toBe(bytesToHex(tree));
  }
  expect(codec.parseChange(oracle)).toEqual({ kind: "change", change });
  if (isThorough) {
    const { hash, seq, deps, message } = Automerge.decodeChange(oracle);
    expect([change.hash, change.seq, change.deps, change.note]).toEqual([hash, seq, deps, message ?? ""]);
  }
  const decoded = codec.decodeCreate(change);
  expect(decoded).toStrictEqual(reading);
  expect(allKeys(decoded)).toEqual(allKeys(reading));
  if (!isThorough) return;
  const open = engine.createDoc();
  expect(open.applyChanges([change]).applied).toEqual([change]);
  expect(open.heads).toEqual([change.hash]);
  expect(reading).toStrictEqual(open.value);
  open.close();
}

/** The keys of all maps in their order; every map and list is frozen. */
function allKeys(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Date || value instanceof Uint8Array)
    return undefined;
  expect(Object.isFrozen(value)).toBe(true);
  return Object.entries(value).map(([key, element]) => [key, allKeys(element)]);
}

const cases: readonly object[] = [
  {},
  { all: "héllo 😀", nested: { y: "q", x: [1, "t", { k: 2 }] }, yes: true, no: false, none: null },
  { float: 1.5, negative: -7, zero: 0, minusZero: -0, nan: Number.NaN, infinite: Number.POSITIVE_INFINITY },
  {
    atomic: Atomic("whole"),
    counter: Counter(3),
    date: new Date(5),
    early: new Date(-1),
    bytes: new Uint8Array([1, 2]),
  },
  {
    "": 1,
    emptyText: "",
    emptyMap: {},
    emptyList: [],
    combining: "e\u0301👩‍👩‍👧 a\r\nb",
    emptyAtomic: Atomic(""),
  },
  { ["__proto__"]: { ["__proto__"]: "own" }, constructor: "c", toString: "t" },
  { large: 2 ** 60, beyond: [2 ** 53, -(2 ** 53), { n: 1e300 }], safe: 2 ** 53 - 1, huge: Number.MAX_VALUE },
  { many: Array.from({ length: 200 }, (_, index) => index % 7), keys: [{ k: 1 }, { k: 1 }, { k: 2 }] },
  Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`field ${index}`, `v${index}`])),
  { long: "ascii then é then ascii".repeat(300), bytes: new Uint8Array(3000).fill(200) },
];

describe("the first change of a document", () => {
  it.each(cases)("is what Automerge writes for %#", (plain) => {
    expectSame(plain);
  });

  it("is what Automerge writes, and reads what it writes, for any value", () => {
    let count = 0;
    fc.assert(
      fc.property(anyFields, (plain) => expectSame(plain, count++ % 8 === 0)),
      { numRuns: runs },
    );
  });

  it("sorts fields as Automerge does, whatever was written before", () => {
    const fields = fc.uniqueArray(fc.string({ unit: "binary" }), { maxLength: 12 });
    const orders = fields.chain((keys) => fc.tuple(fc.constant(keys), fc.shuffledSubarray(keys)));
    fc.assert(
      fc.property(orders, ([keys, order]) => {
        for (const names of [keys, order, keys.toReversed()]) {
          const plain = Object.fromEntries(names.map((name) => [name, 1]));
          const value = encodeInitialValue(plain);
          const written = Object.keys(codec.encodeCreate({ value, actor, timeMs }).value);
          expect(written).toEqual(
            Object.keys(Object.fromEntries([...names].sort(compareText).map((n) => [n, 1]))),
          );
        }
      }),
    );
  });

  it("refuses what is over the limits of a change", () => {
    const nested = (depth: number): object => (depth === 0 ? {} : { d: nested(depth - 1) });
    const encode = (value: unknown) => codec.encodeCreate({ value: value as DraftValue, actor, timeMs });
    expect(codec.parseChange(encode(nested(changeLimits.depth)).change.bytes).kind).toBe("change");
    const tooLarge = expect.objectContaining({ code: "input/too-large" });
    expect(() => encode(nested(changeLimits.depth + 1))).toThrow(tooLarge);
    expect(() => encode({ text: "x".repeat(changeLimits.bytes) })).toThrow(tooLarge);
    // what came before does not show in what comes after
    expectSame({ after: "it" });
  });
});
