/**
 * An author's commits of one database as a graph, and what a cut covers of it.
 *
 * ```
 * root ◄─ c1 ◄─ c2 ◄─ c3            heads of a cut: [c2]
 *                └──── c4           covered: c2, c1, root; not covered: c3, c4
 * ```
 *
 * Hashes bind predecessors, so the past of a commit never changes once it is known, whatever order commits arrive in. The
 * past of the last few cuts is kept and grows as missing commits arrive: asking for n commits costs one walk in all, not n.
 */
import type { CommitHash } from "../std/index.ts";
import type { AuthorGraph } from "./directory.ts";

/** A user is revoked once, and seldom narrowed more often. */
const maxCoverages = 8;

interface Coverage {
  readonly heads: readonly CommitHash[];
  /** the heads and their past, as far as it is known */
  readonly covered: Set<CommitHash>;
  /** covered commits whose own predecessors are not known yet */
  readonly missing: Set<CommitHash>;
}

/** Create an empty graph. */
export function createAuthorGraph(): AuthorGraph {
  const predecessorsByCommit = new Map<CommitHash, readonly CommitHash[]>();
  const followed = new Set<CommitHash>();
  const heads = new Set<CommitHash>();
  const coverages: Coverage[] = [];
  /** by commits that came after others that follow them */
  const overtaken = new Map<CommitHash, CommitHash[]>();

  function extend(target: Coverage, from: readonly CommitHash[]): void {
    const open = [...from];
    for (let commit = open.pop(); commit !== undefined; commit = open.pop()) {
      target.covered.add(commit);
      const predecessors = predecessorsByCommit.get(commit);
      if (predecessors === undefined) {
        target.missing.add(commit);
        continue;
      }
      target.missing.delete(commit);
      for (const predecessor of predecessors) if (!target.covered.has(predecessor)) open.push(predecessor);
    }
  }

  function coverageOf(asked: readonly CommitHash[]): Coverage {
    const kept = coverages.find((one) => sameHeads(one.heads, asked));
    if (kept !== undefined) return kept;
    const coverage: Coverage = { heads: asked, covered: new Set(), missing: new Set() };
    extend(coverage, asked);
    if (coverages.length >= maxCoverages) coverages.shift();
    coverages.push(coverage);
    return coverage;
  }

  return {
    add(commitHash, predecessors) {
      if (predecessorsByCommit.has(commitHash)) return;
      predecessorsByCommit.set(commitHash, predecessors);
      for (const predecessor of predecessors) {
        followed.add(predecessor);
        if (!predecessorsByCommit.has(predecessor))
          overtaken.set(predecessor, [...(overtaken.get(predecessor) ?? []), commitHash]);
        heads.delete(predecessor);
      }
      if (!followed.has(commitHash)) heads.add(commitHash);
      for (const coverage of coverages) if (coverage.missing.has(commitHash)) extend(coverage, [commitHash]);
    },
    overtook: (commitHash) => overtaken.get(commitHash) ?? [],
    has: (commitHash) => predecessorsByCommit.has(commitHash),
    isCovered(commitHash, asked) {
      const known = coverageOf(asked);
      if (known.covered.has(commitHash)) return true;
      return known.missing.size === 0 ? false : undefined;
    },
    lacking(maxCount) {
      const found = new Set<CommitHash>();
      for (const { missing } of coverages)
        for (const commit of missing) if (found.size < maxCount) found.add(commit);
      return [...found];
    },
    heads: () => [...heads].sort(compareText),
  };
}

function sameHeads(a: readonly CommitHash[], b: readonly CommitHash[]): boolean {
  return a === b || (a.length === b.length && a.every((head, index) => head === b[index]));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
