import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createWebCrypto, type Crypto } from "../src/crypto/index.ts";
import { createChangeCodec, loadAutomerge } from "../src/doc/index.ts";
import { createSystemEnv, type Channel, type Env } from "../src/std/index.ts";
import type { Storage } from "../src/store/index.ts";
import { createHttpTransport, createWebSocketTransport } from "../src/sync/index.ts";
import { createLocks } from "../src/sync/sync-fixture.ts";
import { applyPatches } from "../src/draft/index.ts";
import type { DocSnapshot, DocUpdate, DraftMessage, SummaryRow, WorkerApi, WorkerEvent } from "./api.ts";
import { createService } from "./service.ts";

const wasm = createRequire(import.meta.url).resolve("@automerge/automerge/automerge.wasm");
export const env = createSystemEnv();
export const crypto = quickPasswords(createWebCrypto(env));

/** The real primitives, but with a password derivation that does not cost half a second in each test. */
function quickPasswords(real: Crypto): Crypto {
  const tag = (password: string, salt: Uint8Array): Uint8Array<ArrayBuffer> =>
    real.sha256(new TextEncoder().encode(password), salt);
  return {
    ...real,
    deriveFromPassword: async (password, parameters) => tag(password.normalize("NFKC"), parameters.salt),
  };
}

export interface Device {
  readonly api: WorkerApi;
  readonly events: WorkerEvent[];
  until(isThere: (events: readonly WorkerEvent[]) => boolean): Promise<void>;
}

const closing: (() => Promise<void>)[] = [];

/** Close whatever the test opened. */
export async function closeDevices(): Promise<void> {
  for (const close of closing.splice(0)) await close();
}

/** Automerge, from the package. */
export const loadEngine = () => loadAutomerge(() => readFile(wasm));

/** A device's worker in this process, over a storage; in the world of `env` where it is not the system's own. */
export async function startDevice(
  storage: Storage,
  world: Env = env,
  engineOf = loadEngine,
  onEvents: (events: readonly WorkerEvent[]) => void = () => undefined,
): Promise<Device> {
  const events: WorkerEvent[] = [];
  const waiting = new Set<() => void>();
  const api = createService((options) => ({
    env: world,
    crypto,
    storage,
    scope: options.name,
    openTransport,
    codec: createChangeCodec((bytes) => crypto.sha256(bytes)),
    loadEngine: engineOf,
    prepareEngine: () => undefined,
  }));
  await api.start({ name: "coffer", wasmUrl: undefined, lifeLock: "life" }, (batch) => {
    events.push(...batch);
    onEvents(batch);
    for (const wake of waiting) wake();
  });
  closing.push(async () => {
    for (const tenant of await api.tenants()) await api.closeTenant(tenant.id);
  });
  const until = async (isThere: (events: readonly WorkerEvent[]) => boolean): Promise<void> => {
    while (!isThere(events)) {
      await new Promise<void>((resolve) => {
        waiting.add(resolve);
      });
      waiting.clear();
    }
  };
  return { api, events, until };
}

/**
 * The world of several tabs in this process: as the system's, but its channels take keys to any number of listeners, as browsers do
 * and Node does not.
 */
export function createTabsEnv(): Env {
  const open = new Map<string, Set<(message: unknown) => void>>();
  const openChannel = (name: string): Channel => {
    const everyone = open.get(name) ?? new Set();
    open.set(name, everyone);
    const own = new Set<(message: unknown) => void>();
    const hear = (message: unknown): void => own.forEach((listener) => listener(message));
    everyone.add(hear);
    return {
      post(message) {
        for (const other of everyone) {
          if (other === hear) continue;
          const copy: unknown = structuredClone(message);
          queueMicrotask(() => everyone.has(other) && other(copy));
        }
      },
      onMessage(listener) {
        own.add(listener);
        return () => own.delete(listener);
      },
      close: () => void everyone.delete(hear),
    };
  };
  return { ...env, openChannel };
}

/** The world with the locks of a browser: one holder at a time, for all who share it. */
export const withLocks = (world: Env): Env => ({ ...world, withLock: createLocks() });

const openTransport = (url: string) => ({
  http: createHttpTransport(env, url),
  live: createWebSocketTransport(env, url),
});

/** The founder of the tests' tenant. */
export const people = {
  tenantName: "acme",
  adminName: "cn=admin/o=acme",
  adminPassword: "correct horse battery",
  userName: "cn=owner/o=acme",
  userPassword: "staple orbit lantern",
};

let lastSubscription = 0;

/** A subscription number that no other has. */
export function newSubscription(): number {
  lastSubscription += 1;
  return lastSubscription;
}

let nextDraft = 1;

/** What a page sends for one edit. */
export function draft(
  operations: DraftMessage["operations"],
  baseHeads: readonly string[],
  afterDraft = 0,
): DraftMessage {
  return { draft: nextDraft++, baseHeads, afterDraft, operations, durability: "relaxed" };
}

/** What a page shows after an update. */
export function shownAfter(shown: DocSnapshot, update: DocUpdate): DocSnapshot {
  if (!("patches" in update)) return update;
  const { patches, ...rest } = update;
  return { ...rest, value: applyPatches(shown.value ?? {}, patches) };
}

/** The rows that a page shows of a query by the events so far. */
export function rowsBy(events: readonly WorkerEvent[], subscription: number): readonly SummaryRow[] {
  let rows: readonly SummaryRow[] = [];
  for (const event of events) {
    if (event.kind !== "query" || event.subscription !== subscription) continue;
    const known = new Map(rows.map((row) => [row.id, row]));
    for (const { at, remove, put } of event.splices) {
      const added = put.map((row) => (typeof row === "string" ? known.get(row) : row));
      if (added.includes(undefined) || at > rows.length) throw new Error("a splice that does not fit");
      const fresh = added.filter((row) => row !== undefined);
      rows = [...rows.slice(0, at), ...fresh, ...rows.slice(at + remove)];
    }
  }
  return rows;
}

/** What a page shows of a document by the events so far. */
export function shownBy(
  events: readonly WorkerEvent[],
  subscription: number,
  opened: DocSnapshot,
): DocSnapshot {
  return events.reduce(
    (shown, event) =>
      event.kind === "doc" && event.subscription === subscription ? shownAfter(shown, event.update) : shown,
    opened,
  );
}
