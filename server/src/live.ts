/**
 * Live sessions: the same frames over one connection, and news as it comes.
 *
 * ```
 * waiting ── HELLO, AUTH ──► open ── PULL … END{more: false} ──► following
 *    │ 5 s                    │ each message: still allowed?        │ each commit: COMMITS, HEAD from its cursor
 *    └────────── closed ◄─────┴─── revoked, malformed, too old ◄────┘
 * ```
 *
 * A session has a cursor for each log and reads on from there, so that a slow connection is only behind: while more than
 * 1 MiB waits to be sent nothing is read for it, and nothing is queued. A WHISPER goes to the other open sessions of the tenant,
 * here and on other nodes, and is kept nowhere; who whispers too much is not passed on.
 */
import {
  CofferError,
  toCofferError,
  type AuthorKey,
  type CofferErrorCode,
  type DbId,
  type Env,
  type Release,
  type TenantId,
} from "../../src/std/index.ts";
import {
  decodeFrames,
  encodeFrame,
  protocolVersion,
  type Frame,
  type LogCursor,
} from "../../src/sync/index.ts";
import type { Authenticator } from "./auth.ts";
import type { Directories } from "./directories.ts";
import { isExpected, retryAfterMsOf } from "./error-status.ts";
import type { PushOutcome } from "./exchange.ts";
import { FilledPlaces } from "./filled-places.ts";
import { describeFailure, type Logger } from "./logger.ts";
import { answerPull, nextCommits, type PullFrame, type PullParts } from "./pull.ts";
import type { Session } from "./sessions.ts";
import type { RelayStorage } from "./storage.ts";

/** The other end of a live session, as the adapter gives it. */
export interface LiveConnection {
  send(message: Uint8Array<ArrayBuffer>): void;
  /** 4xxx codes of WebSocket */
  close(code: number, reason: CofferErrorCode): void;
  /** bytes handed to `send` that are not on the network yet */
  bufferedBytes(): number;
}

/** One live session. The adapter tells it what happens on its connection. */
export interface LiveSession {
  /** One message: whole frames. Messages are worked on one after another; resolves when this one is done. */
  onMessage(message: Uint8Array): Promise<void>;
  /** What was buffered is on the network. */
  onDrain(): void;
  onClose(): void;
}

export interface LiveParts extends PullParts {
  readonly storage: RelayStorage;
  readonly env: Pick<Env, "setTimer" | "nowMs">;
  readonly directories: Directories;
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  readonly push: (session: Session, replicaId: Uint8Array, frame: PushFrame) => Promise<PushOutcome>;
  /** take one request of this session's allowance. @throws `net/rate-limited` */
  readonly charge: (session: Session) => void;
  /** somebody whispers: tell the other nodes; `false` when this user has whispered too much, and is not passed on */
  readonly whispered: (session: Session, whisper: Whisper) => boolean;
}

type PushFrame = Extract<Frame, { type: "push" }>;
/** Something said to whoever listens now. */
export type Whisper = Pick<Extract<Frame, { type: "whisper" }>, "dbId" | "sealed">;

const authTimeoutMs = 5000;
/** A session may outlive its token so long; then the device signs in again. */
const maxSessionMs = 60 * 60_000;
const maxBufferedBytes = 1024 * 1024;
const followBytes = 256 * 1024;

/** WebSocket close codes by error code; others are 4400. */
const closeCodes: Partial<Record<CofferErrorCode, number>> = {
  "access/unauthenticated": 4401,
  "access/revoked": 4403,
  "access/denied": 4403,
  "net/timeout": 4408,
  "protocol/version": 4426,
  "net/rate-limited": 4429,
  "net/failed": 4500,
  "store/failed": 4500,
  "store/closed": 4503,
};

