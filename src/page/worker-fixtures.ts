/**
 * A worker in memory, over a real `MessageChannel` and Comlink, for the tests of the page: documents are
 * plain objects, a draft is applied as it says. What it stores outlives its death, as a disk would.
 */
import { expose, transferHandlers, type Endpoint } from "comlink";
import type {
  DocSnapshot,
  DocUpdate,
  DraftMessage,
  QueryMessage,
  SummaryRow,
  TenantSnapshot,
  WorkerApi,
  WorkerEvent,
} from "../../worker/api.ts";
import { diffValues, type DraftOperation, type Mark } from "../draft/index.ts";
import { CofferError, createSystemEnv, installErrorTransfer, type Env } from "../std/index.ts";
import type { WorkerSource } from "./connect.ts";

export type PlainDoc = { [key: string]: never };

/** A world whose timers and locks the test moves. */
export interface TestEnv extends Env {
  /** run the timers that are due within the time, in order, with what follows from each */
  advance(byMs: number): Promise<void>;
  /** time passes, and no timer runs: the thread is starved, frozen or asleep */
  starve(forMs: number): void;
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
        nowMs = Math.max(nowMs, next.dueMs);
        next.run();
        await settle();
      }
      nowMs = untilMs;
    },
    starve(forMs) {
      nowMs += forMs;
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

/** What a document's subscription was told last. */
interface Told {
  readonly key: string;
  value: DocSnapshot["value"];
}

export interface FakeWorld {
  readonly env: TestEnv;
  readonly source: WorkerSource;
  /** by id, and by id and name for branches */
  readonly docs: Map<string, Stored>;
  /** ids as they were written, for `changesSince`, whose cursors are places in it */
  readonly feed: string[];
  marks: readonly Mark[];
  /** pieces of a backup; those read, written and given up */
  readonly backup: { pieces: Uint8Array[]; readCount: number; written: Uint8Array[]; aborted: number[] };
  /** whether updates are told as patches */
  tellsPatches: boolean;
  /** runs before any call but drafts and creations; it may wait or throw */
  beforeCall: (name: string) => Promise<void>;
  /** the calls of all workers, in order: `name(arguments)` */
  readonly calls: string[];
  readonly open: Set<number>;
  /** runs before a draft is applied; it may wait or throw */
  beforeChange: (message: DraftMessage) => Promise<void>;
  /** runs after a draft was applied, before the reply */
  afterChange: () => Promise<void>;
  /** runs after the event of a draft, before what the reply tells is put together */
  beforeReply: () => void;
  beforeCreate: () => Promise<void>;
  locked: boolean;
  spawnCount: number;
  /** somebody else writes */
  write(docId: string, change: Record<string, unknown>): void;
  emit(events: readonly WorkerEvent[]): void;
  emitQuery(order: readonly string[], changed: readonly SummaryRow[]): void;
  emitSearch(news: Pick<SearchEvent, "status" | "order" | "scores" | "changed">): void;
  emitTenant(session?: { tenantId: string; opaque: unknown } | null): void;
  /** the worker dies: silently, with its lock or with an error event */
  kill(how: "silent" | "lock" | "error"): void;
  refuseToStart: boolean;
}

type SearchEvent = Extract<WorkerEvent, { readonly kind: "search" }>;

interface Running {
  readonly docSubscriptions: Map<number, Told>;
  readonly listening: Set<number>;
  readonly querySubscriptions: Map<number, QueryMessage>;
  readonly searchSubscriptions: Set<number>;
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
    feed: [],
    marks: [],
    backup: { pieces: [], readCount: 0, written: [], aborted: [] },
    tellsPatches: true,
    beforeCall: async () => undefined,
    calls: [],
    open: new Set(),
    beforeChange: async () => undefined,
    afterChange: async () => undefined,
    beforeReply: () => undefined,
    beforeCreate: async () => undefined,
    locked: false,
    spawnCount: 0,
    refuseToStart: false,
    write(docId, change) {
      const stored = world.docs.get(docId);
      if (stored === undefined) throw new Error("no such document");
      world.docs.set(docId, { value: { ...stored.value, ...change }, version: stored.version + 1 });
      world.feed.push(docId);
      if (running !== undefined) emitDoc(world, running, docId, 0);
      if (running !== undefined) emitChanges(running, docId, false);
    },
    emit: (events) => running?.worker.postMessage({ events }),
    emitQuery(order, changed) {
      for (const subscription of running?.querySubscriptions.keys() ?? []) {
        const put = order.map((id) => changed.find((row) => row.id === id) ?? id);
        const splices = [{ at: 0, remove: Number.POSITIVE_INFINITY, put }];
        const told = {
          total: order.length,
          status: "ready",
          splices,
          groups: [],
          cursor: undefined,
        } as const;
        world.emit([{ kind: "query", subscription, ...told }]);
      }
    },
    emitSearch(news) {
      for (const subscription of running?.searchSubscriptions ?? [])
        world.emit([{ kind: "search", subscription, total: news.order.length, ...news }]);
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
      listening: new Set(),
      querySubscriptions: new Map(),
      searchSubscriptions: new Set(),
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
        if (name !== "ping") world.calls.push(`${name}(${args.map(print).join(", ")})`);
        await world.beforeCall(name);
        return (run as (...args: unknown[]) => Promise<unknown>)(...args);
      },
    ]),
  );
}

