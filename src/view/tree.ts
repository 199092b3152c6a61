/**
 * The categories of a view and the documents in them.
 *
 * ```
 *   whole ── categories ── "Engineering"  ── categories ── 2024 ── documents ── ada, bob
 *                │               └ documents              2023 ── documents ── cyd
 *                └──────── "Sales" …
 * ```
 *
 * A category weighs as many rows as it shows: one, and all within it while it is expanded. So what stands at a row, and at which row
 * something stands, is found by counting down, level by level.
 *
 * Guarantees
 * - T1 a category is there while documents stand in it
 * - T2 taking a document out and putting it in again gives the same tree, bit for bit
 * - T3 a change touches the categories that the document stands in, and O(log n) of what is beside them
 */
import { assert } from "../std/index.ts";
import { buildTree } from "./build-tree.ts";
import { categoriesOf, innerWeight, keysOf, type Category, type Held, type Placement } from "./category.ts";
import { CountedList, type Measure } from "./counted-list.ts";
import type { KnownPlaces } from "./known-order.ts";
import { categoryKey, type Step } from "./path.ts";
import type { Measures, Plan } from "./plan.ts";
import { Totals } from "./totals.ts";

/** What a tree asks about its categories. */
export interface TreeOptions {
  readonly plan: Plan;
  readonly isExpanded: (key: string, level: number) => boolean;
}

/** The tree. */
export class Tree {
  readonly whole: Category;
  readonly #plan: Plan;
  readonly #isExpanded: TreeOptions["isExpanded"];
  readonly #categoryMeasure: Measure<Category>;
  readonly #placementMeasure: Measure<Placement>;
  #lastRevision = 0;

