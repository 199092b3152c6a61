/** A view on the page: the rows of its window, put together from the worker's deltas. */
import type { batch, Signal } from "@preact/signals-core";
import type { ViewEvent, ViewMessage } from "../../worker/api.ts";
import { shareStructure } from "../draft/index.ts";
import { CofferError, toCofferError, type Release } from "../std/index.ts";
import {
  applyDelta,
  initialState,
  viewLimits,
  type FoundRow,
  type ShownRow,
  type ViewDefinitionInput,
  type ViewQuestion,
  type ViewState,
  type ViewTurn,
  type Whereabouts,
} from "../view/index.ts";
import { throwIfAborted } from "./abort.ts";
import type { WorkerCalls } from "./connect.ts";
import type { DatabaseCore } from "./database.ts";
import { wordsOf } from "./search.ts";
import { inBackground, type Session } from "./session.ts";
import type { WorkerCall } from "./supervisor.ts";
import type { CategoryName, RowName, View, ViewOptions, ViewTotal } from "./view-types.ts";

/** What is behind a handle of a database: handles have it beside what their type tells, for views. */
export async function core(database: DatabaseCore): Promise<DatabaseCore> {
  return database;
}

/** Open a view. @throws input/invalid with the place in the definition, store/closed for a database that was disposed */
export async function view(session: Session, options: ViewOptions): Promise<View> {
  const databases = await Promise.all(
    options.sources.map(async ({ db }, index) => {
      const { core: find } = db as { readonly core?: () => Promise<DatabaseCore> };
      if (find === undefined) throw new CofferError("input/invalid", { at: `sources.${index}.db` });
      return find();
    }),
  );
  const opened = new ViewCore(session, messageOf(options, databases), databases);
  try {
    await opened.open();
  } catch (cause) {
    opened.dispose();
    throw cause;
  }
  return createView(opened);
}

function messageOf(
  { sources, state, search, window = { from: 0, count: 100 }, ...definition }: ViewOptions,
  databases: readonly DatabaseCore[],
): ViewMessage {
  return {
    sources: sources.map(({ origin, filter }, index) => ({
      origin,
      database: databases[index]?.subscription ?? 0,
      filter,
    })),
    definition,
    state,
    window,
    search: searched(search),
  };
}

/** Without a word, all is found. */
function searched(search: ViewOptions["search"]): ViewMessage["search"] {
  return search === undefined || search.text.trim() === "" ? undefined : wordsOf(search);
}

/** What a page sees of a view. */
interface Shown {
  readonly rows: Signal<readonly ShownRow[] | undefined>;
  readonly from: Signal<number>;
  readonly total: Signal<ViewTotal | undefined>;
  readonly status: Signal<ViewEvent["status"] | "failed">;
  readonly locked: Signal<readonly string[]>;
  readonly progress: Signal<number | undefined>;
  readonly error: Signal<CofferError | undefined>;
  readonly state: Signal<ViewState>;
}

/** The state behind one view. */
class ViewCore {
  readonly shown: Shown;
  readonly #session: Session;
  readonly #subscription: number;
  readonly #batch: typeof batch;
  readonly #releases: readonly Release[];
  #message: ViewMessage;
  /** how it is looked at, also under lock, when nobody is shown the names of categories */
  #state: ViewState;
  #isDisposed = false;
  #openIn: WorkerCalls | undefined;

  constructor(session: Session, message: ViewMessage, databases: readonly DatabaseCore[]) {
    const [first] = databases;
    if (first === undefined) throw new CofferError("input/invalid", { at: "sources" });
    const { signal: create, batch: together } = first.signals;
    this.#session = session;
    this.#message = message;
    this.#batch = together;
    this.#state = message.state ?? initialState;
    this.shown = {
      rows: create<readonly ShownRow[] | undefined>(undefined),
      from: create(message.window.from),
      total: create<ViewTotal | undefined>(undefined),
      status: create<ViewEvent["status"] | "failed">("loading"),
      locked: create<readonly string[]>([]),
      progress: create<number | undefined>(undefined),
      error: create<CofferError | undefined>(undefined),
      state: create(this.#state),
    };
    this.#subscription = session.nextNumber();
    const unlisten = session.listen(this.#subscription, (event) => {
      if (event.kind === "view") this.#hear(event);
    });
    this.#releases = [unlisten, ...databases.map((database) => this.#live(database))];
  }

  async open(): Promise<void> {
    await this.#session.call(async (api) => this.#openOnce(api));
  }

  async move(window: ViewMessage["window"]): Promise<void> {
    this.#message = { ...this.#message, window };
    await this.#call((api, view) => api.moveView(view, window.from, window.count));
  }

  async turn(how: ViewTurn): Promise<void> {
    this.#state = await this.#call((api, view) => api.turnView(view, how));
    this.shown.state.value = this.#state;
  }

  async search(search: NonNullable<ViewOptions["search"]>): Promise<void> {
    const words = searched(search);
    this.#message = { ...this.#message, search: words };
    await this.#call((api, view) => api.searchView(view, words));
  }

  async ask(question: ViewQuestion): Promise<FoundRow | readonly ShownRow[] | undefined> {
    return this.#call((api, view) => api.askView(view, question));
  }

