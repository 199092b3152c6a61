/**
 * The fold of the directory: commits of the admin key, in one line, into users.
 *
 * ```
 * (none) ◄─ c0 ◄─ c1 ◄─ c2    head = c2
 *                  └─── c2'   a second successor of c1: rejected as a fork; what follows it waits for ever
 * ```
 *
 * A record that contradicts the line so far changes nothing, so that no record can bring the line to a stop:
 * - a grant for the admin key, or for a key that was ever revoked (who comes back joins with a new identity, because the cut
 *   of the old one stands for ever)
 * - a revocation or a member card of an unknown user
 * A second grant replaces the keys and the name's hash; a second revocation replaces the cut.
 */
import { assert, type AuthorKey, type CommitHash, type TenantId } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { directoryDbId, type Commit } from "../entry/index.ts";
import type { DirectoryRecord, DirectoryState, DirectoryUser, FoldVerdict } from "./directory.ts";

/** Create the directory of a tenant before its first commit. */
export function createDirectory(
  crypto: Pick<Verifier, "sha256">,
  tenantId: TenantId,
  adminKey: AuthorKey,
): DirectoryState {
  return {
    tenantId,
    dbId: directoryDbId(crypto, tenantId),
    adminKey,
    head: undefined,
    indexByCommit: new Map(),
    usersByKey: new Map(),
  };
}

/**
 * Fold one verified commit. The given state is not changed.
 *
 * @param records what of the commit's entries could be opened and parsed. Every replica must be able to open grants and
 *   revocations; only member cards may be left out, which changes nothing but names
 * @returns `waiting` commits are to be folded again after others; `fork` is cause for an alarm
 */
export function foldCommit(
  state: DirectoryState,
  commit: Commit,
  records: readonly DirectoryRecord[],
): FoldVerdict {
  const { commitHash, header } = commit;
  assert(records.length <= commit.entries.length, "fold: a record comes from an entry");
  if (state.indexByCommit.has(commitHash)) return { kind: "known" };
  if (header.tenantId !== state.tenantId || header.dbId !== state.dbId) return rejected("wrong-database");
  if (header.author !== state.adminKey) return rejected("not-admin");
  if (!isDirectoryCommit(commit)) return rejected("malformed");

  const previous = header.directoryHead;
  if (previous !== state.head) {
    const isFork = previous === undefined || state.indexByCommit.has(previous);
    return isFork ? rejected("fork") : { kind: "waiting" };
  }
  const index = state.indexByCommit.size;
  const usersByKey = new Map(state.usersByKey);
  for (const record of records) {
    const user = foldRecord(state.adminKey, usersByKey.get(record.userKey), record, index);
    if (user !== undefined) usersByKey.set(record.userKey, user);
  }
  const indexByCommit = new Map<CommitHash, number>(state.indexByCommit).set(commitHash, index);
  return { kind: "applied", state: { ...state, head: commitHash, indexByCommit, usersByKey } };
}

/** One line: the directory head that a directory commit knew is its only predecessor. It holds nothing but records. */
function isDirectoryCommit({ header, entries }: Commit): boolean {
  const [predecessor] = header.predecessors;
  return (
    header.predecessors.length <= 1 &&
    predecessor === header.directoryHead &&
    entries.every((entry) => entry.header === undefined || entry.header.entryType === "directory_record")
  );
}

/** The user after a record, or `undefined` when it changes nothing. */
function foldRecord(
  adminKey: AuthorKey,
  user: DirectoryUser | undefined,
  record: DirectoryRecord,
  index: number,
): DirectoryUser | undefined {
  switch (record.kind) {
    case "grantaccess":
      if (record.userKey === adminKey || user?.revoked !== undefined) return undefined;
      return {
        userKey: record.userKey,
        encryptionKey: record.encryptionKey,
        nameHash: record.nameHash,
        userName: user?.userName,
        grantedAt: user?.grantedAt ?? index,
        revoked: undefined,
      };
    case "revokeaccess":
      if (user === undefined) return undefined;
      return {
        ...user,
        revoked: { at: index, cuts: new Map(record.cuts.map((cut) => [cut.dbId, cut.heads])) },
      };
    case "membercard":
      return user === undefined ? undefined : { ...user, userName: record.userName };
  }
}

function rejected(reason: Extract<FoldVerdict, { kind: "rejected" }>["reason"]): FoldVerdict {
  return { kind: "rejected", reason };
}