  constructor({ plan, isExpanded }: TreeOptions) {
    this.#plan = plan;
    this.#isExpanded = isExpanded;
    const extremes = {
      extremeCount: plan.extremes.length,
      isBetter: (index: number) => plan.isBetter(index),
    };
    this.#categoryMeasure = {
      ...extremes,
      compare: (left, right) => compareCategories(plan, left, right),
      weightOf: (category) => 1 + (category.isExpanded ? innerWeight(category) : 0),
      extremeOf: (category, index) => this.extremeOf(category, index),
    };
    this.#placementMeasure = {
      ...extremes,
      compare: (left, right) => comparePlacements(plan, left, right),
      weightOf: () => 1,
      extremeOf: ({ held }, index) => plan.readExtreme(held.row, held.origin, index),
    };
    this.whole = this.#create(undefined, undefined);
  }

  /** The least or greatest value below a category. */
  extremeOf({ categories, documents }: Category, index: number): unknown {
    const [one, other] = [categories.extreme(index), documents.extreme(index)];
    if (one === undefined || other === undefined) return one ?? other;
    return this.#plan.isBetter(index)(one, other) ? one : other;
  }

  /**
   * Take in many documents at once, in place of all that was here. Yields how many steps of `2 × all.length` are done, every few thousand.
   */
  build(all: readonly Held[], known: readonly KnownPlaces[] = []): Generator<number, void> {
    const { whole } = this;
    whole.children.clear();
    const { compare } = this.#placementMeasure;
    const create = (parent: Category, step: Step): Category => this.#create(parent, step);
    return buildTree({ plan: this.#plan, whole, create, compare }, all, known);
  }

  /** Put a document in. */
  insert(held: Held, measures: Measures): void {
    held.keys = measures.keys;
    held.revision = this.nextRevision();
    held.placements = measures.paths.map((path): Placement => {
      const category = this.#find(path);
      const placement = { held, category, leaf: undefined };
      category.documents.insert(placement);
      return placement;
    });
    this.#count(held.placements, measures.parts, 1);
    for (const { category } of held.placements) this.#bubble(category);
  }

  /** Take a document out. */
  remove(held: Held): void {
    this.#count(held.placements, this.#plan.partsOf(held.row, held.origin), -1);
    for (const placement of held.placements) {
      const { category } = placement;
      category.documents.remove(placement);
      this.#bubble(category);
      this.#prune(category);
    }
    held.placements = [];
  }

  /** A document stands where it stood, has another row now, and adds something else. */
  amend(held: Held, row: Held["row"], { keys, parts }: Measures): void {
    const before = this.#plan.partsOf(held.row, held.origin);
    held.row = row;
    held.keys = keys;
    held.revision = this.nextRevision();
    const isCounted = before.some((part, index) => !isSamePart(part, parts[index]));
    if (isCounted) {
      this.#count(held.placements, before, -1);
      this.#count(held.placements, parts, 1);
    }
    if (this.#plan.extremes.length === 0) return;
    for (const placement of held.placements) {
      placement.category.documents.refresh(placement);
      this.#bubble(placement.category);
    }
  }

  /** Show or hide what is in a category. */
  setExpanded(category: Category, isExpanded: boolean): void {
    if (category.isExpanded === isExpanded) return;
    category.isExpanded = isExpanded;
    category.revision = this.nextRevision();
    this.#bubble(category);
  }

  /** Ask of every category anew whether it is expanded. */
  expandAnew(category: Category = this.whole): void {
    for (const child of category.children.values()) {
      const isExpanded = this.#isExpanded(child.key, child.level);
      if (isExpanded !== child.isExpanded) child.revision = this.nextRevision();
      child.isExpanded = isExpanded;
      this.expandAnew(child);
    }
    category.categories.refreshAll();
  }

  nextRevision(): number {
    this.#lastRevision += 1;
    return this.#lastRevision;
  }

  #create(parent: Category | undefined, step: Step | undefined): Category {
    const key = parent === undefined || step === undefined ? "" : categoryKey(parent.key, step);
    const level = parent === undefined ? -1 : parent.level + 1;
    return {
      parent,
      step,
      key,
      level,
      children: new Map(),
      categories: new CountedList(this.#categoryMeasure),
      documents: new CountedList(this.#placementMeasure),
      totals: new Totals(this.#plan),
      isExpanded: parent === undefined || this.#isExpanded(key, level),
      revision: this.nextRevision(),
      leaf: undefined,
    };
  }

  /** The category of a path, made where it is not there yet, and put among its neighbours. */
  #find(path: readonly Step[]): Category {
    let category = this.whole;
    for (const step of path) {
      let child = category.children.get(step.key);
      if (child === undefined) {
        child = this.#create(category, step);
        category.children.set(step.key, child);
        category.categories.insert(child);
      }
      category = child;
    }
    return category;
  }

  /** Add a document to the totals of all categories that it stands in, once each. */
  #count(placements: readonly Placement[], parts: readonly unknown[], sign: 1 | -1): void {
    for (const category of categoriesOf(placements)) {
      category.totals.add(parts, sign);
      category.revision = this.nextRevision();
    }
  }

  /** What is in a category weighs something else now: count again upwards, as far as it shows. */
  #bubble(from: Category): void {
    for (let category = from; category.parent !== undefined; category = category.parent)
      category.parent.categories.refresh(category);
  }

  #prune(from: Category): void {
    for (let category = from; category.parent !== undefined && isEmpty(category);) {
      const { parent, step } = category;
      assert(step !== undefined && parent.children.delete(step.key), "T1: a category is in the one above it");
      parent.categories.remove(category);
      this.#bubble(parent);
      category = parent;
    }
  }
}

function isEmpty({ categories, documents }: Category): boolean {
  return categories.count === 0 && documents.count === 0;
}

function compareCategories(plan: Plan, left: Category, right: Category): number {
  if (left === right || left.step === undefined || right.step === undefined) return 0;
  return plan.compareSteps(left.step, right.step);
}

function comparePlacements(plan: Plan, { held: left }: Placement, { held: right }: Placement): number {
  if (left === right) return 0;
  const order = plan.compareKeys(keysOf(plan, left), keysOf(plan, right));
  if (order !== 0) return order;
  if (left.origin !== right.origin) return left.origin - right.origin;
  return left.id < right.id ? -1 : 1;
}

function isSamePart(one: unknown, other: unknown): boolean {
  if (!Array.isArray(one) || !Array.isArray(other)) return Object.is(one, other);
  return one.length === other.length && one.every((key, index) => key === other[index]);
}
