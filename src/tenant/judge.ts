/**
 * Judging: from a record of the device log to a verdict on each of its entries. The one way in for everything: this thread's own
 * writes after a restart, other tabs, the service worker, servers, peers.
 *
 * ```
 * record ─ verify (structure, hashes, signature) ─ tenant ─ directory database? ─► fold
 *                                                       └─ author known, not cut ─ open ─ change, actor, deps, key ─► accepted
 *          forged ► quarantined        head, dependency or key not here ► waiting        does not fit ► quarantined
 * ```
 *
 * Guarantees
 * - J1 what is not accepted reaches no catalog; a bad entry never stops the others of its commit
 * - J2 a waiting commit is judged again when a directory commit, a key or an entry arrives
 * - J3 judging the same record twice changes nothing
 */
import type { CommitHash, DbId, EntryHash, TenantId } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import {
  foldCommit,
  judgeAuthor,
  parseRecord,
  type DirectoryRecord,
  type DirectoryState,
} from "../directory/index.ts";
import type { DocChange, DocEngine } from "../doc/index.ts";
import {
  deriveActorId,
  isActorOf,
  openEntries,
  parseCommit,
  verifyCommit,
  type Commit,
  type CommitEntry,
  type ContentKey,
  type EntryHeader,
  type KeyName,
  type OpenVerdict,
} from "../entry/index.ts";
import type { LogRecord } from "../store/index.ts";
import {
  findChange,
  type Catalog,
  type CatalogDoc,
  type DocumentEntryType,
  type NewEntry,
} from "./catalog.ts";
import { knownCommitOf, type KnownCommit, type Ledger } from "./ledger.ts";

export interface JudgeState {
  readonly ledger: Ledger;
  directory: DirectoryState;
  /** commits whose changes did not apply although everything about them fits */
  readonly banned: ReadonlySet<CommitHash>;
  catalog(dbId: DbId): Catalog;
}

export interface JudgeTools {
  readonly crypto: Crypto;
  readonly tenantId: TenantId;
  readonly directoryDbId: DbId;
  readonly findKey: (name: KeyName) => ContentKey | undefined;
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
  /** someone was revoked: what was accepted before must be judged again from the start */
  readonly revoked: boolean;
  readonly quarantined: readonly { commitHash: CommitHash; reason: string }[];
  readonly alarm: "fork" | "equivocation" | undefined;
}

const nothing: JudgeOutcome = {
  accepted: [],
  directoryChanged: false,
  revoked: false,
  quarantined: [],
  alarm: undefined,
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
  return commit.header.dbId === tools.directoryDbId
    ? judgeDirectoryCommit(state, tools, commit)
    : judgeDocumentCommit(state, tools, { commit, row });
}

/** A record whose header cannot be trusted gets no ledger row: its claims about author and database mean nothing. */
function refuseUnknown(record: LogRecord, reason: string): JudgeOutcome {
  return { ...nothing, quarantined: [{ commitHash: record.commitHash, reason }] };
}

function settle(
  state: JudgeState,
  tools: JudgeTools,
  result: { hash: CommitHash; verdict: KnownCommit["verdict"]; reason: string; pending?: readonly number[] },
): void {
  state.ledger.judge(result.hash, {
    verdict: result.verdict,
    pending: result.pending ?? [],
    reason: result.reason,
    atMs: tools.nowMs(),
  });
}

function refuse(state: JudgeState, tools: JudgeTools, hash: CommitHash, reason: string): JudgeOutcome {
  settle(state, tools, { hash, verdict: "quarantined", reason });
  return { ...nothing, quarantined: [{ commitHash: hash, reason }] };
}

/** Fold a directory commit that was accepted before: the directory itself is not kept, its commits are. */
export async function refold(state: JudgeState, tools: JudgeTools, record: LogRecord): Promise<void> {
  const parsed = parseCommit(tools.crypto, record.bytes);
  if (parsed.kind !== "verified" || parsed.commit.commitHash !== record.commitHash) return;
  const verdict = foldCommit(state.directory, parsed.commit, (await openRecords(tools, parsed.commit)) ?? []);
  if (verdict.kind === "applied") state.directory = verdict.state;
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
  const records = await openRecords(tools, commit);
  if (records === undefined) return refuse(state, tools, commit.commitHash, "malformed");
  const verdict = foldCommit(state.directory, commit, records);
  if (verdict.kind === "rejected") {
    const outcome = refuse(state, tools, commit.commitHash, verdict.reason);
    return verdict.reason === "fork" ? { ...outcome, alarm: "fork" } : outcome;
  }
  if (verdict.kind === "waiting") {
    settle(state, tools, { hash: commit.commitHash, verdict: "waiting", reason: "directory" });
    return nothing;
  }
  if (verdict.kind === "applied") state.directory = verdict.state;
  settle(state, tools, { hash: commit.commitHash, verdict: "accepted", reason: "" });
  return {
    ...nothing,
    directoryChanged: true,
    revoked: records.some((record) => record.kind === "revokeaccess"),
  };
}

interface Judging {
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
  if (state.banned.has(hash)) return refuse(state, tools, hash, "not-applicable");
  const author = judgeAuthor(state.directory, commit.header, hash, state.ledger.graph(row.dbId, row.author));
  if (author.kind === "rejected") return refuse(state, tools, hash, author.reason);
  if (author.kind === "waiting") {
    settle(state, tools, { hash, verdict: "waiting", reason: "directory" });
    return nothing;
  }
  const twin = state.ledger.twinOf(row);
  if (twin !== undefined) return { ...refuse(state, tools, hash, "equivocation"), alarm: "equivocation" };
  return judgeEntries(state, tools, judging);
}

