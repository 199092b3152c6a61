/**
 * Writes a tenant of this device as one file, see backup-codec.ts: its keys and names as they rest here, sealed under their vaults, and
 * the log, and what is here of the bytes of attachments. Whether it is locked does not matter: nothing is opened.
 *
 * ```
 * content (records) ──► chunks ──► pass 1: size and hash ──► header ──► pass 2: seal ──► bytes
 * ```
 * Guarantees
 * - K1 it holds a page of the log, a part of an attachment and a chunk at a time, however much there is
 * - K2 a file that broke off goes on with identical bytes, or not at all: where keys, names or the log before its end have changed since
 *      (a document was purged), or other bytes of attachments are here, it says so, for one key must never seal two contents
 */
import {
  CofferError,
  concatBytes,
  equalBytes,
  idToBytes,
  type AuthorKey,
  type CommitHash,
  type TenantId,
} from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { requireStrongPassword } from "../keys/index.ts";
import type { Store } from "../store/index.ts";
import { linkSlots, type ChunkStore } from "../sync/index.ts";
import {
  backupChunkBytes,
  chainHash,
  createBackupKey,
  emptyChain,
  fileSizeOf,
  openBackupKey,
  readBackupHeader,
  sealChunk,
  sealedSizeOf,
  type BackupHeader,
  type BackupKey,
} from "./backup-codec.ts";
import { encodeBackupRecord, isBackedUpSlot, type BackupRecord } from "./backup-records.ts";
import type { Device, DeviceTenant } from "./device.ts";
import { readImported } from "./imported-keys.ts";
import { slotNames } from "./slots.ts";

const page = { maxCount: 256, maxBytes: 1024 * 1024 } as const;

/** What is backed up. */
export interface BackupSource {
  readonly crypto: Crypto;
  readonly device: Device;
  readonly store: Store;
  readonly chunks: ChunkStore;
  readonly tenantId: TenantId;
}

/** How a file is to be. `resume`: its first bytes, with the header whole, and how many bytes of it are kept. */
export interface ExportOptions {
  readonly password: string;
  readonly documents: boolean;
  /** with the bytes of attachments, where documents are in it and there are any */
  readonly files: boolean;
  readonly resume: { readonly header: Uint8Array; readonly sizeBytes: number } | undefined;
}

/**
 * Begin a file, or go on with one.
 *
 * @returns its bytes in pieces of at most a chunk, from `resume.sizeBytes` on
 * @throws `input/weak-password`, `key/missing` when the tenant's keys are lost, and for a file to go on with: `entry/corrupt`,
 *   `protocol/version`, `key/parameters`, `key/wrong-password`, `input/invalid` when it is another tenant's or this one has changed
 */
export async function openBackup(
  source: BackupSource,
  options: ExportOptions,
): Promise<AsyncGenerator<Uint8Array<ArrayBuffer>, void>> {
  const { crypto, store, tenantId } = source;
  const { documents, files, password, resume } = options;
  const known = resume === undefined ? undefined : requireHeader(source, resume.header);
  if (known === undefined) requireStrongPassword(password);
  const hasLog = known?.hasLog ?? documents;
  const endPosition = known?.endPosition ?? (hasLog ? await store.lastPosition() : 0);
  const hasChunks = known?.hasChunks ?? (hasLog && files && (await hasAnyChunk(source)));
  const keys = await encodeKeys(source);
  const content = (): AsyncGenerator<Uint8Array, void> => contentOf(source, keys, { endPosition, hasChunks });
  const measured = await measure(crypto, content());
  if (known !== undefined) {
    if (!equalBytes(measured.contentHash, known.contentHash)) throw changed("input/invalid");
    const key = await openBackupKey(crypto, password, known);
    if ((resume?.sizeBytes ?? 0) > fileSizeOf(known))
      throw new CofferError("input/invalid", { reason: "size" });
    return seal(crypto, { key, ...measured }, content(), resume?.sizeBytes ?? 0);
  }
  const parameters = crypto.createKdfParameters();
  const fileNonce = crypto.randomBytes(32);
  const claim = { hasLog, hasChunks, tenantId, fileNonce, endPosition, parameters, ...measured };
  return seal(crypto, { key: await createBackupKey(crypto, password, claim), ...measured }, content(), 0);
}

function requireHeader({ crypto, tenantId }: BackupSource, bytes: Uint8Array): BackupHeader {
  const verdict = readBackupHeader(crypto, bytes);
  if (verdict.kind !== "header")
    throw new CofferError(verdict.kind === "short" ? "entry/corrupt" : verdict.code, { what: "backup" });
  if (verdict.header.tenantId !== tenantId)
    throw new CofferError("input/invalid", { reason: "other tenant" });
  return verdict.header;
}

function changed(code: "input/invalid" | "aborted"): CofferError {
  const message = "This tenant has changed since the backup was begun. Begin a new file.";
  return new CofferError(code, { reason: "changed", message });
}

/** What a content comes to. */
interface Measured {
  readonly contentSizeBytes: number;
  readonly contentHash: Uint8Array;
}

async function measure(crypto: Crypto, content: AsyncGenerator<Uint8Array, void>): Promise<Measured> {
  let contentSizeBytes = 0;
  let contentHash = emptyChain;
  for await (const chunk of cut(content)) {
    contentSizeBytes += chunk.length;
    contentHash = chainHash(crypto, contentHash, chunk);
  }
  return { contentSizeBytes, contentHash };
}

