/**
 * The full text of one open database: an index that follows its rows.
 *
 * ```
 *   rows ──► pending ──► slices of 30 ms: whole text of a document ──► index ──► sealed pages
 *                 ▲                                                     │
 *   first search ─┴── pages of last time ──► what stands as it was is not indexed again
 * ```
 * The texts of files are chunks, which may be elsewhere: a document is found by the rest of it meanwhile, and indexed again once they are here.
 * A summary can be cut; the text of a document never is: where it is cut, the document is read, once for each state of it. Of a
 * database that nobody searched nothing is kept. Several tabs do not all build: the first holds a lock meanwhile, and the others read
 * what it wrote. One tab, the same as long as it lives, writes.
 */
import { isCofferError, type DocId, type Release } from "../std/index.ts";
import { TextIndex } from "../search/index.ts";
import type { DatabaseSession } from "./database.ts";
import { TextFetcher, type FileTexts, type ReadTexts } from "./file-texts.ts";
import type { Row, RowDelta, RowFeeds, RowFollower } from "./row-feed.ts";
import { TextPages, textStamp } from "./text-pages.ts";

const sliceMs = 30;
/** More documents than this are built under the lock. */
const buildCount = 256;
const flushAfterMs = 1_000;
/** What is built is kept so often, so that whoever closes a tab meanwhile does not begin anew. */
const keepAfterMs = 5_000;
/** No state of a document has this one: it is indexed again with the next opening. */
const noStamp = "0".repeat(16);

/** How far an index is. */
export interface TextProgress {
  readonly isReady: boolean;
  readonly doneCount: number;
  readonly totalCount: number;
}

/** What an index is made of while the tenant is unlocked. */
interface Held {
  readonly index: TextIndex<DocId>;
  readonly ended: AbortController;
  readonly rows: Map<DocId, Row>;
  readonly pending: Map<DocId, Row>;
  readonly fetcher: TextFetcher;
  pages: TextPages | undefined;
  isReady: boolean;
  isWriter: boolean;
}

/** Keeps the index of one database. */
export class FullText implements RowFollower {
  readonly #database: DatabaseSession;
  readonly #files: FileTexts;
  readonly #onChange: () => void;
  readonly #unfollow: Release;
  #held: Held | undefined;
  #working: Promise<void> = Promise.resolve();
  #timer: Release | undefined;

  /** `onChange`: searches are to be answered anew */
  constructor(
    { files, rows }: { readonly files: FileTexts; readonly rows: RowFeeds },
    database: DatabaseSession,
    onChange: () => void,
  ) {
    this.#database = database;
    this.#files = files;
    this.#onChange = onChange;
    this.#unfollow = rows.follow(database, undefined, this);
  }

  /** The index as far as it is; `undefined` while locked. */
  get index(): TextIndex<DocId> | undefined {
    return this.#held?.index;
  }

  get progress(): TextProgress {
    const { isReady, pending, rows } = this.#held ?? { isReady: false, pending: new Map(), rows: new Map() };
    return { isReady, doneCount: rows.size - pending.size, totalCount: rows.size };
  }

  /** Every text of a document, whole, and those of its files that are here, up to so many bytes. Called in the tenant's queue. */
  async readTexts(
    { docId, isWhole, value }: Pick<Row, "docId" | "isWhole" | "value">,
    fileBytes?: number,
  ): Promise<ReadTexts> {
    const whole = isWhole ? value : await this.#database.lines.documents.readValue(docId);
    return this.#files.read(this.#database, { docId, value: whole }, fileBytes);
  }

  start(rows: readonly Row[]): void {
    const byId = rows.map((row) => [row.docId, row] as const);
    const held: Held = {
      index: new TextIndex(),
      ended: new AbortController(),
      rows: new Map(byId),
      pending: new Map(byId),
      fetcher: new TextFetcher(
        this.#database.lines.core.world.env,
        (docId, parts) => this.#files.fetch(this.#database, docId, parts),
        (docId) => this.#again(held, docId),
      ),
      pages: undefined,
      isReady: false,
      isWriter: false,
    };
    this.#held = held;
    this.#run(held, () => this.#open(held));
  }

  apply(deltas: readonly RowDelta[]): void {
    const held = this.#held;
    if (held === undefined) return;
    for (const { after, docId } of deltas) {
      held.pending.delete(docId);
      if (after === undefined) {
        held.rows.delete(docId);
        held.fetcher.want(docId, []);
        held.index.drop(docId);
      } else {
        held.rows.set(docId, after);
        held.pending.set(docId, after);
      }
    }
    this.#onChange();
    if (held.isReady) this.#run(held, () => this.#work(held));
  }

  stop(): void {
    this.#held?.ended.abort();
    this.#held?.fetcher.stop();
    this.#held = undefined;
    this.#timer?.();
    this.#timer = undefined;
  }

