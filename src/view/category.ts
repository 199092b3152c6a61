/** The categories of a view, and the documents that stand in them: what a tree is made of, see tree.ts. */
import type { CountedList } from "./counted-list.ts";
import type { Step } from "./path.ts";
import type { Plan, ViewRow } from "./plan.ts";
import type { Totals } from "./totals.ts";

/** A document that is in the view. */
export interface Held {
  readonly origin: number;
  readonly id: string;
  row: ViewRow;
  /** what it is ordered by; read when it is first asked for */
  keys: readonly unknown[] | undefined;
  placements: readonly Placement[];
  /** another one after each change */
  revision: number;
}

/** One place of a document. */
export interface Placement {
  readonly held: Held;
  readonly category: Category;
  leaf: object | undefined;
}

/** A category; the whole is one that has none above it, and is always expanded. */
export interface Category {
  readonly parent: Category | undefined;
  readonly step: Step | undefined;
  readonly key: string;
  /** of its row: 0 for the outermost; −1 for the whole */
  readonly level: number;
  readonly children: Map<string, Category>;
  readonly categories: CountedList<Category>;
  readonly documents: CountedList<Placement>;
  readonly totals: Totals;
  isExpanded: boolean;
  /** another one after each change of what its row says */
  revision: number;
  leaf: object | undefined;
}

/** The rows within a category, shown or not. */
export function innerWeight({ categories, documents }: Category): number {
  return categories.weight + documents.weight;
}

/** All categories that a document stands in, the whole among them, each once. */
export function categoriesOf(placements: readonly Placement[]): readonly Category[] {
  const found: Category[] = [];
  const seen = placements.length > 1 ? new Set<Category>() : undefined;
  for (const placement of placements) {
    let category: Category | undefined = placement.category;
    for (; category !== undefined && seen?.has(category) !== true; category = category.parent) {
      seen?.add(category);
      found.push(category);
    }
  }
  return found;
}

/** What a document is ordered by. */
export function keysOf(plan: Plan, held: Held): readonly unknown[] {
  held.keys ??= plan.keysOf(held.row, held.origin);
  return held.keys;
}
