/**
 * The rows of a store, and the raw IndexedDB transactions on them.
 *
 * | table | key | row |
 * |---|---|---|
 * | `log` | `position`, auto-increment from 1 | `{ position, commitHash: text, bytes: Uint8Array, origin: text }` |
 * | `slots` | `name` | `{ name, version: integer from 1, value: Uint8Array or CryptoKey }` |
 * | `meta` | `name` | `{ name: "logEpoch", value: 32 hex digits }` |
 *
 * No table has a secondary index: the cost is per record and per index key. Transactions are raw, since Dexie can say how
 * durable they are only once for a whole database, and reports an abort only through requests.
 */
import { bytesToHex, copyBytes, parseHex, parseId } from "../std/index.ts";
import type {
  Batch,
  BatchResult,
  Damage,
  LogRecord,
  RewriteResult,
  RewrittenRecord,
  Slot,
  SlotWrite,
} from "./store.ts";

/** The tables in Dexie's words. */
export const tables = { log: "++position", slots: "&name", meta: "&name" } as const;
type TableName = keyof typeof tables;

/** What IndexedDB calls the version of these tables: Dexie counts in tens. */
const indexedDbVersion = 10;

/** Whether a database has these tables. One that was made and never filled has none. */
export function isStoreVersion(database: IDBDatabase): boolean {
  return (
    database.version === indexedDbVersion &&
    Object.keys(tables).every((name) => database.objectStoreNames.contains(name))
  );
}

/** A running transaction. */
export interface Pending<T> {
  /** Settles at `complete` or `abort`, whichever the browser tells. */
  readonly done: Promise<T>;
  /** Give up: `true` when nothing was or will be written, `false` when nobody can know. */
  abort(): boolean;
}

/** What the body of a transaction works with. */
export interface Scope {
  table(name: TableName): IDBObjectStore;
  /** Go on with a request's result in the same transaction; what `run` throws aborts it and rejects. */
  after<R>(request: IDBRequest<R>, run: (result: R) => void): void;
  /** No request follows: commit without waiting for the results of those made. */
  commit(): void;
}

/**
 * Run one transaction.
 *
 * @param body makes the first requests, and returns what reads the outcome once the transaction is complete
 * @throws at once what the connection throws when it is closed or dead: then nothing has begun
 */
export function transact<T>(
  database: IDBDatabase,
  access: {
    readonly names: readonly TableName[];
    readonly mode: IDBTransactionMode;
    readonly durability: IDBTransactionDurability;
  },
  body: (scope: Scope) => () => T,
): Pending<T> {
  const transaction = database.transaction(access.names, access.mode, { durability: access.durability });
  const abort = (): boolean => {
    try {
      transaction.abort();
      return true;
    } catch {
      return access.mode === "readonly";
    }
  };
  const done = new Promise<T>((resolve, reject) => {
    let thrown: { readonly cause: unknown } | undefined;
    let readOutcome: (() => T) | undefined;
    const guard = (run: () => void): void => {
      try {
        run();
      } catch (cause) {
        thrown ??= { cause };
        abort();
      }
    };
    transaction.onabort = () => reject(thrown === undefined ? abortCause(transaction) : thrown.cause);
    transaction.oncomplete = () => {
      if (readOutcome !== undefined) resolve(readOutcome());
    };
    guard(() => {
      readOutcome = body({
        table: (name) => transaction.objectStore(name),
        after: (request, run) => {
          request.onsuccess = () => guard(() => run(request.result));
        },
        commit: () => transaction.commit(),
      });
    });
  });
  return { done, abort };
}

function abortCause(transaction: IDBTransaction): unknown {
  return transaction.error ?? new DOMException("the transaction was aborted", "AbortError");
}

/** Write a batch: compare all slots, then write all or nothing. */
export function writeBatch(scope: Scope, { records = [], slots = [] }: Batch): () => BatchResult {
  let added: IDBRequest<IDBValidKey>[] = [];
  const conflict = writeSlots(scope, slots, () => {
    added = records.map(({ commitHash, bytes, origin }) =>
      scope.table("log").add({ commitHash, bytes: wholeBuffer(bytes), origin }),
    );
    scope.commit();
  });
  return () => {
    const slotName = conflict();
    return slotName === undefined
      ? { kind: "stored", positions: added.map(({ result }) => Number(result)) }
      : { kind: "conflict", slotName };
  };
}

