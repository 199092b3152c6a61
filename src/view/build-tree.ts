/**
 * Taking many documents into a tree at once.
 *
 * ```
 *   documents that are known ── by the categories they were in ──┐
 *   all others ── measured ── by their categories ── sorted ─────┴─► merged ──► lists, from the innermost category outwards
 *                                                                              totals, likewise: each adds up what is within it
 * ```
 *
 * Guarantees
 * - B1 what is built is what putting in one document after the other gives, bit for bit
 * - B2 each category is sorted once, and what is known to be in order is not
 */
import { mergeRuns, type KnownPlaces } from "./known-order.ts";
import type { Step } from "./path.ts";
import type { Plan } from "./plan.ts";
import { rankFirstKeys, type Ranks } from "./ranks.ts";
import { sortInSteps } from "./sort-in-steps.ts";
import { categoriesOf, keysOf, type Category, type Held, type Placement } from "./category.ts";

/** documents that are handled between two chances to stop */
const stepSize = 1024;

/** The tree that is built: it is empty. */
export interface TreeRoom {
  readonly plan: Plan;
  readonly whole: Category;
  /** Make a category; its neighbours are sorted later. */
  create(parent: Category, step: Step): Category;
  readonly compare: (left: Placement, right: Placement) => number;
}

/** What is to stand directly in a category. */
interface Gathered {
  /** in order */
  readonly runs: (readonly Placement[])[];
  /** yet to be sorted */
  readonly placements: Placement[];
}

/** Build; yields how many steps of `2 × all.length` are done, every few thousand. */
export function* buildTree(
  room: TreeRoom,
  all: readonly Held[],
  known: readonly KnownPlaces[],
): Generator<number, void> {
  const building = new Building(room);
  yield* building.recall(known);
  yield* building.gather(all);
  let done = all.length;
  const ranking = rankFirstKeys(room.plan, all, stepSize);
  let ranked = ranking.next();
  for (; ranked.done !== true; ranked = ranking.next()) yield done;
  for (const size of building.settle(room.whole, ranked.value)) {
    done += size;
    yield Math.min(done, 2 * all.length);
  }
  building.countRest();
}

class Building {
  readonly #room: TreeRoom;
  readonly #gathered: Map<Category, Gathered>;
  /** documents with the same categories mostly bring the same object */
  readonly #byPath = new Map<readonly Step[], Category>();
  /** documents that stand in several places, with what they add */
  readonly #several: (readonly [held: Held, parts: readonly unknown[]])[] = [];

  constructor(room: TreeRoom) {
    this.#room = room;
    this.#gathered = new Map([[room.whole, { runs: [], placements: [] }]]);
  }

  /** Take in documents whose categories are known. */
  *recall(known: readonly KnownPlaces[]): Generator<number, void> {
    const { plan } = this.#room;
    const placed: Held[] = [];
    for (const { path, documents } of known) {
      if (documents.length === 0) continue;
      const category = this.#categoryOf(path);
      const run: Placement[] = [];
      for (const held of documents) {
        const placement = { held, category, leaf: undefined };
        if (held.placements.length === 0) placed.push(held);
        held.placements = held.placements.length === 0 ? [placement] : [...held.placements, placement];
        run.push(placement);
      }
      this.#gathered.get(category)?.runs.push(run);
      yield 0;
    }
    for (const [index, held] of placed.entries()) {
      this.#count(held, plan.partsOf(held.row, held.origin));
      if (index % stepSize === stepSize - 1) yield 0;
    }
  }

  /** Find the categories of documents. */
  *gather(all: readonly Held[]): Generator<number, void> {
    const { plan } = this.#room;
    for (const [index, held] of all.entries()) {
      const { keys, parts, paths } = plan.measure(held.row, held.origin);
      held.keys = keys;
      held.placements = paths.map((path) => {
        const category = this.#categoryOf(path);
        const placement = { held, category, leaf: undefined };
        this.#gathered.get(category)?.placements.push(placement);
        return placement;
      });
      this.#count(held, parts);
      if (index % stepSize === stepSize - 1) yield index + 1;
    }
  }

  /** Sort and add up what was gathered, from the innermost categories outwards; yields how many documents were sorted since. */
  *settle(category: Category, ranks: Ranks | undefined): Generator<number, void> {
    const { runs = [], placements = [] } = this.#gathered.get(category) ?? {};
    const sorted = yield* this.#sorted(placements, ranks);
    const { compare, plan } = this.#room;
    category.documents.build(
      runs.length === 0 ? sorted : yield* mergeRuns([...runs, sorted], compare, stepSize),
    );
    const children = [...category.children.values()];
    for (const child of children) {
      yield* this.settle(child, ranks);
      category.totals.addAll(child.totals);
    }
    category.categories.build(
      children.sort((left, right) =>
        left.step === undefined || right.step === undefined ? 0 : plan.compareSteps(left.step, right.step),
      ),
    );
    if (sorted.length > 0) yield sorted.length;
  }

  /** A document that stands in several places counts once in what is around them: it is no part of what they add up. */
  countRest(): void {
    for (const [{ placements }, parts] of this.#several)
      for (const { totals } of categoriesOf(placements)) totals.add(parts);
  }

  #count(held: Held, parts: readonly unknown[]): void {
    const [placement, another] = held.placements;
    if (another !== undefined) this.#several.push([held, parts]);
    else placement?.category.totals.add(parts);
  }

  #categoryOf(path: readonly Step[]): Category {
    const known = this.#byPath.get(path);
    if (known !== undefined) return known;
    let category = this.#room.whole;
    for (const step of path) {
      let child = category.children.get(step.key);
      if (child === undefined) {
        child = this.#room.create(category, step);
        category.children.set(step.key, child);
        this.#gathered.set(child, { runs: [], placements: [] });
      }
      category = child;
    }
    this.#byPath.set(path, category);
    return category;
  }

  /** In order; what is ranked goes into a bucket for each rank first, so that only those of one rank are compared. */
  *#sorted(
    placements: readonly Placement[],
    ranks: Ranks | undefined,
  ): Generator<number, readonly Placement[]> {
    const { compare, plan } = this.#room;
    if (ranks === undefined) return yield* sortInSteps(placements, compare, stepSize);
    const buckets = new Map<number, Placement[]>();
    for (const placement of placements) {
      const rank = ranks.get(keysOf(plan, placement.held)[0]) ?? 0;
      const bucket = buckets.get(rank);
      if (bucket === undefined) buckets.set(rank, [placement]);
      else bucket.push(placement);
    }
    const sorted: Placement[] = [];
    let breath = stepSize;
    for (const rank of [...buckets.keys()].sort((one, other) => one - other)) {
      const bucket = yield* sortInSteps(buckets.get(rank) ?? [], compare, stepSize);
      for (const placement of bucket) sorted.push(placement);
      if (sorted.length < breath) continue;
      yield 0;
      breath = sorted.length + stepSize;
    }
    return sorted;
  }
}
