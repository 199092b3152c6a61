/** A live query on the page: rows put together from the worker's deltas. */
import { batch, signal } from "@preact/signals-core";
import type { QueryEvent, SummaryRow } from "../../worker/api.ts";
import { shareStructure } from "../draft/index.ts";
import { toCofferError, type CofferError, type Release } from "../std/index.ts";
import type { WorkerCalls } from "./connect.ts";
import { inBackground, type RestoreCall, type Session } from "./session.ts";
import type { Query, QueryCursor, QueryDefinition, QueryGroup } from "./types.ts";

/** A row where the type of its document is not known. */
type PlainRow = Omit<SummaryRow, "value"> & { readonly data: SummaryRow["value"] };

/** The state behind one query. */
export class QueryCore {
  readonly subscription: number;
  /** what its handle shows */
  readonly signals = {
    rows: signal<readonly PlainRow[]>([]),
    total: signal(0),
    groups: signal<readonly QueryGroup[]>([]),
    cursor: signal<QueryCursor | undefined>(undefined),
    status: signal<QueryEvent["status"]>("loading"),
    error: signal<CofferError | undefined>(undefined),
  };
  readonly #session: Session;
  readonly #database: number;
  readonly #unlisten: Release;
  #definition: QueryDefinition;
  /** the worker that was asked last; null once it is disposed */
  #openIn: WorkerCalls | null | undefined;

  constructor(session: Session, database: number, definition: QueryDefinition) {
    this.#session = session;
    this.#database = database;
    this.#definition = definition;
    this.subscription = session.nextNumber();
    this.#unlisten = session.listen(this.subscription, (event) => {
      if (event.kind === "query") this.#hear(event);
    });
  }

  /** Open it in the worker; its rows come as events. */
  open(): void {
    this.#run(() => this.#session.call((api) => this.#openOnce(api)));
  }

  /** Open it again in a new worker, which sends all rows; the old ones stay until then. */
  async restore(call: RestoreCall): Promise<void> {
    await call((api) => this.#openOnce(api));
  }

  update(definition: QueryDefinition): void {
    this.#definition = definition;
    if (this.#openIn === null) return;
    this.signals.status.value = "loading";
    this.#run(() => this.#session.call((api) => api.updateQuery(this.subscription, definition)));
  }

  #hear({ splices, groups, total, status, cursor }: QueryEvent): void {
    const { signals } = this;
    const before = signals.rows.peek();
    const known = new Map(before.map((row) => [row.id, row]));
    batch(() => {
      signals.rows.value = spliced(before, splices, (put) => {
        if (typeof put === "string") return known.get(put);
        const { value, ...row } = put;
        const data = shareStructure(known.get(row.id)?.data, value) as SummaryRow["value"];
        return Object.freeze({ ...row, data });
      });
      signals.groups.value = spliced(signals.groups.peek(), groups, (group) => group);
      signals.total.value = total;
      signals.cursor.value = cursor;
      signals.status.value = status;
      signals.error.value = undefined;
    });
  }

  /** Show that it cannot be answered. What locks takes the rows away. */
  fail(error: CofferError): void {
    const { signals } = this;
    const isLocked = error.code === "access/locked";
    batch(() => {
      if (isLocked) {
        signals.rows.value = signals.groups.value = [];
        signals.total.value = 0;
      }
      signals.status.value = isLocked ? "locked" : "failed";
      signals.error.value = isLocked ? undefined : error;
    });
  }

  dispose(): void {
    this.#openIn = null;
    this.#unlisten();
    inBackground(this.#session.call((api) => api.closeQuery(this.subscription)));
  }

  /** A query made during a restart is opened by the restoration; then its own call comes too late. */
  async #openOnce(api: WorkerCalls): Promise<void> {
    if (this.#openIn === api || this.#openIn === null) return;
    this.#openIn = api;
    await api.openQuery(this.#database, this.#definition, this.subscription);
  }

  /** A restart opens the query again by itself, so that its rejection means nothing. */
  #run(call: () => Promise<void>): void {
    call().catch((cause: unknown) => {
      const error = toCofferError(cause);
      if (this.#openIn !== null && error.code !== "worker/restarted") this.fail(error);
    });
  }
}

/** A list after splices; the same one where they change nothing. */
function spliced<Told, Item>(
  before: readonly Item[],
  splices: readonly { readonly at: number; readonly remove: number; readonly put: readonly Told[] }[],
  read: (told: Told) => Item | undefined,
): readonly Item[] {
  let items: readonly (Item | undefined)[] = before;
  for (const { at, remove, put } of splices)
    items = [...items.slice(0, at), ...put.map(read), ...items.slice(at + remove)];
  const isSame = items.length === before.length && items.every((item, index) => item === before[index]);
  // What is named by its id is there: the worker remembers what it told.
  return isSame ? before : Object.freeze(items as readonly Item[]);
}

/** Make the handle of a query. */
export function createQuery<T extends object>(core: QueryCore, dispose: () => void): Query<T> {
  return {
    ...(core.signals as unknown as Pick<Query<T>, keyof QueryCore["signals"]>),
    update: (definition) => core.update(definition),
    dispose,
    [Symbol.dispose]: dispose,
  };
}
