/** A database on the page: opens documents and queries, and shares what is open among its handles. */
import { batch, signal } from "@preact/signals-core";
import type { WorkerEvent } from "../../worker/api.ts";
import { encodeInitialValue, type Draft, type DraftValue, type RecordedDraft } from "../draft/index.ts";
import { CofferError, type Release } from "../std/index.ts";
import { coreOf, createDoc, DocCore, recordEdit, type DocValueObject } from "./doc.ts";
import { lazily } from "./lazy.ts";
import { createPool, type Lease } from "./pool.ts";
import { createQuery, QueryCore } from "./query.ts";
import type { PageShape } from "./schema.ts";
import {
  inBackground,
  restoreOne,
  runCallers,
  type Restorable,
  type RestoreCall,
  type Session,
} from "./session.ts";
import type { WorkerCall } from "./supervisor.ts";
import type { Database, DatabaseStatus, Doc, Query, QueryDefinition } from "./types.ts";

/** Which database it is, and what its documents are held against. */
export interface DatabasePlace {
  readonly tenantId: string;
  readonly name: string;
  readonly shape: PageShape | undefined;
}

/** What is opened in the worker, again in the next one, and closed. */
interface Watched extends Restorable {
  open(): void;
  dispose(): void;
}

type ChangeListener = Parameters<Database["onChange"]>[0];

/** The state of one open database, shared by its handles. */
export class DatabaseCore {
  readonly place: DatabasePlace;
  readonly subscription: number;
  readonly status = signal<DatabaseStatus>({ phase: "loading", documentCount: 0 });
  readonly session: Session;
  /** of which there may be one copy only on a page */
  readonly signals = { batch, signal };
  readonly #docs = createPool<string, DocCore>();
  /** queries and searches: each belongs to one handle */
  readonly #watched = new Set<Watched>();
  /** each in a box of its own: a function may listen twice */
  readonly #listeners = new Set<{ readonly hear: ChangeListener }>();
  readonly #unlisten: Release;
  /** after a restart under lock: a new worker can open it only with the tenant's keys */
  #awaitsKeys = false;

