/**
 * A device's disk: stores of one device, with a journal, so that power can be lost.
 *
 * ```
 *   write ──(some ms)──► journal and store ──(some ms)──► the writer's promise resolves
 *            crash: nothing was written      crash: it was written, nobody was told
 * ```
 *
 * Guarantees
 * - every operation takes two events, so that operations of several workers interleave and a crash may fall between
 * - `losePower` forgets a suffix of what was written since the last strict batch, and nothing else
 * - a worker that was killed gets no answer any more
 */
import { createHash } from "node:crypto";
import type { CofferError, Release } from "../std/index.ts";
import {
  createMemoryStorage,
  type Batch,
  type BatchResult,
  type Damage,
  type RewriteResult,
  type RewrittenRecord,
  type SlotValue,
  type SlotWrite,
  type Storage,
  type Store,
  type WriteEvent,
} from "../store/index.ts";
import type { Random } from "./pcg32.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimWorkerEnv } from "./sim-env.ts";

interface JournalEntry {
  readonly storeName: string;
  /** `undefined`: the store was made here, under this draw of its epoch */
  readonly batch: Batch | undefined;
  /** records whose bytes were replaced, with the batch's slots */
  readonly rewritten?: readonly RewrittenRecord[];
  readonly epochDraw: number;
}

/** What a disk does to a write, beside taking its time. */
export interface DiskFault {
  /** the batch as it is stored; `undefined` stores nothing and says that it did */
  readonly onWrite?: (batch: Batch) => Batch | undefined;
  /** a failure to reject a write with, before anything is stored */
  readonly failWrite?: (batch: Batch) => CofferError | undefined;
  /** a failure to reject a write with, although everything is stored */
  readonly loseAnswer?: () => CofferError | undefined;
}

/** The stores of one device. */
export class SimDisk {
  fault: DiskFault = {};
  /** hears what is stored, when it is */
  onStored: (batch: Batch) => void = () => undefined;
  readonly #name: string;
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  #journal: JournalEntry[] = [];
  /** how much of the journal no loss of power can take back */
  #durableLength = 0;
  #epochDraw = 0;
  #storage: Storage;
  #stores = new Map<string, Store>();

  constructor(name: string, scheduler: Scheduler) {
    this.#name = name;
    this.#scheduler = scheduler;
    this.#random = scheduler.random.fork();
    this.#storage = this.#createStorage([]);
  }

  /** How much was ever written; a smaller number after a loss of power tells what is gone. */
  get journalLength(): number {
    return this.#journal.length;
  }

