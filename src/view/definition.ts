/**
 * A view as plain data: it crosses threads, can be stored in a document, synced, and is safe to run.
 *
 * | role | what it does |
 * |---|---|
 * | `category` | groups documents; a text is cut at `separator` into levels, a list puts its document under each of its elements |
 * | `sorted` | orders the documents within a category, the first such column first; shown |
 * | `display` | shown |
 * | `total` | summed up for each category and for the whole; shown for each document |
 *
 * A column reads a field, computes an expression, or tells what is known of the document itself (`meta`).
 */
import type { Expression } from "../expr/index.ts";

/** How a total sums up; see totals.ts. */
export type TotalFunction = (typeof totalFunctions)[number];

/** The names of all totals. */
export const totalFunctions = ["sum", "average", "count", "min", "max", "distinct"] as const;

/** What is known of a document beside its value. */
export type MetaField = (typeof metaFields)[number];

/** The names of all meta fields. */
export const metaFields = ["origin", "id", "author", "createdAt", "changedAt"] as const;

/** What a column reads where it is not the field of its name. */
export interface ColumnReading {
  /** a path, such as `"address.city"`; the others come before it, of which there may be one */
  readonly field?: string | undefined;
  readonly expr?: Expression | undefined;
  readonly meta?: MetaField | undefined;
}

/** A column as it is written: what is left out has a default. Its name is unique within the view. */
export type ColumnInput = { readonly name: string } & ColumnReading &
  (
    | {
        readonly role: "category";
        /** default `"asc"` */
        readonly order?: "asc" | "desc" | undefined;
        /** cuts a text into levels, by default a backslash; `null` leaves texts whole */
        readonly separator?: string | null | undefined;
      }
    | {
        readonly role: "sorted";
        /** default `"asc"` */
        readonly order?: "asc" | "desc" | undefined;
        /** it orders, and is not sent to the page */
        readonly isHidden?: boolean | undefined;
      }
    | { readonly role: "display" }
    /** the field `"*"` stands for the document itself, which can only be counted */
    | { readonly role: "total"; readonly total: TotalFunction }
  );

/** A view as it is written. */
export interface ViewDefinitionInput {
  readonly columns: readonly ColumnInput[];
  /** which documents are in it; those of each source can be narrowed further */
  readonly filter?: Expression | undefined;
  /** whether a category shows its own documents before or after the categories within it; default before */
  readonly documents?: "before" | "after" | undefined;
  /** where documents without a value for a category stand, or that they are left out; default last */
  readonly uncategorised?: "first" | "last" | "hidden" | undefined;
  /** a BCP 47 tag for the order of texts; the default is the reader's own */
  readonly locale?: string | undefined;
}

/** What a column reads. */
export type ColumnSource = { readonly expr: Expression } | { readonly meta: MetaField };

interface ColumnBase {
  readonly name: string;
  readonly of: ColumnSource;
}

/** A column by which documents are grouped. */
export interface CategoryColumn extends ColumnBase {
  readonly role: "category";
  readonly order: "asc" | "desc";
  readonly separator: string | null;
}

interface SortedColumn extends ColumnBase {
  readonly role: "sorted";
  readonly order: "asc" | "desc";
  readonly isHidden: boolean;
}

interface DisplayColumn extends ColumnBase {
  readonly role: "display";
}

/** A column that is summed up. */
export interface TotalColumn {
  readonly role: "total";
  readonly name: string;
  /** `undefined`: the document itself */
  readonly of: ColumnSource | undefined;
  readonly total: TotalFunction;
}

/** One column of a view, complete. */
export type Column = CategoryColumn | SortedColumn | DisplayColumn | TotalColumn;

/** A view, complete: what `parseViewDefinition` gives. */
export interface ViewDefinition {
  readonly columns: readonly Column[];
  readonly filter: Expression | undefined;
  readonly documents: "before" | "after";
  readonly uncategorised: "first" | "last" | "hidden";
  readonly locale: string | undefined;
}

/** What a view may cost. */
export const viewLimits = {
  columns: 64,
  nameLength: 256,
  sources: 32,
  /** levels that one text is cut into; the rest stays one text */
  segments: 16,
  /** levels of categories altogether */
  levels: 32,
  /** categories of one document; more are left out */
  placements: 256,
  /** rows that are read at a time */
  window: 1000,
  /** keys in the state of a view, each of those kinds */
  stateKeys: 10_000,
  keyLength: 16 * 1024,
} as const;
