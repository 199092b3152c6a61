/**
 * Edits and marks of one database's documents, from a draft to the changes that are to be written.
 *
 * An actor's changes form a chain, so one nonce writes to a document on one line only: whoever turns from the document to a branch of
 * it, or back, draws a fresh one first. Nothing follows an empty change under its nonce: behind an actor's last change Automerge takes
 * the actor up again where that change has no operations, as if it were not there.
 */
import { CofferError, type DbId, type DocId } from "../std/index.ts";
import { summarizeValue, type DocChange, type OpenDoc } from "../doc/index.ts";
import type { DraftOperation } from "../draft/index.ts";
import { deriveActorId, entryLimits, type ContentKey } from "../entry/index.ts";
import { branchOf, lineHeads, type Line } from "./branches.ts";
import type { Catalog, CatalogDoc } from "./catalog.ts";
import type { TenantCore } from "./core.ts";
import type { Documents } from "./documents.ts";
import { KnownDocs } from "./known-docs.ts";
import { encodeNote, type Note } from "./note.ts";
import type { PreparedChange, PreparedEdit } from "./prepared-edit.ts";
import { requireRight } from "./rights.ts";
import type { CompiledShape } from "./shape.ts";
import type { Writer } from "./writer.ts";

/** An edit of a document. */
export interface LineEdit {
  readonly operations: readonly DraftOperation[];
  readonly shape?: CompiledShape | undefined;
  /** the document itself when left out */
  readonly line?: Line | undefined;
  /** what it is for, beside its branch */
  readonly note?: Note;
}

/** A change without operations. */
export interface Mark {
  readonly line: Line;
  readonly note: Note;
  readonly entryType?: "doc_change" | "doc_delete";
}

/** Prepares what is written to the documents of one database. */
export class EditDesk {
  readonly #core: TenantCore;
  readonly #dbId: DbId;
  readonly #documents: Documents;
  /** the lines that the nonce has written to, where it wrote */
  readonly #lines = new Map<DocId, Line>();
  /** documents with an edit that is not written yet, and that no handle holds */
  readonly #ahead = new Set<DocId>();
  readonly #known: KnownDocs;
  #nonce: Uint8Array | undefined;

  constructor(core: TenantCore, dbId: DbId, documents: Documents) {
    this.#core = core;
    this.#dbId = dbId;
    this.#documents = documents;
    this.#known = new KnownDocs(core.world.codec);
  }