/** Replace the bytes of records that are there, with slots: compare all slots, then write all or nothing. */
export function rewriteRows(
  scope: Scope,
  records: readonly RewrittenRecord[],
  slots: readonly SlotWrite[],
): () => RewriteResult {
  let count = 0;
  const conflict = writeSlots(scope, slots, () => {
    const table = records.length === 0 ? undefined : scope.table("log");
    for (const { position, bytes } of records.filter(({ position }) => isCount(position))) {
      if (table === undefined) return;
      scope.after(table.get(position), (row: unknown) => {
        const record = parseRecord(row);
        if (record === undefined) return;
        table.put({ ...record, bytes: wholeBuffer(bytes) });
        count++;
      });
    }
  });
  return () => {
    const slotName = conflict();
    return slotName === undefined ? { kind: "stored", count } : { kind: "conflict", slotName };
  };
}

/** Compare all slots; if none is stale, write them and go on with `then`. @returns what tells the stale one, if any */
function writeSlots(scope: Scope, slots: readonly SlotWrite[], then: () => void): () => string | undefined {
  const held = slots.map((write) => ({ write, request: scope.table("slots").get(write.name) }));
  let conflict: string | undefined;
  const writeAll = (): void => {
    const found = held.map(({ write, request }) => ({ write, version: versionOf(request.result) }));
    conflict = found.find(({ write, version }) => isStale(write, version))?.write.name;
    if (conflict !== undefined) return;
    for (const { write, version } of found) writeSlot(scope, write, version);
    then();
  };
  const last = held.at(-1);
  if (last === undefined) writeAll();
  else scope.after(last.request, writeAll);
  return () => conflict;
}

function writeSlot(scope: Scope, { name, value }: SlotWrite, version: number | undefined): void {
  if (value === undefined) {
    scope.table("slots").delete(name);
    return;
  }
  const held = value instanceof Uint8Array ? wholeBuffer(value) : value;
  scope.table("slots").put({ name, version: (version ?? 0) + 1, value: held });
}

/** The version of a stored row: 0 when there is none, `undefined` when it is damaged. */
function versionOf(row: unknown): number | undefined {
  if (row === undefined) return 0;
  const { version } = fieldsOf(row);
  return isCount(version) ? version : undefined;
}

const isStale = ({ expectedVersion }: SlotWrite, version: number | undefined): boolean =>
  expectedVersion !== undefined && expectedVersion !== version;

/** A row stores the whole buffer under a view, be the view ever so small; so a part of a buffer is copied first. */
function wholeBuffer(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : copyBytes(bytes);
}

/** Rows and the damage met on the way to them. */
export interface Rows<Row> {
  readonly sound: Row[];
  readonly damaged: Damage[];
}

const firstRows = 16;
const mostRows = 1024;

/** Read sound records after a position. Rows come in groups sized by what the rows so far weighed, so that memory is bounded. */
export function readLogRows(
  scope: Scope,
  range: { readonly after: number; readonly maxCount: number; readonly maxBytes: number },
): () => Rows<LogRecord> {
  const rows: Rows<LogRecord> = { sound: [], damaged: [] };
  let sizeBytes = 0;
  let isFull = range.maxCount <= 0;
  const take = (row: unknown, position: number): void => {
    const record = parseRecord(row);
    if (record === undefined) {
      rows.damaged.push({ kind: "record", position });
      return;
    }
    sizeBytes += record.bytes.length;
    isFull = rows.sound.length > 0 && sizeBytes > range.maxBytes;
    if (isFull) return;
    rows.sound.push(record);
    isFull = rows.sound.length >= range.maxCount;
  };
  const readGroup = (after: number, count: number): void => {
    if (isFull) return;
    scope.after(scope.table("log").getAll(IDBKeyRange.lowerBound(after, true), count), (group: unknown[]) => {
      let last = after;
      for (const row of group) {
        last = Number(fieldsOf(row).position);
        take(row, last);
        if (isFull) return;
      }
      const averageBytes = Math.max(1, sizeBytes / Math.max(1, rows.sound.length));
      const affordable = Math.min(
        (range.maxBytes - sizeBytes) / averageBytes,
        range.maxCount - rows.sound.length,
        mostRows,
      );
      if (group.length === count) readGroup(last, Math.max(1, Math.ceil(affordable)));
    });
  };
  readGroup(range.after, Math.max(1, Math.min(range.maxCount, firstRows)));
  return () => rows;
}

/** Read the records at these positions, in the order asked. */
export function readRecordRows(scope: Scope, positions: readonly number[]): () => Rows<LogRecord> {
  const table = scope.table("log");
  const asked = positions.filter(isCount).map((position) => ({ position, request: table.get(position) }));
  return () => {
    const rows: Rows<LogRecord> = { sound: [], damaged: [] };
    for (const { position, request } of asked) {
      if (request.result === undefined) continue;
      const record = parseRecord(request.result);
      if (record === undefined) rows.damaged.push({ kind: "record", position });
      else rows.sound.push(record);
    }
    return rows;
  };
}

