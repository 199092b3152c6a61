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
} from "./forward-files-turn.ts";
import { askedWaitMs, waitMs } from "./forward-wait.ts";
import { describeFailure, shortId } from "./logger.ts";
import type { RelayMetrics } from "./relay-metrics.ts";
import { KeptTurns, TenantQueue } from "./tenant-queue.ts";

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

/** A tenant that failed; `cancel` is gone while it is tried again. */
interface PutOff {
  readonly attempt: number;
  readonly cancel: Release | undefined;
}

/** Forwards the files that a relay holds to one other server. */
export class FileForwarder {
  readonly #options: FileForwarderOptions;
  readonly #tenants: TenantQueue;
  readonly #turns = new KeptTurns(createFilesTurns);
  readonly #putOff = new Map<TenantId, PutOff>();
  readonly #stopping = new AbortController();
  #pauseAttempt = 0;
  #cancelPass: Release | undefined;

  constructor(options: FileForwarderOptions) {
    this.#options = options;
    this.#tenants = new TenantQueue({ env: options.env, atOnce, turn: (tenantId) => this.#turn(tenantId) });
    this.#passLater();
  }

  /** Tenants whose files are looked at, or wait for it. */
  get waiting(): number {
    const isWaiting = ({ cancel }: PutOff): boolean => cancel !== undefined;
    return this.#tenants.size + [...this.#putOff.values()].filter(isWaiting).length;
  }

  /** Commits of a tenant may have been acknowledged. */
  look(tenantId: TenantId): void {
    const isWaiting = this.#putOff.get(tenantId)?.cancel !== undefined;
    if (!this.#isMeant(tenantId) || isWaiting) return;
    this.#tenants.add(tenantId);
  }

  /** A chunk that a commit names is stored here. */
  arrived(tenantId: TenantId, dbId: DbId, seq: number): void {
    if (!this.#isMeant(tenantId)) return;
    noteArrived(this.#turns.of(tenantId), dbId, seq);
    this.look(tenantId);
  }

  /** Begin nothing more, and let what is under way end, for a while. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancelPass?.();
    for (const { cancel } of this.#putOff.values()) cancel?.();
    const { env, link } = this.#options;
    const cancel = env.setTimer(stopWithinMs, () => link.abort());
    await this.#tenants.stop();
    cancel();
  }

  #isMeant(tenantId: TenantId): boolean {
    return !this.#stopping.signal.aborted && (this.#options.tenants?.has(tenantId) ?? true);
  }

  /** What arrived on another node, and was missed, is found. */
  #passLater(): void {
    this.#cancelPass = this.#options.env.setTimer(passEveryMs, () => {
      for (const [tenantId, turns] of this.#turns.all()) {
        turns.hasBegun = false;
        this.look(tenantId);
      }
      this.#passLater();
    });
  }

  /** @returns whether there is more to forward of it */
  async #turn(tenantId: TenantId): Promise<boolean> {
    let isMore = false;
    try {
      const parts = { ...this.#options, signal: this.#stopping.signal };
      const turns = this.#turns.of(tenantId);
      const outcome = await forwardFilesTurn(parts, turns, tenantId);
      this.#pauseAttempt = 0;
      isMore = outcome === "more";
      // Where there is no room, going on to the others is no progress of those that wait.
      if (outcome === "done" || (isMore && turns.full.size === 0)) this.#putOff.delete(tenantId);
      if (isCofferError(outcome)) this.#failed(tenantId, outcome);
    } catch (cause) {
      this.#failed(tenantId, toCofferError(cause, "net/failed"));
    }
    return isMore;
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
    if (!this.#tenants.isPaused)
      this.#tenants.pause(waitMs(this.#options.env, this.#pauseAttempt++, pauseLimitMs));
    this.#tenants.add(tenantId);
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
      lookAgain(this.#turns.of(tenantId));
      this.look(tenantId);
    });
    this.#tenants.remove(tenantId);
    this.#putOff.set(tenantId, { attempt, cancel });
  }
}
