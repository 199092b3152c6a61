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
 * | `shared` | nothing: its version counts the parts that were written here with chunks that others may have too |
 * | `budget` | u8 version 1, u64 bytes: what this device keeps of files at most, as far as it may; none: as much as there is room for |
 *
 * The form of a part is in `stored-part.ts`.
 *
 * Guarantees
 * - C1 a part and the chunks that it says are here are written together, or not at all
 * - C2 a chunk that was written here, or that a backup, a bundle or a peer brought, is forgotten only when a remote gave a receipt for it, or nothing may be kept
 *      of it. One that was fetched may go without one: that a server handed out bytes with the hash that was asked for shows that it has
 *      them, which is all that a receipt says
 * - C3 on a full disk what may go goes, what was used longest ago first, before anything is refused
 * - C4 a value that cannot be read counts as absent: what it told of is asked for again
 * - C5 a chunk that several parts name stays as long as one of them has it here, whoever adds and takes away at the same time
 */
import {
  assert,
  bytesToBase64url,
  ByteReader,
  ByteWriter,
  CofferError,
  isCofferError,
  parseId,
  type CommitHash,
  type Release,
  type TenantId,
} from "../std/index.ts";
import type { SlotWrite, Storage, Store } from "../store/index.ts";
import { chooseEvictions, factsOf, mayGo } from "./chunk-eviction.ts";
import { tenantStoreName } from "./link-slots.ts";
import {
  encodeStoredPart,
  isUnjudged,
  parseStoredPart,
  type KnownChunk,
  type StoredPart,
} from "./stored-part.ts";

const version = 1;
const chunkPrefix = "c/";
const partPrefix = "p/";
const maxAttempts = 16;
/** a part is noted as used once in this time */
const usedStepMs = 60 * 1000;
const budgetSlot = "budget";
const sharedSlot = "shared";
/** on a full disk so much is made room for, beyond what is to be stored */
const minFreedBytes = 4096;
const spareBytes = 16 * 1024 * 1024;

/** The store of a tenant's chunks. */
export function chunkStoreName(scope: string, tenantId: TenantId): string {
  return `${tenantStoreName(scope, tenantId)}/chunks`;
}

/** The chunks of one tenant on this device. The store is made by the first write. */
export class ChunkStore {
  readonly #storage: Storage;
  readonly name: string;
  readonly #listeners = new Set<(commitHash: CommitHash | undefined) => void>();
  #store: Promise<Store> | undefined;

  constructor(storage: Storage, scope: string, tenantId: TenantId) {
    this.#storage = storage;
    this.name = chunkStoreName(scope, tenantId);
  }

  /** Keep the chunks of a commit that was made here; the commit may be stored when the promise resolves. */
  async addOwn(
    place: Pick<StoredPart, "commitHash" | "dbId" | "docId" | "createdAtMs">,
    ciphertexts: readonly { readonly hash: Uint8Array; readonly bytes: Uint8Array }[],
    ...[nowMs, isShared = false]: readonly [nowMs: number, isShared?: boolean]
  ): Promise<void> {
    const chunks = ciphertexts.map(({ bytes, hash }) => ({ hash, sizeBytes: bytes.length, isHere: true }));
    const state = { isNamed: false, isPinned: false, isOwn: true, usedAtMs: nowMs, received: new Map() };
    const part: StoredPart = { ...place, ...state, chunks };
    // One part can have a chunk several times.
    const values = new Map(ciphertexts.map(({ bytes, hash }) => [chunkSlot(hash), new Uint8Array(bytes)]));
    const slots: SlotWrite[] = [...values].map(([name, value]) => ({ name, value }));
    if (isShared) slots.push({ name: sharedSlot, value: new Uint8Array() });
    await this.#write([...slots, { name: partSlot(part.commitHash), value: encodeStoredPart(part) }]);
    this.#tell(part.commitHash);
  }

