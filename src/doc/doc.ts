/**
 * Documents from changes: the only room that touches Automerge.
 *
 * Guarantees
 * - A1 Automerge is loaded on first need, never before (`loadAutomerge`), and every handle is freed
 * - A2 a change is applied only after its chunk was checked: uncompressed, one chunk, hash, limits of size, depth and string length
 * - A3 nothing here throws for a bad change: it is a verdict, and the others of its batch are applied
 */
import type { DocValue, DraftOperation, DraftValue } from "../draft/index.ts";

/** A change as Automerge wrote it, with what its header says. Hashes and actors are lower-case hex, Automerge's own form. */
export interface DocChange {
  /** one uncompressed change chunk */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly hash: string;
  readonly actor: string;
  readonly seq: number;
  readonly deps: readonly string[];
}

export type ChangeVerdict =
  | { readonly kind: "change"; readonly change: DocChange }
  | { readonly kind: "bad"; readonly reason: "malformed" | "compressed" | "limit" };

/**
 * Bounds of one change. `operations` counts neither characters, which are bounded by the bytes they take, nor deletions, of which
 * there are at most `stringBytes`.
 */
export const changeLimits = {
  bytes: 256 * 1024,
  depth: 64,
  stringBytes: 256 * 1024,
  operations: 20_000,
} as const;

export interface ApplyResult {
  /** with those that were here already */
  readonly applied: readonly DocChange[];
  /** their dependencies are not all here */
  readonly waiting: readonly DocChange[];
  readonly rejected: readonly {
    readonly change: DocChange;
    readonly reason: "conflicting-seq" | "not-applicable" | "limit";
  }[];
}

export interface ReplayResult {
  /** new changes since before, in order; usually one, none when the edit changed nothing */
  readonly changes: readonly DocChange[];
  /** heads of the document now */
  readonly heads: readonly string[];
  /** heads of the branch the draft was recorded on, with the draft: the base of the next draft of the same page */
  readonly draftHeads: readonly string[];
}

/** An Automerge document in wasm memory. Single use: closed once, then every call is a bug. */
export interface OpenDoc {
  readonly heads: readonly string[];
  /** frozen plain data at the current heads */
  readonly value: { readonly [key: string]: DocValue };
  applyChanges(changes: readonly DocChange[]): ApplyResult;
  /** Run a recorded draft at `baseHeads` under `actor`. @throws input/invalid when an operation does not fit the document */
  replay(draft: {
    operations: readonly DraftOperation[];
    baseHeads: readonly string[];
    actor: string;
    timeMs: number;
  }): ReplayResult;
  /**
   * An empty change on the current heads, or on those of `at` alone: a deletion, an undeletion, a join. Behind the current heads
   * `actor` must be one whose changes are all in the past of `at`. @throws input/invalid
   */
  emptyChange(options: { actor: string; timeMs: number; at?: readonly string[] }): DocChange;
  hasHeads(heads: readonly string[]): boolean;
  save(): Uint8Array<ArrayBuffer>;
  close(): void;
}

/** The loaded library. */
export interface DocEngine {
  /** An empty document without an actor's change. */
  createDoc(): OpenDoc;
  /** The first change of a document from a plain value, with its plain reading. */
  encodeInitial(options: { value: DraftValue; actor: string; timeMs: number }): {
    change: DocChange;
    value: { readonly [key: string]: DocValue };
  };
  /** Judge untrusted bytes as one change chunk. */
  parseChange(bytes: Uint8Array): ChangeVerdict;
}
