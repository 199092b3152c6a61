/**
 * One live query over a catalog: filter, sort and limit by a plain scan of the summaries, and what changed since it was last told.
 */
import type { DocId } from "../std/index.ts";
import { compileFilter, createComparator } from "../expr/index.ts";
import type { QueryMessage, SummaryRow } from "../../worker/api.ts";
import type { Catalog, CatalogDoc } from "./catalog.ts";

/** What the page is told: the order now, and the rows it does not have yet. */
export interface QueryDelta {
  readonly total: number;
  readonly order: readonly string[];
  readonly changed: readonly SummaryRow[];
}

interface ToldRow {
  readonly summary: CatalogDoc["summary"];
  readonly changedAtMs: number;
}

/** Evaluates one query again and again, and says what is new. */
export class LiveQuery {
  #query: QueryMessage;
  #told = new Map<DocId, ToldRow>();

  constructor(query: QueryMessage) {
    this.#query = query;
  }

  update(query: QueryMessage): void {
    this.#query = query;
  }

  /** Forget what the page was told, so that the next delta carries every row. */
  reset(): void {
    this.#told.clear();
  }

  /** Evaluate now. */
  evaluate(catalog: Catalog): QueryDelta {
    const { filter, sort, limit, offset } = this.#query;
    const matches = compileFilter(filter);
    const found: CatalogDoc[] = [];
    for (const doc of catalog.values()) {
      if (!doc.isDeleted && doc.summary !== undefined && matches(doc.summary.value)) found.push(doc);
    }
    if (sort.length > 0) {
      const compare = createComparator(sort);
      found.sort(
        (a, b) => compare(a.summary?.value ?? {}, b.summary?.value ?? {}) || (a.docId < b.docId ? -1 : 1),
      );
    }
    const window = found.slice(offset, limit === undefined ? undefined : offset + limit);
    const told = new Map<DocId, ToldRow>();
    const changed: SummaryRow[] = [];
    for (const doc of window) {
      const before = this.#told.get(doc.docId);
      if (before === undefined || before.summary !== doc.summary || before.changedAtMs !== doc.changedAtMs) {
        changed.push(summaryRow(doc));
      }
      told.set(doc.docId, { summary: doc.summary, changedAtMs: doc.changedAtMs });
    }
    this.#told = told;
    return { total: found.length, order: window.map((doc) => doc.docId), changed };
  }
}

function summaryRow(doc: CatalogDoc): SummaryRow {
  return {
    id: doc.docId,
    value: doc.summary?.value ?? {},
    isWhole: doc.summary?.isWhole ?? false,
    author: doc.changedBy,
    createdAtMs: doc.createdAtMs,
    changedAtMs: doc.changedAtMs,
  };
}
