/** The searches that one page watches of one tenant, by the numbers the page chose; and the full texts that they search. */
import { isCofferError, type Env, type Release } from "../std/index.ts";
import type { SearchEvent, WorkerEvent } from "../../worker/api.ts";
import type { DatabaseSession } from "./database.ts";
import type { FileTexts } from "./file-texts.ts";
import { FullText } from "./full-text.ts";
import { LiveSearch, type SearchDefinition } from "./live-search.ts";
import type { RowFeeds } from "./row-feed.ts";
import type { CompiledShape } from "./shape.ts";

/** Searches are answered at most this often; while an index is built, seldom, and never for more than a quarter of the worker's time. */
const pauseMs = 16;
const buildingPauseMs = 250;
const busyShare = 4;

/** What searches need of their tenant. */
export interface SearchRoom {
  readonly env: Env;
  readonly rows: RowFeeds;
  readonly files: FileTexts;
  readonly emit: (event: WorkerEvent) => void;
  /** Run a step in the tenant's queue. @throws `access/locked` */
  readonly exclusive: <T>(step: () => Promise<T>) => Promise<T>;
}

/** Answers the searches of a page. */
export class Searches {
  readonly #room: SearchRoom;
  readonly #live = new Map<number, LiveSearch>();
  readonly #fullTexts = new Map<DatabaseSession, FullText>();
  /** who searches for themselves, by database */
  readonly #followers = new Map<DatabaseSession, Set<() => void>>();
  /** to be answered anew */
  readonly #stale = new Set<number>();
  #timer: Release | undefined;
  #restUntilMs = 0;
  #isAnswering = false;
  #isLocked = false;

  constructor(room: SearchRoom) {
    this.#room = room;
  }

  /** Open a search; its hits come as events. */
  open(
    subscription: number,
    database: DatabaseSession,
    { message, shape }: { message: SearchDefinition; shape: CompiledShape | undefined },
  ): void {
    this.#live.set(subscription, new LiveSearch(database, message, shape));
    this.#fullText(database);
    this.#mark(subscription, 0);
  }

  update(subscription: number, message: SearchDefinition): void {
    const live = this.#live.get(subscription);
    if (live === undefined) return;
    live.update(message);
    this.#mark(subscription, 0);
  }

  close(subscription: number): void {
    this.#live.delete(subscription);
    this.#stale.delete(subscription);
  }

  /** Have the full text of a database, and hear each time that it is another one. */
  follow(
    database: DatabaseSession,
    hear: () => void,
  ): { readonly text: FullText; readonly release: Release } {
    const followers = this.#followers.get(database) ?? new Set();
    this.#followers.set(database, followers);
    followers.add(hear);
    return { text: this.#fullText(database), release: () => void followers.delete(hear) };
  }

  /** The tenant was locked: nothing is shown. */
  lock(): void {
    this.#isLocked = true;
    for (const [subscription, live] of this.#live) {
      live.reset();
      this.#tellNothing(subscription, "locked");
    }
  }

  /** The tenant is unlocked. */
  unlock(): void {
    this.#isLocked = false;
    for (const subscription of this.#live.keys()) this.#mark(subscription, 0);
  }

  /** Let go of everything. */
  end(): void {
    this.#timer?.();
    this.#live.clear();
    this.#stale.clear();
    this.#followers.clear();
    for (const fullText of this.#fullTexts.values()) fullText.close();
    this.#fullTexts.clear();
  }

  #fullText(database: DatabaseSession): FullText {
    let fullText = this.#fullTexts.get(database);
    if (fullText === undefined) {
      fullText = new FullText(this.#room, database, () => this.#changed(database));
      this.#fullTexts.set(database, fullText);
    }
    return fullText;
  }

  #changed(database: DatabaseSession): void {
    for (const hear of this.#followers.get(database) ?? []) hear();
    const isReady = this.#fullTexts.get(database)?.progress.isReady === true;
    for (const [subscription, live] of this.#live)
      if (live.database === database) this.#mark(subscription, isReady ? pauseMs : buildingPauseMs);
  }

  #mark(subscription: number, afterMs: number): void {
    this.#stale.add(subscription);
    // Whoever asks is not kept waiting for what merely changed.
    if (afterMs === 0) this.#timer?.();
    if (afterMs === 0) this.#timer = undefined;
    this.#schedule(afterMs);
  }

  #schedule(afterMs: number): void {
    const { env } = this.#room;
    const restMs = afterMs === 0 ? 0 : this.#restUntilMs - env.monotonicMs();
    this.#timer ??= env.setTimer(Math.max(afterMs, restMs), () => {
      this.#timer = undefined;
      if (!this.#isAnswering) void this.#answer();
    });
  }

  async #answer(): Promise<void> {
    this.#isAnswering = true;
    const { env } = this.#room;
    const startMs = env.monotonicMs();
    const stale = [...this.#stale];
    this.#stale.clear();
    try {
      for (const subscription of stale) await this.#tell(subscription);
    } finally {
      this.#isAnswering = false;
      this.#restUntilMs = env.monotonicMs() + (env.monotonicMs() - startMs) * (busyShare - 1);
      if (this.#stale.size > 0) this.#schedule(pauseMs);
    }
  }

  async #tell(subscription: number): Promise<void> {
    const live = this.#live.get(subscription);
    if (live === undefined || this.#isLocked) return;
    const fullText = this.#fullText(live.database);
    try {
      const delta = await this.#room.exclusive(() => live.evaluate(fullText));
      if (this.#live.get(subscription) !== live || this.#isLocked) return;
      this.#room.emit({ kind: "search", subscription, status: statusOf(fullText), ...delta });
    } catch (error) {
      live.reset();
      if (!isCofferError(error)) throw error;
      // What was locked meanwhile was told so.
      if (error.code !== "access/locked" && error.code !== "store/closed")
        this.#tellNothing(subscription, "failed");
    }
  }

  #tellNothing(subscription: number, phase: "locked" | "failed"): void {
    const status = { phase, doneCount: 0, totalCount: 0 };
    this.#room.emit({ kind: "search", subscription, status, total: 0, order: [], scores: [], changed: [] });
  }
}

function statusOf({ progress: { isReady, doneCount, totalCount } }: FullText): SearchEvent["status"] {
  return { phase: isReady ? "ready" : "indexing", doneCount, totalCount };
}
