/**
 * Judging: from a record of the device log to a verdict on each of its entries. The one way in for everything: this thread's own
 * writes after a restart, other tabs, the service worker, servers, peers.
 *
 * ```
 * record ─ verify (structure, hashes, signature) ─ tenant ─ directory database? ─► fold
 *                                                       └─ author known, not cut ─ role ─ open ─ change, actor, deps, key ─► accepted
 *   forged ► quarantined        head, dependency, key or ciphertext not here ► waiting        does not fit ► quarantined
 * ```
 *
 * Guarantees
 * - J1 what is not accepted reaches no catalog; a bad entry never stops the others of its commit
 * - J2 a waiting commit is judged again when what it needs arrives, see needs.ts
 * - J3 judging the same record twice changes nothing
 * - J5 an entry of a purged document is settled as it is, with or without its ciphertext, and so is one that its author erased; any
 *      other that lacks it waits for it
 * - J4 verdicts follow from what the log holds, not from the order in which it came: an entry is held against its own past only, and
 *      commits that contradict each other are left to contests.ts
 */
import {
  bytesToHex,
  type CommitHash,
  type DbId,
  type DocId,
  type EntryHash,
  type TenantId,
} from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import {
  foldCommit,
  forgetsHead,
  isCut,
  judgeAuthor,
  judgeRole,
  parseRecord,
  prescribedEpoch,
  type DirectoryRecord,
  type DirectoryState,
  type AuthorVerdict,
  type OpenedCommit,
  type RoleVerdict,
} from "../directory/index.ts";
import type { ChangeCodec, DocChange, DocEngine } from "../doc/index.ts";
import {
  openEntries,
  parseCommit,
  verifyCommit,
  type Commit,
  type CommitHeader,
  type ContentKey,
  type KeyName,
} from "../entry/index.ts";
import type { LogRecord } from "../store/index.ts";
import type { SeenClaim } from "../sync/index.ts";
import type { Catalog, NewEntry } from "./catalog.ts";
import { foldBeside } from "./beside.ts";
import { erasedBy } from "./erasure.ts";
import { findEntry } from "./find-entry.ts";
import { actorsOf, judgeEntry, type EntryPlace } from "./judge-entry.ts";
import { knownCommitOf, type KnownCommit, type Ledger } from "./ledger.ts";
import { readSnapshots } from "./synced-snapshot.ts";

export interface JudgeState {
  readonly ledger: Ledger;
  directory: DirectoryState;
  catalog(dbId: DbId): Catalog;
  /** where a commit stands in a contest of its author with themselves; `undefined` when its line is not contested */
  standing(row: KnownCommit): "counts" | "lost" | "new" | undefined;
  /** erased on this device: whatever comes of it is no content any more */
  isPurged(docId: DocId): boolean;
  /** the directory commit that registered this user, as the join response says */
  readonly joinedAt: CommitHash | undefined;
  /** the commits of the directory that are accepted or beside its line, opened */
  readDirectory(): Promise<readonly OpenedCommit[]>;
  /** written by this user on the word of the join response, before the directory itself was here */
  isVouched(header: Pick<CommitHeader, "author" | "directoryHead">): boolean;
}

export interface JudgeTools {
  readonly crypto: Crypto;
  readonly tenantId: TenantId;
  readonly directoryDbId: DbId;
  readonly findKey: (name: KeyName) => ContentKey | undefined;
  readonly codec: ChangeCodec;
  /** for snapshots; everything else is judged without it */
  readonly loadEngine: () => Promise<DocEngine>;
  readonly nowMs: () => number;
}

/** An entry that was accepted now, with its change. */
export interface AcceptedChange {
  readonly dbId: DbId;
  readonly entry: NewEntry;
  readonly change: DocChange;
}

export interface JudgeOutcome {
  readonly accepted: readonly AcceptedChange[];
  /** the directory moved: waiting commits may be judged again */
  readonly directoryChanged: boolean;
  /** someone was revoked, or granted access again: what counted may not count any more, and the other way round */
  readonly cutsChanged: boolean;
  /** someone's rights were narrowed, or a directory came that own commits had named before it: roles are looked at again */
  readonly rolesChanged: boolean;
  readonly quarantined: readonly { commitHash: CommitHash; reason: string }[];
  /** the directory was folded anew from lines that were written apart: everything may be judged otherwise now */
  readonly linesChanged: boolean;
  /** commits of lines that a merge brought together here: servers that refused one take it now */
  readonly broughtTogether: readonly CommitHash[];
  /** commits that the admin adopted: they are judged again */
  readonly adopted: readonly CommitHash[];
  /** the commit contradicts another one of its author, or its line does so already */
  readonly contested: KnownCommit | undefined;
  /** entries that their author erased: the commits that lack them are judged again */
  readonly erased: readonly EntryHash[];
  /** the commit, when its author had the right to write it */
  readonly judged: Judging | undefined;
  /** what the commit says of a server's log, when its author had the right to write it */
  readonly claim: SeenClaim | undefined;
}

