/**
 * Forwards the files of tenants to another server, beside their commits and after them: one chunk at a time for each tenant, two tenants at
 * once.
 *
 * ```
 * commits were acknowledged ─┐
 * a chunk arrived here      ─┼─► queue of tenants ─► turn ─► more ─► queue
 * every 5 minutes           ─┘       ▲                │
 *                                    │                ├─ too many requests, or no room: this tenant waits, as long as asked, up to ten minutes
 *                                    └─ all tenants ◄─┴─ that server is away: all wait, half a second doubled up to a minute
 * ```
 * Nothing here must be remembered: what was gone through stands in the storage, see forward-files-place.ts.
 */
import {
  isCofferError,
  toCofferError,
  type CofferError,
  type DbId,
  type Env,
  type Release,
  type TenantId,
} from "../../src/std/index.ts";
import {
  createFilesTurns,
  forwardFilesTurn,
  lookAgain,
  noteArrived,
  type FilesParts,
  type FilesTurns,
} from "./forward-files-turn.ts";
import { askedWaitMs, waitMs } from "./forward-wait.ts";
import { describeFailure, shortId } from "./logger.ts";
import type { RelayMetrics } from "./relay-metrics.ts";

export interface FileForwarderOptions extends Omit<FilesParts, "signal"> {
  readonly env: Pick<Env, "setTimer" | "randomFraction">;
  readonly metrics: FilesParts["metrics"] & Pick<RelayMetrics, "forwardFailed">;
  /** these alone; all where it is left out */
  readonly tenants?: ReadonlySet<TenantId> | undefined;
}

const atOnce = 2;
const passEveryMs = 5 * 60_000;
const pauseLimitMs = 60_000;
const putOffLimitMs = 10 * 60_000;
const stopWithinMs = 2000;
/** Tenants of whom more than their places is known. */
const maxTurns = 5000;

/** A tenant that failed; `cancel` is gone while it is tried again. */
interface PutOff {
  readonly attempt: number;
  readonly cancel: Release | undefined;
}

/** Forwards the files that a relay holds to one other server. */
export class FileForwarder {
  readonly #options: FileForwarderOptions;
  readonly #queue = new Set<TenantId>();
  readonly #active = new Map<TenantId, Promise<void>>();
  readonly #turnsByTenant = new Map<TenantId, FilesTurns>();
  readonly #putOff = new Map<TenantId, PutOff>();
  readonly #stopping = new AbortController();
  #pauseAttempt = 0;
  #cancelPause: Release | undefined;
  #cancelPass: Release | undefined;

  constructor(options: FileForwarderOptions) {
    this.#options = options;
    this.#passLater();
  }

  /** Tenants whose files are looked at, or wait for it. */
  get waiting(): number {
    const isWaiting = ({ cancel }: PutOff): boolean => cancel !== undefined;
    return this.#queue.size + this.#active.size + [...this.#putOff.values()].filter(isWaiting).length;
  }

