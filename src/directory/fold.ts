/**
 * The fold of the directory: commits of the admin key, in one line, into users, groups, key epochs and settings.
 *
 * ```
 * (none) ◄─ c0 ◄─ c1 ◄─ c2    head = c2
 *                  └─── c2'   a second successor of c1, or a merge: the lines are folded anew, see fold-lines.ts
 * ```
 *
 * A record that contradicts the line so far changes nothing, so that no record can bring the line to a stop:
 * - a grant for the admin key
 * - a device that was not granted first in the same commit, that is somebody's already, or of who is no user: unknown, with no device
 *   left, or a device themselves
 * - a revocation or a member card of an unknown user, a card of an unknown group
 * - a member over the 10 000 that a group has at most, a group over 10 000, a setting over the 1 000 of its scope
 * - a role over the 10 000 of the tenant, a narrowing of an unknown user
 * - a commit over the 30 000 that are adopted, a document over the 30 000 that are purged, a wipe of who is not revoked
 * - an epoch over the 10 000 of its key, a key over the 10 000 of the tenant
 * What members say of their devices is beside the line, see linked.ts. A second grant replaces the keys and the name's hash, and ends a revocation, whose cut goes on standing for what names an older head;
 * a second revocation replaces the cut; a second record of one epoch and fingerprint adds the users it wraps the key for. Members of a group need
 * not be granted, nor groups in it be known.
 */
import { assert, type AuthorKey, type CommitHash, type TenantId } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { directoryDbId, type Commit } from "../entry/index.ts";
import type { DirectoryRecord, DirectoryState, FoldVerdict } from "./directory.ts";
import { beginDraft, endDraft, foldRecord, type FoldDraft } from "./fold-record.ts";
import { judgeAct, settleMembers, unsettled } from "./linked.ts";
import { LayeredMap } from "./layered-map.ts";

/** A verified commit with what of its entries could be opened and parsed. */
export interface OpenedCommit {
  readonly commit: Commit;
  /**
   * Every replica must be able to open what says who may do what; only cards and settings may be left out, which changes nothing
   * but names and settings.
   */
  readonly records: readonly DirectoryRecord[];
}

/** Create the directory of a tenant before its first commit. */
export function createDirectory(
  crypto: Pick<Verifier, "sha256">,
  tenantId: TenantId,
  adminKey: AuthorKey,
): DirectoryState {
  return settleMembers({
    tenantId,
    dbId: directoryDbId(crypto, tenantId),
    adminKey,
    head: undefined,
    otherHeads: [],
    indexByCommit: new Map(),
    besideByCommit: new Map(),
    grantedBeside: new Map(),
    grantedUsers: new Map(),
    acts: new Map(),
    groupsById: new Map(),
    epochsByKey: new Map(),
    rolesByPlace: new Map(),
    adopted: new Map(),
    purgedDocs: new Map(),
    tenantSettings: new Map(),
    settingsByDb: new Map(),
  });
}

/**
 * Fold one verified commit. The given state is not changed.
 *
 * @param records see {@link OpenedCommit}
 * @returns `waiting` commits are to be folded again after others, `beside` ones with all others by {@link foldLines}
 */
export function foldCommit(
  state: DirectoryState,
  commit: Commit,
  records: readonly DirectoryRecord[],
): FoldVerdict {
  const verdict = verdictOn(state, commit);
  if (verdict === "beside-line") return foldAct(state, { commit, records });
  if (verdict !== "next") return verdict;
  const draft = beginDraft(state);
  foldNext(draft, { commit, records });
  return { kind: "applied", state: endDraft(draft) };
}

/** Fold what a member wrote in the directory's database. */
function foldAct(state: DirectoryState, { commit, records }: OpenedCommit): FoldVerdict {
  const verdict = judgeAct(state, commit, records);
  if (verdict.kind !== "act") return verdict;
  const acts = new LayeredMap(state.acts).set(commit.commitHash, verdict.act);
  return { kind: "applied", state: settleMembers({ ...unsettled(state), acts }) };
}

/**
 * Fold what members wrote, in whatever order it is given, behind the line that it names.
 *
 * @param state settled with the line, and without acts
 */
export function foldActs(state: DirectoryState, commits: readonly OpenedCommit[]): DirectoryState {
  let folded = state;
  for (let left = commits, before = Infinity; left.length < before;) {
    before = left.length;
    left = left.filter((opened) => {
      const verdict = foldAct(folded, opened);
      if (verdict.kind === "applied") folded = verdict.state;
      return verdict.kind === "waiting";
    });
  }
  return folded;
}

/** The directory as it would be behind one more commit of these records. */
export function foldPreview(state: DirectoryState, records: readonly DirectoryRecord[]): DirectoryState {
  const draft = beginDraft(state);
  for (const record of records) foldRecord(draft, record, draft.indexByCommit.size);
  return endDraft(draft);
}

/** Fold what is known to be the next commit of the line. */
export function foldNext(draft: FoldDraft, { commit, records }: OpenedCommit): void {
  assert(records.length <= commit.entries.length, "fold: a record comes from an entry");
  draft.newcomers.clear();
  const index = draft.indexByCommit.size;
  for (const record of records) foldRecord(draft, record, index);
  draft.indexByCommit.set(commit.commitHash, index);
  draft.head = commit.commitHash;
}

type Place = Pick<
  DirectoryState,
  "tenantId" | "dbId" | "adminKey" | "head" | "otherHeads" | "indexByCommit" | "besideByCommit"
>;

/** `next`: it follows the head and nothing else, and is to be folded. `beside-line`: a member wrote it. */
function verdictOn(
  place: Place,
  commit: Commit,
): Exclude<FoldVerdict, { kind: "applied" }> | "next" | "beside-line" {
  const { commitHash, header } = commit;
  const isKnown = (hash: CommitHash): boolean =>
    place.indexByCommit.has(hash) || place.besideByCommit.has(hash);
  if (isKnown(commitHash)) return { kind: "known" };
  const reason = reasonAgainst(place, commit);
  if (reason === "not-admin") return "beside-line";
  if (reason !== undefined) return { kind: "rejected", reason };
  const { directoryHead, predecessors } = header;
  if (directoryHead === place.head && predecessors.length < 2 && place.otherHeads.length === 0) return "next";
  return predecessors.every(isKnown) ? { kind: "beside" } : { kind: "waiting" };
}

/** Tell whether a commit may be one of the directory, wherever its place is. */
export function mayFold(place: Place, commit: Commit): boolean {
  return reasonAgainst(place, commit) === undefined;
}

function reasonAgainst(
  place: Place,
  commit: Commit,
): Extract<FoldVerdict, { kind: "rejected" }>["reason"] | undefined {
  const { header } = commit;
  if (header.tenantId !== place.tenantId || header.dbId !== place.dbId) return "wrong-database";
  if (header.author !== place.adminKey) return "not-admin";
  return isDirectoryCommit(commit) ? undefined : "malformed";
}

/** It follows the directory head that it knew: of several that it follows, the one whose line it continues. It holds nothing but records. */
function isDirectoryCommit({ header, entries }: Commit): boolean {
  const { directoryHead, predecessors } = header;
  return (
    (directoryHead === undefined ? predecessors.length === 0 : predecessors.includes(directoryHead)) &&
    entries.every((entry) => entry.header === undefined || entry.header.entryType === "directory_record")
  );
}
