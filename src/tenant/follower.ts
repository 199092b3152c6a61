/**
 * Keeps what is derived up to date while a tenant is unlocked: loads pages, follows the log, and writes pages back when this thread is
 * the one of the device that does.
 */
import type { Release } from "../std/index.ts";
import type { TenantCore } from "./core.ts";
import { refold } from "./judge.ts";
import { Marker } from "./marker.ts";
import { Persistence } from "./persistence.ts";
import { Tail, type TailHooks } from "./tail.ts";

const flushAfterMs = 400;

/** Follows the log of an unlocked tenant until it is closed. */
export class Follower {
  readonly #core: TenantCore;
  readonly #pages: Persistence;
  readonly #tail: Tail;
  readonly #ended = new AbortController();
  #following: Release = () => undefined;
  #isWriter = false;
  /** the next flush writes every page: another thread wrote the ones that are there */
  #everything = true;
  #flushTimer: Release | undefined;

  private constructor(core: TenantCore, pages: Persistence, tail: Tail) {
    this.#core = core;
    this.#pages = pages;
    this.#tail = tail;
  }

  /** Load what was kept and follow the log from there. The tenant must be unlocked. */
  static async open(core: TenantCore, hooks: TailHooks): Promise<Follower> {
    const pages = await Persistence.open(core);
    const judgedTo = await core.serial.run(() => pages.load());
    await core.serial.run(() => foldDirectory(core));
    await core.serial.run(() => core.contests.restore());
    const marker = await Marker.open(core.world, core.store, core.ledger.poisoned);
    const onProgress = (): void => {
      follower.scheduleFlush();
      hooks.onProgress();
    };
    const tail = new Tail(core, { ...hooks, onProgress }, { judgedTo, marker });
    const follower = new Follower(core, pages, tail);
    follower.#follow();
    follower.#becomeWriter();
    return follower;
  }

  /** Judge what the log holds now, to its end. */
  catchUp(): Promise<void> {
    return this.#tail.run();
  }

  /** Write what changed, soon. */
  scheduleFlush(): void {
    if (!this.#isWriter || this.#ended.signal.aborted) return;
    this.#flushTimer ??= this.#core.world.env.setTimer(flushAfterMs, () => {
      this.#flushTimer = undefined;
      void this.#flush();
    });
  }

  /** Stop following; the last changes are written first. */
  async close(): Promise<void> {
    this.#following();
    await this.#tail.stop();
    if (this.#isWriter) await this.#flush();
    this.#isWriter = false;
    this.#ended.abort();
    // Last of all: a change that was still under way may have asked for pages, which would now be written empty.
    this.#flushTimer?.();
  }

  #follow(): void {
    this.#following = this.#core.store.onWrite((event) => {
      if (this.#tail.isBehind(event.lastPosition)) void this.#tail.run();
    });
  }

  /** Wait for the lock that makes this thread the one that writes pages, and hold it until the end. */
  #becomeWriter(): void {
    const { signal } = this.#ended;
    const hold = async (): Promise<void> => {
      if (signal.aborted) return;
      this.#isWriter = true;
      this.scheduleFlush();
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    };
    const { env } = this.#core.world;
    env.withLock(`coffer-pages/${this.#core.store.name}`, { signal }, hold).catch(() => undefined);
  }

  async #flush(): Promise<void> {
    const everything = this.#everything;
    this.#everything = false;
    // Pages are derived: a failed write costs a slower opening, and the next one writes them all.
    await this.#core.serial
      .run(() => this.#pages.flush(this.#tail.judgedTo, everything))
      .catch(() => {
        this.#everything = true;
      });
  }
}

/** The directory is not kept in pages: it is folded again from its few commits. */
async function foldDirectory(core: TenantCore): Promise<void> {
  for (const record of await core.store.readRecords(core.directoryPositions()))
    await refold(core, core.tools, record);
}
