/**
 * Where a device keeps the ciphertexts of attachment chunks: beside the log, in a store of their own, so that opening a tenant reads none
 * of them. Whoever moves them needs no key.
 *
 * The store `<tenant's store>/chunks`, slots
 *
 * | slot | value |
 * |---|---|
 * | `c/<hash>` | a ciphertext, by its SHA-256, base64url |
 * | `p/<commitHash>` | a part: what this device has of the chunks of one commit |
 *
 * A part
 *
 * | field | size |
 * |---|---|
 * | version | u8, 1 |
 * | flags | u8: 1 a document names it, 2 it stays here, 4 it was written here |
 * | dbId, docId | 16, 16 |
 * | createdAt | u64, milliseconds since 1970, as its commit says: a server finds the commit by it |
 * | usedAt | u64, milliseconds since 1970 |
 * | count | u8, 1…16 |
 * | count × hash, size, isHere | 32, u32, u8 |
 * | remotes | u8, at most 16 |
 * | remotes × remoteId, received | text of at most 512 bytes, u16: a bit for each chunk that the remote has a receipt for |
 *
 * Guarantees
 * - C1 a part and the chunks that it says are here are written together, or not at all
 * - C2 a chunk that was written here is forgotten only when a remote gave a receipt for it, or nothing may be kept of it
 * - C3 a value that cannot be read counts as absent: what it told of is asked for again
 */
import {
  assert,
  bytesToBase64url,
  ByteReader,
  ByteWriter,
  bytesToId,
  CofferError,
  idToBytes,
  isCofferError,
  parseId,
  type CommitHash,
  type DbId,
  type DocId,
  type TenantId,
} from "../std/index.ts";
import type { SlotWrite, Storage, Store } from "../store/index.ts";
import { tenantStoreName } from "./link-slots.ts";

const version = 1;
const flagsOf = { named: 1, pinned: 2, own: 4 } as const;
const chunkPrefix = "c/";
const partPrefix = "p/";
const maxRemotes = 16;
const maxRemoteIdBytes = 512;
const maxAttempts = 16;
/** a part is noted as used once in this time */
const usedStepMs = 60 * 60 * 1000;

/** So many chunks has a part at most, and so large is a ciphertext. */
export const chunkLimits = { perPart: 16, ciphertextBytes: 300 * 1024 } as const;

/** A chunk as a device knows of it. */
export interface KnownChunk {
  /** SHA-256 of its ciphertext */
  readonly hash: Uint8Array;
  readonly sizeBytes: number;
  readonly isHere: boolean;
}

/** What a device has of the chunks of one commit. */
export interface StoredPart {
  readonly commitHash: CommitHash;
  readonly dbId: DbId;
  readonly docId: DocId;
  /** a document names it: it may be sent */
  readonly isNamed: boolean;
  /** it is never evicted */
  readonly isPinned: boolean;
  /** written on this device */
  readonly isOwn: boolean;
  readonly createdAtMs: number;
  readonly usedAtMs: number;
  readonly chunks: readonly KnownChunk[];
  /** by remote: a bit for each chunk that it gave a receipt for */
  readonly received: ReadonlyMap<string, number>;
}

/** Write a part: see the table above. */
export function encodeStoredPart(part: StoredPart): Uint8Array<ArrayBuffer> {
  const { chunks, createdAtMs, dbId, docId, received, usedAtMs } = part;
  assert(
    chunks.length >= 1 && chunks.length <= chunkLimits.perPart,
    "chunks: a part has from 1 to 16 chunks",
  );
  const flags =
    (part.isNamed ? flagsOf.named : 0) |
    (part.isPinned ? flagsOf.pinned : 0) |
    (part.isOwn ? flagsOf.own : 0);
  const writer = new ByteWriter(64 + chunks.length * 37).u8(version).u8(flags);
  writer
    .fixed(idToBytes(dbId), 16)
    .fixed(idToBytes(docId), 16)
    .u64(createdAtMs)
    .u64(usedAtMs)
    .u8(chunks.length);
  for (const { hash, isHere, sizeBytes } of chunks)
    writer
      .fixed(hash, 32)
      .u32(sizeBytes)
      .u8(isHere ? 1 : 0);
  const remotes = [...received].slice(-maxRemotes);
  writer.u8(remotes.length);
  for (const [remoteId, bits] of remotes) writer.text(remoteId).u16(bits);
  return writer.toBytes();
}

