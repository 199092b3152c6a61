/**
 * The orders of one view's sources: read before it is built, kept after it was. One tab builds at a time: the others read what it kept.
 *
 * ```
 *   asked ──► read ── enough is as it was ─────────────────────────────► built by what is known
 *               └── too little is ──► one's turn ──► read ── nothing ──► built afresh ──► kept ──► the next one's turn
 *                                         └── after 3 s at the latest, whatever becomes of who has it
 * ```
 *
 * Guarantees
 * - VO3 an order that is kept is of exactly the documents that the catalog's pages with its stamps hold: it is gathered in one turn with these
 * - VO4 nobody waits for another tab for more than 3 s
 */
import { CofferError, isCofferError, type Env, type Release } from "../std/index.ts";
import { readOrder, type KnownOrder, type View, type ViewDefinition } from "../view/index.ts";
import type { Catalog } from "./catalog.ts";
import type { SourceRows } from "./kept-window.ts";
import type { LiveViewSource } from "./view-building.ts";
import type { Row } from "./row-feed.ts";
import { orderKey, type ViewOrder } from "./view-order.ts";
import type { OrderUser } from "./view-pages.ts";

/** Fewer documents are sorted in no time. */
const leastDocuments = 2048;
const waitMs = 3_000;
/** An order is written again when more than one in so many of the catalog's pages changed. */
const staleShare = 4;

/** The rows of one source: those whose places are known, and the others. */
export interface RecalledRows {
  readonly known: KnownOrder | undefined;
  readonly others: readonly Row[];
}

/** One source of the view, as far as orders go. */
interface Source {
  readonly rows: SourceRows;
  kept: ViewOrder | undefined;
  /** the pages of the catalog as they stand in what was read or written last, and under which key */
  written: Pick<ViewOrder, "key" | "stamps"> | undefined;
  release: Release;
}

/** Reads and keeps the orders of one view. */
export class ViewOrders implements OrderUser {
  readonly #env: Env;
  readonly #plans: readonly LiveViewSource[];
  /** the view that is built, if one is */
  readonly #built: () => View | undefined;
  readonly #sources: (Source | undefined)[] = [];
  #turn: Release = () => undefined;
  #attempt = 0;

  constructor(env: Env, plans: readonly LiveViewSource[], built: () => View | undefined) {
    this.#env = env;
    this.#plans = plans;
    this.#built = built;
  }