  /** The storage as one worker sees it. */
  open(worker: SimWorkerEnv): Storage {
    return {
      openStore: async (name) => {
        await worker.pause(this.#latency(), `opens ${name}`);
        this.#make(name);
        const store = await this.#storage.openStore(name);
        await worker.pause(this.#latency(), `opened ${name}`);
        return this.#watch(worker, store);
      },
      listStores: async () => {
        await worker.pause(this.#latency(), "lists stores");
        return this.#storage.listStores();
      },
    };
  }

  /** Look at a store from outside the simulation, without time. */
  async inspect(name: string): Promise<Store> {
    return this.#storage.openStore(name);
  }

  storeNames(): Promise<readonly string[]> {
    return this.#storage.listStores();
  }

  /** What is written by now, no loss of power takes back: time has passed. */
  flush(): void {
    this.#durableLength = this.#journal.length;
  }

  /** Forget a random suffix of what is not durable. All workers must be gone. */
  async losePower(random: Random): Promise<void> {
    const atRisk = this.#journal.length - this.#durableLength;
    const kept = this.#journal.slice(0, this.#durableLength + random.below(atRisk + 1));
    this.#storage = this.#createStorage(kept);
    this.#journal = kept;
    for (const store of this.#stores.values()) store.close();
    this.#stores.clear();
    for (const { storeName, batch, rewritten } of kept) {
      const store = this.#stores.get(storeName) ?? (await this.#storage.openStore(storeName));
      this.#stores.set(storeName, store);
      if (batch === undefined) continue;
      const result =
        rewritten === undefined ? await store.write(batch) : await store.rewrite(rewritten, batch.slots);
      if (result.kind !== "stored") throw new Error("a batch that was stored once is stored again");
    }
  }

  /** Every byte at rest, for those who search it. */
  async *bytesAtRest(): AsyncGenerator<Uint8Array> {
    for (const name of await this.#storage.listStores()) {
      yield Buffer.from(name);
      const store = await this.#storage.openStore(name);
      for (const { bytes, origin } of await store.readLog({
        after: 0,
        maxCount: Infinity,
        maxBytes: Infinity,
      })) {
        yield bytes;
        yield Buffer.from(origin);
      }
      for (const slot of await store.readSlots("")) {
        yield Buffer.from(slot.name);
        if (slot.value instanceof Uint8Array) yield slot.value;
      }
      store.close();
    }
  }

  #latency(): number {
    return this.#random.chance(0.05) ? this.#random.fraction() * 60 : this.#random.fraction() * 2;
  }

  #make(storeName: string): void {
    if (this.#journal.some((entry) => entry.storeName === storeName)) return;
    this.#journal.push({ storeName, batch: undefined, epochDraw: ++this.#epochDraw });
  }

  #createStorage(journal: readonly JournalEntry[]): Storage {
    // A store draws its epoch when it is made; made again from the journal it must draw the same.
    const draws = journal.filter((entry) => entry.batch === undefined).map((entry) => entry.epochDraw);
    const randomBytes = (sizeBytes: number): Uint8Array<ArrayBuffer> => {
      const draw = draws.shift() ?? this.#epochDraw;
      const digest = createHash("sha256").update(`${this.#name} ${draw}`).digest();
      return new Uint8Array(digest.subarray(0, sizeBytes));
    };
    const unused = (): never => {
      throw new Error("a memory storage draws random bytes and asks for the time, and nothing else");
    };
    return createMemoryStorage({
      randomBytes,
      nowMs: unused,
      monotonicMs: () => this.#scheduler.nowMs,
      randomFraction: unused,
      setTimer: unused,
      withLock: unused,
      openChannel: unused,
      isOnline: unused,
      onOnlineChange: unused,
      mark: unused,
    });
  }

  async #write(worker: SimWorkerEnv, store: Store, batch: Batch): Promise<BatchResult> {
    // What the caller hands over stays unchanged until it is told; what is journalled must stay so for good.
    const kept = copyBatch(batch);
    await worker.pause(this.#latency(), `writes ${describe(batch)}`);
    const failure = this.fault.failWrite?.(batch);
    if (failure !== undefined) throw failure;
    const stored = this.fault.onWrite === undefined ? kept : this.fault.onWrite(kept);
    const result: BatchResult = stored === undefined ? pretend(batch) : await store.write(stored);
    if (result.kind === "stored" && stored !== undefined) {
      this.#journal.push({ storeName: store.name, batch: withoutVersions(stored), epochDraw: 0 });
      if (stored.durability === "strict") this.#durableLength = this.#journal.length;
      this.onStored(stored);
    }
    await worker.pause(
      this.#latency(),
      result.kind === "stored" ? "has written" : `conflict ${result.slotName}`,
    );
    const unknown = this.fault.loseAnswer?.();
    if (unknown !== undefined) throw unknown;
    return result;
  }

  /** Durable when it is told, as strict batches are: no loss of power brings the old bytes back. */
  async #rewrite(
    worker: SimWorkerEnv,
    store: Store,
    { records, slots }: { records: readonly RewrittenRecord[]; slots: readonly SlotWrite[] },
  ): Promise<RewriteResult> {
    const kept = records.map(({ position, bytes }) => ({ position, bytes: bytes.slice() }));
    await worker.pause(this.#latency(), `rewrites ${kept.length} records`);
    const result = await store.rewrite(kept, slots);
    if (result.kind === "stored") {
      const batch = withoutVersions(copyBatch({ slots }));
      this.#journal.push({ storeName: store.name, batch, rewritten: kept, epochDraw: 0 });
      this.#durableLength = this.#journal.length;
    }
    await worker.pause(this.#latency(), "has rewritten");
    return result;
  }

  #watch(worker: SimWorkerEnv, store: Store): Store {
    const read = async <T>(label: string, run: () => Promise<T>): Promise<T> => {
      await worker.pause(this.#latency(), label);
      const result = await run();
      await worker.pause(this.#latency(), `has read`);
      return result;
    };
    return {
      name: store.name,
      get logEpoch() {
        return store.logEpoch;
      },
      write: (batch) => this.#write(worker, store, batch),
      rewrite: (records, slots) => this.#rewrite(worker, store, { records, slots: slots ?? [] }),
      readLog: (range) => read(`reads log ${range.after}`, () => store.readLog(range)),
      // It may give nothing at any time, and then the log is read.
      readRecent: (after) => (this.#random.chance(0.5) ? store.readRecent(after) : []),
      readRecords: (positions) =>
        read(`reads ${positions.length} records`, () => store.readRecords(positions)),
      lastPosition: () => read("reads its end", () => store.lastPosition()),
      readSlot: (name) => read(`reads ${name}`, () => store.readSlot(name)),
      readSlots: (asked) =>
        read(typeof asked === "string" ? `reads ${asked}*` : `reads ${asked.length} slots`, () =>
          store.readSlots(asked),
        ),
      onWrite: (listener) => this.#hear(worker, store, listener),
      onDamage: (listener: (damage: Damage) => void) => store.onDamage(listener),
      usage: () => read("reads usage", () => store.usage()),
      close: () => store.close(),
      destroy: () => {
        throw new Error("a simulated disk keeps its stores");
      },
    };
  }

  /** Own writes are told before they resolve; those of other workers a little later. */
  #hear(worker: SimWorkerEnv, store: Store, listener: (event: WriteEvent) => void): Release {
    let isHearing = true;
    const release = store.onWrite((event) => {
      if (!worker.isAlive) return;
      if (event.local) return listener(event);
      worker.later(this.#random.fraction() * 10, "hears a write", () => {
        if (isHearing) listener(event);
      });
    });
    return () => {
      isHearing = false;
      release();
    };
  }
}

function describe({ records = [], slots = [], durability = "relaxed" }: Batch): string {
  const hashes = records.map(({ commitHash }) => commitHash.slice(0, 6));
  return `${durability} [${hashes.join(" ")}] [${slots.map(({ name }) => name).join(" ")}]`;
}

function copyValue(value: SlotValue | undefined): SlotValue | undefined {
  return value instanceof Uint8Array ? value.slice() : value;
}

function copyBatch({ records = [], slots = [], durability = "relaxed" }: Batch): Batch {
  return {
    records: records.map((record) => ({ ...record, bytes: record.bytes.slice() })),
    slots: slots.map((slot) => ({ ...slot, value: copyValue(slot.value) })),
    durability,
  };
}

/** Written again in the same order, every expectation held already. */
function withoutVersions(batch: Batch): Batch {
  return { ...batch, slots: (batch.slots ?? []).map(({ name, value }) => ({ name, value })) };
}

function pretend({ records = [] }: Batch): BatchResult {
  return { kind: "stored", positions: records.map((_, index) => 1_000_000 + index) };
}
