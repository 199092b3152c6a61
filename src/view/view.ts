/**
 * A view that is kept up to date: documents come and go, categories open and close, and any part of the rows can be read at any time.
 *
 * Guarantees
 * - V1 after any changes it equals the view built afresh of what is there: rows, order, totals, bit for bit
 * - V2 a change, and reading a window, take O(log n) and the size of what is read
 * - V3 a row's key is the same for as long as it stands in the same place; its revision differs after each change of what it says
 */
import { viewLimits, type ViewDefinition } from "./definition.ts";
import { recallPlaces, type KnownOrder, type KnownPlaces } from "./known-order.ts";
import { planView, type Measures, type Plan, type SourcePlan, type ViewRow } from "./plan.ts";
import {
  gatherPlaces,
  keyOfPlace,
  showCategory,
  showDocument,
  totalsOf,
  type Place,
  type ShownRow,
} from "./rows.ts";
import { initialState, type ViewState } from "./state.ts";
import type { TotalValue } from "./totals.ts";
import { innerWeight, keysOf, type Category, type Held } from "./category.ts";
import type { Step } from "./path.ts";
import { Tree } from "./tree.ts";

/** documents that are taken in between two chances to stop */
const stepSize = 4096;

/** A document that changed; without a row it is gone. `same`: its source says otherwise now whether it is in the view. */
export interface ViewChange {
  readonly origin: number;
  readonly id: string;
  readonly row: ViewRow | "same" | undefined;
}

/** A view over documents. */
export class View {
  readonly plan: Plan;
  readonly #sources: readonly SourcePlan[];
  readonly #held: readonly Map<string, Held>[];
  #tree: Tree;
  #expandedTo: number;
  readonly #flipped: Set<string>;
  readonly #selected: Set<string>;

  constructor(definition: ViewDefinition, sources: readonly SourcePlan[], state: ViewState = initialState) {
    this.plan = planView(definition, sources);
    this.#sources = sources;
    this.#held = sources.map(() => new Map());
    this.#expandedTo = state.expandedTo;
    this.#flipped = new Set(state.flipped);
    this.#selected = new Set(state.selected);
    this.#tree = this.#plant();
  }

  /** The categories, for who looks around in them. */
  get tree(): Tree {
    return this.#tree;
  }

