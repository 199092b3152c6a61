/** The views of a page, and the databases that they show: a view may be opened before its databases, and outlive them. */
import type { Env } from "../src/std/index.ts";
import { LiveView, sourceRows } from "../src/tenant/index.ts";
import type { WorkerEvent } from "./api.ts";
import type { OpenDatabase } from "./host.ts";

/** All views that a page has open. */
export class OpenViews {
  readonly #views = new Map<number, LiveView>();
  readonly #databases: ReadonlyMap<number, OpenDatabase>;
  readonly #emit: (event: WorkerEvent) => void;

  /** `databases`: those that are open */
  constructor(databases: ReadonlyMap<number, OpenDatabase>, emit: (event: WorkerEvent) => void) {
    this.#databases = databases;
    this.#emit = emit;
  }

  /** Open a view in place of one of the same number. */
  open(env: Env, options: ConstructorParameters<typeof LiveView>[2]): void {
    this.close(options.subscription);
    const view = new LiveView(env, this.#emit, options);
    this.#views.set(options.subscription, view);
    for (const { database } of options.sources) this.#attach(view, database);
  }

  find(subscription: number): LiveView | undefined {
    return this.#views.get(subscription);
  }

  close(subscription: number): void {
    this.#views.get(subscription)?.close();
    this.#views.delete(subscription);
  }

  /** A database was opened. */
  attach(database: number): void {
    for (const view of this.#views.values()) this.#attach(view, database);
  }

  /** A database was closed. */
  detach(database: number): void {
    for (const view of this.#views.values()) view.detach(database);
  }

  #attach(view: LiveView, number: number): void {
    const open = this.#databases.get(number);
    if (open === undefined) return;
    const { session, database, shape } = open;
    view.attach(number, sourceRows(session, database, shape));
  }
}
