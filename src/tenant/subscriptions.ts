/**
 * What one page watches of one tenant: documents and live queries, by the numbers the page chose. Turns changes into events.
 */
import { CofferError, isCofferError, type Env, type DocId, type Release } from "../std/index.ts";
import type {
  DatabaseStatus,
  DocSnapshot,
  DraftMessage,
  QueryMessage,
  WorkerEvent,
} from "../../worker/api.ts";
import type { DatabaseSession } from "./database.ts";
import { LiveQuery } from "./live-query.ts";

/** Queries are evaluated at most this often, and never for more than a quarter of the worker's time. */
const queryPauseMs = 16;
const busyShare = 4;

interface WatchedDoc {
  readonly session: DatabaseSession;
  readonly docId: DocId;
  ackDraft: number;
  /** the heads after each of this page's drafts that a later one may stand on */
  readonly headsByDraft: Map<number, readonly string[]>;
}

interface WatchedQuery {
  readonly session: DatabaseSession;
  readonly live: LiveQuery;
}

/** Runs a step in the tenant's queue. */
type Exclusive = <T>(step: () => Promise<T>) => Promise<T>;

/** Tells one page what it watches of one tenant. */
export class Subscriptions {
  readonly #env: Env;
  readonly #emit: (event: WorkerEvent) => void;
  readonly #exclusive: Exclusive;
  readonly #docs = new Map<number, WatchedDoc>();
  readonly #queries = new Map<number, WatchedQuery>();
  readonly #databases = new Map<number, DatabaseSession>();
  readonly #staleDatabases = new Set<DatabaseSession>();
  #timer: Release | undefined;
  /** the document subscription whose own call is running: it gets its answer, not an event */
  #answering: number | undefined;
  #pauseMs = queryPauseMs;
  #locked = false;

  constructor(env: Env, emit: (event: WorkerEvent) => void, exclusive: Exclusive) {
    this.#env = env;
    this.#emit = emit;
    this.#exclusive = exclusive;
  }

  openDatabase(subscription: number, session: DatabaseSession): DatabaseStatus {
    this.#databases.set(subscription, session);
    return this.#statusOf(session);
  }

  closeDatabase(subscription: number): void {
    this.#databases.delete(subscription);
  }

  async openDocument(subscription: number, session: DatabaseSession, docId: DocId): Promise<DocSnapshot> {
    const snapshot = await session.snapshot(docId);
    this.#docs.set(subscription, { session, docId, ackDraft: 0, headsByDraft: new Map() });
    return snapshot;
  }

  closeDocument(subscription: number): void {
    this.#docs.delete(subscription);
  }

  /** Run a draft and answer with what the page now shows; other watchers of the document get an event. */
  async changeDocument(
    subscription: number,
    message: DraftMessage,
  ): Promise<{ heads: readonly string[]; snapshot: DocSnapshot }> {
    const watched = this.#docs.get(subscription);
    if (watched === undefined) throw new CofferError("doc/missing");
    const base = message.afterDraft === 0 ? message.baseHeads : watched.headsByDraft.get(message.afterDraft);
    // The draft it stands on failed: the page rolls back both.
    if (base === undefined) throw new CofferError("aborted");
    this.#answering = subscription;
    const replay = await watched.session.change(watched.docId, message, base).finally(() => {
      this.#answering = undefined;
    });
    watched.ackDraft = message.draft;
    watched.headsByDraft.set(message.draft, replay.draftHeads);
    // What stands on no draft shows that the page waits for none of the earlier ones.
    const oldest = message.afterDraft === 0 ? message.draft : message.afterDraft;
    for (const draft of watched.headsByDraft.keys()) if (draft < oldest) watched.headsByDraft.delete(draft);
    const snapshot = await watched.session.snapshot(watched.docId);
    return { heads: replay.draftHeads, snapshot };
  }

  openQuery(subscription: number, session: DatabaseSession, query: QueryMessage): void {
    const watched = { session, live: new LiveQuery(query) };
    this.#queries.set(subscription, watched);
    this.#tell(subscription, watched);
  }

  updateQuery(subscription: number, query: QueryMessage): void {
    const watched = this.#queries.get(subscription);
    if (watched === undefined) return;
    watched.live.update(query);
    this.#tell(subscription, watched);
  }

