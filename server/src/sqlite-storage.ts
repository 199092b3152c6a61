import type Database from "libsql";
import type { Verifier } from "../../src/crypto/index.ts";
import { parseCommit } from "../../src/entry/index.ts";
import {
  bytesToId,
  CofferError,
  equalBytes,
  idToBytes,
  type AuthorKey,
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
  openSnapshot,
  rowsPerLog,
  toStoreError,
} from "./sqlite-schema.ts";
import { createSqliteChunks } from "./sqlite-chunks.ts";
import { createSqliteForward } from "./sqlite-forward.ts";
import { createSqliteSubscriptions } from "./sqlite-subscriptions.ts";
import { prepareStatements, type SqliteStatements } from "./sqlite-statements.ts";
import { listTenantIds, readTenantRow, readUsage, removeTenantRows } from "./sqlite-tenants.ts";
import {
  epochAfterBackup,
  frontierRows,
  type AppendedCommit,
  type AppendRequest,
  type AppendResult,
  type CommitKey,
  type LogRange,
  type LogState,
  type NewCommit,
  type RelayReader,
  type RelayStorage,
  type StoredCommit,
  type StoredCopy,
  type TenantRecord,
  type Usage,
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
  const file = openDatabase(path, (bytes) => authorOf(options.crypto, bytes));
  const statements = prepareStatements(file.db);
  const storage = new SqliteStorage(file.db, statements, options);
  const guarded = <Result>(read: () => Result): Promise<Result> => storage.guarded(read);
  return {
    ...readerOf(storage, statements),
    ...createSqliteChunks(file.db, statements, { guarded, flush: () => storage.flush() }),
    ...createSqliteSubscriptions(file.db, statements, { guarded, flush: () => storage.flush() }),
    ...createSqliteForward(file.db, statements, { guarded, flush: () => storage.flush() }),
    createTenant: (record, commits) => storage.createTenant(record, commits),
    removeTenant: (tenantId) =>
      guarded(() => {
        storage.forget();
        return removeTenantRows(file.db, statements, tenantId);
      }),
    append: (request) => storage.append(request),
    startNewEpochs: () => guarded(() => storage.startNewEpochs()),
    close: () =>
      guarded(() => {
        storage.flush();
        closeDatabase(file);
      }),
  };
}

/**
 * Open a file as it is now, for reading only, beside a process that writes it.
 *
 * @throws `store/failed` when there is none
 */
export function openSqliteSnapshot(path: string, options: SqliteStorageOptions): RelayReader {
  const db = openSnapshot(path);
  const statements = prepareStatements(db);
  const storage = new SqliteStorage(db, statements, options);
  return {
    ...readerOf(storage, statements),
    close: () =>
      storage.guarded(() => {
        db.exec("COMMIT");
        db.close();
      }),
  };
}

function readerOf(storage: SqliteStorage, statements: SqliteStatements): Omit<RelayReader, "close"> {
  const guarded = <Result>(read: () => Result): Promise<Result> => storage.guarded(read);
  return {
    readTenant: (tenantId) => guarded(() => readTenantRow(statements, tenantId)?.record),
    tenantCount: () => guarded(() => numberAt(statements.countTenants.get(), "count")),
    listTenants: (after, maxCount) => guarded(() => listTenantIds(statements, after, maxCount)),
    tenantUsage: (tenantId, authors) => guarded(() => readUsage(statements, tenantId, authors)),
    readLog: (tenantId, dbId) => guarded(() => toLogState(dbId, storage.readTail(tenantId, dbId))),
    listLogs: (tenantId) => guarded(() => storage.listLogs(tenantId)),
    readCommits: (tenantId, dbId, range) => guarded(() => storage.readCommits(tenantId, dbId, range)),
    readKeys: (tenantId, dbId, fromSeq, maxCount) =>
      guarded(() => storage.readKeys(tenantId, dbId, fromSeq, maxCount)),
    readNodes: (tenantId, dbId, seqs) => guarded(() => storage.readNodes(tenantId, dbId, seqs)),
  };
}

function authorOf(crypto: Pick<Verifier, "sha256">, bytes: Uint8Array): Uint8Array {
  const verdict = parseCommit(crypto, bytes);
  if (verdict.kind === "forged")
    throw new CofferError("entry/corrupt", { message: "A stored commit is damaged." });
  return idToBytes(verdict.commit.header.author);
}

/** A log as the file has it, and the frontier that its next commit extends. */
interface LogTail {
  readonly logId: number;
  readonly epoch: number;
  readonly size: number;
  readonly sizeBytes: number;
  readonly frontier: readonly Uint8Array[];
}