  async update(
    definition: ViewDefinitionInput,
    { signal: stop, onProgress }: NonNullable<Parameters<View["update"]>[1]> = {},
  ): Promise<void> {
    throwIfAborted(stop);
    const cancel = (): void => inBackground(this.#call((api, view) => api.cancelView(view)));
    stop?.addEventListener("abort", cancel);
    const unwatch = this.shown.progress.subscribe((progress) => {
      if (progress !== undefined) onProgress?.(progress);
    });
    try {
      await this.#call((api, view) => api.updateView(view, definition));
      this.#message = { ...this.#message, definition };
    } finally {
      unwatch();
      stop?.removeEventListener("abort", cancel);
    }
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    for (const release of this.#releases) release();
    inBackground(this.#session.call((api) => api.closeView(this.#subscription)));
  }

  async #call<T>(run: (...args: [...Parameters<WorkerCall<T>>, view: number]) => Promise<T>): Promise<T> {
    if (this.#isDisposed) throw new CofferError("store/closed", { message: "This view was disposed." });
    try {
      return await this.#session.call((api) => run(api, this.#subscription));
    } catch (cause) {
      throw toCofferError(cause);
    }
  }

  /** Live with a database: the first of several that is opened again opens the view again; its rows stay until then. */
  #live(database: DatabaseCore): Release {
    const nothing = (): void => undefined;
    return database.watch({
      open: nothing,
      restore: async (call) => call(async (api) => this.#openOnce(api)),
      fail: (error) => this.#fail(error),
      dispose: nothing,
    });
  }

  async #openOnce(api: WorkerCalls): Promise<void> {
    if (this.#openIn === api || this.#isDisposed) return;
    this.#openIn = api;
    this.#message = { ...this.#message, state: this.#state };
    await api.openView(this.#message, this.#subscription);
  }

  /** Which of its databases are locked, the worker knows. */
  #fail(error: CofferError): void {
    if (error.code === "access/locked") {
      inBackground(this.open());
      return;
    }
    this.#batch(() => {
      this.shown.status.value = "failed";
      this.shown.error.value = error;
    });
  }

  #hear({ delta, status, locked, progress }: ViewEvent): void {
    this.#batch(() => {
      this.shown.status.value = status;
      this.shown.error.value = undefined;
      this.shown.state.value = status === "locked" ? initialState : this.#state;
      this.shown.locked.value = shareStructure(this.shown.locked.peek(), locked);
      this.shown.progress.value = progress;
      if (delta === undefined) {
        this.shown.rows.value = undefined;
        this.shown.total.value = undefined;
        return;
      }
      const { from, rowCount, documentCount, totals, splices, changed } = delta;
      const before = this.shown.rows.peek();
      const rows = [...applyDelta(before ?? [], { splices, changed: [] })];
      let isSame = before !== undefined && splices.length === 0;
      for (const { at, row } of changed) {
        // While words are searched for, a row is told again whenever they may stand elsewhere in it.
        const shared = shareStructure(rows[at], row);
        isSame &&= shared === rows[at];
        rows[at] = shared;
      }
      if (!isSame) this.shown.rows.value = Object.freeze(rows);
      this.shown.from.value = from;
      this.shown.total.value = shareStructure(this.shown.total.peek(), { rowCount, documentCount, totals });
    });
  }
}

const where = (name: RowName): Whereabouts => (typeof name === "string" ? { key: name } : name);

function createView(core: ViewCore): View {
  const expand = async (categories: readonly CategoryName[], isExpanded: boolean): Promise<void> =>
    core.turn({ turn: "expand", categories, isExpanded });
  const rowsOf = async (question: ViewQuestion): Promise<readonly ShownRow[]> =>
    ((await core.ask(question)) ?? []) as readonly ShownRow[];
  const dispose = (): void => core.dispose();
  return {
    ...core.shown,
    window: async (rows) => core.move(rows),
    expand: async (...categories) => expand(categories, true),
    collapse: async (...categories) => expand(categories, false),
    expandAll: async () => core.turn({ turn: "expandTo", level: viewLimits.levels }),
    collapseAll: async () => core.turn({ turn: "expandTo", level: 0 }),
    expandTo: async (level) => core.turn({ turn: "expandTo", level }),
    reveal: async (row) => core.turn({ turn: "reveal", where: where(row) }),
    select: async (keys, isSelected = true) =>
      core.turn({ turn: "select", keys: typeof keys === "string" ? [keys] : keys, isSelected }),
    restore: async (state) => core.turn({ turn: "restore", state }),
    find: async (row) => (await core.ask({ ask: "find", where: where(row) })) as FoundRow | undefined,
    range: async (from, to) => rowsOf({ ask: "range", from: where(from), to: where(to) }),
    children: async (row, rows = { from: 0, count: 100 }) =>
      rowsOf({ ask: "children", where: row === undefined ? undefined : where(row), ...rows }),
    read: async (rows) => rowsOf({ ask: "read", ...rows }),
    search: async (text, options) => core.search({ ...options, text }),
    update: async (definition, options) => core.update(definition, options),
    dispose,
    [Symbol.dispose]: dispose,
  };
}
