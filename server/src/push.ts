import {
  createAuthorGraph,
  createDirectory,
  foldCommit,
  foldLines,
  indexOfHead,
  isCut,
  judgeAuthor,
  judgeRole,
  mayWrite,
  type AuthorGraph,
  type DirectoryState,
  type OpenedCommit,
} from "../../src/directory/index.ts";
import {
  directoryDbId,
  fillCommit,
  parseCommit,
  presenceOf,
  verifyCommit,
  type Commit,
} from "../../src/entry/index.ts";
import {
  bytesToId,
  equalBytes,
  isCofferError,
  type AuthorKey,
  type CofferErrorCode,
  type CommitHash,
  type DbId,
  type TenantId,
} from "../../src/std/index.ts";
import { syncLimits, type PushResult } from "../../src/sync/index.ts";
import type { AuthorCommits } from "./author-commits.ts";
import {
  isTorn,
  openRecords,
  type Directories,
  type RelayCrypto,
  type TenantDirectory,
} from "./directories.ts";
import { broughtIn } from "./one-line.ts";
import { authorsWithoutRoom, directoryQuotas, hasUserQuota, type Quotas } from "./quota.ts";
import { erasePurged, withoutPurged } from "./purged.ts";
import type { AppendedCommit, NewCommit, RelayStorage, StoredCopy } from "./storage.ts";

export interface PushParts {
  readonly crypto: RelayCrypto;
  readonly storage: RelayStorage;
  readonly directories: Directories;
  readonly authorCommits: AuthorCommits;
  readonly quotas: Quotas;
}

export interface PushRequest {
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  readonly replicaId: Uint8Array;
  /** whose session brings them; `undefined` where nobody signed in */
  readonly userKey: AuthorKey | undefined;
  /** another server brings what it holds, see forward-auth.ts */
  readonly isForwarded?: boolean;
  readonly commits: readonly Uint8Array[];
}

/** What is said of one commit; `undefined` while nothing speaks against storing it. */
type Refusal =
  | (Pick<PushedCommit, "wanted"> & { readonly status: "retry" | "refused"; readonly code: CofferErrorCode })
  | undefined;

/** What became of one commit. */
export interface PushedCommit extends PushResult {
  readonly isFilled: boolean;
  /** of the first that waits of an author: commits of theirs that must be here before those can be judged */
  readonly wanted?: readonly CommitHash[];
}

const maxAttempts = 16;
/** of one author; there is one for each end of what is here of them, and those are few */
const maxWanted = 64;
const behind = { status: "retry", code: "directory/behind" } as const;
const nameless = bytesToId("CommitHash", new Uint8Array(32));

/**
 * Judge commits, cheapest check first, and store those that hold. Any member may bring the whole commits of another one. Their author
 * may bring them without some ciphertexts, those of documents that were erased before they were sent: withholding what one wrote is
 * everyone's to do, and only the author's; a server that forwards brings it as it has it. What a stored commit lacks is filled in, at its place in the log, when somebody brings it;
 * what it has is never taken away, but for documents that the admin purged: what is stored of those is erased, and stored no more. Leaf
 * and heads stay as they are; who has passed that place is told over a live session, and asks at the next one.
 *
 * | what is wrong | answer |
 * |---|---|
 * | cannot be read | refused, `protocol/malformed`; its hash is given as zeros |
 * | signature or hash | refused, `entry/forged` |
 * | of another tenant or database | refused, `access/denied` |
 * | headers are missing | refused, `entry/corrupt` |
 * | ciphertexts are missing, and it is of somebody else and not forwarded, or of the directory | refused, `entry/corrupt` |
 * | author unknown, or not in the cut | refused, `access/denied`, `access/revoked` |
 * | its author's role allows none of its entries, whoever created their documents | refused, `access/denied` |
 * | directory commit not by the admin | refused, `access/not-admin` |
 * | directory commit of a second line, without a merge of both in the request | refused, `access/denied` |
 * | names a directory head that is not here | retry, `directory/behind` |
 * | the cut of its author has a past that is not here | retry, `directory/behind`, and NEED says where that ends |
 * | no room | retry, `store/quota` |
 * | the same hash is stored with another signature | refused, `entry/corrupt` |
 *
 * @returns one result for each commit, in order; `accepted` ones are on disk, and what stood in the log was filled where `isFilled` says so
 */
