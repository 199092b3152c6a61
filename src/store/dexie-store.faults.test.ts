/** What goes wrong underneath: each fault is made in fake-indexeddb, and each call still settles as the contract says. */
import "fake-indexeddb/auto";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createSystemEnv, type Env } from "../std/index.ts";
import { createDexieStorage } from "./dexie-store.ts";
import { bytesOf, freshName, hashOf, recordOf } from "./store-contract.ts";
import type { Damage, Store } from "./store.ts";

const env = createSystemEnv();
const wholeLog = { after: 0, maxCount: 1000, maxBytes: 1e9 };
const positionsOf = async (store: Store): Promise<number[]> =>
  (await store.readLog(wholeLog)).map(({ position }) => position);
const openFresh = async (over: Partial<Env> = {}): Promise<Store> =>
  createDexieStorage({ ...env, ...over }).openStore(freshName());

type Fault = (begin: () => IDBTransaction, database: IDBDatabase) => IDBTransaction;

type Begin = (
  this: IDBDatabase,
  ...args: Parameters<IDBDatabase["transaction"]>
) => ReturnType<IDBDatabase["transaction"]>;
const begin = Reflect.get(IDBDatabase.prototype, "transaction") as Begin;

/** Let the next transactions meet these faults, one each; the database they ran on is handed to the fault. */
function inject(...faults: readonly Fault[]): { left: () => number } {
  const queue = [...faults];
  vi.spyOn(IDBDatabase.prototype, "transaction").mockImplementation(function (this: IDBDatabase, ...args) {
    const fault = queue[0];
    const [names] = args;
    // Opening has transactions of its own: Dexie's look at the schema, and the epoch.
    if (fault === undefined || Array.from(names).includes("meta")) return begin.apply(this, args);
    queue.shift();
    return fault(() => begin.apply(this, args), this);
  });
  return { left: () => queue.length };
}

afterEach(() => {
  vi.restoreAllMocks();
});

const throws =
  (name: string): Fault =>
  () => {
    throw new DOMException(name, name);
  };
/** The transaction aborts in place of its commit, as on a full disk: no request ever fails. */
const aborts =
  (errorName?: string): Fault =>
  (begin) => {
    const transaction = begin();
    const inner = transaction as unknown as { _abort: (name: string | null) => void };
    transaction.commit = () => inner._abort(errorName ?? null);
    return transaction;
  };
/** The commit lands, and the connection dies before saying so. */
const landsUnheard: Fault = (begin) => {
  const transaction = begin();
  Object.defineProperty(transaction, "oncomplete", { set() {} });
  transaction.addEventListener("complete", () => transaction.onabort?.(new Event("abort")));
  return transaction;
};
/** Nothing ever happens again. */
const hangs =
  (isCommitting: boolean): Fault =>
  () => {
    const abort = (): void => {
      if (isCommitting) throw new DOMException("committing", "InvalidStateError");
    };
    const table = { add: () => ({}), get: () => ({}), put: () => ({}), openKeyCursor: () => ({}) };
    return { objectStore: () => table, commit: () => undefined, abort } as unknown as IDBTransaction;
  };

