import type { AuthorKey, CommitHash, DbId, KeyId } from "../std/index.ts";
import type { CommitHeader } from "../entry/index.ts";
import type { AuthorGraph, AuthorVerdict, DirectoryState, DirectoryUser } from "./directory.ts";

/**
 * Judge whether a commit's author had the right to write it.
 *
 * The admin key writes the directory's database and nothing else; members write every other one. A member must be granted at
 * the directory head that the commit itself names. A revoked member's commit counts only inside the cut: that is asked first,
 * because no directory head makes up for it, and it needs no clock. Who was granted access again is judged likewise for every head
 * from before that.
 *
 * A commit that the admin adopted counts whatever its author's rights were, if they were ever granted.
 *
 * @param graph this author's commits of this database; the commit itself need not be in it
 * @returns `waiting` while the directory head, or the past of the cut, is not known; asked again, it becomes one of the others
 */
export function judgeAuthor(
  state: DirectoryState,
  header: Pick<CommitHeader, "tenantId" | "author" | "dbId" | "directoryHead">,
  commitHash: CommitHash,
  graph: AuthorGraph,
): AuthorVerdict {
  if (header.tenantId !== state.tenantId) return { kind: "rejected", reason: "unknown-author" };
  if (header.dbId === state.dbId) {
    return header.author === state.adminKey
      ? { kind: "accepted" }
      : { kind: "rejected", reason: "not-admin" };
  }
  if (header.author === state.adminKey || header.directoryHead === undefined) {
    return { kind: "rejected", reason: "unknown-author" };
  }
  const user = state.usersByKey.get(header.author);
  if (user !== undefined && state.adopted.has(commitHash)) return { kind: "accepted" };
  const isInside = ({ cuts }: { readonly cuts: ReadonlyMap<DbId, readonly CommitHash[]> }) =>
    judgeCut(graph.isCovered(commitHash, cuts.get(header.dbId) ?? []));
  const standing = user?.revoked && isInside(user.revoked);
  if (standing !== undefined) return standing;
  const headIndex = indexOfHead(state, header.directoryHead);
  if (headIndex === undefined) return { kind: "waiting" };
  // Granted on another line: a merge may say it again.
  if (user === undefined && state.otherHeads.length > 0 && state.grantedBeside.has(header.author))
    return { kind: "waiting" };
  if (user === undefined || headIndex < user.grantedAt) return { kind: "rejected", reason: "unknown-author" };
  for (const cut of user.formerly) {
    if (headIndex >= cut.until) continue;
    const former = isInside(cut);
    if (former !== undefined) return former;
  }
  return { kind: "accepted" };
}

/**
 * The index in the line that a head of the directory stands for: its own, or, beside the line, that of the last commit of the line that it
 * knows of (-1: none). `undefined` while it is not known.
 */
export function indexOfHead(
  { besideByCommit, indexByCommit }: Pick<DirectoryState, "besideByCommit" | "indexByCommit">,
  head: CommitHash | undefined,
): number | undefined {
  return head === undefined ? undefined : (indexByCommit.get(head) ?? besideByCommit.get(head));
}

/** What a cut says against a commit that it covers, covers not, or does not know of yet. */
function judgeCut(covered: boolean | undefined): Exclude<AuthorVerdict, { kind: "accepted" }> | undefined {
  if (covered === undefined) return { kind: "waiting" };
  return covered ? undefined : { kind: "rejected", reason: "revoked" };
}

/**
 * Judge whether a commit forgets what its author knew: its directory head may not precede those of the commits that it follows. Its own
 * head is known; one that is not is newer. A head beside the line is older than none: which line is the line can change.
 *
 * @param before the heads that its predecessors name, as far as these are known
 */
export function forgetsHead(
  state: Pick<DirectoryState, "besideByCommit" | "indexByCommit">,
  { directoryHead }: Pick<CommitHeader, "directoryHead">,
  before: readonly (CommitHash | undefined)[],
): boolean {
  if (directoryHead !== undefined && state.besideByCommit.has(directoryHead)) return false;
  const index = indexOfHead(state, directoryHead) ?? -1;
  return before.some(
    (head) => head !== undefined && head !== directoryHead && (indexOfHead(state, head) ?? Infinity) > index,
  );
}

/** Tell whether what counts of an author is a matter of their own commits: they were revoked once, or narrowed. */
export function isCut({ usersByKey }: DirectoryState, userKey: AuthorKey): boolean {
  const user = usersByKey.get(userKey);
  return user !== undefined && (wasRevoked(user) || user.narrowings.length > 0);
}

/** Tell whether a user is revoked, or was once. */
export function wasRevoked({ formerly, revoked }: Pick<DirectoryUser, "formerly" | "revoked">): boolean {
  return revoked !== undefined || formerly.length > 0;
}

/** Tell whether a user is a member now: granted and not revoked. */
export function isMember(state: DirectoryState, userKey: AuthorKey): boolean {
  const user = state.usersByKey.get(userKey);
  return user !== undefined && user.revoked === undefined;
}

/**
 * The oldest epoch of a key that whoever knows a directory head may write under; 0 where the directory says nothing of the key, or
 * does not have the head.
 */
export function prescribedEpoch(state: DirectoryState, keyId: KeyId, head: CommitHash | undefined): number {
  const epochs = state.epochsByKey.get(keyId);
  const index = indexOfHead(state, head);
  if (epochs === undefined || index === undefined) return 0;
  return epochs.reduce((most, { at, epoch }) => (at <= index && epoch > most ? epoch : most), 0);
}
