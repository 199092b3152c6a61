/** A live search on the page: hits put together from the worker's deltas. */
import type { SearchMessage, SearchRow, WorkerEvent } from "../../worker/api.ts";
import { shareStructure } from "../draft/index.ts";
import { toCofferError, type CofferError, type Release } from "../std/index.ts";
import type { WorkerCalls } from "./connect.ts";
import type { DatabaseCore } from "./database.ts";
import { inBackground, type RestoreCall, type Session } from "./session.ts";
import type { Search, SearchHit, SearchOptions, SearchStatus } from "./types.ts";

type SearchEvent = Extract<WorkerEvent, { readonly kind: "search" }>;

const defaultLimit = 50;

/** Open a search of a database; it belongs to one handle. */
export function search(core: DatabaseCore, text: string, options?: SearchOptions): Search {
  const own = new SearchCore(core, { text, ...options });
  const dispose = core.watch(own);
  return {
    hits: own.hits,
    total: own.total,
    status: own.status,
    error: own.error,
    update: (other, changes) => own.update({ ...changes, text: other }),
    dispose,
    [Symbol.dispose]: dispose,
  };
}

type Asked = SearchOptions & { readonly text: string };

/** The state behind one search. */
class SearchCore {
  readonly hits;
  readonly total;
  readonly status;
  readonly error;
  readonly #session: Session;
  readonly #database: number;
  readonly #batch: DatabaseCore["signals"]["batch"];
  readonly #subscription: number;
  readonly #unlisten: Release;
  #asked: Asked;
  #openIn: WorkerCalls | undefined;
  #isDisposed = false;

  constructor({ session, signals, subscription }: DatabaseCore, asked: Asked) {
    this.hits = signals.signal<readonly SearchHit[]>([]);
    this.total = signals.signal(0);
    this.status = signals.signal<SearchStatus>({ phase: "loading", doneCount: 0, totalCount: 0 });
    this.error = signals.signal<CofferError | undefined>(undefined);
    this.#session = session;
    this.#database = subscription;
    this.#batch = signals.batch;
    this.#asked = asked;
    this.#subscription = session.nextNumber();
    this.#unlisten = session.listen(this.#subscription, (event) => {
      if (event.kind === "search") this.#hear(event);
    });
  }

  /** Open it in the worker; its hits come as events. */
  open(): void {
    this.#run(() => this.#session.call((api) => this.#openOnce(api)));
  }

  /** Open it again in a new worker, which sends all hits; the old ones stay until then. */
  async restore(call: RestoreCall): Promise<void> {
    await call((api) => this.#openOnce(api));
  }

  update(changes: Asked): void {
    this.#asked = { ...this.#asked, ...changes };
    if (this.#isDisposed) return;
    const message = messageOf(this.#asked);
    this.#run(() => this.#session.call((api) => api.updateSearch(this.#subscription, message)));
  }

  #hear({ changed, order, scores, status, total }: SearchEvent): void {
    const before = this.hits.peek();
    const known = new Map<string, SearchHit>(before.map((hit) => [hit.id, hit]));
    for (const row of changed) known.set(row.id, hitOf(row, known.get(row.id)));
    const hits = order.flatMap((id, index) => {
      const hit = known.get(id);
      const score = scores[index] ?? 0;
      if (hit === undefined) return [];
      return [hit.score === score ? hit : Object.freeze({ ...hit, score })];
    });
    const isSame = hits.length === before.length && hits.every((hit, index) => hit === before[index]);
    this.#batch(() => {
      if (!isSame) this.hits.value = Object.freeze(hits);
      this.total.value = total;
      this.status.value = shareStructure(this.status.peek(), status);
      this.error.value = undefined;
    });
  }

  /** Show that it cannot be answered. What locks takes the hits away. */
  fail(error: CofferError): void {
    const isLocked = error.code === "access/locked";
    const status: SearchStatus = { phase: isLocked ? "locked" : "failed", doneCount: 0, totalCount: 0 };
    this.#batch(() => {
      if (isLocked) {
        this.hits.value = [];
        this.total.value = 0;
      } else this.error.value = error;
      this.status.value = status;
    });
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#unlisten();
    inBackground(this.#session.call((api) => api.closeSearch(this.#subscription)));
  }

  /** A search made during a restart is opened by the restoration; then its own call comes too late. */
  async #openOnce(api: WorkerCalls): Promise<void> {
    if (this.#openIn === api) return;
    this.#openIn = api;
    await api.openSearch(this.#database, messageOf(this.#asked), this.#subscription);
  }

  /** A restart opens the search again by itself, so that its rejection means nothing. */
  #run(call: () => Promise<void>): void {
    call().catch((cause: unknown) => {
      const error = toCofferError(cause);
      if (!this.#isDisposed && error.code !== "worker/restarted") this.fail(error);
    });
  }
}

function hitOf({ value, ...row }: SearchRow, before: SearchHit | undefined): SearchHit {
  const data = shareStructure(before?.data, value) as SearchHit["data"];
  return Object.freeze({ ...row, data, score: before?.score ?? 0 });
}

function messageOf(asked: Asked): SearchMessage {
  const {
    excerptLength,
    filter,
    highlight = false,
    limit = defaultLimit,
    locale,
    offset = 0,
    sort = [],
  } = asked;
  const { text, fields, prefix, fuzzy } = wordsOf(asked);
  return { text, fields, filter, sort, locale, limit, offset, highlight, excerptLength, prefix, fuzzy };
}

/** What is searched for, as the worker is told. */
export function wordsOf({
  text,
  fields,
  fuzzy = 0,
  prefix = "last",
}: Pick<Asked, "text" | "fields"> & {
  readonly [name in "fuzzy" | "prefix"]?: SearchOptions[name] | undefined;
}): Pick<SearchMessage, "text" | "fields" | "prefix" | "fuzzy"> {
  return {
    text,
    fields,
    prefix: prefix === true ? "all" : prefix === false ? "none" : prefix,
    fuzzy: fuzzy === true ? "auto" : fuzzy === false ? 0 : fuzzy,
  };
}
