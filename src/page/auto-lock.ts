/**
 * Locks by itself when nobody is there.
 *
 * ```
 * key, pointer, wheel here ─┐
 * the same in another tab ──┼─► somebody is there: time begins anew
 * a tab comes into view ────┘
 * time is up, or a page that slept wakes after it ──► lock, in all tabs
 * ```
 * Time is the larger of two clocks: the steady one stands still while a machine sleeps, the other one can be set back.
 */
import { CofferError, type Channel, type Env } from "../std/index.ts";
import type { AutoLockLimits } from "./key-slot-types.ts";
import { inBackground } from "./session.ts";

const leastIdleMs = 1000;
const longestMs = 30 * 24 * 60 * 60 * 1000;
/** how often, at most, other tabs are told that somebody is there */
const tellEveryMs = 1000;
/** how often, at least, a tab that is looked at tells the others so */
const inViewEveryMs = 2000;
const leastHiddenMs = 1000;
const activities = ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"];

type Listening = Pick<EventTarget, "addEventListener" | "removeEventListener">;

/** What it lives in. */
export interface AutoLockWorld {
  readonly env: Pick<Env, "monotonicMs" | "nowMs" | "setTimer" | "openChannel">;
  readonly page: Listening & { readonly document: Listening & { readonly visibilityState: string } };
  /** the name under which the tabs of a tenant hear each other */
  readonly channel: string;
  lock(): Promise<void>;
}

/** Lock whenever time is up. @returns ends it @throws input/invalid for limits that are none */
export function lockByItself(limits: AutoLockLimits, world: AutoLockWorld): () => void {
  requireLimit(limits.idleMs, "idleMs", leastIdleMs);
  if (limits.hiddenMs !== 0) requireLimit(limits.hiddenMs, "hiddenMs", leastHiddenMs);
  const watch = new AutoLock(limits, world);
  return () => watch.end();
}

class AutoLock {
  readonly #limits: AutoLockLimits;
  readonly #world: AutoLockWorld;
  readonly #channel: Channel;
  readonly #idle: Stopwatch;
  readonly #hidden: Stopwatch;
  readonly #active = (): void => this.#noteActive();
  readonly #look = (): void => this.#noteView();
  #cancel: () => void = () => undefined;
  #toldAtMs = -Infinity;

  constructor(limits: AutoLockLimits, world: AutoLockWorld) {
    this.#limits = limits;
    this.#world = world;
    this.#idle = new Stopwatch(world.env);
    this.#hidden = new Stopwatch(world.env);
    this.#channel = world.env.openChannel(world.channel);
    this.#channel.onMessage((message) => this.#hear(message));
    const options = { capture: true, passive: true };
    for (const activity of activities) world.page.addEventListener(activity, this.#active, options);
    world.page.document.addEventListener("visibilitychange", this.#look);
    this.#noteView();
  }

  end(): void {
    const { page } = this.#world;
    this.#cancel();
    this.#channel.close();
    for (const activity of activities) page.removeEventListener(activity, this.#active, { capture: true });
    page.document.removeEventListener("visibilitychange", this.#look);
  }

  get #isInView(): boolean {
    return this.#world.page.document.visibilityState === "visible";
  }

  #noteActive(): void {
    // Whoever comes back after the time was up finds it locked, and does not begin it anew.
    if (this.#isUp()) return this.#lock();
    this.#idle.restart();
    const nowMs = this.#world.env.monotonicMs();
    if (nowMs - this.#toldAtMs < tellEveryMs) return;
    this.#toldAtMs = nowMs;
    this.#channel.post("active");
  }

  #noteView(): void {
    if (this.#isUp()) return this.#lock();
    if (this.#isInView) this.#noteInView();
    this.#plan();
  }

  #noteInView(): void {
    this.#hidden.restart();
    if (this.#limits.hiddenMs !== undefined) this.#channel.post("in view");
  }

  #hear(message: unknown): void {
    if (message === "active") this.#idle.restart();
    else if (message === "in view" && !this.#isInView) {
      this.#hidden.restart();
      this.#plan();
    }
  }

  /** In view there is nothing to wait for but silence; out of view, another tab has its time to say that it is looked at. */
  #isUp(): boolean {
    const { hiddenMs, idleMs } = this.#limits;
    return leftMs(this.#idle, idleMs) <= 0 || (!this.#isInView && leftMs(this.#hidden, hiddenMs) <= 0);
  }

  #plan(): void {
    this.#cancel();
    const { hiddenMs, idleMs } = this.#limits;
    const left = [leftMs(this.#idle, idleMs)];
    if (hiddenMs !== undefined)
      left.push(
        this.#isInView
          ? Math.min(inViewEveryMs, hiddenMs / 3 || inViewEveryMs)
          : leftMs(this.#hidden, hiddenMs),
      );
    const afterMs = Math.min(...left);
    if (afterMs === Infinity) return;
    this.#cancel = this.#world.env.setTimer(Math.max(0, afterMs), () => this.#noteView());
  }

  #lock(): void {
    this.#idle.restart();
    this.#hidden.restart();
    // A failed one is told by the tenant's status; the next moment without anybody tries again.
    inBackground(this.#world.lock());
    this.#plan();
  }
}

/** Time since something was so. */
class Stopwatch {
  readonly #env: Pick<Env, "monotonicMs" | "nowMs">;
  #steadyMs = 0;
  #wallMs = 0;

  constructor(env: Pick<Env, "monotonicMs" | "nowMs">) {
    this.#env = env;
    this.restart();
  }

  get elapsedMs(): number {
    return Math.max(this.#env.monotonicMs() - this.#steadyMs, this.#env.nowMs() - this.#wallMs);
  }

  restart(): void {
    this.#steadyMs = this.#env.monotonicMs();
    this.#wallMs = this.#env.nowMs();
  }
}

function leftMs(watch: Stopwatch, limitMs: number | undefined): number {
  return limitMs === undefined ? Infinity : limitMs - watch.elapsedMs;
}

function requireLimit(limitMs: number | undefined, at: string, leastMs: number): void {
  const isLimit = limitMs === undefined || (limitMs >= leastMs && limitMs <= longestMs);
  if (!isLimit) throw new CofferError("input/invalid", { at });
}
