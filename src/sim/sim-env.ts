/**
 * The world outside, simulated: a device (an origin of a browser) and the workers (tabs) that run in it.
 *
 * Guarantees
 * - timers, lock grants and channel messages happen only as events of the scheduler
 * - locks and channels are shared by the workers of one device and by no one else
 * - a worker that is killed neither hears nor does anything from then on: its timers are gone, its locks go to those who wait
 */
import type { Channel, Env, LockOptions, Release } from "../std/index.ts";
import type { Random } from "./pcg32.ts";
import type { Scheduler } from "./scheduler.ts";

/** When the simulated world begins: milliseconds since 1970. */
export const worldStartMs = Date.UTC(2026, 0, 1);

interface LockRequest {
  readonly rob: () => void;
  readonly worker: SimWorkerEnv;
  readonly grant: () => void;
}

interface OpenChannel {
  readonly worker: SimWorkerEnv;
  readonly listeners: Set<(message: unknown) => void>;
  lastAtMs: number;
}

/** What the workers of one device share beside their stores. */
export class SimOrigin {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** how far the wall clock is off; it may jump */
  clockSkewMs = 0;
  readonly workers = new Set<SimWorkerEnv>();
  readonly #holders = new Map<string, LockRequest>();
  readonly #waiting = new Map<string, LockRequest[]>();
  readonly #channels = new Map<string, Set<OpenChannel>>();
  #isOnline = true;
  #workerCount = 0;

  constructor(name: string, scheduler: Scheduler) {
    this.name = name;
    this.scheduler = scheduler;
    this.random = scheduler.random.fork();
  }

  get isOnline(): boolean {
    return this.#isOnline;
  }

  setOnline(isOnline: boolean): void {
    if (this.#isOnline === isOnline) return;
    this.#isOnline = isOnline;
    for (const worker of this.workers) worker.hearOnline(isOnline);
  }

  openWorker(): SimWorkerEnv {
    const worker = new SimWorkerEnv(this, `${this.name}.${++this.#workerCount}`);
    this.workers.add(worker);
    return worker;
  }

  requestLock(name: string, request: LockRequest, ifAvailable: boolean): boolean {
    if (!this.#holders.has(name)) {
      this.#holders.set(name, request);
      request.grant();
      return true;
    }
    if (!ifAvailable) this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), request]);
    return false;
  }

  /** Take a lock from its holder, who hears of it; whoever asks next has it, before those who wait. */
  rob(name: string): void {
    this.#holders.get(name)?.rob();
    this.#holders.delete(name);
  }

  /** Take a request back: whoever holds lets go, whoever waits leaves the line. */
  leaveLock(name: string, request: LockRequest): void {
    const waiting = (this.#waiting.get(name) ?? []).filter((other) => other !== request);
    this.#waiting.set(name, waiting);
    if (this.#holders.get(name) !== request) return;
    this.#holders.delete(name);
    const next = waiting.shift();
    if (next === undefined) return;
    this.#holders.set(name, next);
    this.scheduler.after(this.random.fraction(), `${next.worker.name} lock ${name}`, () => next.grant());
  }

  leaveAllLocks(worker: SimWorkerEnv): void {
    for (const [name, waiting] of this.#waiting) {
      this.#waiting.set(
        name,
        waiting.filter((request) => request.worker !== worker),
      );
    }
    for (const [name, request] of this.#holders) if (request.worker === worker) this.leaveLock(name, request);
  }

  openChannel(name: string, worker: SimWorkerEnv): Channel {
    const channels = this.#channels.get(name) ?? new Set();
    this.#channels.set(name, channels);
    const own: OpenChannel = { worker, listeners: new Set(), lastAtMs: 0 };
    channels.add(own);
    return {
      post: (message) => {
        if (!worker.isAlive || !channels.has(own)) return;
        for (const other of channels)
          if (other !== own) this.#deliver(name, channels, other, structuredClone(message));
      },
      onMessage(listener) {
        own.listeners.add(listener);
        return () => void own.listeners.delete(listener);
      },
      close: () => void channels.delete(own),
    };
  }

  closeChannels(worker: SimWorkerEnv): void {
    for (const channels of this.#channels.values()) {
      for (const channel of channels) if (channel.worker === worker) channels.delete(channel);
    }
  }

  #deliver(name: string, channels: ReadonlySet<OpenChannel>, to: OpenChannel, message: unknown): void {
    const { nowMs } = this.scheduler;
    // Messages to one listener keep their order.
    to.lastAtMs = Math.max(nowMs + this.random.fraction() * 4, to.lastAtMs + 0.001);
    this.scheduler.after(to.lastAtMs - nowMs, `${to.worker.name} hears ${name}`, () => {
      if (!channels.has(to)) return;
      for (const listener of Array.from(to.listeners)) listener(message);
    });
  }
}

