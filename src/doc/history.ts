/** What a document has, by hash and by actor: decides which changes may be applied, and in which order. */
import { readMadeObjects } from "./change-chunk.ts";
import { changeLimits, type DocChange } from "./doc.ts";

/** Which changes a document has. */
export interface Hashes {
  has(hash: string): boolean;
  add(hash: string): void;
}

/** The changes in a document. */
export interface History {
  readonly hashes: Hashes;
  /** the last seq of each actor */
  readonly lastSeqs: Map<string, number>;
  /**
   * How deep objects are, deleted ones included, which Automerge no longer tells; those that are not here are fields of the document.
   * It never changes, so that all replicas judge alike.
   */
  readonly depths: Map<string, number>;
}

export interface Sorted {
  /** each after its dependencies */
  readonly ready: readonly DocChange[];
  readonly waiting: readonly DocChange[];
}

/** Order changes so that each follows its dependencies, in time linear in changes and dependencies. */
export function sortByDeps(changes: readonly DocChange[], hashes: Pick<Hashes, "has">): Sorted {
  const fresh = new Map(
    changes.filter((change) => !hashes.has(change.hash)).map((change) => [change.hash, change]),
  );
  const missing = new Map<string, number>();
  const dependents = new Map<string, DocChange[]>();
  const ready: DocChange[] = [];
  for (const change of fresh.values()) {
    const absent = change.deps.filter((dep) => !hashes.has(dep));
    missing.set(change.hash, absent.length);
    if (absent.length === 0) ready.push(change);
    for (const dep of absent) {
      const list = dependents.get(dep);
      if (list === undefined) dependents.set(dep, [change]);
      else list.push(change);
    }
  }
  // grows while it is walked
  for (const { hash } of ready) {
    for (const dependent of dependents.get(hash) ?? []) {
      const left = (missing.get(dependent.hash) ?? 0) - 1;
      missing.set(dependent.hash, left);
      if (left === 0) ready.push(dependent);
    }
  }
  return { ready, waiting: [...fresh.values()].filter(({ hash }) => (missing.get(hash) ?? 0) > 0) };
}

/** Judge a change's place among its actor's: each follows the `last` one before, 0 for none. */
export function judgeSeq(last: number, change: DocChange): "next" | "conflicting-seq" | "not-applicable" {
  if (change.seq <= last) return "conflicting-seq";
  return change.seq === last + 1 ? "next" : "not-applicable";
}

/** Follow the objects that a change makes down from the document; `false` when one is too deep. New depths go into `added`. */
export function judgeDepth(
  depths: ReadonlyMap<string, number>,
  added: Map<string, number>,
  change: DocChange,
): boolean {
  for (const { id, parent } of readMadeObjects(change.bytes)) {
    const depth = parent === "_root" ? 1 : (added.get(parent) ?? depths.get(parent) ?? 1) + 1;
    if (depth > changeLimits.depth) return false;
    if (depth > 1) added.set(id, depth);
  }
  return true;
}

/** The heads once `changes` follow on `heads`, sorted. */
export function headsAfter(heads: readonly string[], changes: readonly DocChange[]): readonly string[] {
  const after = new Set(heads);
  for (const { hash } of changes) after.add(hash);
  for (const { deps } of changes) for (const dep of deps) after.delete(dep);
  return [...after].sort();
}

/** Tell whether two lists of heads are the same set. */
export function sameHeads(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && [...a].sort().join() === [...b].sort().join();
}
