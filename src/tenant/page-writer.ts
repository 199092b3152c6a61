/**
 * Writes what is derived from the log back into the store: one thread of the device at a time, the one that holds the lock. Edits wait
 * for the encoding only; sealing and writing go on beside them.
 */
import type { Release } from "../std/index.ts";
import type { TenantCore } from "./core.ts";
import type { Persistence } from "./persistence.ts";

/** Pages are written this long after something changed; while it keeps changing, less and less often. */
const flushAfterMs = 400;
const flushAtMostMs = 6_400;

/** What is written. */
export interface WrittenPages {
  readonly pages: Persistence;
  /** the log was judged up to here */
  judgedTo(): number;
  /** Keep documents as they stand, where that is due. */
  saveSnapshots(): Promise<void>;
}

/** Writes pages from when it gets its turn until it is closed. */
export class PageWriter {
  readonly #core: TenantCore;
  readonly #written: WrittenPages;
  readonly #ended = new AbortController();
  #isWriter = false;
  /** the next flush looks whether the pages are those that this thread knows */
  #isFirst = true;
  #timer: Release | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #pauseMs = flushAfterMs;
  #flushedAtMs = -Infinity;

  constructor(core: TenantCore, written: WrittenPages) {
    this.#core = core;
    this.#written = written;
    this.#becomeWriter();
  }

  /** Write what changed, soon. */
  schedule(): void {
    if (!this.#isWriter || this.#ended.signal.aborted || this.#timer !== undefined) return;
    const { env } = this.#core.world;
    const isBusy = env.monotonicMs() - this.#flushedAtMs < this.#pauseMs;
    this.#pauseMs = isBusy ? Math.min(2 * this.#pauseMs, flushAtMostMs) : flushAfterMs;
    this.#timer = env.setTimer(this.#pauseMs, () => {
      this.#timer = undefined;
      void this.#flush();
    });
  }

  /** Give the turn to another thread; the last changes are written first. */
  async close(): Promise<void> {
    if (this.#isWriter) await this.#flush();
    this.#isWriter = false;
    this.#ended.abort();
    // Last of all: a change that was still under way may have asked for pages, which would now be written empty.
    this.#timer?.();
  }

  /** Wait for the lock that makes this thread the one that writes pages, and hold it until the end. */
  #becomeWriter(): void {
    const { signal } = this.#ended;
    const hold = async (): Promise<void> => {
      if (signal.aborted) return;
      this.#isWriter = true;
      this.schedule();
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    };
    const { env } = this.#core.world;
    env.withLock(`coffer-pages/${this.#core.store.name}`, { signal }, hold).catch(() => undefined);
  }

  /** One flush after the other. */
  #flush(): Promise<void> {
    const written = this.#written;
    this.#flushing = this.#flushing.then(async () => {
      const isFirst = this.#isFirst;
      this.#isFirst = false;
      try {
        const collected = await this.#core.serial.run(() =>
          written.pages.collect(written.judgedTo(), isFirst),
        );
        if (collected !== undefined) await written.pages.write(collected);
        await written.saveSnapshots();
      } catch {
        // Pages are derived: a failed write costs a slower opening, and the next one writes them all.
        this.#isFirst = true;
      }
      this.#flushedAtMs = this.#core.world.env.monotonicMs();
    });
    return this.#flushing;
  }
}
