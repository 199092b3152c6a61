/**
 * Verifying an audit report with the public keys that are in it: the tenant's id is the hash of its root, the root's key signs the
 * directory's line, the line says whose keys count, and theirs sign everything else.
 *
 * ```
 * genesis ─► tenant id      must be the one that the reader was told another way
 *    └► admin key ─► line of the directory, with what was written beside it ─► members, roles, cuts
 *                                                                                    └► each commit: signature, right, what is claimed of it
 * ```
 *
 * Guarantees
 * - V1 a report in which anything was changed, left out, added or brought into another order behind its exporter's back is refused
 * - V2 an exporter who lies is refused where public keys can tell: commits that nobody signed, a directory that is not the admin's line, a
 *   verdict that the directory contradicts; and what is left out between commits is listed as a gap
 * - V3 where a server signed a log and its order is shown, the report's commits are the leaves under the head, or are told as missing under it
 *   or beyond it, see logs.ts
 * - V4 judging a report never throws and takes time and memory in proportion to its bytes
 *
 * What it cannot tell: commits that an exporter leaves off the end of everybody's line beyond every head that is shown, and verdicts on
 * what is sealed.
 */
import {
  idToBytes,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type DocId,
  type TenantId,
} from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import {
  createAuthorGraph,
  createDirectory,
  foldLines,
  forgetsHead,
  indexOfHead,
  isMember,
  isSameUser,
  judgeAuthor,
  judgeRole,
  mayWrite,
  parseRecord,
  type AuthorGraph,
  type DirectoryRecord,
  type DirectoryState,
  type OpenedCommit,
} from "../directory/index.ts";
import { openDisclosed, verifyCommit, type Commit, type CommitHeader } from "../entry/index.ts";
import { parseGenesis } from "../keys/index.ts";
import { deedOf } from "./deeds.ts";
import { verifyLogs, type PlacedCommit } from "./logs.ts";
import { inAuditOrder, type Ordered } from "./order.ts";
import { parseReport, type AuditClaim, type ReportCommit, type ReportLine } from "./report.ts";
import type { AuditedCommit, AuditGap, AuditVerdict } from "./verdict.ts";

type Verifying = Pick<Crypto, "sha256" | "verify" | "importCipherKey" | "decrypt">;

type Refused = Extract<AuditVerdict, { kind: "refused" }>;
type Reason = Refused["reason"];

interface Judged {
  readonly commit: Commit;
  readonly claim: AuditClaim;
}

/**
 * Verify a report. Never throws, whatever the bytes.
 *
 * @param tenantId of which tenant it must be: without it a report proves that it is sound, and not whose it is
 */
export async function verifyReport(
  crypto: Verifying,
  bytes: Uint8Array,
  tenantId?: string,
): Promise<AuditVerdict> {
  const report = parseReport(crypto, bytes);
  if (typeof report === "string") return refused(report);
  const { head, signature, signed } = report;
  const genesis = parseGenesis(crypto, head.genesis);
  if (genesis === undefined) return refused("malformed");
  if (tenantId !== undefined && genesis.tenantId !== tenantId) return refused("foreign");
  if (!(await crypto.verify(idToBytes(head.exporter), signature, signed))) return refused("signature");
  const line = await verifyLine(
    crypto,
    createDirectory(crypto, genesis.tenantId, genesis.adminSigningKey),
    report.line,
  );
  if ("reason" in line) return line;
  const { directory } = line;
  if (!isMember(directory, head.exporter)) return refused("exporter");
  const commits = await readCommits(crypto, genesis.tenantId, report);
  if (!Array.isArray(commits)) return commits;
  const at = findLie(directory, commits);
  if (at !== undefined) return refused("verdict", report.line.length + at);
  const placed = [...line.placed, ...commits.map(({ commit }) => placeOf(commit))];
  const logs = await verifyLogs(crypto, genesis.tenantId, report.servers, placed);
  if (logs === undefined) return refused("head");
  return {
    kind: "verified",
    tenantId: genesis.tenantId,
    adminKey: genesis.adminSigningKey,
    exporter: head.exporter,
    createdAtMs: head.createdAtMs,
    members: [...directory.usersByKey.values()].map(({ revoked, user, userKey, userName }) => ({
      key: userKey,
      user: user ?? userKey,
      name: userName,
      isRevoked: revoked !== undefined,
    })),
    commits: [...line.commits, ...commits.map((judged) => audited(judged))],
    gaps: gapsOf(commits),
    logs,
  };
}

function refused(reason: Reason, at?: number): Refused {
  return { kind: "refused", reason, at };
}

const accepted: AuditClaim = { verdict: "accepted", reason: "", refused: "" };
/** of a line of the directory that no merge brought into the other one */
const beside: AuditClaim = { verdict: "quarantined", reason: "fork", refused: "" };

