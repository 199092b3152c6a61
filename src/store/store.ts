/**
 * The device log of one tenant, and the small slots beside it, in one transactional database.
 *
 * Guarantees, for every implementation (the contract suite proves each)
 * - S1 one record per commit, in one append-only log with positions that only grow, whoever wrote it: this thread, another
 *      tab, the service worker
 * - S2 a batch (commits and slots) is stored whole or not at all; a promise resolves when it is durable
 * - S3 a slot is written by compare-and-swap: a batch whose expected version is stale writes nothing and says so
 * - S4 bytes come back as they went in; the form of each row read is checked: a damaged record or slot never hides the others
 *      (it is skipped and told to `onDamage`), and a damaged slot asked for by name is `entry/corrupt`
 * - S5 no promise stays unsettled: quota, aborts and lost connections reject with a `store/…` code, and a lost connection is
 *      dropped, reopened and the operation repeated with identical bytes
 * - S6 `logEpoch` changes only when the log was emptied or lost; an open store whose database was deleted by others goes on
 *      with an empty log under a new epoch
 *
 * The bytes of a record stay unchanged for good, those of a slot until the promise of its batch settles; the caller sees to it.
 * A write whose outcome nobody can know rejects with `store/failed` and the detail `outcome: "unknown"`; everything else that
 * rejects has written nothing.
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

/** New bytes for a record of the log. */
export interface RewrittenRecord {
  readonly position: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export type RewriteResult =
  | { readonly kind: "stored"; readonly count: number }
  | { readonly kind: "conflict"; readonly slotName: string };

export interface WriteEvent {
  readonly lastPosition: number;
  readonly slotNames: readonly string[];
  /** written through this very store, and told before its promise resolves */
  readonly local: boolean;
}

/** A stored row that is not of the form that was written. */
export type Damage =
  | { readonly kind: "record"; readonly position: number }
  | { readonly kind: "slot"; readonly slotName: string };

export interface Store {
  readonly name: string;
  /** 16 random bytes as hex, minted when the log was empty; read it again after every call that it vouches for */
  readonly logEpoch: string;
  /** Store a batch that names each slot at most once; records get ascending positions in the order given. */
  write(batch: Batch): Promise<BatchResult>;
  /** Sound records with position > `after`, in order, until `maxCount` or `maxBytes` (at least one when there is one). */
  readLog(range: { after: number; maxCount: number; maxBytes: number }): Promise<readonly LogRecord[]>;
  /**
   * What {@link readLog} would give first, of what was written through this very store a moment ago, without waiting for it: for who follows
   * the log. It may end anywhere, and may be nothing at any time. The bytes are shared, and nobody may change them. See `recent-records.ts`.
   */
  readRecent(after: number): readonly LogRecord[];
  /** The records at these positions, in the order asked; a position that is not there is left out. */
  readRecords(positions: readonly number[]): Promise<readonly LogRecord[]>;
  /**
   * Replace the bytes of records that are there, with their slots, whole or not at all, durable as `strict`: the store holds what
   * was in them no more. Position, commit hash and origin stay; positions that are not there are left out. `onWrite` tells nobody:
   * for readers of the log nothing is new. What IndexedDB keeps in its journal until the browser tidies it is beyond reach.
   */
  rewrite(records: readonly RewrittenRecord[], slots?: readonly SlotWrite[]): Promise<RewriteResult>;
  /** The highest position ever given, 0 when none. */
  lastPosition(): Promise<number>;
  /** @throws `entry/corrupt` when the slot is there and damaged; writing it without `expectedVersion` mends it */
  readSlot(name: string): Promise<Slot | undefined>;
  /**
   * All slots whose name starts with a prefix, by name; or those of these names, in the order asked, without those that are not there. As of
   * one moment; what is damaged is left out.
   */
  readSlots(asked: string | readonly string[]): Promise<readonly Slot[]>;
  /**
   * Called after anyone of this origin wrote: records up to at least `lastPosition`, and the names of written slots. A write of
   * another handle, tab or thread (`local: false`) is a hint that can be late or lost.
   */
  onWrite(listener: (event: WriteEvent) => void): Release;
  /** Called each time a read skips a damaged row. */
  onDamage(listener: (damage: Damage) => void): Release;
  /** Storage in use and allowed, when the platform tells. */
  usage(): Promise<{ usageBytes: number; quotaBytes: number } | undefined>;
  /** Close; later calls reject with `store/closed`. */
  close(): void;
  /** Close and delete everything; stores of the same name that others hold open go on empty (S6). */
  destroy(): Promise<void>;
}

/** Opens stores by name: one for the device, one for each tenant. */
export interface Storage {
  openStore(name: string): Promise<Store>;
  listStores(): Promise<readonly string[]>;
}