describe("lost connections", () => {
  test.each(["InvalidStateError", "UnknownError", "AbortError", "DatabaseClosedError"])(
    "a transaction that cannot begin (%s) is repeated on a new connection",
    async (name) => {
      const store = await openFresh();
      await store.write({ records: [recordOf(1)] });
      const { left } = inject(throws(name), throws(name));
      expect(await store.write({ records: [recordOf(2)] }).catch((error: unknown) => error)).toMatchObject({
        code: "store/failed",
        details: { reason: name },
      });
      inject(throws(name));
      expect(await store.write({ records: [recordOf(2)] })).toEqual({ kind: "stored", positions: [2] });
      inject(throws(name));
      expect(await positionsOf(store)).toEqual([1, 2]);
      expect(left()).toBe(0);
    },
  );

  test.each([undefined, "UnknownError", "AbortError"])(
    "an abort (%s) is repeated with the same bytes, once",
    async (name) => {
      const store = await openFresh();
      const batch = {
        records: [recordOf(1), recordOf(2)],
        slots: [{ name: "s", value: bytesOf(1, 9), expectedVersion: 0 }],
      };
      inject(aborts(name), aborts(name));
      await expect(store.write(batch)).rejects.toMatchObject({ code: "store/failed" });
      expect(await store.lastPosition()).toBe(0);
      expect(await store.readSlots("")).toEqual([]);
      inject(aborts(name));
      expect(await store.write(batch)).toEqual({ kind: "stored", positions: [1, 2] });
      expect(await store.readRecords([1, 2])).toEqual(
        [1, 2].map((seed) => ({ position: seed, ...recordOf(seed) })),
      );
      expect(await store.readSlot("s")).toEqual({ name: "s", version: 1, value: bytesOf(1, 9) });
    },
  );

  test("a browser that closes the connection by force is met by a new one", async () => {
    const store = await openFresh();
    const held: IDBDatabase[] = [];
    inject((begin, database) => (held.push(database), begin()));
    await store.write({ records: [recordOf(1)] });
    held[0]?.close();
    held[0]?.onclose?.(new Event("close"));
    const epoch = store.logEpoch;
    expect(await store.write({ records: [recordOf(2)] })).toEqual({ kind: "stored", positions: [2] });
    expect(store.logEpoch).toBe(epoch);
  });

  test("a write that landed unheard is in the log twice, as the contract allows", async () => {
    const store = await openFresh();
    inject(landsUnheard);
    expect(await store.write({ records: [recordOf(1)] })).toEqual({ kind: "stored", positions: [2] });
    expect((await store.readLog(wholeLog)).map(({ commitHash }) => commitHash)).toEqual([
      hashOf(1),
      hashOf(1),
    ]);
  });

  test("a compare-and-swap that may have landed unheard is an unknown outcome, never a conflict with itself", async () => {
    const store = await openFresh();
    inject(landsUnheard);
    const write = store.write({ slots: [{ name: "s", value: bytesOf(1, 9), expectedVersion: 0 }] });
    await expect(write).rejects.toMatchObject({ code: "store/failed", details: { outcome: "unknown" } });
    inject(throws("InvalidStateError"));
    const stale = await store.write({ slots: [{ name: "s", value: bytesOf(2, 9), expectedVersion: 0 }] });
    expect(stale).toEqual({ kind: "conflict", slotName: "s" });
  });
});

describe("rewriting", () => {
  const change = [{ position: 1, bytes: bytesOf(9, 9) }];
  const slot = { name: "s", value: bytesOf(1, 9), expectedVersion: 0 };

  test("a full disk leaves the old bytes, and says so", async () => {
    const store = await openFresh();
    await store.write({ records: [recordOf(1)] });
    vi.spyOn(IDBObjectStore.prototype, "put").mockImplementationOnce(function (this: IDBObjectStore) {
      throw new DOMException("full", "QuotaExceededError");
    });
    await expect(store.rewrite(change)).rejects.toMatchObject({ code: "store/quota" });
    expect((await store.readRecords([1]))[0]?.bytes).toEqual(recordOf(1).bytes);
    expect(await store.rewrite(change)).toEqual({ kind: "stored", count: 1 });
  });

  test("lands once more, alike, where it landed unheard; with a slot the outcome is unknown", async () => {
    const store = await openFresh();
    await store.write({ records: [recordOf(1)] });
    inject(landsUnheard);
    expect(await store.rewrite(change)).toEqual({ kind: "stored", count: 1 });
    inject(landsUnheard);
    await expect(store.rewrite(change, [slot])).rejects.toMatchObject({ details: { outcome: "unknown" } });
    expect((await store.readRecords([1]))[0]?.bytes).toEqual(bytesOf(9, 9));
  });

  test("is durable before it is told", async () => {
    const store = await openFresh();
    await store.write({ records: [recordOf(1)] });
    const spy = vi.spyOn(IDBDatabase.prototype, "transaction");
    await store.rewrite(change, [slot]);
    expect(spy.mock.calls).toEqual([[["log", "slots"], "readwrite", { durability: "strict" }]]);
  });
});

