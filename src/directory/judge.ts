import type { AuthorKey, CommitHash, KeyId } from "../std/index.ts";
import type { CommitHeader } from "../entry/index.ts";
import type { AuthorGraph, AuthorVerdict, DirectoryState } from "./directory.ts";

/**
 * Judge whether a commit's author had the right to write it.
 *
 * The admin key writes the directory's database and nothing else; members write every other one. A member must be granted at
 * the directory head that the commit itself names. A revoked member's commit counts only inside the cut: that is asked first,
 * because no directory head makes up for it, and it needs no clock.
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
  if (user?.revoked !== undefined) {
    const covered = graph.isCovered(commitHash, user.revoked.cuts.get(header.dbId) ?? []);
    if (covered === undefined) return { kind: "waiting" };
    if (!covered) return { kind: "rejected", reason: "revoked" };
  }
  const headIndex = state.indexByCommit.get(header.directoryHead);
  if (headIndex === undefined) return { kind: "waiting" };
  if (user === undefined || headIndex < user.grantedAt) return { kind: "rejected", reason: "unknown-author" };
  return { kind: "accepted" };
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
  const index = head === undefined ? undefined : state.indexByCommit.get(head);
  if (epochs === undefined || index === undefined) return 0;
  return epochs.reduce((most, { at, epoch }) => (at <= index && epoch > most ? epoch : most), 0);
}
