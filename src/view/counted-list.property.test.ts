import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CountedList, type Listed } from "./counted-list.ts";
import { runsOf } from "../std/runs-fixtures.ts";

interface Item extends Listed {
  readonly at: number;
  weight: number;
}

const item = (at: number, weight = 1): Item => ({ at, weight, leaf: undefined });

function list(): CountedList<Item> {
  return new CountedList<Item>({
    compare: (left, right) => left.at - right.at,
    weightOf: ({ weight }) => weight,
    extremeCount: 2,
    extremeOf: ({ at, weight }, extreme) => (weight === 0 ? undefined : extreme === 0 ? at : weight),
    isBetter: (extreme) => (one, other) =>
      extreme === 0 ? Number(one) < Number(other) : Number(one) > Number(other),
  });
}

type Step =
  | { readonly do: "insert" | "remove"; readonly at: number }
  | { readonly do: "weigh"; readonly at: number; readonly weight: number };

const place = fc.nat(400);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("insert" as const), at: place }),
  fc.record({ do: fc.constant("remove" as const), at: place }),
  fc.record({ do: fc.constant("weigh" as const), at: place, weight: fc.nat(9) }),
);

/** The same things, by looking at every item. */
function check(found: CountedList<Item>, items: readonly Item[]): void {
  expect([...found.from()].map(({ at }) => at)).toEqual(items.map(({ at }) => at));
  expect(found.count).toBe(items.length);
  const weight = items.reduce((sum, one) => sum + one.weight, 0);
  expect(found.weight).toBe(weight);
  const heavy = items.filter((one) => one.weight > 0);
  expect(found.extreme(0)).toBe(heavy.length === 0 ? undefined : Math.min(...heavy.map(({ at }) => at)));
  expect(found.extreme(1)).toBe(heavy.length === 0 ? undefined : Math.max(...heavy.map((one) => one.weight)));
  let before = 0;
  for (const [rank, one] of items.entries()) {
    expect(found.before(one)).toEqual({ rank, weight: before });
    expect(found.at(rank)).toBe(one);
    if (one.weight > 0) {
      expect(found.atWeight(before)).toEqual({ item: one, before });
      expect(found.atWeight(before + one.weight - 1)?.item).toBe(one);
    }
    before += one.weight;
  }
  expect(found.atWeight(weight)).toBeUndefined();
  expect(found.at(items.length)).toBeUndefined();
  for (const at of [0, 200, 400])
    expect(found.countWhile((one) => one.at < at)).toBe(items.filter((one) => one.at < at).length);
}

describe("a counted list", () => {
  it("is what a plain sorted array is, whatever is done to it", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(place, { maxLength: 300 }),
        fc.array(step, { maxLength: 300 }),
        (built, steps) => {
          const found = list();
          let items = built.toSorted((one, other) => one - other).map((at) => item(at));
          found.build(items);
          for (const one of steps) {
            const known = items.find(({ at }) => at === one.at);
            if (one.do === "insert" && known === undefined) {
              const added = item(one.at);
              found.insert(added);
              items = [...items, added].toSorted((left, right) => left.at - right.at);
            } else if (one.do === "remove" && known !== undefined) {
              found.remove(known);
              items = items.filter((other) => other !== known);
            } else if (one.do === "weigh" && known !== undefined) {
              known.weight = one.weight;
              found.refresh(known);
            }
          }
          check(found, items);
        },
      ),
      { numRuns: runsOf(150) },
    );
  });

  it("empties and fills again", () => {
    const found = list();
    const items = Array.from({ length: 2000 }, (_, at) => item(at));
    for (const one of items) found.insert(one);
    check(found, items);
    for (const one of items.filter(({ at }) => at % 7 !== 0)) found.remove(one);
    check(
      found,
      items.filter(({ at }) => at % 7 === 0),
    );
    for (const one of items.filter(({ at }) => at % 7 === 0)) found.remove(one);
    check(found, []);
    for (const one of items) found.insert(one);
    for (const one of items) one.weight = 2;
    found.refreshAll();
    check(found, items);
  });
});