describe("full disks", () => {
  test("an abort for quota is store/quota, is not repeated and writes nothing", async () => {
    const store = await openFresh();
    const { left } = inject(aborts("QuotaExceededError"), aborts("QuotaExceededError"));
    const batch = { records: [recordOf(1)], slots: [{ name: "s", value: bytesOf(1, 1) }] };
    await expect(store.write(batch)).rejects.toMatchObject({ code: "store/quota" });
    expect(left()).toBe(1);
    await expect(store.write(batch)).rejects.toMatchObject({ code: "store/quota" });
    expect(await store.lastPosition()).toBe(0);
    expect(await store.write(batch)).toEqual({ kind: "stored", positions: [1] });
  });

  test("no room to open is store/quota", async () => {
    vi.spyOn(IDBFactory.prototype, "open").mockImplementation(() => {
      const request: Record<string, unknown> = { error: new DOMException("full", "QuotaExceededError") };
      queueMicrotask(() => {
        const event = { target: request, stopPropagation: () => undefined, preventDefault: () => undefined };
        (request.onerror as (event: unknown) => void)(event);
      });
      return request as unknown as IDBOpenDBRequest;
    });
    await expect(openFresh()).rejects.toMatchObject({ code: "store/quota" });
  });
});

/** Timers that run when the test says. */
function handTimers(): {
  setTimer: Env["setTimer"];
  waitFor: (afterMs: number) => Promise<void>;
  running: () => readonly number[];
} {
  const timers = new Set<{ afterMs: number; run: () => void }>();
  return {
    running: () => [...timers].map(({ afterMs }) => afterMs),
    setTimer(afterMs, run) {
      const timer = { afterMs, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async waitFor(afterMs) {
      const due = (): typeof timers extends Set<infer T> ? T | undefined : never =>
        [...timers].find((timer) => timer.afterMs === afterMs);
      await vi.waitFor(() => expect(due()).toBeDefined(), 30_000);
      // Let what is under way get as far as it can.
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
      const timer = due();
      if (timer === undefined) return;
      timers.delete(timer);
      timer.run();
    },
  };
}

describe("silence", () => {
  test.each([
    ["none", false],
    ["unknown", true],
  ])("a write that never settles ends in time with outcome %s", async (outcome, isCommitting) => {
    const { setTimer, waitFor } = handTimers();
    const store = await openFresh({ setTimer });
    inject(hangs(isCommitting));
    const write = store.write({ records: [recordOf(1)] });
    await Promise.all([
      expect(write).rejects.toMatchObject({ code: "store/failed", details: { reason: "timeout", outcome } }),
      waitFor(9_500),
    ]);
    expect(await store.write({ records: [recordOf(2)] })).toEqual({ kind: "stored", positions: [1] });
  });

  test("after a first try that aborted, a second that hangs is an unknown outcome", async () => {
    const { setTimer, waitFor } = handTimers();
    const store = await openFresh({ setTimer });
    inject(aborts(), hangs(false));
    const write = store.write({ records: [recordOf(1)] });
    const details = { outcome: "unknown" };
    await Promise.all([
      expect(write).rejects.toMatchObject({ code: "store/failed", details }),
      waitFor(9_500),
    ]);
  });

  test("a read that never settles ends in time", async () => {
    const { setTimer, waitFor } = handTimers();
    const store = await openFresh({ setTimer });
    inject(hangs(false));
    await Promise.all([
      expect(store.lastPosition()).rejects.toMatchObject({ code: "store/failed" }),
      waitFor(9_500),
    ]);
    expect(await store.lastPosition()).toBe(0);
  });

  test("a store whose epoch cannot be read or minted leaves no connection behind", async () => {
    const raws = new Set<IDBDatabase>();
    vi.spyOn(IDBDatabase.prototype, "transaction").mockImplementation(function (this: IDBDatabase, ...args) {
      if (args[1] === "readwrite") {
        raws.add(this);
        throw new DOMException("dead", "UnknownError");
      }
      return begin.apply(this, args);
    });
    const close = vi.spyOn(IDBDatabase.prototype, "close");
    await expect(openFresh()).rejects.toMatchObject({
      code: "store/failed",
      details: { reason: "UnknownError" },
    });
    expect(raws.size).toBe(2);
    for (const raw of raws) expect(close.mock.contexts).toContain(raw);
  });

  test("an opening that never settles is store/blocked", async () => {
    const { setTimer, waitFor } = handTimers();
    const open = vi.spyOn(IDBFactory.prototype, "open").mockImplementation(() => ({}) as IDBOpenDBRequest);
    await Promise.all([
      expect(openFresh({ setTimer })).rejects.toMatchObject({ code: "store/blocked" }),
      waitFor(5_000),
    ]);
    expect(open).toHaveBeenCalledTimes(1);
  });
});

describe("a deletion", () => {
  /** What was asked for, and does nothing of itself. */
  function deletions(): readonly IDBOpenDBRequest[] {
    const held: IDBOpenDBRequest[] = [];
    vi.spyOn(IDBFactory.prototype, "deleteDatabase").mockImplementation(() => {
      const request = new EventTarget() as IDBOpenDBRequest;
      held.push(request);
      return request;
    });
    return held;
  }
  const tell = (request: IDBOpenDBRequest | undefined, type: string): void => {
    const event = new Event(type);
    request?.dispatchEvent(event);
    (request as unknown as Record<string, ((event: Event) => void) | undefined>)[`on${type}`]?.(event);
  };

  test("of much is waited for, however long it takes", async () => {
    const { setTimer, running } = handTimers();
    const store = await openFresh({ setTimer });
    const held = deletions();
    let isDone = false;
    const destroying = store.destroy().then(() => (isDone = true));
    await vi.waitFor(() => expect(held).toHaveLength(1));
    // No timer of the kind that gives up soon is running.
    expect(running().filter((ms) => ms < 60_000)).toEqual([]);
    expect(isDone).toBe(false);
    tell(held[0], "success");
    await destroying;
  });

  test("that somebody else stands in the way of is store/blocked", async () => {
    const { setTimer, waitFor } = handTimers();
    const store = await openFresh({ setTimer });
    const held = deletions();
    const destroying = store.destroy();
    await vi.waitFor(() => expect(held).toHaveLength(1));
    tell(held[0], "blocked");
    await Promise.all([expect(destroying).rejects.toMatchObject({ code: "store/blocked" }), waitFor(5_000)]);
  });
});

describe("damage", () => {
  const openRaw = async (name: string): Promise<IDBDatabase> =>
    new Promise((resolve) => {
      const request = indexedDB.open(`coffer/${name}`);
      request.onsuccess = () => resolve(request.result);
    });

  /** Put rows that no store has written. */
  async function putRows(name: string, table: string, rows: readonly object[]): Promise<void> {
    const database = await openRaw(name);
    await new Promise<void>((resolve) => {
      const transaction = database.transaction([table], "readwrite");
      for (const row of rows) transaction.objectStore(table).put(row);
      transaction.oncomplete = () => resolve();
    });
    database.close();
  }

  test("damaged records are skipped and told, and the sound ones around them are read", async () => {
    const store = await openFresh();
    const damage: Damage[] = [];
    store.onDamage((event) => damage.push(event));
    await store.write({ records: Array.from({ length: 60 }, (_, i) => recordOf(i + 1)) });
    const sound = { commitHash: hashOf(2), bytes: bytesOf(2, 100), origin: "" };
    const bad = [
      {},
      { ...sound, commitHash: "short" },
      { ...sound, commitHash: 7 },
      { ...sound, bytes: "text" },
      { ...sound, bytes: [1, 2] },
      { ...sound, bytes: undefined },
      { ...sound, origin: null },
    ];
    // A whole first group of rows is damaged, so an empty answer cannot be mistaken for the end.
    const rows = Array.from({ length: 40 }, (_, i) => ({ ...bad[i % bad.length], position: i + 2 }));
    await putRows(store.name, "log", rows);
    const asked = rows.map(({ position }) => ({ kind: "record", position }));
    expect(await positionsOf(store)).toEqual([1, ...Array.from({ length: 19 }, (_, i) => i + 42)]);
    expect(damage.splice(0)).toEqual(asked);
    expect(
      (await store.readLog({ after: 1, maxCount: 1, maxBytes: 1 })).map(({ position }) => position),
    ).toEqual([42]);
    expect(damage.splice(0)).toEqual(asked);
    expect((await store.readRecords([3, 1, 2])).map(({ position }) => position)).toEqual([1]);
    expect(damage).toEqual([3, 2].map((position) => ({ kind: "record", position })));
    expect(await store.lastPosition()).toBe(60);
  });

  test("a damaged slot is entry/corrupt by name, told when listed, and mended by a write", async () => {
    const store = await openFresh();
    const damage: Damage[] = [];
    store.onDamage((event) => damage.push(event));
    await store.write({ slots: [{ name: "a/1", value: bytesOf(1, 1) }] });
    await putRows(store.name, "slots", [
      { name: "a/2", version: "x", value: bytesOf(1, 1) },
      { name: "a/3", version: 4, value: "text" },
    ]);
    await expect(store.readSlot("a/2")).rejects.toMatchObject({
      code: "entry/corrupt",
      details: { slotName: "a/2" },
    });
    expect((await store.readSlots("a/")).map(({ name }) => name)).toEqual(["a/1"]);
    expect(damage.splice(0)).toEqual(["a/2", "a/3"].map((slotName) => ({ kind: "slot", slotName })));
    expect((await store.readSlots(["a/2", "a/1"])).map(({ name }) => name)).toEqual(["a/1"]);
    expect(damage).toEqual([{ kind: "slot", slotName: "a/2" }]);
    const mend = (name: string, expectedVersion?: number): ReturnType<Store["write"]> =>
      store.write({ slots: [{ name, value: bytesOf(2, 2), expectedVersion }] });
    expect((await mend("a/2", 0)).kind).toBe("conflict");
    expect((await mend("a/2")).kind).toBe("stored");
    expect((await mend("a/3", 4)).kind).toBe("stored");
    expect((await store.readSlots("a/")).map(({ name, version }) => [name, version])).toEqual([
      ["a/1", 1],
      ["a/2", 1],
      ["a/3", 5],
    ]);
  });

  test("a damaged epoch is replaced by a new one, for all who open", async () => {
    const store = await openFresh();
    const before = store.logEpoch;
    await putRows(store.name, "meta", [{ name: "logEpoch", value: "zz" }]);
    const after = await createDexieStorage(env).openStore(store.name);
    expect(after.logEpoch).toMatch(/^[0-9a-f]{32}$/);
    expect(after.logEpoch).not.toBe(before);
    expect((await createDexieStorage(env).openStore(store.name)).logEpoch).toBe(after.logEpoch);
  });

  test("durability reaches the transaction: relaxed unless strict is asked for", async () => {
    const store = await openFresh();
    const begin = vi.spyOn(IDBDatabase.prototype, "transaction");
    await store.write({ records: [recordOf(1)] });
    await store.write({
      records: [recordOf(2)],
      slots: [{ name: "s", value: bytesOf(1, 1) }],
      durability: "strict",
    });
    await store.write({ slots: [{ name: "s", value: bytesOf(1, 1) }] });
    expect(begin.mock.calls).toEqual([
      [["log"], "readwrite", { durability: "relaxed" }],
      [["log", "slots"], "readwrite", { durability: "strict" }],
      [["slots"], "readwrite", { durability: "relaxed" }],
    ]);
  });
});