export async function pushCommits(parts: PushParts, request: PushRequest): Promise<readonly PushedCommit[]> {
  const checked = await Promise.all(
    request.commits.map((bytes) => checkCommit(parts.crypto, request, bytes)),
  );
  const commits = checked.flatMap(({ commit, refusal }) =>
    refusal === undefined && commit !== undefined ? [commit] : [],
  );
  const stored =
    commits.length === 0 ? new Map<CommitHash, Stored>() : await judgeAndStore(parts, request, commits);
  return checked.map(({ commit, refusal }) => {
    const commitHash = commit?.commitHash ?? nameless;
    const outcome = refusal ?? stored.get(commitHash) ?? { status: "retry", code: "store/failed" };
    if (outcome.status === "accepted") return { commitHash, code: undefined, ...outcome };
    return { ...outcome, commitHash, seq: 0, isFilled: false };
  });
}

interface CheckedCommit {
  readonly commit: Commit | undefined;
  readonly refusal: Refusal;
}

/** Everything that needs no directory. */
async function checkCommit(
  crypto: RelayCrypto,
  request: PushRequest,
  bytes: Uint8Array,
): Promise<CheckedCommit> {
  const verdict = await verifyCommit(crypto, bytes);
  if (verdict.kind === "forged") {
    if (verdict.reason !== "signature" && verdict.reason !== "hash") {
      return {
        commit: undefined,
        refusal: refused(verdict.reason === "version" ? "protocol/version" : "protocol/malformed"),
      };
    }
    const parsed = parseCommit(crypto, bytes);
    return {
      commit: parsed.kind === "verified" ? parsed.commit : undefined,
      refusal: refused("entry/forged"),
    };
  }
  const { commit } = verdict;
  const isHere = commit.header.tenantId === request.tenantId && commit.header.dbId === request.dbId;
  if (!isHere) return { commit, refusal: refused("access/denied") };
  return { commit, refusal: mayLack(crypto, request, commit) ? undefined : refused("entry/corrupt") };
}

/**
 * Whether a commit may be as incomplete as it is. Its hash covers what is missing too: the first one to bring it withholds the rest from
 * everyone who reads on before somebody brings that. A server that forwards has no other copy.
 */
function mayLack(
  crypto: RelayCrypto,
  { isForwarded = false, tenantId, userKey }: PushRequest,
  commit: Commit,
): boolean {
  const presence = presenceOf(commit);
  if (presence !== "partial") return presence === "whole";
  const { author, dbId } = commit.header;
  return (author === userKey || isForwarded) && dbId !== directoryDbId(crypto, tenantId);
}

type Stored =
  | NonNullable<Refusal>
  | { readonly status: "accepted"; readonly seq: number; readonly isFilled: boolean };

/** Judge with the directory as it is, store, and begin again when the directory changed in between. */
async function judgeAndStore(
  parts: PushParts,
  request: PushRequest,
  commits: readonly Commit[],
): Promise<ReadonlyMap<CommitHash, Stored>> {
  const stored = new Map<CommitHash, Stored>();
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    stored.clear();
    const directory = await parts.directories.read(request.tenantId);
    if (directory === undefined) return stored;
    const isDirectory = request.dbId === directory.state.dbId;
    const judged = isDirectory
      ? await judgeDirectoryCommits(parts, directory, commits)
      : await judgeMemberCommits(parts, directory.state, commits);
    for (const [index, commit] of commits.entries()) {
      const refusal = judged[index];
      if (refusal !== undefined) stored.set(commit.commitHash, refusal);
    }
    const accepted = commits
      .filter((_, index) => judged[index] === undefined)
      .map((commit) => withoutPurged(parts.crypto, directory.state, commit));
    if (accepted.length === 0) return stored;
    const appended = await append(parts, request, { directorySize: directory.size, commits: accepted });
    if (appended === "stale") continue;
    for (const [index, { commitHash }] of accepted.entries())
      stored.set(commitHash, outcomeOf(appended[index]));
    if (isDirectory) await purge(parts, request.tenantId, accepted);
    return stored;
  }
  for (const { commitHash } of commits) stored.set(commitHash, behind);
  return stored;
}

/** What these commits of the directory purge is gone when they are acknowledged; who brings them again has it looked for again. */
async function purge(parts: PushParts, tenantId: TenantId, commits: readonly Commit[]): Promise<void> {
  const directory = await parts.directories.read(tenantId);
  if (directory === undefined) return;
  for (const commit of commits)
    for (const record of await openRecords(parts.crypto, commit, directory.findKey))
      if (record.kind === "purge" && indexOfHead(directory.state, commit.commitHash) !== undefined)
        await erasePurged(parts, { tenantId, dbId: record.dbId }, new Set(record.docIds));
}

