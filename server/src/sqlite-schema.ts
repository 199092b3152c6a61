import Database from "libsql";
import { CofferError, isCofferError } from "../../src/std/index.ts";

/** Rows of one log are this far apart, so that a log holds 2^32 commits and a server 2^21 logs within safe integers. */
export const rowsPerLog = 2 ** 32;

const schemaVersion = 7;

/*
 * `commits.key` is log × 2^32 + seq: rows of a log are appended in order and read in order, and no random key is kept.
 * `lookup` finds a commit by hash. Its key starts with the time in the commit's header, which the same commit always has,
 * so that it grows at its end too; a wrong clock costs time, nothing else.
 */
const firstSchema = `
  CREATE TABLE tenants (
    id INTEGER PRIMARY KEY, tenant BLOB NOT NULL UNIQUE, directory BLOB NOT NULL, publication BLOB NOT NULL
  ) STRICT;
  CREATE TABLE logs (
    id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, db BLOB NOT NULL, epoch INTEGER NOT NULL,
    size INTEGER NOT NULL, size_bytes INTEGER NOT NULL, UNIQUE (tenant, db)
  ) STRICT;
  CREATE TABLE commits (
    key INTEGER PRIMARY KEY, hash BLOB NOT NULL, node BLOB NOT NULL, replica BLOB NOT NULL, bytes BLOB NOT NULL
  ) STRICT;
  CREATE TABLE lookup (
    log INTEGER NOT NULL, created_at INTEGER NOT NULL, hash BLOB NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (log, created_at, hash)
  ) STRICT, WITHOUT ROWID;
`;

/** Since version 2: what each author has, and the lowest epoch that a new log may begin with. */
const secondSchema = `
  CREATE TABLE usage (
    tenant INTEGER NOT NULL, author BLOB NOT NULL, commit_count INTEGER NOT NULL, size_bytes INTEGER NOT NULL,
    PRIMARY KEY (tenant, author)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE lowest_epoch (epoch INTEGER NOT NULL) STRICT;
  INSERT INTO lowest_epoch VALUES (0);
`;

/** Since version 3: chunks of files. Their sums are read from the index alone. */
const thirdSchema = `
  CREATE TABLE chunks (
    tenant INTEGER NOT NULL, hash BLOB NOT NULL, doc BLOB NOT NULL, author BLOB NOT NULL, size_bytes INTEGER NOT NULL,
    bytes BLOB NOT NULL, PRIMARY KEY (tenant, hash)
  ) STRICT;
  CREATE INDEX chunks_usage ON chunks (tenant, author, size_bytes);
  CREATE INDEX chunks_doc ON chunks (tenant, doc);
`;

/** Since version 4: further documents that a chunk goes with; the first stands beside it. */
const fourthSchema = `
  CREATE TABLE chunk_docs (
    tenant INTEGER NOT NULL, hash BLOB NOT NULL, doc BLOB NOT NULL, PRIMARY KEY (tenant, hash, doc)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX chunk_docs_doc ON chunk_docs (tenant, doc);
`;

/** Since version 5: devices that are woken. The address is bytes, so that SQLite compares it as it is. */
const fifthSchema = `
  CREATE TABLE subscriptions (
    tenant INTEGER NOT NULL, device BLOB NOT NULL, member BLOB NOT NULL, endpoint BLOB NOT NULL,
    PRIMARY KEY (tenant, device)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX subscriptions_member ON subscriptions (tenant, member);
`;

/** Since version 6: which commits lack ciphertexts. Those stored before count as whole. */
const sixthSchema = `
  CREATE TABLE partial_commits (key INTEGER PRIMARY KEY) STRICT;
`;

/** Since version 7: how far other servers have what is forwarded to them. */
const seventhSchema = `
  CREATE TABLE forwarded (
    tenant INTEGER NOT NULL, server BLOB NOT NULL, db BLOB NOT NULL, place BLOB NOT NULL, PRIMARY KEY (tenant, server, db)
  ) STRICT, WITHOUT ROWID;
`;

/** A file that is open for writing, and what keeps other processes from writing it. */
export interface WritableFile {
  readonly db: Database.Database;
  readonly lock: Database.Database;
}

/** The file that a writing process holds. What only reads does not need it. */
export function lockPathOf(path: string): string {
  return `${path}-lock`;
}

/**
 * Open the file for writing: a second process is refused, readers are not, and what a killed one left in the write-ahead log
 * is taken over.
 *
 * @throws `store/blocked` when another process holds it, `store/failed` for anything else
 */
export function openDatabase(path: string, authorOf: (commit: Uint8Array) => Uint8Array): WritableFile {
  const lock = holdLock(lockPathOf(path));
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { timeout: busyMs });
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = FULL");
    db.pragma("temp_store = MEMORY");
    db.exec("BEGIN IMMEDIATE");
    migrate(db, authorOf);
    db.exec("COMMIT");
    return { db, lock };
  } catch (cause) {
    db?.close();
    releaseLock(lock);
    throw toStoreError(cause);
  }
}

/** How long a reader that takes over a write-ahead log may keep the writer waiting. */
const busyMs = 5000;