/** An outcome that changed nothing. */
export const nothing: JudgeOutcome = {
  accepted: [],
  directoryChanged: false,
  cutsChanged: false,
  rolesChanged: false,
  quarantined: [],
  linesChanged: false,
  broughtTogether: [],
  contested: undefined,
  erased: [],
  adopted: [],
  judged: undefined,
  claim: undefined,
};

/** Judge one record of the log, also one that waited before. */
export async function judgeRecord(
  state: JudgeState,
  tools: JudgeTools,
  record: LogRecord,
): Promise<JudgeOutcome> {
  const known = state.ledger.find(record.commitHash);
  if (known !== undefined && known.verdict !== "waiting") return nothing;
  const verified = await verifyCommit(tools.crypto, record.bytes);
  if (verified.kind === "forged") return refuseUnknown(record, verified.reason);
  const { commit } = verified;
  if (commit.commitHash !== record.commitHash) return refuseUnknown(record, "hash");
  if (commit.header.tenantId !== tools.tenantId) return refuseUnknown(record, "tenant");
  const row = known ?? knownCommitOf(commit.header, commit.commitHash, record.position);
  if (known === undefined) state.ledger.add(row);
  const isDirectory = commit.header.dbId === tools.directoryDbId;
  const outcome = await (isDirectory
    ? judgeDirectoryCommit(state, tools, commit)
    : judgeDocumentCommit(state, tools, { commit, row }));
  const isRightful =
    outcome.judged !== undefined || state.ledger.find(row.commitHash)?.verdict === "accepted";
  return isRightful ? { ...outcome, claim: claimOf(commit) } : outcome;
}

function claimOf({ commitHash, header: { author, dbId, seen } }: Commit): SeenClaim | undefined {
  const { epoch, logKeyId, rootPrefix, size } = seen;
  if (size === 0) return undefined;
  return { author, commitHash, dbId, epoch, size, rootPrefix, logKeyId: bytesToHex(logKeyId) };
}

/** A record whose header cannot be trusted gets no ledger row: its claims about author and database mean nothing. */
function refuseUnknown(record: LogRecord, reason: string): JudgeOutcome {
  return { ...nothing, quarantined: [{ commitHash: record.commitHash, reason }] };
}

function settle(
  state: JudgeState,
  tools: JudgeTools,
  result: { hash: CommitHash; verdict: KnownCommit["verdict"]; reason: string },
): void {
  state.ledger.judge(result.hash, {
    verdict: result.verdict,
    pending: [],
    reason: result.reason,
    refused: "",
    atMs: tools.nowMs(),
  });
}

/** Refuse a whole commit. */
export function refuse(state: JudgeState, tools: JudgeTools, hash: CommitHash, reason: string): JudgeOutcome {
  settle(state, tools, { hash, verdict: "quarantined", reason });
  return { ...nothing, quarantined: [{ commitHash: hash, reason }] };
}

/** Leave a whole commit to be judged later. */
export function postpone(state: JudgeState, tools: JudgeTools, hash: CommitHash, reason: string): void {
  settle(state, tools, { hash, verdict: "waiting", reason });
}

function awaitDirectory(state: JudgeState, tools: JudgeTools, hash: CommitHash): JudgeOutcome {
  postpone(state, tools, hash, "directory");
  state.ledger.needs.add("directory", hash);
  return nothing;
}

/** Open a directory commit that was accepted before; `undefined` when it is damaged. */
export async function openAccepted(tools: JudgeTools, record: LogRecord): Promise<OpenedCommit | undefined> {
  const parsed = parseCommit(tools.crypto, record.bytes);
  if (parsed.kind !== "verified" || parsed.commit.commitHash !== record.commitHash) return undefined;
  return { commit: parsed.commit, records: (await openRecords(tools, parsed.commit)) ?? [] };
}

/** The records of a directory commit that this device can open; `undefined` when one of them is none. */
async function openRecords(
  tools: JudgeTools,
  commit: Commit,
): Promise<readonly DirectoryRecord[] | undefined> {
  const records: DirectoryRecord[] = [];
  for (const opened of await openEntries(tools.crypto, commit, tools.findKey)) {
    const record = opened.kind === "opened" ? parseRecord(opened.plaintext) : undefined;
    if (record !== undefined) records.push(record);
    else if (opened.kind !== "no-key") return undefined;
  }
  return records;
}