const print = (arg: unknown): string =>
  JSON.stringify(arg, (_, value: unknown) => (value instanceof Uint8Array ? { bytes: value.length } : value));

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
      sealedCount: 0,
      quarantinedCount: 0,
      pendingPushCount: 0,
      files: undefined,
    },
    devices: [],
    users: [],
    groups: [],
    roles: [],
    settings: {},
    databaseSettings: {},
    alarms: [],
    quarantine: [],
    keys: [],
    keyGrants: [],
    links: [],
  };
}

function snapshotOf(world: FakeWorld, key: string): DocSnapshot {
  const stored = world.docs.get(key);
  if (stored === undefined) throw new CofferError("doc/missing", { docId: key });
  const branches = [...world.docs.keys()]
    .filter((other) => other.startsWith(`${key} `))
    .map((other) => other.slice(key.length + 1));
  const about = { heads: [`${key.replace(" ", "-")}-${stored.version}`], lastChange: undefined, branches };
  if (world.locked) return { ...about, value: undefined, status: "locked" };
  return { ...about, value: structuredClone(stored.value) as PlainDoc, status: "ready" };
}

/** What a subscription is told now: what differs from what it was told last, if it can be said so. */
function updateOf(world: FakeWorld, told: Told): DocUpdate {
  const { value: before } = told;
  const { value, ...about } = snapshotOf(world, told.key);
  told.value = value;
  if (!world.tellsPatches || before === undefined || value === undefined) return { ...about, value };
  return { ...about, patches: diffValues(before, value) };
}

function emitDoc(world: FakeWorld, own: Running, docId: string, ackDraft: number): void {
  const events = [...own.docSubscriptions]
    .filter(([, { key }]) => key === docId)
    .map(([subscription, told]): WorkerEvent => ({
      kind: "doc",
      subscription,
      update: updateOf(world, told),
      ackDraft,
    }));
  if (events.length > 0) own.worker.postMessage({ events });
}

function emitChanges(own: Running, docId: string, isLocal: boolean): void {
  const events = [...own.listening].map((subscription): WorkerEvent => ({
    kind: "changes",
    subscription,
    docIds: [docId],
    isLocal,
  }));
  if (events.length > 0) own.worker.postMessage({ events });
}

function createFakeApi(world: FakeWorld, own: Running): Partial<WorkerApi> {
  const acked = new Map<number, number>();
  const failed = new Set<number>();
  const close = async (subscription: number): Promise<void> => {
    world.open.delete(subscription);
    own.docSubscriptions.delete(subscription);
    own.listening.delete(subscription);
    own.querySubscriptions.delete(subscription);
    own.searchSubscriptions.delete(subscription);
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
    readPushKey: async () => `B${"A".repeat(86)}`,
    setPushEndpoint: async () => undefined,
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
        world.feed.push(id);
        emitChanges(own, id, true);
        return id;
      });
    },
    documentIds: async () => [...world.docs.keys()],
    openDocument: async (_database, docId, subscription, branch) => {
      const key = branch === undefined ? docId : `${docId} ${branch}`;
      const snapshot = snapshotOf(world, key);
      own.docSubscriptions.set(subscription, { key, value: snapshot.value });
      world.open.add(subscription);
      return snapshot;
    },
    closeDocument: close,
    changeDocument: async (subscription, message) => {
      const told = own.docSubscriptions.get(subscription);
      if (told === undefined) throw new CofferError("doc/missing");
      try {
        await world.beforeChange(message);
        if (failed.has(message.afterDraft)) throw new CofferError("input/invalid");
      } catch (cause) {
        failed.add(message.draft);
        throw cause;
      }
      write(world, told.key, message.operations);
      await world.afterChange();
      acked.set(subscription, Math.max(message.draft, acked.get(subscription) ?? 0));
      emitDoc(world, own, told.key, acked.get(subscription) ?? 0);
      emitChanges(own, told.key, true);
      world.beforeReply();
      const update = updateOf(world, told);
      return { heads: update.heads, update };
    },
    ...createFakeDepth(world, own),
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
    openSearch: async (_database, _message, subscription) => {
      own.searchSubscriptions.add(subscription);
      world.open.add(subscription);
    },
    updateSearch: async () => undefined,
    closeSearch: close,
    openPresence: async (_database, subscription) => {
      if (world.locked) throw new CofferError("access/locked");
      world.open.add(subscription);
    },
    setPresence: async () => undefined,
    broadcast: async () => undefined,
    closePresence: close,
  };
}