/** Read a part; `undefined` for anything that {@link encodeStoredPart} would not have written. */
export function parseStoredPart(commitHash: CommitHash, bytes: Uint8Array): StoredPart | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) reader.fail("version");
  const flags = reader.u8();
  if (flags > 7) reader.fail("flags");
  const dbId = reader.fixed(16);
  const docId = reader.fixed(16);
  const createdAtMs = reader.u64();
  const usedAtMs = reader.u64();
  const count = reader.u8();
  if (count < 1 || count > chunkLimits.perPart) reader.fail("count");
  const chunks: KnownChunk[] = [];
  while (chunks.length < count && reader.error === undefined) {
    const hash = reader.fixed(32);
    const sizeBytes = reader.u32();
    const isHere = reader.u8();
    if (isHere > 1 || sizeBytes > chunkLimits.ciphertextBytes) reader.fail("chunk");
    chunks.push({ hash, sizeBytes, isHere: isHere === 1 });
  }
  const remotes = reader.u8();
  if (remotes > maxRemotes) reader.fail("remotes");
  const received = new Map<string, number>();
  for (let index = 0; index < remotes && reader.error === undefined; index++)
    received.set(reader.text(maxRemoteIdBytes), reader.u16());
  if (!reader.finish() || received.size !== remotes) return undefined;
  return {
    commitHash,
    dbId: bytesToId("DbId", dbId),
    docId: bytesToId("DocId", docId),
    isNamed: (flags & flagsOf.named) !== 0,
    isPinned: (flags & flagsOf.pinned) !== 0,
    isOwn: (flags & flagsOf.own) !== 0,
    createdAtMs,
    usedAtMs,
    chunks,
    received,
  };
}

/** The store of a tenant's chunks. */
export function chunkStoreName(scope: string, tenantId: TenantId): string {
  return `${tenantStoreName(scope, tenantId)}/chunks`;
}

/** The chunks of one tenant on this device. The store is made by the first write. */
export class ChunkStore {
  readonly #storage: Storage;
  readonly #name: string;
  #store: Promise<Store> | undefined;

  constructor(storage: Storage, scope: string, tenantId: TenantId) {
    this.#storage = storage;
    this.#name = chunkStoreName(scope, tenantId);
  }

  /** Keep the chunks of a commit that was made here; the commit may be stored when the promise resolves. */
  async addOwn(
    place: Pick<StoredPart, "commitHash" | "dbId" | "docId" | "createdAtMs">,
    ciphertexts: readonly { readonly hash: Uint8Array; readonly bytes: Uint8Array }[],
    nowMs: number,
  ): Promise<void> {
    const chunks = ciphertexts.map(({ bytes, hash }) => ({ hash, sizeBytes: bytes.length, isHere: true }));
    const state = { isNamed: false, isPinned: false, isOwn: true, usedAtMs: nowMs, received: new Map() };
    const part: StoredPart = { ...place, ...state, chunks };
    const slots = ciphertexts.map(({ bytes, hash }) => ({
      name: chunkSlot(hash),
      value: new Uint8Array(bytes),
    }));
    const store = await this.#open();
    await store.write({
      slots: [...slots, { name: partSlot(part.commitHash), value: encodeStoredPart(part) }],
    });
  }

