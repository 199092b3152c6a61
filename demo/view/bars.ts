/** The bars of the chart, out of the groups of a query. Pure. */
import type { QueryGroup } from "cofferdb";
import { measureOf, type Arrangement } from "./arrangement.ts";
import type { Bar } from "./chart-layout.ts";
import { groupingOf } from "./columns.ts";
import { formatCategory, formatCell } from "./format-cell.ts";

/** All bars of a chart, and how they stand. */
export interface Bars {
  readonly all: readonly Bar[];
  /** side by side on a line; otherwise one below the other, the longest first */
  readonly isUpright: boolean;
}

/** Numbers stand on a line in their order, those of which nothing is known last; names stand by how much they come to. */
export function barsOf(arrangement: Arrangement, groups: readonly QueryGroup[]): Bars {
  const level = arrangement.levels[0]?.name ?? "decade";
  const { name, total } = measureOf(arrangement);
  const isUpright = groupingOf(level).isNumber;
  const all = groups.map((group) => {
    const value = total === "none" ? group.count : group.totals["value"];
    const at = group.by["level"];
    const of = typeof at === "number" || typeof at === "string" ? at : null;
    return {
      key: group.key,
      label: formatCategory(level, of),
      place: typeof of === "number" ? of : Infinity,
      value: typeof value === "number" && Number.isFinite(value) ? value : 0,
      text: formatCell(name, value, total),
    };
  });
  const sorted = all.toSorted((a, b) =>
    isUpright && a.place !== b.place ? a.place - b.place : b.value - a.value,
  );
  return { all: sorted.map(({ place: _, ...bar }) => bar), isUpright };
}