async function judgeDirectoryCommit(
  state: JudgeState,
  tools: JudgeTools,
  commit: Commit,
): Promise<JudgeOutcome> {
  if (commit.entries.some(({ ciphertext }) => ciphertext === undefined)) {
    postpone(state, tools, commit.commitHash, "absent");
    return nothing;
  }
  const records = await openRecords(tools, commit);
  if (records === undefined) return refuse(state, tools, commit.commitHash, "malformed");
  if (records.length < commit.entries.length) state.ledger.needs.add("card", commit.commitHash);
  const isMembers = commit.header.author !== state.directory.adminKey;
  const cutsChanged = isMembers || records.some((record) => isAboutCuts(state.directory, record));
  const verdict = foldCommit(state.directory, commit, records);
  if (verdict.kind === "rejected") return refuse(state, tools, commit.commitHash, verdict.reason);
  if (verdict.kind === "waiting") return awaitDirectory(state, tools, commit.commitHash);
  if (verdict.kind === "beside") {
    const broughtTogether = await foldBeside(state, tools, { commit, records });
    return { ...nothing, directoryChanged: true, linesChanged: true, broughtTogether };
  }
  if (verdict.kind === "applied") state.directory = verdict.state;
  settle(state, tools, { hash: commit.commitHash, verdict: "accepted", reason: "" });
  return {
    ...nothing,
    directoryChanged: true,
    cutsChanged,
    adopted: records.flatMap((record) => (record.kind === "adopt" ? record.commitHashes : [])),
    rolesChanged:
      records.some((record) => record.kind === "narrowing") || commit.commitHash === state.joinedAt,
  };
}

/** Whether a record moves the cuts of someone who wrote already, by the directory before it. */
function isAboutCuts({ usersByKey }: DirectoryState, record: DirectoryRecord): boolean {
  if (record.kind !== "grantaccess") return record.kind === "revokeaccess";
  return usersByKey.get(record.userKey)?.revoked !== undefined;
}

/** A commit with its row in the ledger. */
export interface Judging {
  readonly commit: Commit;
  readonly row: KnownCommit;
}

async function judgeDocumentCommit(
  state: JudgeState,
  tools: JudgeTools,
  judging: Judging,
): Promise<JudgeOutcome> {
  const { commit, row } = judging;
  const hash = commit.commitHash;
  if (state.ledger.poisoned.has(hash)) return refuse(state, tools, hash, "crashed");
  const right = judgeRight(state, row, commit.header);
  row.role = right.kind === "role" ? right.role : undefined;
  if (right.kind === "rejected") return refuse(state, tools, hash, right.reason);
  if (right.kind === "waiting") {
    if (isCut(state.directory, row.author)) state.ledger.needs.add(`author/${row.author}`, hash);
    return awaitDirectory(state, tools, hash);
  }
  const standing = state.standing(row);
  if (standing === "lost") return { ...refuse(state, tools, hash, "equivocation"), judged: judging };
  if (standing === "new" || (standing === undefined && state.ledger.hasTwin(row))) {
    postpone(state, tools, hash, "equivocation");
    return { ...nothing, contested: row, judged: judging };
  }
  return judgeEntries(state, tools, judging);
}

/** By which role a commit's entries are judged; `waiting` while its directory head, or the past of a cut, is not known. */
export function judgeRight(
  state: Pick<JudgeState, "directory" | "ledger" | "isVouched">,
  { commitHash }: Pick<KnownCommit, "commitHash">,
  header: Pick<CommitHeader, "tenantId" | "author" | "dbId" | "directoryHead" | "predecessors">,
): RoleVerdict | Extract<AuthorVerdict, { kind: "rejected" }> {
  const graph = state.ledger.graph(header.dbId, header.author);
  const author = judgeAuthor(state.directory, header, commitHash, graph);
  if (author.kind === "rejected") return author;
  const isAdopted = state.directory.adopted.has(commitHash);
  const before = isAdopted ? [] : headsBefore(state.ledger, header);
  if (author.kind === "accepted" && forgetsHead(state.directory, header, before))
    return { kind: "rejected", reason: "older-head" };
  const right = author.kind === "waiting" ? author : judgeRole(state.directory, header, commitHash, graph);
  // The directory itself says more once it is here.
  return right.kind === "waiting" && state.isVouched(header) ? { kind: "role", role: "manager" } : right;
}

