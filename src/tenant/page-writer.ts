/**
 * Writes what is derived from the log back into the store: one thread of the device at a time, the one that holds the lock. It waits
 * until writing has gone quiet: nothing is encoded, packed and sealed in the midst of an import, and no page more often than it must.
 * Edits wait for the encoding only; sealing and writing go on beside them.
 */
import type { Release } from "../std/index.ts";
import type { TenantCore } from "./core.ts";
import type { Persistence } from "./persistence.ts";

/** Pages are written once nothing has changed for so long, */
const quietMs = 400;
/** and so long after the first change at the latest. */
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
  /** the first change that no page has yet, and the last one */
  #sinceMs = 0;
  #changedAtMs = 0;

  constructor(core: TenantCore, written: WrittenPages) {
    this.#core = core;
    this.#written = written;
    this.#becomeWriter();
  }

  /** Something changed: write it, soon. */
  schedule(): void {
    if (!this.#isWriter || this.#ended.signal.aborted) return;
    this.#changedAtMs = this.#core.world.env.monotonicMs();
    if (this.#timer !== undefined) return;
    this.#sinceMs = this.#changedAtMs;
    this.#wait(quietMs);
  }

  #wait(pauseMs: number): void {
    const { env } = this.#core.world;
    this.#timer = env.setTimer(pauseMs, () => {
      this.#timer = undefined;
      const nowMs = env.monotonicMs();
      const dueMs = Math.min(this.#changedAtMs + quietMs, this.#sinceMs + flushAtMostMs);
      if (nowMs < dueMs) this.#wait(dueMs - nowMs);
      else void this.#flush();
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
    });
    return this.#flushing;
  }
}
