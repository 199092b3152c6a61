/**
 * One live query over a catalog: filter, sort and limit by a plain scan of the summaries, and what changed since it was last told.
 */
import type { DocId } from "../std/index.ts";
import { compileFilter, sortFirst, type Definition } from "../expr/index.ts";
import type { SummaryRow } from "../../worker/api.ts";
import type { Catalog, CatalogDoc } from "./catalog.ts";
import type { CompiledShape } from "./shape.ts";

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
  #query: Definition;
  readonly #shape: CompiledShape | undefined;
  #told = new Map<DocId, ToldRow>();

  constructor(query: Definition, shape?: CompiledShape) {
    this.#query = query;
    this.#shape = shape;
  }

  update(query: Definition): void {
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
      if (!doc.isDeleted && doc.summary !== undefined && matches(this.#read(doc))) found.push(doc);
    }
    const end = limit === undefined ? found.length : Math.min(offset + limit, found.length);
    const read = (doc: CatalogDoc): unknown => this.#read(doc);
    const ordered = sort.length === 0 ? found : sortFirst(found, { sort, read, tie: byId, count: end });
    const window = ordered.slice(offset, end);
    const told = new Map<DocId, ToldRow>();
    const changed: SummaryRow[] = [];
    for (const doc of window) {
      const before = this.#told.get(doc.docId);
      if (before === undefined || before.summary !== doc.summary || before.changedAtMs !== doc.changedAtMs) {
        changed.push(summaryRow(doc, this.#read(doc)));
      }
      told.set(doc.docId, { summary: doc.summary, changedAtMs: doc.changedAtMs });
    }
    this.#told = told;
    return { total: found.length, order: window.map((doc) => doc.docId), changed };
  }

  /** A document as its application sees it. */
  #read({ summary }: CatalogDoc): SummaryRow["value"] {
    if (summary === undefined) return {};
    return this.#shape === undefined ? summary.value : this.#shape.readSummary(summary);
  }
}

function byId(one: CatalogDoc, other: CatalogDoc): number {
  return one.docId < other.docId ? -1 : 1;
}

function summaryRow(doc: CatalogDoc, value: SummaryRow["value"]): SummaryRow {
  return {
    id: doc.docId,
    value,
    isWhole: doc.summary?.isWhole ?? false,
    author: doc.changedBy,
    createdAtMs: doc.createdAtMs,
    changedAtMs: doc.changedAtMs,
  };
}