  /** The part of a commit; `undefined` when this device knows none of it. */
  async part(commitHash: CommitHash): Promise<StoredPart | undefined> {
    return (await this.#readPart(commitHash))?.part;
  }

  /** All parts that this device knows of. A tenant without any has no store, and gets none. */
  async parts(): Promise<readonly StoredPart[]> {
    const store = await this.#existing();
    const slots = (await store?.readSlots(partPrefix)) ?? [];
    return slots.flatMap(({ name, value }) => {
      const commitHash = parseId("CommitHash", name.slice(partPrefix.length));
      const isRead = commitHash !== undefined && value instanceof Uint8Array;
      return (isRead ? parseStoredPart(commitHash, value) : undefined) ?? [];
    });
  }

  /** A ciphertext; `undefined` when it is not here. */
  async chunk(hash: Uint8Array): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const slot = await readable((await this.#existing())?.readSlot(chunkSlot(hash)));
    return slot?.value instanceof Uint8Array ? slot.value : undefined;
  }

  /** Keep a chunk that was fetched. Its hash was verified by the caller. */
  async addFetched(part: StoredPart, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const chunk = part.chunks[index];
    assert(chunk !== undefined && bytes.length === chunk.sizeBytes, "chunks: what is kept is what was named");
    await this.#change(
      part.commitHash,
      (before = part) => ({
        ...before,
        chunks: before.chunks.map((known, at) => (at === index ? { ...known, isHere: true } : known)),
      }),
      () => [{ name: chunkSlot(chunk.hash), value: bytes }],
    );
  }

  /** Change what is known of a part that is there. `edit` gives it as it will be, or `undefined` to leave it. */
  async edit(commitHash: CommitHash, edit: (before: StoredPart) => StoredPart | undefined): Promise<void> {
    if ((await this.#existing()) === undefined) return;
    await this.#change(commitHash, (before) => before && edit(before));
  }

  /** Note that a part was used now: what was used last is evicted last. */
  async touch(part: StoredPart, nowMs: number): Promise<void> {
    if (nowMs - part.usedAtMs < usedStepMs) return;
    await this.edit(part.commitHash, (before) => ({ ...before, usedAtMs: nowMs }));
  }

  /** Forget the ciphertexts of a part, but not that it is there; those that must stay (C2) stay. @returns bytes that were freed */
  async evict(commitHash: CommitHash): Promise<number> {
    let freed = 0;
    let gone: readonly KnownChunk[] = [];
    const edit = (before: StoredPart | undefined): StoredPart | undefined => {
      if (before === undefined || before.isPinned) return undefined;
      const mayGo = before.chunks.map(
        (chunk, index) => chunk.isHere && (!before.isOwn || isReceived(before, index)),
      );
      gone = before.chunks.filter((_, index) => mayGo[index]);
      freed = gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      if (gone.length === 0) return undefined;
      return {
        ...before,
        chunks: before.chunks.map((chunk, index) => ({ ...chunk, isHere: chunk.isHere && !mayGo[index] })),
      };
    };
    if ((await this.#existing()) !== undefined)
      await this.#change(commitHash, edit, () =>
        gone.map(({ hash }) => ({ name: chunkSlot(hash), value: undefined })),
      );
    return freed;
  }

  /** Erase parts with all that is here of them. */
  async erase(parts: readonly StoredPart[]): Promise<void> {
    const store = await this.#existing();
    for (const { chunks, commitHash } of parts) {
      const names = [partSlot(commitHash), ...chunks.map(({ hash }) => chunkSlot(hash))];
      await store?.write({ slots: names.map((name) => ({ name, value: undefined })), durability: "strict" });
    }
  }

  /** Close it; the next call opens it again. */
  close(): void {
    const store = this.#store;
    this.#store = undefined;
    store?.then(
      (open) => open.close(),
      () => undefined,
    );
  }

  /** Delete all of it. */
  async destroy(): Promise<void> {
    const store = await this.#existing();
    this.#store = undefined;
    await store?.destroy();
  }

  #open(): Promise<Store> {
    const opening = (this.#store ??= this.#storage.openStore(this.#name));
    opening.catch(() => {
      if (this.#store === opening) this.#store = undefined;
    });
    return opening;
  }

  async #existing(): Promise<Store | undefined> {
    if (this.#store !== undefined) return this.#store;
    // Where the platform cannot list stores, it is taken to be there.
    const names = await this.#storage.listStores().catch(() => [this.#name]);
    return names.includes(this.#name) ? this.#open() : undefined;
  }

  async #readPart(commitHash: CommitHash) {
    const slot = await readable((await this.#existing())?.readSlot(partSlot(commitHash)));
    const part = slot?.value instanceof Uint8Array ? parseStoredPart(commitHash, slot.value) : undefined;
    return { part, version: slot?.version };
  }

  async #change(
    commitHash: CommitHash,
    edit: (before: StoredPart | undefined) => StoredPart | undefined,
    further: () => readonly SlotWrite[] = () => [],
  ): Promise<void> {
    const store = await this.#open();
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const { part, version: expectedVersion = 0 } = await this.#readPart(commitHash);
      const after = edit(part);
      if (after === undefined) return;
      const slot = { name: partSlot(commitHash), value: encodeStoredPart(after), expectedVersion };
      const written = await store.write({ slots: [slot, ...further()] });
      if (written.kind === "stored") return;
    }
    throw new CofferError("store/failed", { reason: "conflict" });
  }
}

/** Whether some remote gave a receipt for a chunk. */
export function isReceived({ received }: StoredPart, index: number): boolean {
  return [...received.values()].some((bits) => (bits & (1 << index)) !== 0);
}

/** C3: a damaged slot is none. */
async function readable<T>(reading: Promise<T | undefined> | undefined): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (!isCofferError(error) || error.code !== "entry/corrupt") throw error;
    return undefined;
  }
}

const chunkSlot = (hash: Uint8Array): string => chunkPrefix + bytesToBase64url(hash);
const partSlot = (commitHash: CommitHash): string => partPrefix + commitHash;
