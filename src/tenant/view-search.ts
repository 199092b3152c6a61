/**
 * Searching within a view: which documents of its sources are found, so that the view shows these, and no others.
 *
 * ```
 *   text ──► full text of each source ──► found ──► what came and went since ──► the view
 *              └── is another one now, after a pause ──┘
 * ```
 *
 * Guarantees
 * - VS1 a document is in the view while it is found; without a search all are
 * - VS2 until a full text was read or built for the first time, the view stays as it is
 */
import type { Env, Release } from "../std/index.ts";
import { findMarks, type SearchQuery } from "../search/index.ts";
import type { Column, DocumentRow, ShownRow, ViewDefinition, WindowDelta } from "../view/index.ts";
import type { FullText } from "./full-text.ts";
import type { SourceRows } from "./kept-window.ts";

/** A full text that changed is asked again after so long, and while it is built, seldom. */
const pauseMs = 16;
const buildingPauseMs = 250;

/** A document that is found now and was not, or the other way round. */
export interface FoundChange {
  readonly origin: number;
  readonly id: string;
  readonly row: "same";
}

interface Source {
  readonly rows: SourceRows;
  text: FullText | undefined;
  release: Release;
  /** `undefined`: all of them */
  found: ReadonlySet<string> | undefined;
  isMatch: (term: string) => boolean;
}

/** The search within one view. */
export class ViewSearch {
  readonly #env: Env;
  readonly #origins: readonly string[];
  /** documents came and went */
  readonly #onFound: (changes: readonly FoundChange[]) => void;
  readonly #sources: (Source | undefined)[] = [];
  #query: SearchQuery | undefined;
  #timer: Release | undefined;

  constructor(
    env: Env,
    { origins, query }: { readonly origins: readonly string[]; readonly query: SearchQuery | undefined },
    onFound: (changes: readonly FoundChange[]) => void,
  ) {
    this.#env = env;
    this.#origins = origins;
    this.#query = query;
    this.#onFound = onFound;
  }

  /** Whether a text is searched for, or was until what is shown is all of them again. */
  get isOn(): boolean {
    return this.#query !== undefined;
  }

  /** How much of the full texts is there, from 0 to 1; `undefined` when it is all, or nothing is searched for. */
  get progress(): number | undefined {
    let [done, total] = [0, 0];
    let isReady = true;
    for (const source of this.#sources) {
      if (source?.text === undefined) continue;
      const { doneCount, isReady: isOwnReady, totalCount } = source.text.progress;
      if (source.text.index !== undefined && !isOwnReady) isReady = false;
      done += doneCount;
      total += totalCount;
    }
    return isReady ? undefined : done / Math.max(1, total);
  }

  attach(index: number, rows: SourceRows): void {
    const source = {
      rows,
      text: undefined,
      release: () => undefined,
      found: undefined,
      isMatch: () => false,
    };
    this.#sources[index] = source;
    if (this.#query === undefined) return;
    this.lost(index);
    this.#follow(source);
    this.#schedule();
  }

  detach(index: number): void {
    this.#sources[index]?.release();
    this.#sources[index] = undefined;
  }

  /** Nothing is known, or may be known any more, of what is found in a source. */
  lost(index: number): void {
    const source = this.#sources[index];
    if (source === undefined) return;
    source.isMatch = () => false;
    if (this.#query !== undefined) source.found = new Set();
  }

  close(): void {
    this.#timer?.();
    for (const index of this.#sources.keys()) this.detach(index);
  }

  /** Search for something else, or for nothing; what is found is told when it is known. */
  set(query: SearchQuery | undefined): void {
    this.#query = query;
    for (const source of this.#sources) {
      if (source === undefined) continue;
      if (query !== undefined) this.#follow(source);
      else {
        source.release();
        source.text = undefined;
      }
    }
    this.#timer?.();
    this.#timer = undefined;
    if (this.progress === undefined) this.#look();
    else this.#schedule();
  }

  /** Whether a document of a source is to be shown. */
  isFound(index: number, id: string): boolean {
    return this.#sources[index]?.found?.has(id) ?? true;
  }

  /** What a page is told, with the words that were searched for. */
  mark(delta: WindowDelta, { columns }: ViewDefinition): WindowDelta {
    const query = this.#query;
    if (query === undefined) return delta;
    const texts = columns.filter((column) => isSearched(column, query.fields));
    const markRow = (row: ShownRow): ShownRow =>
      row.kind === "document" ? this.#markDocument(row, texts) : row;
    return {
      ...delta,
      splices: delta.splices.map((splice) => ({ ...splice, inserted: splice.inserted.map(markRow) })),
      changed: delta.changed.map(({ at, row }) => ({ at, row: markRow(row) })),
    };
  }

  #markDocument(row: DocumentRow, columns: readonly Column[]): DocumentRow {
    const source = this.#sources[this.#origins.indexOf(row.origin)];
    if (source === undefined) return row;
    const texts = columns.flatMap(({ name }) => {
      const text = row.values[name];
      return typeof text === "string" ? [{ field: name, path: [], text }] : [];
    });
    const marks = findMarks(texts, source.isMatch).map(({ field, from, to }) => ({
      column: field,
      from,
      to,
    }));
    return { ...row, marks };
  }

  #follow(source: Source): void {
    if (source.text !== undefined) return;
    const { release, text } = source.rows.search(() => this.#schedule());
    source.text = text;
    source.release = release;
  }

  #schedule(): void {
    if (this.#query === undefined) return;
    this.#timer ??= this.#env.setTimer(this.progress === undefined ? pauseMs : buildingPauseMs, () => {
      this.#timer = undefined;
      this.#look();
    });
  }

  /** Ask the full texts, and tell what came and went. */
  #look(): void {
    const changes: FoundChange[] = [];
    for (const [origin, source] of this.#sources.entries()) {
      if (source === undefined) continue;
      const before = source.found;
      const index = source.text?.index;
      if (this.#query === undefined) source.found = undefined;
      else if (index !== undefined) {
        const { found, isMatch } = index.search(this.#query);
        source.found = new Set(found.map(({ id }) => id));
        source.isMatch = isMatch;
      }
      for (const id of changesOf(before, source.found, source.rows))
        changes.push({ origin, id, row: "same" });
    }
    this.#onFound(changes);
  }
}

/** The documents that are found before or after, and not both times; `undefined` finds all of a source. */
function changesOf(
  before: ReadonlySet<string> | undefined,
  after: ReadonlySet<string> | undefined,
  source: SourceRows,
): readonly string[] {
  if (before === after) return [];
  const every = (): readonly string[] => source.scan().map(({ docId }) => docId);
  if (before === undefined || after === undefined) {
    const found = before ?? after;
    return every().filter((id) => found?.has(id) !== true);
  }
  return [...[...before].filter((id) => !after.has(id)), ...[...after].filter((id) => !before.has(id))];
}

/** Whether the words of a column are among those that are searched. */
function isSearched(column: Column, fields: readonly string[] | undefined): boolean {
  if (fields === undefined) return true;
  const { of } = column;
  const [top] = of !== undefined && "expr" in of && of.expr.op === "field" ? of.expr.path : [];
  return top !== undefined && fields.includes(String(top));
}
