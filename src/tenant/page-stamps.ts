/**
 * What the pages of a catalog are known by while they are as they were sealed: who kept something of a page's documents sees by its stamp
 * whether it still holds.
 *
 * ```
 *   opened ──► stamped ── a document of it changes ──► none ── encoded ── sealed, stored ──► stamped anew
 *                                                        ▲        └── changes meanwhile ──┐
 *                                                        └────────────────────────────────┘
 * ```
 */

/** The stamps of one catalog's pages. */
export class PageStamps {
  readonly #stamps: (string | undefined)[] = [];
  readonly #changeCounts: number[] = [];

  /** A page changed. */
  drop(page: number): void {
    this.#stamps[page] = undefined;
    this.#changeCounts[page] = this.changeCount(page) + 1;
  }

  /** How often a page changed so far. */
  changeCount(page: number): number {
    return this.#changeCounts[page] ?? 0;
  }

  /** A page is stored as it was when it had changed so often: no other state of it ever has the stamp. */
  put(page: number, stamp: string | undefined, changeCount: number): void {
    if (this.changeCount(page) === changeCount) this.#stamps[page] = stamp;
  }

  /** `undefined` when the page is not as it was sealed. */
  of(page: number): string | undefined {
    return this.#stamps[page];
  }
}
