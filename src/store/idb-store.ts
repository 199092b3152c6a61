/**
 * Storage in IndexedDB. A maker makes, upgrades and deletes databases (Dexie: `dexie-store.ts`); one that is there is opened without it
 * (`idb-open.ts`). The transactions are in `idb-log.ts`.
 *
 * One operation:
 *
 *   connect (≤ 5 s, else store/blocked) → transaction → complete ─────────────→ resolve
 *      ↑                                      └→ abort, dead connection: drop it ┐
 *      └──────────────── once, with the same bytes ─────────────────────────────┘
 *   the whole: ≤ 9.5 s, else store/failed
 */
import { assert, CofferError, type Channel, type Env, type Release } from "../std/index.ts";
import { callLimitMs, Connection, databaseNameOf, openLimitMs, storeNameOf } from "./connection.ts";
import { storeError, within } from "./failures.ts";
import {
  readLastPosition,
  readLogRows,
  readRecordRows,
  readNamedSlotRows,
  readSlotRow,
  readSlotRows,
  rewriteRows,
  transact,
  writeBatch,
  type Rows,
  type Scope,
} from "./idb-log.ts";
import { databaseNames, openOnly, type DatabaseMaker } from "./idb-open.ts";
import { createListeners } from "./listeners.ts";
import { RecentRecords } from "./recent-records.ts";
import type {
  Batch,
  BatchResult,
  Damage,
  LogRecord,
  RewriteResult,
  RewrittenRecord,
  Slot,
  SlotWrite,
  Storage,
  Store,
  WriteEvent,
} from "./store.ts";

/** a deletion that nobody stands in the way of takes so long at most */
const deletionLimitMs = 5 * 60 * 1000;
const channelPrefix = "coffer-store/";
const tableNames = ["log", "slots"] as const;
type TableName = (typeof tableNames)[number];

/** Open stores that another thread has made, as {@link createIdbStorage} does, and make none: `store/failed` for one that is not there. */
export function createOpenOnlyStorage(env: Env): Storage {
  return createIdbStorage(env, openOnly);
}

/** Keep stores as IndexedDB databases `coffer/<name>` of this origin; nothing is opened yet. */
export function createIdbStorage(env: Env, maker: DatabaseMaker): Storage {
  return {
    async openStore(name) {
      const store = new IdbStore(env, name, maker);
      try {
        await store.open();
      } catch (cause) {
        store.close();
        throw cause;
      }
      return store;
    },
    async listStores() {
      const listing = databaseNames().then(async (names) => names ?? maker.names());
      const names = await within(env, callLimitMs, listing, () => new CofferError("store/failed"));
      return names.flatMap((name) => storeNameOf(name) ?? []);
    },
  };
}

class IdbStore implements Store {
  readonly name: string;
  readonly #env: Env;
  readonly #maker: DatabaseMaker;
  readonly #connection: Connection;
  readonly #channel: Channel;
  readonly #written = createListeners<WriteEvent>();
  readonly #recent: RecentRecords;
  readonly #damaged = createListeners<Damage>();
  #lastKnown = 0;
  /** names of slots that other threads are told of soon, and what keeps the telling for then */
  readonly #untold = new Set<string>();
  #telling: Release | undefined;

  constructor(env: Env, name: string, maker: DatabaseMaker) {
    this.name = name;
    this.#env = env;
    this.#maker = maker;
    this.#connection = new Connection(env, name, maker);
    this.#recent = new RecentRecords(env);
    this.#channel = env.openChannel(channelPrefix + name);
    this.#channel.onMessage((message) => this.#hear(message));
  }

  get logEpoch(): string {
    return this.#connection.logEpoch;
  }

  async write(batch: Batch): Promise<BatchResult> {
    const { records = [], slots = [], durability = "relaxed" } = batch;
    const slotNames = slots.map(({ name }) => name);
    if (records.length + slots.length === 0) {
      this.#connection.assertOpen();
      return { kind: "stored", positions: [] };
    }
    const result = await this.#change({ records, slots, durability }, (scope) => writeBatch(scope, batch));
    if (result.kind === "conflict") return result;
    this.#lastKnown = Math.max(this.#lastKnown, ...result.positions.slice(-1));
    this.#recent.add(records, result.positions, this.logEpoch);
    if (!this.#connection.isClosed) {
      // Whoever wrote is answered first; what is written in one turn is told at once.
      for (const name of slotNames) this.#untold.add(name);
      this.#telling ??= this.#env.setTimer(0, () => this.#tellOthers());
      this.#written.tell({ lastPosition: this.#lastKnown, slotNames, local: true });
    }
    return result;
  }

