/** The rows of a view: which places stand at which of them, and what they say. */
import { documentKey, type CategoryValue } from "./path.ts";
import type { Plan, SourcePlan } from "./plan.ts";
import type { TotalValue } from "./totals.ts";
import { innerWeight, type Category, type Placement } from "./category.ts";
import type { Tree } from "./tree.ts";

/** A row of a category. */
export interface CategoryRow {
  readonly kind: "category";
  readonly key: string;
  /** 0 for the outermost */
  readonly level: number;
  /** the name of its column */
  readonly column: string;
  /** `null`: documents without a value for it */
  readonly value: CategoryValue;
  /** the values of the categories around it, and its own */
  readonly path: readonly CategoryValue[];
  readonly totals: { readonly [column: string]: TotalValue };
  /** documents in it, at any depth, each once */
  readonly documentCount: number;
  /** categories and documents directly in it */
  readonly childCount: number;
  readonly expanded: boolean;
  readonly selected: boolean;
}

/** A row of a document. */
export interface DocumentRow {
  readonly kind: "document";
  readonly key: string;
  readonly level: number;
  /** the name of the source that it comes from */
  readonly origin: string;
  readonly id: string;
  readonly values: { readonly [column: string]: unknown };
  readonly selected: boolean;
  /** while a text is searched for: where its words stand in the texts among the values */
  readonly marks?: readonly ViewMark[];
}

/** A word that was searched for, in UTF-16 units of a column's text. */
export interface ViewMark {
  readonly column: string;
  readonly from: number;
  readonly to: number;
}

/** What a view shows in one line. */
export type ShownRow = CategoryRow | DocumentRow;

/** What stands in a line: a category, or a document in its place. */
export type Place = Category | Placement;

/** The key of a row. */
export function keyOfPlace(place: Place, sources: readonly SourcePlan[]): string {
  if (!("held" in place)) return place.key;
  const { held, category } = place;
  return documentKey(category.key, sources[held.origin]?.origin ?? "", held.id);
}

/** What a category's totals come to. */
export function totalsOf(tree: Tree, category: Category): { readonly [column: string]: TotalValue } {
  return category.totals.read((index) => tree.extremeOf(category, index));
}

/** The places of so many rows, from one on. */
export function gatherPlaces(whole: Category, plan: Plan, from: number, wanted: number): readonly Place[] {
  const found: Place[] = [];
  const isDocumentsFirst = plan.definition.documents === "before";

  /** Gather from the rows within a category, without its first ones, until there are enough. */
  const gather = ({ documents, categories }: Category, offset: number): void => {
    const first = isDocumentsFirst ? documents.weight : categories.weight;
    if (offset < first) {
      if (isDocumentsFirst) gatherDocuments(documents, offset);
      else gatherCategories(categories, offset);
    }
    const rest = Math.max(0, offset - first);
    if (isDocumentsFirst) gatherCategories(categories, rest);
    else gatherDocuments(documents, rest);
  };
  const gatherDocuments = (documents: Category["documents"], offset: number): void => {
    if (found.length >= wanted || offset >= documents.weight) return;
    for (const placement of documents.from(offset)) {
      found.push(placement);
      if (found.length >= wanted) return;
    }
  };
  const gatherCategories = (categories: Category["categories"], offset: number): void => {
    const first = found.length >= wanted ? undefined : categories.atWeight(offset);
    if (first === undefined) return;
    let inside = offset - first.before;
    for (const category of categories.from(categories.before(first.item).rank)) {
      if (inside === 0) found.push(category);
      if (category.isExpanded && found.length < wanted) gather(category, Math.max(0, inside - 1));
      if (found.length >= wanted) return;
      inside = 0;
    }
  };

  gather(whole, from);
  return found;
}

/** The row of a document. */
export function showDocument(
  { held, category }: Placement,
  seen: {
    readonly plan: Plan;
    readonly sources: readonly SourcePlan[];
    readonly key: string;
    readonly isSelected: boolean;
  },
): DocumentRow {
  return {
    kind: "document",
    key: seen.key,
    level: category.level + 1,
    origin: seen.sources[held.origin]?.origin ?? "",
    id: held.id,
    values: seen.plan.show(held.row, held.origin),
    selected: seen.isSelected,
  };
}

/** The row of a category. */
export function showCategory(
  category: Category,
  seen: {
    readonly plan: Plan;
    readonly totals: CategoryRow["totals"];
    readonly isSelected: boolean;
  },
): CategoryRow {
  const { key, level, step, totals, categories, documents, isExpanded } = category;
  return {
    kind: "category",
    key,
    level,
    column: seen.plan.categories[step?.column ?? 0]?.name ?? "",
    value: step?.value ?? null,
    path: pathOf(category),
    totals: seen.totals,
    documentCount: totals.documentCount,
    childCount: categories.count + documents.count,
    expanded: isExpanded,
    selected: seen.isSelected,
  };
}

function pathOf(category: Category): readonly CategoryValue[] {
  const path: CategoryValue[] = [];
  for (let at: Category | undefined = category; at?.step !== undefined; at = at.parent)
    path.unshift(at.step.value);
  return path;
}

/** The first row within a category at which it shows its own documents, or its categories. */
export function offsetOf(plan: Plan, category: Category, part: "documents" | "categories"): number {
  const isDocumentsFirst = plan.definition.documents === "before";
  if (part === "documents") return isDocumentsFirst ? 0 : category.categories.weight;
  return isDocumentsFirst ? category.documents.weight : 0;
}

/** At which row a place is shown; `undefined` while a category around it is collapsed. */
export function rowOf(plan: Plan, place: Place): number | undefined {
  let row: number;
  let category: Category | undefined;
  if ("held" in place) {
    ({ category } = place);
    row = category.documents.before(place).weight + offsetOf(plan, category, "documents");
  } else {
    if (place.parent === undefined) return undefined;
    category = place.parent;
    row = category.categories.before(place).weight + offsetOf(plan, category, "categories");
  }
  for (; category.parent !== undefined; category = category.parent) {
    if (!category.isExpanded) return undefined;
    const { parent } = category;
    row += 1 + parent.categories.before(category).weight + offsetOf(plan, parent, "categories");
  }
  return row < innerWeight(category) ? row : undefined;
}
