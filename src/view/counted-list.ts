/**
 * An ordered list that knows how much stands before each of its items: a B+ tree whose nodes count.
 *
 * ```
 *   branch  count 9, weight 41
 *     ├── leaf  count 4, weight 22     a(1) b(12) c(1) d(8)
 *     └── leaf  count 5, weight 19     e(1) f(1) g(15) h(1) i(1)
 * ```
 *
 * Guarantees
 * - L1 items are in the order of `compare`, no two of them equal
 * - L2 inserting, removing, weighing again and finding by rank or weight take O(log n)
 * - L3 `extremes` of a node are the best of its items', by `better`
 */
import { assert } from "../std/index.ts";

const maxFill = 64;
const minFill = 16;
const mergeTo = 48;
/** how full a node is built, so that the first insertions split nothing */
const buildFill = 48;

/** What stands in a list knows its leaf, so that its rank is found without comparing. */
export interface Listed {
  leaf: object | undefined;
}

/** How a list sees its items. */
export interface Measure<T> {
  /** a total order: 0 for the same item only */
  readonly compare: (left: T, right: T) => number;
  readonly weightOf: (item: T) => number;
  /** how many extremes an item has */
  readonly extremeCount: number;
  /** an item's extreme; `undefined` where it has none */
  readonly extremeOf: (item: T, extreme: number) => unknown;
  /** whether the first replaces the second */
  readonly isBetter: (extreme: number) => (one: unknown, other: unknown) => boolean;
}

interface Leaf<T> {
  readonly items: T[];
  parent: Branch<T> | undefined;
  count: number;
  weight: number;
  readonly extremes: unknown[];
}

interface Branch<T> {
  readonly children: Node<T>[];
  parent: Branch<T> | undefined;
  count: number;
  weight: number;
  readonly extremes: unknown[];
}

type Node<T> = Leaf<T> | Branch<T>;

/** The list. */
export class CountedList<T extends Listed> {
  readonly #measure: Measure<T>;
  #root: Node<T>;

  constructor(measure: Measure<T>) {
    this.#measure = measure;
    this.#root = this.#leaf([]);
  }

  /** How many items. */
  get count(): number {
    return this.#root.count;
  }

  /** The weight of all items. */
  get weight(): number {
    return this.#root.weight;
  }

  /** The best of an extreme among all items. */
  extreme(index: number): unknown {
    return this.#root.extremes[index];
  }