/** The live sessions of one relay, by tenant. */
export class LiveSessions {
  readonly #parts: LiveParts;
  readonly #sessionsByTenant = new Map<TenantId, Set<Follower>>();

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  get count(): number {
    let count = 0;
    for (const sessions of this.#sessionsByTenant.values()) count += sessions.size;
    return count;
  }

  get tenants(): readonly TenantId[] {
    return [...this.#sessionsByTenant.keys()];
  }

  /** Whether a device is signed in here. */
  hasDevice(tenantId: TenantId, device: AuthorKey): boolean {
    for (const session of this.#sessionsByTenant.get(tenantId) ?? [])
      if (session.device === device) return true;
    return false;
  }

  open(tenantId: TenantId, connection: LiveConnection): LiveSession {
    const sessions = this.#sessionsByTenant.get(tenantId) ?? new Set();
    this.#sessionsByTenant.set(tenantId, sessions);
    const onEnd = (): void => {
      sessions.delete(session);
      if (sessions.size === 0 && this.#sessionsByTenant.get(tenantId) === sessions)
        this.#sessionsByTenant.delete(tenantId);
    };
    const say = (whisper: Whisper): void => this.whisper(tenantId, whisper, session);
    const session: Follower = new Follower({ parts: this.#parts, tenantId, connection, say, onEnd });
    sessions.add(session);
    return session;
  }

  /**
   * A log has grown, or commits of it have what they lacked: tell who follows it. A grown directory may have ended a session's right, so all
   * are asked.
   */
  changed(tenantId: TenantId, dbId: DbId, filled: readonly number[] = []): void {
    for (const session of this.#sessionsByTenant.get(tenantId) ?? []) session.wake(dbId, filled);
  }

  /** Pass a whisper on to who follows its database, but not to who said it. */
  whisper(tenantId: TenantId, whisper: Whisper, from?: LiveSession): void {
    const bytes = encodeFrame({ type: "whisper", ...whisper });
    for (const session of this.#sessionsByTenant.get(tenantId) ?? [])
      if (session !== from) session.hear(whisper.dbId, bytes);
  }

  closeAll(): void {
    for (const sessions of this.#sessionsByTenant.values()) {
      for (const session of sessions) session.end(new CofferError("store/closed"));
    }
  }
}

/** What a session is once its two first frames were good. */
interface OpenState {
  readonly session: Session;
  readonly replicaId: Uint8Array;
}

/** What a session is opened with. */
interface Place {
  readonly parts: LiveParts;
  readonly tenantId: TenantId;
  readonly connection: LiveConnection;
  readonly say: (whisper: Whisper) => void;
  readonly onEnd: () => void;
}

class Follower implements LiveSession {
  readonly #place: Place;
  #cancelTimer: Release;
  #replicaId: Uint8Array | undefined;
  #open: OpenState | undefined;
  /** the pull that this session follows; `undefined` until one was answered to its end */
  #followed: PullFrame | undefined;
  #cursorsByLog = new Map<DbId, LogCursor>();
  readonly #dirtyLogs = new Set<DbId>();
  readonly #filled = new FilledPlaces();
  #work: Promise<void> = Promise.resolve();
  #isFollowing = false;
  #isEnded = false;

  constructor(place: Place) {
    this.#place = place;
    this.#cancelTimer = place.parts.env.setTimer(authTimeoutMs, () =>
      this.end(new CofferError("net/timeout")),
    );
  }

  /** the key that it signed in with; `undefined` before */
  get device(): AuthorKey | undefined {
    return this.#open?.session.key;
  }

  onMessage(message: Uint8Array): Promise<void> {
    return this.#enqueue(async () => {
      const frames = decodeFrames(message);
      if (frames === undefined) throw new CofferError("protocol/malformed");
      for (const frame of frames) if (!this.#isEnded) await this.#handle(frame);
    });
  }

  onDrain(): void {
    if (this.#dirtyLogs.size > 0) this.#follow();
  }

  onClose(): void {
    this.#stop();
  }

  wake(dbId: DbId, filled: readonly number[] = []): void {
    if (this.#open === undefined) return;
    this.#filled.note(dbId, filled, this.#cursorsByLog.get(dbId));
    this.#dirtyLogs.add(dbId);
    this.#follow();
  }

  /** Somebody whispers. Who is behind, or follows something else, does not hear it: there is nothing to come back to. */
  hear(dbId: DbId, bytes: Uint8Array<ArrayBuffer>): void {
    const isFollowed = this.#followed?.allDatabases === true || this.#cursorsByLog.has(dbId);
    if (this.#followed !== undefined && isFollowed && this.#hasRoom()) this.#send(bytes);
  }

  /** Say why, and close. */
  end(error: CofferError): void {
    if (this.#isEnded) return;
    this.#stop();
    const { connection } = this.#place;
    connection.send(encodeFrame({ type: "error", code: error.code, retryAfterMs: retryAfterMsOf(error) }));
    connection.close(closeCodes[error.code] ?? 4400, error.code);
  }

  #stop(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#cancelTimer();
    this.#place.onEnd();
  }

  /** Work is done one piece at a time, in order; what fails ends the session. */
  #enqueue(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(async () => {
      if (this.#isEnded) return;
      try {
        await work();
      } catch (cause) {
        if (!isExpected(cause)) this.#place.parts.logger.warn("live.failed", describeFailure(cause));
        this.end(toCofferError(cause, "net/failed"));
      }
    });
    return this.#work;
  }

  async #handle(frame: Frame): Promise<void> {
    const { parts } = this.#place;
    if (frame.type === "hello") return this.#hello(frame);
    if (frame.type === "auth") return this.#authenticate(frame.token);
    const open = this.#open;
    if (open === undefined) throw new CofferError("access/unauthenticated");
    await parts.authenticator.authorize(open.session);
    if (frame.type === "whisper") {
      if (parts.whispered(open.session, frame)) this.#place.say(frame);
      return;
    }
    parts.charge(open.session);
    if (frame.type === "push") return this.#push(open, frame);
    if (frame.type === "pull") return this.#pull(open, frame);
    throw new CofferError("protocol/malformed");
  }

  #hello(frame: Extract<Frame, { type: "hello" }>): void {
    if (frame.version !== protocolVersion) throw new CofferError("protocol/version");
    if (this.#replicaId !== undefined) throw new CofferError("protocol/malformed");
    this.#replicaId = frame.replicaId;
  }

  async #authenticate(token: Uint8Array): Promise<void> {
    const { parts, tenantId } = this.#place;
    if (this.#replicaId === undefined) throw new CofferError("protocol/malformed");
    const session = parts.authenticator.session(token);
    if (session.tenantId !== tenantId) throw new CofferError("access/denied");
    await parts.authenticator.authorize(session);
    if (this.#open !== undefined && this.#open.session.userKey !== session.userKey)
      throw new CofferError("access/denied");
    if (this.#isEnded) return;
    this.#open = { session, replicaId: this.#replicaId };
    this.#cancelTimer();
    this.#cancelTimer = parts.env.setTimer(maxSessionMs, () =>
      this.end(new CofferError("access/unauthenticated")),
    );
  }

  async #push({ session, replicaId }: OpenState, frame: PushFrame): Promise<void> {
    const outcome = await this.#place.parts.push(session, replicaId, frame);
    if (outcome.need !== undefined) this.#send(encodeFrame(outcome.need));
    this.#send(encodeFrame(outcome.ack));
    outcome.announce();
  }

  async #pull({ session, replicaId }: OpenState, pull: PullFrame): Promise<void> {
    const { parts, tenantId } = this.#place;
    const progress = { cursorsByLog: new Map<DbId, LogCursor>(), isComplete: false };
    this.#followed = undefined;
    this.#cursorsByLog = progress.cursorsByLog;
    const directory = await parts.directories.read(tenantId);
    if (directory === undefined) throw new CofferError("access/unauthenticated");
    const directoryDbId = directory.state.dbId;
    const authorize = (): Promise<void> => parts.authenticator.authorize(session);
    for await (const bytes of answerPull(
      parts,
      { tenantId, directoryDbId, replicaId, pull, authorize },
      progress,
    )) {
      if (this.#isEnded) return;
      if (!this.#hasRoom()) {
        // The client reads slower than it asked: it gets the rest when it asks again, after what waits for it.
        return this.#send(encodeFrame({ type: "end", more: true }));
      }
      this.#send(bytes);
    }
    if (!progress.isComplete) return;
    this.#followed = pull;
    // What was appended while the answer was on its way.
    for (const log of await parts.storage.listLogs(tenantId)) {
      const hasGrown = log.size > (this.#cursorsByLog.get(log.dbId)?.seq ?? 0);
      if (hasGrown || this.#filled.has(log.dbId)) this.wake(log.dbId);
    }
  }

  #follow(): void {
    if (this.#isFollowing || this.#isEnded) return;
    this.#isFollowing = true;
    void this.#enqueue(() => this.#sendNews()).then(() => {
      this.#isFollowing = false;
      if (this.#dirtyLogs.size > 0 && this.#hasRoom()) this.#follow();
    });
  }

  #hasRoom(): boolean {
    return this.#place.connection.bufferedBytes() <= maxBufferedBytes;
  }

  /** One frame for each log that has grown. */
  async #sendNews(): Promise<void> {
    const pull = this.#followed;
    const open = this.#open;
    if (open === undefined) return;
    await this.#place.parts.authenticator.authorize(open.session);
    if (pull === undefined) return this.#dirtyLogs.clear();
    for (const dbId of Array.from(this.#dirtyLogs)) {
      if (!this.#hasRoom()) return;
      await this.#sendNewsOf(dbId, open, pull);
    }
  }

  async #sendNewsOf(dbId: DbId, { replicaId }: OpenState, pull: PullFrame): Promise<void> {
    const { parts, tenantId } = this.#place;
    const known = this.#cursorsByLog.get(dbId);
    const log =
      known !== undefined || pull.allDatabases ? await parts.storage.readLog(tenantId, dbId) : undefined;
    const filled = log && this.#filled.take(log, known);
    if (filled !== undefined) {
      const again = { tenantId, replicaId, pull: { ...pull, full: true }, ...filled, maxBytes: followBytes };
      return this.#send((await nextCommits(parts, again)).bytes);
    }
    if (log === undefined || (known?.seq ?? 0) >= log.size) {
      this.#dirtyLogs.delete(dbId);
      return;
    }
    const at = known ?? { dbId, epoch: log.epoch, seq: 0 };
    const step = await nextCommits(parts, { tenantId, replicaId, pull, log, at, maxBytes: followBytes });
    this.#cursorsByLog.set(dbId, step.next);
    this.#send(step.bytes);
  }

  #send(bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#isEnded) this.#place.connection.send(bytes);
  }
}
