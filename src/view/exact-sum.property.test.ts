import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExactSum } from "./exact-sum.ts";

const view = new DataView(new ArrayBuffer(8));

/** A finite number in units of 2^-1074, from its bits. */
function unitsOf(of: number): bigint {
  view.setFloat64(0, of);
  const bits = view.getBigUint64(0);
  const exponent = (bits >> 52n) & 0x7ffn;
  const fraction = bits & 0xfffffffffffffn;
  const size = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return of < 0 ? -size : size;
}

/** The number after one, away from zero. */
function after(of: number): number {
  view.setFloat64(0, of);
  view.setBigUint64(0, view.getBigUint64(0) + 1n);
  return view.getFloat64(0);
}

function before(of: number): number {
  view.setFloat64(0, of);
  view.setBigUint64(0, view.getBigUint64(0) - 1n);
  return view.getFloat64(0);
}

function isEven(of: number): boolean {
  view.setFloat64(0, of);
  return (view.getBigUint64(0) & 1n) === 0n;
}

const abs = (of: bigint): bigint => (of < 0n ? -of : of);

/** Whether a number is the nearest to a count of units, to even where two are. */
function isNearest(found: number, units: bigint): boolean {
  if (units === 0n) return found === 0;
  if (!Number.isFinite(found)) return abs(units) >= unitsOf(Number.MAX_VALUE) + (1n << (1074n + 969n));
  const miss = abs(unitsOf(found) - units);
  const others = found === 0 ? [Number.MIN_VALUE, -Number.MIN_VALUE] : [after(found), before(found)];
  return others.every((other) => {
    const theirs = Number.isFinite(other)
      ? abs(unitsOf(other) - units)
      : abs(unitsOf(found) * 2n - unitsOf(before(found)) - units);
    return miss < theirs || (miss === theirs && isEven(found));
  });
}

const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -1000, max: 1000 }),
  fc.integer({ min: -100_000, max: 100_000 }).map((cents) => cents / 100),
  fc.constantFrom(
    2 ** 53,
    1,
    2 ** -53,
    -(2 ** 53),
    1e300,
    -1e300,
    2 ** 900,
    5e-324,
    Number.MAX_VALUE,
    2 ** 106,
  ),
);

describe("an exact sum", () => {
  it("is the nearest number to the true sum", () => {
    fc.assert(
      fc.property(fc.array(number, { maxLength: 30 }), (numbers) => {
        const sum = new ExactSum();
        let units = 0n;
        for (const one of numbers) {
          sum.add(one);
          units += unitsOf(one);
          expect(isNearest(sum.value, units)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("is, after adding and removing in any order, what adding the rest afresh gives", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(number, fc.boolean(), fc.nat()), { maxLength: 40 }), (steps) => {
        const kept = new ExactSum();
        const all = steps.map(([one]) => one);
        for (const one of all) kept.add(one);
        const removed = steps.filter(([, isRemoved]) => isRemoved).toSorted((a, b) => a[2] - b[2]);
        for (const [one] of removed) kept.add(-one);
        const afresh = new ExactSum();
        for (const [one, isRemoved] of steps.toReversed()) if (!isRemoved) afresh.add(one);
        expect(Object.is(kept.value, afresh.value)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("does not lose what is small beside what is large", () => {
    const sum = new ExactSum();
    for (const one of [1e308, 1e-300, 1, -1e308, 1e16, 0.1]) sum.add(one);
    for (const one of [1, 1e16, 0.1]) sum.add(-one);
    expect(sum.value).toBe(1e-300);
  });
});
