/**
 * The list as it is shown: one live query, moved over the matching rows as the user scrolls; or, while something is searched for, one
 * live search. The page never holds more rows than a few screens of them, however many match.
 *
 * ```
 *   query    0 ........ offset ======== offset + limit ........ total
 *                             ▲ viewport ▲
 *   search   0 ================= limit ........ 1,000
 *                             ▲ viewport ▲
 * ```
 */
import { batch, computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import type { CofferError, Database, Query, QueryDefinition, QueryRow, SearchHit } from "cofferdb";
import type { Film } from "../film/film.ts";
import { filmFilter, filmSort, type FilmOrder } from "../film/film-filter.ts";
import { FilmSearch, maxHits } from "./film-search.ts";

/** The rows at hand, and the place of the first of them. Hits know where the words stand. */
export interface RowWindow {
  readonly offset: number;
  readonly rows: readonly (QueryRow<Film> | SearchHit<Film>)[];
}

/** What can be changed of what the list shows. */
export interface ListChange {
  readonly search?: string;
  readonly genre?: string;
  /** `undefined`: the best match first */
  readonly order?: FilmOrder | undefined;
}

/** Windows begin and end at multiples of this. */
const stepRows = 50;
const nothing: RowWindow = { offset: 0, rows: [] };

/** The window that covers the visible rows with room on both sides, so that small steps need no new one. */
export function windowFor(first: number, count: number): { offset: number; limit: number } {
  const offset = Math.max(0, Math.floor((first - stepRows / 2) / stepRows) * stepRows);
  const end = Math.ceil((first + count + stepRows / 2) / stepRows) * stepRows;
  return { offset, limit: end - offset };
}

/** A live query and a live search, with an order for each, and one window. */
export class FilmList {
  readonly search = signal("");
  readonly genre = signal("");
  /** counts up when the rows are other ones, so that the view goes back to the top */
  readonly turn = signal(0);
  readonly #browseOrder = signal<FilmOrder>({ field: "title", order: "asc" });
  readonly #hitOrder = signal<FilmOrder | undefined>(undefined);
  readonly #browsed = signal<RowWindow>(nothing);
  readonly #query: Query<Film>;
  readonly #search: FilmSearch;
  readonly #stop: () => void;
  #asked = windowFor(0, stepRows);
  #wanted = this.#asked;
  #isStale = false;

  constructor(db: Database<Film>) {
    this.#query = db.query(this.#definition());
    this.#search = new FilmSearch(db);
    this.#stop = effect(() => {
      const rows = this.#query.rows.value;
      const status = this.#query.status.value;
      if (status === "locked") this.#forget();
      if (status !== "ready") return;
      this.#browsed.value = { offset: this.#asked.offset, rows };
      this.#askNext();
    });
  }

  readonly isSearching: ReadonlySignal<boolean> = computed(() => this.search.value.trim() !== "");

  /** How it is sorted; `undefined`: the best match first. */
  readonly order: ReadonlySignal<FilmOrder | undefined> = computed(() =>
    this.isSearching.value ? this.#hitOrder.value : this.#browseOrder.value,
  );

  /** The rows at hand. */
  readonly shown: ReadonlySignal<RowWindow> = computed(() =>
    this.isSearching.value ? { offset: 0, rows: this.#search.hits.value } : this.#browsed.value,
  );

  /** How many documents match. */
  readonly total: ReadonlySignal<number> = computed(() =>
    this.isSearching.value ? this.#search.total.value : this.#query.total.value,
  );

  /** How many of them can be scrolled to. */
  readonly rowCount: ReadonlySignal<number> = computed(() =>
    this.isSearching.value ? Math.min(maxHits, this.total.value) : this.total.value,
  );

  /** How much of the library a search has looked at, from 0 to 1; `undefined`: all of it, or nothing is searched for. */
  readonly indexing: ReadonlySignal<number | undefined> = computed(() =>
    this.isSearching.value ? this.#search.progress.value : undefined,
  );

  get status(): Query<Film>["status"] {
    return this.#query.status;
  }

  /** Why it cannot be answered; undefined as long as it can. */
  readonly error: ReadonlySignal<CofferError | undefined> = computed(() =>
    this.isSearching.value ? this.#search.error.value : this.#query.error.value,
  );

  /** Say which rows are visible. */
  want(first: number, count: number): void {
    const { offset, limit } = this.#wanted;
    const wanted = windowFor(first, count);
    if (wanted.offset === offset && wanted.limit === limit) return;
    this.#wanted = wanted;
    this.#ask();
  }

  /** Somebody is about to search: the first time, looking through the library begins. */
  prepare(): void {
    if (!this.isSearching.peek()) this.#search.prepare();
  }

  /** Change what is searched for or how it is sorted. */
  change(to: ListChange): void {
    const wasSearching = this.isSearching.peek();
    batch(() => {
      if (to.search !== undefined) this.search.value = to.search;
      if (to.genre !== undefined) this.genre.value = to.genre;
      const isSearching = this.isSearching.peek();
      // Whoever begins to search wants the best match first.
      if (isSearching !== wasSearching) this.#hitOrder.value = undefined;
      if ("order" in to && isSearching) this.#hitOrder.value = to.order;
      else if (to.order !== undefined) this.#browseOrder.value = to.order;
      this.turn.value = this.turn.peek() + 1;
    });
    this.#wanted = windowFor(0, stepRows);
    if (wasSearching && !this.isSearching.peek()) this.#search.rest();
    this.#ask();
  }

  dispose(): void {
    this.#stop();
    this.#query.dispose();
    this.#search.dispose();
  }

  /** Locked: neither the rows nor what was searched for stays in this window. */
  #forget(): void {
    batch(() => {
      this.#browsed.value = nothing;
      this.search.value = "";
      this.genre.value = "";
    });
    this.#search.rest();
    this.#wanted = windowFor(0, stepRows);
    this.#isStale = true;
  }

  #ask(): void {
    this.#isStale = true;
    if (!this.isSearching.peek()) {
      this.#askNext();
      return;
    }
    const order = this.#hitOrder.peek();
    this.#search.ask(this.search.peek(), {
      filter: filmFilter(this.genre.peek()),
      sort: order === undefined ? [] : filmSort(order),
      limit: Math.min(maxHits, this.#wanted.offset + this.#wanted.limit),
    });
  }

  /** One question at a time: while an answer is under way, only the newest wish is kept. */
  #askNext(): void {
    if (!this.#isStale || this.isSearching.peek() || this.#query.status.peek() === "loading") return;
    this.#isStale = false;
    this.#asked = this.#wanted;
    this.#query.update(this.#definition());
  }

  #definition(): QueryDefinition {
    const sort = filmSort(this.#browseOrder.peek());
    return { filter: filmFilter(this.genre.peek()), sort, ...this.#asked };
  }
}
