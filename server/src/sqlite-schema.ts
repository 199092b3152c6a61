import Database from "libsql";
import { CofferError, isCofferError } from "../../src/std/index.ts";

/** Rows of one log are this far apart, so that a log holds 2^32 commits and a server 2^21 logs within safe integers. */
export const rowsPerLog = 2 ** 32;

const schemaVersion = 1;

/*
 * `commits.key` is log × 2^32 + seq: rows of a log are appended in order and read in order, and no random key is kept.
 * `lookup` finds a commit by hash. Its key starts with the time in the commit's header, which the same commit always has,
 * so that it grows at its end too; a wrong clock costs time, nothing else.
 */
const schema = `
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

/**
 * Open the file, alone: a second process is refused, and what a killed one left in the write-ahead log is taken over.
 *
 * @throws `store/blocked` when another process holds it, `store/failed` for anything else
 */
export function openDatabase(path: string): Database.Database {
  let db: Database.Database | undefined;
  try {
    db = new Database(path);
    db.pragma("locking_mode = EXCLUSIVE");
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = FULL");
    db.pragma("temp_store = MEMORY");
    db.exec("BEGIN IMMEDIATE");
    const version = numberAt(db.prepare("SELECT * FROM pragma_user_version").get(), "user_version");
    if (version === 0) db.exec(`${schema} PRAGMA user_version = ${schemaVersion};`);
    db.exec("COMMIT");
    if (version > schemaVersion)
      throw new CofferError("protocol/version", { message: "A newer server wrote this data." });
    return db;
  } catch (cause) {
    db?.close();
    throw toStoreError(cause);
  }
}

/**
 * Close the file: everything is in it, and nothing beside it.
 *
 * The driver keeps the connection until its statements are collected, so the lock is given back first; it cannot be while
 * there is a write-ahead log.
 */
export function closeDatabase(db: Database.Database): void {
  try {
    db.pragma("journal_mode = DELETE");
    db.pragma("locking_mode = NORMAL");
    db.prepare("SELECT count(*) FROM tenants").get();
  } catch (cause) {
    throw toStoreError(cause);
  } finally {
    db.close();
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
