/**
 * The view as it is shown: one live view of the product, of which the page holds the rows in sight; one live query for the chart; and the
 * saved view that it came from, if it came from one. It outlives the page that shows it, so that one comes back to the same place.
 */
import { batch, computed, effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { isCofferError, type Query, type ShownRow, type View, type ViewState } from "cofferdb";
import { theCoffer } from "../state/coffer.ts";
import { space, type Space } from "../state/space.ts";
import { chartQuery, definitionOf, levelColumn, usualArrangement, type Arrangement } from "./arrangement.ts";
import { collapsed, type Look } from "./look.ts";
import { SavedViews } from "./saved-views.ts";

const origin = "films";

/** What everybody begins with. */
const usualLook: Look = { arrangement: usualArrangement, state: collapsed };

/** Windows begin and end at multiples of this. */
const stepRows = 60;

/** The window that covers the visible rows with room on both sides. */
export function viewWindowFor(
  first: number,
  count: number,
): { readonly from: number; readonly count: number } {
  const from = Math.max(0, Math.floor((first - stepRows) / stepRows) * stepRows);
  const end = Math.ceil((first + count + stepRows) / stepRows) * stepRows;
  return { from, count: end - from };
}

/** A live view with its arrangement. */
export class FilmView {
  readonly saved: SavedViews;
  readonly arrangement = signal<Arrangement>(usualArrangement);
  /** the saved view that is open; undefined: none */
  readonly savedId: Signal<string | undefined>;
  readonly view = signal<View | undefined>(undefined);
  readonly bars = signal<Query | undefined>(undefined);
  readonly error = signal<unknown>(undefined);
  /** where somebody looks and stands: how far it is scrolled, and the row with the focus */
  readonly place = { top: 0, index: 0, key: undefined as string | undefined };
  /** what is searched for; "": nothing */
  readonly search = signal("");
  /** what was expanded before somebody searched */
  readonly #unsearched = signal<ViewState | undefined>(undefined);
  readonly #space: Space;
  /** as it was when it was opened or saved */
  readonly #before = signal<Look>(usualLook);
  #wanted = viewWindowFor(0, stepRows);
  #told = this.#wanted;
  #isMoving = false;
  #isDisposed = false;

  /** @param id the saved view to begin with; undefined: none */
  constructor(open: Space, id: string | undefined) {
    this.#space = open;
    this.saved = new SavedViews(open.tenant);
    this.savedId = signal(id);
    this.#start().catch((error: unknown) => (this.error.value = error));
  }

  /** Whether it is arranged or looked at otherwise than it was saved. */
  readonly isChanged: ReadonlySignal<boolean> = computed(() => {
    const { arrangement, state } = this.#before.value;
    const now = this.#unsearched.value ?? this.view.value?.state.value ?? state;
    return textOf({ arrangement: this.arrangement.value, state: now }) !== textOf({ arrangement, state });
  });

  /** Show a saved view; without an id, the view that everybody begins with. */
  async show(id: string | undefined): Promise<void> {
    if (id === this.savedId.peek()) return;
    this.error.value = undefined;
    this.savedId.value = id;
    // While it is opened, whoever opens it sees what is wanted.
    if (this.view.peek() !== undefined) await this.#showSaved();
  }

  /** Arrange it otherwise. */
  async arrange(to: Partial<Arrangement>): Promise<void> {
    const before = this.arrangement.peek();
    const arrangement = { ...before, ...to };
    const isOtherLevels = namesOf(before) !== namesOf(arrangement);
    await this.#look({ arrangement, state: isOtherLevels ? collapsed : undefined });
  }

  /** How it stands now, to be saved. */
  look(): Look {
    const state = this.#unsearched.peek() ?? this.view.peek()?.state.peek() ?? collapsed;
    return { arrangement: this.arrangement.peek(), state };
  }

  /** Somebody is about to search: by the first letter the words are known. */
  prepare(): void {
    this.#space.list.prepare();
  }

  /** Show the films that have these words, all of them at once; then what was expanded before. */
  async find(text: string): Promise<void> {
    this.search.value = text;
    const view = this.view.peek();
    if (view === undefined) return;
    const before = this.#unsearched.peek();
    const isOn = text.trim() !== "";
    if (isOn && before === undefined) this.#unsearched.value = view.state.peek();
    else if (!isOn) this.#unsearched.value = undefined;
    try {
      const asked = view.search(text);
      if (isOn && before === undefined) await view.expandAll();
      if (!isOn && before !== undefined) await view.restore(before);
      await asked;
    } catch (error) {
      this.#fail(error);
    }
  }

  /** It was saved as it stands. */
  keep(id: string): void {
    batch(() => {
      this.savedId.value = id;
      this.#before.value = this.look();
    });
  }

  /** Go back to how it was saved. */
  async reset(): Promise<void> {
    await this.#look(this.#before.peek());
  }

  /** Say which rows are visible. One question at a time: meanwhile only the newest wish is kept. */
  want(first: number, count: number): void {
    const wanted = viewWindowFor(first, count);
    if (wanted.from === this.#wanted.from && wanted.count === this.#wanted.count) return;
    this.#wanted = wanted;
    this.#move().catch((error: unknown) => this.#fail(error));
  }

  /** The row at a place, if it is at hand. */
  rowAt(index: number): ShownRow | undefined {
    const view = this.view.peek();
    return view?.rows.peek()?.[index - view.from.peek()];
  }

  dispose(): void {
    this.#isDisposed = true;
    this.view.peek()?.dispose();
    this.bars.peek()?.dispose();
    this.saved.dispose();
  }

  /** It is never shown otherwise than it was saved: what somebody expands at once would be undone by what was saved. */
  async #start(): Promise<void> {
    const { db } = this.#space;
    const { id, look } = await this.#wantedLook();
    const { arrangement, state } = look;
    batch(() => {
      this.#before.value = look;
      this.arrangement.value = arrangement;
      this.bars.value = db.query(chartQuery(arrangement));
    });
    const sources = [{ origin, db }];
    const window = this.#wanted;
    const view = await theCoffer().view({ ...definitionOf(arrangement), sources, window, state });
    if (this.#isDisposed) {
      view.dispose();
      return;
    }
    this.view.value = view;
    this.#told = window;
    if (this.search.peek() !== "") await this.find(this.search.peek());
    if (this.savedId.peek() !== id) await this.#showSaved();
    await this.#move();
    await this.saved.open();
  }

  /** What is to be shown first; somebody may choose otherwise while it is read. */
  async #wantedLook(): Promise<{ readonly id: string | undefined; readonly look: Look }> {
    const id = this.savedId.peek();
    const look = await this.#read(id).catch((error: unknown) => {
      if (this.savedId.peek() === id) this.error.value = error;
      return usualLook;
    });
    return this.savedId.peek() === id ? { id, look } : this.#wantedLook();
  }

  async #showSaved(): Promise<void> {
    const id = this.savedId.peek();
    const look = await this.#read(id);
    // Somebody may have gone on to another one.
    if (this.savedId.peek() !== id) return;
    this.#before.value = look;
    await this.#look(look);
  }

  async #read(id: string | undefined): Promise<Look> {
    return id === undefined ? usualLook : this.saved.read(id);
  }

  async #look({
    arrangement,
    state,
  }: {
    arrangement: Arrangement;
    state: Look["state"] | undefined;
  }): Promise<void> {
    const before = this.arrangement.peek();
    this.arrangement.value = arrangement;
    this.bars.peek()?.update(chartQuery(arrangement));
    const view = this.view.peek();
    if (view === undefined) return;
    try {
      const isOther = JSON.stringify(definitionOf(before)) !== JSON.stringify(definitionOf(arrangement));
      if (isOther) await view.update(definitionOf(arrangement));
      // What is found stays expanded; this is for afterwards.
      if (state !== undefined && this.#unsearched.peek() !== undefined) this.#unsearched.value = state;
      else if (state !== undefined) await view.restore(state);
      this.error.value = undefined;
    } catch (error) {
      this.#fail(error);
    }
  }

  async #move(): Promise<void> {
    const view = this.view.peek();
    if (view === undefined || this.#isMoving) return;
    this.#isMoving = true;
    try {
      while (this.#told !== this.#wanted) {
        const asked = this.#wanted;
        await view.window(asked);
        this.#told = asked;
      }
    } finally {
      this.#isMoving = false;
    }
  }

  /** Another wish came before this one was fulfilled: then there is nothing to tell. */
  #fail(error: unknown): void {
    if (isCofferError(error) && (error.code === "aborted" || error.code === "worker/restarted")) return;
    if (!this.#isDisposed) this.error.value = error;
  }
}

const namesOf = ({ levels }: Arrangement): string => levels.map(({ name }) => name).join();

/** Two looks that are the same are the same text. */
function textOf({ arrangement, state }: Look): string {
  const { expandedTo, flipped } = state;
  return JSON.stringify([
    definitionOf(arrangement),
    arrangement.isChartShown,
    arrangement.measure,
    expandedTo,
    flipped.toSorted(),
  ]);
}

/** The name of the grouping that a row's column stands for. */
export const levelOf = (arrangement: Arrangement, column: string) =>
  arrangement.levels.find((_, index) => levelColumn(index) === column);

let opened: { readonly space: Space; readonly view: FilmView } | undefined;

// It goes with its space.
effect(() => {
  const now = space.value;
  if (opened === undefined || opened.space === now) return;
  opened.view.dispose();
  opened = undefined;
});

/** The view of a space: the same one as long as the space is open; `id`: the saved view that it begins with. */
export function viewOf(open: Space, id: string | undefined): FilmView {
  if (opened?.space !== open) opened = { space: open, view: new FilmView(open, id) };
  return opened.view;
}
