/**
 * Tenants that wait for a turn: each once, one turn at a time for each, a few tenants at once.
 *
 * ```
 * add ─► queue ─► turn ─► the next
 *          ▲        └─ pause: nobody begins a turn until it is over
 *          └─ added while its turn runs: another turn follows
 * ```
 */
import type { Env, Release, TenantId } from "../../src/std/index.ts";

export interface TenantQueueOptions {
  readonly env: Pick<Env, "setTimer">;
  readonly atOnce: number;
  /** One turn; never rejects. Whether the tenant is to have another one. */
  readonly turn: (tenantId: TenantId) => Promise<boolean>;
}

/** Gives tenants their turns. */
export class TenantQueue {
  readonly #options: TenantQueueOptions;
  readonly #queue = new Set<TenantId>();
  readonly #active = new Map<TenantId, Promise<void>>();
  #cancelPause: Release | undefined;
  #isStopped = false;

  constructor(options: TenantQueueOptions) {
    this.#options = options;
  }

  /** Those that wait, and those whose turn it is. */
  get size(): number {
    return this.#queue.size + this.#active.size;
  }

  get isPaused(): boolean {
    return this.#cancelPause !== undefined;
  }

  add(tenantId: TenantId): void {
    if (this.#isStopped) return;
    this.#queue.add(tenantId);
    this.#pump();
  }

  /** It waits for nothing any more. */
  remove(tenantId: TenantId): void {
    this.#queue.delete(tenantId);
  }

  /** Begin no turn for so long; `onEnd` is called before the first one after it. A pause that is under way stays as it is. */
  pause(afterMs: number, onEnd?: () => void): void {
    if (this.#isStopped) return;
    this.#cancelPause ??= this.#options.env.setTimer(afterMs, () => {
      this.#cancelPause = undefined;
      onEnd?.();
      this.#pump();
    });
  }

  /** Begin nothing more. Resolves when the turns under way have ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#queue.clear();
    this.#cancelPause?.();
    await Promise.all(this.#active.values());
  }

  #pump(): void {
    if (this.isPaused) return;
    for (const tenantId of this.#queue) {
      if (this.#active.size >= this.#options.atOnce) return;
      if (this.#active.has(tenantId)) continue;
      this.#queue.delete(tenantId);
      this.#active.set(tenantId, this.#turn(tenantId));
    }
  }

  async #turn(tenantId: TenantId): Promise<void> {
    const isMore = await this.#options.turn(tenantId);
    this.#active.delete(tenantId);
    if (isMore) this.add(tenantId);
    else this.#pump();
  }
}

/** Tenants of whom more than their places is known. */
const maxTurns = 5000;

/** What is known of tenants beside their places, of so many that were asked for last. */
export class KeptTurns<Turns> {
  readonly #create: () => Turns;
  readonly #turnsByTenant = new Map<TenantId, Turns>();

  constructor(create: () => Turns) {
    this.#create = create;
  }

  of(tenantId: TenantId): Turns {
    const turns = this.#turnsByTenant.get(tenantId) ?? this.#create();
    this.#turnsByTenant.delete(tenantId);
    this.#turnsByTenant.set(tenantId, turns);
    const [oldest] = this.#turnsByTenant.keys();
    if (this.#turnsByTenant.size > maxTurns && oldest !== undefined) this.#turnsByTenant.delete(oldest);
    return turns;
  }

  /** All of them as they are now. */
  all(): readonly [TenantId, Turns][] {
    return [...this.#turnsByTenant];
  }
}
