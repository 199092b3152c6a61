/**
 * The world outside, as an argument: clock, chance, timers, locks, channels and connectivity.
 *
 * Guarantees: nothing else in the library reads a clock, draws random bytes, waits, locks or talks to another thread,
 * so that a simulator can put all of it under one seed.
 */

/** Release what was taken; calling it again does nothing. */
export type Release = () => void;

/** A broadcast between the threads of one origin. It carries structured-cloneable data and never loops back. */
export interface Channel {
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): Release;
  close(): void;
}

/** How a lock is asked for. */
export interface LockOptions {
  readonly ifAvailable?: boolean;
  readonly signal?: AbortSignal;
  readonly steal?: boolean;
}

export interface Env {
  /** Wall clock in milliseconds since 1970; for display and expiry only, it may jump. */
  nowMs(): number;
  /** A clock that only moves forward, in milliseconds. */
  monotonicMs(): number;
  /** Fresh cryptographic random bytes. */
  randomBytes(sizeBytes: number): Uint8Array<ArrayBuffer>;
  /** A number in [0, 1) for jitter; never for secrets. */
  randomFraction(): number;
  setTimer(afterMs: number, run: () => void): Release;
  /**
   * Hold a named exclusive lock of the origin while `run` lasts; `undefined` when `ifAvailable` and it is taken. `steal` takes it
   * from its holder at once, whose call rejects with an `AbortError` though its `run` may go on; it goes with no other option.
   */
  withLock<T>(name: string, options: LockOptions, run: () => Promise<T>): Promise<T | undefined>;
  openChannel(name: string): Channel;
  isOnline(): boolean;
  onOnlineChange(listener: (online: boolean) => void): Release;
  /** Note in the platform's own timeline that something is reached for the first time; only whoever measures looks there. */
  mark(milestone: Milestone): void;
}

/** What the opening of a tenant passes, in about this order. */
export type Milestone =
  | "worker running"
  | "device open"
  | "store open"
  | "keys held"
  | "keys open"
  | "tenant open"
  | "pages opened"
  | "summaries known"
  | "entries known"
  | "query answered"
  | "engine ready";

interface Globals {
  navigator?: { onLine?: boolean; locks?: LockManagerLike };
  addEventListener?: (type: string, listener: () => void) => void;
  removeEventListener?: (type: string, listener: () => void) => void;
}
interface LockManagerLike {
  request<T>(name: string, options: LockOptions, run: (lock: unknown) => Promise<T>): Promise<T>;
}

/** The part of the world that a page needs to watch over its worker; a page has a budget of bytes. */
export type PageEnv = Pick<Env, "monotonicMs" | "randomBytes" | "setTimer" | "withLock">;

/** The real world of a page. */
export function createPageEnv(): PageEnv {
  const world = globalThis as Globals;
  return {
    monotonicMs: () => performance.now(),
    randomBytes: (sizeBytes) => crypto.getRandomValues(new Uint8Array(sizeBytes)),
    setTimer(afterMs, run) {
      const timer = setTimeout(run, afterMs);
      return () => clearTimeout(timer);
    },
    withLock: (name, options, run) => withSystemLock(world.navigator?.locks, name, options, run),
  };
}

/** The real world of a browser thread or a Node process. */
export function createSystemEnv(): Env {
  const world = globalThis as Globals;
  const reached = new Set<Milestone>();
  return {
    ...createPageEnv(),
    nowMs: () => Date.now(),
    randomFraction: () => Math.random(),
    openChannel: openBroadcast,
    isOnline: () => world.navigator?.onLine ?? true,
    onOnlineChange(listener) {
      const online = (): void => listener(true);
      const offline = (): void => listener(false);
      world.addEventListener?.("online", online);
      world.addEventListener?.("offline", offline);
      return () => {
        world.removeEventListener?.("online", online);
        world.removeEventListener?.("offline", offline);
      };
    },
    mark(milestone) {
      // Once each: the platform keeps every mark for as long as the thread lives.
      if (reached.has(milestone)) return;
      reached.add(milestone);
      performance.mark(`coffer: ${milestone}`);
    },
  };
}

async function withSystemLock<T>(
  locks: LockManagerLike | undefined,
  name: string,
  options: LockOptions,
  run: () => Promise<T>,
): Promise<T | undefined> {
  if (locks === undefined) return run();
  return locks.request<T | undefined>(name, options, async (lock) => (lock === null ? undefined : run()));
}

function openBroadcast(name: string): Channel {
  const channel = new BroadcastChannel(name);
  return {
    post: (message) => channel.postMessage(message),
    onMessage(listener) {
      const heard = (event: Event): void => listener((event as MessageEvent<unknown>).data);
      channel.addEventListener("message", heard);
      return () => channel.removeEventListener("message", heard);
    },
    close: () => channel.close(),
  };
}
