/**
 * Storage in IndexedDB. Dexie opens, upgrades, watches and deletes databases; the transactions are in `idb-log.ts`.
 *
 * One operation:
 *
 *   connect (≤ 5 s, else store/blocked) → transaction → complete ─────────────→ resolve
 *      ↑                                      └→ abort, dead connection: drop it ┐
 *      └──────────────── once, with the same bytes ─────────────────────────────┘
 *   the whole: ≤ 9.5 s, else store/failed
 */
import { Dexie } from "dexie";
import { assert, CofferError, type Channel, type Env, type Release } from "../std/index.ts";
import { isWorthRepeating, storeError, within } from "./failures.ts";
import {
  readLastPosition,
  readLogRows,
  readOrMintEpoch,
  readRecordRows,
  readSlotRow,
  readSlotRows,
  rewriteRows,
  tables,
  transact,
  writeBatch,
  type Pending,
  type Rows,
  type Scope,
} from "./idb-log.ts";
import { createListeners } from "./listeners.ts";
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

const databasePrefix = "coffer/";
const channelPrefix = "coffer-store/";
const openLimitMs = 5_000;
const callLimitMs = 9_500;
/** Dexie's version 1 is IndexedDB's 10; a schema of the next version starts at 20. */
const nextVersion = 20;
const tableNames = ["log", "slots"] as const;
type TableName = (typeof tableNames)[number];

/** Keep stores as IndexedDB databases `coffer/<name>` of this origin; nothing is opened yet. */
export function createDexieStorage(env: Env): Storage {
  return {
    async openStore(name) {
      const store = new DexieStore(env, name);
      try {
        await store.lastPosition();
      } catch (cause) {
        store.close();
        throw cause;
      }
      return store;
    },
    async listStores() {
      const names = await within(
        env,
        callLimitMs,
        Dexie.getDatabaseNames(),
        () => new CofferError("store/failed"),
      );
      return names
        .filter((name) => name.startsWith(databasePrefix))
        .map((name) => name.slice(databasePrefix.length));
    },
  };
}

class DexieStore implements Store {
  readonly name: string;
  readonly #env: Env;
  readonly #connection: Connection;
  readonly #channel: Channel;
  readonly #written = createListeners<WriteEvent>();
  readonly #damaged = createListeners<Damage>();
  #lastKnown = 0;

  constructor(env: Env, name: string) {
    this.name = name;
    this.#env = env;
    this.#connection = new Connection(env, name);
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
    if (!this.#connection.isClosed) {
      this.#channel.post({ lastPosition: this.#lastKnown, slotNames });
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
    return this.#change({ records, slots, durability: "strict" }, (scope) =>
      rewriteRows(scope, records, slots),
    );
  }

  readLog(range: { after: number; maxCount: number; maxBytes: number }): Promise<readonly LogRecord[]> {
    return this.#readSound("log", (scope) => readLogRows(scope, range));
  }

