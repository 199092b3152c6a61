/** Tells how full the storage is: after writes, soon after one that was refused, and when asked; never more often than is of use. */
import { isCofferError, type Env, type Release } from "../src/std/index.ts";
import type { Storage, Store } from "../src/store/index.ts";

/** Many writes are measured once. */
const afterWritesMs = 2_000;
const afterRefusalMs = 100;

/** How much is in use, and how much there can be. */
export interface StorageUsage {
  readonly usageBytes: number;
  readonly quotaBytes: number;
}

/** Measures one storage. */
export class StorageMeter {
  /** the storage whose writes are followed */
  readonly storage: Storage;
  readonly #env: Env;
  readonly #tell: (usage: StorageUsage) => void;
  #store: Store | undefined;
  #timer: { readonly atMs: number; readonly release: Release } | undefined;

  constructor(env: Env, storage: Storage, tell: (usage: StorageUsage) => void) {
    this.#env = env;
    this.#tell = tell;
    this.storage = {
      openStore: async (name) => {
        const store = await this.#after(storage.openStore(name));
        store.onWrite(() => this.#measureIn(afterWritesMs));
        return this.#follow(store);
      },
      listStores: () => storage.listStores(),
    };
  }

  /** Measure through this store from now on. */
  use(store: Store): void {
    this.#store = store;
  }

  /** Measure now, and tell where the platform says anything. */
  async measure(): Promise<void> {
    this.#timer?.release();
    this.#timer = undefined;
    const usage = await this.#store?.usage().catch(() => undefined);
    if (usage !== undefined) this.#tell(usage);
  }

  #measureIn(afterMs: number): void {
    const atMs = this.#env.monotonicMs() + afterMs;
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.release();
    this.#timer = { atMs, release: this.#env.setTimer(afterMs, () => void this.measure()) };
  }

  async #after<T>(write: Promise<T>): Promise<T> {
    try {
      return await write;
    } catch (error) {
      if (isCofferError(error) && error.code === "store/quota") this.#measureIn(afterRefusalMs);
      throw error;
    }
  }

  /** The same store, with an eye on what is refused. */
  #follow(store: Store): Store {
    return {
      name: store.name,
      get logEpoch() {
        return store.logEpoch;
      },
      write: (batch) => this.#after(store.write(batch)),
      rewrite: (records, slots) => this.#after(store.rewrite(records, slots)),
      readLog: (range) => store.readLog(range),
      readRecent: (after) => store.readRecent(after),
      readRecords: (positions) => store.readRecords(positions),
      lastPosition: () => store.lastPosition(),
      readSlot: (name) => store.readSlot(name),
      readSlots: (asked) => store.readSlots(asked),
      onWrite: (listener) => store.onWrite(listener),
      onDamage: (listener) => store.onDamage(listener),
      usage: () => store.usage(),
      close: () => store.close(),
      destroy: () => store.destroy(),
    };
  }
}