  constructor(session: Session, place: DatabasePlace) {
    this.session = session;
    this.place = place;
    this.subscription = session.nextNumber();
    this.#unlisten = session.listen(this.subscription, (event) => {
      if (event.kind === "database") this.status.value = event.status;
      else if (event.kind === "changes") this.#tell(event);
    });
  }

  async open(): Promise<void> {
    try {
      await this.#open(this.session.call.bind(this.session));
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
    await this.#open(call);
    if (this.#listeners.size > 0) await call((api) => api.listenChanges(this.subscription, true));
    const parts = [...this.#docs.live, ...this.#watched];
    const lacking = await Promise.all(parts.map(async (part) => restoreOne(part, call, this.subscription)));
    // A lock that comes in between leaves the database open and some of it not.
    this.#awaitsKeys = lacking.includes(true);
  }

  /** Nothing more comes from the worker; while it is locked, until `restore`. */
  fail(error: CofferError): void {
    this.#awaitsKeys = error.code === "access/locked";
    for (const part of [...this.#docs.live, ...this.#watched]) part.fail(error);
    if (this.#awaitsKeys) this.status.value = { phase: "locked", documentCount: 0 };
  }

  async openDoc<T extends object>(id: string, branchName?: string): Promise<Doc<T>> {
    this.#assertUnlocked();
    const key = branchName === undefined ? id : `${id} ${branchName}`;
    const lease = await this.#docs.acquire(key, async () => {
      const core = new DocCore(this.session, { id, branchName, shape: this.place.shape });
      await core.open(async (run) => this.call(run), this.subscription);
      return core;
    });
    return createDoc<T>(lease);
  }

  /** Write a new document's value as it is sent, after holding it against the shape. */
  encode(value: unknown): DraftValue {
    return runCallers(() => {
      this.place.shape?.validateNew(value);
      return encodeInitialValue(value);
    });
  }

  /** Record an edit of a value that is not watched, and hold what it gives against the shape. */
  record(
    before: DocValueObject,
    edit: (draft: Draft<DocValueObject>) => void,
  ): RecordedDraft<DocValueObject> {
    return recordEdit(before, edit, this.place.shape);
  }

  /** Make a live query; it belongs to one handle. */
  query<T extends object>(definition: QueryDefinition): Query<T> {
    const query = new QueryCore(this.session, this.subscription, definition);
    return createQuery<T>(query, this.watch(query));
  }

  /** Open what is watched, until the release. */
  watch(watched: Watched): Release {
    this.#watched.add(watched);
    if (this.#awaitsKeys) watched.fail(new CofferError("access/locked"));
    else watched.open();
    return () => {
      if (this.#watched.delete(watched)) watched.dispose();
    };
  }

  /** Hear of changes; the worker tells of them as long as anybody does. */
  onChange(hear: ChangeListener): Release {
    const listener = { hear };
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#askForChanges(true);
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#askForChanges(false);
    };
  }

  /** The document behind a handle of this database. @throws input/invalid for another's, store/closed */
  own(doc: object): DocCore {
    return coreOf(doc, this.#docs.live);
  }

  /** Close all of it, after the drafts that are under way. */
  async close(): Promise<void> {
    for (const watched of this.#watched) watched.dispose();
    this.#watched.clear();
    this.#listeners.clear();
    await Promise.allSettled([...this.#docs.live].map(async (doc) => doc.close()));
    this.#unlisten();
    this.status.value = { ...this.status.peek(), phase: "closed" };
    await this.session.call((api) => api.closeDatabase(this.subscription));
  }

  /** Call the worker about this database. */
  async call<T>(run: WorkerCall<T>, does?: "stores"): Promise<T> {
    // It may wait for a new worker, of which it is not yet known whether it has the keys.
    return this.session.call(async (api) => {
      this.#assertUnlocked();
      return run(api);
    }, does);
  }

  async #open(call: RestoreCall): Promise<void> {
    const { tenantId, name, shape } = this.place;
    this.status.value = await call((api) =>
      api.openDatabase(tenantId, name, this.subscription, shape?.shape),
    );
  }

  /** A restart asks by itself; what else fails would fail the database as well. */
  #askForChanges(isOn: boolean): void {
    inBackground(this.session.call((api) => api.listenChanges(this.subscription, isOn)));
  }

  /** One listener's failure is the page's to hear of, and no other's concern. */
  #tell({ docIds: ids, isLocal }: Extract<WorkerEvent, { readonly kind: "changes" }>): void {
    for (const listener of this.#listeners)
      queueMicrotask(() => {
        if (this.#listeners.has(listener)) listener.hear({ ids, isLocal });
      });
  }

  #assertUnlocked(): void {
    if (this.#awaitsKeys) throw new CofferError("access/locked");
  }
}

/** Make a handle of a database out of a share of it. */
export function createDatabase<T extends object>({ shared, use, release }: Lease<DatabaseCore>): Database<T> {
  const others = lazily(
    use,
    "core branch discardBranch diff mergeBranch getAttachment getAttachmentRange presence createDocumentFor purgeDocHistory createDocument iterateDocumentHistory createEncryptedDocument iterateChangesSince createDocuments removeAttachment getRecipients search getAllDocumentIds deleteDocument undeleteDocument undo changeDocs redo changeRecipients streamAttachment getDocumentAtTimestamp getStore pullChangesFrom pushChangesTo openAttachment addAttachment appendToAttachment addAttachmentStream undoDepth",
  );
  return {
    ...(others as unknown as Pick<Database<T>, Exclude<keyof typeof others, "core">>),
    name: shared.place.name,
    status: shared.status,
    getDocument: async (id) => use().openDoc<T>(id),
    changeDoc: async (doc, edit, options) => use().own(doc).change(edit, options?.durability),
    onChange: (listener) => use().onChange(listener),
    query: <S extends object = T>(definition: QueryDefinition = {}) => use().query<S>(definition),
    dispose: release,
    [Symbol.dispose]: release,
  };
}