  readRecords(positions: readonly number[]): Promise<readonly LogRecord[]> {
    return this.#readSound("log", (scope) => readRecordRows(scope, positions));
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

  readSlots(prefix: string): Promise<readonly Slot[]> {
    return this.#readSound("slots", (scope) => readSlotRows(scope, prefix));
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
    this.#channel.close();
    this.#connection.close();
  }

  async destroy(): Promise<void> {
    this.close();
    await deleteDatabase(this.#env, this.name);
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

/** The way to one database: opened by the first call, dropped when it dies, opened again by the next. */
class Connection {
  logEpoch = "";
  isClosed = false;
  readonly #env: Env;
  readonly #name: string;
  /** open or opening; `undefined` after a loss, until the next call */
  #current: Promise<Dexie> | undefined;

  constructor(env: Env, name: string) {
    this.#env = env;
    this.#name = name;
  }

  /** @throws `store/closed` */
  assertOpen(): void {
    if (this.isClosed) throw new CofferError("store/closed", { store: this.#name });
  }

  close(): void {
    this.isClosed = true;
    this.#drop(this.#current);
  }

  /** Do one operation: at most two tries and 9.5 s. `repeated`: an earlier try may have landed unheard. */
  async run<T>(work: (database: IDBDatabase, repeated: boolean) => Pending<T>): Promise<T> {
    this.assertOpen();
    let pending: Pending<T> | undefined;
    let isUncertain = false;
    let isLate = false;
    const attempt = async (current: Promise<Dexie>): Promise<T> => {
      const database = (await current).backendDB();
      this.assertOpen();
      pending = work(database, isUncertain);
      return pending.done.catch((cause: unknown) => {
        isUncertain ||= isWorthRepeating(cause);
        throw cause;
      });
    };
    const tryTwice = async (): Promise<T> => {
      for (let tries = 1; ; tries++) {
        const current = this.#connect();
        try {
          return await attempt(current);
        } catch (cause) {
          if (!isLate && tries === 1 && !this.isClosed && isWorthRepeating(cause)) this.#drop(current);
          else throw this.#finalError(cause, isUncertain);
        }
      }
    };
    return within(this.#env, callLimitMs, tryTwice(), () => {
      isLate = true;
      const isUnwritten = (pending === undefined || pending.abort()) && !isUncertain;
      this.#drop(this.#current);
      const outcome = isUnwritten ? "none" : "unknown";
      return new CofferError("store/failed", { store: this.#name, reason: "timeout", outcome });
    });
  }

  /** What the caller hears: a transaction whose end nobody told is an unknown outcome before it is anything else. */
  #finalError(cause: unknown, isUncertain: boolean): CofferError {
    const error = storeError(cause, this.#name);
    if (isUncertain) {
      const details = { store: this.#name, reason: error.details["reason"], outcome: "unknown" };
      return new CofferError("store/failed", details, { cause });
    }
    return this.isClosed ? new CofferError("store/closed", { store: this.#name }, { cause }) : error;
  }

  #connect(): Promise<Dexie> {
    if (this.#current !== undefined) return this.#current;
    const opening: Promise<Dexie> = this.#open(() => this.#forget(opening));
    this.#current = opening;
    opening.catch(() => this.#forget(opening));
    return opening;
  }

  async #open(lost: () => void): Promise<Dexie> {
    const database = new Dexie(databasePrefix + this.#name, { autoOpen: false, addons: [] });
    database.version(1).stores(tables);
    database.on("blocked", () => false);
    database.on("close", lost);
    // Another tab wants to upgrade or delete: give way at once. `false` keeps Dexie from a warning on the console.
    database.on("versionchange", () => {
      database.close();
      return false;
    });
    try {
      const blocked = (): CofferError => new CofferError("store/blocked", { store: this.#name });
      await within(this.#env, openLimitMs, database.open(), blocked);
      const raw = database.backendDB();
      if (raw.version >= nextVersion) {
        throw new CofferError("store/failed", { store: this.#name, reason: "newer version" });
      }
      const fresh = this.#env.randomBytes(16);
      const access = { names: ["meta"], mode: "readwrite", durability: "relaxed" } as const;
      this.logEpoch = await transact(raw, access, (scope) => readOrMintEpoch(scope, fresh)).done;
      return database;
    } catch (cause) {
      database.close();
      throw cause;
    }
  }

  #forget(connection: Promise<Dexie> | undefined): void {
    if (connection === this.#current) this.#current = undefined;
  }

  #drop(connection: Promise<Dexie> | undefined): void {
    this.#forget(connection);
    connection?.then(
      (database) => database.close(),
      () => undefined,
    );
  }
}

async function deleteDatabase(env: Env, name: string): Promise<void> {
  const database = new Dexie(databasePrefix + name, { autoOpen: false, addons: [] });
  database.on("blocked", () => false);
  try {
    await within(
      env,
      openLimitMs,
      database.delete(),
      () => new CofferError("store/blocked", { store: name }),
    );
  } catch (cause) {
    throw storeError(cause, name);
  }
}
