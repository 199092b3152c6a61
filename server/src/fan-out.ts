/**
 * How nodes on one PostgreSQL tell each other that logs have grown.
 *
 * ```
 * append on A ─► dirty logs of A ─20 ms─► NOTIFY ─► B wakes who follows them        fast, and may be lost
 *                 poll of sizes, every 500 ms, of the tenants that somebody follows   the correctness path
 * ```
 *
 * whisper on A ───────────────────► NOTIFY ─► B tells who listens there         at once; lost when there is no connection
 *
 * | payload of channel `coffer` | text |
 * |---|---|
 * | node | 16 base64url characters: whoever sent it ignores it |
 * | logs | `:tenantId.dbId` in base64url, at most 100 of them; unreadable ones are ignored |
 * | commits | `:tenantId.dbId.seq` among them: a commit that has what it lacked; a lost one is found by who asks for it |
 * | chunks | `:tenantId.dbId.f` and seq among them: a chunk has come that this commit names; who forwards finds a lost one within five minutes |
 *
 * | payload of channel `coffer_whisper` | text |
 * |---|---|
 * | node | as above |
 * | whisper | `:tenantId.dbId.sealed` in base64url |
 */
import {
  bytesToBase64url,
  bytesToId,
  parseBase64url,
  parseId,
  type DbId,
  type Env,
  type Release,
  type TenantId,
} from "../../src/std/index.ts";
import { syncLimits } from "../../src/sync/index.ts";
import type { Crypto } from "../../src/crypto/index.ts";
import { describeFailure, type Logger } from "./logger.ts";
import type { Whisper } from "./live.ts";
import type { LogSize, PostgresStorage } from "./postgres-storage.ts";

/** What of a relay the fan-out moves. */
export interface Followed {
  /** the tenants that have live sessions here */
  liveTenants(): readonly TenantId[];
  /** a log has grown or gone, on whatever node, or commits of it were filled */
  changed(tenantId: TenantId, dbId: DbId, filled?: readonly number[]): void;
  /** a chunk has come on another node that the commit at this place names */
  chunkArrived(tenantId: TenantId, dbId: DbId, seq: number): void;
  /** somebody whispered on another node */
  whispered(tenantId: TenantId, whisper: Whisper): void;
}