async function* seal(
  crypto: Crypto,
  file: Measured & { readonly key: BackupKey },
  content: AsyncGenerator<Uint8Array, void>,
  from: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const { header, chunkCount } = file.key;
  if (from < header.length) yield header.slice(from);
  let end = header.length;
  let index = 0;
  let chain = emptyChain;
  for await (const chunk of cut(content)) {
    chain = chainHash(crypto, chain, chunk);
    const isLast = index === chunkCount - 1;
    if (index >= chunkCount || (isLast && !equalBytes(chain, file.contentHash))) throw changed("aborted");
    const start = end;
    end += sealedSizeOf(file, index);
    if (end > from) {
      const sealed = await sealChunk(crypto, file.key, index, chunk);
      yield sealed.slice(Math.max(0, from - start));
    }
    index++;
  }
  if (index !== chunkCount) throw changed("aborted");
}

/** Cut a stream into chunks of full size; the last one is what is left. */
async function* cut(pieces: AsyncGenerator<Uint8Array, void>): AsyncGenerator<Uint8Array, void> {
  let chunk = new Uint8Array(backupChunkBytes);
  let filled = 0;
  for await (const piece of pieces) {
    for (let taken = 0; taken < piece.length;) {
      const part = piece.subarray(taken, taken + backupChunkBytes - filled);
      chunk.set(part, filled);
      filled += part.length;
      taken += part.length;
      if (filled < backupChunkBytes) continue;
      yield chunk;
      chunk = new Uint8Array(backupChunkBytes);
      filled = 0;
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

async function* contentOf(
  source: BackupSource,
  keys: Uint8Array,
  { endPosition, hasChunks }: { readonly endPosition: number; readonly hasChunks: boolean },
): AsyncGenerator<Uint8Array, void> {
  const { chunks, crypto, store } = source;
  const parts = new Set(hasChunks ? (await chunks.parts()).map(({ commitHash }) => commitHash) : []);
  const held: CommitHash[] = [];
  yield keys;
  let commitCount = 0;
  let commitsHash = emptyChain;
  for (let after = 0; after < endPosition;) {
    const records = await store.readLog({ after, ...page });
    if (records.length === 0) break;
    for (const { position, commitHash, bytes } of records) {
      after = position;
      if (position > endPosition) break;
      commitCount++;
      commitsHash = chainHash(crypto, commitsHash, idToBytes(commitHash));
      if (parts.has(commitHash)) held.push(commitHash);
      yield encodeBackupRecord({ kind: "commit", bytes });
    }
  }
  yield encodeBackupRecord({ kind: "end", commitCount, commitsHash });
  if (hasChunks) yield* chunksOf(source, held);
}

/** What is here of these parts. */
async function* chunksOf(
  { chunks }: BackupSource,
  commitHashes: readonly CommitHash[],
): AsyncGenerator<Uint8Array, void> {
  let chunkCount = 0;
  for (const commitHash of commitHashes) {
    const part = await chunks.part(commitHash);
    if (part === undefined) continue;
    const bytes = await Promise.all(
      part.chunks.map(async ({ hash, isHere }) => (isHere ? (await chunks.chunksOf([hash]))[0] : undefined)),
    );
    const which = bytes.reduce((bits, chunk, index) => (chunk === undefined ? bits : bits | (1 << index)), 0);
    if (which === 0) continue;
    yield encodeBackupRecord({ kind: "part", commitHash, isNamed: part.isNamed, which });
    for (const chunk of bytes) {
      if (chunk === undefined) continue;
      chunkCount++;
      yield encodeBackupRecord({ kind: "chunk", bytes: chunk });
    }
  }
  yield encodeBackupRecord({ kind: "chunks", chunkCount });
}

async function hasAnyChunk({ chunks }: BackupSource): Promise<boolean> {
  return (await chunks.parts()).some((part) => part.chunks.some(({ isHere }) => isHere));
}

/** Everything but the log: small, and read once, so that both passes see the same. */
async function encodeKeys(source: BackupSource): Promise<Uint8Array> {
  const row = await source.device.readTenant(source.tenantId);
  const { adminKey, createdAtMs, genesis, userKey } = row;
  const records: BackupRecord[] = [{ kind: "tenant", userKey, adminKey, createdAtMs, genesis }];
  for (const key of vaultKeysOf(row))
    records.push({ kind: "vault", key, vault: await source.device.readVault(key) });
  for (const [name, value] of await readSlots(source.store)) records.push({ kind: "slot", name, value });
  return concatBytes(...records.map(encodeBackupRecord));
}

function vaultKeysOf({ adminKey, userKey }: DeviceTenant): readonly AuthorKey[] {
  return adminKey === undefined || adminKey === userKey ? [userKey] : [userKey, adminKey];
}

async function readSlots(store: Store): Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>> {
  const slots = new Map<string, Uint8Array<ArrayBuffer>>();
  // What was imported and never unlocked is the only bag there is.
  for (const { bag, names } of await readImported(store)) {
    slots.set(slotNames.bag, bag.value);
    slots.set(slotNames.names, names.value);
  }
  const own = await Promise.all(
    [...Object.values(slotNames), linkSlots.links, linkSlots.documentsOnly].map((name) =>
      store.readSlot(name),
    ),
  );
  for (const slot of [...own, ...(await store.readSlots("remote/"))])
    if (slot?.value instanceof Uint8Array && isBackedUpSlot(slot.name)) slots.set(slot.name, slot.value);
  if (!slots.has(slotNames.bag) || !slots.has(slotNames.names))
    throw new CofferError("key/missing", { what: "tenant" });
  return new Map([...slots].sort(([a], [b]) => (a < b ? -1 : 1)));
}
