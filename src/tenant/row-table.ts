/** The live queries over the rows of one database under one shape. */
import type { Release } from "../std/index.ts";
import type { Definition } from "../expr/index.ts";
import { LiveQuery, type QueryNews } from "./live-query.ts";
import type { QuerySource } from "./query-rows.ts";
import type { Row, RowDelta, RowFeeds, RowFollower, RowSource } from "./row-feed.ts";
import type { CompiledShape } from "./shape.ts";

/** Hears what a query came to; `undefined` when the tenant was locked. */
export type QueryListener = (news: QueryNews | undefined) => void;

/** A query that somebody asked. */
export interface AskedQuery {
  update(definition: Definition): void;
  readonly release: Release;
}

/** Follows rows, and keeps the queries over them. */
export class RowTable implements RowFollower, QuerySource {
  readonly spareRows: number;
  readonly #scan: () => readonly Row[];
  readonly #queries = new Map<LiveQuery, QueryListener>();
  #isLive = false;

  /** `scan` gives all rows as the last batch left them; so many rows are spared beyond what a query shows. */
  constructor(scan: () => readonly Row[], spareRows = 64) {
    this.#scan = scan;
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
      release: () => void this.#queries.delete(query),
    };
  }

  candidates(): Iterable<Row> {
    return this.#isLive ? this.#scan() : [];
  }

  start(): void {
    this.#isLive = true;
    for (const [query, listener] of this.#queries) listener(query.begin());
  }

  apply(deltas: readonly RowDelta[]): void {
    for (const [query, listener] of this.#queries) {
      const news = query.apply(deltas);
      if (news !== undefined) listener(news);
    }
  }

  stop(): void {
    this.#isLive = false;
    for (const listener of this.#queries.values()) listener(undefined);
  }
}

/** The live queries of one tenant. */
export class RowTables {
  readonly #feeds: RowFeeds;
  readonly #tables = new Map<RowSource, Map<CompiledShape | undefined, RowTable>>();

  constructor(feeds: RowFeeds) {
    this.#feeds = feeds;
  }

  /** Ask a query of a database, as a shape shows its documents. */
  ask(source: RowSource, shape: CompiledShape | undefined, asked: Asked): AskedQuery {
    const tables = this.#tables.get(source) ?? new Map<CompiledShape | undefined, RowTable>();
    this.#tables.set(source, tables);
    let table = tables.get(shape);
    if (table === undefined) {
      table = new RowTable(() => this.#feeds.scan(source, shape));
      tables.set(shape, table);
      this.#feeds.follow(source, shape, table);
    }
    // What changed a moment ago is part of the first answer.
    this.#feeds.flush();
    return table.ask(asked.definition, asked.listener);
  }
}

/** A query, and who hears of it. */
export interface Asked {
  readonly definition: Definition;
  readonly listener: QueryListener;
}