/** The calls beside plain reading and writing. */
function createFakeDepth(world: FakeWorld, own: Running): Partial<WorkerApi> {
  const keyOf = (subscription: number): string => own.docSubscriptions.get(subscription)?.key ?? "";
  const read = (docId: string) => {
    const missing = {
      value: undefined,
      heads: [],
      status: "failed",
      lastChange: undefined,
      branches: [],
    } as const;
    return { docId, snapshot: world.docs.has(docId) ? snapshotOf(world, docId) : missing };
  };
  return {
    readDocuments: async (_database, docIds) => docIds.map(read),
    changeDocuments: async (_database, drafts) =>
      drafts.map(({ docId, operations }) => {
        write(world, docId, operations);
        emitDoc(world, own, docId, 0);
        return { docId, heads: snapshotOf(world, docId).heads };
      }),
    changesSince: async (_database, cursor, maxCount) => {
      const from = Number(cursor ?? 0);
      const until = Math.min(from + maxCount, world.feed.length);
      const ids = [...new Set(world.feed.slice(from, until))];
      return { changes: ids.map(read), cursor: String(until), isDone: until === world.feed.length };
    },
    listenChanges: async (database, isOn) => {
      if (isOn) own.listening.add(database);
      else own.listening.delete(database);
    },
    undo: async (subscription, { isRedo }) => {
      const told = own.docSubscriptions.get(subscription);
      if (told === undefined || isRedo) return undefined;
      write(world, told.key, [{ op: "set", path: ["title"], value: "undone" }]);
      emitDoc(world, own, told.key, 0);
      return { heads: snapshotOf(world, told.key).heads };
    },
    undoDepth: async (_subscription, groupMs) => ({ undo: groupMs, redo: 0 }),
    documentAt: async (_database, docId) => read(docId).snapshot,
    history: async (_database, docId, from) => {
      const steps = Array.from({ length: Math.min(64, 100 - from) }, (_, index) => ({
        hash: `${docId}-${from + index}`,
        kind: "change" as const,
        author: "a",
        atMs: from + index,
        parents: [],
        branch: undefined,
        patches: [],
        verified: true,
      }));
      return { steps, isDone: from + steps.length === 100 };
    },
    diff: async (subscription, before, after) => [
      { op: "set", path: [keyOf(subscription)], value: `${before.join()}..${after.join()}` },
    ],
    marks: async () => world.marks,
    createBranch: async (_database, docId, name) => {
      const { value } = world.docs.get(docId) ?? { value: {} };
      world.docs.set(`${docId} ${name}`, { value: structuredClone(value), version: 1 });
      emitDoc(world, own, docId, 0);
    },
    endBranch: async (_database, docId, name, how) => {
      const branch = world.docs.get(`${docId} ${name}`);
      world.docs.delete(`${docId} ${name}`);
      if (how === "merge" && branch !== undefined) world.write(docId, branch.value);
      else emitDoc(world, own, docId, 0);
    },
    purgeDocument: async (_database, docId) => {
      world.docs.delete(docId);
    },
    createKey: async () => undefined,
    exportKey: async (_tenantId, name) => `mdb://key/${name}`,
    importKey: async (_tenantId, uri) => uri.replace("mdb://key/", ""),
    measureStorage: async () => undefined,
    ...createFakeBackup(world),
  };
}

function createFakeBackup({ backup }: FakeWorld): Partial<WorkerApi> {
  return {
    openExport: async () => 7,
    readExport: async () => {
      const piece = backup.pieces[backup.readCount];
      backup.readCount += 1;
      return piece;
    },
    openImport: async () => 8,
    writeImport: async (_importId, bytes) => ({ commitCount: backup.written.push(bytes) }),
    finishImport: async () => ({ tenantId: "t1", commitCount: 3, newCount: 2, fileBytes: 0 }),
    summarize: async () => Uint8Array.of(5, 6),
    openBundleExport: async () => 17,
    measureBundle: async (_id, _summary, maxFileBytes) => ({ fileBytes: maxFileBytes, leftOutBytes: 3 }),
    openBundleImport: async () => 18,
    finishBundleImport: async () => ({
      commitCount: 2,
      newCount: 1,
      refusedCount: 1,
      refused: [{ commitHash: undefined }],
      newFileBytes: 0,
    }),
    abortBackup: async (id) => {
      backup.aborted.push(id);
    },
  };
}

function write(world: FakeWorld, key: string, operations: readonly DraftOperation[]): void {
  const stored = world.docs.get(key);
  if (stored === undefined) throw new CofferError("doc/missing");
  const value = structuredClone(stored.value);
  for (const operation of operations) apply(value, operation);
  world.docs.set(key, { value, version: stored.version + 1 });
  world.feed.push(key);
}

function apply(root: Record<string, unknown>, operation: DraftOperation): void {
  let holder = root;
  for (const step of operation.path.slice(0, -1)) holder = holder[step] as Record<string, unknown>;
  const last = operation.path.at(-1) ?? "";
  if (operation.op === "set" || operation.op === "updateText") holder[last] = operation.value;
  else if (operation.op === "delete") delete holder[last];
  else if (operation.op === "splice") {
    const { index, remove, values } = operation;
    (holder[last] as unknown[]).splice(index, remove, ...values);
  } else throw new CofferError("input/invalid", { op: operation.op });
}
