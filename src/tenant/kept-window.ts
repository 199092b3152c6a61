/** The window that a view was opened with, kept for its next opening: see first-views.ts. */
import type { Crypto } from "../crypto/index.ts";
import type { DbId, Release } from "../std/index.ts";
import {
  ViewWindow,
  type View,
  type ViewDefinition,
  type ViewState,
  type WindowDelta,
} from "../view/index.ts";
import type { FirstRowsKeeper } from "./first-rows.ts";
import { viewKey, windowText, type FirstViewUser } from "./first-views.ts";
import type { Catalog } from "./catalog.ts";
import type { FullText } from "./full-text.ts";
import type { FollowRows, LiveViewSource } from "./view-building.ts";
import type { Row } from "./row-feed.ts";
import type { ViewPages } from "./view-pages.ts";

/** Where the rows of one source of a view come from. */
export interface SourceRows {
  readonly follow: FollowRows;
  /** all rows as they were told last, ascending by number; none while the tenant is locked */
  readonly scan: () => readonly Row[];
  readonly catalog: () => Catalog;
  /** where the orders of views are kept */
  readonly orders: ViewPages;
  readonly storeName: string;
  /** Have the full text, and hear each time that it is another one. */
  readonly search: (hear: () => void) => { readonly text: FullText; readonly release: Release };
  readonly dbId: DbId;
  /** what the database's shape is made of */
  readonly shape: unknown;
  readonly crypto: Pick<Crypto, "sha256">;
  readonly first: FirstRowsKeeper;
  /** tell what changed now */
  readonly flush: () => void;
}

/** Keeps the window of one view, where all of its databases are of one tenant. */
export class KeptWindow {
  readonly #sources: readonly LiveViewSource[];
  readonly #window: { readonly from: number; readonly count: number };
  readonly #rows: (SourceRows | undefined)[] = [];
  readonly #user: FirstViewUser;
  #release: Release = () => undefined;
  /** who waits for more than what was kept; `undefined` while that is not shown */
  #waiting: (() => void)[] | undefined;

  constructor(
    sources: readonly LiveViewSource[],
    window: { readonly from: number; readonly count: number },
    user: FirstViewUser,
  ) {
    this.#sources = sources;
    this.#window = window;
    this.#user = user;
  }

  attach(index: number, rows: SourceRows): void {
    this.#rows[index] = rows;
    const keeper = this.#keeper;
    if (keeper === undefined) return;
    this.#release();
    keeper.first.views.users.add(this.#user);
    this.#release = () => void keeper.first.views.users.delete(this.#user);
  }

  detach(index: number): void {
    this.#release();
    this.#release = () => undefined;
    this.#rows[index] = undefined;
  }

  close(): void {
    this.drop();
    this.#release();
  }

  /** Whether nothing else is shown than what was kept. */
  get isShown(): boolean {
    return this.#waiting !== undefined;
  }

  /** Resolves when more is there than that. */
  async whole(): Promise<void> {
    const waiting = this.#waiting;
    if (waiting !== undefined) await new Promise<void>((resolve) => void waiting.push(resolve));
  }

  /** What is kept, while nothing else is there; it is shown from here on. */
  tell(definition: ViewDefinition, state: ViewState): WindowDelta | undefined {
    const keeper = this.#keeper;
    if (keeper === undefined || keeper.first.isLoaded || this.isShown) return undefined;
    const kept = keeper.first.tellView(this.#key(keeper, definition, state));
    if (kept !== undefined) this.#waiting = [];
    return kept;
  }

  /** What was kept counts no more. @returns whether it did */
  drop(): boolean {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    for (const go of waiting ?? []) go();
    return waiting !== undefined;
  }

  /** There is something to keep. */
  due(): void {
    this.#keeper?.first.views.onDue();
  }

  /** See to it that what is shown is what there is. */
  flush(): void {
    this.#keeper?.flush();
  }

  /** Keep what a view shows, which is what there is. */
  note(view: View): void {
    const keeper = this.#keeper;
    if (keeper === undefined || !keeper.first.isLoaded) return;
    const window = new ViewWindow(this.#window.count);
    window.move(this.#window.from, this.#window.count);
    const text = windowText(window.read(view));
    if (text === undefined) return;
    const dbIds = this.#rows.flatMap((rows) => rows?.dbId ?? []);
    keeper.first.views.note(this.#key(keeper, view.plan.definition, view.state), { dbIds, text });
  }

  /** The tenant whose all sources are, once they are there. */
  get #keeper(): SourceRows | undefined {
    const [one] = this.#rows;
    const isOne = this.#sources.every(
      (_, index) => one !== undefined && this.#rows[index]?.first === one.first,
    );
    return isOne ? one : undefined;
  }

  #key({ crypto }: SourceRows, definition: ViewDefinition, state: ViewState): string {
    const sources = this.#sources.map(({ filter, origin }, index) => {
      const { dbId, shape } = this.#rows[index] ?? {};
      return { origin, filter, dbId, shape };
    });
    const looked = { ...state, flipped: state.flipped.toSorted(), selected: state.selected.toSorted() };
    return viewKey(crypto, { ...definition, sources, state: looked, window: this.#window } as {
      locale: string;
    });
  }
}