function outcomeOf(appended: AppendedCommit | Refusal): Stored {
  if (appended === undefined) return { status: "retry", code: "store/failed" };
  if ("code" in appended) return appended;
  return appended.status === "conflict"
    ? { status: "refused", code: "entry/corrupt" }
    : { status: "accepted", seq: appended.seq, isFilled: appended.isFilled === true };
}

/** Append what was judged; a full disk or quota is an answer for each commit, since pulling still works. */
async function append(
  parts: PushParts,
  request: PushRequest,
  judged: { readonly directorySize: number; readonly commits: readonly Commit[] },
): Promise<readonly (AppendedCommit | Refusal)[] | "stale"> {
  const { storage } = parts;
  const { tenantId, dbId, replicaId } = request;
  const commits = judged.commits.map((commit) => ({
    ...toNewCommit(commit),
    unite: (stored: Uint8Array) => unite(parts.crypto, stored, commit),
  }));
  const isDirectory = dbId === directoryDbId(parts.crypto, tenantId);
  const quotas = isDirectory ? directoryQuotas(parts.quotas) : parts.quotas;
  const authors = hasUserQuota(quotas) ? [...new Set(commits.map(({ author }) => author))] : [];
  const usage = await storage.tenantUsage(tenantId, authors);
  const isNewLog =
    usage.logCount >= syncLimits.databasesPerTenant && (await storage.readLog(tenantId, dbId)) === undefined;
  if (isNewLog) return commits.map(() => noRoom);
  const full = authorsWithoutRoom(quotas, usage, commits);
  const fitting = commits.filter(({ author }) => !full.has(author));
  if (fitting.length === 0) return commits.map(() => noRoom);
  try {
    const { directorySize } = judged;
    const result = await storage.append({ tenantId, dbId, replicaId, commits: fitting, directorySize });
    if (result.kind === "stale") return "stale";
    const results = new Map(fitting.map(({ commitHash }, index) => [commitHash, result.results[index]]));
    return commits.map(({ author, commitHash }) => (full.has(author) ? noRoom : results.get(commitHash)));
  } catch (cause) {
    if (isCofferError(cause) && cause.code === "store/quota") return commits.map(() => noRoom);
    throw cause;
  }
}

const noRoom = { status: "retry", code: "store/quota" } as const;

/** A stored copy of a commit with what a verified one has beyond it; `undefined` when they are not two copies of one. */
function unite(crypto: RelayCrypto, stored: Uint8Array, commit: Commit): StoredCopy | undefined {
  const verdict = parseCommit(crypto, stored, commit.commitHash);
  if (verdict.kind === "forged" || !equalBytes(verdict.commit.signature, commit.signature)) return undefined;
  const bytes = fillCommit(verdict.commit, commit) ?? stored;
  return { bytes, isPartial: isPartial(crypto, commit.commitHash, bytes) };
}

/** Whether a copy of a commit lacks ciphertexts. */
function isPartial(crypto: Pick<RelayCrypto, "sha256">, commitHash: CommitHash, bytes: Uint8Array): boolean {
  const verdict = parseCommit(crypto, bytes, commitHash);
  return verdict.kind === "verified" && presenceOf(verdict.commit) === "partial";
}

/** A verified commit as storage takes it. */
export function toNewCommit(commit: Commit): NewCommit {
  const { commitHash, header, bytes } = commit;
  const isPartial = presenceOf(commit) === "partial";
  return { commitHash, author: header.author, createdAtMs: header.createdAtMs, bytes, isPartial };
}

/**
 * Fold directory commits on top of what is stored; each may stand on the one before it. Those of a second line are taken when a merge that
 * brings them into the first one is among them, wherever it stands; what else there is of that line waits for a merge of its own.
 */
