import type { Verifier } from "../../src/crypto/index.ts";
import {
  CofferError,
  copyBytes,
  equalBytes,
  type AuthorKey,
  type DbId,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";
import type { CommitPlace, FoundCommit } from "./chunk-storage.ts";
import { createMemoryChunks } from "./memory-chunks.ts";
import { createMemoryForward } from "./memory-forward.ts";
import { createMemorySubscriptions } from "./memory-subscriptions.ts";
import { byLogId, extendFrontier } from "./log-frontier.ts";
import {
  epochAfterBackup,
  type AppendedCommit,
  type AppendRequest,
  type AppendResult,
  type LogRange,
  type LogState,
  type NewCommit,
  type RelayReader,
  type RelayStorage,
  type StoredCommit,
  type TenantRecord,
  type TenantUsage,
  type Usage,
} from "./storage.ts";

interface MemoryRow extends StoredCommit {
  bytes: Uint8Array;
  isPartial: boolean;
  readonly author: AuthorKey;
  readonly createdAtMs: number;
  readonly replicaId: Uint8Array;
  readonly node: Uint8Array;
}

interface MemoryLog {
  readonly dbId: DbId;
  epoch: number;
  sizeBytes: number;
  frontier: readonly Uint8Array[];
  readonly rows: MemoryRow[];
  readonly seqByHash: Map<string, number>;
  /** of the whole tenant */
  readonly usageByAuthor: Map<AuthorKey, Usage>;
}

interface MemoryTenant {
  readonly record: TenantRecord;
  readonly logs: Map<DbId, MemoryLog>;
  readonly usageByAuthor: Map<AuthorKey, Usage>;
}

const noUsage: Usage = { commitCount: 0, sizeBytes: 0 };

export interface MemoryStorageOptions {
  readonly crypto: Pick<Verifier, "sha256">;
  readonly env: Pick<Env, "nowMs">;
}

/** Create a relay storage that lives in memory: for tests and the simulator. */
export function createMemoryStorage(options: MemoryStorageOptions): RelayStorage {
  const tenants = new Map<TenantId, MemoryTenant>();
  let isClosed = false;
  /** no log begins below: clients were told of lower ones */
  let lowestEpoch = 0;

  async function guarded<Result>(run: () => Result): Promise<Result> {
    if (isClosed) throw new CofferError("store/closed", { message: "The server is shutting down." });
    return run();
  }

  function createTenant(record: TenantRecord, commits: readonly NewCommit[]): boolean {
    const { tenantId, directoryDbId, publication } = record;
    if (tenants.has(tenantId)) return false;
    tenants.set(tenantId, {
      record: { tenantId, directoryDbId, publication: copyBytes(publication) },
      logs: new Map(),
      usageByAuthor: new Map(),
    });
    append({ tenantId, dbId: directoryDbId, replicaId: new Uint8Array(16), commits, directorySize: 0 });
    return true;
  }

  function append(request: AppendRequest): AppendResult {
    const tenant = tenants.get(request.tenantId);
    if (tenant === undefined) throw new CofferError("store/failed", { message: "There is no such tenant." });
    const directory = tenant.logs.get(tenant.record.directoryDbId);
    if ((directory?.rows.length ?? 0) !== request.directorySize) return { kind: "stale" };
    const log = tenant.logs.get(request.dbId) ?? createLog(request.dbId, tenant);
    tenant.logs.set(request.dbId, log);
    return {
      kind: "appended",
      results: request.commits.map((commit) => appendCommit(options.crypto, log, commit, request.replicaId)),
    };
  }

  /** Clients were told the newest epoch of the tenant for a log that was lost: its successor may not begin below it. */
  function createLog(dbId: DbId, { logs, usageByAuthor }: MemoryTenant): MemoryLog {
    const nowEpoch = Math.floor(options.env.nowMs() / 1000);
    const epoch = Math.max(nowEpoch, lowestEpoch, ...[...logs.values()].map((log) => log.epoch));
    return { dbId, epoch, sizeBytes: 0, frontier: [], rows: [], seqByHash: new Map(), usageByAuthor };
  }

  function removeTenant(tenantId: TenantId): boolean {
    chunks.remove(tenantId);
    subscriptions.removeSubscriptions(tenantId);
    forwarded.removeForwarded(tenantId);
    for (const { epoch } of tenants.get(tenantId)?.logs.values() ?? [])
      lowestEpoch = Math.max(lowestEpoch, epoch + 1);
    return tenants.delete(tenantId);
  }

  const hasTenant = (tenantId: TenantId): boolean => tenants.has(tenantId);
  const chunks = createMemoryChunks(guarded, hasTenant);
  const subscriptions = createMemorySubscriptions(guarded, hasTenant);
  const forwarded = createMemoryForward(guarded, hasTenant);
  return {
    ...readerOf(tenants, guarded),
    ...chunks,
    ...subscriptions,
    ...forwarded,
    findCommit: (place) => guarded(() => findCommit(tenants, place)),
    createTenant: (record, commits) => guarded(() => createTenant(record, commits)),
    removeTenant: (tenantId) => guarded(() => removeTenant(tenantId)),
    append: (request) => guarded(() => append(request)),
    startNewEpochs: () => guarded(() => raiseEpochs(tenants.values(), epochAfterBackup(options.env))),
    close: () => guarded(() => void (isClosed = true)),
  };
}

function raiseEpochs(tenants: Iterable<MemoryTenant>, lowest: number): void {
  for (const { logs } of tenants)
    for (const log of logs.values()) log.epoch = Math.max(log.epoch + 1, lowest);
}

function findCommit(
  tenants: ReadonlyMap<TenantId, MemoryTenant>,
  { commitHash, createdAtMs, dbId, tenantId }: CommitPlace,
): FoundCommit | undefined {
  const log = tenants.get(tenantId)?.logs.get(dbId);
  const seq = log?.seqByHash.get(commitHash) ?? -1;
  const row = log?.rows[seq];
  return row?.createdAtMs === createdAtMs ? { seq, bytes: row.bytes } : undefined;
}

function readerOf(
  tenants: ReadonlyMap<TenantId, MemoryTenant>,
  guarded: <Result>(run: () => Result) => Promise<Result>,
): Omit<RelayReader, "close"> {
  const logOf = (tenantId: TenantId, dbId: DbId): MemoryLog | undefined =>
    tenants.get(tenantId)?.logs.get(dbId);
  return {
    readTenant: (tenantId) => guarded(() => tenants.get(tenantId)?.record),
    tenantCount: () => guarded(() => tenants.size),
    listTenants: (after, maxCount) => guarded(() => tenantsAfter(tenants.keys(), after, maxCount)),
    tenantUsage: (tenantId, authors) => guarded(() => usageOf(tenants.get(tenantId), authors)),
    readLog: (tenantId, dbId) => guarded(() => toLogState(logOf(tenantId, dbId))),
    listLogs: (tenantId) =>
      guarded(() =>
        [...(tenants.get(tenantId)?.logs.values() ?? [])]
          .flatMap((log) => toLogState(log) ?? [])
          .sort(byLogId),
      ),
    readCommits: (tenantId, dbId, range) => guarded(() => readRange(logOf(tenantId, dbId), range)),
    readKeys: (tenantId, dbId, fromSeq, maxCount) =>
      guarded(() =>
        (logOf(tenantId, dbId)?.rows ?? [])
          .slice(fromSeq, fromSeq + maxCount)
          .map(({ seq, commitHash, createdAtMs, isPartial }) => ({
            seq,
            commitHash,
            createdAtMs,
            isPartial,
          })),
      ),
    readNodes: (tenantId, dbId, seqs) =>
      guarded(() => seqs.flatMap((seq) => logOf(tenantId, dbId)?.rows[seq]?.node ?? [])),
  };
}

function usageOf(tenant: MemoryTenant | undefined, authors: readonly AuthorKey[] = []): TenantUsage {
  let commitCount = 0;
  let sizeBytes = 0;
  for (const log of tenant?.logs.values() ?? []) {
    commitCount += log.rows.length;
    sizeBytes += log.sizeBytes;
  }
  const ofAuthor = (author: AuthorKey): Usage => tenant?.usageByAuthor.get(author) ?? noUsage;
  const byAuthor = new Map(authors.map((author) => [author, ofAuthor(author)]));
  return { logCount: tenant?.logs.size ?? 0, commitCount, sizeBytes, byAuthor };
}

function count(log: MemoryLog, author: AuthorKey, addedCommits: number, addedBytes: number): void {
  const { commitCount, sizeBytes } = log.usageByAuthor.get(author) ?? noUsage;
  log.sizeBytes += addedBytes;
  log.usageByAuthor.set(author, {
    commitCount: commitCount + addedCommits,
    sizeBytes: sizeBytes + addedBytes,
  });
}

function tenantsAfter(
  tenantIds: Iterable<TenantId>,
  after: TenantId | undefined,
  maxCount: number,
): readonly TenantId[] {
  return [...tenantIds]
    .sort()
    .filter((tenantId) => after === undefined || tenantId > after)
    .slice(0, maxCount);
}

function toLogState(log: MemoryLog | undefined): LogState | undefined {
  return log && { dbId: log.dbId, epoch: log.epoch, size: log.rows.length, sizeBytes: log.sizeBytes };
}

function readRange(log: MemoryLog | undefined, range: LogRange): readonly StoredCommit[] {
  const found: StoredCommit[] = [];
  let sizeBytes = 0;
  for (const row of log?.rows.slice(range.fromSeq, range.fromSeq + range.maxCount) ?? []) {
    const isOwn = range.withoutReplica !== undefined && equalBytes(row.replicaId, range.withoutReplica);
    sizeBytes += isOwn ? 0 : row.bytes.length;
    if (found.length > 0 && sizeBytes > range.maxBytes) break;
    found.push({ seq: row.seq, commitHash: row.commitHash, bytes: isOwn ? undefined : row.bytes });
  }
  return found;
}

function appendCommit(
  crypto: MemoryStorageOptions["crypto"],
  log: MemoryLog,
  commit: NewCommit,
  replicaId: Uint8Array,
): AppendedCommit {
  const known = log.rows[log.seqByHash.get(commit.commitHash) ?? -1];
  if (known !== undefined) return meetKnown(log, known, commit);
  const seq = log.rows.length;
  const { frontier, node } = extendFrontier(crypto, { size: seq, frontier: log.frontier }, commit.commitHash);
  log.rows.push({
    seq,
    commitHash: commit.commitHash,
    author: commit.author,
    createdAtMs: commit.createdAtMs,
    bytes: copyBytes(commit.bytes),
    isPartial: commit.isPartial === true,
    replicaId: copyBytes(replicaId),
    node,
  });
  log.seqByHash.set(commit.commitHash, seq);
  log.frontier = frontier;
  count(log, commit.author, 1, commit.bytes.length);
  return { status: "stored", seq };
}

function meetKnown(log: MemoryLog, known: MemoryRow, commit: NewCommit): AppendedCommit {
  const { seq, bytes } = known;
  const united = equalBytes(bytes, commit.bytes) ? commit : commit.unite?.(bytes);
  if (united === undefined) return { status: "conflict", seq };
  if (!equalBytes(united.bytes, bytes)) {
    count(log, known.author, 0, united.bytes.length - bytes.length);
    known.bytes = copyBytes(united.bytes);
    known.isPartial = united.isPartial === true;
    return { status: "present", seq, isFilled: true };
  }
  return { status: "present", seq };
}
