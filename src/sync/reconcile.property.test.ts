import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { bytesToHex, ByteReader, bytesToId, compareBytes } from "../std/index.ts";
import { decodeFrames, encodeFrames } from "./frames.ts";
import { readRanges, reconcileLimits, type Range } from "./reconcile-format.ts";
import { endBound, ReconcileSet, type Bound, type ReconcileItem } from "./reconcile-set.ts";
import { answerReconcile, beginReconcile } from "./reconcile.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const crypto = createWebCrypto();
const salt = new Uint8Array(8).fill(3);
const dbId = bytesToId("DbId", new Uint8Array(16));
const nameOf = ({ timeMs, hash }: ReconcileItem): string => `${timeMs}/${bytesToHex(hash)}`;
const namesOf = (items: Iterable<ReconcileItem>): string[] => [...items].map(nameOf).sort();
const allOf = (set: ReconcileSet): readonly ReconcileItem[] => set.slice(0, set.size);

/** Hashes that share prefixes and times that collide, since that is where bounds are hard. */
const itemArbitrary = fc
  .tuple(
    fc.integer({ min: 0, max: 40 }),
    fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 4 }),
  )
  .map(([timeMs, start]): ReconcileItem => {
    const hash = new Uint8Array(32);
    hash.set(start);
    // One hash is one commit, and has one time.
    hash[30] = timeMs;
    hash[31] = start.length;
    return { timeMs, hash };
  });
const realItems = (count: number, timeOf: (index: number) => number): ReconcileItem[] =>
  Array.from({ length: count }, (_, index) => ({ timeMs: timeOf(index), hash: crypto.randomBytes(32) }));

interface Session {
  readonly toA: readonly ReconcileItem[];
  readonly toB: readonly ReconcileItem[];
  readonly bytes: number;
  readonly roundTrips: number;
}

/** Two sides until nothing is open, over the wire's own bytes; what is delivered is added at once. */
function reconcileSets(a: ReconcileSet, b: ReconcileSet): Session {
  const [toA, toB]: [ReconcileItem[], ReconcileItem[]] = [[], []];
  let bytes = 0;
  const send = (ranges: readonly Range[]): readonly Range[] => {
    const encoded = encodeFrames([{ type: "ranges", dbId, salt, ranges }]);
    bytes += encoded.length;
    const [frame] = decodeFrames(encoded) ?? [];
    if (frame?.type !== "ranges") throw new Error("what is written can be read");
    return frame.ranges;
  };
  let ranges = beginReconcile(crypto, a, salt);
  for (let roundTrips = 1; ; roundTrips++) {
    if (roundTrips > 64) throw new Error("it ends");
    const answered = answerReconcile(crypto, b, salt, send(ranges));
    for (const item of answered.deliver) a.add(item);
    toA.push(...answered.deliver);
    if (answered.ranges.length === 0) return { toA, toB, bytes, roundTrips };
    const own = answerReconcile(crypto, a, salt, send(answered.ranges));
    for (const item of own.deliver) b.add(item);
    toB.push(...own.deliver);
    ranges = own.ranges;
    if (ranges.length === 0) return { toA, toB, bytes, roundTrips };
  }
}

const minus = (a: readonly ReconcileItem[], b: readonly ReconcileItem[]): string[] => {
  const names = new Set(namesOf(b));
  return [...new Set(namesOf(a))].filter((name) => !names.has(name));
};

describe("two sets", () => {
  test("become one, and what is delivered is the plain difference", () => {
    const some = fc.array(itemArbitrary, { maxLength: 120 });
    fc.assert(
      fc.property(some, some, some, (shared, onlyA, onlyB) => {
        const [ofA, ofB] = [
          [...shared, ...onlyA],
          [...shared, ...onlyB],
        ];
        const [a, b] = [ReconcileSet.of(ofA), ReconcileSet.of(ofB)];
        const { toA, toB } = reconcileSets(a, b);
        expect([...new Set(namesOf(toA))]).toEqual(minus(ofB, ofA));
        expect([...new Set(namesOf(toB))]).toEqual(minus(ofA, ofB));
        expect(namesOf(allOf(a))).toEqual(namesOf(allOf(b)));
      }),
    );
  });

  test.each([
    [0, 0],
    [0, 6000],
    [6000, 0],
    [17, 6000],
    [6000, 17],
    [5000, 5000],
  ])("of %i and %i items that share nothing become one", (countA, countB) => {
    const [ofA, ofB] = [realItems(countA, (i) => i % 700), realItems(countB, (i) => i % 900)];
    const [a, b] = [ReconcileSet.of(ofA), ReconcileSet.of(ofB)];
    reconcileSets(a, b);
    expect(a.size).toBe(countA + countB);
    expect(namesOf(allOf(a))).toEqual(namesOf(allOf(b)));
  });
});

