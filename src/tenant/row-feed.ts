/**
 * The row feed: what changed in the rows of a database, told in batches to queries, views and search. Nobody who follows it scans
 * the catalog, and none of it loads a document.
 *
 * ```
 *   catalog ── touched ──► feed of a database and shape ── start(rows), apply(deltas), stop() ──► followers
 *                               └ the rows that they know, by number
 * ```
 *
 * A row is a document as its application sees it: the summary under the shape of the database. Documents that are deleted, that were
 * not read yet or whose key this device lacks have no row.
 *
 * Guarantees
 * - R1 `start` comes first, with all rows in the order of their numbers; again after each `stop`
 * - R2 the rows of `start` with all deltas since applied are those of a fresh scan of the catalog, at the end of every batch
 * - R3 a batch names a document once; `before` is the very object that was told last, and differs from `after`
 * - R4 all followers of one feed stand at the same state: whoever begins in between is preceded by what the others lack
 * - R5 at most one batch per frame of the worker's loop, and followers take at most a quarter of the worker's time
 * - R6 whoever was released hears no more
 */
import type { AuthorKey, DocId, Env, Release } from "../std/index.ts";
import type { DocValue } from "../draft/index.ts";
import { isSame } from "../expr/index.ts";
import type { Catalog, CatalogDoc, Summary } from "./catalog.ts";
import type { CompiledShape } from "./shape.ts";

/** A document as lists show it. */
export interface Row {
  readonly docId: DocId;
  /** its place in the order in which documents came to this device; a document that was gone and came back has another */
  readonly number: number;
  /** the same object for as long as nothing of it changed */
  readonly value: { readonly [key: string]: DocValue };
  /** nothing was cut off */
  readonly isWhole: boolean;
  readonly author: AuthorKey;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}

/** What became of one document's row; at least one of the two is there. */
export interface RowDelta {
  readonly docId: DocId;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
}

/** Who is told of rows. */
export interface RowFollower {
  /** All rows, ascending by number. */
  start(rows: readonly Row[]): void;
  apply(deltas: readonly RowDelta[]): void;
  /** The tenant was locked: the rows are gone. */
  stop(): void;
}

/** Whose rows they are: the catalog is another one after locking. */
export interface RowSource {
  readonly catalog: Catalog;
}

const pauseMs = 16;
const busyShare = 4;

/** The row feeds of one tenant. */
export class RowFeeds {
  readonly #env: Env;
  readonly #feeds = new Map<RowSource, Map<CompiledShape | undefined, RowFeed>>();
  #timer: Release | undefined;
  #restUntilMs = 0;
  #isStopped = false;

  constructor(env: Env) {
    this.#env = env;
  }

