/**
 * Keeps a worker alive: starts it, sees its death, starts another, and tells those who waited.
 *
 * ```
 *            start + restore ok                death
 *  starting ───────────────────▶ ready ───────────────────▶ restarting
 *     │                            ▲     start + restore ok     │
 *     │ too many deaths            └────────────────────────────┤ too many deaths
 *     └──────────────────────────────▶ failed ◀─────────────────┘
 * ```
 *
 * Death is seen in three ways: the worker's error event; the Web Lock that the worker holds for life falls to
 * the page; a call is under way and the worker stays silent for several beats. A beat counts when it comes in time:
 * where the page itself was starved, frozen or asleep, so was the worker, and silence tells nothing.
 */
import { signal, type ReadonlySignal } from "@preact/signals-core";
import type { WorkerEvent, WorkerOptions } from "../../worker/api.ts";
import { CofferError, toCofferError, type PageEnv, type Release } from "../std/index.ts";
import { connectWorker, type WorkerCalls, type WorkerHandle, type WorkerSource } from "./connect.ts";

const beatMs = 5_000;
const inTimeMs = 6_000;
const silentBeatsOfTheDead = 3;
const answerWithinMs = 500;
const calmMs = 30_000;
/** waits before the restarts in a row; one death more is a failure */
const restartAfterMs = [0, 100, 300, 1_000] as const;

/** One worker from its start to its end. */
interface Life {
  readonly handle: WorkerHandle;
  readonly api: WorkerCalls;
  readonly pending: Set<(error: CofferError) => void>;
  readonly over: AbortController;
  beat: Release | undefined;
  silentBeats: number;
}

/** A call of the worker's functions. */
export type WorkerCall<T> = (api: WorkerCalls) => Promise<T>;

export interface SupervisorOptions {
  readonly env: PageEnv;
  readonly source: WorkerSource;
  readonly worker: Omit<WorkerOptions, "lifeLock">;
  onEvents(events: readonly WorkerEvent[]): void;
  /** Bring a new worker to where the last one was, before anybody else may call it. */
  readonly restore: (call: <T>(run: WorkerCall<T>) => Promise<T>) => Promise<void>;
  onFailed(error: CofferError): void;
}