  /** How many rows are shown. */
  get rowCount(): number {
    return innerWeight(this.#tree.whole);
  }

  /** What everything together comes to. */
  get total(): {
    readonly documentCount: number;
    readonly totals: { readonly [column: string]: TotalValue };
  } {
    const { whole } = this.#tree;
    return { documentCount: whole.totals.documentCount, totals: totalsOf(this.#tree, whole) };
  }

  /**
   * Take in documents in place of all that was here; yields how much of the work is done, from 0 to 1.
   *
   * @param known further documents, each once and none of them among `rows`
   */
  *build(
    rows: Iterable<{ readonly origin: number; readonly row: ViewRow }>,
    known: readonly KnownOrder[] = [],
  ): Generator<number, void> {
    for (const held of this.#held) held.clear();
    this.#tree = this.#plant();
    const places: KnownPlaces[] = [];
    for (const order of known) {
      const documents = this.#held[order.origin];
      const recalled = yield* recallPlaces(order, (row) => {
        const held = hold(order.origin, row);
        documents?.set(row.docId, held);
        return held;
      });
      for (const place of recalled) places.push(place);
    }
    const all: Held[] = [];
    for (const { origin, row } of rows) {
      const held = hold(origin, row);
      this.#held[origin]?.set(row.docId, held);
      if (all.push(held) % stepSize === 0) yield 0;
    }
    for (const done of this.#tree.build(all, places)) yield done / Math.max(1, 2 * all.length);
  }

  /** Take in what changed. */
  apply(changes: Iterable<ViewChange>): void {
    for (const { origin, id, row } of changes) {
      const documents = this.#held[origin];
      const held = documents?.get(id);
      if (row === undefined) {
        if (held !== undefined) this.#tree.remove(held);
        documents?.delete(id);
      } else if (held !== undefined) this.#change(held, row === "same" ? held.row : row);
      else if (row !== "same") {
        const added = hold(origin, row);
        documents?.set(id, added);
        this.#tree.insert(added, this.plan.measure(row, origin));
      }
    }
  }

  /** All documents of a source are others now. */
  replaceSource(origin: number, rows: readonly ViewRow[]): void {
    const ids = new Set(rows.map(({ docId }) => docId));
    const gone = [...(this.#held[origin]?.keys() ?? [])].filter((id) => !ids.has(id));
    this.apply(gone.map((id) => ({ origin, id, row: undefined })));
    this.apply(rows.map((row) => ({ origin, id: row.docId, row })));
  }

  /** All documents of a source, those that are filtered out included. */
  *rowsOf(origin: number): Generator<ViewRow, void> {
    for (const { row } of this.#held[origin]?.values() ?? []) yield row;
  }

  /** The places of rows, from one on. */
  places(from: number, count: number): readonly Place[] {
    const wanted = Math.min(count, this.rowCount - from, viewLimits.window);
    return from < 0 || wanted <= 0 ? [] : gatherPlaces(this.#tree.whole, this.plan, from, wanted);
  }

  /** What a row says. */
  show(place: Place): ShownRow {
    const key = this.keyOf(place);
    const isSelected = this.#selected.has(key);
    return "held" in place
      ? showDocument(place, { plan: this.plan, sources: this.#sources, key, isSelected })
      : showCategory(place, { plan: this.plan, totals: totalsOf(this.#tree, place), isSelected });
  }

  /** The key of a row. */
  keyOf(place: Place): string {
    return keyOfPlace(place, this.#sources);
  }

  /** A place that a document or category has now. */
  placeOf(category: Category, document: { readonly origin: string; readonly id: string }): Place | undefined {
    const origin = this.#sources.findIndex((source) => source.origin === document.origin);
    const held = this.#held[origin]?.get(document.id);
    return held?.placements.find((placement) => placement.category === category);
  }

  /** Expand or collapse categories. */
  expand(categories: Iterable<Category>, isExpanded: boolean): void {
    for (const category of categories) {
      const { key, level } = category;
      if (level < 0) continue;
      if (isExpanded === level < this.#expandedTo) this.#flipped.delete(key);
      else if (this.#flipped.size < viewLimits.stateKeys) this.#flipped.add(key);
      else continue;
      this.#tree.setExpanded(category, isExpanded);
    }
  }

  /** Expand the categories of the first so many levels, and no others. */
  expandTo(level: number): void {
    this.#expandedTo = level;
    this.#flipped.clear();
    this.#tree.expandAnew();
  }

  /** Select rows by their keys, or no longer. */
  select(keys: Iterable<string>, isSelected: boolean): void {
    for (const key of keys) {
      if (!isSelected) this.#selected.delete(key);
      else if (this.#selected.size < viewLimits.stateKeys) this.#selected.add(key);
    }
  }

  /** Whether a row is selected. */
  isSelected(key: string): boolean {
    return this.#selected.has(key);
  }

  /** How it is looked at. */
  get state(): ViewState {
    return {
      version: 1,
      expandedTo: this.#expandedTo,
      flipped: [...this.#flipped],
      selected: [...this.#selected],
    };
  }

  /** Look at it otherwise. */
  restore(state: ViewState): void {
    this.#flipped.clear();
    this.#selected.clear();
    for (const key of state.flipped) this.#flipped.add(key);
    for (const key of state.selected) this.#selected.add(key);
    this.#expandedTo = state.expandedTo;
    this.#tree.expandAnew();
  }

  #plant(): Tree {
    const isExpanded = (key: string, level: number): boolean =>
      level < this.#expandedTo !== this.#flipped.has(key);
    return new Tree({ plan: this.plan, isExpanded });
  }

  #change(held: Held, row: ViewRow): void {
    const after = this.plan.measure(row, held.origin);
    if (standsAlike(this.plan, held, after)) {
      this.#tree.amend(held, row, after);
      return;
    }
    this.#tree.remove(held);
    held.row = row;
    this.#tree.insert(held, after);
  }
}

function hold(origin: number, row: ViewRow): Held {
  return { origin, id: row.docId, row, keys: undefined, placements: [], revision: 0 };
}

/** Whether a document stands where its measures put it, in the same place among its neighbours. */
function standsAlike(plan: Plan, held: Held, after: Measures): boolean {
  const { placements } = held;
  return (
    placements.length === after.paths.length &&
    after.paths.every((path, index) => isPathOf(placements[index]?.category, path)) &&
    (placements.length === 0 || plan.compareKeys(keysOf(plan, held), after.keys) === 0)
  );
}

/** Whether a path leads to a category. */
function isPathOf(category: Category | undefined, path: readonly Step[]): boolean {
  let at = category;
  for (let level = path.length - 1; level >= 0; level -= 1) {
    if (at?.step?.key !== path[level]?.key) return false;
    at = at?.parent;
  }
  return at !== undefined && at.parent === undefined;
}
