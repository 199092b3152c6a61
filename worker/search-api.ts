/** The part of the contract that is about full text. */
import type { SearchExcerpt, SearchMark, SearchStatus } from "../src/page/types.ts";
import type { Expression, SortKey } from "../src/expr/index.ts";
import type { SummaryRow } from "./api.ts";

/** A hit of a search. */
export interface SearchRow extends SummaryRow {
  /** where the words stand; none when they were not asked for */
  readonly marks: readonly SearchMark[];
  readonly excerpts: readonly SearchExcerpt[];
}

/** A search as it is run: the worker judges it as it does a query, and cuts what is over its limits. */
export interface SearchMessage {
  readonly text: string;
  readonly fields: readonly string[] | undefined;
  readonly prefix: "none" | "last" | "all";
  readonly fuzzy: 0 | 1 | 2 | "auto";
  readonly filter: Expression | string | undefined;
  readonly sort: readonly SortKey[];
  readonly locale: string | undefined;
  readonly limit: number;
  readonly offset: number;
  readonly highlight: boolean;
  readonly excerptLength: number | undefined;
}

/** What a search gives now. `order` and `changed` as of a query; `scores` goes with `order`. */
export interface SearchEvent {
  readonly kind: "search";
  readonly subscription: number;
  readonly status: SearchStatus;
  readonly total: number;
  readonly order: readonly string[];
  readonly scores: readonly number[];
  readonly changed: readonly SearchRow[];
}
