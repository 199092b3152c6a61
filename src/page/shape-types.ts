/** The shape that an application gives a database: its schema, its defaults and its migrations. */
import type { Expression, FieldPath } from "../expr/index.ts";

/** The part of a Standard Schema (zod, valibot, arktype and others) that is used. */
export interface StandardSchema<T = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult | Promise<StandardResult>;
    readonly types?: { readonly input: T; readonly output: unknown } | undefined;
  };
}

export type StandardResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

/**
 * One step to a newer version: what becomes of a document of version `to - 1`. Fields that it computes are added at the top
 * level; none is taken away, so that older clients go on with theirs.
 */
export interface Migration {
  readonly to: number;
  /** computed from the document as the version before has it; a value of `undefined` adds nothing */
  readonly set: { readonly [field: string]: Expression };
}

export interface OpenDatabaseOptions<T extends object> {
  readonly schema?: StandardSchema<T>;
  /** of the shape of documents, from 1; the highest `to` of the migrations when left out */
  readonly version?: number;
  /** shown for fields that are missing, and written with new documents */
  readonly defaults?: Partial<T>;
  readonly migrations?: readonly Migration[];
  /**
   * Fields by which queries filter often, `"address.city"` or their steps; at most 16. Their indexes are there from the first query
   * on; for others one is made when queries ask for them again.
   */
  readonly indexes?: readonly (string | FieldPath)[];
}
