/**
 * What was known of a source's documents when a view was left: the categories they stand in, and their order there. Whoever builds the
 * same view of the same documents again asks for no categories and sorts nothing; its totals are added up anew.
 *
 * ```
 *   kept of eu   Oslo: bo, eve                    ┐
 *   kept of us   Oslo: ada, dan                   ├─ merged ──►  Oslo: ada, bo, cyd, dan, eve
 *   changed since, or never kept    Oslo: cyd     ┘
 * ```
 *
 * Guarantees
 * - K1 what is told of one source names no category that only others have documents in
 */
import { stepOf, type CategoryValue, type Step } from "./path.ts";
import type { ViewRow } from "./plan.ts";
import { mergeInSteps } from "./sort-in-steps.ts";
import type { Category, Held, Placement } from "./category.ts";

/** documents that are taken in between two chances to stop */
const stepSize = 4096;

/** A category, and the documents of one source that stand directly in it, in order. */
export interface KnownCategory<Document> {
  /** the category around it, which comes before it; `undefined` for the whole, which comes first and has no step */
  readonly parent: number | undefined;
  readonly step: { readonly column: number; readonly value: CategoryValue } | undefined;
  readonly documents: readonly Document[];
}

/** What is known of a source. */
export interface KnownOrder {
  readonly origin: number;
  /** its documents, in any order; those that stand in no category are not in the view */
  readonly rows: readonly ViewRow[];
  /** documents by their places in `rows` */
  readonly categories: readonly KnownCategory<number>[];
}

/** Documents that stand directly in a category, in order. */
export interface KnownPlaces {
  readonly path: readonly Step[];
  readonly documents: readonly Held[];
}

/**
 * Tell what a view knows of a source's documents, each by its name; those that stand in no category are left out. It is one turn, so it
 * looks at each document once, and at nothing else: 10 ms of 100,000.
 */
export function readOrder<Document>(
  whole: Category,
  origin: number,
  nameOf: (row: ViewRow) => Document,
): readonly KnownCategory<Document>[] {
  const found: KnownCategory<Document>[] = [];
  const visit = (category: Category, parent: number | undefined): boolean => {
    const { step, documents, children } = category;
    const names: Document[] = [];
    for (const { held } of documents.slice(0, documents.count))
      if (held.origin === origin) names.push(nameOf(held.row));
    const own = found.length;
    found.push({ parent, step: step && { column: step.column, value: step.value }, documents: names });
    let isThere = names.length > 0;
    for (const child of children.values()) if (visit(child, own)) isThere = true;
    // Whatever is within it was taken back already.
    if (!isThere && parent !== undefined) found.length = own;
    return isThere;
  };
  visit(whole, undefined);
  return found;
}

/** Find the categories of documents that are known, which `hold` takes in one after the other. Yields 0 after every few thousand. */
export function* recallPlaces(
  { rows, categories }: KnownOrder,
  hold: (row: ViewRow) => Held,
): Generator<number, readonly KnownPlaces[]> {
  const all: Held[] = [];
  for (const row of rows) if (all.push(hold(row)) % stepSize === 0) yield 0;
  const paths = pathsOf(categories);
  return categories.map(({ documents }, index) => ({
    path: paths[index] ?? [],
    documents: documents.flatMap((place) => all[place] ?? []),
  }));
}

/** The ways to categories, from the outermost on. */
function pathsOf(categories: KnownOrder["categories"]): readonly (readonly Step[])[] {
  const paths: (readonly Step[])[] = [];
  for (const { parent, step } of categories) {
    const around = parent === undefined ? [] : (paths[parent] ?? []);
    paths.push(step === undefined ? around : [...around, stepOf(step.column, step.value)]);
  }
  return paths;
}

/** Put runs of documents together, each of which is in order. Yields 0 after every so many steps of work. */
export function* mergeRuns(
  runs: readonly (readonly Placement[])[],
  compare: (left: Placement, right: Placement) => number,
  stepSize: number,
): Generator<number, readonly Placement[]> {
  let merged: readonly Placement[] = [];
  for (const run of runs) {
    if (merged.length === 0) merged = run;
    else if (run.length > 0) merged = yield* mergeInSteps(merged, run, compare, stepSize);
  }
  return merged;
}
