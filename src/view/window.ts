/**
 * What a page was told of a view, and what it is to be told next.
 *
 * ```
 *   told   a  b  c  d  e  f          splices   at 1: −b      +x
 *   now    a  x  c  d' f  g                    at 4: −e
 *                                              at 5:         +g
 *                                    changed   3: d'
 * ```
 *
 * Guarantees
 * - W1 the page's rows, with the splices applied one after the other and then what changed, are the rows of the window
 * - W2 a row that the page has, and that says the same, is not sent again, unless it moved past others
 */
import type { ShownRow } from "./rows.ts";
import type { TotalValue } from "./totals.ts";
import type { View } from "./view.ts";

/** One place where rows went or came. */
export interface Splice {
  readonly from: number;
  readonly removed: number;
  readonly inserted: readonly ShownRow[];
}

/** What turns the rows that a page was told last into those of the window. */
export interface WindowDelta {
  /** the row of the view that the window begins with */
  readonly from: number;
  readonly splices: readonly Splice[];
  readonly changed: readonly { readonly at: number; readonly row: ShownRow }[];
  /** all rows that could be shown now */
  readonly rowCount: number;
  readonly documentCount: number;
  readonly totals: { readonly [column: string]: TotalValue };
}

interface Told {
  readonly key: string;
  readonly stamp: string;
}

/** One window of one page. */
export class ViewWindow {
  #from = 0;
  #count: number;
  #told: readonly Told[] = [];

  constructor(count: number) {
    this.#count = count;
  }

  /** Look elsewhere. */
  move(from: number, count: number): void {
    this.#from = from;
    this.#count = count;
  }

  /** Forget what was told, so that the next delta carries every row. */
  reset(): void {
    this.#told = [];
  }

  /** The page has these rows already; what they say now is not known. */
  begin({ splices }: WindowDelta): void {
    this.#told = splices.flatMap(({ inserted }) => inserted.map(({ key }) => ({ key, stamp: "" })));
  }

  /** The view is another one: rows of the same keys may say something else. */
  distrust(): void {
    this.#told = this.#told.map(({ key }) => ({ key, stamp: "" }));
  }

  /** What is to be told now. */
  read(view: View): WindowDelta {
    const { rowCount } = view;
    // Where rows went, a window at their end would be empty: it shows the last ones.
    this.#from = Math.max(0, Math.min(this.#from, rowCount - this.#count));
    const places = view.places(this.#from, this.#count);
    const told = places.map((place): Told => {
      const key = view.keyOf(place);
      const revision = "held" in place ? place.held.revision : place.revision;
      return { key, stamp: `${revision} ${view.isSelected(key)}` };
    });
    const kept = keptRows(this.#told, told);
    const show = (index: number): ShownRow[] =>
      places.slice(index, index + 1).map((place) => view.show(place));
    const changed = kept.flatMap(({ before, now }) =>
      this.#told[before]?.stamp === told[now]?.stamp ? [] : show(now).map((row) => ({ at: now, row })),
    );
    const splices = splicesOf(kept, this.#told.length, told.length, show);
    this.#told = told;
    return { from: this.#from, splices, changed, rowCount, ...view.total };
  }
}

interface Kept {
  readonly before: number;
  readonly now: number;
}

/** The most rows that stand in both, in the same order: the longest ascending run of places, found by patience. */
function keptRows(before: readonly Told[], now: readonly Told[]): readonly Kept[] {
  const places = new Map(before.map(({ key }, index) => [key, index]));
  const common = now.flatMap(({ key }, index): Kept[] => {
    const place = places.get(key);
    return place === undefined ? [] : [{ before: place, now: index }];
  });
  const tails: number[] = [];
  const previous: number[] = [];
  for (const [index, { before: place }] of common.entries()) {
    let [low, high] = [0, tails.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((common[tails[middle] ?? 0]?.before ?? 0) < place) low = middle + 1;
      else high = middle;
    }
    previous[index] = tails[low - 1] ?? -1;
    tails[low] = index;
  }
  const kept: Kept[] = [];
  for (let index = tails.at(-1) ?? -1; index >= 0; index = previous[index] ?? -1) {
    const one = common[index];
    if (one !== undefined) kept.unshift(one);
  }
  return kept;
}

/** What stands between the rows that are kept: gone there, come here. */
function splicesOf(
  kept: readonly Kept[],
  beforeCount: number,
  nowCount: number,
  show: (index: number) => ShownRow[],
): readonly Splice[] {
  const splices: Splice[] = [];
  let [before, now] = [0, 0];
  for (const next of [...kept, { before: beforeCount, now: nowCount }]) {
    const removed = next.before - before;
    const inserted: ShownRow[] = [];
    for (let index = now; index < next.now; index += 1) inserted.push(...show(index));
    if (removed > 0 || inserted.length > 0) splices.push({ from: now, removed, inserted });
    before = next.before + 1;
    now = next.now + 1;
  }
  return splices;
}

/** Apply a delta to the rows that were told before: what the page does. */
export function applyDelta<Row>(
  rows: readonly Row[],
  delta: {
    readonly splices: readonly {
      readonly from: number;
      readonly removed: number;
      readonly inserted: readonly Row[];
    }[];
    readonly changed: readonly { readonly at: number; readonly row: Row }[];
  },
): readonly Row[] {
  const next = [...rows];
  for (const { from, removed, inserted } of delta.splices) next.splice(from, removed, ...inserted);
  for (const { at, row } of delta.changed) next[at] = row;
  return next;
}
