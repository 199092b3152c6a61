/** The public types of live queries. */
import type { ReadonlySignal } from "@preact/signals-core";
import type { DocData, DocValue } from "../draft/index.ts";
import type { Expression, SortKey } from "../expr/index.ts";
import type { CofferError } from "../std/index.ts";

/** What is asked: everything may be left out. An expression is built, or text: `"status = 'open' and total(amount) > 100"`. */
export interface QueryDefinition {
  readonly filter?: Expression | string | undefined;
  /** the first key first; rows that tie stand by their id, and without keys rows stand as they came */
  readonly sort?: readonly SortKey[];
  /** by which texts sort: a BCP 47 tag such as `"de"`. Without it the reader's own, so that devices may differ */
  readonly locale?: string;
  readonly limit?: number | undefined;
  readonly offset?: number;
  /** only rows behind this place, which `query.cursor` gave: also when the row there has gone */
  readonly after?: QueryCursor | undefined;
  /** what rows show instead of the whole document: fields by their paths, or values by names */
  readonly select?: readonly string[] | { readonly [name: string]: Expression | string };
  /** of rows that show the same only the first */
  readonly distinct?: boolean;
  /** groups of the rows that match, whatever the limit, with totals: `query.groups` */
  readonly group?: QueryGrouping;
}

export interface QueryGrouping {
  readonly by?: { readonly [name: string]: Expression | string };
  /** only `count` can do without `of`: then it counts rows */
  readonly totals?: {
    readonly [name: string]: {
      readonly fn: "sum" | "average" | "count" | "min" | "max" | "distinct";
      readonly of?: Expression | string;
    };
  };
}

/** Rows with the same values; a value or total that is missing is left out. */
export interface QueryGroup {
  /** the same for as long as the group is there */
  readonly key: string;
  readonly count: number;
  readonly by: { readonly [name: string]: DocValue };
  readonly totals: { readonly [name: string]: DocValue };
}

/** A place in an order, plain data: the sort keys of a row and its id. */
export interface QueryCursor {
  readonly keys: readonly unknown[];
  readonly id: string;
}

export interface QueryRow<T extends object = Record<string, unknown>> {
  readonly id: string;
  /** from the catalog; long texts and lists are cut when `isWhole` is false */
  readonly data: DocData<T>;
  readonly isWhole: boolean;
  readonly author: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}

export interface Query<T extends object = Record<string, unknown>> {
  readonly rows: ReadonlySignal<readonly QueryRow<T>[]>;
  /** rows that match, without limit */
  readonly total: ReadonlySignal<number>;
  /** in the order of their values */
  readonly groups: ReadonlySignal<readonly QueryGroup[]>;
  /** the place of the last row, for the next page's `after` */
  readonly cursor: ReadonlySignal<QueryCursor | undefined>;
  readonly status: ReadonlySignal<"loading" | "ready" | "locked" | "failed">;
  /** why it failed: `input/invalid` names the place in the definition */
  readonly error: ReadonlySignal<CofferError | undefined>;
  /** Change the definition in place: the signals go on. */
  update(definition: QueryDefinition): void;
  dispose(): void;
  [Symbol.dispose](): void;
}