  /** Follow the rows of a database, as a shape shows them: from now on, or once the tenant is unlocked. */
  follow(source: RowSource, shape: CompiledShape | undefined, follower: RowFollower): Release {
    const feeds = this.#feeds.get(source) ?? new Map<CompiledShape | undefined, RowFeed>();
    this.#feeds.set(source, feeds);
    const feed = feeds.get(shape) ?? new RowFeed(source, shape, () => this.#schedule());
    feeds.set(shape, feed);
    return feed.follow(follower, !this.#isStopped);
  }

  /** All rows as they were told last, ascending by number; none while the tenant is locked. */
  scan(source: RowSource, shape: CompiledShape | undefined): readonly Row[] {
    return this.#feeds.get(source)?.get(shape)?.present() ?? [];
  }

  /** Tell what changed now; otherwise it is told soon. */
  flush(): void {
    this.#timer?.();
    this.#timer = undefined;
    if (this.#isStopped) return;
    const startMs = this.#env.monotonicMs();
    for (const feeds of this.#feeds.values()) for (const feed of feeds.values()) feed.flush();
    const endMs = this.#env.monotonicMs();
    this.#restUntilMs = endMs + Math.max(pauseMs, (endMs - startMs) * (busyShare - 1));
  }

  /** What changed a moment ago is whole: tell it in this very turn, unless followers are at rest. */
  hurry(): void {
    if (this.#timer === undefined || this.#env.monotonicMs() < this.#restUntilMs) return;
    this.#timer();
    this.#timer = undefined;
    // Whoever writes is not to hear of what a follower does with it.
    queueMicrotask(() => this.flush());
  }

  /** The tenant was locked. */
  stop(): void {
    this.#timer?.();
    this.#timer = undefined;
    this.#isStopped = true;
    for (const feeds of this.#feeds.values()) for (const feed of feeds.values()) feed.stop();
  }

  /** The tenant is unlocked, its catalogs are there. */
  start(): void {
    this.#isStopped = false;
    for (const feeds of this.#feeds.values()) for (const feed of feeds.values()) feed.start();
    this.flush();
  }

  /** Let go of everything, without a word. */
  close(): void {
    this.#timer?.();
    this.#timer = undefined;
    this.#isStopped = true;
    for (const feeds of this.#feeds.values()) for (const feed of feeds.values()) feed.close();
    this.#feeds.clear();
  }

  #schedule(): void {
    const restMs = this.#restUntilMs - this.#env.monotonicMs();
    this.#timer ??= this.#env.setTimer(Math.max(0, restMs), () => this.flush());
  }
}

/** The rows of one database under one shape. */
class RowFeed {
  readonly #source: RowSource;
  readonly #shape: CompiledShape | undefined;
  readonly #onTouched: () => void;
  /** each in a box of its own: an object may follow twice */
  readonly #followers = new Set<{ readonly follower: RowFollower }>();
  /** by number; `undefined` while nobody ever followed */
  #rows: (Row | undefined)[] | undefined;
  /** documents of numbers that were touched since the last batch, in that order */
  readonly #touched = new Map<number, DocId>();
  /** those of the rows that are there, until one of them changes: every query asks for them */
  #present: readonly Row[] | undefined;
  #unlisten: Release = () => undefined;

  constructor(source: RowSource, shape: CompiledShape | undefined, onTouched: () => void) {
    this.#source = source;
    this.#shape = shape;
    this.#onTouched = onTouched;
  }

  follow(follower: RowFollower, isLive: boolean): Release {
    if (isLive) this.#read();
    const entry = { follower };
    this.#followers.add(entry);
    if (isLive) follower.start(this.present());
    return () => void this.#followers.delete(entry);
  }

  /** Read the catalog, unless it is followed already. */
  start(): void {
    if (this.#rows !== undefined || this.#followers.size === 0) return;
    this.#read();
    for (const { follower } of this.#told()) follower.start(this.present());
  }

  stop(): void {
    if (this.#rows === undefined) return;
    this.#forget();
    for (const { follower } of this.#told()) follower.stop();
  }

  close(): void {
    this.#forget();
    this.#followers.clear();
  }

  flush(): void {
    if (this.#rows === undefined || this.#touched.size === 0 || this.#followers.size === 0) return;
    const deltas = this.#take(this.#rows);
    if (deltas.length > 0) for (const { follower } of this.#told()) follower.apply(deltas);
  }

  /** Bring all that is known up to date: by a scan the first time, by what was touched later. */
  #read(): void {
    if (this.#rows !== undefined) {
      // Whoever follows already is told; where nobody does, nothing is lost.
      const deltas = this.#take(this.#rows);
      if (deltas.length > 0) for (const { follower } of this.#told()) follower.apply(deltas);
      return;
    }
    const { catalog } = this.#source;
    const listener = (doc: CatalogDoc): void => {
      this.#touched.set(doc.number, doc.docId);
      if (this.#followers.size > 0) this.#onTouched();
    };
    catalog.listeners.add(listener);
    this.#unlisten = () => void catalog.listeners.delete(listener);
    this.#rows = [];
    this.#present = undefined;
    for (const doc of catalog.values()) this.#rows[doc.number] = this.#rowOf(doc, undefined);
  }

  #forget(): void {
    this.#unlisten();
    this.#unlisten = () => undefined;
    this.#rows = undefined;
    this.#present = undefined;
    this.#touched.clear();
  }

  /** Those that are there now, as long as they stay. */
  *#told(): Iterable<{ readonly follower: RowFollower }> {
    const present = [...this.#followers];
    for (const entry of present) if (this.#followers.has(entry)) yield entry;
  }

  /** All rows as they were told last. */
  present(): readonly Row[] {
    return (this.#present ??= (this.#rows ?? []).filter((row) => row !== undefined));
  }

  #take(rows: (Row | undefined)[]): readonly RowDelta[] {
    const deltas = new Map<DocId, RowDelta>();
    for (const [number, docId] of this.#touched) {
      const doc = this.#source.catalog.get(docId);
      const before = rows[number];
      const after = doc?.number === number ? this.#rowOf(doc, before) : undefined;
      if (before === after) continue;
      rows[number] = after;
      this.#present = undefined;
      // A document that went and came back has two numbers.
      const other = deltas.get(docId);
      deltas.set(docId, { docId, before: before ?? other?.before, after: after ?? other?.after });
    }
    this.#touched.clear();
    return [...deltas.values()];
  }

  /** The row of a document; the one before where it is the same. */
  #rowOf(doc: CatalogDoc, before: Row | undefined): Row | undefined {
    const { docId, number, summary, changedBy: author, createdAtMs, changedAtMs } = doc;
    if (doc.isDeleted || summary === undefined) return undefined;
    const value = this.#valueOf(summary);
    const { isWhole } = summary;
    // A summary that was read again is another object, though it says the same.
    const isAsBefore =
      before?.isWhole === isWhole &&
      before.author === author &&
      before.changedAtMs === changedAtMs &&
      (before.value === value || isSame(before.value, value));
    return isAsBefore ? before : { docId, number, value, isWhole, author, createdAtMs, changedAtMs };
  }

  #valueOf(summary: Summary): Row["value"] {
    return this.#shape === undefined ? summary.value : this.#shape.readSummary(summary);
  }
}
