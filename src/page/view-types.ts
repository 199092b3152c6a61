/** What the page shows of a view. */
import type { ReadonlySignal } from "@preact/signals-core";
import type { Expression } from "../expr/index.ts";
import type { CofferError } from "../std/index.ts";
import type {
  CategoryValue,
  FoundRow,
  ShownRow,
  TotalValue,
  ViewDefinitionInput,
  ViewState,
  Whereabouts,
} from "../view/index.ts";
import type { SearchOptions } from "./search-types.ts";
import type { Database } from "./types.ts";

export type {
  CategoryRow,
  CategoryValue,
  ColumnInput,
  DocumentRow,
  FoundRow,
  MetaField,
  ShownRow,
  TotalFunction,
  TotalValue,
  ViewDefinitionInput,
  ViewMark,
  ViewState,
  Whereabouts,
} from "../view/index.ts";

/** A database that a view shows. */
export interface ViewSource {
  /** tells its documents from those of the other sources */
  readonly origin: string;
  readonly db: Pick<Database, "name" | "dispose">;
  /** which of its documents are in the view; default all of them */
  readonly filter?: Expression;
}

/** A view to be opened. */
export interface ViewOptions extends ViewDefinitionInput {
  readonly sources: readonly ViewSource[];
  /** how it is looked at first, as `state` gave it; default everything collapsed */
  readonly state?: ViewState | undefined;
  /** which rows are shown first; default the first 100 */
  readonly window?: { readonly from: number; readonly count: number };
  /** only documents that are found, as `search` of the view */
  readonly search?: ViewSearchOptions & { readonly text: string };
}

/** How a text is searched for in a view; see `db.search`. */
export type ViewSearchOptions = Pick<SearchOptions, "fields" | "prefix" | "fuzzy">;

/** What everything in a view together comes to. */
export interface ViewTotal {
  /** rows that are to be shown, without the window's bounds */
  readonly rowCount: number;
  readonly documentCount: number;
  readonly totals: { readonly [column: string]: TotalValue };
}

/** A row by its key, or by what is known of it. */
export type RowName = string | Whereabouts;

/** A category by its key, or by the values on the way to it. */
export type CategoryName = string | readonly CategoryValue[];

/** Documents in categories, in order, with totals; live. */
export interface View {
  /** the rows of the window; `undefined` while it is loading or locked */
  readonly rows: ReadonlySignal<readonly ShownRow[] | undefined>;
  /** the number of the first of them */
  readonly from: ReadonlySignal<number>;
  readonly total: ReadonlySignal<ViewTotal | undefined>;
  readonly status: ReadonlySignal<"loading" | "ready" | "locked" | "failed">;
  /** origins that cannot be read now: their documents are in no row and no total */
  readonly locked: ReadonlySignal<readonly string[]>;
  /** how much of a build is done, from 0 to 1; `undefined` while there is none */
  readonly progress: ReadonlySignal<number | undefined>;
  readonly error: ReadonlySignal<CofferError | undefined>;
  /** what is expanded and selected: plain data that can be stored in a document, and given to `restore`; under lock as at first */
  readonly state: ReadonlySignal<ViewState>;
  /** Show other rows, at most 1000; resolves once they are there. */
  window(rows: { readonly from: number; readonly count: number }): Promise<void>;
  expand(...categories: readonly CategoryName[]): Promise<void>;
  collapse(...categories: readonly CategoryName[]): Promise<void>;
  expandAll(): Promise<void>;
  collapseAll(): Promise<void>;
  /** Expand the categories of the first so many levels, and no others. */
  expandTo(level: number): Promise<void>;
  /** Expand all that is around a row, so that it is shown. */
  reveal(row: RowName): Promise<void>;
  select(keys: string | readonly string[], isSelected?: boolean): Promise<void>;
  restore(state: ViewState): Promise<void>;
  /** A row with what is around it; `undefined` where there is none. By values: the first row that begins with them. */
  find(row: RowName): Promise<FoundRow | undefined>;
  /** The rows between two, both included, as far as they are shown; at most 1000. */
  range(from: RowName, to: RowName): Promise<readonly ShownRow[]>;
  /** What stands directly in a category, shown or not; without one, the outermost rows. */
  children(
    row?: RowName,
    rows?: { readonly from: number; readonly count: number },
  ): Promise<readonly ShownRow[]>;
  /** Rows outside of the window. */
  read(rows: { readonly from: number; readonly count: number }): Promise<readonly ShownRow[]>;
  /**
   * Show documents that are found, and no others, in rows and totals; an empty text finds all. The rows come once it is known which they
   * are: while a full text is read or built for the first time, `progress` tells how far that is. Their `marks` tell where the words stand.
   */
  search(text: string, options?: ViewSearchOptions): Promise<void>;
  /**
   * Show it by another definition: built beside what is shown, which stays and lives on until then.
   *
   * @throws aborted when the signal says so, or another definition comes before
   */
  update(
    definition: ViewDefinitionInput,
    options?: { readonly signal?: AbortSignal; readonly onProgress?: (progress: number) => void },
  ): Promise<void>;
  dispose(): void;
  [Symbol.dispose](): void;
}