  /** Take items that are in order already, in place of all that was here. */
  build(sorted: readonly T[]): void {
    let nodes: Node<T>[] = [];
    for (let at = 0; at < sorted.length; at += buildFill)
      nodes.push(this.#leaf(sorted.slice(at, at + buildFill)));
    while (nodes.length > 1) {
      const above: Node<T>[] = [];
      for (let at = 0; at < nodes.length; at += buildFill)
        above.push(this.#branch(nodes.slice(at, at + buildFill)));
      nodes = above;
    }
    this.#root = nodes[0] ?? this.#leaf([]);
  }

  /** Put an item where it belongs. */
  insert(item: T): void {
    const { compare } = this.#measure;
    let node = this.#root;
    while ("children" in node) {
      const { children } = node;
      const last = children.length - 1;
      node = at(
        children,
        lowerBound(last, (index) => compare(lastOf(at(children, index)), item) < 0),
      );
    }
    const { items } = node;
    const place = lowerBound(items.length, (index) => compare(at(items, index), item) < 0);
    items.splice(place, 0, item);
    item.leaf = node;
    this.#update(node);
    if (items.length > maxFill) this.#split(node);
  }

  /** Take an item out. */
  remove(item: T): void {
    const leaf = leafOf(item);
    leaf.items.splice(leaf.items.indexOf(item), 1);
    item.leaf = undefined;
    this.#update(leaf);
    this.#shrink(leaf);
  }

  /** An item weighs something else now, or has other extremes; its place is the same. */
  refresh(item: T): void {
    this.#update(leafOf(item));
  }

  /** Many items weigh something else now. */
  refreshAll(node: Node<T> = this.#root): void {
    if ("children" in node) for (const child of node.children) this.refreshAll(child);
    this.#recount(node);
  }

  /** How many items stand before one, and what they weigh. */
  before(item: T): { readonly rank: number; readonly weight: number } {
    const leaf = leafOf(item);
    let rank = leaf.items.indexOf(item);
    let weight = 0;
    for (let index = 0; index < rank; index += 1) weight += this.#measure.weightOf(at(leaf.items, index));
    for (let node: Node<T> = leaf; node.parent !== undefined; node = node.parent) {
      for (const other of node.parent.children) {
        if (other === node) break;
        rank += other.count;
        weight += other.weight;
      }
    }
    return { rank, weight };
  }

  /** The item that covers an offset of weight, and the weight before it. */
  atWeight(offset: number): { readonly item: T; readonly before: number } | undefined {
    if (offset < 0 || offset >= this.weight) return undefined;
    let node = this.#root;
    let before = 0;
    while ("children" in node) {
      const { children } = node;
      let index = 0;
      for (; before + at(children, index).weight <= offset; index += 1) before += at(children, index).weight;
      node = at(children, index);
    }
    const { items } = node;
    const { weightOf } = this.#measure;
    let index = 0;
    for (; before + weightOf(at(items, index)) <= offset; index += 1) before += weightOf(at(items, index));
    return { item: at(items, index), before };
  }

  /** The item of a rank. */
  at(rank: number): T | undefined {
    if (!Number.isSafeInteger(rank) || rank < 0 || rank >= this.count) return undefined;
    let node = this.#root;
    let left = rank;
    while ("children" in node) {
      const { children } = node;
      let index = 0;
      for (; at(children, index).count <= left; index += 1) left -= at(children, index).count;
      node = at(children, index);
    }
    return at(node.items, left);
  }

  /** How many items, from the first on, hold a condition that holds for the first ones only. */
  countWhile(holds: (item: T) => boolean): number {
    let node = this.#root;
    let before = 0;
    while ("children" in node) {
      const { children } = node;
      const index = lowerBound(children.length - 1, (child) => holds(lastOf(at(children, child))));
      for (let child = 0; child < index; child += 1) before += at(children, child).count;
      node = at(children, index);
    }
    const { items } = node;
    return before + lowerBound(items.length, (index) => holds(at(items, index)));
  }

  /** The items of some ranks, in order: as {@link from}, for many at a time. */
  slice(start: number, end: number): T[] {
    const found: T[] = [];
    gather(this.#root, { start, end, found });
    return found;
  }

  /** The items in order, from a rank on. */
  *from(rank = 0, node: Node<T> = this.#root): Generator<T, void> {
    if (!("children" in node)) {
      for (let index = rank; index < node.items.length; index += 1) yield at(node.items, index);
      return;
    }
    let skip = rank;
    for (const child of node.children) {
      if (skip >= child.count) skip -= child.count;
      else {
        yield* this.from(skip, child);
        skip = 0;
      }
    }
  }

  /** Count a node again, and those above it. */
  #update(from: Node<T>): void {
    for (let node: Node<T> | undefined = from; node !== undefined; node = node.parent) this.#recount(node);
  }

  #recount(node: Node<T>): void {
    const { weightOf, extremeOf, extremeCount, isBetter } = this.#measure;
    let weight = 0;
    if ("children" in node) {
      let count = 0;
      for (const child of node.children) {
        count += child.count;
        weight += child.weight;
      }
      node.count = count;
      for (let extreme = 0; extreme < extremeCount; extreme += 1)
        node.extremes[extreme] = bestOf(node.children, (child) => child.extremes[extreme], isBetter(extreme));
    } else {
      for (const item of node.items) weight += weightOf(item);
      node.count = node.items.length;
      for (let extreme = 0; extreme < extremeCount; extreme += 1)
        node.extremes[extreme] = bestOf(node.items, (item) => extremeOf(item, extreme), isBetter(extreme));
    }
    node.weight = weight;
  }

  #leaf(items: T[]): Leaf<T> {
    const leaf: Leaf<T> = { items, parent: undefined, count: 0, weight: 0, extremes: [] };
    for (const item of items) item.leaf = leaf;
    this.#recount(leaf);
    return leaf;
  }

