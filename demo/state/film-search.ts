/** What is searched for in the list: one live search, opened when somebody first searches. */
import { computed, signal, type ReadonlySignal } from "@preact/signals";
import type { CofferError, Database, Search, SearchHit, SearchOptions } from "cofferdb";
import type { Film } from "../film/film.ts";

/** A search tells no more hits. */
export const maxHits = 1000;

/** Excerpts are so long that they fill a line. */
const excerptLength = 160;

/** A live search that can be changed before it is open. */
export class FilmSearch {
  readonly #db: Database<Film>;
  readonly #found = signal<Search<Film> | undefined>(undefined);
  readonly #openError = signal<CofferError | undefined>(undefined);
  #asked: { readonly text: string; readonly options: SearchOptions } = { text: "", options: {} };
  #isOpening = false;
  #isDisposed = false;

  constructor(db: Database<Film>) {
    this.#db = db;
  }

  readonly hits: ReadonlySignal<readonly SearchHit<Film>[]> = computed(
    () => this.#found.value?.hits.value ?? [],
  );

  /** How many documents match, also beyond the hits that are told. */
  readonly total: ReadonlySignal<number> = computed(() => this.#found.value?.total.value ?? 0);

  /** How much of the library has been looked at, from 0 to 1; `undefined`: all of it. */
  readonly progress: ReadonlySignal<number | undefined> = computed(() => {
    const { phase = "loading", doneCount = 0, totalCount = 0 } = this.#found.value?.status.value ?? {};
    if (phase !== "loading" && phase !== "indexing") return undefined;
    return Math.min(0.99, doneCount / Math.max(1, totalCount));
  });

  /** Why it cannot be answered; undefined as long as it can. */
  readonly error: ReadonlySignal<CofferError | undefined> = computed(
    () => this.#openError.value ?? this.#found.value?.error.value,
  );

  /** Search for a text. The options are those of the list; words may be misspelt, and the last may still be being typed. */
  ask(text: string, options: Pick<SearchOptions, "filter" | "sort" | "limit">): void {
    this.#asked = { text, options: { fuzzy: true, highlight: true, excerptLength, ...options } };
    const found = this.#found.peek();
    if (found === undefined) this.#open();
    else found.update(text, this.#asked.options);
  }

  /** Begin to look through the library, so that the first letter finds something. */
  prepare(): void {
    if (this.#found.peek() === undefined) this.#open();
  }

  /** Search for nothing; what was searched for is forgotten. */
  rest(): void {
    this.#asked = { ...this.#asked, text: "" };
    this.#found.peek()?.update("");
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#found.peek()?.dispose();
  }

  #open(): void {
    if (this.#isOpening) return;
    this.#isOpening = true;
    this.#openError.value = undefined;
    const { text, options } = this.#asked;
    this.#db
      .search(text, options)
      .then((opened) => {
        if (this.#isDisposed) {
          opened.dispose();
          return;
        }
        // Something else may have been typed meanwhile.
        opened.update(this.#asked.text, this.#asked.options);
        this.#found.value = opened;
      })
      .catch((error: unknown) => (this.#openError.value = error as CofferError))
      .finally(() => (this.#isOpening = false));
  }
}
