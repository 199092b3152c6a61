/** One live search: what an index finds, filtered and in order, and what changed since it was last told. */
import {
  compareKeys,
  compileFilter,
  keyReader,
  takeFirst,
  type Definition,
  type Keys,
} from "../expr/index.ts";
import { cutExcerpts, findMarks, type Found, type SearchQuery, type SearchResult } from "../search/index.ts";
import type { DocId } from "../std/index.ts";
import type { SearchRow } from "../../worker/api.ts";
import type { CatalogDoc, Summary } from "./catalog.ts";
import type { DatabaseSession } from "./database.ts";
import type { FullText } from "./full-text.ts";
import type { CompiledShape } from "./shape.ts";

/** A search, judged. */
export interface SearchDefinition
  extends SearchQuery, Pick<Definition, "filter" | "sort" | "locale" | "offset"> {
  readonly highlight: boolean;
  readonly excerptLength: number | undefined;
  readonly limit: number;
}

/** What the page is told: the order now, and the rows it does not have yet. */
export interface SearchDelta {
  readonly total: number;
  readonly order: readonly string[];
  /** how good each hit is, in the same order */
  readonly scores: readonly number[];
  readonly changed: readonly SearchRow[];
}

/** What a row was told as. */
interface ToldRow {
  readonly summary: Summary;
  readonly changedAtMs: number;
  readonly places: Places;
  /** what they were found by: the same search of the same texts finds the same places */
  readonly message: SearchDefinition;
  readonly stamp: string | undefined;
  /** how much of the texts is of files */
  readonly fileBytes: number;
}

/** Where words stand in files is found in so much of them at once: it takes as long as they are. */
const markedBytes = 512 * 1024;

/** Where the words of a search stand in a document. */
type Places = Pick<SearchRow, "marks" | "excerpts">;

interface Hit {
  readonly doc: CatalogDoc & { readonly summary: Summary };
  readonly score: number;
}

/** Answers one search again and again, and says what is new. */
export class LiveSearch {
  readonly #database: DatabaseSession;
  readonly #shape: CompiledShape | undefined;
  #message: SearchDefinition;
  #told = new Map<DocId, ToldRow>();

  constructor(database: DatabaseSession, message: SearchDefinition, shape?: CompiledShape) {
    this.#database = database;
    this.#message = message;
    this.#shape = shape;
  }

  get database(): DatabaseSession {
    return this.#database;
  }

  update(message: SearchDefinition): void {
    this.#message = message;
  }

  /** Forget what the page was told, so that the next delta carries every row. */
  reset(): void {
    this.#told.clear();
  }

  /** Answer now. Called in the tenant's queue, since documents whose summary is cut are read to be marked. */
  async evaluate(fullText: FullText): Promise<SearchDelta> {
    const message = this.#message;
    const result = fullText.index?.search(message) ?? nothing;
    const hits = this.#order(result.found);
    const { limit, offset } = message;
    const told = new Map<DocId, ToldRow>();
    const changed: SearchRow[] = [];
    const window = hits.slice(offset, offset + limit);
    let room = markedBytes;
    for (const { doc } of window) {
      const { changedAtMs, docId, summary } = doc;
      const before = this.#told.get(docId);
      const stamp = fullText.index?.stampOf(docId);
      const isLooked =
        before?.summary === summary &&
        before.message === message &&
        before.stamp === stamp &&
        before.fileBytes <= room;
      const { fileBytes, places } = isLooked
        ? before
        : await this.#placesIn(fullText, { doc, fileBytes: room }, result);
      room -= fileBytes;
      const isSame =
        before?.summary === summary &&
        before.changedAtMs === changedAtMs &&
        (before.places === places || JSON.stringify(before.places) === JSON.stringify(places));
      if (!isSame) changed.push(rowOf(doc, this.#read(summary), places));
      told.set(docId, { summary, changedAtMs, places, message, stamp, fileBytes });
    }
    this.#told = told;
    return {
      total: hits.length,
      order: window.map(({ doc }) => doc.docId),
      scores: window.map(({ score }) => score),
      changed,
    };
  }

  #order(found: readonly Found<DocId>[]): readonly Hit[] {
    const { filter, sort } = this.#message;
    const { catalog } = this.#database;
    const matches = compileFilter(filter);
    const hits: Hit[] = [];
    for (const { id, score } of found) {
      const doc = catalog.get(id);
      if (isShown(doc) && matches(this.#read(doc.summary))) hits.push({ doc, score });
    }
    return sort.length === 0 ? hits : this.#sorted(hits);
  }

  /** As far as they are shown, in order; behind them the others. */
  #sorted(hits: readonly Hit[]): readonly Hit[] {
    const { limit, locale, offset, sort } = this.#message;
    const keysOf = keyReader(sort);
    const compare = compareKeys(sort, locale);
    const keyed = hits.map((hit, rank) => ({ hit, rank, keys: keysOf(this.#read(hit.doc.summary)) }));
    type Keyed = { readonly hit: Hit; readonly rank: number; readonly keys: Keys };
    const order = (one: Keyed, other: Keyed): number =>
      compare(one.keys, other.keys) || one.rank - other.rank;
    const first = takeFirst(keyed, order, Math.min(offset + limit, keyed.length));
    const shown = new Set(first);
    return [...first, ...keyed.filter((one) => !shown.has(one))].map(({ hit }) => hit);
  }

  async #placesIn(
    fullText: FullText,
    { doc, fileBytes: room }: { readonly doc: Hit["doc"]; readonly fileBytes: number },
    { isMatch }: SearchResult<DocId>,
  ): Promise<{ readonly places: Places; readonly fileBytes: number }> {
    const { excerptLength, fields, highlight } = this.#message;
    if (!highlight && excerptLength === undefined) return { places: nowhere, fileBytes: 0 };
    const { isWhole, value } = doc.summary;
    const { fileBytes, texts } = await fullText.readTexts({ docId: doc.docId, isWhole, value }, room);
    const marks = findMarks(texts, isMatch, fields);
    const excerpts = excerptLength === undefined ? [] : cutExcerpts(texts, marks, excerptLength);
    return { places: { marks: highlight ? marks : [], excerpts }, fileBytes };
  }

  /** A document as its application sees it. */
  #read(summary: Summary): Summary["value"] {
    return this.#shape === undefined ? summary.value : this.#shape.readSummary(summary);
  }
}

function rowOf(
  { changedAtMs, changedBy, createdAtMs, docId, summary }: Hit["doc"],
  value: SearchRow["value"],
  places: Places,
): SearchRow {
  const { isWhole } = summary;
  return { id: docId, value, isWhole, author: changedBy, createdAtMs, changedAtMs, ...places };
}

const nowhere: Places = { marks: [], excerpts: [] };
const nothing: SearchResult<DocId> = { found: [], isMatch: () => false };

function isShown(doc: CatalogDoc | undefined): doc is Hit["doc"] {
  return doc?.isDeleted === false && doc.summary !== undefined;
}