  /** Hear of parts that this handle changed; `undefined`: of the budget. */
  onChange(listener: (commitHash: CommitHash | undefined) => void): Release {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
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

  /** Ciphertexts, in the order asked, read at once; `undefined` for one that is not here. */
  async chunksOf(hashes: readonly Uint8Array[]): Promise<readonly (Uint8Array<ArrayBuffer> | undefined)[]> {
    const names = hashes.map(chunkSlot);
    const slots = (await (await this.#existing())?.readSlots([...new Set(names)])) ?? [];
    const values = new Map(slots.map(({ name, value }) => [name, value]));
    return names.map((name) => {
      const value = values.get(name);
      return value instanceof Uint8Array ? value : undefined;
    });
  }

  /** Keep a chunk that was fetched. Its hash was verified by the caller. */
  async addFetched(part: StoredPart, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const chunk = part.chunks[index];
    assert(chunk !== undefined && bytes.length === chunk.sizeBytes, "chunks: kept as named");
    await this.change(
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
    await this.change(commitHash, (before) => before && edit(before));
  }

  /** Forget the ciphertexts of a part, but not that it is there; those that must stay (C2) stay. @returns bytes that were freed */
  async evict(commitHash: CommitHash): Promise<number> {
    let freed = 0;
    let gone: readonly KnownChunk[] = [];
    const edit = (before: StoredPart | undefined): StoredPart | undefined => {
      const goes = before?.chunks.map(({ isHere }, index) => isHere && mayGo(before, index)) ?? [];
      gone = before === undefined || before.isPinned ? [] : before.chunks.filter((_, index) => goes[index]);
      if (before === undefined || gone.length === 0) return undefined;
      const chunks = before.chunks.map((chunk, index) => ({
        ...chunk,
        isHere: chunk.isHere && !goes[index],
      }));
      return { ...before, chunks };
    };
    if ((await this.#existing()) !== undefined)
      await this.change(commitHash, edit, async () => {
        const { chunks, slots } = await removal(await this.#open(), () => this.parts(), { commitHash, gone });
        freed = chunks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
        return slots;
      });
    return freed;
  }

  /** Pin a part, or let it go again; what is pinned is not evicted. It need not be here yet. */
  async pin(part: StoredPart, isPinned: boolean): Promise<void> {
    if (!isPinned && (await this.#existing()) === undefined) return;
    const edit = (before?: StoredPart): StoredPart | undefined =>
      (before?.isPinned ?? false) === isPinned ? undefined : { ...(before ?? part), isPinned };
    await this.change(part.commitHash, edit);
  }

  /** What this device keeps of files at most; `undefined`: as much as there is room for. */
  async budget(): Promise<number | undefined> {
    const slot = await readable((await this.#existing())?.readSlot(budgetSlot));
    const reader = new ByteReader(slot?.value instanceof Uint8Array ? slot.value : new Uint8Array());
    const isRead = reader.u8() === version;
    const bytes = reader.u64();
    return isRead && reader.finish() ? bytes : undefined;
  }

  /** Set the budget. Keeping to it is the caller's: see {@link freeChunks}. */
  async setBudget(bytes: number | undefined): Promise<void> {
    if (bytes === undefined && (await this.#existing()) === undefined) return;
    const value = bytes === undefined ? undefined : new ByteWriter(9).u8(version).u64(bytes).toBytes();
    await this.#write([{ name: budgetSlot, value }]);
    this.#tell(undefined);
  }

  /** Erase parts with all that is here of them, but for what other parts have too. */
  async erase(parts: readonly StoredPart[]): Promise<void> {
    const store = await this.#existing();
    for (const { chunks, commitHash } of parts) {
      let isErased = store === undefined;
      for (let attempt = 0; attempt < maxAttempts && !isErased; attempt++) {
        const { slots } = await removal(await this.#open(), () => this.parts(), { commitHash, gone: chunks });
        const own = { name: partSlot(commitHash), value: undefined };
        isErased = (await store?.write({ slots: [own, ...slots], durability: "strict" }))?.kind === "stored";
      }
      if (!isErased) throw new CofferError("store/failed", { reason: "conflict" });
      this.#tell(commitHash);
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
    const opening = (this.#store ??= this.#storage.openStore(this.name));
    opening.catch(() => {
      if (this.#store === opening) this.#store = undefined;
    });
    return opening;
  }

  async #existing(): Promise<Store | undefined> {
    if (this.#store !== undefined) return this.#store;
    // Where the platform cannot list stores, it is taken to be there.
    const names = await this.#storage.listStores().catch(() => [this.name]);
    return names.includes(this.name) ? this.#open() : undefined;
  }

  async #readPart(commitHash: CommitHash) {
    const slot = await readable((await this.#existing())?.readSlot(partSlot(commitHash)));
    const part = slot?.value instanceof Uint8Array ? parseStoredPart(commitHash, slot.value) : undefined;
    return { part, version: slot?.version };
  }

  /** Change what is known of a part, `undefined` leaves it, and write further slots with it. {@link edit} is for a part that is there. */
  async change(
    commitHash: CommitHash,
    edit: (before: StoredPart | undefined) => StoredPart | undefined,
    further: () => readonly SlotWrite[] | Promise<readonly SlotWrite[]> = () => [],
  ): Promise<void> {
    await this.#open();
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const { part, version: expectedVersion = 0 } = await this.#readPart(commitHash);
      const after = edit(part);
      if (after === undefined) return;
      const slot = { name: partSlot(commitHash), value: encodeStoredPart(after), expectedVersion };
      if (!(await this.#write([slot, ...(await further())]))) continue;
      this.#tell(commitHash);
      return;
    }
    throw new CofferError("store/failed", { reason: "conflict" });
  }

  /** C3. @returns whether it was stored; nothing of it is where somebody else was first */
  async #write(slots: readonly SlotWrite[]): Promise<boolean> {
    const store = await this.#open();
    try {
      return (await store.write({ slots })).kind === "stored";
    } catch (error) {
      const bytes = slots.reduce(
        (sum, { value }) => sum + (value instanceof Uint8Array ? value.length : 0),
        0,
      );
      // What frees bytes stores next to none: it does not come here again.
      if (!isCofferError(error) || error.code !== "store/quota" || bytes < minFreedBytes) throw error;
      if ((await freeChunks(this, bytes + spareBytes)) === 0) throw error;
      return (await store.write({ slots })).kind === "stored";
    }
  }

  #tell(commitHash: CommitHash | undefined): void {
    for (const listener of this.#listeners) listener(commitHash);
  }
}

/**
 * Keep chunks of a part that a backup or another device brought, by their indexes. The caller verified that they are what its commit names.
 * Who brought them has them no more, perhaps: until a remote gave a receipt they stay, as what was written here. Where nobody has judged their
 * commit, they may go.
 */
export async function keepRestored(
  chunks: ChunkStore,
  part: StoredPart,
  bytes: ReadonlyMap<number, Uint8Array<ArrayBuffer>>,
): Promise<void> {
  const edit = (before: StoredPart = part): StoredPart => {
    const isVouched = before.isNamed || part.isOwn;
    const isNew = before.chunks.some(({ isHere }, at) => !isHere && bytes.has(at));
    return {
      ...before,
      isNamed: before.isNamed || part.isNamed,
      usedAtMs: isUnjudged(before) ? Math.max(before.usedAtMs, part.usedAtMs) : before.usedAtMs,
      isOwn: before.isOwn || (isVouched && isNew),
      chunks: before.chunks.map((known, at) => (bytes.has(at) ? { ...known, isHere: true } : known)),
    };
  };
  const named = [...bytes].map(([index, value]) => {
    const chunk = part.chunks[index];
    assert(chunk !== undefined && value.length === chunk.sizeBytes, "chunks: what is kept is what was named");
    return [chunkSlot(chunk.hash), value] as const;
  });
  // One part can have a chunk several times.
  const slots = [...new Map(named)].map(([name, value]) => ({ name, value }));
  const shared = { name: sharedSlot, value: new Uint8Array() };
  await chunks.change(part.commitHash, edit, () => [...slots, shared]);
}

/** Note that a part was used now: what was used last is evicted last. */
export async function touchPart(chunks: ChunkStore, part: StoredPart, nowMs: number): Promise<void> {
  if (nowMs - part.usedAtMs < usedStepMs) return;
  await chunks.edit(part.commitHash, (before) => ({ ...before, usedAtMs: nowMs }));
}

/** Free so many bytes, or as many as may go: what was used longest ago first. @returns bytes that were freed */
export async function freeChunks(chunks: ChunkStore, bytes: number): Promise<number> {
  let freed = 0;
  for (const commitHash of chooseEvictions((await chunks.parts()).map(factsOf), bytes))
    freed += await chunks.evict(commitHash);
  return freed;
}

/** C4: a damaged slot is none. */
async function readable<T>(reading: Promise<T | undefined> | undefined): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (!isCofferError(error) || error.code !== "entry/corrupt") throw error;
    return undefined;
  }
}

/** C5: of chunks that go with a part those that no other one has here, and what removes them, unless somebody writes such a part meanwhile. */
async function removal(
  store: Store,
  readParts: () => Promise<readonly StoredPart[]>,
  { commitHash, gone }: { readonly commitHash: CommitHash; readonly gone: readonly KnownChunk[] },
): Promise<{ readonly chunks: readonly KnownChunk[]; readonly slots: readonly SlotWrite[] }> {
  // First the version, then what it vouches for.
  const expectedVersion = (await readable(store.readSlot(sharedSlot)))?.version ?? 0;
  const others = (await readParts()).filter((part) => part.commitHash !== commitHash);
  const named = new Set(
    others.flatMap(({ chunks }) => chunks.flatMap(({ hash, isHere }) => (isHere ? chunkSlot(hash) : []))),
  );
  const alone = new Map(
    gone.filter(({ hash }) => !named.has(chunkSlot(hash))).map((chunk) => [chunkSlot(chunk.hash), chunk]),
  );
  const chunks = [...alone.values()];
  const slots = [...alone.keys()].map((name) => ({ name, value: undefined }));
  // Where nothing is shared, nothing is left that says so.
  const isShared = expectedVersion > 0 || chunks.length < gone.length;
  const value = isShared ? new Uint8Array() : undefined;
  return { chunks, slots: [...slots, { name: sharedSlot, value, expectedVersion }] };
}

const chunkSlot = (hash: Uint8Array): string => chunkPrefix + bytesToBase64url(hash);
const partSlot = (commitHash: CommitHash): string => partPrefix + commitHash;
