import { CofferError, type DbId, type TenantId } from "../../src/std/index.ts";
import { encodeFrame, encodeFrames, syncLimits, type Frame, type LogCursor } from "../../src/sync/index.ts";
import type { Heads, LogPosition } from "./heads.ts";
import type { LogState, RelayStorage, StoredCommit } from "./storage.ts";

export interface PullParts {
  readonly storage: Pick<RelayStorage, "listLogs" | "readCommits" | "readKeys">;
  readonly heads: Heads;
}

export type PullFrame = Extract<Frame, { type: "pull" }>;

export interface PullRequest {
  readonly tenantId: TenantId;
  readonly directoryDbId: DbId;
  /** commits that this replica pushed come back as leaves, unless the pull asks for all */
  readonly replicaId: Uint8Array;
  readonly pull: PullFrame;
  /** throws when the session is no longer good: asked before every frame, so that no long answer outlives a right */
  readonly authorize: () => Promise<unknown>;
}

/** What was sent: where each log's reader stands now, and whether it has all there was. */
export interface PullProgress {
  readonly cursorsByLog: Map<DbId, LogCursor>;
  isComplete: boolean;
}

/** One answer holds at most this many bytes of commits, whatever the client asks for. */
const maxAnswerBytes = 16 * 1024 * 1024;

/**
 * Answer a pull, frame by frame: for each log that has news COMMITS with the HEAD of their last position, the directory
 * first; then a tenant head (for a pull of all databases) or the heads of the asked ones that had no news; then END.
 *
 * @param progress is moved with every frame handed out
 */
export async function* answerPull(
  parts: PullParts,
  request: PullRequest,
  progress: PullProgress,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const { tenantId, pull } = request;
  const asked = new Map(pull.cursors.map((cursor) => [cursor.dbId, cursor]));
  const logs = await parts.storage.listLogs(tenantId);
  let budgetBytes = Math.min(Math.max(pull.maxBytes, 1), maxAnswerBytes);
  for (const log of directoryFirst(logs, request.directoryDbId)) {
    const cursor = asked.get(log.dbId);
    asked.delete(log.dbId);
    if (cursor === undefined && !pull.allDatabases) continue;
    let at = startOf(log, cursor);
    // A client that knows another epoch of the log has most of this one.
    const isLeaves =
      cursor?.isLeaves === true || (cursor !== undefined && cursor.seq > 0 && at.epoch !== cursor.epoch);
    progress.cursorsByLog.set(log.dbId, at);
    // A cursor beyond the end stands for a lost log, and the head says so.
    if (at.seq > log.size || (at.seq === log.size && !pull.allDatabases)) {
      yield encodeFrame({ type: "head", ...(await parts.heads.headAt(tenantId, log)) });
    }
    while (at.seq < log.size) {
      if (budgetBytes <= 0) {
        yield encodeFrame({ type: "end", more: true });
        return;
      }
      await request.authorize();
      const step = await nextCommits(parts, { ...request, log, at, isLeaves, maxBytes: budgetBytes });
      at = step.next;
      budgetBytes -= step.bytes.length;
      progress.cursorsByLog.set(log.dbId, at);
      yield step.bytes;
    }
  }
  await request.authorize();
  const directoryEpoch = logs.find(({ dbId }) => dbId === request.directoryDbId)?.epoch ?? 0;
  yield* lostLogHeads(parts, { tenantId, epoch: directoryEpoch }, [...asked.values()]);
  if (pull.allDatabases)
    yield encodeFrame({ type: "tenant-head", ...(await parts.heads.tenantHead(tenantId, logs)) });
  progress.isComplete = true;
  yield encodeFrame({ type: "end", more: false });
}

function directoryFirst(logs: readonly LogState[], directoryDbId: DbId): readonly LogState[] {
  return [
    ...logs.filter(({ dbId }) => dbId === directoryDbId),
    ...logs.filter(({ dbId }) => dbId !== directoryDbId),
  ];
}

