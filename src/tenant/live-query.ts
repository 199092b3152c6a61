/**
 * One live query: what a page is told at first, and what changes with each batch of deltas.
 *
 * A row is told whole once, and again when it changed; the page keeps those that only move when the definition changes.
 */
import type { Definition } from "../expr/index.ts";
import type { QueryEvent, QuerySplice, SummaryRow } from "../../worker/api.ts";
import type { FirstRows } from "./first-rows.ts";
import type { Splice } from "./ordered-list.ts";
import { QueryGroups } from "./query-groups.ts";
import { planQuery, type QueryPlan } from "./query-plan.ts";
import { QueryRows, type QuerySource } from "./query-rows.ts";
import type { Row, RowDelta } from "./row-feed.ts";

/** What the page is told of a query, but for its number and status. */
export type QueryNews = Pick<QueryEvent, "total" | "splices" | "groups" | "cursor">;

/** In place of all rows that a page has, however many. */
const all = Number.POSITIVE_INFINITY;

/** A query that is kept up to date. */
export class LiveQuery {
  readonly #source: QuerySource;
  #plan: QueryPlan;
  #rows: QueryRows | undefined;
  #groups: QueryGroups | undefined;

  constructor(definition: Definition, source: QuerySource) {
    this.#plan = planQuery(definition);
    this.#source = source;
  }

  /** Evaluate now: all of it. `has` tells what the page has of this query already. */
  begin(has: (row: Row) => boolean = () => false): QueryNews {
    const { definition, matches } = this.#plan;
    this.#rows = new QueryRows(this.#plan, this.#source);
    const { group, locale } = definition;
    this.#groups = group && new QueryGroups({ group, locale }, matches, this.#source.candidates(definition));
    const splices = [this.#tell({ at: 0, remove: all, put: this.#rows.window() }, has)];
    const groups = [{ at: 0, remove: all, put: this.#groups?.groups() ?? [] }];
    return { total: this.#rows.total, splices, groups, cursor: this.#rows.cursor };
  }

  /** The rows of the window as a page is told them at first; `undefined` for one that shows more than rows. */
  get shown(): FirstRows | undefined {
    const rows = this.#rows;
    if (rows === undefined || this.#groups !== undefined) return undefined;
    return { total: rows.total, rows: rows.window().map((row) => this.#summaryOf(row)), cursor: rows.cursor };
  }

  /** Another definition from now on. */
  update(definition: Definition): QueryNews {
    const before = this.#plan;
    const shown = new Set(this.#rows?.window());
    this.#plan = planQuery(definition);
    // What a selection shows of a row is another thing than the row.
    const isPlain = before.definition.select === undefined && definition.select === undefined;
    return this.begin((row) => isPlain && shown.has(row));
  }

  /** Take a batch in; `undefined` when the page has nothing to hear. */
  apply(deltas: readonly RowDelta[]): QueryNews | undefined {
    const rows = this.#rows;
    if (rows === undefined) return undefined;
    const { total } = rows;
    const splices = rows.apply(deltas).map((splice) => this.#tell(splice, () => false));
    const groups = this.#groups?.apply(deltas) ?? [];
    if (splices.length === 0 && groups.length === 0 && rows.total === total) return undefined;
    return { total: rows.total, splices, groups, cursor: rows.cursor };
  }

  #tell({ at, put, remove }: Splice<Row>, has: (row: Row) => boolean): QuerySplice {
    return { at, remove, put: put.map((row) => (has(row) ? row.docId : this.#summaryOf(row))) };
  }

  #summaryOf(row: Row): SummaryRow {
    const { author, changedAtMs, createdAtMs, docId, isWhole } = row;
    return { id: docId, value: this.#plan.show(row), isWhole, author, createdAtMs, changedAtMs };
  }
}