/** The connection between this node's relay and the others. */
export interface FanOut {
  /** A log has grown on this node, or commits of it were filled. */
  announce: (this: void, tenantId: TenantId, dbId: DbId, filled?: readonly number[]) => void;
  /** A chunk has come to this node that the commit at this place names. */
  chunkStored: (this: void, tenantId: TenantId, dbId: DbId, seq: number) => void;
  /** Somebody whispers on this node. */
  whisper: (this: void, tenantId: TenantId, whisper: Whisper) => void;
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
/** on their way to the database at once */
const maxWhispers = 256;

/** Create the fan-out of one node. */
export function createFanOut(options: FanOutOptions): FanOut {
  const { storage, logger } = options;
  const sizes = new Map<string, LogSize>();
  const timers = createTimers(options);
  let relay: Followed | undefined;
  const notices = createNotices(options, timers, {
    onChange: (tenantId, dbId, filled) => relay?.changed(tenantId, dbId, filled),
    onChunk: (tenantId, dbId, seq) => relay?.chunkArrived(tenantId, dbId, seq),
    onWhisper: (tenantId, whisper) => relay?.whispered(tenantId, whisper),
  });

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
    chunkStored: notices.chunkStored,
    whisper: notices.whisper,
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
  announce: FanOut["announce"];
  chunkStored: FanOut["chunkStored"];
  whisper: (this: void, tenantId: TenantId, whisper: Whisper) => void;
  listen(): Promise<void>;
  close(): Promise<void>;
}

interface NoticeHooks {
  readonly onChange: (tenantId: TenantId, dbId: DbId, filled: readonly number[]) => void;
  readonly onChunk: (tenantId: TenantId, dbId: DbId, seq: number) => void;
  readonly onWhisper: (tenantId: TenantId, whisper: Whisper) => void;
}

/** The fast path, on a connection of its own, which is opened again when it breaks. */
function createNotices(
  { storage, crypto, logger }: FanOutOptions,
  timers: Timers,
  hooks: NoticeHooks,
): Notices {
  const node = bytesToBase64url(crypto.randomBytes(12));
  const dirty = new Set<string>();
  let whisperCount = 0;
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
      opened.on("notification", ({ channel, payload = "" }) => hear(hooks, node, channel, payload));
      await opened.query("LISTEN coffer");
      await opened.query("LISTEN coffer_whisper");
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

  function note(...texts: readonly string[]): void {
    // Without a connection, and beyond a bound, the others find it when they look.
    if (client === undefined || dirty.size >= maxDirty) return;
    for (const text of texts) dirty.add(text);
    timers.later("notify", notifyDelayMs, notify);
  }

  return {
    announce(tenantId, dbId, filled = []) {
      const log = `${tenantId}.${dbId}`;
      note(log, ...filled.slice(0, logsPerNotice).map((seq) => `${log}.${seq}`));
    },
    chunkStored: (tenantId, dbId, seq) => note(`${tenantId}.${dbId}.f${seq}`),
    whisper(tenantId, { dbId, sealed }) {
      // What cannot go at once is not worth keeping.
      if (client === undefined || whisperCount >= maxWhispers) return;
      whisperCount += 1;
      const payload = `${node}:${tenantId}.${dbId}.${bytesToBase64url(sealed)}`;
      client
        .query("SELECT pg_notify('coffer_whisper', $1)", [payload])
        .catch((cause: unknown) => logger.warn("fan-out.failed", describeFailure(cause)))
        .finally(() => (whisperCount -= 1));
    },
    listen,
    close: async () => client?.end(),
  };
}

/** Hand on what another node said. */
function hear(
  { onChange, onChunk, onWhisper }: NoticeHooks,
  ownNode: string,
  channel: string,
  payload: string,
): void {
  if (channel === "coffer_whisper") {
    const whispered = parseWhisper(payload, ownNode);
    if (whispered !== undefined) onWhisper(...whispered);
    return;
  }
  for (const { chunk, dbId, filled, tenantId } of parseNotice(payload, ownNode))
    if (chunk === undefined) onChange(tenantId, dbId, filled);
    else onChunk(tenantId, dbId, chunk);
}

/** Read what was whispered on another node; what cannot be read says nothing. */
function parseWhisper(payload: string, ownNode: string): readonly [TenantId, Whisper] | undefined {
  const [from, said = ""] = payload.split(":");
  const [tenant, db, text] = said.split(".");
  const tenantId = parseId("TenantId", tenant);
  const dbId = parseId("DbId", db);
  const sealed = text === undefined ? undefined : parseBase64url(text);
  if (from === ownNode || tenantId === undefined || dbId === undefined || sealed === undefined)
    return undefined;
  const isShort = sealed.length > 0 && sealed.length <= syncLimits.whisperBytes;
  return isShort ? [tenantId, { dbId, sealed }] : undefined;
}

interface Notice {
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  readonly filled: readonly number[];
  /** the place of a commit whose chunk has come */
  readonly chunk: number | undefined;
}

/** Read a notice; what cannot be read says nothing, and neither does one's own. */
function parseNotice(payload: string, ownNode: string): readonly Notice[] {
  const [from, ...logs] = payload.split(":");
  if (from === ownNode) return [];
  return logs.slice(0, logsPerNotice).flatMap((log) => {
    const [tenant, db, place = ""] = log.split(".");
    const tenantId = parseId("TenantId", tenant);
    const dbId = parseId("DbId", db);
    if (tenantId === undefined || dbId === undefined) return [];
    const [, kind, digits] = /^(f?)(\d{1,15})$/.exec(place) ?? [];
    const isChunk = kind === "f";
    const filled = digits !== undefined && !isChunk ? [Number(digits)] : [];
    return [{ tenantId, dbId, filled, chunk: isChunk ? Number(digits) : undefined }];
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