  /** Commits of a tenant may have been acknowledged. */
  look(tenantId: TenantId): void {
    const isWaiting = this.#putOff.get(tenantId)?.cancel !== undefined;
    if (!this.#isMeant(tenantId) || isWaiting) return;
    this.#queue.add(tenantId);
    this.#pump();
  }

  /** A chunk that a commit names is stored here. */
  arrived(tenantId: TenantId, dbId: DbId, seq: number): void {
    if (!this.#isMeant(tenantId)) return;
    noteArrived(this.#turnsOf(tenantId), dbId, seq);
    this.look(tenantId);
  }

  /** Begin nothing more, and let what is under way end, for a while. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#queue.clear();
    for (const cancel of [this.#cancelPass, this.#cancelPause]) cancel?.();
    for (const { cancel } of this.#putOff.values()) cancel?.();
    const { env, link } = this.#options;
    const cancel = env.setTimer(stopWithinMs, () => link.abort());
    await Promise.all(this.#active.values());
    cancel();
  }

  #isMeant(tenantId: TenantId): boolean {
    return !this.#stopping.signal.aborted && (this.#options.tenants?.has(tenantId) ?? true);
  }

  #turnsOf(tenantId: TenantId): FilesTurns {
    const known = this.#turnsByTenant.get(tenantId) ?? createFilesTurns();
    this.#turnsByTenant.delete(tenantId);
    this.#turnsByTenant.set(tenantId, known);
    const [oldest] = this.#turnsByTenant.keys();
    if (this.#turnsByTenant.size > maxTurns && oldest !== undefined) this.#turnsByTenant.delete(oldest);
    return known;
  }

  /** What arrived on another node, and was missed, is found. */
  #passLater(): void {
    this.#cancelPass = this.#options.env.setTimer(passEveryMs, () => {
      for (const turns of this.#turnsByTenant.values()) turns.hasBegun = false;
      // Beginning a turn moves its tenant to the end of the map.
      const known = Array.from(this.#turnsByTenant.keys());
      for (const tenantId of known) this.look(tenantId);
      this.#passLater();
    });
  }

  #pump(): void {
    if (this.#cancelPause !== undefined) return;
    for (const tenantId of this.#queue) {
      if (this.#active.size >= atOnce) return;
      if (this.#active.has(tenantId)) continue;
      this.#queue.delete(tenantId);
      this.#active.set(tenantId, this.#turn(tenantId));
    }
  }

  async #turn(tenantId: TenantId): Promise<void> {
    let isMore = false;
    try {
      const parts = { ...this.#options, signal: this.#stopping.signal };
      const turns = this.#turnsOf(tenantId);
      const outcome = await forwardFilesTurn(parts, turns, tenantId);
      this.#pauseAttempt = 0;
      isMore = outcome === "more";
      // Where there is no room, going on to the others is no progress of those that wait.
      if (outcome === "done" || (isMore && turns.full.size === 0)) this.#putOff.delete(tenantId);
      if (isCofferError(outcome)) this.#failed(tenantId, outcome);
    } catch (cause) {
      this.#failed(tenantId, toCofferError(cause, "net/failed"));
    }
    this.#active.delete(tenantId);
    if (isMore) this.look(tenantId);
    else this.#pump();
  }

  #failed(tenantId: TenantId, error: CofferError): void {
    if (this.#stopping.signal.aborted) return;
    const { link, logger, metrics } = this.#options;
    metrics.forwardFailed(error.code);
    const fields = { to: link.url, tenant: shortId(tenantId), what: "files", ...describeFailure(error) };
    logger.warn("forward.failed", fields);
    const isAway = error.code.startsWith("net/") && error.code !== "net/rate-limited";
    if (isAway) this.#pause(tenantId);
    else this.#wait(tenantId, error);
  }

  /** That server is away: all wait. */
  #pause(tenantId: TenantId): void {
    this.#queue.add(tenantId);
    if (this.#cancelPause !== undefined) return;
    const { env } = this.#options;
    this.#cancelPause = env.setTimer(waitMs(env, this.#pauseAttempt++, pauseLimitMs), () => {
      this.#cancelPause = undefined;
      this.#pump();
    });
  }

  /** That server takes no more of this tenant at present; the others go on. */
  #wait(tenantId: TenantId, error: CofferError): void {
    const { env } = this.#options;
    const before = this.#putOff.get(tenantId);
    before?.cancel?.();
    const attempt = (before?.attempt ?? 0) + 1;
    const limitMs = error.code === "net/rate-limited" ? pauseLimitMs : putOffLimitMs;
    const afterMs = Math.max(askedWaitMs(error, putOffLimitMs), waitMs(env, attempt, limitMs));
    const cancel = env.setTimer(afterMs, () => {
      this.#putOff.set(tenantId, { attempt, cancel: undefined });
      lookAgain(this.#turnsOf(tenantId));
      this.look(tenantId);
    });
    this.#queue.delete(tenantId);
    this.#putOff.set(tenantId, { attempt, cancel });
  }
}
