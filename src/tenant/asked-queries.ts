/** The live queries that one page asked of one tenant, by the numbers the page chose, and what is kept of their answers. */
import type { Definition } from "../expr/index.ts";
import type { DbId, Env, Release } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import type { WorkerEvent } from "../../worker/api.ts";
import type { DatabaseSession } from "./database.ts";
import { FirstRowsKeeper, queryKey } from "./first-rows.ts";
import type { QueryNews } from "./live-query.ts";
import type { RowFeeds } from "./row-feed.ts";
import { RowTables, type AskedQuery, type QueryListener } from "./row-table.ts";
import type { CompiledShape } from "./shape.ts";

/** What a page has to forget of a query. */
const nothing = [{ at: 0, remove: Number.POSITIVE_INFINITY, put: [] }];

/** A query, and what its answer is kept under. */
interface WatchedQuery {
  readonly asked: AskedQuery;
  readonly session: DatabaseSession;
  readonly shape: CompiledShape | undefined;
  key: string | undefined;
}

/** A query of a database whose documents are read with a shape. */
export interface ShapedQuery {
  readonly query: Definition;
  readonly shape: CompiledShape | undefined;
}

/** What {@link AskedQueries} works with. */
export interface QueryTools {
  readonly env: Env;
  readonly crypto: Pick<Crypto, "sha256">;
  readonly emit: (event: WorkerEvent) => void;
  readonly rows: RowFeeds;
  /** there are first rows to be written */
  readonly onFirstRows: () => void;
}

/** Tells one page what its queries show. */
export class AskedQueries {
  /** what queries answered; until the catalogs are loaded, nothing else answers */
  readonly firstRows = new FirstRowsKeeper(() => this.#gather());
  readonly #tools: QueryTools;
  readonly #isLocked: () => boolean;
  readonly #queries = new Map<number, WatchedQuery>();
  readonly #tables: RowTables;
  /** told, and what they answered is not noted yet */
  readonly #unkept = new Set<WatchedQuery>();
  #timer: Release | undefined;

  constructor(tools: QueryTools, isLocked: () => boolean) {
    this.#tools = tools;
    this.#isLocked = isLocked;
    this.firstRows.views.onDue = tools.onFirstRows;
    this.#tables = new RowTables(tools.rows, tools.env);
  }

  open(subscription: number, session: DatabaseSession, { query, shape }: ShapedQuery): void {
    this.close(subscription);
    const key = queryKey(this.#tools.crypto, query, shape?.source);
    const early: (QueryNews | undefined)[] = [];
    const listener: QueryListener = (news) => {
      const known = this.#queries.get(subscription);
      // The first answer comes while the query is being asked.
      if (known === undefined) early.push(news);
      else this.#tell(subscription, known, news);
    };
    const watched: WatchedQuery = {
      asked: this.#tables.ask(session, shape, { definition: query, listener }),
      session,
      shape,
      key,
    };
    this.#queries.set(subscription, watched);
    for (const news of early) this.#tell(subscription, watched, news);
  }

  update(subscription: number, query: Definition): void {
    const watched = this.#queries.get(subscription);
    if (watched === undefined) return;
    watched.key = queryKey(this.#tools.crypto, query, watched.shape?.source);
    watched.asked.update(query);
  }

  close(subscription: number): void {
    const watched = this.#queries.get(subscription);
    if (watched === undefined) return;
    if (this.#unkept.delete(watched)) this.#keep(watched);
    watched.asked.release();
    this.#queries.delete(subscription);
  }

  /** Documents of a database changed: what was answered before may be wrong. Who shows them is told of it by their feed. */
  changed(dbId: DbId): void {
    for (const watched of this.#unkept) if (watched.session.dbId === dbId) this.#unkept.delete(watched);
    this.firstRows.drop(dbId);
  }

  /** Keep the orders of the indexes that changed. */
  saveOrders(judgedTo: number): Promise<void> {
    return this.#tables.saveOrders(judgedTo);
  }

  /** The tenant was locked: nothing that was kept is known any more. Whoever was told rows has heard it from their feed. */
  drop(): void {
    const isEarly = !this.firstRows.isLoaded;
    this.#unkept.clear();
    this.firstRows.loading(undefined);
    this.firstRows.views.loading(undefined);
    this.firstRows.views.lost();
    if (isEarly) for (const subscription of this.#queries.keys()) this.#tellLocked(subscription);
  }

  /** Forget all of them, without a word. */
  clear(): void {
    this.#timer?.();
    this.#timer = undefined;
    this.#unkept.clear();
    this.#queries.clear();
  }

  #tell(subscription: number, watched: WatchedQuery, news: QueryNews | undefined): void {
    if (news === undefined) this.#tellNothing(subscription, watched);
    else {
      this.#emitQuery(subscription, news);
      this.#unkept.add(watched);
      this.#timer ??= this.#tools.env.setTimer(0, () => this.#look());
    }
  }

  /** There are no rows: the tenant is locked, or they are being loaded, and perhaps what was kept still holds. */
  #tellNothing(subscription: number, { key, session }: WatchedQuery): void {
    if (this.#isLocked() || this.firstRows.isLoaded) {
      this.#tellLocked(subscription);
      return;
    }
    const kept = this.firstRows.tell(session.dbId, key);
    if (kept === undefined) return;
    const splices = [{ at: 0, remove: Number.POSITIVE_INFINITY, put: kept.rows }];
    this.#emitQuery(subscription, { total: kept.total, splices, groups: nothing, cursor: kept.cursor });
  }

  /** Behind the answers: whether there is more to write takes comparing all of it. */
  #look(): void {
    this.#timer = undefined;
    for (const watched of this.#unkept) this.#keep(watched);
    this.#unkept.clear();
    if (this.firstRows.isDirty) this.#tools.onFirstRows();
  }

  #tellLocked(subscription: number): void {
    const none = { total: 0, splices: nothing, groups: nothing, cursor: undefined };
    this.#tools.emit({ kind: "query", subscription, status: "locked", ...none });
  }

  #emitQuery(subscription: number, news: QueryNews): void {
    this.#tools.env.mark("query answered");
    this.#tools.emit({ kind: "query", subscription, status: "ready", ...news });
  }

  #keep({ asked, key, session }: WatchedQuery): void {
    const shown = key === undefined ? undefined : asked.shown();
    if (key !== undefined && shown !== undefined) this.firstRows.note(session.dbId, key, shown);
  }

  /** What queries show of the catalogs as they are now. */
  #gather(): void {
    this.#tools.rows.flush();
    for (const watched of this.#queries.values()) this.#keep(watched);
    this.#unkept.clear();
  }
}
