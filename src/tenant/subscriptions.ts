/**
 * What one page watches of one tenant: documents and live queries, by the numbers the page chose. Turns changes into events.
 */
import type { Definition } from "../expr/index.ts";
import { CofferError, isCofferError, type DocId, type Release } from "../std/index.ts";
import type { DatabaseStatus, DocSnapshot, DocUpdate, DraftMessage } from "../../worker/api.ts";
import type { DatabaseSession } from "./database.ts";
import { DraftQueue } from "./draft-queue.ts";
import { AskedQueries, type QueryTools, type ShapedQuery } from "./asked-queries.ts";
import type { Serial } from "./serial.ts";
import { WatchedDoc, type DocRequest } from "./watched-doc.ts";

/** The counts of databases are told at most this often. */
const pauseMs = 16;

/** What {@link Subscriptions} works with. */
export interface SubscriptionTools extends QueryTools {
  readonly serial: Pick<Serial, "askedCount">;
  readonly exclusive: Exclusive;
}

/** Runs a step in the tenant's queue. */
type Exclusive = <T>(step: () => Promise<T>) => Promise<T>;

/** Tells one page what it watches of one tenant. */
export class Subscriptions {
  readonly #tools: SubscriptionTools;
  readonly #docs = new Map<number, WatchedDoc>();
  readonly queries: AskedQueries;
  readonly #databases = new Map<number, DatabaseSession>();
  readonly #staleDatabases = new Set<DatabaseSession>();
  #timer: Release | undefined;
  readonly #drafts: DraftQueue;
  /** the document subscriptions whose own drafts are being written: they get their answers, not an event */
  readonly #answering = new Set<number>();
  #locked = false;

  constructor(tools: SubscriptionTools) {
    this.#tools = tools;
    this.#drafts = new DraftQueue(tools.serial, tools.exclusive);
    this.queries = new AskedQueries(tools, () => this.#locked);
  }

  /** The way of every edit into the log. */
  get drafts(): DraftQueue {
    return this.#drafts;
  }

  openDatabase(subscription: number, session: DatabaseSession): DatabaseStatus {
    this.#databases.set(subscription, session);
    return this.#statusOf(session);
  }

  closeDatabase(subscription: number): void {
    this.#databases.delete(subscription);
  }

  async openDocument(subscription: number, request: DocRequest): Promise<DocSnapshot> {
    const snapshot = await request.session.snapshot(request.docId, request.line);
    const watched = new WatchedDoc(subscription, request, this.#tools.emit);
    this.#docs.set(subscription, watched);
    return watched.begin(snapshot);
  }

  /** What a page's subscription of a document is of. @throws `doc/missing` */
  requestOf(subscription: number): DocRequest {
    const watched = this.#docs.get(subscription);
    if (watched === undefined) throw new CofferError("doc/missing");
    return watched.request;
  }

  closeDocument(subscription: number): void {
    this.#docs.delete(subscription);
  }

  /** Run a draft and answer with what the page now shows; other watchers of the document get an event. */
  async changeDocument(
    subscription: number,
    message: DraftMessage,
  ): Promise<{ heads: readonly string[]; update: DocUpdate }> {
    const watched = this.#docs.get(subscription);
    if (watched === undefined) throw new CofferError("doc/missing");
    const { session, docId, line, shape } = watched.request;
    return this.#drafts.change({
      database: session,
      docId,
      line,
      operations: message.operations,
      shape,
      durability: message.durability ?? "relaxed",
      place: { of: watched, draft: message.draft, after: message.afterDraft },
      base: () => baseOf(watched, message),
      onReplayed: ({ draftHeads }) => {
        this.#answering.add(subscription);
        watched.headsByDraft.set(message.draft, draftHeads);
      },
      onLost: () => {
        this.#answering.delete(subscription);
        watched.headsByDraft.delete(message.draft);
      },
      answer: async ({ draftHeads }) => {
        this.#answering.delete(subscription);
        const snapshot = await session.snapshot(docId, line);
        return { heads: draftHeads, update: watched.acknowledge(message.draft, snapshot) };
      },
    });
  }

