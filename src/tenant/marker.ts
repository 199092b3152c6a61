/**
 * The marker of what is being judged, so that a commit that kills its worker does so a few times and no more.
 *
 * | slot | value |
 * |---|---|
 * | `judging/<thread>` | u8 version (1) ‖ u64 first position ‖ u64 last position ‖ u8 deaths: what this thread is judging |
 * | `poison` | u8 version (1) ‖ varint count (≤ 256) ‖ count × commitHash(32): what is not judged any more |
 *
 * ```
 * judge a slice ──dies──► its range is found at the next start, and judged one by one ──dies──► the one is judged once more, alone
 *                                                                                          └── three times ──► it is poison
 * ```
 * A thread holds a lock while it lives; a marker whose lock is free belongs to a dead one. A closed tab or a browser that crashed
 * leaves a marker too: that costs judging one slice with care. Only commits of others are marked: what this device wrote, it applied.
 */
import {
  ByteReader,
  ByteWriter,
  bytesToHex,
  bytesToId,
  idToBytes,
  isCofferError,
  type CommitHash,
  type Release,
} from "../std/index.ts";
import type { SlotWrite, Store } from "../store/index.ts";
import type { TenantWorld } from "./core.ts";

const version = 1;
const poisonSlot = "poison";
const markerPrefix = "judging/";
const maxPoison = 256;
const deadly = 3;

interface Range {
  readonly from: number;
  readonly to: number;
  /** how many threads died over it alone */
  readonly deaths: number;
}

/** Marks what one thread is judging. */
export class Marker {
  readonly #store: Store;
  readonly #slot: string;
  readonly #release: Release;
  /** ranges in which threads died */
  readonly #suspects: readonly Range[];
  #isSet = false;

  private constructor(store: Store, slot: string, found: { suspects: readonly Range[]; release: Release }) {
    this.#store = store;
    this.#slot = slot;
    this.#suspects = found.suspects;
    this.#release = found.release;
  }

  /** Look what dead threads left behind: what killed too many goes into `poisoned`. */
  static async open(world: TenantWorld, store: Store, poisoned: Set<CommitHash>): Promise<Marker> {
    const slot = markerPrefix + bytesToHex(world.env.randomBytes(8));
    for (const hash of await readPoison(store)) poisoned.add(hash);
    const suspects: Range[] = [];
    const writes: SlotWrite[] = [];
    for (const { name, value } of await store.readSlots(markerPrefix)) {
      if (!(await isFree(world, store, name))) continue;
      writes.push({ name, value: undefined });
      const range = value instanceof Uint8Array ? parseRange(value) : undefined;
      if (range === undefined) continue;
      const deaths = range.from < range.to ? 0 : range.deaths + 1;
      if (deaths < deadly) suspects.push({ ...range, deaths });
      else for (const record of await store.readRecords([range.from])) poisoned.add(record.commitHash);
    }
    if (writes.length > 0) {
      const value = encodePoison([...poisoned].slice(-maxPoison));
      const slots = [...writes, { name: poisonSlot, value }];
      await store.write({ slots, durability: "strict" }).catch((error: unknown) => {
        // On a full disk a tenant is read all the same; the next opening finds the markers again.
        if (!isCofferError(error) || error.code !== "store/quota") throw error;
      });
    }
    return new Marker(store, slot, { suspects, release: await hold(world, store, slot) });
  }

  /** Whether a commit is to be judged by itself: a thread died near it. */
  isSuspect(position: number): boolean {
    return this.#suspects.some(({ from, to }) => from <= position && position <= to);
  }

  /** Say what is judged next; it is stored before anything is judged. */
  async set(from: number, to: number): Promise<void> {
    // One alone is named only where one has killed before: a slice of one is a range that ends behind it.
    const last = from === to && !this.isSuspect(from) ? to + 1 : to;
    const value = new ByteWriter().u8(version).u64(from).u64(last).u8(this.#deathsAt(from)).toBytes();
    await this.#store.write({ slots: [{ name: this.#slot, value }] });
    this.#isSet = true;
  }

  #deathsAt(position: number): number {
    const near = this.#suspects.filter(({ from, to }) => from <= position && position <= to);
    return Math.max(0, ...near.map(({ deaths }) => deaths));
  }

  /** All of it was judged. */
  async clear(): Promise<void> {
    if (!this.#isSet) return;
    this.#isSet = false;
    await this.#store.write({ slots: [{ name: this.#slot, value: undefined }] });
  }

  /** The thread judges no more. */
  async close(): Promise<void> {
    await this.clear().catch(() => undefined);
    this.#release();
  }
}

function lockName(store: Store, slot: string): string {
  return `coffer-${slot}/${store.name}`;
}

/** Hold the thread's lock; from the return on, the thread is seen to live. */
function hold({ env }: TenantWorld, store: Store, slot: string): Promise<Release> {
  const ended = new AbortController();
  const release = (): void => ended.abort();
  return new Promise((resolve) => {
    const untilEnd = (): Promise<void> => {
      resolve(release);
      return new Promise((end) => {
        ended.signal.addEventListener("abort", () => end(), { once: true });
      });
    };
    env.withLock(lockName(store, slot), {}, untilEnd).catch(() => resolve(release));
  });
}

async function isFree({ env }: TenantWorld, store: Store, slot: string): Promise<boolean> {
  const free = await env.withLock(lockName(store, slot), { ifAvailable: true }, async () => true);
  return free === true;
}

function parseRange(bytes: Uint8Array): Range | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) return undefined;
  const from = reader.u64();
  const to = reader.u64();
  const deaths = reader.u8();
  return reader.finish() ? { from, to, deaths } : undefined;
}

function encodePoison(hashes: readonly CommitHash[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().u8(version).varint(hashes.length);
  for (const hash of hashes) writer.fixed(idToBytes(hash));
  return writer.toBytes();
}

async function readPoison(store: Store): Promise<readonly CommitHash[]> {
  const slot = await store.readSlot(poisonSlot).catch(() => undefined);
  if (!(slot?.value instanceof Uint8Array)) return [];
  const reader = new ByteReader(slot.value);
  if (reader.u8() !== version) return [];
  const count = reader.varint(maxPoison);
  const hashes: Uint8Array[] = [];
  while (hashes.length < count && reader.error === undefined) hashes.push(reader.fixed(32));
  return reader.finish() ? hashes.map((hash) => bytesToId("CommitHash", hash)) : [];
}
