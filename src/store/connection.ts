/** Holds the connection to one database: made when it is needed, dropped when it dies, made again by the next call. */
import { CofferError, type Env } from "../std/index.ts";
import { isWorthRepeating, storeError, within } from "./failures.ts";
import { readBeginning, readOrMintEpoch, transact, type Pending } from "./idb-log.ts";
import { openExisting, type DatabaseMaker, type Opened } from "./idb-open.ts";

const databasePrefix = "coffer/";
export const openLimitMs = 5_000;
export const callLimitMs = 9_500;
/** Dexie's version 1 is IndexedDB's 10; a schema of the next version starts at 20. */
const nextVersion = 20;

/** What IndexedDB calls the database of a store. */
export function databaseNameOf(storeName: string): string {
  return databasePrefix + storeName;
}

/** The store that a database of this origin is of; `undefined` for one of someone else. */
export function storeNameOf(databaseName: string): string | undefined {
  return databaseName.startsWith(databasePrefix) ? databaseName.slice(databasePrefix.length) : undefined;
}

/** A connection, and where the log ended when it was made. */
interface Connected extends Opened {
  readonly lastPosition: number;
}

/** The way to one database: opened by the first call, dropped when it dies, opened again by the next. */
export class Connection {
  logEpoch = "";
  isClosed = false;
  readonly #env: Env;
  readonly #name: string;
  readonly #maker: DatabaseMaker;
  /** open or opening; `undefined` after a loss, until the next call */
  #current: Promise<Connected> | undefined;

  constructor(env: Env, name: string, maker: DatabaseMaker) {
    this.#env = env;
    this.#name = name;
    this.#maker = maker;
  }

  /** @throws `store/closed` */
  assertOpen(): void {
    if (this.isClosed) throw new CofferError("store/closed", { store: this.#name });
  }

  close(): void {
    this.isClosed = true;
    this.#drop(this.#current);
  }

  /** Connect. @returns the highest position of the log */
  async open(): Promise<number> {
    const find = (connected: Connected): Pending<number> => ({
      done: Promise.resolve(connected.lastPosition),
      abort: () => true,
    });
    return this.#run(find);
  }

  /** Do one operation: at most two tries and 9.5 s. `repeated`: an earlier try may have landed unheard. */
  run<T>(work: (database: IDBDatabase, repeated: boolean) => Pending<T>): Promise<T> {
    return this.#run(({ database }, repeated) => work(database, repeated));
  }

  async #run<T>(work: (connected: Connected, repeated: boolean) => Pending<T>): Promise<T> {
    this.assertOpen();
    let pending: Pending<T> | undefined;
    let isUncertain = false;
    let isLate = false;
    const attempt = async (current: Promise<Connected>): Promise<T> => {
      const connected = await current;
      this.assertOpen();
      pending = work(connected, isUncertain);
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

  #connect(): Promise<Connected> {
    if (this.#current !== undefined) return this.#current;
    const opening: Promise<Connected> = this.#open(() => this.#forget(opening));
    this.#current = opening;
    opening.catch(() => this.#forget(opening));
    return opening;
  }

  async #open(lost: () => void): Promise<Connected> {
    const name = databaseNameOf(this.#name);
    const opening = openExisting(name, lost).then(async (found) => found ?? this.#maker.make(name, lost));
    const blocked = (): CofferError => new CofferError("store/blocked", { store: this.#name });
    try {
      const opened = await within(this.#env, openLimitMs, opening, blocked);
      const { database } = opened;
      if (database.version >= nextVersion)
        throw new CofferError("store/failed", { store: this.#name, reason: "newer version" });
      return { ...opened, lastPosition: await this.#begin(database) };
    } catch (cause) {
      // It may still come, too late.
      opening.then(
        (opened) => opened.close(),
        () => undefined,
      );
      throw cause;
    }
  }

  /** Read where the log begins and ends; a log without an epoch gets one. @returns the highest position */
  async #begin(database: IDBDatabase): Promise<number> {
    const reading = { names: ["meta", "log"], mode: "readonly", durability: "default" } as const;
    const { logEpoch, lastPosition } = await transact(database, reading, readBeginning).done;
    if (logEpoch !== undefined) this.logEpoch = logEpoch;
    else {
      const fresh = this.#env.randomBytes(16);
      const writing = { names: ["meta"], mode: "readwrite", durability: "relaxed" } as const;
      this.logEpoch = await transact(database, writing, (scope) => readOrMintEpoch(scope, fresh)).done;
    }
    return lastPosition;
  }

  #forget(connection: Promise<Connected> | undefined): void {
    if (connection === this.#current) this.#current = undefined;
  }

  #drop(connection: Promise<Connected> | undefined): void {
    this.#forget(connection);
    connection?.then(
      (opened) => opened.close(),
      () => undefined,
    );
  }
}
