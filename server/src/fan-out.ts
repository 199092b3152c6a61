/**
 * How nodes on one PostgreSQL tell each other that logs have grown.
 *
 * ```
 * append on A ─► dirty logs of A ─20 ms─► NOTIFY ─► B wakes who follows them        fast, and may be lost
 *                 poll of sizes, every 500 ms, of the tenants that somebody follows   the correctness path
 * ```
 *
 * | payload of channel `coffer` | text |
 * |---|---|
 * | node | 16 base64url characters: whoever sent it ignores it |
 * | logs | `:tenantId.dbId` in base64url, at most 100 of them; unreadable ones are ignored |
 */
import {
  bytesToBase64url,
  bytesToId,
  parseId,
  type DbId,
  type Env,
  type Release,
  type TenantId,
} from "../../src/std/index.ts";
import type { Crypto } from "../../src/crypto/index.ts";
import { describeFailure, type Logger } from "./logger.ts";
import type { LogSize, PostgresStorage } from "./postgres-storage.ts";

/** What of a relay the fan-out moves. */
export interface Followed {
  /** the tenants that have live sessions here */
  liveTenants(): readonly TenantId[];
  /** a log has grown or gone, on whatever node */
  changed(tenantId: TenantId, dbId: DbId): void;
}

/** The connection between this node's relay and the others. */
export interface FanOut {
  /** A log has grown on this node. */
  announce: (this: void, tenantId: TenantId, dbId: DbId) => void;
  start(relay: Followed): void;
  close(): Promise<void>;
}

export interface FanOutOptions {
  readonly storage: Pick<PostgresStorage, "logSizes" | "connect">;
  readonly env: Pick<Env, "setTimer">;
  readonly crypto: Pick<Crypto, "randomBytes">;
  readonly logger: Logger;
  /** both directions of NOTIFY; the poll goes on without it. For tests */
  readonly usesNotify?: boolean;
}

const notifyDelayMs = 20;
const pollEveryMs = 500;
const reconnectMs = 1000;
const logsPerNotice = 100;
const maxDirty = 10_000;

/** Create the fan-out of one node. */
export function createFanOut(options: FanOutOptions): FanOut {
  const { storage, logger } = options;
  const sizes = new Map<string, LogSize>();
  const timers = createTimers(options);
  let relay: Followed | undefined;
  const notices = createNotices(options, timers, (tenantId, dbId) => relay?.changed(tenantId, dbId));

  async function poll(): Promise<void> {
    try {
      if (relay !== undefined) await compareSizes(relay, storage, sizes);
    } catch (cause) {
      // The database is away; once it is back, what was missed is found.
      logger.warn("fan-out.failed", describeFailure(cause));
    }
    timers.later("poll", pollEveryMs, poll);
  }

  return {
    announce: notices.announce,
    start(started) {
      relay = started;
      if (options.usesNotify !== false) void notices.listen();
      timers.later("poll", pollEveryMs, poll);
    },
    async close() {
      timers.close();
      await notices.close();
    },
  };
}

/** Things to be done later, each once at a time; none after closing. */
interface Timers {
  readonly isClosed: boolean;
  later(name: string, afterMs: number, run: () => Promise<void>): void;
  close(): void;
}

function createTimers({ env, logger }: FanOutOptions): Timers {
  const cancels = new Map<string, Release>();
  let isClosed = false;
  return {
    get isClosed() {
      return isClosed;
    },
    later(name, afterMs, run) {
      if (isClosed || cancels.has(name)) return;
      const start = (): void => {
        cancels.delete(name);
        run().catch((cause: unknown) => logger.warn("fan-out.failed", describeFailure(cause)));
      };
      cancels.set(name, env.setTimer(afterMs, start));
    },
    close() {
      isClosed = true;
      for (const cancel of cancels.values()) cancel();
    },
  };
}

interface Notices {
  announce: (this: void, tenantId: TenantId, dbId: DbId) => void;
  listen(): Promise<void>;
  close(): Promise<void>;
}

/** The fast path, on a connection of its own, which is opened again when it breaks. */
function createNotices(
  { storage, crypto, logger }: FanOutOptions,
  timers: Timers,
  onChange: (tenantId: TenantId, dbId: DbId) => void,
): Notices {
  const node = bytesToBase64url(crypto.randomBytes(12));
  const dirty = new Set<string>();
  let client: Awaited<ReturnType<PostgresStorage["connect"]>> | undefined;

  async function listen(): Promise<void> {
    try {
      const opened = await storage.connect();
      if (timers.isClosed) return await opened.end();
      const onEnd = (): void => {
        if (client === opened) client = undefined;
        timers.later("connect", reconnectMs, listen);
      };
      opened.on("error", onEnd);
      opened.on("end", onEnd);
      opened.on("notification", ({ payload = "" }) => {
        for (const [tenantId, dbId] of parseNotice(payload, node)) onChange(tenantId, dbId);
      });
      await opened.query("LISTEN coffer");
      client = opened;
    } catch (cause) {
      logger.warn("fan-out.disconnected", describeFailure(cause));
      timers.later("connect", reconnectMs, listen);
    }
  }

  async function notify(): Promise<void> {
    const logs = [...dirty];
    dirty.clear();
    for (let at = 0; at < logs.length; at += logsPerNotice) {
      const payload = [node, ...logs.slice(at, at + logsPerNotice)].join(":");
      await client?.query("SELECT pg_notify('coffer', $1)", [payload]);
    }
  }

  return {
    announce(tenantId, dbId) {
      // Without a connection, and beyond a bound, the poll of the others finds it.
      if (client === undefined || dirty.size >= maxDirty) return;
      dirty.add(`${tenantId}.${dbId}`);
      timers.later("notify", notifyDelayMs, notify);
    },
    listen,
    close: async () => client?.end(),
  };
}

/** Read a notice; what cannot be read says nothing, and neither does one's own. */
function parseNotice(payload: string, ownNode: string): readonly (readonly [TenantId, DbId])[] {
  const [from, ...logs] = payload.split(":");
  if (from === ownNode) return [];
  return logs.slice(0, logsPerNotice).flatMap((log) => {
    const [tenant, db] = log.split(".");
    const tenantId = parseId("TenantId", tenant);
    const dbId = parseId("DbId", db);
    return tenantId === undefined || dbId === undefined ? [] : [[tenantId, dbId] as const];
  });
}

/** Tell the relay of every log that is not as it was the last time; of a tenant that is followed anew, of all its logs. */
async function compareSizes(
  relay: Followed,
  storage: FanOutOptions["storage"],
  known: Map<string, LogSize>,
): Promise<void> {
  const tenants = relay.liveTenants();
  const now = new Map<string, LogSize>();
  const found = new Set<TenantId>();
  for (const log of await storage.logSizes(tenants)) {
    const name = `${log.tenantId}.${log.dbId}`;
    const before = known.get(name);
    now.set(name, log);
    found.add(log.tenantId);
    if (before?.size !== log.size || before.epoch !== log.epoch) relay.changed(log.tenantId, log.dbId);
  }
  // A tenant without a log was removed; its sessions find out when they are told anything at all.
  for (const tenantId of tenants) if (!found.has(tenantId)) relay.changed(tenantId, noLog);
  known.clear();
  for (const [name, log] of now) known.set(name, log);
}

const noLog = bytesToId("DbId", new Uint8Array(16));
