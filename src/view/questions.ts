/** What can be asked of a view, and how it is looked at otherwise, as plain data. */
import {
  childAt,
  findByKey,
  findByPosition,
  findByValues,
  findCategory,
  ordinalOf,
  parentsOf,
  positionOf,
  rangeOf,
} from "./navigate.ts";
import { rowOf, type CategoryRow, type Place, type ShownRow } from "./rows.ts";
import type { ViewState } from "./state.ts";
import type { Category } from "./category.ts";
import type { View } from "./view.ts";

/** Names a row: by its key, by values of categories and of columns that order, or by its position. */
export type Whereabouts =
  | { readonly key: string }
  | { readonly values: readonly unknown[] }
  | { readonly position: string };

/** A question about rows. */
export type ViewQuestion =
  | { readonly ask: "find"; readonly where: Whereabouts }
  | { readonly ask: "range"; readonly from: Whereabouts; readonly to: Whereabouts }
  | {
      readonly ask: "children";
      readonly where: Whereabouts | undefined;
      readonly from: number;
      readonly count: number;
    }
  | { readonly ask: "read"; readonly from: number; readonly count: number };

/** A row that was found, and what is around it. */
export interface FoundRow {
  readonly row: ShownRow;
  /** at which row it is shown; `undefined` within a collapsed category */
  readonly index: number | undefined;
  /** level by level, from 1 on: `"1.2.3"` */
  readonly position: string;
  /** from the outermost on */
  readonly parents: readonly CategoryRow[];
  /** of those that stand beside it, itself included */
  readonly siblingCount: number;
  readonly previous: string | undefined;
  readonly next: string | undefined;
}

/** How a view is looked at otherwise. Categories go by key, or by the values on the way to them. */
export type ViewTurn =
  | {
      readonly turn: "expand";
      readonly categories: readonly (string | readonly unknown[])[];
      readonly isExpanded: boolean;
    }
  /** open all that is around a row, so that it is shown */
  | { readonly turn: "reveal"; readonly where: Whereabouts }
  | { readonly turn: "expandTo"; readonly level: number }
  | { readonly turn: "select"; readonly keys: readonly string[]; readonly isSelected: boolean }
  | { readonly turn: "restore"; readonly state: ViewState };

/** Answer a question. */
export function answer(view: View, question: ViewQuestion): FoundRow | readonly ShownRow[] | undefined {
  const show = (places: readonly Place[]): readonly ShownRow[] => places.map((place) => view.show(place));
  switch (question.ask) {
    case "read":
      return show(view.places(question.from, question.count));
    case "children":
      return show(childrenOf(view, question));
    case "range": {
      const [from, to] = [findPlace(view, question.from), findPlace(view, question.to)];
      return from === undefined || to === undefined ? [] : show(rangeOf(view, from, to));
    }
    default: {
      const place = findPlace(view, question.where);
      return place && describe(view, place);
    }
  }
}

/** Look at a view otherwise. */
export function turn(view: View, how: ViewTurn): void {
  switch (how.turn) {
    case "expand": {
      const found = how.categories.map((one) =>
        typeof one === "string" ? findByKey(view, one) : findCategory(view, one),
      );
      view.expand(found.filter(isCategory), how.isExpanded);
      return;
    }
    case "reveal": {
      const place = findPlace(view, how.where);
      if (place !== undefined) view.expand(parentsOf(place), true);
      return;
    }
    case "expandTo":
      view.expandTo(how.level);
      return;
    case "select":
      view.select(how.keys, how.isSelected);
      return;
    default:
      view.restore(how.state);
  }
}

function findPlace(view: View, where: Whereabouts): Place | undefined {
  if ("key" in where) return findByKey(view, where.key);
  return "values" in where ? findByValues(view, where.values) : findByPosition(view, where.position);
}

const isCategory = (place: Place | undefined): place is Category => place !== undefined && !("held" in place);

function childrenOf(
  view: View,
  { where, from, count }: Extract<ViewQuestion, { readonly ask: "children" }>,
): readonly Place[] {
  const place = where === undefined ? view.tree.whole : findPlace(view, where);
  if (!isCategory(place)) return [];
  const children: Place[] = [];
  for (let index = from; index < from + count; index += 1) {
    const child = childAt(view, place, index);
    if (child === undefined) break;
    children.push(child);
  }
  return children;
}

function describe(view: View, place: Place): FoundRow {
  const around = "held" in place ? place.category : place.parent;
  const index = ordinalOf(view, place) - 1;
  const keyAt = (at: number): string | undefined => {
    const sibling = around === undefined || at < 0 ? undefined : childAt(view, around, at);
    return sibling && view.keyOf(sibling);
  };
  const parents = parentsOf(place).map((category) => view.show(category));
  return {
    row: view.show(place),
    index: rowOf(view.plan, place),
    position: positionOf(view, place),
    parents: parents.filter((row) => row.kind === "category"),
    siblingCount: around === undefined ? 0 : around.categories.count + around.documents.count,
    previous: keyAt(index - 1),
    next: keyAt(index + 1),
  };
}
