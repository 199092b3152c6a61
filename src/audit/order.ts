/**
 * The one order of commits in a report: by database, then by how many commits of the report lead to each, then by hash. A commit comes
 * behind all that it follows, and whoever has the same commits brings them into the same order.
 */
import type { CommitHash, DbId } from "../std/index.ts";

/** What the order looks at. */
export interface Ordered {
  readonly commitHash: CommitHash;
  readonly dbId: DbId;
  readonly predecessors: readonly CommitHash[];
}

/** Bring commits into their order. Each is there once. */
export function inAuditOrder<T extends Ordered>(items: readonly T[]): readonly T[] {
  const depths = depthsOf(items);
  const depthOf = ({ commitHash }: T): number => depths.get(commitHash) ?? 0;
  return items.toSorted(
    (a, b) => compare(a.dbId, b.dbId) || depthOf(a) - depthOf(b) || compare(a.commitHash, b.commitHash),
  );
}

/** How many commits lead to each, by the longest way: in rounds, since lines are long. */
function depthsOf(items: readonly Ordered[]): ReadonlyMap<CommitHash, number> {
  const known = new Map(items.map((item) => [item.commitHash, item]));
  const followers = new Map<CommitHash, Ordered[]>();
  const missing = new Map<CommitHash, number>();
  const depths = new Map<CommitHash, number>();
  const ready: Ordered[] = [];
  for (const item of items) {
    const past = item.predecessors.filter((hash) => known.has(hash));
    missing.set(item.commitHash, past.length);
    if (past.length === 0) ready.push(item);
    for (const hash of past) {
      const behind = followers.get(hash) ?? [];
      behind.push(item);
      followers.set(hash, behind);
    }
  }
  for (let item = ready.pop(); item !== undefined; item = ready.pop()) {
    const depth = item.predecessors.reduce((most, hash) => Math.max(most, (depths.get(hash) ?? -1) + 1), 0);
    depths.set(item.commitHash, depth);
    for (const next of followers.get(item.commitHash) ?? []) {
      const left = (missing.get(next.commitHash) ?? 0) - 1;
      missing.set(next.commitHash, left);
      if (left === 0) ready.push(next);
    }
  }
  return depths;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
