/**
 * The device log of one tenant, and the small slots beside it, in one transactional database.
 *
 * Guarantees, for every implementation (the contract suite proves each)
 * - S1 one record per commit, in one append-only log with positions that only grow, whoever wrote it: this thread, another
 *      tab, the service worker
 * - S2 a batch (commits and slots) is stored whole or not at all; a promise resolves when it is durable
 * - S3 a slot is written by compare-and-swap: a batch whose expected version is stale writes nothing and says so
 * - S4 bytes come back as they went in; what was read is checked and damage is `entry/corrupt`, never other bytes
 * - S5 no promise stays unsettled: quota, aborts and lost connections reject with a `store/…` code, and a lost connection is
 *      dropped, reopened and the operation repeated with identical bytes
 * - S6 `logEpoch` changes only when the log was emptied or lost
 *
 * It does not judge, decrypt or deduplicate: the same commit twice is two records, and readers know.
 */
import type { CommitHash, Release } from "../std/index.ts";

export interface LogRecord {
  readonly position: number;
  readonly commitHash: CommitHash;
  /** the encoded commit */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** "" = written here; otherwise the name of the remote it came from */
  readonly origin: string;
}

export interface NewRecord {
  readonly commitHash: CommitHash;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly origin: string;
}

/** What a slot can hold: bytes, or a key that only this origin can use. */
export type SlotValue = Uint8Array<ArrayBuffer> | CryptoKey;

export interface Slot {
  readonly name: string;
  /** from 1, plus 1 with each write */
  readonly version: number;
  readonly value: SlotValue;
}

export interface SlotWrite {
  readonly name: string;
  /** `undefined` deletes the slot */
  readonly value: SlotValue | undefined;
  /** 0 = must not exist; `undefined` = whatever is there */
  readonly expectedVersion?: number | undefined;
}

export interface Batch {
  readonly records?: readonly NewRecord[];
  readonly slots?: readonly SlotWrite[];
  readonly durability?: "relaxed" | "strict";
}

export type BatchResult =
  | { readonly kind: "stored"; readonly positions: readonly number[] }
  | { readonly kind: "conflict"; readonly slotName: string };

export interface Store {
  readonly name: string;
  /** 16 random bytes as hex, minted when the log was empty */
  readonly logEpoch: string;
  write(batch: Batch): Promise<BatchResult>;
  /** Records with position > `after`, in order, until `maxCount` or `maxBytes` (at least one when there is one). */
  readLog(range: { after: number; maxCount: number; maxBytes: number }): Promise<readonly LogRecord[]>;
  /** The records at these positions, in the order asked; a position that is not there is left out. */
  readRecords(positions: readonly number[]): Promise<readonly LogRecord[]>;
  /** The highest position ever given, 0 when none. */
  lastPosition(): Promise<number>;
  readSlot(name: string): Promise<Slot | undefined>;
  /** All slots whose name starts with `prefix`, by name. */
  readSlots(prefix: string): Promise<readonly Slot[]>;
  /** Called after anyone of this origin wrote: records up to `lastPosition`, and the names of written slots. */
  onWrite(listener: (event: { lastPosition: number; slotNames: readonly string[]; local: boolean }) => void): Release;
  /** Storage in use and allowed, when the platform tells. */
  usage(): Promise<{ usageBytes: number; quotaBytes: number } | undefined>;
  /** Close; later calls reject with `store/closed`. */
  close(): void;
  /** Close and delete everything. */
  destroy(): Promise<void>;
}

/** Opens stores by name: one for the device, one for each tenant. */
export interface Storage {
  openStore(name: string): Promise<Store>;
  listStores(): Promise<readonly string[]>;
}

/*
 * The room's exports (index.ts): the types above, createMemoryStorage(env: Env): Storage, createDexieStorage(env: Env): Storage.
 */
