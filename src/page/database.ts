/** A database on the page: opens documents and queries, and shares what is open among its handles. */
import { signal } from "@preact/signals-core";
import { encodeInitialValue } from "../draft/index.ts";
import { CofferError, type Release } from "../std/index.ts";
import { createInChunks } from "./create-documents.ts";
import { coreOf, createDoc, DocCore } from "./doc.ts";
import { createPool, type Lease } from "./pool.ts";
import { createQuery, QueryCore } from "./query.ts";
import { restoreOne, runCallers, type RestoreCall, type Session } from "./session.ts";
import type { WorkerCall } from "./supervisor.ts";
import type { CreateOptions, Database, DatabaseStatus, Doc, Query, QueryDefinition } from "./types.ts";

/** The state of one open database, shared by its handles. */
export class DatabaseCore {
  readonly name: string;
  readonly subscription: number;
  readonly status = signal<DatabaseStatus>({ phase: "loading", documentCount: 0 });
  readonly #session: Session;
  readonly #tenantId: string;
  readonly #docs = createPool<string, DocCore>();
  readonly #queries = new Set<QueryCore>();
  readonly #unlisten: Release;
  /** after a restart under lock: a new worker can open it only with the tenant's keys */
  #awaitsKeys = false;

  constructor(session: Session, tenantId: string, name: string) {
    this.#session = session;
    this.#tenantId = tenantId;
    this.name = name;
    this.subscription = session.nextNumber();
    this.#unlisten = session.listen(this.subscription, (event) => {
      if (event.kind === "database") this.status.value = event.status;
    });
  }

  async open(): Promise<void> {
    try {
      this.status.value = await this.#session.call((api) =>
        api.openDatabase(this.#tenantId, this.name, this.subscription),
      );
    } catch (cause) {
      this.#unlisten();
      throw cause;
    }
  }

  /** Whether the restoration is to be made up for once the tenant is unlocked. */
  get awaitsKeys(): boolean {
    return this.#awaitsKeys;
  }

  /** Open all of it again in a new worker, under the same numbers. */
  async restore(call: RestoreCall): Promise<void> {
    this.status.value = await call((api) => api.openDatabase(this.#tenantId, this.name, this.subscription));
    this.#awaitsKeys = false;
    const docs = [...this.#docs.live].map((doc) =>
      restoreOne(
        async () => doc.restore(call, this.subscription),
        (error) => doc.fail(error),
      ),
    );
    const queries = [...this.#queries].map((query) =>
      restoreOne(
        async () => query.restore(call),
        (error) => query.fail(error),
      ),
    );
    await Promise.all([...docs, ...queries]);
  }

  /** Nothing more comes from the worker; while it is locked, until `restore`. */
  fail(error: CofferError): void {
    this.#awaitsKeys = error.code === "access/locked";
    for (const doc of this.#docs.live) doc.fail(error);
    for (const query of this.#queries) query.fail(error);
    if (this.#awaitsKeys) this.status.value = { phase: "locked", documentCount: 0 };
  }

  async openDoc<T extends object>(id: string): Promise<Doc<T>> {
    this.#assertUnlocked();
    const lease = await this.#docs.acquire(id, async () => {
      const core = new DocCore(this.#session, id);
      await core.open(this.subscription);
      return core;
    });
    return createDoc<T>(lease);
  }

  async createDocuments(values: readonly unknown[], options?: CreateOptions): Promise<readonly string[]> {
    return createInChunks(
      values,
      async (chunk) => this.#call((api) => api.createDocuments(this.subscription, chunk)),
      options,
    );
  }

  async createDoc<T extends object>(value: T): Promise<Doc<T>> {
    const encoded = runCallers(() => encodeInitialValue(value));
    const [id] = await this.#call((api) => api.createDocuments(this.subscription, [encoded]));
    if (id === undefined) throw new CofferError("worker/failed");
    return this.openDoc<T>(id);
  }

  async documentIds(): Promise<readonly string[]> {
    return this.#call((api) => api.documentIds(this.subscription));
  }

  async deleteDocument(id: string): Promise<void> {
    await this.#call((api) => api.deleteDocument(this.subscription, id));
  }

  async undeleteDocument(id: string): Promise<void> {
    await this.#call((api) => api.undeleteDocument(this.subscription, id));
  }

  /** Make a live query; it belongs to one handle. */
  query<T extends object>(definition: QueryDefinition): Query<T> {
    const query = new QueryCore(this.#session, this.subscription, definition);
    this.#queries.add(query);
    if (this.#awaitsKeys) query.fail(new CofferError("access/locked"));
    else query.open();
    return createQuery<T>(query, () => this.#closeQuery(query));
  }

  holds(doc: DocCore): boolean {
    return this.#docs.live.has(doc);
  }

  /** Close all of it, after the drafts that are under way. */
  async close(): Promise<void> {
    for (const query of this.#queries) this.#closeQuery(query);
    await Promise.allSettled([...this.#docs.live].map(async (doc) => doc.close()));
    this.#unlisten();
    this.status.value = { ...this.status.peek(), phase: "closed" };
    await this.#session.call((api) => api.closeDatabase(this.subscription));
  }

  async #call<T>(run: WorkerCall<T>): Promise<T> {
    this.#assertUnlocked();
    return this.#session.call(run);
  }

  #assertUnlocked(): void {
    if (this.#awaitsKeys) throw new CofferError("access/locked");
  }

  #closeQuery(query: QueryCore): void {
    if (this.#queries.delete(query)) query.dispose();
  }
}

/** Make a handle of a database out of a share of it. */
export function createDatabase<T extends object>({ shared, use, release }: Lease<DatabaseCore>): Database<T> {
  const own = (doc: object): DocCore => {
    const found = coreOf(doc);
    if (use().holds(found)) return found;
    throw new CofferError("input/invalid", { message: "This document belongs to another database." });
  };
  return {
    name: shared.name,
    status: shared.status,
    createDocument: async (value) => use().createDoc<T>(value),
    createDocuments: async (values, options) => use().createDocuments(values, options),
    getDocument: async (id) => use().openDoc<T>(id),
    getAllDocumentIds: async () => use().documentIds(),
    changeDoc: async (doc, edit, options) => own(doc).change(edit, options?.durability ?? "relaxed"),
    deleteDocument: async (doc) => use().deleteDocument(typeof doc === "string" ? doc : own(doc).id),
    undeleteDocument: async (id) => use().undeleteDocument(id),
    query: (definition = {}) => use().query<T>(definition),
    dispose: release,
    [Symbol.dispose]: release,
  };
}