class SqliteStorage {
  readonly #db: Database.Database;
  readonly #options: SqliteStorageOptions;
  readonly #statements: SqliteStatements;
  readonly #appends: GroupCommit<AppendRequest, AppendResult>;
  /** what the file holds, for the logs that were used last; never ahead of the disk */
  readonly #tails = new Map<string, LogTail>();
  /** what the running transaction has changed */
  readonly #draftTails = new Map<string, LogTail>();

  constructor(db: Database.Database, statements: SqliteStatements, options: SqliteStorageOptions) {
    this.#db = db;
    this.#options = options;
    this.#statements = statements;
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

  async createTenant(record: TenantRecord, commits: readonly NewCommit[]): Promise<boolean> {
    return this.guarded(() => {
      this.#appends.flush();
      return this.#write(() => {
        if (readTenantRow(this.#statements, record.tenantId) !== undefined) return false;
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
    const tenant = readTenantRow(this.#statements, tenantId);
    if (tenant === undefined) throw new CofferError("store/failed", { message: "There is no such tenant." });
    const directorySize = this.readTail(tenantId, tenant.record.directoryDbId)?.size ?? 0;
    if (directorySize !== request.directorySize) return { kind: "stale" };
    let tail = this.readTail(tenantId, dbId) ?? this.#createLog(tenant.id, dbId);
    const results: AppendedCommit[] = [];
    const added = new Map<AuthorKey, Usage>();
    for (const commit of request.commits) {
      const known = this.#meetKnown(tail, commit);
      results.push(known?.result ?? { status: "stored", seq: tail.size });
      const next = known?.tail ?? this.#insert(tail, commit, request.replicaId);
      const { commitCount, sizeBytes } = added.get(commit.author) ?? { commitCount: 0, sizeBytes: 0 };
      added.set(commit.author, {
        commitCount: commitCount + next.size - tail.size,
        sizeBytes: sizeBytes + next.sizeBytes - tail.sizeBytes,
      });
      tail = next;
    }
    for (const [author, { commitCount, sizeBytes }] of added)
      if (commitCount !== 0 || sizeBytes !== 0)
        this.#statements.addUsage.run(tenant.id, idToBytes(author), commitCount, sizeBytes);
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
    const result: AppendedCommit = { status: "present", seq };
    if (equalBytes(stored, commit.bytes)) return { result, tail };
    const united = commit.unite?.(stored);
    if (united === undefined) return { result: { status: "conflict", seq }, tail };
    if (equalBytes(stored, united.bytes)) return { result, tail };
    this.#statements.replaceBytes.run(united.bytes, key);
    this.#notePartial(key, united);
    return {
      result: { ...result, isFilled: true },
      tail: { ...tail, sizeBytes: tail.sizeBytes + united.bytes.length - stored.length },
    };
  }

  #insert(tail: LogTail, commit: NewCommit, replicaId: Uint8Array): LogTail {
    const seq = tail.size;
    const hash = idToBytes(commit.commitHash);
    const { frontier, node } = extendFrontier(this.#options.crypto, tail, commit.commitHash);
    const key = tail.logId * rowsPerLog + seq;
    this.#statements.addCommit.run(key, hash, node, replicaId, commit.bytes);
    if (commit.isPartial === true) this.#notePartial(key, commit);
    this.#statements.addLookup.run(tail.logId, commit.createdAtMs, hash, seq);
    return { ...tail, frontier, size: seq + 1, sizeBytes: tail.sizeBytes + commit.bytes.length };
  }

  #notePartial(key: number, { isPartial }: StoredCopy): void {
    const { addPartial, removePartial } = this.#statements;
    (isPartial === true ? addPartial : removePartial).run(key);
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

  readKeys(tenantId: TenantId, dbId: DbId, fromSeq: number, maxCount: number): readonly CommitKey[] {
    const tail = this.readTail(tenantId, dbId);
    if (tail === undefined) return [];
    const rows: readonly unknown[] = this.#statements.readKeys.all(tail.logId, fromSeq, fromSeq + maxCount);
    return rows.map((row) => ({
      seq: numberAt(row, "seq"),
      commitHash: bytesToId("CommitHash", bytesAt(row, "hash")),
      createdAtMs: numberAt(row, "created_at"),
      isPartial: numberAt(row, "is_partial") === 1,
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
    this.forget();
    inTransaction(this.#db, () => this.#statements.bumpEpochs.run(epochAfterBackup(this.#options.env)));
  }

  flush(): void {
    this.#appends.flush();
  }

  /** Write what is queued and forget what is known of the file: somebody else is about to change it. */
  forget(): void {
    this.flush();
    this.#tails.clear();
  }
}

function toLogState(dbId: DbId, tail: LogTail | undefined): LogState | undefined {
  return tail && { dbId, epoch: tail.epoch, size: tail.size, sizeBytes: tail.sizeBytes };
}