/** Why a commit waits, from the lightest: nothing, what is settled, what is sealed. All else is to be had, and outweighs them. */
const lightReasons = ["", "purged", "key"];

/** The graver of two reasons; of two that weigh alike, the first. */
function graver(reason: string, other: string): string {
  const [weight = 0, otherWeight = 0] = [reason, other].map((one) =>
    lightReasons.includes(one) ? lightReasons.indexOf(one) : lightReasons.length,
  );
  return otherWeight > weight ? other : reason;
}

/** The directory heads that an author's commits before this one name, as far as they are here. */
function headsBefore(
  ledger: Ledger,
  { author, dbId, predecessors }: Pick<CommitHeader, "author" | "dbId" | "predecessors">,
): readonly (CommitHash | undefined)[] {
  return predecessors.map((hash) => {
    const row = ledger.find(hash);
    return row?.author === author && row.dbId === dbId ? row.directoryHead : undefined;
  });
}

async function judgeEntries(state: JudgeState, tools: JudgeTools, judging: Judging): Promise<JudgeOutcome> {
  const { commit, row } = judging;
  const catalog = state.catalog(row.dbId);
  const opened = await openEntries(tools.crypto, commit, tools.findKey);
  const snapshots = await readSnapshots(tools, commit, opened);
  const isAdopted = state.directory.adopted.has(commit.commitHash);
  const staleKeys = isAdopted ? new Set<number>() : staleKeysOf(state.directory, commit.header);
  const actorOf = actorsOf(tools, commit);
  const place: EntryPlace = { state, tools, catalog, commit, row, snapshots, staleKeys, actorOf };
  const accepted: AcceptedChange[] = [];
  const pending: number[] = [];
  let waitReason = "";
  // What Automerge would not take then may fit now.
  let refused = row.reason === "not-applicable" ? "" : row.refused;
  let isContested = false;
  const isDecided = state.standing(row) === "counts";
  for (const index of row.pending.length === 0 ? commit.entries.keys() : row.pending.values()) {
    let verdict = judgeEntry(place, index, opened[index]);
    // The contest was decided with what can be read: another one would be decided alike.
    if (verdict.kind === "contested" && isDecided) verdict = { kind: "quarantined", reason: "equivocation" };
    if (verdict.kind === "quarantined") {
      refused = verdict.reason;
      const docId = commit.entries[index]?.header?.docId;
      if (docId !== undefined && catalog.get(docId) !== undefined)
        state.ledger.needs.add(`gone/${docId}`, row.commitHash);
    }
    if (verdict.kind === "accepted") {
      accepted.push(verdict.change);
      catalog.accept(verdict.change.entry);
    }
    if (verdict.kind !== "waiting" && verdict.kind !== "contested") continue;
    pending.push(index);
    isContested ||= verdict.kind === "contested";
    waitReason = graver(waitReason, verdict.kind === "waiting" ? verdict.reason : "equivocation");
    if (verdict.kind === "waiting" && verdict.need !== undefined)
      state.ledger.needs.add(verdict.need, row.commitHash);
  }
  const isWhollyRefused = pending.length === 0 && refused !== "" && !hasAccepted(catalog, commit);
  state.ledger.judge(row.commitHash, {
    verdict: pending.length > 0 ? "waiting" : isWhollyRefused ? "quarantined" : "accepted",
    reason: isWhollyRefused ? refused : waitReason,
    pending,
    refused,
    atMs: tools.nowMs(),
  });
  const isNews = refused !== "" && refused !== row.refused;
  const quarantined = isNews || isWhollyRefused ? [{ commitHash: row.commitHash, reason: refused }] : [];
  const erased = commit.entries.flatMap((entry) => erasedBy(entry));
  return {
    ...nothing,
    accepted,
    quarantined,
    erased,
    judged: judging,
    contested: isContested ? row : undefined,
  };
}

/** Who did not know of a newer epoch yet is honest: what counts is the head that the commit itself names. */
function staleKeysOf(directory: DirectoryState, { directoryHead, keys }: CommitHeader): ReadonlySet<number> {
  const isStale = ({ epoch, keyId }: KeyName): boolean =>
    epoch < prescribedEpoch(directory, keyId, directoryHead);
  return new Set(keys.flatMap((key, index) => (isStale(key) ? [index] : [])));
}

function hasAccepted(catalog: Catalog, commit: Commit): boolean {
  return commit.entries.some(({ entryHash, header }) => {
    const doc = header === undefined ? undefined : catalog.get(header.docId);
    return doc !== undefined && findEntry(doc, entryHash) >= 0;
  });
}
