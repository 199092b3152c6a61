/**
 * The language of edits, as plain data that crosses threads.
 *
 * An edit function runs on the page over a recording proxy; what it does becomes a list of operations against the document as the
 * page shows it. The worker replays the list at the same heads inside Automerge. Oracle: recording and replaying equals running
 * the same function inside `Automerge.change`.
 */

/** Steps from the root: keys of maps, indexes of lists. */
export type Path = readonly (string | number)[];

/** A value as it is recorded: what structured cloning keeps, with counters, atomic strings and what was moved tagged. */
export type DraftValue =
  | null
  | boolean
  | number
  | string
  | Date
  | Uint8Array
  | TaggedValue
  | readonly DraftValue[]
  | { readonly [key: string]: DraftValue };

/**
 * Wraps the values that plain data cannot tell apart. It is a Map, so that no document value can look like one. What is moved
 * equals, as plain data, what the same edit took out of the document, and has its counters, atomic strings and marks.
 */
export type TaggedValue = ReadonlyMap<"counter" | "atomic" | "moved", DraftValue>;

export type DraftOperation =
  | { readonly op: "set"; readonly path: Path; readonly value: DraftValue }
  | { readonly op: "delete"; readonly path: Path }
  /** list: remove `remove` elements at `index`, insert `values` */
  | {
      readonly op: "splice";
      readonly path: Path;
      readonly index: number;
      readonly remove: number;
      readonly values: readonly DraftValue[];
    }
  /** text, in UTF-16 units */
  | {
      readonly op: "spliceText";
      readonly path: Path;
      readonly index: number;
      readonly remove: number;
      readonly insert: string;
    }
  | { readonly op: "updateText"; readonly path: Path; readonly value: string }
  | { readonly op: "increment"; readonly path: Path; readonly by: number }
  | {
      readonly op: "mark";
      readonly path: Path;
      readonly range: {
        readonly start: number;
        readonly end: number;
        readonly expand?: "before" | "after" | "both" | "none";
      };
      readonly name: string;
      readonly value: null | boolean | number | string;
    }
  | {
      readonly op: "unmark";
      readonly path: Path;
      readonly range: {
        readonly start: number;
        readonly end: number;
        readonly expand?: "before" | "after" | "both" | "none";
      };
      readonly name: string;
    };

export const draftLimits = { operations: 20_000, bytes: 256 * 1024, depth: 64 } as const;

/** A plain document value as reading gives it: frozen, structurally shared between versions. */
export type DocValue =
  | null
  | boolean
  | number
  | string
  | Date
  | Uint8Array
  | readonly DocValue[]
  | { readonly [key: string]: DocValue };

/** What a recorded edit gives: the operations, and the value the page shows at once. */
export interface RecordedDraft<T> {
  readonly operations: readonly DraftOperation[];
  /** frozen; unchanged branches are the same objects as in the base */
  readonly optimistic: T;
}

/**
 * What differs between two versions of a document: the language of edits with plain values. In order, each path as the ones before
 * leave the document. Marks stand in those of histories and comparisons only: they are no part of a value.
 */
export type Patch =
  | { readonly op: "set"; readonly path: Path; readonly value: DocValue }
  | { readonly op: "delete"; readonly path: Path }
  | {
      readonly op: "splice";
      readonly path: Path;
      readonly index: number;
      readonly remove: number;
      readonly values: readonly DocValue[];
    }
  | {
      readonly op: "spliceText";
      readonly path: Path;
      readonly index: number;
      readonly remove: number;
      readonly insert: string;
    }
  | Extract<DraftOperation, { readonly op: "mark" | "unmark" }>;

/** A mark of a text: a span of UTF-16 units with a name and a value. */
export interface Mark {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  readonly value: null | boolean | number | string;
}