/** Read the highest position, 0 when there is none. */
export function readLastPosition(scope: Scope): () => number {
  const request = scope.table("log").openKeyCursor(null, "prev");
  return () => Number(request.result?.key ?? 0);
}

/** Read all slots whose name starts with `prefix`, by name. */
export function readSlotRows(scope: Scope, prefix: string): () => Rows<Slot> {
  const request = scope.table("slots").getAll(rangeOfPrefix(prefix));
  return () => {
    const rows: Rows<Slot> = { sound: [], damaged: [] };
    for (const row of request.result as unknown[]) {
      const slot = parseSlot(row);
      if (slot === undefined) rows.damaged.push({ kind: "slot", slotName: String(fieldsOf(row).name) });
      else rows.sound.push(slot);
    }
    return rows;
  };
}

/** Read the slots of these names, in the order asked. */
export function readNamedSlotRows(scope: Scope, names: readonly string[]): () => Rows<Slot> {
  const table = scope.table("slots");
  const asked = names.map((slotName) => ({ slotName, request: table.get(slotName) }));
  return () => {
    const rows: Rows<Slot> = { sound: [], damaged: [] };
    for (const { request, slotName } of asked) {
      if (request.result === undefined) continue;
      const slot = parseSlot(request.result);
      if (slot === undefined) rows.damaged.push({ kind: "slot", slotName });
      else rows.sound.push(slot);
    }
    return rows;
  };
}

/** Read one slot row: a slot, nothing, or the word that it is damaged. */
export function readSlotRow(scope: Scope, name: string): () => Slot | "damaged" | undefined {
  const request = scope.table("slots").get(name);
  return () => (request.result === undefined ? undefined : (parseSlot(request.result) ?? "damaged"));
}

/** Read the log's epoch, `undefined` when there is none or it is damaged, and the highest position. */
export function readBeginning(
  scope: Scope,
): () => { readonly logEpoch: string | undefined; readonly lastPosition: number } {
  const request = scope.table("meta").get("logEpoch");
  const lastPosition = readLastPosition(scope);
  return () => ({ logEpoch: parseEpoch(request.result), lastPosition: lastPosition() });
}

/** Read the log's epoch, or store a new one when there is none or it is damaged. */
export function readOrMintEpoch(scope: Scope, freshBytes: Uint8Array): () => string {
  let logEpoch = bytesToHex(freshBytes);
  scope.after(scope.table("meta").get("logEpoch"), (row: unknown) => {
    const found = parseEpoch(row);
    if (found !== undefined) logEpoch = found;
    else scope.table("meta").put({ name: "logEpoch", value: logEpoch });
  });
  return () => logEpoch;
}

function parseEpoch(row: unknown): string | undefined {
  const { value } = fieldsOf(row);
  return typeof value === "string" && parseHex(value)?.length === 16 ? value : undefined;
}

function parseRecord(row: unknown): LogRecord | undefined {
  const { position, commitHash: hash, bytes, origin } = fieldsOf(row);
  const commitHash = parseId("CommitHash", hash);
  if (!isCount(position) || commitHash === undefined || !isOwnBytes(bytes) || typeof origin !== "string")
    return undefined;
  return { position, commitHash, bytes, origin };
}

function parseSlot(row: unknown): Slot | undefined {
  const { name, version, value } = fieldsOf(row);
  if (typeof name !== "string" || !isCount(version)) return undefined;
  return isOwnBytes(value) || value instanceof CryptoKey ? { name, version, value } : undefined;
}

const fieldsOf = (row: unknown): Readonly<Record<string, unknown>> =>
  typeof row === "object" && row !== null ? (row as Readonly<Record<string, unknown>>) : {};

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

const isOwnBytes = (value: unknown): value is Uint8Array<ArrayBuffer> =>
  value instanceof Uint8Array && value.buffer instanceof ArrayBuffer;

/** All names that start with `prefix`: up to, but without, the first name after them. */
function rangeOfPrefix(prefix: string): IDBKeyRange {
  let end = prefix.length - 1;
  while (end >= 0 && prefix.charCodeAt(end) === 0xffff) end--;
  if (end < 0) return IDBKeyRange.lowerBound(prefix);
  const after = prefix.slice(0, end) + String.fromCharCode(prefix.charCodeAt(end) + 1);
  return IDBKeyRange.bound(prefix, after, false, true);
}
