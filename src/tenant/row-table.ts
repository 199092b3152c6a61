/** The live queries over the rows of one database under one shape. */
import type { Env, Release } from "../std/index.ts";
import type { Definition } from "../expr/index.ts";
import type { FirstRows } from "./first-rows.ts";
import { LiveQuery, type QueryNews } from "./live-query.ts";
import type { QueryPlan } from "./query-plan.ts";
import type { QuerySource } from "./query-rows.ts";
import type { IndexOrder } from "./index-pages.ts";
import type { Row, RowDelta, RowFeeds, RowFollower, RowSource } from "./row-feed.ts";
import { RowIndexes, type AnyRows, type KeptOrders, type OrderedRows } from "./row-indexes.ts";
import type { CompiledShape } from "./shape.ts";

/** Hears what a query came to; `undefined` when the tenant was locked. */
export type QueryListener = (news: QueryNews | undefined) => void;

/** A query that somebody asked. */
export interface AskedQuery {
  update(definition: Definition): void;
  /** What it shows now, of what can be kept; `undefined` while the rows are not there. */
  shown(): FirstRows | undefined;
  readonly release: Release;
}

/** Follows rows, and keeps the queries over them. */
export class RowTable implements RowFollower, QuerySource {
  readonly spareRows: number;
  readonly indexes: RowIndexes;
  /** what the indexes have not taken in yet */
  #behind: (readonly RowDelta[])[] = [];
  readonly #queries = new Map<LiveQuery, QueryListener>();
  #isLive = false;

  /** So many rows are spared beyond what a query shows. */
  constructor(indexes: RowIndexes, spareRows = 64) {
    this.indexes = indexes;
    this.spareRows = spareRows;
  }

  /** Ask a query: `listener` is told at once, unless the tenant is locked, and from then on. */
  ask(definition: Definition, listener: QueryListener): AskedQuery {
    const query = new LiveQuery(definition, this);
    this.#queries.set(query, listener);
    listener(this.#isLive ? query.begin() : undefined);
    return {
      update: (next) => {
        const news = query.update(next);
        listener(this.#isLive ? news : undefined);
      },
      shown: () => (this.#isLive ? query.shown : undefined),
      release: () => void this.#queries.delete(query),
    };
  }

  candidates(definition: Definition): Iterable<Row> {
    return this.#isLive ? this.#current().candidates(definition) : [];
  }

  find(plan: QueryPlan): OrderedRows | AnyRows {
    return this.#isLive ? this.#current().find(plan) : { kind: "any", rows: [] };
  }

  /** The indexes that changed since they were taken last, with the order to keep. */
  takeOrders(): Iterable<IndexOrder> {
    return this.#current().takeOrders();
  }

  start(): void {
    this.#isLive = true;
    this.indexes.start();
    for (const [query, listener] of this.#queries) listener(query.begin());
  }

  apply(deltas: readonly RowDelta[]): void {
    this.#behind.push(deltas);
    for (const [query, listener] of this.#queries) {
      const news = query.apply(deltas);
      if (news !== undefined) listener(news);
    }
    // Behind what the page is told; queries that read again do not wait for it.
    queueMicrotask(() => this.#current());
  }

  stop(): void {
    this.#isLive = false;
    this.#behind = [];
    this.indexes.stop();
    for (const listener of this.#queries.values()) listener(undefined);
  }

  /** The indexes with all that came. */
  #current(): RowIndexes {
    const behind = this.#behind;
    this.#behind = [];
    for (const deltas of behind) this.indexes.apply(deltas);
    return this.indexes;
  }
}

/** A database whose rows are asked for, and where the orders of its indexes are kept. */
export interface TableSource extends RowSource {
  readonly orders?: KeptOrders & { write(order: IndexOrder, judgedTo: number): Promise<void> };
}

/** The live queries of one tenant. */
export class RowTables {
  readonly #feeds: RowFeeds;
  readonly #env: Env | undefined;
  readonly #tables = new Map<TableSource, Map<CompiledShape | undefined, RowTable>>();

  /** Without a clock indexes are made in one go. */
  constructor(feeds: RowFeeds, env?: Env) {
    this.#feeds = feeds;
    this.#env = env;
  }

  /** Ask a query of a database, as a shape shows its documents. */
  ask(source: TableSource, shape: CompiledShape | undefined, asked: Asked): AskedQuery {
    const table = this.#table(source, shape);
    // What changed a moment ago is part of the first answer.
    this.#feeds.flush();
    return table.ask(asked.definition, asked.listener);
  }

  /** Keep the orders of the indexes that changed. */
  async saveOrders(judgedTo: number): Promise<void> {
    for (const [source, tables] of this.#tables) {
      for (const table of tables.values())
        for (const order of table.takeOrders()) await source.orders?.write(order, judgedTo);
    }
  }

  #table(source: TableSource, shape: CompiledShape | undefined): RowTable {
    const tables = this.#tables.get(source) ?? new Map<CompiledShape | undefined, RowTable>();
    this.#tables.set(source, tables);
    let table = tables.get(shape);
    if (table === undefined) {
      const scan = (): readonly Row[] => this.#feeds.scan(source, shape);
      table = new RowTable(
        new RowIndexes(scan, { declared: shape?.indexes, kept: source.orders, env: this.#env }),
      );
      tables.set(shape, table);
      this.#feeds.follow(source, shape, table);
    }
    return table;
  }
}

/** A query, and who hears of it. */
export interface Asked {
  readonly definition: Definition;
  readonly listener: QueryListener;
}