async function judgeDirectoryCommits(
  { crypto, directories }: Pick<PushParts, "crypto" | "directories">,
  directory: TenantDirectory,
  commits: readonly Commit[],
): Promise<readonly Refusal[]> {
  let { state } = directory;
  const refusals: Refusal[] = [];
  const opened: OpenedCommit[] = [];
  for (const commit of commits) {
    const records = await openRecords(crypto, commit, directory.findKey);
    const verdict = foldCommit(state, commit, records);
    if (verdict.kind === "applied") ({ state } = verdict);
    if (verdict.kind !== "rejected") opened.push({ commit, records });
    refusals.push(directoryRefusal(verdict));
  }
  const isForked = opened.some(({ commit }) => foldCommit(state, commit, []).kind === "beside");
  if (!isForked) return refusals;
  const line = broughtIn(state, opened);
  if (line.size === 0) return refusals;
  const { adminKey, tenantId } = state;
  const onLine = opened.filter(({ commit }) => line.has(commit.commitHash));
  const all = [...(await directories.readAll(directory)), ...onLine];
  const together = foldLines(createDirectory(crypto, tenantId, adminKey), all);
  if (isTorn(together, new Set(all.map(({ commit }) => commit.commitHash)).size)) return refusals;
  return refusals.map((refusal, index) => {
    const hash = commits[index]?.commitHash;
    return indexOfHead(together, hash) === undefined ? refusal : undefined;
  });
}

function directoryRefusal(verdict: ReturnType<typeof foldCommit>): Refusal {
  if (verdict.kind === "waiting") return behind;
  if (verdict.kind === "beside") return refused("access/denied");
  // A known one goes on to storage, which compares its bytes.
  if (verdict.kind !== "rejected") return undefined;
  if (verdict.reason === "not-admin") return refused("access/not-admin");
  return refused(verdict.reason === "malformed" ? "entry/corrupt" : "access/denied");
}

async function judgeMemberCommits(
  parts: PushParts,
  state: DirectoryState,
  commits: readonly Commit[],
): Promise<readonly Refusal[]> {
  const graphs = new Map<AuthorKey, AuthorGraph>();
  const refusals: Refusal[] = [];
  const waiting = new Set<AuthorGraph>();
  for (const commit of commits) {
    const { header, commitHash } = commit;
    const known = graphs.get(header.author);
    const graph =
      known ?? (await graphOf(parts, state, { author: header.author, dbId: header.dbId, commits }));
    graphs.set(header.author, graph);
    const refusal =
      authorRefusal(judgeAuthor(state, header, commitHash, graph)) ?? roleRefusal(state, commit, graph);
    const isFirst = refusal === behind && !waiting.has(graph);
    refusals.push(isFirst ? { ...behind, wanted: graph.lacking(maxWanted) } : refusal);
    if (isFirst) waiting.add(graph);
  }
  return refusals;
}

function authorRefusal(verdict: ReturnType<typeof judgeAuthor>): Refusal {
  if (verdict.kind === "accepted") return undefined;
  if (verdict.kind === "waiting") return behind;
  if (verdict.reason === "revoked") return refused("access/revoked");
  return refused(verdict.reason === "not-admin" ? "access/not-admin" : "access/denied");
}

/**
 * Who created a document the relay does not know: it takes every one for the author's own, and leaves the rest to those who read. A commit
 * with one entry that may count is taken whole: its hash covers all of them.
 */
function roleRefusal(
  state: DirectoryState,
  { commitHash, entries, header }: Commit,
  graph: AuthorGraph,
): Refusal {
  const right = judgeRole(state, header, commitHash, graph);
  if (right.kind === "waiting") return behind;
  const mayCount = entries.some(
    (entry) => entry.header === undefined || mayWrite(right.role, entry.header.entryType, true),
  );
  return mayCount ? undefined : refused("access/denied");
}

/**
 * The commits of one author in one database. Only the cut of an author who was revoked or narrowed asks for them, so that for everyone else the
 * graph stays empty. The commits of the request are in it too: the past of a cut may arrive with its heads.
 */
async function graphOf(
  parts: PushParts,
  state: DirectoryState,
  asked: { readonly author: AuthorKey; readonly dbId: DbId; readonly commits: readonly Commit[] },
): Promise<AuthorGraph> {
  const { author, dbId, commits } = asked;
  const graph = createAuthorGraph();
  if (!isCut(state, author)) return graph;
  for (const [commitHash, predecessors] of await parts.authorCommits.read(state.tenantId, dbId, author)) {
    graph.add(commitHash, predecessors);
  }
  for (const { commitHash, header } of commits)
    if (header.author === author) graph.add(commitHash, header.predecessors);
  return graph;
}

function refused(code: CofferErrorCode): Refusal {
  return { status: "refused", code };
}
