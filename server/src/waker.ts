/**
 * Wakes devices: when there is news for one that has no live session here, its browser's push service is told so, without a word of what
 * the news is.
 *
 * ```
 * news ─1 s, so that a burst is one─► owed ─► asleep still, and a member? ─► sent ─► taken: a minute of quiet, then the next
 *                                               │ no: nothing                ├─► gone: the address is forgotten
 *                                               ▼                            └─► busy, or away: again later, five times
 * ```
 *
 * It is a help and no promise: what a device was not woken for it finds when it next syncs by itself. A device that has a live session at
 * another node is woken without need. Nothing here is kept: after a restart the next news wakes.
 */
import type { AuthorKey, Env, Release, TenantId } from "../../src/std/index.ts";
import { describeFailure, type Logger } from "./logger.ts";
import type { RelayMetrics } from "./relay-metrics.ts";
import type { Subscription, SubscriptionStorage } from "./subscription-storage.ts";

/** What became of one message to a push service. `again`: it may be tried after so long, 0 for a time of one's own choice. */
export type PushOutcome =
  | { readonly kind: "taken" }
  | { readonly kind: "gone" }
  | { readonly kind: "again"; readonly afterMs: number };

/** The way to the push services of browsers. */
export interface PushService {
  /** 65 bytes, an uncompressed point of P-256: browsers tie an address to it */
  readonly publicKey: Uint8Array;
  /** Whether an address is one of a push service that this server calls. */
  allows(endpoint: string): boolean;
  /** Send an empty message. Never rejects. */
  send(endpoint: string): Promise<PushOutcome>;
}

/** What waking needs of a relay. */
export interface WakerOptions {
  readonly env: Pick<Env, "monotonicMs" | "setTimer">;
  readonly storage: SubscriptionStorage;
  readonly service: Pick<PushService, "send">;
  readonly logger: Logger;
  readonly metrics: Pick<RelayMetrics, "woken">;
  /** whether a device has a live session here */
  readonly isLive: (tenantId: TenantId, device: AuthorKey) => boolean;
  readonly isMember: (tenantId: TenantId, user: AuthorKey) => Promise<boolean>;
}

const gatherMs = 1000;
const quietMs = 60_000;
const firstRetryMs = 30_000;
const longestRetryMs = 60 * 60_000;
const maxTries = 5;
const maxSending = 8;
const pageSize = 500;
/** beyond, what is owed is left to the next news */
const maxOwed = 100_000;

interface Owed {
  readonly tenantId: TenantId;
  readonly subscription: Subscription;
  readonly dueMs: number;
  readonly tries: number;
}

/** Wakes the devices of all tenants. */
export class Waker {
  readonly #options: WakerOptions;
  /** who wrote since the last look; `undefined` for what nobody here wrote */
  readonly #writers = new Map<TenantId, Set<AuthorKey | undefined>>();
  readonly #owed = new Map<string, Owed>();
  readonly #wokenAtMs = new Map<string, number>();
  #sendingCount = 0;
  #isGathering = false;
  #cancelGather: Release = () => undefined;
  #cancelDue: Release = () => undefined;
  #isClosed = false;

  constructor(options: WakerOptions) {
    this.#options = options;
  }

  /** A log of a tenant has grown, by what this device sent. */
  grown(tenantId: TenantId, by: AuthorKey | undefined): void {
    if (this.#isClosed) return;
    const writers = this.#writers.get(tenantId) ?? new Set();
    this.#writers.set(tenantId, writers.add(by));
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#cancelGather = this.#options.env.setTimer(gatherMs, () => void this.#gather());
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelGather();
    this.#cancelDue();
    this.#owed.clear();
  }

  async #gather(): Promise<void> {
    const news = [...this.#writers];
    this.#writers.clear();
    this.#isGathering = false;
    for (const [tenantId, writers] of news) {
      try {
        await this.#owe(tenantId, writers);
      } catch (cause) {
        this.#options.logger.warn("wake.failed", describeFailure(cause));
      }
    }
    this.#send();
  }

  async #owe(tenantId: TenantId, writers: ReadonlySet<AuthorKey | undefined>): Promise<void> {
    const { env, isLive, storage } = this.#options;
    let after: AuthorKey | undefined;
    do {
      const page = await storage.listSubscriptions(tenantId, after, pageSize);
      for (const subscription of page) {
        const { device } = subscription;
        const name = `${tenantId}/${device}`;
        const isOwn = writers.size === 1 && writers.has(device);
        if (isOwn || isLive(tenantId, device) || this.#owed.has(name) || this.#owed.size >= maxOwed) continue;
        const nowMs = env.monotonicMs();
        const dueMs = Math.max(nowMs, (this.#wokenAtMs.get(name) ?? -Infinity) + quietMs);
        this.#owed.set(name, { tenantId, subscription, dueMs, tries: 0 });
      }
      after = page.length < pageSize ? undefined : page.at(-1)?.device;
    } while (after !== undefined && !this.#isClosed);
  }

  /** Send what is due, so many at once, and come again when the next is. */
  #send(): void {
    this.#cancelDue();
    if (this.#isClosed) return;
    const nowMs = this.#options.env.monotonicMs();
    for (const [name, atMs] of this.#wokenAtMs) if (atMs + quietMs < nowMs) this.#wokenAtMs.delete(name);
    let nextMs = Infinity;
    const due: [string, Owed][] = [];
    for (const [name, owed] of this.#owed) {
      if (owed.dueMs > nowMs) nextMs = Math.min(nextMs, owed.dueMs);
      else due.push([name, owed]);
    }
    if (nextMs < Infinity) this.#cancelDue = this.#options.env.setTimer(nextMs - nowMs, () => this.#send());
    const lanes = Math.min(maxSending - this.#sendingCount, due.length);
    for (let lane = 0; lane < lanes; lane++) {
      this.#sendingCount += 1;
      void this.#sendAll(due).finally(() => {
        this.#sendingCount -= 1;
        // What became due meanwhile had no lane.
        this.#send();
      });
    }
  }

  /** Send one after another what several lanes share. */
  async #sendAll(due: [string, Owed][]): Promise<void> {
    for (let next = due.shift(); next !== undefined && !this.#isClosed; next = due.shift()) {
      const [name, owed] = next;
      // Another round may have begun with it, or it was changed since.
      if (this.#owed.get(name) !== owed) continue;
      this.#owed.delete(name);
      try {
        await this.#wake(name, owed);
      } catch (cause) {
        this.#options.logger.warn("wake.failed", describeFailure(cause));
      }
    }
  }

  async #wake(name: string, { subscription, tenantId, tries }: Owed): Promise<void> {
    const { env, isLive, isMember, metrics, service, storage } = this.#options;
    const { device, endpoint, user } = subscription;
    if (isLive(tenantId, device)) return;
    if (!(await isMember(tenantId, user))) return storage.removeSubscription(tenantId, device, endpoint);
    const outcome = await service.send(endpoint);
    metrics.woken(outcome.kind);
    if (outcome.kind === "gone") return storage.removeSubscription(tenantId, device, endpoint);
    const nowMs = env.monotonicMs();
    if (outcome.kind === "taken") return void this.#wokenAtMs.set(name, nowMs);
    if (tries + 1 >= maxTries || this.#owed.has(name) || this.#isClosed) return;
    const ownMs = Math.min(firstRetryMs * 2 ** tries, longestRetryMs);
    const dueMs = nowMs + Math.min(Math.max(ownMs, outcome.afterMs), longestRetryMs);
    this.#owed.set(name, { tenantId, subscription, dueMs, tries: tries + 1 });
    this.#send();
  }
}