function audited(
  { claim, commit }: Judged,
  records?: readonly (DirectoryRecord | undefined)[],
): AuditedCommit {
  const { author, createdAtMs, dbId } = commit.header;
  return {
    commitHash: commit.commitHash,
    author,
    databaseId: dbId,
    atMs: createdAtMs,
    verdict: claim.verdict,
    reason: claim.reason,
    refused: claim.refused,
    deeds: commit.entries.map((entry, index) => deedOf(entry, records?.[index])),
  };
}

interface VerifiedLine {
  readonly directory: DirectoryState;
  readonly commits: readonly AuditedCommit[];
  readonly placed: readonly PlacedCommit[];
}

/**
 * Fold the directory, as every replica does: its line, and what was written beside it. What says who may do what is under one key, the
 * first grant's, and all of it must be shown.
 */
async function verifyLine(
  crypto: Verifying,
  empty: DirectoryState,
  line: readonly ReportLine[],
): Promise<Refused | VerifiedLine> {
  let openKeyId: string | undefined;
  const shown: { readonly commit: Commit; readonly records: readonly (DirectoryRecord | undefined)[] }[] = [];
  for (const [at, { bytes, keys }] of line.entries()) {
    const verdict = await verifyCommit(crypto, bytes);
    if (verdict.kind === "forged") return refused("commit", at);
    const { commit } = verdict;
    const records = await openRecords(crypto, commit, keys);
    if (records === undefined) return refused("directory", at);
    const keyIdOf = (index: number): string | undefined =>
      commit.header.keys[commit.entries[index]?.header?.keyIndex ?? -1]?.keyId;
    openKeyId ??= keyIdOf(records.findIndex((record) => record?.kind === "grantaccess"));
    const isHidden = records.some(
      (record, index) => record === undefined && [openKeyId, undefined].includes(keyIdOf(index)),
    );
    if (openKeyId === undefined || isHidden) return refused("directory", at);
    shown.push({ commit, records });
  }
  const placed = shown.map(({ commit }) => placeOf(commit));
  const ordered = inAuditOrder(placed);
  const opened = shown.map(({ commit, records }): OpenedCommit => ({
    commit,
    records: records.filter((record) => record !== undefined),
  }));
  const directory = foldLines(empty, opened);
  const isOff = ({ commit: { commitHash } }: OpenedCommit, index: number): boolean =>
    ordered[index]?.commitHash !== commitHash ||
    (indexOfHead(directory, commitHash) === undefined && !directory.acts.has(commitHash));
  const at = opened.findIndex(isOff);
  if (at >= 0 || new Set(ordered.map(({ commitHash }) => commitHash)).size !== opened.length)
    return refused("directory", Math.max(at, 0));
  const merged = pastOf(directory, opened);
  const commits = shown.map(({ commit, records }) => {
    const isCounted = merged.has(commit.commitHash) || directory.acts.has(commit.commitHash);
    const claim = isCounted ? accepted : beside;
    return audited({ commit, claim }, records);
  });
  return { directory, commits, placed };
}

/** The commits that the end of the line follows. */
function pastOf({ head }: DirectoryState, all: readonly OpenedCommit[]): ReadonlySet<CommitHash> {
  const byHash = new Map(all.map(({ commit }) => [commit.commitHash, commit.header.predecessors]));
  const past = new Set<CommitHash>();
  const open = head === undefined ? [] : [head];
  for (let hash = open.pop(); hash !== undefined; hash = open.pop()) {
    if (past.has(hash)) continue;
    past.add(hash);
    open.push(...(byHash.get(hash) ?? []));
  }
  return past;
}

/** The records of a directory commit, by entry; `undefined` in it: not shown. All of it is `undefined` when what is shown is none. */
async function openRecords(
  crypto: Verifying,
  commit: Commit,
  keys: ReadonlyMap<number, Uint8Array>,
): Promise<readonly (DirectoryRecord | undefined)[] | undefined> {
  const records: (DirectoryRecord | undefined)[] = [];
  for (const opened of await openDisclosed(crypto, commit, keys)) {
    const record = opened.kind === "opened" ? parseRecord(opened.plaintext) : undefined;
    if (opened.kind === "forged" || (opened.kind === "opened" && record === undefined)) return undefined;
    records.push(record);
  }
  return records;
}

async function readCommits(
  crypto: Verifying,
  tenantId: TenantId,
  { commits, line }: { readonly commits: readonly ReportCommit[]; readonly line: readonly ReportLine[] },
): Promise<Refused | Judged[]> {
  const judged: Judged[] = [];
  const hashes = new Set<CommitHash>();
  for (const [index, { bytes, ...claim }] of commits.entries()) {
    const at = line.length + index;
    const verdict = await verifyCommit(crypto, bytes);
    if (verdict.kind === "forged" || verdict.commit.header.tenantId !== tenantId)
      return refused("commit", at);
    const { commit } = verdict;
    if (commit.entries.some(({ ciphertext }) => ciphertext !== undefined)) return refused("malformed", at);
    if (hashes.has(commit.commitHash)) return refused("order", at);
    hashes.add(commit.commitHash);
    judged.push({ commit, claim });
  }
  const ordered = inAuditOrder(judged.map(({ commit }) => placeOf(commit)));
  const at = ordered.findIndex(({ commitHash }, index) => judged[index]?.commit.commitHash !== commitHash);
  return at < 0 ? judged : refused("order", line.length + at);
}

