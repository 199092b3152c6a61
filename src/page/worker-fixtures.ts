/**
 * A worker in memory, over a real `MessageChannel` and Comlink, for the tests of the page: documents are
 * plain objects, a draft is applied as it says. What it stores outlives its death, as a disk would.
 */
import { expose, transferHandlers, type Endpoint } from "comlink";
import type {
  DocSnapshot,
  DraftMessage,
  QueryMessage,
  SummaryRow,
  TenantSnapshot,
  WorkerApi,
  WorkerEvent,
} from "../../worker/api.ts";
import type { DraftOperation } from "../draft/index.ts";
import { CofferError, createSystemEnv, installErrorTransfer, type Env } from "../std/index.ts";
import type { WorkerSource } from "./connect.ts";

export type PlainDoc = { [key: string]: never };

/** A world whose timers and locks the test moves. */
export interface TestEnv extends Env {
  /** run the timers that are due within the time, in order, with what follows from each */
  advance(byMs: number): Promise<void>;
  freeLock(name: string): void;
  readonly timerCount: () => number;
}

export function createTestEnv(): TestEnv {
  let nowMs = 0;
  const timers = new Set<{ dueMs: number; run: () => void }>();
  const locks = new Map<string, () => void>();
  return {
    ...createSystemEnv(),
    monotonicMs: () => nowMs,
    setTimer(afterMs, run) {
      const timer = { dueMs: nowMs + afterMs, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async withLock(name, { signal }, run) {
      await new Promise<void>((resolve, reject) => {
        locks.set(name, resolve);
        signal?.addEventListener("abort", () => reject(new Error("AbortError")));
      });
      return run();
    },
    async advance(byMs) {
      const untilMs = nowMs + byMs;
      for (;;) {
        const next = [...timers]
          .filter((timer) => timer.dueMs <= untilMs)
          .toSorted((one, other) => one.dueMs - other.dueMs)[0];
        if (next === undefined) break;
        timers.delete(next);
        nowMs = next.dueMs;
        next.run();
        await settle();
      }
      nowMs = untilMs;
    },
    freeLock: (name) => locks.get(name)?.(),
    timerCount: () => timers.size,
  };
}

/** Let messages under way arrive, and what follows from them happen. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

interface Stored {
  value: Record<string, unknown>;
  version: number;
}

export interface FakeWorld {
  readonly env: TestEnv;
  readonly source: WorkerSource;
  readonly docs: Map<string, Stored>;
  /** the calls of all workers, in order: `name(arguments)` */
  readonly calls: string[];
  readonly open: Set<number>;
  /** runs before a draft is applied; it may wait or throw */
  beforeChange: (message: DraftMessage) => Promise<void>;
  /** runs after a draft was applied, before the reply */
  afterChange: () => Promise<void>;
  beforeCreate: () => Promise<void>;
  locked: boolean;
  spawnCount: number;
  /** somebody else writes */
  write(docId: string, change: Record<string, unknown>): void;
  emit(events: readonly WorkerEvent[]): void;
  emitQuery(order: readonly string[], changed: readonly SummaryRow[]): void;
  emitTenant(session?: { tenantId: string; opaque: unknown } | null): void;
  /** the worker dies: silently, with its lock or with an error event */
  kill(how: "silent" | "lock" | "error"): void;
  refuseToStart: boolean;
}

interface Running {
  readonly docSubscriptions: Map<number, string>;
  readonly querySubscriptions: Map<number, QueryMessage>;
  readonly worker: MessagePort;
  lifeLock: string;
  onError: () => void;
}

export function createWorld(): FakeWorld {
  installErrorTransfer(transferHandlers as never);
  const env = createTestEnv();
  let running: Running | undefined;
  const world: FakeWorld = {
    env,
    source: { spawn: () => spawn(), again: true },
    docs: new Map(),
    calls: [],
    open: new Set(),
    beforeChange: async () => undefined,
    afterChange: async () => undefined,
    beforeCreate: async () => undefined,
    locked: false,
    spawnCount: 0,
    refuseToStart: false,
    write(docId, change) {
      const stored = world.docs.get(docId);
      if (stored === undefined) throw new Error("no such document");
      world.docs.set(docId, { value: { ...stored.value, ...change }, version: stored.version + 1 });
      if (running !== undefined) emitDoc(world, running, docId, 0);
    },
    emit: (events) => running?.worker.postMessage({ events }),
    emitQuery(order, changed) {
      for (const subscription of running?.querySubscriptions.keys() ?? []) {
        world.emit([{ kind: "query", subscription, total: order.length, status: "ready", order, changed }]);
      }
    },
    emitTenant: (session) =>
      world.emit([
        {
          kind: "tenant",
          tenantId: "t1",
          snapshot: tenantSnapshot(world),
          ...(session === undefined ? {} : { session }),
        },
      ]),
    kill(how) {
      const dying = running;
      running = undefined;
      dying?.worker.close();
      if (how === "lock") env.freeLock(dying?.lifeLock ?? "");
      if (how === "error") dying?.onError();
    },
  };

  function spawn(): ReturnType<WorkerSource["spawn"]> {
    world.spawnCount += 1;
    world.open.clear();
    const { port1, port2 } = new MessageChannel();
    const own: Running = {
      docSubscriptions: new Map(),
      querySubscriptions: new Map(),
      worker: port2 as unknown as MessagePort,
      lifeLock: "",
      onError: () => undefined,
    };
    running = own;
    const api = createFakeApi(world, own);
    const start: WorkerApi["start"] = async (options) => {
      if (world.refuseToStart) throw new CofferError("protocol/version");
      own.lifeLock = options.lifeLock;
    };
    expose({ ...logged(world, api), start }, port2 as unknown as Endpoint);
    return {
      endpoint: port1 as unknown as Endpoint,
      onError(listener) {
        own.onError = listener;
      },
      end() {
        port1.close();
        port2.close();
      },
    };
  }
  return world;
}

function logged(world: FakeWorld, api: object): object {
  return Object.fromEntries(
    Object.entries(api).map(([name, run]) => [
      name,
      async (...args: unknown[]) => {
        if (name !== "ping")
          world.calls.push(`${name}(${args.map((arg) => JSON.stringify(arg)).join(", ")})`);
        return (run as (...args: unknown[]) => Promise<unknown>)(...args);
      },
    ]),
  );
}

export function tenantSnapshot(world: FakeWorld): TenantSnapshot {
  const identity = { userName: "cn=owner", key: "owner-key" };
  return {
    id: "t1",
    name: world.locked ? undefined : "acme",
    self: identity,
    adminUser: { userName: "cn=admin", key: "admin-key" },
    status: {
      phase: world.locked ? "locked" : "open",
      unjudgedCount: 0,
      quarantinedCount: 0,
      pendingPushCount: 0,
    },
    users: [],
    alarms: [],
    quarantine: [],
    links: [],
  };
}

function snapshotOf(world: FakeWorld, docId: string): DocSnapshot {
  const stored = world.docs.get(docId);
  if (stored === undefined) throw new CofferError("doc/missing", { docId });
  const about = { heads: [`${docId}-${stored.version}`], lastChange: undefined };
  if (world.locked) return { ...about, value: undefined, status: "locked" };
  return { ...about, value: structuredClone(stored.value) as PlainDoc, status: "ready" };
}

function emitDoc(world: FakeWorld, own: Running, docId: string, ackDraft: number): void {
  const events = [...own.docSubscriptions]
    .filter(([, id]) => id === docId)
    .map(([subscription]): WorkerEvent => ({
      kind: "doc",
      subscription,
      snapshot: snapshotOf(world, docId),
      ackDraft,
    }));
  if (events.length > 0) own.worker.postMessage({ events });
}

function createFakeApi(world: FakeWorld, own: Running): Partial<WorkerApi> {
  const acked = new Map<number, number>();
  const failed = new Set<number>();
  const close = async (subscription: number): Promise<void> => {
    world.open.delete(subscription);
    own.docSubscriptions.delete(subscription);
    own.querySubscriptions.delete(subscription);
  };
  return {
    ping: async () => undefined,
    tenants: async () => [],
    createTenant: async () => tenantSnapshot(world),
    openTenant: async () => tenantSnapshot(world),
    resumeTenant: async () => tenantSnapshot(world),
    closeTenant: async () => undefined,
    lock: async () => {
      throw new CofferError("access/denied", { why: "test" });
    },
    connect: async () => undefined,
    unlock: async () => {
      world.locked = false;
    },
    openDatabase: async (_tenantId, _name, subscription) => {
      if (world.locked) throw new CofferError("access/locked");
      world.open.add(subscription);
      return { phase: "ready", documentCount: world.docs.size };
    },
    closeDatabase: close,
    createDocuments: async (_database, values) => {
      await world.beforeCreate();
      return values.map((value) => {
        const id = `d${world.docs.size + 1}`;
        world.docs.set(id, { value: value as Record<string, unknown>, version: 1 });
        return id;
      });
    },
    documentIds: async () => [...world.docs.keys()],
    openDocument: async (_database, docId, subscription) => {
      const snapshot = snapshotOf(world, docId);
      own.docSubscriptions.set(subscription, docId);
      world.open.add(subscription);
      return snapshot;
    },
    closeDocument: close,
    changeDocument: async (subscription, message) => {
      const docId = own.docSubscriptions.get(subscription) ?? "";
      try {
        await world.beforeChange(message);
        if (failed.has(message.afterDraft)) throw new CofferError("input/invalid");
      } catch (cause) {
        failed.add(message.draft);
        throw cause;
      }
      const stored = world.docs.get(docId);
      if (stored === undefined) throw new CofferError("doc/missing");
      const value = structuredClone(stored.value);
      for (const operation of message.operations) apply(value, operation);
      world.docs.set(docId, { value, version: stored.version + 1 });
      await world.afterChange();
      acked.set(subscription, Math.max(message.draft, acked.get(subscription) ?? 0));
      emitDoc(world, own, docId, acked.get(subscription) ?? 0);
      const snapshot = snapshotOf(world, docId);
      return { heads: snapshot.heads, snapshot };
    },
    deleteDocument: async (_database, docId) => {
      world.docs.delete(docId);
    },
    openQuery: async (_database, query, subscription) => {
      own.querySubscriptions.set(subscription, query);
      world.open.add(subscription);
    },
    updateQuery: async (subscription, query) => {
      own.querySubscriptions.set(subscription, query);
    },
    closeQuery: close,
  };
}

function apply(root: Record<string, unknown>, operation: DraftOperation): void {
  let holder = root;
  for (const step of operation.path.slice(0, -1)) holder = holder[step] as Record<string, unknown>;
  const last = operation.path.at(-1) ?? "";
  if (operation.op === "set" || operation.op === "updateText") holder[last] = operation.value;
  else if (operation.op === "delete") delete holder[last];
  else throw new CofferError("input/invalid", { op: operation.op });
}
