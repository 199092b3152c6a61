/**
 * What is kept about a remote, in slots of the tenant's store.
 *
 * | slot | value |
 * |---|---|
 * | `remote/<remoteId>/server` | the server's key(32), as it was first seen |
 * | `remote/<remoteId>/outbox` | outbox |
 * | `remote/<remoteId>/db/<dbId>` | database |
 * | `remote/<remoteId>/head/<dbId>` | the signed head that proved what was stored last: a frame, see frames.ts. Evidence, which sync never reads |
 * | `remote/<remoteId>/files` | files |
 *
 * | value | bytes |
 * |---|---|
 * | outbox | u8 1, logEpoch(16), u64 position, u64 everythingThrough, varint count (≤ 1024), count × commitHash(32) |
 * | files | u8 1, u16 count, count × (dbId(16), u64 epoch): the epochs of the logs since when its receipts for chunks of files count |
 * | database | u8 1, logEpoch(16), u64 epoch, u64 size, u8 isAuditPending, u8 count (≤ 53), count × node(32) |
 *
 * A value that cannot be read, or that speaks of another log than the one beside it, counts as absent: everything is pulled
 * and pushed again, which costs time and nothing else.
 */
import {
  ByteReader,
  bytesToId,
  ByteWriter,
  CofferError,
  equalBytes,
  idToBytes,
  parseId,
  readId,
  type CommitHash,
  type DbId,
} from "../std/index.ts";
import type { Store } from "../store/index.ts";
import type { DatabaseState, Effect, OutboxState } from "./engine-types.ts";
import { encodeFrame } from "./frames.ts";

const version = 1;
const nodeLimit = 53;
const refusedLimit = 1024;

/** The names of a remote's slots. */
export function remoteSlotNames(remoteId: string) {
  const prefix = `remote/${remoteId}/`;
  return {
    prefix,
    server: `${prefix}server`,
    outbox: `${prefix}outbox`,
    databasePrefix: `${prefix}db/`,
    headPrefix: `${prefix}head/`,
    files: `${prefix}files`,
  } as const;
}

/** A server's key, as the log's own conversation first saw it. @throws `net/offline` before there was one */
export async function readServerKey(store: Pick<Store, "readSlot">, remoteId: string): Promise<Uint8Array> {
  const slot = await store.readSlot(remoteSlotNames(remoteId).server);
  if (!(slot?.value instanceof Uint8Array) || slot.value.length !== 32)
    throw new CofferError("net/offline", { what: "server key" });
  return slot.value;
}

/** Write the outbox for the log of `logEpoch` (16 bytes). */
export function encodeOutbox(outbox: OutboxState, logEpoch: Uint8Array): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter()
    .u8(version)
    .fixed(logEpoch, 16)
    .u64(outbox.position)
    .u64(outbox.everythingThrough);
  writer.varint(outbox.refused.length);
  for (const hash of outbox.refused) writer.fixed(idToBytes(hash));
  return writer.toBytes();
}

/** Read an outbox; `undefined` when it is none of this log. */
export function parseOutbox(bytes: Uint8Array, logEpoch: Uint8Array): OutboxState | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version || !equalBytes(reader.fixed(16), logEpoch)) return undefined;
  const position = reader.u64();
  const everythingThrough = reader.u64();
  const count = reader.varint(refusedLimit);
  const hashes: Uint8Array[] = [];
  while (hashes.length < count && reader.error === undefined) hashes.push(reader.fixed(32));
  if (!reader.finish()) return undefined;
  const refused: readonly CommitHash[] = hashes.map((hash) => bytesToId("CommitHash", hash));
  return { position, everythingThrough, refused };
}

/** Write a database's state for the log of `logEpoch` (16 bytes). */
export function encodeDatabaseState(state: DatabaseState, logEpoch: Uint8Array): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().u8(version).fixed(logEpoch, 16).u64(state.epoch).u64(state.size);
  writer.u8(state.audit === undefined ? 0 : 1).u8(state.frontier.length);
  for (const node of state.frontier) writer.fixed(node, 32);
  return writer.toBytes();
}

/** The slots that hold some databases' states, the heads that prove them, and the outbox where it has changed. */
export function encodeStates(
  names: ReturnType<typeof remoteSlotNames>,
  { databases, outbox }: Pick<Extract<Effect, { kind: "store" }>, "databases" | "outbox">,
  logEpoch: Uint8Array,
): ReadonlyMap<string, Uint8Array<ArrayBuffer>> {
  const values = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const database of databases) {
    const { dbId, head } = database;
    values.set(names.databasePrefix + dbId, encodeDatabaseState(database, logEpoch));
    if (head !== undefined) values.set(names.headPrefix + dbId, encodeFrame({ type: "head", ...head }));
  }
  if (outbox !== undefined) values.set(names.outbox, encodeOutbox(outbox, logEpoch));
  return values;
}

/** Read a database's state; `undefined` when it is none of this log. A pending audit begins again at the epoch's start. */
export function parseDatabaseState(
  dbId: DbId,
  bytes: Uint8Array,
  logEpoch: Uint8Array,
): DatabaseState | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version || !equalBytes(reader.fixed(16), logEpoch)) return undefined;
  const epoch = reader.u64();
  const size = reader.u64();
  const auditFlag = reader.u8();
  const count = reader.u8();
  if (auditFlag > 1 || count > nodeLimit || count !== countOnes(size)) return undefined;
  const frontier: Uint8Array[] = [];
  while (frontier.length < count && reader.error === undefined) frontier.push(reader.fixed(32).slice());
  if (!reader.finish()) return undefined;
  if (auditFlag === 1) return { dbId, epoch, size: 0, frontier: [], headTimeMs: 0, audit: [] };
  return { dbId, epoch, size, frontier, headTimeMs: 0, audit: undefined };
}

/** Read the states of all databases among a remote's slots. */
export function parseDatabaseStates(
  slots: ReadonlyMap<string, { readonly value: Uint8Array }>,
  databasePrefix: string,
  logEpoch: Uint8Array,
): readonly DatabaseState[] {
  return [...slots].flatMap(([name, { value }]) => {
    const dbId = name.startsWith(databasePrefix)
      ? parseId("DbId", name.slice(databasePrefix.length))
      : undefined;
    return (dbId === undefined ? undefined : parseDatabaseState(dbId, value, logEpoch)) ?? [];
  });
}

function countOnes(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}

/** Write the epochs since when a remote's receipts for chunks count. */
export function encodeFileEpochs(epochs: ReadonlyMap<DbId, number>): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().u8(version).u16(epochs.size);
  for (const [dbId, epoch] of epochs) writer.fixed(idToBytes(dbId), 16).u64(epoch);
  return writer.toBytes();
}

/** Read these epochs; none when they cannot be read. */
export function parseFileEpochs(bytes: unknown): ReadonlyMap<DbId, number> {
  const none = new Map<DbId, number>();
  if (!(bytes instanceof Uint8Array)) return none;
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) return none;
  const count = reader.u16();
  const epochs = new Map<DbId, number>();
  for (let at = 0; at < count && reader.error === undefined; at++)
    epochs.set(readId(reader, "DbId"), reader.u64());
  return reader.finish() && epochs.size === count ? epochs : none;
}
