import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { QueryGroup } from "cofferdb";
import { usualArrangement, usualLevel } from "./arrangement.ts";
import { barsOf } from "./bars.ts";
import { placeLying, placeUpright, uprightPx, type Bar } from "./chart-layout.ts";

const bars = fc.array(
  fc.record({
    key: fc.uuid(),
    label: fc.string(),
    value: fc.double({ min: 0, max: 1e12, noNaN: true }),
    text: fc.string(),
  }),
  { maxLength: 200 },
);
const room = fc.record({ width: fc.integer({ min: 200, max: 2000 }), height: fc.constant(140) });

describe("bars", () => {
  test("that stand are within their room, one beside the other, each as long as its part of the longest", () => {
    fc.assert(
      fc.property(bars, room, (given, size) => {
        const placed = placeUpright(given, size);
        const plot = size.height - uprightPx.top - uprightPx.bottom;
        const most = Math.max(0, ...given.map(({ value }) => value));
        for (const [index, bar] of placed.entries()) {
          expect(bar.x).toBeGreaterThanOrEqual(index === 0 ? 0 : (placed[index - 1]?.x ?? 0));
          expect(bar.x + bar.width).toBeLessThanOrEqual(size.width + 1);
          expect(bar.y + bar.height).toBeCloseTo(uprightPx.top + plot);
          if (bar.height > 1.5) expect(bar.height).toBeCloseTo((bar.value / most) * plot);
          expect(bar.height > 0).toBe(bar.value > 0);
        }
        const labelled = placed.filter(({ isLabelled }) => isLabelled);
        for (const [index, bar] of labelled.entries())
          if (index > 0) expect(bar.x - (labelled[index - 1]?.x ?? 0)).toBeGreaterThanOrEqual(45.9);
      }),
    );
  });

  test("that lie are within their room, and never lie over another", () => {
    fc.assert(
      fc.property(bars, room, (given, size) => {
        const placed = placeLying(given, size);
        expect(placed.length).toBeLessThanOrEqual(12);
        for (const bar of placed) {
          expect(bar.y + bar.height).toBeLessThanOrEqual(size.height);
          expect(bar.x + bar.width).toBeLessThanOrEqual(size.width);
        }
        expect(new Set(placed.map(({ x, y }) => `${x} ${y}`)).size).toBe(placed.length);
      }),
    );
  });
});

describe("the bars of groups", () => {
  const group = (level: number | string | undefined, value: number, count = 1): QueryGroup => ({
    key: String(level),
    count,
    by: level === undefined ? {} : { level },
    totals: { value },
  });
  const labels = (list: readonly Bar[]) => list.map(({ label, text }) => `${label} ${text}`);

  test("of numbers stand in their order, those of which nothing is known last", () => {
    const groups = [group(undefined, 5e6), group(2000, 1e9), group(1990, 2e9)];
    const { all, isUpright } = barsOf(usualArrangement, groups);
    expect(isUpright).toBe(true);
    expect(labels(all)).toEqual(["1990s $2B", "2000s $1B", "Year unknown $5M"]);
  });

  test("of names lie, the longest first; counted where there is no total", () => {
    const arrangement = { ...usualArrangement, levels: [usualLevel("genre")], measure: "films" } as const;
    const groups = [group("Drama", 0, 3), group(undefined, 0, 1), group("Action", 0, 1201)];
    const { all, isUpright } = barsOf(arrangement, groups);
    expect(isUpright).toBe(false);
    expect(labels(all)).toEqual(["Action 1,201", "Drama 3", "No genre 1"]);
  });
});