/** The world of one worker. */
export class SimWorkerEnv implements Env {
  readonly name: string;
  readonly #origin: SimOrigin;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #timers = new Map<Release, number>();
  readonly #onlineListeners = new Set<(online: boolean) => void>();
  readonly #deathListeners = new Set<() => void>();
  #isAlive = true;

  constructor(origin: SimOrigin, name: string) {
    this.name = name;
    this.#origin = origin;
    this.#scheduler = origin.scheduler;
    this.#random = origin.random.fork();
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** The lengths of the timers that are running. */
  get timersMs(): readonly number[] {
    return [...this.#timers.values()];
  }

  nowMs(): number {
    return worldStartMs + Math.floor(this.#scheduler.nowMs) + this.#origin.clockSkewMs;
  }

  monotonicMs(): number {
    return this.#scheduler.nowMs;
  }

  randomBytes(sizeBytes: number): Uint8Array<ArrayBuffer> {
    return this.#random.bytes(sizeBytes);
  }

  randomFraction(): number {
    return this.#random.fraction();
  }

  setTimer(afterMs: number, run: () => void): Release {
    if (!this.#isAlive) return () => undefined;
    const cancel = this.#scheduler.after(afterMs, `${this.name} timer ${afterMs.toFixed(0)}`, () => {
      this.#timers.delete(release);
      run();
    });
    const release = (): void => {
      this.#timers.delete(release);
      cancel();
    };
    this.#timers.set(release, afterMs);
    return release;
  }

  withLock<T>(
    name: string,
    { ifAvailable = false, signal, steal = false }: LockOptions,
    run: () => Promise<T>,
  ): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      let isRobbed = false;
      const request: LockRequest = {
        worker: this,
        rob: () => {
          isRobbed = true;
          reject(abortError());
        },
        grant: () => {
          if (isRobbed) return;
          signal?.removeEventListener("abort", onAbort);
          const release = (): void => this.#origin.leaveLock(name, request);
          this.#scheduler.note(`${this.name} holds ${name}`);
          // What `run` throws at once is a rejection too.
          const result = (async () => run())();
          result.finally(release).then(resolve, reject);
        },
      };
      const onAbort = (): void => {
        cancel();
        this.#origin.leaveLock(name, request);
        reject(abortError());
      };
      if (signal?.aborted === true) {
        reject(abortError());
        return;
      }
      signal?.addEventListener("abort", onAbort);
      const cancel = this.later(this.#random.fraction(), `asks for ${name}`, () => {
        if (steal) this.#origin.rob(name);
        if (this.#origin.requestLock(name, request, ifAvailable) || !ifAvailable) return;
        signal?.removeEventListener("abort", onAbort);
        resolve(undefined);
      });
    });
  }

  openChannel(name: string): Channel {
    return this.#origin.openChannel(name, this);
  }

  isOnline(): boolean {
    return this.#origin.isOnline;
  }

  onOnlineChange(listener: (online: boolean) => void): Release {
    this.#onlineListeners.add(listener);
    return () => void this.#onlineListeners.delete(listener);
  }

  mark(): void {
    // Nobody measures here.
  }

  hearOnline(isOnline: boolean): void {
    this.later(this.#random.fraction() * 20, `hears ${isOnline ? "online" : "offline"}`, () => {
      // Only the last word counts: browsers tell what is, not what was.
      if (this.#origin.isOnline !== isOnline) return;
      for (const listener of Array.from(this.#onlineListeners)) listener(isOnline);
    });
  }

  /** Let something happen to this worker, unless it is gone by then. */
  later(delayMs: number, label: string, run: () => void): Release {
    return this.#scheduler.after(delayMs, `${this.name} ${label}`, () => {
      if (this.#isAlive) run();
    });
  }

  /** Resolves after a while; never, when the worker is gone by then. */
  pause(delayMs: number, label: string): Promise<void> {
    return new Promise((resolve) => {
      this.later(delayMs, label, resolve);
    });
  }

  /** Be told when this worker dies, as its connections are. */
  onDeath(listener: () => void): Release {
    this.#deathListeners.add(listener);
    return () => void this.#deathListeners.delete(listener);
  }

  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    for (const listener of Array.from(this.#deathListeners)) listener();
    for (const release of Array.from(this.#timers.keys())) release();
    this.#onlineListeners.clear();
    this.#origin.workers.delete(this);
    this.#origin.closeChannels(this);
    this.#origin.leaveAllLocks(this);
  }
}

function abortError(): Error {
  return new DOMException("The request was aborted.", "AbortError");
}
