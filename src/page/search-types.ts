/** Full text as an application sees it. */
import type { ReadonlySignal } from "@preact/signals-core";
import type { Path } from "../draft/index.ts";
import type { Expression, SortKey } from "../expr/index.ts";
import type { CofferError } from "../std/index.ts";
import type { QueryRow } from "./types.ts";

/** How a text is searched for. */
export interface SearchOptions {
  /** only in these fields at the top of a document, as they are stored */
  readonly fields?: readonly string[] | undefined;
  /** whether words may be the beginning of one: all, none, or, as usual, the last, which may still be being typed */
  readonly prefix?: boolean | "last";
  /** how many letters of a word may be wrong; `true`: by its length, up to 2. Default 0 */
  readonly fuzzy?: boolean | 0 | 1 | 2;
  /** of the documents that are found, only those */
  readonly filter?: Expression | string | undefined;
  /** by these, then by how good a hit is; without, the best come first */
  readonly sort?: readonly SortKey[];
  /** by which texts sort: a BCP 47 tag. Without it the reader's own */
  readonly locale?: string | undefined;
  /** default 50, at most 1,000 */
  readonly limit?: number;
  readonly offset?: number;
  /** find out where the words stand */
  readonly highlight?: boolean;
  /** cut pieces out of the texts around the words, of at most so many characters each, from 16 to 1,000; without it, none */
  readonly excerptLength?: number | undefined;
}

/**
 * Where a word that was searched for stands, in UTF-16 units of the text at `path` of the stored document. In a file the field is `$files`,
 * and the path the file's id and `"text"` or `"name"`.
 */
export interface SearchMark {
  /** the field at the top of the document */
  readonly field: string;
  readonly path: Path;
  readonly from: number;
  readonly to: number;
}

/** A piece of a text of the stored document, around the words that were searched for. All counts are of UTF-16 units. */
export interface SearchExcerpt {
  /** the field at the top of the document */
  readonly field: string;
  readonly path: Path;
  /** where it begins in the whole text */
  readonly from: number;
  /** how long the whole text is */
  readonly wholeLength: number;
  readonly text: string;
  /** where the words stand in `text` */
  readonly marks: readonly { readonly from: number; readonly to: number }[];
}

export interface SearchStatus {
  /** `indexing`: hits are those of what is indexed so far */
  readonly phase: "loading" | "indexing" | "ready" | "locked" | "failed";
  /** documents that are indexed, of how many */
  readonly doneCount: number;
  readonly totalCount: number;
}

export interface SearchHit<T extends object = Record<string, unknown>> extends QueryRow<T> {
  readonly score: number;
  /** in the order of the document, at most 256; empty without `highlight`. They can lie behind what `data` shows of a long text */
  readonly marks: readonly SearchMark[];
  /** of the first 8 texts in which words stand, in the order of the document; empty without `excerptLength` */
  readonly excerpts: readonly SearchExcerpt[];
}

export interface Search<T extends object = Record<string, unknown>> {
  readonly hits: ReadonlySignal<readonly SearchHit<T>[]>;
  /** documents that match, without limit */
  readonly total: ReadonlySignal<number>;
  readonly status: ReadonlySignal<SearchStatus>;
  /** why it failed: `input/invalid` names the place in the options */
  readonly error: ReadonlySignal<CofferError | undefined>;
  /** Search for something else: the signals go on. Options that are left out stay as they were. */
  update(text: string, options?: SearchOptions): void;
  dispose(): void;
  [Symbol.dispose](): void;
}
