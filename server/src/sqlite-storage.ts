import type Database from "libsql";
import type { Verifier } from "../../src/crypto/index.ts";
import {
  bytesToId,
  CofferError,
  equalBytes,
  idToBytes,
  type DbId,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";
import { createGroupCommit, type GroupCommit } from "./group-commit.ts";
import { byLogId, extendFrontier } from "./log-frontier.ts";
import {
  bytesAt,
  closeDatabase,
  inTransaction,
  numberAt,
  openDatabase,
  rowsPerLog,
  toStoreError,
} from "./sqlite-schema.ts";
import {
  frontierRows,
  type AppendedCommit,
  type AppendRequest,
  type AppendResult,
  type LogRange,
  type LogState,
  type NewCommit,
  type RelayStorage,
  type StoredCommit,
  type TenantRecord,
  type TenantUsage,
} from "./storage.ts";

const groupDelayMs = 2;
const groupMaxItems = 256;
const cachedLogs = 10_000;

export interface SqliteStorageOptions {
  readonly crypto: Pick<Verifier, "sha256">;
  readonly env: Pick<Env, "setTimer" | "nowMs">;
}

/**
 * Open the relay's storage in one SQLite file: WAL, `synchronous=FULL`, one writing process, group commit.
 *
 * @throws `store/blocked` when another process holds the file
 */
export function openSqliteStorage(path: string, options: SqliteStorageOptions): RelayStorage {
  const storage = new SqliteStorage(openDatabase(path), options);
  const guarded = <Result>(read: () => Result): Promise<Result> => storage.guarded(read);
  return {
    readTenant: (tenantId) => guarded(() => storage.readTenant(tenantId)?.record),
    createTenant: (record, commits) => storage.createTenant(record, commits),
    tenantCount: () => guarded(() => storage.tenantCount()),
    tenantUsage: (tenantId) => guarded(() => storage.tenantUsage(tenantId)),
    readLog: (tenantId, dbId) => guarded(() => toLogState(dbId, storage.readTail(tenantId, dbId))),
    listLogs: (tenantId) => guarded(() => storage.listLogs(tenantId)),
    append: (request) => storage.append(request),
    readCommits: (tenantId, dbId, range) => guarded(() => storage.readCommits(tenantId, dbId, range)),
    readNodes: (tenantId, dbId, seqs) => guarded(() => storage.readNodes(tenantId, dbId, seqs)),
    startNewEpochs: () => guarded(() => storage.startNewEpochs()),
    close: () => guarded(() => storage.close()),
  };
}

/** A log as the file has it, and the frontier that its next commit extends. */
interface LogTail {
  readonly logId: number;
  readonly epoch: number;
  readonly size: number;
  readonly sizeBytes: number;
  readonly frontier: readonly Uint8Array[];
}

interface TenantRow {
  readonly id: number;
  readonly record: TenantRecord;
}

class SqliteStorage {
  readonly #db: Database.Database;
  readonly #options: SqliteStorageOptions;
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #appends: GroupCommit<AppendRequest, AppendResult>;
  /** what the file holds, for the logs that were used last; never ahead of the disk */
  readonly #tails = new Map<string, LogTail>();
  /** what the running transaction has changed */
  readonly #draftTails = new Map<string, LogTail>();

  constructor(db: Database.Database, options: SqliteStorageOptions) {
    this.#db = db;
    this.#options = options;
    this.#statements = prepareStatements(db);
    const group = { delayMs: groupDelayMs, maxItems: groupMaxItems };
    this.#appends = createGroupCommit(options.env, group, (requests) => this.#appendAll(requests));
  }

  async guarded<Result>(run: () => Result | Promise<Result>): Promise<Result> {
    if (!this.#db.open) throw new CofferError("store/closed", { message: "The server is shutting down." });
    try {
      return await run();
    } catch (cause) {
      throw toStoreError(cause);
    }
  }

  readTenant(tenantId: TenantId): TenantRow | undefined {
    const row = this.#statements.readTenant.get([idToBytes(tenantId)]);
    if (row === undefined) return undefined;
    const directoryDbId = bytesToId("DbId", bytesAt(row, "directory"));
    return {
      id: numberAt(row, "id"),
      record: { tenantId, directoryDbId, publication: bytesAt(row, "publication") },
    };
  }

  tenantCount(): number {
    return numberAt(this.#statements.countTenants.get(), "count");
  }

  tenantUsage(tenantId: TenantId): TenantUsage {
    const row = this.#statements.usage.get([idToBytes(tenantId)]);
    return { logCount: numberAt(row, "count"), sizeBytes: numberAt(row, "size_bytes") };
  }

  async createTenant(record: TenantRecord, commits: readonly NewCommit[]): Promise<boolean> {
    return this.guarded(() => {
      this.#appends.flush();
      return this.#write(() => {
        if (this.readTenant(record.tenantId) !== undefined) return false;
        const { tenantId, directoryDbId, publication } = record;
        this.#statements.addTenant.run(idToBytes(tenantId), idToBytes(directoryDbId), publication);
        const replicaId = new Uint8Array(16);
        this.#appendOne({ tenantId, dbId: directoryDbId, replicaId, commits, directorySize: 0 });
        return true;
      });
    });
  }

  append(request: AppendRequest): Promise<AppendResult> {
    return this.guarded(() => this.#appends.add(request));
  }

  #appendAll(requests: readonly AppendRequest[]): readonly AppendResult[] {
    return this.#write(() => requests.map((request) => this.#appendOne(request)));
  }

  /** One transaction; the tails it drafted become the known ones only once they are on disk. */
  #write<Result>(write: () => Result): Result {
    try {
      const result = inTransaction(this.#db, write);
      for (const [name, tail] of this.#draftTails) this.#remember(name, tail);
      return result;
    } finally {
      this.#draftTails.clear();
    }
  }

  #appendOne(request: AppendRequest): AppendResult {
    const { tenantId, dbId } = request;
    const tenant = this.readTenant(tenantId);
    if (tenant === undefined) throw new CofferError("store/failed", { message: "There is no such tenant." });
    const directorySize = this.readTail(tenantId, tenant.record.directoryDbId)?.size ?? 0;
    if (directorySize !== request.directorySize) return { kind: "stale" };
    let tail = this.readTail(tenantId, dbId) ?? this.#createLog(tenant.id, dbId);
    const results: AppendedCommit[] = [];
    for (const commit of request.commits) {
      const known = this.#meetKnown(tail, commit);
      results.push(known?.result ?? { status: "stored", seq: tail.size });
      tail = known?.tail ?? this.#insert(tail, commit, request.replicaId);
    }
    this.#statements.updateLog.run(tail.size, tail.sizeBytes, tail.logId);
    this.#draftTails.set(`${tenantId}/${dbId}`, tail);
    return { kind: "appended", results };
  }

  #createLog(tenantRowId: number, dbId: DbId): LogTail {
    const nowEpoch = Math.floor(this.#options.env.nowMs() / 1000);
    this.#statements.addLog.run(tenantRowId, idToBytes(dbId), nowEpoch);
    const row = this.#statements.readLog.get(tenantRowId, idToBytes(dbId));
    return { logId: numberAt(row, "id"), epoch: numberAt(row, "epoch"), size: 0, sizeBytes: 0, frontier: [] };
  }

  /** What becomes of a commit whose hash is stored, and of its log; `undefined` when it is not. */
  #meetKnown(
    tail: LogTail,
    commit: NewCommit,
  ): { readonly result: AppendedCommit; readonly tail: LogTail } | undefined {
    const hash = idToBytes(commit.commitHash);
    const row = this.#statements.findCommit.get(tail.logId, commit.createdAtMs, hash);
    if (row === undefined) return undefined;
    const seq = numberAt(row, "seq");
    const key = tail.logId * rowsPerLog + seq;
    const stored = bytesAt(this.#statements.readBytes.get(key), "bytes");
    const united = equalBytes(stored, commit.bytes) ? stored : commit.unite?.(stored);
    if (united === undefined) return { result: { status: "conflict", seq }, tail };
    const result: AppendedCommit = { status: "present", seq };
    if (united === stored) return { result, tail };
    this.#statements.replaceBytes.run(united, key);
    return { result, tail: { ...tail, sizeBytes: tail.sizeBytes + united.length - stored.length } };
  }

  #insert(tail: LogTail, commit: NewCommit, replicaId: Uint8Array): LogTail {
    const seq = tail.size;
    const hash = idToBytes(commit.commitHash);
    const { frontier, node } = extendFrontier(this.#options.crypto, tail, commit.commitHash);
    this.#statements.addCommit.run(tail.logId * rowsPerLog + seq, hash, node, replicaId, commit.bytes);
    this.#statements.addLookup.run(tail.logId, commit.createdAtMs, hash, seq);
    return { ...tail, frontier, size: seq + 1, sizeBytes: tail.sizeBytes + commit.bytes.length };
  }

  readTail(tenantId: TenantId, dbId: DbId): LogTail | undefined {
    const name = `${tenantId}/${dbId}`;
    const known = this.#draftTails.get(name) ?? this.#tails.get(name);
    if (known !== undefined) return known;
    const row = this.#statements.findLog.get(idToBytes(tenantId), idToBytes(dbId));
    if (row === undefined) return undefined;
    const logId = numberAt(row, "id");
    const size = numberAt(row, "size");
    const frontier = this.#readLogNodes(logId, frontierRows(size));
    const tail = {
      logId,
      epoch: numberAt(row, "epoch"),
      size,
      sizeBytes: numberAt(row, "size_bytes"),
      frontier,
    };
    // A log that this transaction has changed is drafted; what is read here is on disk.
    this.#remember(name, tail);
    return tail;
  }

  #remember(name: string, tail: LogTail): void {
    this.#tails.delete(name);
    this.#tails.set(name, tail);
    const [oldest] = this.#tails.keys();
    if (this.#tails.size > cachedLogs && oldest !== undefined) this.#tails.delete(oldest);
  }

  listLogs(tenantId: TenantId): readonly LogState[] {
    const rows = this.#statements.listLogs.all([idToBytes(tenantId)]);
    return rows
      .map((row) => ({
        dbId: bytesToId("DbId", bytesAt(row, "db")),
        epoch: numberAt(row, "epoch"),
        size: numberAt(row, "size"),
        sizeBytes: numberAt(row, "size_bytes"),
      }))
      .sort(byLogId);
  }

  readCommits(tenantId: TenantId, dbId: DbId, range: LogRange): readonly StoredCommit[] {
    const tail = this.readTail(tenantId, dbId);
    if (tail === undefined || range.fromSeq >= tail.size) return [];
    const firstKey = tail.logId * rowsPerLog + range.fromSeq;
    const replica = range.withoutReplica ?? new Uint8Array(0);
    // Sizes first: a length is read without its blob, and so no more blobs are read than the budget holds.
    const limit = Math.min(range.maxCount, tail.size - range.fromSeq);
    const sizes = this.#statements.readSizes.all(replica, firstKey, firstKey + limit);
    let count = 0;
    let sizeBytes = 0;
    for (const row of sizes) {
      sizeBytes += numberAt(row, "size_bytes");
      if (count > 0 && sizeBytes > range.maxBytes) break;
      count++;
    }
    return this.#statements.readCommits.all(replica, firstKey, firstKey + count).map((row, index) => ({
      seq: range.fromSeq + index,
      commitHash: bytesToId("CommitHash", bytesAt(row, "hash")),
      bytes: numberAt(row, "own") === 1 ? undefined : bytesAt(row, "bytes"),
    }));
  }

  readNodes(tenantId: TenantId, dbId: DbId, seqs: readonly number[]): readonly Uint8Array[] {
    const tail = this.readTail(tenantId, dbId);
    return tail === undefined ? [] : this.#readLogNodes(tail.logId, seqs);
  }

  #readLogNodes(logId: number, seqs: readonly number[]): readonly Uint8Array[] {
    return seqs.map((seq) => bytesAt(this.#statements.readNode.get(logId * rowsPerLog + seq), "node"));
  }

  startNewEpochs(): void {
    this.#appends.flush();
    this.#tails.clear();
    inTransaction(this.#db, () =>
      this.#statements.bumpEpochs.run(Math.floor(this.#options.env.nowMs() / 1000)),
    );
  }

  close(): void {
    this.#appends.flush();
    closeDatabase(this.#db);
  }
}

function toLogState(dbId: DbId, tail: LogTail | undefined): LogState | undefined {
  return tail && { dbId, epoch: tail.epoch, size: tail.size, sizeBytes: tail.sizeBytes };
}

/** A single blob is passed in an array: alone, the driver takes it for named parameters, and ends the process. */
function prepareStatements(db: Database.Database) {
  const logColumns = "logs.id, logs.db, logs.epoch, logs.size, logs.size_bytes";
  const tenantLogs = `SELECT ${logColumns} FROM logs JOIN tenants ON logs.tenant = tenants.id WHERE tenants.tenant = ?`;
  return {
    readTenant: db.prepare("SELECT id, directory, publication FROM tenants WHERE tenant = ?"),
    countTenants: db.prepare("SELECT count(*) AS count FROM tenants"),
    usage: db.prepare(
      `SELECT count(*) AS count, ifnull(sum(logs.size_bytes), 0) AS size_bytes
       FROM logs JOIN tenants ON logs.tenant = tenants.id WHERE tenants.tenant = ?`,
    ),
    addTenant: db.prepare("INSERT INTO tenants (tenant, directory, publication) VALUES (?, ?, ?)"),
    findLog: db.prepare(`${tenantLogs} AND logs.db = ?`),
    listLogs: db.prepare(tenantLogs),
    readLog: db.prepare("SELECT id, epoch FROM logs WHERE tenant = ? AND db = ?"),
    // Clients were told the newest epoch of the tenant for a log that was lost: its successor may not begin below it.
    addLog: db.prepare(
      `INSERT INTO logs (tenant, db, epoch, size, size_bytes)
       SELECT ?1, ?2, max(?3, ifnull((SELECT max(epoch) FROM logs WHERE tenant = ?1), 0)), 0, 0`,
    ),
    updateLog: db.prepare("UPDATE logs SET size = ?, size_bytes = ? WHERE id = ?"),
    bumpEpochs: db.prepare("UPDATE logs SET epoch = max(epoch + 1, ?)"),
    findCommit: db.prepare("SELECT seq FROM lookup WHERE log = ? AND created_at = ? AND hash = ?"),
    addLookup: db.prepare("INSERT INTO lookup (log, created_at, hash, seq) VALUES (?, ?, ?, ?)"),
    addCommit: db.prepare("INSERT INTO commits (key, hash, node, replica, bytes) VALUES (?, ?, ?, ?, ?)"),
    replaceBytes: db.prepare("UPDATE commits SET bytes = ? WHERE key = ?"),
    readBytes: db.prepare("SELECT bytes FROM commits WHERE key = ?"),
    readNode: db.prepare("SELECT node FROM commits WHERE key = ?"),
    readSizes: db.prepare(
      "SELECT CASE WHEN replica = ? THEN 0 ELSE length(bytes) END AS size_bytes FROM commits WHERE key >= ? AND key < ? ORDER BY key",
    ),
    readCommits: db.prepare(
      `SELECT hash, own, CASE WHEN own THEN NULL ELSE bytes END AS bytes
       FROM (SELECT key, hash, bytes, replica = ? AS own FROM commits WHERE key >= ? AND key < ?) ORDER BY key`,
    ),
  };
}