  attach(index: number, rows: SourceRows): void {
    rows.orders.users.add(this);
    const release = (): void => {
      if (this.#sources.every((other) => other?.rows.orders !== rows.orders)) rows.orders.users.delete(this);
    };
    this.#sources[index] = { rows, kept: undefined, written: undefined, release };
  }

  detach(index: number): void {
    const source = this.#sources[index];
    this.#sources[index] = undefined;
    source?.release();
  }

  close(): void {
    this.giveUp();
    for (const index of this.#sources.keys()) this.detach(index);
  }

  /** A view is to be built: resolves when it is known what was kept of it; `undefined` where nothing is, or it is none to go by that. */
  recall(definition: ViewDefinition | undefined): Promise<void> | undefined {
    this.giveUp();
    for (const source of this.#sources) if (source !== undefined) source.kept = undefined;
    if (definition === undefined || !this.#large().next().value) return undefined;
    // What is kept is a hint: whatever stops its reading costs building, and nothing else.
    return this.#recall(definition, this.#attempt).catch(() => undefined);
  }

  /** The view is not built after all, or it is, and all is kept that can be: it is the next one's turn. */
  giveUp(): void {
    this.#attempt += 1;
    this.#turn();
    this.#turn = () => undefined;
  }

  /** Nothing that changed is left untold, where something was kept. */
  flush(): void {
    for (const source of this.#sources) if (source?.kept !== undefined) source.rows.flush();
  }

  /** What is known of a source's rows as they are now; `undefined` when that is nothing. */
  rowsOf(index: number): RecalledRows | undefined {
    const source = this.#sources[index];
    if (source?.kept === undefined) return undefined;
    return recallRows(
      { order: source.kept, catalog: source.rows.catalog(), rows: source.rows.scan() },
      index,
    );
  }

  /** The view is built: keep what it knows, and let others read it. */
  async keep(): Promise<void> {
    const attempt = this.#attempt;
    await this.save();
    if (this.#attempt === attempt) this.giveUp();
  }

  /** Keep what the view knows, where enough of it changed since. What cannot be written is tried again with the next pages. */
  async save(): Promise<void> {
    try {
      for (const [index] of this.#large()) await this.#save(index);
    } catch (error) {
      if (!isCofferError(error)) throw error;
    }
  }

  /** Sources that an order is worth having of. */
  *#large(): Generator<readonly [index: number, source: Source], undefined> {
    for (const [index, source] of this.#sources.entries())
      if (source !== undefined && source.rows.scan().length >= leastDocuments) yield [index, source];
  }

  async #recall(definition: ViewDefinition, attempt: number): Promise<void> {
    await this.#read(definition);
    const without = [...this.#large()].find(([, { kept, rows }]) => !isWorth(kept, rows.catalog()));
    if (without === undefined || this.#attempt !== attempt) return;
    const [index, { rows }] = without;
    const name = `coffer-view/${rows.storeName}/${this.#key(index, definition)}`;
    const turn = await takeTurn(this.#env, name);
    if (this.#attempt !== attempt) {
      turn();
      return;
    }
    this.#turn = turn;
    await this.#read(definition);
  }

  async #read(definition: ViewDefinition): Promise<void> {
    for (const [index, source] of this.#large()) {
      const key = this.#key(index, definition);
      source.kept = await source.rows.orders.read(key);
      source.written = source.kept && { key, stamps: source.kept.stamps };
    }
  }

  async #save(index: number): Promise<void> {
    const source = this.#sources[index];
    const view = this.#built();
    if (source === undefined || view === undefined || !this.#isDue(source, index, view)) return;
    let written: Source["written"];
    const isKept = await source.rows.orders.write((purged) => {
      source.rows.flush();
      if (this.#built() !== view || this.#sources[index] !== source) return undefined;
      const catalog = source.rows.catalog();
      // Whatever another tab purged goes from here, too, in a moment.
      for (const docId of purged) if (catalog.get(docId) !== undefined) return undefined;
      // The rows are those of the feed, which is up to date.
      const categories = readOrder(view.tree.whole, index, (row) => (row as Row).number);
      written = { key: this.#key(index, view.plan.definition), stamps: stampsOf(catalog) };
      return { ...written, categories };
    });
    if (isKept) source.written = written;
  }

  /** Most pages are as they were sealed, and many of them are others than those that stand in what was kept. */
  #isDue({ rows, written }: Source, index: number, view: View): boolean {
    const stamps = stampsOf(rows.catalog());
    const sealedCount = stamps.filter((stamp) => stamp !== undefined).length;
    if (sealedCount * 2 < stamps.length) return false;
    if (written?.key !== this.#key(index, view.plan.definition)) return true;
    const changed = stamps.filter((stamp, page) => stamp !== undefined && stamp !== written.stamps[page]);
    return changed.length * staleShare > stamps.length;
  }

  #key(index: number, definition: ViewDefinition): string {
    const [source, plan] = [this.#sources[index], this.#plans[index]];
    if (source === undefined || plan === undefined) throw new CofferError("store/closed");
    const { crypto, dbId, shape } = source.rows;
    return orderKey(crypto, { dbId, shape, origin: plan.origin, filter: plan.filter }, definition);
  }
}

function stampsOf(catalog: Catalog): readonly (string | undefined)[] {
  const unread = new Set(catalog.unread());
  return Array.from({ length: catalog.pageCount }, (_, page) => {
    // Of a document that is not read the page shows less than its entries say.
    const isRead = unread.size === 0 || catalog.page(page).every(({ docId }) => !unread.has(docId));
    return isRead ? catalog.stamps.of(page) : undefined;
  });
}

/** Pages of the catalog that are as they were when an order was kept. */
function knownPages({ stamps }: ViewOrder, catalog: Catalog): readonly number[] {
  return stampsOf(catalog).flatMap((stamp, page) =>
    stamp !== undefined && stamp === stamps[page] ? [page] : [],
  );
}

/** Whether an order says more than that all is to be built. */
function isWorth(order: ViewOrder | undefined, catalog: Catalog): boolean {
  return order !== undefined && knownPages(order, catalog).length * 2 >= catalog.pageCount;
}

/** Tell apart the rows whose places are known, and put an order together of these. `rows` ascend by number. */
export function recallRows(
  kept: { readonly order: ViewOrder; readonly catalog: Catalog; readonly rows: readonly Row[] },
  origin: number,
): RecalledRows {
  const { catalog, order, rows } = kept;
  if (!isWorth(order, catalog)) return { known: undefined, others: rows };
  const isKnown: boolean[] = [];
  for (const page of knownPages(order, catalog))
    for (const { number } of catalog.page(page)) isKnown[number] = true;
  const known: Row[] = [];
  const others: Row[] = [];
  const places: (number | undefined)[] = [];
  for (const row of rows) {
    if (isKnown[row.number] !== true) others.push(row);
    else places[row.number] = known.push(row) - 1;
  }
  const categories = order.categories.map(({ documents, ...category }) => ({
    ...category,
    documents: documents.flatMap((number) => places[number] ?? []),
  }));
  return { known: { origin, rows: known, categories }, others };
}

/** Wait until it is one's turn, or one has waited too long. @returns what ends the turn */
async function takeTurn(env: Env, name: string): Promise<Release> {
  const waiting = new AbortController();
  const enough = env.setTimer(waitMs, () => waiting.abort());
  return new Promise((resolve) => {
    const hold = (): Promise<void> =>
      new Promise((end) => {
        enough();
        resolve(end);
      });
    // Whoever waited too long holds nothing.
    env.withLock(name, { signal: waiting.signal }, hold).catch(() => resolve(() => undefined));
  });
}