  #branch(children: Node<T>[]): Branch<T> {
    const branch: Branch<T> = { children, parent: undefined, count: 0, weight: 0, extremes: [] };
    for (const child of children) child.parent = branch;
    this.#recount(branch);
    return branch;
  }

  #split(node: Node<T>): void {
    const half = maxFill / 2;
    const right =
      "children" in node ? this.#branch(node.children.splice(half)) : this.#leaf(node.items.splice(half));
    this.#recount(node);
    const { parent } = node;
    if (parent === undefined) {
      this.#root = this.#branch([node, right]);
      return;
    }
    right.parent = parent;
    parent.children.splice(parent.children.indexOf(node) + 1, 0, right);
    if (parent.children.length > maxFill) this.#split(parent);
  }

  /** Give up a node that has become empty, or put it together with a neighbour when both are small. */
  #shrink(node: Node<T>): void {
    const { parent } = node;
    if (parent === undefined) {
      while ("children" in this.#root && this.#root.children.length <= 1) {
        this.#root = this.#root.children[0] ?? this.#leaf([]);
        this.#root.parent = undefined;
      }
      return;
    }
    if (sizeOf(node) >= minFill) return;
    const index = parent.children.indexOf(node);
    const neighbour = parent.children[index === 0 ? 1 : index - 1];
    if (sizeOf(node) === 0) parent.children.splice(index, 1);
    else if (neighbour !== undefined && sizeOf(node) + sizeOf(neighbour) <= mergeTo) {
      const [left, right] = index === 0 ? [node, neighbour] : [neighbour, node];
      parent.children.splice(parent.children.indexOf(right), 1);
      join(left, right);
      this.#recount(left);
    } else return;
    this.#update(parent);
    this.#shrink(parent);
  }
}

/** Add the items of a node that are in a range of its ranks. */
function gather<T>(
  node: Node<T>,
  { start, end, found }: { readonly start: number; readonly end: number; readonly found: T[] },
): void {
  if (!("children" in node)) {
    for (let index = Math.max(0, start); index < Math.min(end, node.items.length); index += 1)
      found.push(at(node.items, index));
    return;
  }
  let before = 0;
  for (const child of node.children) {
    if (before >= end) return;
    if (before + child.count > start) gather(child, { start: start - before, end: end - before, found });
    before += child.count;
  }
}

function leafOf<T extends Listed>(item: T): Leaf<T> {
  const { leaf } = item;
  assert(leaf !== undefined, "L1: the item stands in this list");
  return leaf as Leaf<T>;
}

function bestOf<Part>(
  parts: readonly Part[],
  read: (part: Part) => unknown,
  isBetter: (one: unknown, other: unknown) => boolean,
): unknown {
  let best: unknown;
  for (const part of parts) {
    const found = read(part);
    if (found !== undefined && (best === undefined || isBetter(found, best))) best = found;
  }
  return best;
}

/** Move all that is in the right one behind what is in the left one. */
function join<T extends Listed>(left: Node<T>, right: Node<T>): void {
  if ("children" in left && "children" in right) {
    for (const child of right.children) child.parent = left;
    left.children.push(...right.children);
  } else if (!("children" in left) && !("children" in right)) {
    for (const item of right.items) item.leaf = left;
    left.items.push(...right.items);
  }
}

function sizeOf<T>(node: Node<T>): number {
  return "children" in node ? node.children.length : node.items.length;
}

function lastOf<T>(node: Node<T>): T {
  let last = node;
  while ("children" in last) last = at(last.children, last.children.length - 1);
  return at(last.items, last.items.length - 1);
}

/** The first index below `count` that does not hold; `count` when all of them do. */
function lowerBound(count: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function at<Part>(parts: readonly Part[], index: number): Part {
  const part = parts[index];
  assert(part !== undefined, "L1: nodes are where the tree says");
  return part;
}