/** The worker's guardian. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #state = signal<"starting" | "ready" | "restarting" | "failed">("starting");
  #life: Life | undefined;
  #waiting: { resolve(life: Life): void; reject(error: CofferError): void }[] = [];
  #ended: CofferError | undefined;
  #deathsInARow = 0;
  #readyAtMs = 0;
  #restart: Release = () => undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#begin();
  }

  get state(): ReadonlySignal<"starting" | "ready" | "restarting" | "failed"> {
    return this.#state;
  }

  get isReady(): boolean {
    return this.#ended === undefined && this.#state.peek() === "ready";
  }

  /** Resolve once the worker can be called; reject when there will be none. */
  async ready(): Promise<void> {
    await this.#readyLife();
  }

  /**
   * Call the worker as soon as it is ready, in the order of these calls. @throws `worker/restarted` when it
   * dies meanwhile
   */
  async call<T>(run: WorkerCall<T>): Promise<T> {
    return this.#callDuring(await this.#readyLife(), run);
  }

  /** End the worker. What is under way rejects with `aborted`. */
  close(): void {
    this.#end(new CofferError("aborted"));
  }

  #readyLife(): Promise<Life> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.isReady && this.#life !== undefined) return Promise.resolve(this.#life);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #callDuring<T>(life: Life, run: WorkerCall<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (life.over.signal.aborted) {
        reject(this.#ended ?? new CofferError("worker/restarted"));
        return;
      }
      life.pending.add(reject);
      this.#awaitBeat(life);
      const settle = (): boolean => life.pending.delete(reject);
      run(life.api).then(
        (value) => settle() && resolve(value),
        (cause: unknown) => settle() && reject(toCofferError(cause)),
      );
    });
  }

  #begin(): void {
    const { env, source, worker, restore } = this.#options;
    try {
      const handle = source.spawn();
      const over = new AbortController();
      const hear = (events: readonly WorkerEvent[]): void => {
        if (!over.signal.aborted) this.#options.onEvents(events);
      };
      const life: Life = {
        handle,
        api: connectWorker(handle.endpoint, hear),
        pending: new Set(),
        over,
        beat: undefined,
        silentBeats: 0,
      };
      this.#life = life;
      handle.onError(() => this.#die(life, new CofferError("worker/failed")));
      const call = <T>(run: WorkerCall<T>): Promise<T> => this.#callDuring(life, run);
      const lifeLock = `coffer-worker-${env.randomBytes(16).join("-")}`;
      call((api) => api.start({ ...worker, lifeLock }))
        .then(() => {
          this.#watchLock(life, lifeLock);
          return restore(call);
        })
        .then(
          () => this.#becomeReady(life),
          (cause: unknown) => this.#die(life, toCofferError(cause)),
        );
    } catch (cause) {
      this.#die(undefined, toCofferError(cause));
    }
  }

  #becomeReady(life: Life): void {
    if (life.over.signal.aborted) return;
    this.#readyAtMs = this.#options.env.monotonicMs();
    this.#state.value = "ready";
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) one.resolve(life);
  }

  /**
   * The lock falls to the page when the worker is gone; one that a browser gave away for another reason is asked. Where there are no
   * locks it falls at once, and says nothing.
   */
  #watchLock(life: Life, lifeLock: string): void {
    const { env } = this.#options;
    let isAtOnce = true;
    const confirm = async (): Promise<void> => {
      if (isAtOnce) return;
      const release = env.setTimer(answerWithinMs, () => this.#die(life, new CofferError("worker/failed")));
      void life.api.ping().then(release);
    };
    env.withLock(lifeLock, { signal: life.over.signal }, confirm).catch(() => undefined);
    isAtOnce = false;
  }

  /** While a call is under way, ask at every beat; an answer to any of the questions ends the silence. */
  #awaitBeat(life: Life): void {
    if (life.beat !== undefined) return;
    const { env } = this.#options;
    life.silentBeats = 0;
    const ask = (): void => {
      const askedAtMs = env.monotonicMs();
      life.beat = env.setTimer(beatMs, () => {
        life.beat = undefined;
        if (life.pending.size === 0) return;
        const isInTime = env.monotonicMs() - askedAtMs < inTimeMs;
        if (isInTime && life.silentBeats++ >= silentBeatsOfTheDead) {
          this.#die(life, new CofferError("worker/failed"));
          return;
        }
        void life.api.ping().then(() => (life.silentBeats = 0));
        ask();
      });
    };
    ask();
  }

  #die(life: Life | undefined, cause: CofferError): void {
    if (this.#ended !== undefined || life?.over.signal.aborted === true) return;
    const { env, source } = this.#options;
    if (this.#state.peek() === "ready" && env.monotonicMs() - this.#readyAtMs > calmMs)
      this.#deathsInARow = 0;
    const afterMs = restartAfterMs[this.#deathsInARow];
    this.#deathsInARow += 1;
    if (!source.again || afterMs === undefined) {
      this.#fail(cause);
      return;
    }
    if (this.#state.peek() !== "starting") this.#state.value = "restarting";
    this.#bury(life, new CofferError("worker/restarted"));
    this.#restart = env.setTimer(afterMs, () => this.#begin());
  }

  #fail(cause: CofferError): void {
    const error =
      cause.code === "worker/failed"
        ? cause
        : new CofferError("worker/failed", { reason: cause.code }, { cause });
    this.#state.value = "failed";
    this.#end(error);
    this.#options.onFailed(error);
  }

  #end(error: CofferError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#restart();
    this.#bury(this.#life, error);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) one.reject(error);
  }

  #bury(life: Life | undefined, error: CofferError): void {
    if (life === undefined || life.over.signal.aborted) return;
    life.over.abort();
    life.beat?.();
    life.handle.end();
    const pending = [...life.pending];
    life.pending.clear();
    for (const reject of pending) reject(error);
  }
}
