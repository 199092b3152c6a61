/**
 * Lines of the directory that were written apart, as one: two devices with the admin's key that did not know of each other. Every replica
 * that has the same commits takes the same line, whatever came first.
 *
 * ```
 * c0 ◄─ c1 ◄─ c2  ◄─ c3 ◄─ c4           the line: its end has the most commits in its past; of two, the one with the lower hash
 *        └─── c2' ◄─ c3'                beside it: what it takes away counts from c4 on, what it gives counts nothing
 *
 * c0 ◄─ c1 ◄─ c2  ◄─ c3 ◄─ c4 ◄─ m      m follows both ends: the fork is closed. What the other line took away counts from m on, before
 *        └─── c2' ◄─ c3' ◄─────┘         what m itself says: so a grant in m, or behind it, may give it back
 * ```
 *
 * A commit names the head that it continues, and follows it; a merge follows the ends of other lines, too. What takes away are
 * revocations, with their cuts and wipes, purges, and new epochs of keys (so that what is written next is not for who was revoked). What
 * gives, and what arranges, counts on the line alone; the merge says again what of it is still wanted, see tenant/merge-lines.ts.
 *
 * - F1 the fold is a function of the set of commits; for one line it is that of fold.ts
 * - F2 no revocation is lost: who is revoked on any line is revoked, until a grant that knows of that revocation; revoked on two, they are
 *   held to both cuts
 * - F3 the head that a member's commit names may be beside the line: the commit is judged as of the last commit of the line that this head
 *   knows of. Nobody gains by naming one: cuts are asked first and need no head
 *
 * Whoever has the admin's key can write a line as long as they like, an old stolen copy, too: it becomes the line, but undoes no
 * revocation. To undo one they must grant openly, as they could without any fork. Who has not the key can only show lines late.
 */
import { compareBytes, idToBytes, type CommitHash } from "../std/index.ts";
import type { DirectoryState } from "./directory.ts";
import { beginDraft, endDraft, foldTaking, type FoldDraft } from "./fold-record.ts";
import { foldActs, foldNext, mayFold, type OpenedCommit } from "./fold.ts";
import { settleMembers, unsettled } from "./linked.ts";

/** A commit that hangs together with the beginning. */
interface Placed {
  readonly opened: OpenedCommit;
  readonly hash: CommitHash;
  /** it and all commits before it */
  readonly weight: number;
}

/**
 * Fold all commits of a directory, in whatever order they are given. What is not of the directory, and what does not hang together with
 * its beginning, is passed over.
 *
 * @param empty the directory of the tenant before its first commit
 */
export function foldLines(empty: DirectoryState, commits: readonly OpenedCommit[]): DirectoryState {
  const placed = place(commits.filter(({ commit }) => mayFold(empty, commit)));
  const followed = new Set([...placed.values()].flatMap(({ opened }) => opened.commit.header.predecessors));
  const ends = [...placed.values()].filter(({ hash }) => !followed.has(hash)).sort(heaviestFirst);
  const [end, ...others] = ends;
  const acts = commits.filter(({ commit: { header } }) => header.author !== empty.adminKey);
  if (end === undefined) return foldActs(empty, acts);
  const line = lineTo(placed, end);
  const draft = beginDraft(empty);
  const walk = new Walk(draft, placed, new Map(line.map(({ hash }, index) => [hash, index])));
  for (const { opened } of line) {
    walk.bringIn(opened.commit.header.predecessors);
    foldNext(draft, opened);
  }
  walk.bringIn(others.map(({ hash }) => hash));
  const lines = settleMembers({
    ...unsettled(endDraft(draft)),
    otherHeads: others.map(({ hash }) => hash),
    besideByCommit: walk.besideByCommit,
  });
  return foldActs(lines, acts);
}

/** Folds what comes into the line from others. */
class Walk {
  readonly besideByCommit = new Map<CommitHash, number>();
  readonly #draft: FoldDraft;
  readonly #placed: ReadonlyMap<CommitHash, Placed>;
  readonly #indexes: ReadonlyMap<CommitHash, number>;

  constructor(
    draft: FoldDraft,
    placed: ReadonlyMap<CommitHash, Placed>,
    indexes: ReadonlyMap<CommitHash, number>,
  ) {
    this.#draft = draft;
    this.#placed = placed;
    this.#indexes = indexes;
  }

  /** Fold what these commits and those before them take away, as far as it is beside the line and was not folded yet. */
  bringIn(heads: readonly CommitHash[]): void {
    const isNew = (hash: CommitHash): boolean => !this.#indexes.has(hash) && !this.besideByCommit.has(hash);
    const fresh = new Set<Placed>();
    const open = heads.filter(isNew);
    for (let hash = open.pop(); hash !== undefined; hash = open.pop()) {
      const one = this.#placed.get(hash);
      if (one === undefined || fresh.has(one)) continue;
      fresh.add(one);
      open.push(...one.opened.commit.header.predecessors.filter(isNew));
    }
    const index = this.#draft.indexByCommit.size;
    for (const { hash, opened } of [...fresh].sort((a, b) => heaviestFirst(b, a))) {
      const past = opened.commit.header.predecessors.map((before) => this.#placeOf(before));
      const knows = Math.max(-1, ...past);
      this.besideByCommit.set(hash, knows);
      for (const record of opened.records) foldTaking(this.#draft, record, { index, knows });
    }
  }

  #placeOf(hash: CommitHash): number {
    return this.#indexes.get(hash) ?? this.besideByCommit.get(hash) ?? -1;
  }
}

/** Those that hang together with the beginning, each behind what it follows. */
function place(commits: readonly OpenedCommit[]): ReadonlyMap<CommitHash, Placed> {
  const placed = new Map<CommitHash, Placed>();
  const waiting = new Map<CommitHash, OpenedCommit[]>();
  for (const commit of commits) {
    const ready = [commit];
    for (let opened = ready.pop(); opened !== undefined; opened = ready.pop()) {
      const { commitHash: hash, header } = opened.commit;
      const missing = header.predecessors.find((before) => !placed.has(before));
      if (placed.has(hash)) continue;
      if (missing !== undefined) {
        waiting.set(missing, [...(waiting.get(missing) ?? []), opened]);
        continue;
      }
      placed.set(hash, { opened, hash, weight: weigh(placed, header.predecessors) });
      ready.push(...(waiting.get(hash) ?? []));
      waiting.delete(hash);
    }
  }
  return placed;
}

/** A merge counts what it brings together once. */
function weigh(placed: ReadonlyMap<CommitHash, Placed>, predecessors: readonly CommitHash[]): number {
  const [first] = predecessors;
  if (predecessors.length === 1 && first !== undefined) return 1 + (placed.get(first)?.weight ?? 0);
  const past = new Set<CommitHash>();
  const open = [...predecessors];
  for (let hash = open.pop(); hash !== undefined; hash = open.pop()) {
    if (past.has(hash)) continue;
    past.add(hash);
    open.push(...(placed.get(hash)?.opened.commit.header.predecessors ?? []));
  }
  return past.size + 1;
}

function lineTo(placed: ReadonlyMap<CommitHash, Placed>, end: Placed): readonly Placed[] {
  const line: Placed[] = [];
  for (let at: Placed | undefined = end; at !== undefined;) {
    line.push(at);
    const before: CommitHash | undefined = at.opened.commit.header.directoryHead;
    at = before === undefined ? undefined : placed.get(before);
  }
  return line.reverse();
}

function heaviestFirst(a: Placed, b: Placed): number {
  return b.weight - a.weight || compareBytes(idToBytes(a.hash), idToBytes(b.hash));
}
