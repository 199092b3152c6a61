/**
 * Forwards tenants to another server, in turns: one request at a time for each tenant, a few tenants at once.
 *
 * ```
 * a log has grown   ─┐
 * every 5 minutes  ─┼─► queue of tenants ─► turn ─► more ─► queue
 * at the start      ─┘       ▲                │
 *                           │                ├─ this tenant is not taken, or some logs of it: they wait, half a second doubled up to ten minutes
 *                           └─ all tenants ◄─┴─ that server is away: all wait, half a second doubled up to a minute
 * ```
 * Every half minute one tenant is asked for although nothing is owed: that server may have been restored from a backup, and then it began anew
 * for all of them, which are asked for one after another.
 *
 * Each wait is drawn at random below its bound. Nothing here must be remembered: how far the other server is stands in the storage, so that a
 * server that was killed goes on from there, and several nodes that forward the same do no harm beside double work.
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
import { createTenantTurns, forwardTurn, noteFilled, type ForwardParts } from "./forward-turn.ts";
import { askedWaitMs, waitMs } from "./forward-wait.ts";
import { describeFailure, shortId } from "./logger.ts";
import type { RelayMetrics } from "./relay-metrics.ts";
import { listAllTenants } from "./storage.ts";
import { KeptTurns, TenantQueue } from "./tenant-queue.ts";

export interface ForwarderOptions extends ForwardParts {
  readonly env: Pick<Env, "setTimer" | "randomFraction">;
  readonly metrics: ForwardParts["metrics"] & Pick<RelayMetrics, "forwardFailed">;
  /** these alone; all where it is left out */
  readonly tenants?: ReadonlySet<TenantId> | undefined;
  /** what of a tenant can be acknowledged at present is: its files may follow */
  readonly onSettled?: ((tenantId: TenantId) => void) | undefined;
}

const atOnce = 4;
const passEveryMs = 5 * 60_000;
const beatEveryMs = 30_000;
const pauseLimitMs = 60_000;
const putOffLimitMs = 10 * 60_000;
const stopWithinMs = 2000;

/** A tenant that waits, whole or only those logs of it that were put off; `cancel` is gone while it is tried again. */
interface PutOff {
  readonly attempt: number;
  readonly isWhole: boolean;
  readonly cancel: Release | undefined;
}

