/** A live query on the page: rows put together from the worker's deltas. */
import { batch, signal, type ReadonlySignal } from "@preact/signals-core";
import type { QueryMessage, SummaryRow, WorkerEvent } from "../../worker/api.ts";
import { shareStructure } from "../draft/index.ts";
import { toCofferError, type CofferError, type Release } from "../std/index.ts";
import type { WorkerCalls } from "./connect.ts";
import { inBackground, type RestoreCall, type Session } from "./session.ts";
import type { Query, QueryDefinition, QueryRow } from "./types.ts";

type QueryEvent = Extract<WorkerEvent, { readonly kind: "query" }>;
type QueryStatus = QueryEvent["status"];

/** A row where the type of its document is not known. */
type PlainRow = Omit<SummaryRow, "value"> & { readonly data: SummaryRow["value"] };

/** The state behind one query. */
export class QueryCore {
  readonly subscription: number;
  readonly rows = signal<readonly PlainRow[]>([]);
  readonly total = signal(0);
  readonly status = signal<QueryStatus>("loading");
  readonly error = signal<CofferError | undefined>(undefined);
  readonly #session: Session;
  readonly #database: number;
  readonly #unlisten: Release;
  #message: QueryMessage;
  #openIn: WorkerCalls | undefined;
  #isDisposed = false;

  constructor(session: Session, database: number, definition: QueryDefinition) {
    this.#session = session;
    this.#database = database;
    this.#message = queryMessage(definition);
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
    this.#message = queryMessage(definition);
    if (this.#isDisposed) return;
    this.status.value = "loading";
    const message = this.#message;
    this.#run(() => this.#session.call((api) => api.updateQuery(this.subscription, message)));
  }

  #hear({ order, changed, total, status }: QueryEvent): void {
    const before = this.rows.peek();
    const known = new Map(before.map((row) => [row.id, row]));
    for (const { value, ...row } of changed) {
      known.set(
        row.id,
        Object.freeze({
          ...row,
          data: shareStructure(known.get(row.id)?.data, value) as SummaryRow["value"],
        }),
      );
    }
    const rows = order.map((id) => known.get(id)).filter((row) => row !== undefined);
    const isSame = rows.length === before.length && rows.every((row, index) => row === before[index]);
    batch(() => {
      if (!isSame) this.rows.value = Object.freeze(rows);
      this.total.value = total;
      this.status.value = status;
      this.error.value = undefined;
    });
  }

  /** Show that it cannot be answered. What locks takes the rows away. */
  fail(error: CofferError): void {
    const { subscription } = this;
    if (error.code === "access/locked") {
      this.#hear({ kind: "query", subscription, total: 0, status: "locked", order: [], changed: [] });
      return;
    }
    batch(() => {
      this.status.value = "failed";
      this.error.value = error;
    });
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#unlisten();
    inBackground(this.#session.call((api) => api.closeQuery(this.subscription)));
  }

  /** A query made during a restart is opened by the restoration; then its own call comes too late. */
  async #openOnce(api: WorkerCalls): Promise<void> {
    if (this.#openIn === api) return;
    this.#openIn = api;
    await api.openQuery(this.#database, this.#message, this.subscription);
  }

  /** A restart opens the query again by itself, so that its rejection means nothing. */
  #run(call: () => Promise<void>): void {
    call().catch((cause: unknown) => {
      const error = toCofferError(cause);
      if (!this.#isDisposed && error.code !== "worker/restarted") this.fail(error);
    });
  }
}

function queryMessage({ filter, sort = [], limit, offset = 0 }: QueryDefinition): QueryMessage {
  return { filter, sort, limit, offset };
}

/** Make the handle of a query. */
export function createQuery<T extends object>(core: QueryCore, dispose: () => void): Query<T> {
  return {
    rows: core.rows as ReadonlySignal<unknown> as ReadonlySignal<readonly QueryRow<T>[]>,
    total: core.total,
    status: core.status,
    error: core.error,
    update: (definition) => core.update(definition),
    dispose,
    [Symbol.dispose]: dispose,
  };
}