  closeQuery(subscription: number): void {
    this.#queries.delete(subscription);
  }

  /**
   * Documents of a database changed: their watchers are told at once what is in memory, and soon what has to be read first. Queries
   * are answered soon. Called from within the tenant's queue.
   */
  changed(session: DatabaseSession, docIds: readonly DocId[]): void {
    const ids = new Set(docIds);
    for (const [subscription, watched] of this.#docs) {
      if (watched.session !== session || !ids.has(watched.docId) || subscription === this.#answering)
        continue;
      const snapshot = session.peek(watched.docId);
      if (snapshot === undefined) void this.#tellDoc(subscription, watched);
      else this.#emit({ kind: "doc", subscription, snapshot, ackDraft: watched.ackDraft });
    }
    this.#staleDatabases.add(session);
    this.#timer ??= this.#env.setTimer(this.#pauseMs, () => this.#evaluate());
  }

  /** Everything was dropped or locked: queries answer anew, documents say so. */
  reset(locked: boolean): void {
    this.#locked = locked;
    for (const [subscription, watched] of this.#docs) {
      watched.headsByDraft.clear();
      if (!locked) continue;
      const snapshot: DocSnapshot = { value: undefined, heads: [], status: "locked", lastChange: undefined };
      this.#emit({ kind: "doc", subscription, snapshot, ackDraft: watched.ackDraft });
    }
    this.#tellDatabases(() => true);
    for (const [subscription, watched] of this.#queries) {
      watched.live.reset();
      if (locked)
        this.#emit({ kind: "query", subscription, total: 0, status: "locked", order: [], changed: [] });
      else this.#tell(subscription, watched);
    }
  }

  /** After unlocking: tell every watcher what is there now. */
  async refresh(): Promise<void> {
    this.#locked = false;
    for (const [subscription, watched] of this.#docs) await this.#tellDoc(subscription, watched);
    this.#tellDatabases(() => true);
    for (const [subscription, watched] of this.#queries) this.#tell(subscription, watched);
  }

  /** Read a document in its turn, and tell; what cannot be read is `failed`, what was locked meanwhile is told by {@link reset}. */
  async #tellDoc(subscription: number, watched: WatchedDoc): Promise<void> {
    try {
      await this.#exclusive(async () => {
        if (this.#docs.get(subscription) !== watched) return;
        const snapshot = await watched.session.snapshot(watched.docId);
        this.#emit({ kind: "doc", subscription, snapshot, ackDraft: watched.ackDraft });
      });
    } catch (error) {
      if (!isCofferError(error)) throw error;
      if (error.code === "access/locked" || error.code === "store/closed") return;
      const snapshot: DocSnapshot = { value: undefined, heads: [], status: "failed", lastChange: undefined };
      this.#emit({ kind: "doc", subscription, snapshot, ackDraft: watched.ackDraft });
    }
  }

  close(): void {
    this.#timer?.();
    this.#docs.clear();
    this.#queries.clear();
    this.#databases.clear();
  }

  #evaluate(): void {
    this.#timer = undefined;
    const startMs = this.#env.monotonicMs();
    for (const [subscription, watched] of this.#queries) {
      if (this.#staleDatabases.has(watched.session)) this.#tell(subscription, watched);
    }
    this.#tellDatabases((session) => this.#staleDatabases.has(session));
    this.#staleDatabases.clear();
    this.#pauseMs = Math.max(queryPauseMs, (this.#env.monotonicMs() - startMs) * busyShare);
  }

  #statusOf(session: DatabaseSession): DatabaseStatus {
    return this.#locked
      ? { phase: "locked", documentCount: 0 }
      : { phase: "ready", documentCount: session.catalog.livingCount };
  }

  #tellDatabases(isMeant: (session: DatabaseSession) => boolean): void {
    for (const [subscription, session] of this.#databases) {
      if (isMeant(session)) this.#emit({ kind: "database", subscription, status: this.#statusOf(session) });
    }
  }

  #tell(subscription: number, watched: WatchedQuery): void {
    if (this.#locked) return;
    const delta = watched.live.evaluate(watched.session.catalog);
    this.#emit({ kind: "query", subscription, status: "ready", ...delta });
  }
}