  openQuery(subscription: number, session: DatabaseSession, asked: ShapedQuery): void {
    this.queries.open(subscription, session, asked);
  }

  updateQuery(subscription: number, query: Definition): void {
    this.queries.update(subscription, query);
  }

  closeQuery(subscription: number): void {
    this.queries.close(subscription);
  }

  /**
   * Documents of a database changed: their watchers are told at once what is in memory, and soon what has to be read first. Queries
   * follow its rows. Called from within the tenant's queue.
   */
  changed(session: DatabaseSession, docIds: readonly DocId[]): void {
    this.queries.changed(session.dbId);
    const ids = new Set(docIds);
    for (const [subscription, watched] of this.#docs) {
      const { docId, line, session: owner } = watched.request;
      if (owner !== session || !ids.has(docId) || this.#answering.has(subscription)) continue;
      const snapshot = session.peek(docId, line);
      if (snapshot === undefined) void this.#tellDoc(subscription, watched);
      else watched.tell(snapshot);
    }
    this.#staleDatabases.add(session);
    this.#timer ??= this.#tools.env.setTimer(pauseMs, () => this.#tellStale());
  }

  /** Everything was dropped or locked: documents say so. Queries hear it from the feed of rows. */
  reset(locked: boolean): void {
    this.#locked = locked;
    for (const watched of this.#docs.values()) {
      watched.headsByDraft.clear();
      if (locked) watched.tellNothing("locked");
    }
    this.#tellDatabases(() => true);
  }

  /** After unlocking: tell every watcher what is there now. */
  async refresh(): Promise<void> {
    this.#locked = false;
    for (const [subscription, watched] of this.#docs) await this.#tellDoc(subscription, watched);
    this.#tellDatabases(() => true);
  }

  /** Read a document in its turn, and tell; what cannot be read is `failed`, what was locked meanwhile is told by {@link reset}. */
  async #tellDoc(subscription: number, watched: WatchedDoc): Promise<void> {
    try {
      await this.#tools.exclusive(async () => {
        if (this.#docs.get(subscription) !== watched) return;
        const { docId, line, session } = watched.request;
        watched.tell(await session.snapshot(docId, line));
      });
    } catch (error) {
      if (!isCofferError(error)) throw error;
      if (error.code === "access/locked" || error.code === "store/closed") return;
      watched.tellNothing("failed");
    }
  }

  close(): void {
    this.#timer?.();
    this.#docs.clear();
    this.queries.clear();
    this.#databases.clear();
  }

  #tellStale(): void {
    this.#timer = undefined;
    this.#tellDatabases((session) => this.#staleDatabases.has(session));
    this.#staleDatabases.clear();
  }

  #statusOf(session: DatabaseSession): DatabaseStatus {
    if (this.#locked) return { phase: "locked", documentCount: 0 };
    const kept = this.queries.firstRows.kept(session.dbId);
    return { phase: "ready", documentCount: kept?.documentCount ?? session.catalog.livingCount };
  }

  #tellDatabases(isMeant: (session: DatabaseSession) => boolean): void {
    for (const [subscription, session] of this.#databases) {
      if (isMeant(session))
        this.#tools.emit({ kind: "database", subscription, status: this.#statusOf(session) });
    }
  }
}

/** The heads that a draft stands on. @throws `aborted` when it stands on one that failed: the page rolls back both */
function baseOf(watched: WatchedDoc, message: DraftMessage): readonly string[] {
  const { afterDraft, baseHeads } = message;
  const base = afterDraft === 0 ? baseHeads : watched.headsByDraft.get(afterDraft);
  if (base === undefined) throw new CofferError("aborted");
  // What stands on no draft shows that the page waits for none of the earlier ones.
  const oldest = afterDraft === 0 ? message.draft : afterDraft;
  for (const draft of watched.headsByDraft.keys()) if (draft < oldest) watched.headsByDraft.delete(draft);
  return base;
}