function startOf(log: LogState, cursor: LogCursor | undefined): LogCursor {
  return { dbId: log.dbId, epoch: log.epoch, seq: cursor?.epoch === log.epoch ? cursor.seq : 0 };
}

/**
 * A log that a client has proof of and that is not here: the empty head tells so, signed. Its epoch is the tenant's own, so
 * that a server that begins anew is told apart from one that lost a log.
 */
async function* lostLogHeads(
  { heads }: PullParts,
  { tenantId, epoch }: { readonly tenantId: TenantId; readonly epoch: number },
  cursors: readonly LogCursor[],
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  for (const { dbId, seq } of cursors) {
    if (seq > 0)
      yield encodeFrame({ type: "head", ...(await heads.headAt(tenantId, { dbId, epoch, size: 0 })) });
  }
}

/** Where a reader of a log stands, and how much it takes. */
export interface CommitsRequest {
  readonly tenantId: TenantId;
  readonly replicaId: Uint8Array;
  readonly pull: Pick<PullFrame, "full">;
  readonly log: LogPosition;
  readonly at: LogCursor;
  /** the hashes alone */
  readonly isLeaves?: boolean;
  readonly maxBytes: number;
}

/** Read the commits that follow a cursor, and make one COMMITS frame of them with the HEAD of its last position. */
export async function nextCommits(
  { storage, heads }: PullParts,
  request: CommitsRequest,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly next: LogCursor }> {
  const { tenantId, log, at } = request;
  const isLeaves = request.isLeaves === true && !request.pull.full;
  const maxCount = Math.min(log.size - at.seq, syncLimits.commitsPerFrame);
  const maxBytes = Math.min(request.maxBytes, syncLimits.frameTargetBytes);
  const withoutReplica = request.pull.full ? undefined : request.replicaId;
  const rows: readonly Pick<StoredCommit, "commitHash" | "bytes">[] = isLeaves
    ? await readLeaves(storage, { tenantId, at, maxCount, maxBytes })
    : await storage.readCommits(tenantId, log.dbId, { fromSeq: at.seq, maxCount, maxBytes, withoutReplica });
  if (rows.length === 0) throw new CofferError("store/failed", { message: "A log is shorter than it says." });
  const next = { ...at, seq: at.seq + rows.length };
  const head = await heads.headAt(tenantId, { dbId: log.dbId, epoch: log.epoch, size: next.seq });
  const items = rows.map(toItem);
  const commits: Frame = { type: "commits", dbId: log.dbId, epoch: log.epoch, fromSeq: at.seq, items };
  return { bytes: encodeFrames([commits, { type: "head", ...head }]), next };
}

/**
 * The hashes alone, but of commits that lack ciphertexts what is here of them: a hash stands for all of a commit, and whoever has it whole
 * would not bring the rest.
 */
async function readLeaves(
  storage: PullParts["storage"],
  {
    tenantId,
    at,
    maxCount,
    maxBytes,
  }: Pick<CommitsRequest, "tenantId" | "at" | "maxBytes"> & { readonly maxCount: number },
): Promise<readonly Pick<StoredCommit, "commitHash" | "bytes">[]> {
  const keys = await storage.readKeys(tenantId, at.dbId, at.seq, maxCount);
  const rows: Pick<StoredCommit, "commitHash" | "bytes">[] = [];
  let sizeBytes = 0;
  for (const { commitHash, isPartial, seq } of keys.toSorted((a, b) => a.seq - b.seq)) {
    const range = { fromSeq: seq, maxCount: 1, maxBytes: 1 };
    const [row] = isPartial ? await storage.readCommits(tenantId, at.dbId, range) : [];
    sizeBytes += row?.bytes?.length ?? 0;
    if (rows.length > 0 && sizeBytes > maxBytes) break;
    rows.push({ commitHash, bytes: row?.bytes });
  }
  return rows;
}

function toItem({
  commitHash,
  bytes,
}: Pick<StoredCommit, "commitHash" | "bytes">):
  | { commit: Uint8Array }
  | { leaf: StoredCommit["commitHash"] } {
  return bytes === undefined ? { leaf: commitHash } : { commit: bytes };
}