/** Forwards what a relay holds to one other server. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #tenants: TenantQueue;
  readonly #turns = new KeptTurns(createTenantTurns);
  readonly #putOff = new Map<TenantId, PutOff>();
  /** those whose epoch there is known to be as it was */
  readonly #asked = new Set<TenantId>();
  #pauseAttempt = 0;
  #cancelPass: Release | undefined;
  #cancelBeat: Release | undefined;
  #isStopped = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#tenants = new TenantQueue({ env: options.env, atOnce, turn: (tenantId) => this.#turn(tenantId) });
  }

  /** Tenants that have a turn before them: now, or when their wait or the server's is over. */
  get waiting(): number {
    const isWaiting = ({ cancel }: PutOff): boolean => cancel !== undefined;
    return this.#tenants.size + [...this.#putOff.values()].filter(isWaiting).length;
  }

  start(): void {
    this.#pass();
    this.#beatLater();
  }

  /** A log has grown, on whatever node, or commits of it were filled. */
  grown(tenantId: TenantId, dbId: DbId, filled: readonly number[] = []): void {
    if (!this.#isMeant(tenantId)) return;
    noteFilled(this.#turns.of(tenantId), dbId, filled);
    this.#enqueue(tenantId);
  }

  /** Begin nothing more, and let what is under way end, for a while. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const cancel of [this.#cancelPass, this.#cancelBeat]) cancel?.();
    for (const { cancel } of this.#putOff.values()) cancel?.();
    const { env, link } = this.#options;
    const cancel = env.setTimer(stopWithinMs, () => link.abort());
    await this.#tenants.stop();
    cancel();
  }

  #isMeant(tenantId: TenantId): boolean {
    return !this.#isStopped && (this.#options.tenants?.has(tenantId) ?? true);
  }

  /** Look at every tenant: what was missed is found. */
  #pass(): void {
    if (this.#isStopped) return;
    this.#cancelPass?.();
    this.#cancelPass = this.#options.env.setTimer(passEveryMs, () => this.#pass());
    this.#enqueueAll().catch((cause: unknown) =>
      this.#options.logger.warn("forward.failed", describeFailure(cause)),
    );
  }

  #beatLater(): void {
    this.#cancelBeat = this.#options.env.setTimer(beatEveryMs, () => {
      const [tenantId] = this.#asked;
      if (tenantId !== undefined) {
        this.#asked.delete(tenantId);
        this.#enqueue(tenantId);
      }
      this.#beatLater();
    });
  }

  /** The other server is another one, or not where it was. */
  #askAnew(): void {
    this.#asked.clear();
    this.#pass();
  }

  async #enqueueAll(): Promise<void> {
    const { storage, tenants } = this.#options;
    for await (const tenantId of tenants ?? listAllTenants(storage)) this.#enqueue(tenantId);
  }

  #enqueue(tenantId: TenantId): void {
    const { cancel, isWhole } = this.#putOff.get(tenantId) ?? {};
    if (!this.#isMeant(tenantId) || (isWhole === true && cancel !== undefined)) return;
    this.#tenants.add(tenantId);
  }

  /** @returns whether there is more to forward of it */
  async #turn(tenantId: TenantId): Promise<boolean> {
    let isMore = false;
    try {
      const turns = this.#turns.of(tenantId);
      const before = turns.farEpoch;
      const outcome = await forwardTurn(this.#options, turns, {
        tenantId,
        mustAsk: !this.#asked.has(tenantId),
      });
      if (before !== undefined && before !== turns.farEpoch) this.#askAnew();
      this.#asked.add(tenantId);
      this.#pauseAttempt = 0;
      isMore = outcome === "more";
      if (outcome === "done") this.#putOff.delete(tenantId);
      if (!isMore) this.#options.onSettled?.(tenantId);
      if (isCofferError(outcome)) this.#failed(tenantId, outcome, false);
    } catch (cause) {
      this.#failed(tenantId, toCofferError(cause, "net/failed"), true);
    }
    return isMore;
  }

  #failed(tenantId: TenantId, error: CofferError, isWhole: boolean): void {
    if (this.#isStopped) return;
    const { link, logger, metrics } = this.#options;
    metrics.forwardFailed(error.code);
    const fields = { to: link.url, tenant: shortId(tenantId), ...describeFailure(error) };
    logger.warn("forward.failed", fields);
    const isServer = isWhole && (error.code.startsWith("net/") || error.code.startsWith("access/"));
    if (isServer) this.#pause(tenantId, error);
    else this.#wait(tenantId, isWhole);
  }

  /** That server is away, or does not let this one in: all wait, and then it may be another one. */
  #pause(tenantId: TenantId, error: CofferError): void {
    const { env, link } = this.#options;
    if (!this.#tenants.isPaused) {
      const ownMs = waitMs(env, this.#pauseAttempt++, pauseLimitMs);
      this.#tenants.pause(Math.max(askedWaitMs(error, pauseLimitMs), ownMs), () => {
        link.forget();
        this.#askAnew();
      });
    }
    this.#tenants.add(tenantId);
  }

  #wait(tenantId: TenantId, isWhole: boolean): void {
    const { env } = this.#options;
    const before = this.#putOff.get(tenantId);
    before?.cancel?.();
    const attempt = (before?.attempt ?? 0) + 1;
    const cancel = env.setTimer(waitMs(env, attempt, putOffLimitMs), () => {
      this.#putOff.set(tenantId, { attempt, isWhole, cancel: undefined });
      this.#asked.delete(tenantId);
      const { stuck, turned } = this.#turns.of(tenantId);
      stuck.clear();
      turned.clear();
      this.#enqueue(tenantId);
    });
    this.#putOff.set(tenantId, { attempt, isWhole, cancel });
  }
}