function placeOf({ commitHash, header: { dbId, predecessors } }: Commit): Ordered {
  return { commitHash, dbId, predecessors };
}

/** why a commit counts nowhere that the directory alone decides */
const publicReasons = ["revoked", "unknown-author", "not-admin", "older-head"];

/** The first commit whose claim is not what the directory says; `undefined` where there is none. */
function findLie(directory: DirectoryState, commits: readonly Judged[]): number | undefined {
  const graphs = graphsOf(commits);
  const creators = creatorsOf(commits);
  const headers = new Map(commits.map(({ commit }) => [commit.commitHash, commit.header]));
  const turns = new Set<string>();
  const at = commits.findIndex(({ claim, commit }) => {
    const { author, dbId } = commit.header;
    // What is of the directory and not in its line counts nowhere.
    if (dbId === directory.dbId) return claim.verdict === "accepted";
    const graph = graphs.get(graphName(dbId, author)) ?? createAuthorGraph();
    const right = judgeAuthor(directory, commit.header, commit.commitHash, graph);
    const found = right.kind === "rejected" ? right.reason : olderHead(directory, commit, headers);
    const said = publicReasons.includes(claim.reason) ? claim.reason : "";
    // What killed a worker is looked at no further.
    if (found !== said && claim.reason !== "crashed") return true;
    if (right.kind !== "accepted" || found !== "") return claim.verdict === "accepted";
    if (claim.verdict !== "accepted") return false;
    const turn = turnOf(commit);
    const isTwin = turns.has(turn);
    turns.add(turn);
    const role = judgeRole(directory, commit.header, commit.commitHash, graph);
    if (isTwin || role.kind === "waiting") return true;
    const isAllowed = commit.entries.every(
      ({ header }) =>
        header === undefined ||
        mayWrite(
          role.role,
          header.entryType,
          isSameUser(directory, creators.get(header.docId) ?? author, author),
        ),
    );
    return !isAllowed && claim.refused === "";
  });
  return at < 0 ? undefined : at;
}

/** Whether a commit forgets of the directory what its author knew before; what the admin adopted may. */
function olderHead(
  directory: DirectoryState,
  { commitHash, header }: Commit,
  headers: ReadonlyMap<CommitHash, CommitHeader>,
): "older-head" | "" {
  if (directory.adopted.has(commitHash)) return "";
  const before = header.predecessors.map((hash) => {
    const past = headers.get(hash);
    return past?.author === header.author && past.dbId === header.dbId ? past.directoryHead : undefined;
  });
  return forgetsHead(directory, header, before) ? "older-head" : "";
}

function graphName(dbId: DbId, author: AuthorKey): string {
  return `${dbId}|${author}`;
}

function graphsOf(commits: readonly Judged[]): ReadonlyMap<string, AuthorGraph> {
  const graphs = new Map<string, AuthorGraph>();
  for (const { commit } of commits) {
    const { author, dbId, predecessors } = commit.header;
    const name = graphName(dbId, author);
    const graph = graphs.get(name) ?? createAuthorGraph();
    graphs.set(name, graph);
    graph.add(commit.commitHash, predecessors);
  }
  return graphs;
}

/** Who created which document: its id is made of the author's key, so that nobody else can have. */
function creatorsOf(commits: readonly Judged[]): ReadonlyMap<DocId, AuthorKey> {
  const creators = new Map<DocId, AuthorKey>();
  for (const { commit } of commits)
    for (const { header } of commit.entries)
      if (header?.entryType === "doc_create") creators.set(header.docId, commit.header.author);
  return creators;
}

function turnOf({ header: { author, dbId, writerNonce, writerSeq } }: Commit): string {
  return `${graphName(dbId, author)}|${writerNonce.join()}|${writerSeq}`;
}

function gapsOf(commits: readonly Judged[]): readonly AuditGap[] {
  const known = new Map(commits.map(({ commit }) => [commit.commitHash, commit]));
  const turns = new Map<string, number>();
  for (const { commit } of commits) turns.set(turnOf(commit), (turns.get(turnOf(commit)) ?? 0) + 1);
  return commits.flatMap(({ commit }): AuditGap[] => {
    const { commitHash, header } = commit;
    const past = header.predecessors.map((hash) => known.get(hash));
    const gap = (kind: AuditGap["kind"]): AuditGap => ({ commitHash, kind });
    if (past.includes(undefined)) return [gap("predecessor")];
    const before = { ...commit, header: { ...header, writerSeq: header.writerSeq - 1 } };
    const [last] = past;
    if (header.writerSeq > 1 && (last === undefined || turnOf(last) !== turnOf(before)))
      return [gap("sequence")];
    return (turns.get(turnOf(commit)) ?? 0) > 1 ? [gap("twin")] : [];
  });
}