  get #catalog(): Catalog {
    return this.#core.catalog(this.#dbId);
  }

  get #writer(): Writer {
    return this.#core.writer(this.#dbId, this.#core.keys.identity);
  }

  /** Whether what was prepared before an edit at these heads is written first: it needs a fresh nonce, or a document that holds it. */
  needsOthersWritten(docId: DocId, base: readonly string[], line: Line = "main"): boolean {
    const isAhead = this.#ahead.has(docId);
    return isAhead || base.length > entryLimits.dependencies || this.#isOnOther(docId, line);
  }

  /** Replay an edit on a document, in memory. `base` are the heads it was recorded upon. @throws `doc/deleted`, `access/denied`, `input/invalid` */
  async edit(docId: DocId, edit: LineEdit, base: readonly string[]): Promise<PreparedEdit> {
    const line = edit.line ?? "main";
    // Its commit's key is derived by other threads meanwhile.
    this.#writer.prepare(this.#core.currentKeyOf(this.#requireEditable(docId).keyId));
    const written = this.#editKnown(docId, edit, base);
    if (written !== undefined) return written;
    const { doc, key } = await this.#open(docId, line);
    this.#turnTo(docId, line);
    const { joins, heads: baseHeads } = this.#join({ docId, line }, doc, base);
    try {
      const replay = doc.replay({
        operations: fitted(doc, edit, baseHeads),
        baseHeads,
        actor: this.actor(docId),
        timeMs: this.#core.nowMs(),
        note: noteOn(line, edit.note),
      });
      const changes = [...joins, ...replay.changes].map((change) => prepared(change));
      return this.#prepared({ docId, line }, doc, { key, changes, replay, endsNonce: joins.length > 0 });
    } catch (error) {
      // A replay that fails leaves the document as it was, but for the joins before it: they go with the handle.
      if (joins.length > 0) this.#documents.drop(docId, line);
      throw error;
    }
  }

  /**
   * An edit of a document that was created, and since then only had fields set, where it can be written without Automerge: the document
   * is not opened for it. `undefined` for any other.
   */
  #editKnown(docId: DocId, edit: LineEdit, base: readonly string[]): PreparedEdit | undefined {
    const doc = requireDoc(this.#catalog, docId);
    const isPlain = (edit.line ?? "main") === "main" && edit.shape === undefined && edit.note === undefined;
    if (!isPlain || this.#ahead.has(docId) || !this.#catalog.isRead(docId)) return undefined;
    if (base.length !== 1 || base[0] !== doc.heads[0] || this.#documents.peek(docId) !== undefined)
      return undefined;
    const known = this.#known.find(doc);
    if (known === undefined) return undefined;
    this.#turnTo(docId, "main");
    const { codec } = this.#core.world;
    const { operations } = edit;
    const timeMs = this.#core.nowMs();
    const written = codec.encodeEdit(known, { operations, actor: this.actor(docId), timeMs });
    if (written === undefined) return undefined;
    const { after, change } = written;
    const heads = [change.hash];
    this.#ahead.add(docId);
    this.#known.note(docId, after);
    return {
      docId,
      key: this.#core.currentKeyOf(doc.keyId),
      changes: [prepared(change)],
      replay: { changes: [change], heads, draftHeads: heads },
      summary: summarizeValue(after.value),
      endsNonce: false,
      unpin: () => this.#ahead.delete(docId),
    };
  }

  /**
   * The same for edits without a shape or a note of their own, each recorded upon the one before. All of them fit, or none is there.
   * There are no more `baseHeads` than an entry can depend on.
   */
  async editChain(
    docId: DocId,
    { line, drafts }: { readonly line: Line; readonly drafts: readonly (readonly DraftOperation[])[] },
    baseHeads: readonly string[],
  ): Promise<readonly PreparedEdit[]> {
    this.#requireEditable(docId);
    const { doc, key } = await this.#open(docId, line);
    this.#turnTo(docId, line);
    const actor = this.actor(docId);
    const replays = doc.replayChain({
      drafts,
      baseHeads,
      actor,
      timeMs: this.#core.nowMs(),
      note: noteOn(line),
    });
    const summary = summaryOn(line, doc);
    return replays.map((replay) => ({
      docId,
      key,
      changes: replay.changes.map((change) => prepared(change)),
      replay,
      summary,
      endsNonce: false,
      unpin: this.#documents.pin(docId, line),
    }));
  }

  /** Add an empty change on all heads of a line. */
  async mark(docId: DocId, mark: Mark): Promise<PreparedEdit> {
    const { line, entryType = "doc_change" } = mark;
    requireRight(this.#core, { dbId: this.#dbId, entryType, doc: requireDoc(this.#catalog, docId) });
    const { doc, key } = await this.#open(docId, line);
    this.#turnTo(docId, line);
    const { joins } = this.#join({ docId, line }, doc, doc.heads);
    const last = doc.emptyChange({
      actor: this.actor(docId),
      timeMs: this.#core.nowMs(),
      note: noteOn(line, mark.note),
    });
    const changes = [...joins.map((join) => prepared(join)), prepared(last, entryType)];
    const { heads } = doc;
    const replay = { changes: changes.map(({ change }) => change), heads, draftHeads: heads };
    return this.#prepared({ docId, line }, doc, { key, changes, replay, endsNonce: true });
  }

  /** Nothing of a document that it knows stays in memory. */
  forget(docId: DocId): void {
    this.#known.forget(docId);
  }

  /** The actor that changes of a document are written under now. */
  actor(docId: DocId): string {
    const author = this.#core.keys.identity.publicIdentity.signingKey;
    return deriveActorId(this.#core.world.crypto, { author, writerNonce: this.#writer.nonce, docId });
  }

  /** A line to be written to, with its key. A branch that is not open is as good as deleted. */
  async #open(docId: DocId, line: Line): Promise<{ readonly doc: OpenDoc; readonly key: ContentKey }> {
    const { entries, isBranched, keyId } = requireDoc(this.#catalog, docId);
    const isThere = branchOf(line) === undefined || this.#documents.peek(docId, line) !== undefined;
    if (!isThere && !(isBranched && lineHeads(entries, line).length > 0))
      throw new CofferError("doc/deleted", { docId, branch: branchOf(line) });
    const key = this.#core.currentKeyOf(keyId);
    return { doc: await this.#documents.load(docId, line), key };
  }

  #prepared(
    { docId, line }: { readonly docId: DocId; readonly line: Line },
    doc: OpenDoc,
    edit: Pick<PreparedEdit, "key" | "changes" | "replay" | "endsNonce">,
  ): PreparedEdit {
    return {
      docId,
      summary: summaryOn(line, doc),
      unpin: this.#documents.pin(docId, line),
      ...edit,
    };
  }

  /**
   * More heads than an entry can depend on are joined first, by empty changes in a chain. They stand on these heads alone, so that the
   * edit still stands on what its author saw.
   */
  #join(
    { docId, line }: { readonly docId: DocId; readonly line: Line },
    doc: OpenDoc,
    base: readonly string[],
  ): { joins: readonly DocChange[]; heads: readonly string[] } {
    const joins: DocChange[] = [];
    let heads = base;
    // A join stands on some heads only, and its actor must have written nothing outside of them.
    if (heads.length > entryLimits.dependencies) this.#writer.rotate();
    while (heads.length > entryLimits.dependencies) {
      const at = heads.slice(0, entryLimits.dependencies);
      const timeMs = this.#core.nowMs();
      const join = doc.emptyChange({ actor: this.actor(docId), timeMs, at, note: noteOn(line) });
      joins.push(join);
      heads = [join.hash, ...heads.slice(entryLimits.dependencies)];
    }
    return { joins, heads };
  }

  /** @throws `doc/missing`, `doc/deleted`, `access/denied` */
  #requireEditable(docId: DocId): CatalogDoc {
    const doc = requireDoc(this.#catalog, docId);
    if (doc.isDeleted) throw new CofferError("doc/deleted", { docId });
    requireRight(this.#core, { dbId: this.#dbId, entryType: "doc_change", doc });
    return doc;
  }

  #isOnOther(docId: DocId, line: Line): boolean {
    if (this.#nonce !== this.#writer.nonce) return false;
    return (this.#lines.get(docId) ?? line) !== line;
  }

  #turnTo(docId: DocId, line: Line): void {
    if (this.#isOnOther(docId, line)) this.#writer.rotate();
    if (this.#nonce !== this.#writer.nonce) this.#lines.clear();
    this.#nonce = this.#writer.nonce;
    this.#lines.set(docId, line);
  }
}

function prepared(change: DocChange, entryType: PreparedChange["entryType"] = "doc_change"): PreparedChange {
  return { change, entryType };
}

function summaryOn(line: Line, doc: OpenDoc): PreparedEdit["summary"] {
  return line === "main" ? summarizeValue(doc.value) : undefined;
}

function noteOn(line: Line, note: Note = {}): string {
  const branch = branchOf(line);
  const whole: Note = branch === undefined ? note : { ...note, branch };
  return Object.keys(whole).length === 0 ? "" : encodeNote(whole);
}

/** The operations of an edit, behind what its shape has to write before. */
function fitted(
  doc: OpenDoc,
  { operations, shape }: LineEdit,
  baseHeads: readonly string[],
): readonly DraftOperation[] {
  if (shape === undefined) return operations;
  const isAtHeads =
    baseHeads.length === doc.heads.length && baseHeads.every((head) => doc.heads.includes(head));
  const value = isAtHeads ? doc.value : doc.valueAt(baseHeads);
  return [...shape.operationsBefore(value, operations), ...operations];
}

/** A document of the catalog. @throws `doc/missing` */
export function requireDoc(catalog: Catalog, docId: DocId): CatalogDoc {
  const entry = catalog.get(docId);
  if (entry === undefined) throw new CofferError("doc/missing", { docId });
  return entry;
}
