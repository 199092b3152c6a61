import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExactSum, exactSum } from "./exact-sum.ts";
import { runsOf } from "./runs-fixtures.ts";

const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.integer({ min: -1e9, max: 1e9 }).map((cents) => cents / 100),
  fc.constantFrom(0.1, 0.2, 0.3, 5e-324, -5e-324, 2 ** -1022, Number.MAX_SAFE_INTEGER, 2 ** 53, 1e300, -0, 0),
);

/** The dull twin: in units of 2^−1074, where every double is whole. */
function wholeOf(of: number): bigint {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, Math.abs(of));
  const raw = bits.getBigUint64(0);
  const exponent = raw >> 52n;
  const fraction = raw & (2n ** 52n - 1n);
  const whole = exponent === 0n ? fraction : (fraction + 2n ** 52n) << (exponent - 1n);
  return of < 0 ? -whole : whole;
}

describe("exact sums", () => {
  it("are the nearest double to the true sum", () => {
    fc.assert(
      fc.property(fc.array(number, { maxLength: 40 }), (numbers) => {
        const found = exactSum(numbers);
        const truth = numbers.reduce((sum, of) => sum + wholeOf(of), 0n);
        if (!Number.isFinite(found)) return;
        const miss = truth - wholeOf(found);
        const size = miss < 0n ? -miss : miss;
        for (const neighbour of [next(found, 1), next(found, -1)]) {
          if (!Number.isFinite(neighbour)) continue;
          const other = truth - wholeOf(neighbour);
          expect(size <= (other < 0n ? -other : other)).toBe(true);
        }
        expect(Object.is(found, -0)).toBe(false);
      }),
      { numRuns: runsOf(2000) },
    );
  });

  it("have the same bits after adding and taking away, in any order", () => {
    fc.assert(
      fc.property(fc.array(number), fc.array(number), fc.infiniteStream(fc.nat()), (kept, gone, picks) => {
        const sum = new ExactSum();
        const todo: (() => void)[] = kept.map((of) => () => sum.add(of));
        for (const of of gone) sum.add(of);
        todo.push(...gone.map((of) => () => sum.subtract(of)));
        while (todo.length > 0) todo.splice((picks.next().value ?? 0) % todo.length, 1)[0]?.();
        expect(Object.is(sum.value, exactSum(kept))).toBe(true);
      }),
      { numRuns: runsOf(1000) },
    );
  });

  it("have the same bits where they were added up in parts", () => {
    fc.assert(
      fc.property(fc.array(fc.array(number)), fc.array(number), (parts, gone) => {
        const sum = new ExactSum();
        for (const of of gone) sum.add(of);
        for (const part of parts) {
          const own = new ExactSum();
          for (const of of part) own.add(of);
          sum.addAll(own);
          expect(Object.is(own.value, exactSum(part))).toBe(true);
        }
        for (const of of gone) sum.subtract(of);
        expect(Object.is(sum.value, exactSum(parts.flat()))).toBe(true);
      }),
      { numRuns: runsOf(1000) },
    );
  });

  it("do not drift where plain sums do, and know overflow", () => {
    expect(exactSum([0.1, 0.2, 0.3])).toBe(0.6);
    expect(exactSum([1e308, 1e308, -1e308])).toBe(1e308);
    expect(exactSum([1e308, 1e308])).toBe(Number.POSITIVE_INFINITY);
    expect(exactSum([1, 1e100, 1, -1e100])).toBe(2);
    expect(exactSum([Number.NaN, Number.POSITIVE_INFINITY, 1])).toBe(1);
    const sum = new ExactSum();
    for (let n = 0; n < 1_200_000; n++) sum.add(4_294_967_295.999);
    expect(sum.value).toBe(Number((BigInt(4_294_967_295_999) * 1_200_000n) / 1000n));
  });
});

function next(of: number, by: 1 | -1): number {
  if (of === 0) return by * 5e-324;
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, of);
  bits.setBigInt64(0, bits.getBigInt64(0) + BigInt(of > 0 ? by : -by));
  return bits.getFloat64(0);
}