/** The lock is SQLite's own, on a file without content: it ends with the process, however that ends. */
function holdLock(path: string): Database.Database {
  let lock: Database.Database | undefined;
  try {
    lock = new Database(path);
    lock.pragma("locking_mode = EXCLUSIVE");
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (cause) {
    lock?.close();
    throw toStoreError(cause);
  }
}

function releaseLock(lock: Database.Database): void {
  lock.exec("ROLLBACK");
  lock.pragma("locking_mode = NORMAL");
  lock.prepare("SELECT count(*) FROM sqlite_schema").get();
  lock.close();
}

function versionOf(db: Database.Database): number {
  return numberAt(db.prepare("SELECT * FROM pragma_user_version").get(), "user_version");
}

function migrate(db: Database.Database, authorOf: (commit: Uint8Array) => Uint8Array): void {
  const version = versionOf(db);
  refuseNewer(version);
  if (version < 1) db.exec(firstSchema);
  if (version < 2) db.exec(secondSchema);
  if (version < 3) db.exec(thirdSchema);
  if (version < 4) db.exec(fourthSchema);
  if (version < 5) db.exec(fifthSchema);
  if (version < 6) db.exec(sixthSchema);
  if (version < 7) db.exec(seventhSchema);
  if (version === 1) countAuthors(db, authorOf);
  if (version < schemaVersion) db.exec(`PRAGMA user_version = ${schemaVersion}`);
}

function refuseNewer(version: number): void {
  if (version > schemaVersion)
    throw new CofferError("protocol/version", { message: "A newer server wrote this data." });
}

/** Version 1 did not count: each commit says who wrote it. */
function countAuthors(db: Database.Database, authorOf: (commit: Uint8Array) => Uint8Array): void {
  const add = db.prepare(addUsageSql);
  const logs: readonly unknown[] = db.prepare("SELECT id, tenant, size FROM logs").all();
  const read = db.prepare("SELECT bytes FROM commits WHERE key = ?");
  for (const log of logs) {
    const firstKey = numberAt(log, "id") * rowsPerLog;
    for (let seq = 0; seq < numberAt(log, "size"); seq++) {
      const bytes = bytesAt(read.get(firstKey + seq), "bytes");
      add.run(numberAt(log, "tenant"), authorOf(bytes), 1, bytes.length);
    }
  }
}

/** Adds to what an author has. */
export const addUsageSql = `
  INSERT INTO usage (tenant, author, commit_count, size_bytes) VALUES (?, ?, ?, ?)
  ON CONFLICT (tenant, author) DO UPDATE
  SET commit_count = commit_count + excluded.commit_count, size_bytes = size_bytes + excluded.size_bytes`;

/**
 * Open the file as it is now, for reading only, beside a process that writes it: every read sees this one moment.
 *
 * @throws `store/failed` when there is no such file or it is of an older version
 */
export function openSnapshot(path: string): Database.Database {
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true, timeout: busyMs });
    const version = versionOf(db);
    refuseNewer(version);
    if (version !== schemaVersion)
      throw new CofferError("store/failed", {
        message: "Start the server once: the data is of an older version.",
      });
    db.exec("BEGIN");
    // A transaction begins to see with its first read.
    db.prepare("SELECT count(*) FROM tenants").get();
    return db;
  } catch (cause) {
    db?.close();
    throw toStoreError(cause);
  }
}

/** Write what the file holds at this moment into a new one, beside a process that writes it. */
export function copyDatabase(path: string, target: string): void {
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true, timeout: busyMs });
    refuseNewer(versionOf(db));
    db.prepare("VACUUM INTO ?").run(target);
  } catch (cause) {
    throw toStoreError(cause);
  } finally {
    db?.close();
  }
}

/**
 * Close the file: everything is in it, and nothing beside it unless somebody reads it just now.
 *
 * The driver keeps the connection until its statements are collected, so the file is given back first; it cannot be while
 * there is a write-ahead log.
 */
export function closeDatabase({ db, lock }: WritableFile): void {
  try {
    db.pragma("journal_mode = DELETE");
    db.prepare("SELECT count(*) FROM tenants").get();
  } catch (cause) {
    const error = toStoreError(cause);
    if (error.code !== "store/blocked") throw error;
    db.pragma("wal_checkpoint(TRUNCATE)");
  } finally {
    db.close();
    releaseLock(lock);
  }
}

/** Run `write` in one transaction that is on disk when this returns; what it throws undoes all of it. */
export function inTransaction<Result>(db: Database.Database, write: () => Result): Result {
  try {
    db.exec("BEGIN IMMEDIATE");
    const result = write();
    db.exec("COMMIT");
    return result;
  } catch (cause) {
    // A full disk may already have rolled back by itself.
    if (db.open && db.inTransaction) db.exec("ROLLBACK");
    throw toStoreError(cause);
  }
}

/** Name a failure of SQLite by the closed list of codes. */
export function toStoreError(cause: unknown): CofferError {
  if (isCofferError(cause)) return cause;
  const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "";
  if (code.startsWith("SQLITE_FULL"))
    return new CofferError("store/quota", { message: "The server's disk is full." }, { cause });
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) {
    return new CofferError(
      "store/blocked",
      { message: "Another process holds this data directory." },
      { cause },
    );
  }
  return new CofferError(
    "store/failed",
    { message: "The server's database failed.", reason: code },
    { cause },
  );
}

/** Read an integer column of a row that the schema types. */
export function numberAt(row: unknown, column: string): number {
  const value = columnOf(row, column);
  if (typeof value === "number") return value;
  throw new CofferError("store/failed", { message: "A stored row is damaged.", column });
}

/** Read a blob column of a row that the schema types, as plain bytes. */
export function bytesAt(row: unknown, column: string): Uint8Array {
  const value = columnOf(row, column);
  // The driver gives one row's blobs as Buffers, and those of many rows as plain memory.
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value instanceof Uint8Array) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new CofferError("store/failed", { message: "A stored row is damaged.", column });
}

function columnOf(row: unknown, column: string): unknown {
  return typeof row === "object" && row !== null
    ? (row as Readonly<Record<string, unknown>>)[column]
    : undefined;
}
