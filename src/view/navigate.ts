/** Finding one's way in a view: by key, by values, by position; what is around a row. */
import { viewLimits } from "./definition.ts";
import { isCategoryValue, parseKey, stepOf } from "./path.ts";
import { rowOf, type Place } from "./rows.ts";
import { keysOf, type Category, type Placement } from "./category.ts";
import type { View } from "./view.ts";

/** Find what a key names; `undefined` when it is not in the view. */
export function findByKey(view: View, key: string): Place | undefined {
  const parsed = parseKey(key);
  if (parsed === undefined) return undefined;
  let category: Category | undefined = view.tree.whole;
  for (const step of parsed.steps) category = category?.children.get(step);
  if (category === undefined || parsed.document === undefined) return category?.parent && category;
  return view.placeOf(category, parsed.document);
}

/**
 * Find by values: first those of the categories from the outermost on, then those that the documents are ordered by. Fewer values than
 * there are columns find the first row that begins with them.
 */
export function findByValues(view: View, values: readonly unknown[]): Place | undefined {
  let category = view.tree.whole;
  let used = 0;
  for (; used < values.length && category.children.size > 0; used += 1) {
    const child = childOf(view, category, values[used]);
    if (child === undefined) break;
    category = child;
  }
  const rest = values.slice(used);
  if (rest.length === 0) return category.parent && category;
  return findDocument(view, category, rest);
}

/** The category of a path of values, as rows tell it. */
export function findCategory(view: View, path: readonly unknown[]): Category | undefined {
  let category: Category | undefined = view.tree.whole;
  for (const value of path) category = category && childOf(view, category, value);
  return category?.parent && category;
}

function childOf(view: View, { children }: Category, value: unknown): Category | undefined {
  if (value !== null && !isCategoryValue(value)) return undefined;
  for (let column = 0; column < view.plan.categories.length; column += 1) {
    const found = children.get(stepOf(column, value).key);
    if (found !== undefined) return found;
  }
  return undefined;
}

function findDocument(view: View, category: Category, values: readonly unknown[]): Placement | undefined {
  const { plan } = view;
  const sorts = plan.definition.columns.filter((column) => column.role === "sorted");
  if (values.length > sorts.length) return undefined;
  const wanted = [...values];
  const compare = (placement: Placement): number =>
    plan.compareKeys(keysOf(plan, placement.held).slice(0, wanted.length), wanted);
  const found = category.documents.at(category.documents.countWhile((one) => compare(one) < 0));
  return found !== undefined && compare(found) === 0 ? found : undefined;
}

/** Where a place stands among its siblings, level by level, counted from 1: `"1.2.3"`. */
export function positionOf(view: View, place: Place): string {
  const numbers: number[] = [];
  let category: Category | undefined;
  if ("held" in place) {
    numbers.unshift(ordinalOf(view, place));
    ({ category } = place);
  } else category = place;
  for (; category?.parent !== undefined; category = category.parent)
    numbers.unshift(ordinalOf(view, category));
  return numbers.join(".");
}

/** The place at a position, shown or not. */
export function findByPosition(view: View, position: string): Place | undefined {
  const numbers = position.split(".");
  if (numbers.length > viewLimits.levels + 1 || !numbers.every((number) => /^[1-9]\d{0,9}$/.test(number)))
    return undefined;
  let place: Place | undefined = view.tree.whole;
  for (const number of numbers) {
    if (place === undefined || "held" in place) return undefined;
    place = childAt(view, place, Number(number) - 1);
  }
  return place;
}

/** How many siblings stand before a place, plus one. */
export function ordinalOf(view: View, place: Place): number {
  const isDocument = "held" in place;
  const around = isDocument ? place.category : place.parent;
  if (around === undefined) return 1;
  const isDocumentsFirst = view.plan.definition.documents === "before";
  if (isDocument) {
    const before = isDocumentsFirst ? 0 : around.categories.count;
    return before + around.documents.before(place).rank + 1;
  }
  const before = isDocumentsFirst ? around.documents.count : 0;
  return before + around.categories.before(place).rank + 1;
}

/** What stands directly in a category, by its number from 0 on. */
export function childAt(view: View, { documents, categories }: Category, index: number): Place | undefined {
  const isDocumentsFirst = view.plan.definition.documents === "before";
  const first = isDocumentsFirst ? documents : categories;
  const second = isDocumentsFirst ? categories : documents;
  return index < first.count ? first.at(index) : second.at(index - first.count);
}

/** The categories around a place, from the outermost on. */
export function parentsOf(place: Place): readonly Category[] {
  const parents: Category[] = [];
  let category: Category | undefined = "held" in place ? place.category : place.parent;
  for (; category?.parent !== undefined; category = category.parent) parents.unshift(category);
  return parents;
}

/** The places between two, both included, in the order of the rows, as far as they are shown. */
export function rangeOf(view: View, one: Place, other: Place): readonly Place[] {
  const rows = [rowOf(view.plan, one), rowOf(view.plan, other)];
  const [first, last] = rows.toSorted((left, right) => (left ?? 0) - (right ?? 0));
  return first === undefined || last === undefined ? [] : view.places(first, last - first + 1);
}