  async rewrite(
    records: readonly RewrittenRecord[],
    slots: readonly SlotWrite[] = [],
  ): Promise<RewriteResult> {
    if (records.length + slots.length === 0) {
      this.#connection.assertOpen();
      return { kind: "stored", count: 0 };
    }
    try {
      return await this.#change({ records, slots, durability: "strict" }, (scope) =>
        rewriteRows(scope, records, slots),
      );
    } finally {
      this.#recent.clear();
    }
  }

  readLog(range: { after: number; maxCount: number; maxBytes: number }): Promise<readonly LogRecord[]> {
    return this.#readSound("log", (scope) => readLogRows(scope, range));
  }

  readRecent(after: number): readonly LogRecord[] {
    return this.#connection.isClosed ? [] : this.#recent.after(after, this.logEpoch);
  }

  readRecords(positions: readonly number[]): Promise<readonly LogRecord[]> {
    return this.#readSound("log", (scope) => readRecordRows(scope, positions));
  }

  /** Connect now, so that whoever opens a store hears what stands in the way. */
  async open(): Promise<void> {
    this.#lastKnown = await this.#connection.open();
  }

  async lastPosition(): Promise<number> {
    this.#lastKnown = await this.#read("log", readLastPosition);
    return this.#lastKnown;
  }

  async readSlot(name: string): Promise<Slot | undefined> {
    const slot = await this.#read("slots", (scope) => readSlotRow(scope, name));
    if (slot === "damaged") throw new CofferError("entry/corrupt", { store: this.name, slotName: name });
    return slot;
  }

  readSlots(asked: string | readonly string[]): Promise<readonly Slot[]> {
    return this.#readSound("slots", (scope) =>
      typeof asked === "string" ? readSlotRows(scope, asked) : readNamedSlotRows(scope, asked),
    );
  }

  onWrite(listener: (event: WriteEvent) => void): Release {
    return this.#written.add(listener);
  }

  onDamage(listener: (damage: Damage) => void): Release {
    return this.#damaged.add(listener);
  }

  async usage(): Promise<{ usageBytes: number; quotaBytes: number } | undefined> {
    this.#connection.assertOpen();
    const { navigator } = globalThis as { navigator?: { storage?: StorageManager } };
    if (navigator?.storage === undefined) return undefined;
    try {
      const late = (): CofferError =>
        new CofferError("store/failed", { store: this.name, reason: "timeout" });
      const { usage, quota } = await within(this.#env, callLimitMs, navigator.storage.estimate(), late);
      return usage === undefined || quota === undefined
        ? undefined
        : { usageBytes: usage, quotaBytes: quota };
    } catch {
      return undefined;
    }
  }

  close(): void {
    this.#tellOthers();
    this.#channel.close();
    this.#connection.close();
  }

  async destroy(): Promise<void> {
    this.close();
    await deleteDatabase(this.#env, this.name, this.#maker);
  }

  /** Run one writing transaction on the tables that it touches. */
  async #change<T extends { readonly kind: string }>(
    touched: {
      readonly records: readonly unknown[];
      readonly slots: readonly SlotWrite[];
      readonly durability: IDBTransactionDurability;
    },
    body: (scope: Scope) => () => T,
  ): Promise<T> {
    const { records, slots, durability } = touched;
    assert(new Set(slots.map(({ name }) => name)).size === slots.length, "S3: a batch names a slot once");
    const names = tableNames.filter((table) => (table === "log" ? records : slots).length > 0);
    let isRepeated = false;
    const result = await this.#connection.run((database, repeated) => {
      isRepeated = repeated;
      return transact(database, { names, mode: "readwrite", durability }, body);
    });
    // The connection may have died between the commit and its news; then the conflict is with our own write.
    if (result.kind === "conflict" && isRepeated)
      throw new CofferError("store/failed", { store: this.name, outcome: "unknown" });
    return result;
  }

  #read<T>(table: TableName, body: (scope: Scope) => () => T): Promise<T> {
    const access = { names: [table], mode: "readonly", durability: "default" } as const;
    return this.#connection.run((database) => transact(database, access, body));
  }

  async #readSound<Row>(table: TableName, body: (scope: Scope) => () => Rows<Row>): Promise<readonly Row[]> {
    const { sound, damaged } = await this.#read(table, body);
    for (const damage of damaged) this.#damaged.tell(damage);
    return sound;
  }

  #tellOthers(): void {
    if (this.#telling === undefined) return;
    this.#telling();
    this.#telling = undefined;
    this.#channel.post({ lastPosition: this.#lastKnown, slotNames: [...this.#untold] });
    this.#untold.clear();
  }

  /** A message of another thread is a hint: believed as far as its form goes. */
  #hear(message: unknown): void {
    const { lastPosition, slotNames } = (message ?? {}) as { lastPosition?: unknown; slotNames?: unknown };
    if (typeof lastPosition !== "number" || !Number.isSafeInteger(lastPosition) || !Array.isArray(slotNames))
      return;
    this.#lastKnown = Math.max(this.#lastKnown, lastPosition);
    const names = slotNames.filter((name) => typeof name === "string");
    this.#written.tell({ lastPosition, slotNames: names, local: false });
  }
}

/** Gigabytes take their time, and are waited for; somebody else who has it open and does not give way is not. */
async function deleteDatabase(env: Env, name: string, maker: DatabaseMaker): Promise<void> {
  const blocked = (): CofferError => new CofferError("store/blocked", { store: name });
  let release: Release | undefined;
  const deleting = new Promise<void>((resolve, reject) => {
    const onBlocked = (): void => {
      release ??= env.setTimer(openLimitMs, () => reject(blocked()));
    };
    maker.remove(databaseNameOf(name), onBlocked).then(resolve, reject);
  });
  try {
    await within(env, deletionLimitMs, deleting, blocked);
  } catch (cause) {
    throw storeError(cause, name);
  } finally {
    release?.();
  }
}