  /** The text of a file came. */
  #again(held: Held, docId: DocId): void {
    const row = held.rows.get(docId);
    if (row === undefined) return;
    held.pending.set(docId, row);
    this.#run(held, () => this.#work(held));
  }

  /** Follow no more. */
  close(): void {
    this.#unfollow();
    this.stop();
  }

  /** One step after the other; what fails for want of keys or store is done with the next opening. */
  #run(held: Held, step: () => Promise<void>): void {
    this.#working = this.#working.then(async () => {
      try {
        if (!held.ended.signal.aborted) await step();
      } catch (error) {
        if (!isCofferError(error) && !held.ended.signal.aborted) throw error;
      }
    });
  }

  async #open(held: Held): Promise<void> {
    const { core, dbId } = this.#database.lines;
    this.#becomeWriter(held);
    held.pages = await TextPages.open(core, dbId);
    // Rows are there before the entries that stamps are made of.
    await core.serial.run(async () => undefined);
    if (held.ended.signal.aborted) return;
    await this.#load(held, held.pages);
    if (held.pending.size > buildCount) {
      const lock = `coffer-text-build/${core.store.name}/${dbId}`;
      await core.world.env.withLock(lock, { signal: held.ended.signal }, () => this.#build(held));
    } else await this.#work(held);
    held.isReady = !held.ended.signal.aborted;
    // What came while the last slice ended.
    await this.#work(held);
    this.#onChange();
  }

  async #build(held: Held): Promise<void> {
    // Another tab may have built it while this one waited.
    if (held.pages !== undefined && (await held.pages.isOvertaken())) await this.#load(held, held.pages);
    await this.#work(held);
    await this.#flush(held);
  }

  /** Take in what is kept, and see what of it still stands. */
  async #load(held: Held, pages: TextPages): Promise<void> {
    const { catalog, core } = this.#database.lines;
    await pages.load(async (segment, docs) => {
      await this.#breathe();
      held.index.load(segment, docs);
      for (const { id } of docs) {
        const doc = catalog.get(id);
        const isRead = catalog.isRead(id);
        if (doc === undefined || !held.rows.has(id)) held.index.drop(id);
        else if (isRead && held.index.stampOf(id) === textStamp(core, id, doc.heads)) held.pending.delete(id);
      }
    });
  }

  /** Index what is pending, slice by slice. */
  async #work(held: Held): Promise<void> {
    const { core } = this.#database.lines;
    let keptAtMs = core.world.env.monotonicMs();
    while (held.pending.size > 0 && !held.ended.signal.aborted) {
      await core.serial.run(() => this.#slice(held));
      this.#onChange();
      if (core.world.env.monotonicMs() - keptAtMs > keepAfterMs) {
        await this.#flush(held);
        keptAtMs = core.world.env.monotonicMs();
      }
      this.#scheduleFlush(held);
      if (held.pending.size > 0) await this.#breathe();
    }
    if (held.index.isDirty) this.#scheduleFlush(held);
  }

  async #slice(held: Held): Promise<void> {
    const { env } = this.#database.lines.core.world;
    const startMs = env.monotonicMs();
    for (const [docId, row] of held.pending) {
      if (held.ended.signal.aborted || env.monotonicMs() - startMs > sliceMs) return;
      await this.#take(held, row);
      if (held.pending.get(docId) === row) held.pending.delete(docId);
    }
  }

  async #take(held: Held, row: Row): Promise<void> {
    const { catalog, core } = this.#database.lines;
    const { docId } = row;
    const doc = catalog.get(docId);
    if (doc === undefined || held.rows.get(docId) !== row) return;
    // The catalog is ahead of its rows, and the stamp is the catalog's: a row that it has left behind is followed by another.
    if (doc.summary?.value !== row.value || doc.changedAtMs !== row.changedAtMs) return;
    // Of a document that is still to be read in, the row shows less than its heads say.
    const stamp = catalog.isRead(docId) ? textStamp(core, docId, doc.heads) : noStamp;
    if (held.index.stampOf(docId) === stamp && stamp !== noStamp) return;
    try {
      const { missing, texts } = await this.readTexts(row);
      if (held.rows.get(docId) !== row || held.ended.signal.aborted) return;
      held.fetcher.want(docId, missing);
      held.index.put(docId, missing.length === 0 ? stamp : noStamp, texts);
    } catch (error) {
      if (!isCofferError(error) || core.unlocked === undefined) throw error;
      held.index.put(docId, noStamp, (await this.#files.read(this.#database, row)).texts);
    }
  }

  /** Let the worker answer its page. */
  #breathe(): Promise<void> {
    const { env } = this.#database.lines.core.world;
    return new Promise((resolve) => void env.setTimer(0, resolve));
  }

  #scheduleFlush(held: Held): void {
    if (!held.isWriter || !held.isReady) return;
    this.#timer ??= this.#database.lines.core.world.env.setTimer(flushAfterMs, () => {
      this.#timer = undefined;
      this.#run(held, () => this.#flush(held));
    });
  }

  async #flush(held: Held): Promise<void> {
    if (!held.isWriter || held.pages === undefined) return;
    const isKept = await held.pages.write(held.index, () => this.#breathe());
    if (!isKept) this.#scheduleFlush(held);
  }

  /** Wait for the lock that makes this thread the one that writes, and hold it until the tenant is locked or closed. */
  #becomeWriter(held: Held): void {
    const { core, dbId } = this.#database.lines;
    const { signal } = held.ended;
    const hold = async (): Promise<void> => {
      if (signal.aborted) return;
      held.isWriter = true;
      if (held.index.isDirty) this.#scheduleFlush(held);
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    };
    const lock = `coffer-text/${core.store.name}/${dbId}`;
    core.world.env.withLock(lock, { signal }, hold).catch(() => undefined);
  }
}
