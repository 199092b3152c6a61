/**
 * Documents from changes: the only room that touches Automerge.
 *
 * Guarantees
 * - A1 Automerge is loaded on first need, never before (`loadAutomerge`), and every handle is freed
 * - A2 a change is applied only after its chunk was checked: uncompressed, one chunk, hash, limits of size, depth and string length
 * - A3 nothing here throws for a bad change: it is a verdict, and the others of its batch are applied
 */
import type { DocValue, DraftOperation, DraftValue, Mark, Patch, Path } from "../draft/index.ts";

/** A change as Automerge wrote it, with what its header says. Hashes and actors are lower-case hex, Automerge's own form. */
export interface DocChange {
  /** one uncompressed change chunk */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly hash: string;
  readonly actor: string;
  readonly seq: number;
  readonly deps: readonly string[];
  /** Automerge's message, "" when there is none; at most `changeLimits.noteBytes` */
  readonly note: string;
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
  noteBytes: 256,
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
    note?: string;
  }): ReplayResult;
  /**
   * The same for drafts of which the first was recorded at `baseHeads` and each of the others upon the one before: each is a change of
   * its own, but the document is renewed once. All of them are taken in, or none. `heads` are those after all of them.
   */
  replayChain(chain: {
    drafts: readonly (readonly DraftOperation[])[];
    baseHeads: readonly string[];
    actor: string;
    timeMs: number;
    note?: string;
  }): readonly ReplayResult[];
  /**
   * An empty change on the current heads, or on those of `at` alone: a deletion, an undeletion, a join. Behind the current heads
   * `actor` must be one whose changes are all in the past of `at`. @throws input/invalid
   */
  emptyChange(options: { actor: string; timeMs: number; at?: readonly string[]; note?: string }): DocChange;
  hasHeads(heads: readonly string[]): boolean;
  /** Frozen plain data as of earlier heads. @throws input/invalid for heads that are not here */
  valueAt(heads: readonly string[]): { readonly [key: string]: DocValue };
  /** What turns the version of `before` into that of `after`, marks included. @throws input/invalid */
  diff(before: readonly string[], after: readonly string[]): readonly Patch[];
  /**
   * What takes back the changes between `before` and `after`, to be replayed at `after`. Text and list elements that others added
   * since stay; a field that someone has written since is left out, so that the taking back never wins over a newer edit.
   */
  inverse(before: readonly string[], after: readonly string[]): readonly DraftOperation[];
  /** Marks of the text at `path`, by start. @throws input/invalid where there is no text */
  marks(path: Path): readonly Mark[];
  /** All of it, for {@link DocEngine.loadDoc}: Automerge's save, and what judging later changes needs. Local only, never untrusted. */
  save(): Uint8Array<ArrayBuffer>;
  /** Automerge's save with its columns as they are, for {@link DocEngine.readSnapshot} of others. */
  snapshot(): Uint8Array<ArrayBuffer>;
  close(): void;
}

/** A document that was created and never edited. */
export interface CreatedDoc {
  /** the plain reading of the document */
  readonly value: { readonly [key: string]: DocValue };
  /** its first change, and when its commit was made */
  readonly created: { readonly hash: string; readonly actor: string; readonly atMs: number };
}

/** A document of which every operation is known without Automerge: it was created, and since then fields of it were set. */
export interface KnownDoc {
  /** the plain reading of the document */
  readonly value: { readonly [key: string]: DocValue };
  /** the hash of its last change */
  readonly head: string;
  /** the number of its last operation */
  readonly lastOp: number;
  /** what made the value that a field shows */
  readonly fields: ReadonlyMap<string, { readonly actor: string; readonly counter: number }>;
  /** the last change of each actor */
  readonly lasts: ReadonlyMap<string, { readonly seq: number; readonly hash: string }>;
}

/** An edit upon a {@link KnownDoc}. */
export interface KnownEdit {
  readonly operations: readonly DraftOperation[];
  readonly actor: string;
  readonly timeMs: number;
}

/** What needs no wasm: present from the first line on. */
export interface ChangeCodec {
  /**
   * The first change of a document from a plain value, with its plain reading.
   * @throws input/too-large over the limits of a change
   */
  encodeCreate(options: { value: DraftValue; actor: string; timeMs: number }): {
    readonly change: DocChange;
    readonly value: { readonly [key: string]: DocValue };
  };
  /**
   * The document that a first change alone makes, as {@link OpenDoc.value} would show it; `undefined` for what only Automerge reads
   * (dependencies, deletions, marks, several values of a field).
   */
  decodeCreate(change: DocChange): { readonly [key: string]: DocValue } | undefined;
  /** A document's first change, written once more from its value; `undefined` when that is not the change it was made by. */
  writeAgain(document: CreatedDoc): DocChange | undefined;
  /** What is known of a document that was created and never edited; `undefined` when it shows less than it was made of. */
  knowCreated(document: CreatedDoc): KnownDoc | undefined;
  /**
   * What {@link OpenDoc.replay} would write of an edit that sets fields of a known document to plain values, and what is known of the
   * document then; `undefined` for every other edit.
   */
  encodeEdit(
    known: KnownDoc,
    edit: KnownEdit,
  ): { readonly change: DocChange; readonly after: KnownDoc } | undefined;
  /** Judge untrusted bytes as one change chunk. Never throws. The change keeps them: they are its own from then on. */
  parseChange(bytes: Uint8Array): ChangeVerdict;
}

/** The loaded library. */
export interface DocEngine extends ChangeCodec {
  /** An empty document without an actor's change. */
  createDoc(): OpenDoc;
  /** A document from what {@link OpenDoc.save} gave; `undefined` when it is damaged or of another version. */
  loadDoc(saved: Uint8Array): OpenDoc | undefined;
  /**
   * The changes that a synced snapshot holds, judged in a scratch document that is freed. Untrusted: over `changeLimits` in any of
   * them, or in all of it, it is `undefined`.
   */
  readSnapshot(bytes: Uint8Array): readonly DocChange[] | undefined;
}