type EntryVerdict =
  | { kind: "accepted"; change: AcceptedChange }
  | { kind: "waiting"; reason: "dependency" | "key" | "absent" }
  | { kind: "quarantined"; reason: string };

async function judgeEntries(state: JudgeState, tools: JudgeTools, judging: Judging): Promise<JudgeOutcome> {
  const { commit, row } = judging;
  const engine = await tools.loadEngine();
  const catalog = state.catalog(row.dbId);
  const opened = await openEntries(tools.crypto, commit, tools.findKey);
  const accepted: AcceptedChange[] = [];
  const pending: number[] = [];
  let waitReason = "";
  let badReason = "";
  const wanted = row.pending.length === 0 ? commit.entries.keys() : row.pending.values();
  for (const index of wanted) {
    const verdict = judgeEntry({ tools, engine, catalog, commit, row }, index, opened[index]);
    if (verdict.kind === "accepted") {
      accepted.push(verdict.change);
      catalog.accept(verdict.change.entry);
    } else if (verdict.kind === "waiting") {
      pending.push(index);
      waitReason = verdict.reason;
    } else badReason = verdict.reason;
  }
  const verdict =
    pending.length > 0 ? "waiting" : accepted.length === 0 && badReason !== "" ? "quarantined" : "accepted";
  settle(state, tools, {
    hash: row.commitHash,
    verdict,
    reason: pending.length > 0 ? waitReason : badReason,
    pending,
  });
  const quarantined = badReason === "" ? [] : [{ commitHash: row.commitHash, reason: badReason }];
  return { ...nothing, accepted, quarantined };
}

interface EntryPlace {
  readonly tools: JudgeTools;
  readonly engine: DocEngine;
  readonly catalog: Catalog;
  readonly commit: Commit;
  readonly row: KnownCommit;
}

function judgeEntry(place: EntryPlace, index: number, opened: OpenVerdict | undefined): EntryVerdict {
  const { catalog, commit, engine, row } = place;
  const entry: CommitEntry | undefined = commit.entries[index];
  const header = entry?.header;
  if (entry === undefined || header === undefined || opened === undefined)
    return { kind: "waiting", reason: "absent" };
  const { entryType } = header;
  if (entryType !== "doc_create" && entryType !== "doc_change" && entryType !== "doc_delete") {
    return { kind: "quarantined", reason: "type" };
  }
  if (opened.kind === "no-key") return { kind: "waiting", reason: "key" };
  if (opened.kind === "absent") return { kind: "waiting", reason: "absent" };
  if (opened.kind === "forged") return { kind: "quarantined", reason: opened.reason };
  const parsed = engine.parseChange(opened.plaintext);
  if (parsed.kind === "bad") return { kind: "quarantined", reason: parsed.reason };
  const { change } = parsed;
  const actor = deriveActorId(place.tools.crypto, {
    author: row.author,
    writerNonce: commit.header.writerNonce,
    docId: header.docId,
  });
  if (!isActorOf(change.actor, actor)) return { kind: "quarantined", reason: "actor" };
  const key = commit.header.keys[header.keyIndex];
  const doc = catalog.get(header.docId);
  const misfit =
    key === undefined ? "key" : placeMisfit(header, entryType, { doc, change, keyId: key.keyId });
  if (misfit !== undefined)
    return misfit === "dependency"
      ? { kind: "waiting", reason: misfit }
      : { kind: "quarantined", reason: misfit };
  if (key === undefined) return { kind: "quarantined", reason: "key" };
  const at = { position: row.position, entryIndex: index, entryHash: entry.entryHash };
  const by = { author: row.author, atMs: commit.header.createdAtMs, docId: header.docId, keyId: key.keyId };
  const accepted: NewEntry = {
    ...at,
    ...by,
    entryType,
    changeHash: change.hash,
    dependencyHashes: change.deps,
  };
  return { kind: "accepted", change: { dbId: row.dbId, entry: accepted, change } };
}

/** Why an entry does not fit its document, or `undefined` when it does; "dependency" may pass with time. */
function placeMisfit(
  header: EntryHeader,
  entryType: DocumentEntryType,
  at: { doc: CatalogDoc | undefined; change: DocChange; keyId: string },
): string | undefined {
  const { doc, change } = at;
  if (entryType === "doc_create") {
    if (doc !== undefined) return "second-create";
    return change.deps.length === 0 && header.dependencies.length === 0 ? undefined : "dependencies";
  }
  if (doc === undefined) return "dependency";
  if (doc.keyId !== at.keyId) return "key";
  if (change.deps.length === 0) return "dependencies";
  const hashes: EntryHash[] = [];
  for (const hash of change.deps) {
    const found = doc.entries[findChange(doc, hash)];
    if (found === undefined) return "dependency";
    hashes.push(found.entryHash);
  }
  return sameHashes(hashes, header.dependencies) ? undefined : "dependencies";
}

function sameHashes(a: readonly EntryHash[], b: readonly EntryHash[]): boolean {
  const left = [...new Set(a)].sort();
  const right = [...b].sort();
  return left.length === right.length && left.every((hash, index) => hash === right[index]);
}
