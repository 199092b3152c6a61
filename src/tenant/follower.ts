/**
 * Keeps what is derived up to date while a tenant is unlocked: loads pages, follows the log, and writes pages back when this thread is
 * the one of the device that does.
 */
import type { Release } from "../std/index.ts";
import type { TenantCore } from "./core.ts";
import { foldAll } from "./beside.ts";
import { Marker } from "./marker.ts";
import { PageWriter } from "./page-writer.ts";
import type { FirstRowsKeeper } from "./first-rows.ts";
import { Persistence, readDerived, type DerivedReading } from "./persistence.ts";
import { dropPurged } from "./purge.ts";
import { Tail, type TailHooks } from "./tail.ts";

/** What the follower hands on. */
export interface FollowerHooks extends TailHooks {
  /** Keep documents as they stand, where that is due: this thread is the one that writes. */
  saveSnapshots(): Promise<void>;
  /** what queries answered */
  readonly firstRows: FirstRowsKeeper;
  /** Summaries are there, entries are not: queries can be answered. */
  onSummaries(): void;
  /** What was put back was damaged, and is forgotten. */
  onReset(): void;
}

interface FollowerParts {
  readonly core: TenantCore;
  readonly hooks: FollowerHooks;
  readonly pages: Persistence;
}

/** Follows the log of an unlocked tenant until it is closed. */
export class Follower {
  readonly #core: TenantCore;
  readonly #tail: Tail;
  readonly #pages: PageWriter;
  #following: Release = () => undefined;
  /** the highest position of the log that was told of */
  #heardOf = 0;
  #lookTimer: Release | undefined;

  private constructor(core: TenantCore, tail: Tail, pages: PageWriter) {
    this.#core = core;
    this.#tail = tail;
    this.#pages = pages;
  }

  /**
   * Begin to load what was kept: ledger, directory and first rows. The tenant must be unlocked.
   *
   * @returns the rest, to be run in the tenant's queue before anything else
   */
  static async begin(
    core: TenantCore,
    hooks: FollowerHooks,
    reading: DerivedReading,
  ): Promise<() => Promise<Follower>> {
    const pages = await Persistence.open(core, hooks.firstRows);
    await core.serial.run(async () => {
      await pages.begin(reading);
      core.directory = await foldAll(core);
    });
    return () => Follower.#finish({ core, hooks, pages }, reading);
  }

  /** Load the catalogs and follow the log from where they are current to. */
  static async #finish(parts: FollowerParts, reading: DerivedReading): Promise<Follower> {
    const { core, hooks, pages } = parts;
    const judgedTo = await loadAll(parts, reading);
    dropPurged(core, core.purged.rows);
    await core.contests.restore();
    const marker = await Marker.open(core.world, core.store, core.ledger.poisoned);
    const onProgress = (): void => {
      follower.scheduleFlush();
      hooks.onProgress();
    };
    const tail = new Tail(core, { ...hooks, onProgress }, { judgedTo, marker });
    const written = { pages, judgedTo: () => tail.judgedTo, saveSnapshots: () => hooks.saveSnapshots() };
    const follower = new Follower(core, tail, new PageWriter(core, written));
    follower.#follow();
    return follower;
  }

  /** Judge what the log holds now, to its end. */
  catchUp(): Promise<void> {
    return this.#tail.run();
  }

  /** Everything in the log up to here was judged. */
  get judgedTo(): number {
    return this.#tail.judgedTo;
  }

  /** As {@link catchUp}, where there is something to judge. */
  settle(): Promise<void> {
    return this.#tail.settle();
  }

  /** Judge again what waits. */
  recheck(): Promise<void> {
    return this.#tail.recheck();
  }

  /** Write what changed, soon. */
  scheduleFlush(): void {
    this.#pages.schedule();
  }

  /** Stop following; the last changes are written first. */
  async close(): Promise<void> {
    this.#following();
    this.#lookTimer?.();
    await this.#tail.stop();
    await this.#pages.close();
  }

  #follow(): void {
    const { store, world } = this.#core;
    this.#following = store.onWrite(({ lastPosition, local }) => {
      this.#heardOf = Math.max(this.#heardOf, lastPosition);
      if (!local) return this.#look();
      // Whoever wrote here enters the commit into the ledger right behind this: then nothing is left to read.
      this.#lookTimer ??= world.env.setTimer(0, () => this.#look());
    });
  }

  #look(): void {
    this.#lookTimer?.();
    this.#lookTimer = undefined;
    this.#tail.skipKnown();
    if (this.#tail.isBehind(this.#heardOf)) void this.#tail.run();
  }
}

/**
 * Put the catalogs back. When the pages were written anew while they were read, they are read once more.
 *
 * @returns the position they are current to; 0 when everything must be judged again
 */
async function loadAll({ core, hooks, pages }: FollowerParts, first: DerivedReading): Promise<number> {
  // Documents that were purged may still be in the pages: then nobody is told before they are out.
  const onSummaries = (): void => {
    if (!core.purged.rows.some(({ dbId, docId }) => core.catalog(dbId).get(docId) !== undefined))
      hooks.onSummaries();
  };
  const judgedTo = await pages.finish(first, onSummaries);
  if (judgedTo !== undefined) return judgedTo;
  hooks.onReset();
  if (!(await pages.isOvertaken())) return 0;
  const second = readDerived(core.store);
  core.resetDerived();
  await pages.begin(second);
  core.directory = await foldAll(core);
  const again = await pages.finish(second, onSummaries);
  if (again === undefined) hooks.onReset();
  return again ?? 0;
}