describe("bytes, without the commits themselves", () => {
  const start = 1_700_000_000_000;
  const shared = realItems(100_000, (index) => start + index * 40_000);
  const withNew = (set: readonly ReconcileItem[], count: number): ReconcileItem[] => [
    ...set,
    ...realItems(count, (index) => start + 100_000 * 40_000 + index * 1000),
  ];

  test("of equal sets of 100,000 are at most 400, in one round trip", () => {
    const { bytes, roundTrips } = reconcileSets(ReconcileSet.of(shared), ReconcileSet.of(shared));
    expect(roundTrips).toBe(1);
    expect(bytes).toBeLessThanOrEqual(400);
  });

  test.each(["here", "there"])("of 100 recent ones that are only %s are at most 2 KB", (side) => {
    const [less, more] = [ReconcileSet.of(shared), ReconcileSet.of(withNew(shared, 100))];
    const { bytes, toA, toB } = side === "here" ? reconcileSets(more, less) : reconcileSets(less, more);
    expect(toA.length + toB.length).toBe(100);
    expect(bytes).toBeLessThanOrEqual(2048);
  });

  test("of 100 scattered ones among 100,000 are at most 60 KB", () => {
    const lacking = (offset: number): ReconcileSet =>
      ReconcileSet.of(shared.filter((_, index) => index % 2000 !== offset));
    const { bytes, toA, toB } = reconcileSets(lacking(7), lacking(1207));
    expect([toA.length, toB.length]).toEqual([50, 50]);
    expect(bytes).toBeLessThanOrEqual(60_000);
  });
});

describe("a set", () => {
  const bound: fc.Arbitrary<Bound> = fc.oneof(
    fc.constant(endBound),
    itemArbitrary.chain(({ timeMs, hash }) =>
      fc.nat(32).map((length) => ({ timeMs, prefix: hash.slice(0, length) })),
    ),
  );
  const isBelow = (item: ReconcileItem, { timeMs, prefix }: Bound): boolean =>
    item.timeMs < timeMs ||
    (item.timeMs === timeMs && compareBytes(item.hash.slice(0, prefix.length), prefix) < 0);

  test("that items are added to equals one that is sorted anew, in sums, counts and bounds", () => {
    fc.assert(
      fc.property(
        fc.array(itemArbitrary, { maxLength: 150 }),
        bound,
        fc.nat(),
        fc.nat(),
        (items, where, x, y) => {
          const grown = ReconcileSet.of([]);
          for (const item of items) grown.add(item);
          const plain = [...new Map(items.map((item) => [nameOf(item), item])).values()].sort(
            (a, b) => a.timeMs - b.timeMs || compareBytes(a.hash, b.hash),
          );
          expect(allOf(grown).map(nameOf)).toEqual(plain.map(nameOf));
          expect(grown.countBelow(where)).toBe(plain.filter((item) => isBelow(item, where)).length);
          const [from, to] = [x % (plain.length + 1), y % (plain.length + 1)].sort((a, b) => a - b);
          let sum = 0n;
          for (const { hash } of plain.slice(from, to))
            sum += BigInt(`0x${bytesToHex(Uint8Array.from(hash).reverse())}`);
          const hex = (sum % 2n ** 256n).toString(16).padStart(64, "0");
          expect(bytesToHex(grown.sum(from ?? 0, to ?? 0).reverse())).toBe(hex);
          if (plain.length > 0)
            expect(grown.countBelow(grown.boundAt(x % plain.length))).toBe(x % plain.length);
        },
      ),
    );
  });

  test("of many chunks equals one that is made at once", () => {
    const items = realItems(4000, () => Math.floor(Math.random() * 3000));
    const grown = ReconcileSet.of([]);
    for (const item of items) expect(grown.add(item)).toBe(true);
    for (const item of items.slice(0, 50)) expect(grown.add(item)).toBe(false);
    const made = ReconcileSet.of(items);
    expect(allOf(grown)).toEqual(allOf(made));
    for (const [from, to] of [
      [0, 4000],
      [1, 3999],
      [511, 513],
      [1000, 1000],
    ] as const)
      expect(grown.sum(from, to)).toEqual(made.sum(from, to));
  });
});

describe("hostile ranges", () => {
  const set = ReconcileSet.of(realItems(3000, (index) => index));

  test("of any bytes are read to a verdict, and answered within limits", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const reader = new ByteReader(bytes);
        const ranges = readRanges(reader);
        if (reader.error !== undefined) return;
        const { ranges: answered } = answerReconcile(crypto, set, salt, ranges);
        expect(answered.length).toBeLessThanOrEqual(reconcileLimits.ranges);
        encodeFrames([{ type: "ranges", dbId, salt, ranges: answered }]);
      }),
      { numRuns: runsOf(1000) },
    );
  });

  test("as many as fit, all different, are answered by as many as fit", () => {
    const big = ReconcileSet.of(realItems(50_000, (index) => index * 2));
    const ranges = Array.from({ length: reconcileLimits.ranges }, (_, index): Range => ({
      mode: "fingerprint",
      upTo: { timeMs: (index + 1) * 12, prefix: new Uint8Array(0) },
      fingerprint: new Uint8Array(12),
    }));
    const answer = answerReconcile(crypto, big, salt, ranges);
    expect(answer.ranges.length).toBeLessThanOrEqual(reconcileLimits.ranges);
    expect(answer.ranges.at(-1)?.upTo).toEqual(endBound);
    expect(answer.deliver).toEqual([]);
  });

  test("that name a few items of very many are divided, not gone through", () => {
    const big = ReconcileSet.of(realItems(5000, (index) => index));
    const answer = answerReconcile(crypto, big, salt, [{ mode: "ids", upTo: endBound, ids: [] }]);
    expect(answer.deliver).toEqual([]);
    expect(answer.ranges).toHaveLength(16);
  });
});
