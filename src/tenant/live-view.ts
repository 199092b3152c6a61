/**
 * One live view: fed by the rows of its databases, built in the background, told to the page in deltas of its window.
 *
 * ```
 *   feeds ── start ──► build in slices ──► shown ── deltas of the window ──► page
 *        └── apply ──────────┴─ after the build ─┘        ▲
 *   definition changed ──► build beside what is shown ────┘
 * ```
 *
 * Guarantees
 * - LV1 documents of a source that is locked, or closed, are gone from rows and totals at once
 * - LV2 while a changed definition is built, the old one stays, up to date
 * - LV3 no slice of a build takes much longer than 12 ms, so that edits do not wait
 * - LV4 what was kept of the categories and the order of its documents is gone by, see view-orders.ts; nobody sees a difference
 * - LV5 rows that were kept of its last opening are shown until the view is built; who asks for others waits until then
 */
import { CofferError, type Env, type Release } from "../std/index.ts";
import { compileFilter } from "../expr/index.ts";
import {
  answer,
  initialState,
  turn,
  type View,
  ViewWindow,
  type FoundRow,
  type ShownRow,
  type ViewDefinition,
  type ViewQuestion,
  type ViewRow,
  type ViewState,
  type ViewTurn,
} from "../view/index.ts";
import type { SearchQuery } from "../search/index.ts";
import type { ViewEvent, WorkerEvent } from "../../worker/api.ts";
import { KeptWindow, type SourceRows } from "./kept-window.ts";
import type { RowDelta } from "./row-feed.ts";
import {
  applyDeltas,
  catchUp,
  createView,
  rowsOf,
  type Building,
  type LiveViewSource,
  type Source,
} from "./view-building.ts";
import { ViewOrders } from "./view-orders.ts";
import { ViewSearch, type FoundChange } from "./view-search.ts";

const sliceMs = 12;
/** Of more documents that come and go with a search, the view is built anew. */
const mostMoved = 1024;

/** What a view begins with. */
export interface LiveViewOptions {
  readonly subscription: number;
  readonly sources: readonly LiveViewSource[];
  readonly definition: ViewDefinition;
  readonly state: ViewState | undefined;
  readonly window: { readonly from: number; readonly count: number };
  readonly search: SearchQuery | undefined;
}

/** One view of one page. */
export class LiveView {
  readonly #env: Env;
  readonly #emit: (news: Omit<ViewEvent, "kind" | "subscription">) => void;
  readonly #sources: readonly Source[];
  readonly #window: ViewWindow;
  #definition: ViewDefinition;
  #view: View;
  /** the view holds what its sources hold */
  #isBuilt = false;
  #building: Building | undefined;
  #timer: Release | undefined;
  /** what is shown of its last opening */
  readonly kept: KeptWindow;
  readonly #orders: ViewOrders;
  /** narrows it to what is found */
  readonly search: ViewSearch;

