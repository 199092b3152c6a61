/**
 * The list as it is shown: one live query, moved over the matching rows as the user scrolls. The page never holds more rows than a
 * few screens of them, however many match.
 *
 * ```
 *   0 ........ offset ======== offset + limit ........ total
 *                   ▲ viewport ▲
 * ```
 */
import { batch, effect, signal, type ReadonlySignal } from "@preact/signals";
import type { Database, Query, QueryDefinition, QueryRow } from "cofferdb";
import type { Film } from "../film/film.ts";
import { filmFilter, filmSort, type FilmOrder } from "../film/film-filter.ts";

/** The rows at hand, and the place of the first of them. */
export interface RowWindow {
  readonly offset: number;
  readonly rows: readonly QueryRow<Film>[];
}

/** Windows begin and end at multiples of this. */
const stepRows = 50;

/** The window that covers the visible rows with room on both sides, so that small steps need no new one. */
export function windowFor(first: number, count: number): { offset: number; limit: number } {
  const offset = Math.max(0, Math.floor((first - stepRows / 2) / stepRows) * stepRows);
  const end = Math.ceil((first + count + stepRows / 2) / stepRows) * stepRows;
  return { offset, limit: end - offset };
}

/** A live query with its search, its order and its window. */
export class FilmList {
  readonly search = signal("");
  readonly genre = signal("");
  readonly order = signal<FilmOrder>({ field: "title", order: "asc" });
  /** counts up when the rows are other ones, so that the view goes back to the top */
  readonly turn = signal(0);
  readonly #shown = signal<RowWindow>({ offset: 0, rows: [] });
  readonly #query: Query<Film>;
  readonly #stop: () => void;
  #asked = windowFor(0, stepRows);
  #wanted = this.#asked;
  #isStale = false;

  constructor(db: Database<Film>) {
    this.#query = db.query(this.#definition());
    this.#stop = effect(() => {
      const rows = this.#query.rows.value;
      const status = this.#query.status.value;
      if (status === "locked") this.#forget();
      if (status !== "ready") return;
      this.#shown.value = { offset: this.#asked.offset, rows };
      this.#askNext();
    });
  }

  get shown(): ReadonlySignal<RowWindow> {
    return this.#shown;
  }

  get total(): ReadonlySignal<number> {
    return this.#query.total;
  }

  get status(): Query<Film>["status"] {
    return this.#query.status;
  }

  /** Why it cannot be answered; undefined as long as it can. */
  get error(): Query<Film>["error"] {
    return this.#query.error;
  }

  /** Say which rows are visible. */
  want(first: number, count: number): void {
    const { offset, limit } = this.#wanted;
    const wanted = windowFor(first, count);
    if (wanted.offset === offset && wanted.limit === limit) return;
    this.#wanted = wanted;
    this.#isStale = true;
    this.#askNext();
  }

  /** Change what is searched for or how it is sorted. */
  change(to: { readonly search?: string; readonly genre?: string; readonly order?: FilmOrder }): void {
    batch(() => {
      if (to.search !== undefined) this.search.value = to.search;
      if (to.genre !== undefined) this.genre.value = to.genre;
      if (to.order !== undefined) this.order.value = to.order;
      this.turn.value = this.turn.peek() + 1;
    });
    this.#wanted = windowFor(0, stepRows);
    this.#isStale = true;
    this.#askNext();
  }

  dispose(): void {
    this.#stop();
    this.#query.dispose();
  }

  /** Locked: neither the rows nor what was searched for stays in this window. */
  #forget(): void {
    batch(() => {
      this.#shown.value = { offset: 0, rows: [] };
      this.search.value = "";
      this.genre.value = "";
    });
    this.#wanted = windowFor(0, stepRows);
    this.#isStale = true;
  }

  /** One question at a time: while an answer is under way, only the newest wish is kept. */
  #askNext(): void {
    if (!this.#isStale || this.#query.status.peek() === "loading") return;
    this.#isStale = false;
    this.#asked = this.#wanted;
    this.#query.update(this.#definition());
  }

  #definition(): QueryDefinition {
    const filter = filmFilter(this.search.peek(), this.genre.peek());
    const sort = filmSort(this.order.peek());
    return filter === undefined ? { sort, ...this.#asked } : { filter, sort, ...this.#asked };
  }
}