  constructor(env: Env, emit: (event: WorkerEvent) => void, options: LiveViewOptions) {
    this.#env = env;
    const { subscription } = options;
    this.#emit = (news) => emit({ kind: "view", subscription, ...news });
    this.#definition = options.definition;
    const origins = options.sources.map(({ origin }) => origin);
    this.search = new ViewSearch(env, { origins, query: options.search }, (changes) => this.#found(changes));
    this.#sources = options.sources.map(({ filter, ...source }, index) => {
      const passes = compileFilter(filter);
      const matches = (value: unknown, id: string): boolean =>
        this.search.isFound(index, id) && passes(value);
      const plan = { origin: source.origin, matches };
      return { ...source, filter, plan, release: undefined, isOpen: false, started: undefined };
    });
    this.#view = createView(this.#sources, options.definition, options.state ?? initialState);
    this.#window = new ViewWindow(options.window.count);
    this.#window.move(options.window.from, options.window.count);
    this.#orders = new ViewOrders(env, options.sources, () =>
      this.#isBuilt && this.#building === undefined && !this.search.isOn ? this.#view : undefined,
    );
    this.kept = new KeptWindow(options.sources, options.window, {
      gather: () => this.#note(),
      lost: () => {
        if (this.kept.drop()) this.#tell();
      },
    });
    this.#tell();
  }

  /** A database is open: follow it. */
  attach(database: number, rows: SourceRows): void {
    for (const [index, source] of this.#sources.entries()) {
      if (source.database !== database || source.release !== undefined) continue;
      this.kept.attach(index, rows);
      this.#orders.attach(index, rows);
      this.search.attach(index, rows);
      source.release = rows.follow({
        start: (rows) => this.#started(index, rows),
        apply: (deltas) => this.#changed(index, deltas),
        stop: () => this.#stopped(index),
      });
    }
    this.#showKept();
  }

  /** A database is closed: its documents are gone. */
  detach(database: number): void {
    for (const [index, source] of this.#sources.entries()) {
      if (source.database !== database || source.release === undefined) continue;
      this.kept.flush();
      this.#note();
      source.release();
      source.release = undefined;
      this.kept.detach(index);
      this.#orders.detach(index);
      this.search.detach(index);
      if (this.kept.drop()) this.#tell();
      this.#stopped(index);
    }
  }

  /**
   * Show it by another definition. Resolves when it is shown.
   *
   * @throws `aborted` when it is cancelled, or another definition comes before
   */
  update(definition: ViewDefinition): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#isBuilt) {
        // Nothing is shown by the old one, so that there is nothing to come back to.
        this.#definition = definition;
        this.#rebuild(definition, this.#building?.asked);
        resolve();
        return;
      }
      this.#rebuild(definition, { resolve, reject });
    });
  }

  /** Stay with the definition that is shown. */
  cancel(): void {
    if (!this.#isBuilt) return;
    this.#drop();
    this.#tell();
  }

  /** Look elsewhere. */
  move(from: number, count: number): void {
    this.#window.move(from, count);
    this.#tell();
  }

  /** Look at it otherwise; gives how it is looked at then. */
  turn(how: ViewTurn): ViewState {
    turn(this.#view, how);
    this.#tell();
    return this.#view.state;
  }

  /** Answer a question about its rows. */
  ask(question: ViewQuestion): FoundRow | readonly ShownRow[] | undefined {
    return answer(this.#view, question);
  }

  close(): void {
    this.kept.flush();
    this.#note();
    this.#drop();
    this.kept.close();
    this.#orders.close();
    this.search.close();
    for (const { release } of this.#sources) release?.();
  }

  #started(index: number, rows: readonly ViewRow[]): void {
    const source = this.#sources[index];
    if (source === undefined) return;
    source.isOpen = true;
    source.started = rows;
    this.#rebuild(this.#building?.definition ?? this.#definition, this.#building?.asked);
  }

  #changed(index: number, deltas: readonly RowDelta[]): void {
    this.#building?.queued.push([index, deltas]);
    if (!this.#isBuilt) return;
    applyDeltas(this.#view, index, deltas);
    this.#tell();
  }

  /** Documents came to what is found, or went: few are moved, of many the view is built anew beside what is shown. */
  #found(changes: readonly FoundChange[]): void {
    // What is found stands with other marks.
    this.#window.distrust();
    if (changes.length > mostMoved) {
      this.#rebuild(this.#building?.definition ?? this.#definition, this.#building?.asked);
      return;
    }
    for (const change of changes) this.#building?.moved.push(change);
    if (!this.#isBuilt) return;
    this.#view.apply(changes);
    this.#tell();
  }

  #stopped(index: number): void {
    const source = this.#sources[index];
    if (source === undefined || !source.isOpen) return;
    this.kept.drop();
    this.search.lost(index);
    source.isOpen = false;
    source.started = undefined;
    for (const [other, { isOpen }] of this.#sources.entries()) {
      const kept = this.#sources[other];
      if (isOpen && kept !== undefined) kept.started ??= [...this.#view.rowsOf(other)];
    }
    const { state } = this.#view;
    this.#isBuilt = false;
    this.#view = createView(this.#sources, this.#definition, state);
    this.#rebuild(this.#building?.definition ?? this.#definition, this.#building?.asked);
  }

  /** Build beside what is shown, of what is there now. */
  #rebuild(definition: ViewDefinition, asked: Building["asked"]): void {
    const before = this.#building;
    if (before?.asked !== asked) before?.asked?.reject(new CofferError("aborted"));
    this.#building = undefined;
    for (const [index, deltas] of before?.queued ?? []) catchUp(this.#sources[index], deltas);
    this.#timer?.();
    const view = createView(this.#sources, definition, this.#view.state);
    const building: Building = { definition, view, steps: undefined, queued: [], moved: [], asked };
    this.#building = building;
    const begin = (): void => {
      if (this.#building !== building) return;
      this.#begin(building);
      this.#timer = this.#env.setTimer(0, () => this.#slice());
    };
    const recalling = this.#orders.recall(this.search.isOn ? undefined : definition);
    if (recalling === undefined) begin();
    else void recalling.then(begin);
    this.#tell(0);
  }

  /** It is known what was kept of the sources: build by it what is there by now. */
  #begin(building: Building): void {
    this.#orders.flush();
    for (const [index, deltas] of building.queued) catchUp(this.#sources[index], deltas);
    building.queued = [];
    const recalled = this.#sources.map(({ isOpen }, index) =>
      isOpen ? this.#orders.rowsOf(index) : undefined,
    );
    const known = recalled.flatMap((rows) => rows?.known ?? []);
    building.steps = building.view.build(rowsOf(this.#sources, this.#view, recalled), known);
  }

  #slice(): void {
    this.#timer = undefined;
    const building = this.#building;
    if (building?.steps === undefined) return;
    const endMs = this.#env.monotonicMs() + sliceMs;
    let progress = 0;
    do {
      const step = building.steps.next();
      if (step.done === true) {
        this.#finish(building);
        return;
      }
      progress = step.value;
    } while (this.#env.monotonicMs() < endMs);
    this.#timer = this.#env.setTimer(0, () => this.#slice());
    this.#tell(progress);
  }

  #finish({ definition, view, queued, moved, asked }: Building): void {
    this.#building = undefined;
    // It may have been looked at otherwise meanwhile.
    view.restore(this.#view.state);
    for (const [index, deltas] of queued) applyDeltas(view, index, deltas);
    view.apply(moved);
    for (const source of this.#sources) source.started = undefined;
    this.#view = view;
    this.#definition = definition;
    this.#isBuilt = true;
    this.#window.distrust();
    this.kept.drop();
    this.#tell();
    this.kept.due();
    void this.#orders.keep();
    asked?.resolve();
  }

  #showKept(): void {
    if (this.#isBuilt || this.search.isOn || this.#sources.some(({ isOpen }) => isOpen)) return;
    const delta = this.kept.tell(this.#definition, this.#view.state);
    if (delta === undefined) return;
    this.#window.begin(delta);
    this.#emit({
      status: "ready",
      locked: [],
      progress: 0,
      delta,
    });
  }

  /** Keep what is shown, which is what there is, for the next opening. */
  #note(): void {
    const isWhole =
      this.#isBuilt && this.#building === undefined && this.#sources.every(({ isOpen }) => isOpen);
    if (isWhole && !this.search.isOn) this.kept.note(this.#view);
  }

  #drop(): void {
    this.#timer?.();
    this.#timer = undefined;
    this.#building?.asked?.reject(new CofferError("aborted"));
    this.#building = undefined;
    this.#orders.giveUp();
  }

  #tell(progress?: number): void {
    // Until the view is built, what was kept stands.
    if (this.kept.isShown) return;
    const open = this.#sources.filter(({ isOpen }) => isOpen);
    const locked = this.#sources.filter(({ isOpen }) => !isOpen).map(({ origin }) => origin);
    const status = open.length === 0 ? "locked" : this.#isBuilt ? "ready" : "loading";
    if (status !== "ready") this.#window.reset();
    this.#emit({
      status,
      locked,
      progress: this.#building === undefined ? this.search.progress : (progress ?? 0),
      delta:
        status === "ready"
          ? this.search.mark(this.#window.read(this.#view), this.#view.plan.definition)
          : undefined,
    });
  }
}
