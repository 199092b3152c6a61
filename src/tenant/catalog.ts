/**
 * The catalog of one database: for each document its accepted entries, heads and summary. In memory; derived from the log.
 *
 * Guarantees
 * - C1 it holds accepted entries only; removing one and adding it again gives the same state
 * - C2 `heads` are the change hashes that no other change of the document itself depends on
 * - C3 a document is deleted while some `doc_delete` has no `doc_change` after it
 * - C4 no two of a document's entries have one actor and sequence number, and each follows the one before it in its own past
 * - C5 value, heads, deletion and last change are those of the document itself: what stands on a branch alone shows in its branch
 *      only, see branches.ts
 */
import { assert, type AuthorKey, type DocId, type EntryHash, type KeyId } from "../std/index.ts";
import type { DocValue } from "../draft/index.ts";
import { linesOf, mainHeadsOf, taggedBranch } from "./branches.ts";
import { currentHeads, isDocDeleted } from "./doc-fold.ts";
import { findChange } from "./find-entry.ts";
import type { PageDoc } from "./catalog-codec.ts";
import { EntryJournal, type ActorsAt } from "./entry-journal.ts";
import { PageStamps } from "./page-stamps.ts";
import { restoreDoc } from "./restored-doc.ts";

export type DocumentEntryType = "doc_create" | "doc_change" | "doc_delete";

/** An accepted entry of a document: where it is in the log, and what its change is called. */
export interface AcceptedEntry {
  readonly position: number;
  readonly entryIndex: number;
  readonly entryHash: EntryHash;
  /** Automerge's hash of the change, hex */
  readonly changeHash: string;
  /** indexes into the document's entries */
  readonly dependencies: readonly number[];
  readonly entryType: DocumentEntryType;
  /** Automerge's actor, hex, and its count of changes in this document */
  readonly actor: string;
  readonly seq: number;
  /** the message of the change, as it is; kept in pages: branches and undo are read from it, see note.ts */
  readonly note: string;
  /** when its commit was made, by its author's clock; kept in pages: undo and time travel order by it */
  readonly atMs: number;
  /** a change without operations: a deletion, a join, a mark. Kept in pages: it is no edit that can be undone */
  readonly isEmpty: boolean;
}

export interface Summary {
  readonly value: { readonly [key: string]: DocValue };
  readonly isWhole: boolean;
}

export interface CatalogDoc {
  readonly docId: DocId;
  /** its number in this catalog, never given twice: what the journal of entries calls it */
  readonly number: number;
  readonly keyId: KeyId;
  readonly createdBy: AuthorKey;
  readonly createdAtMs: number;
  changedBy: AuthorKey;
  changedAtMs: number;
  entries: AcceptedEntry[];
  heads: string[];
  isDeleted: boolean;
  /** some entry was written on a branch. Kept in pages: without it nobody looks at the notes */
  isBranched: boolean;
  /** `undefined` until the document was read once */
  summary: Summary | undefined;
}

/** What an accepted entry says, for {@link Catalog.accept}. */
export interface NewEntry {
  readonly docId: DocId;
  readonly keyId: KeyId;
  readonly author: AuthorKey;
  readonly atMs: number;
  readonly entryType: DocumentEntryType;
  readonly position: number;
  readonly entryIndex: number;
  readonly entryHash: EntryHash;
  readonly changeHash: string;
  /** the change's own dependencies, by hash: all accepted */
  readonly dependencyHashes: readonly string[];
  readonly actor: string;
  readonly seq: number;
  readonly note: string;
  readonly isEmpty: boolean;
}

export const catalogPageSize = 256;

type Page = Uint8Array<ArrayBuffer>;

/** The documents of one database, in memory, with the pages that changed. */
export class Catalog {
  readonly #docs = new Map<DocId, CatalogDoc>();
  /** by the documents' numbers */
  readonly #pageOf: (number | undefined)[] = [];
  readonly #pages: CatalogDoc[][] = [];
  readonly #dirtyPages = new Set<number>();
  /** what its pages are known by that are as they were sealed */
  readonly stamps = new PageStamps();
  readonly #unread = new Set<DocId>();
  /** every entry that was accepted, in order: what is kept of them */
  readonly journal: EntryJournal;
  /** hear of every document that is changed, added or removed: while it happens, so that they only note it */
  readonly listeners = new Set<(doc: CatalogDoc) => void>();
  #nextNumber = 0;
  #livingCount = 0;

  /** `actorsAt`: what need not be kept of accepted entries, see entry-journal.ts */
  constructor(actorsAt?: ActorsAt) {
    this.journal = new EntryJournal(actorsAt);
  }

  get(docId: DocId): CatalogDoc | undefined {
    return this.#docs.get(docId);
  }

  /** All documents, deleted ones included, in the order they came. */
  values(): IterableIterator<CatalogDoc> {
    return this.#docs.values();
  }

  get size(): number {
    return this.#docs.size;
  }

  /** Documents that exist and are not deleted. */
  get livingCount(): number {
    return this.#livingCount;
  }

  /** Take in an accepted entry whose dependencies are all here. */
  accept(entry: NewEntry): CatalogDoc {
    let doc = this.#docs.get(entry.docId);
    if (doc === undefined) {
      assert(entry.entryType === "doc_create", "C1: the first accepted entry of a document creates it");
      doc = createDoc(entry, this.#nextNumber);
      this.#place(doc);
    }
    const dependencies = entry.dependencyHashes.map((hash) => {
      const index = findChange(doc, hash);
      assert(index >= 0, "C1: dependencies come first");
      return index;
    });
    // Read first: those of a restored document are made of its entries when they are first asked for.
    const { heads, isDeleted: wasDeleted } = doc;
    doc.entries.push({
      position: entry.position,
      entryIndex: entry.entryIndex,
      entryHash: entry.entryHash,
      changeHash: entry.changeHash,
      dependencies,
      entryType: entry.entryType,
      actor: entry.actor,
      seq: entry.seq,
      note: entry.note,
      atMs: entry.atMs,
      isEmpty: entry.isEmpty,
    });
    this.journal.add(doc);
    this.touch(entry.docId);
    if (taggedBranch(entry) !== undefined) {
      // Nothing follows it yet: it is its branch's alone.
      doc.isBranched = true;
      return doc;
    }
    this.#unread.add(entry.docId);
    doc.heads = doc.isBranched
      ? mainHeadsOf(linesOf(doc.entries))
      : [...heads.filter((hash) => !entry.dependencyHashes.includes(hash)), entry.changeHash].sort();
    // A change that arrives on a living document cannot delete it, and one that follows a deletion comes after it.
    if (doc.isDeleted || entry.entryType === "doc_delete") doc.isDeleted = isDocDeleted(doc);
    this.#countLiving(wasDeleted, doc.isDeleted);
    if (entry.atMs >= doc.changedAtMs) {
      doc.changedAtMs = entry.atMs;
      doc.changedBy = entry.author;
    }
    return doc;
  }

  setSummary(docId: DocId, summary: Summary): void {
    const doc = this.#docs.get(docId);
    if (doc === undefined) return;
    doc.summary = summary;
    this.#unread.delete(docId);
    this.touch(docId);
  }

  /** Whether a document's summary shows all of its entries. */
  isRead(docId: DocId): boolean {
    return !this.#unread.has(docId);
  }

  /** Documents whose summary does not show all of their entries yet. */
  unread(): readonly DocId[] {
    return [...this.#unread];
  }

  /**
   * Take entries out of a document, with all that depend on them; a document without its first entry is gone.
   *
   * @returns what was taken out
   */
  withdraw(docId: DocId, hashes: ReadonlySet<EntryHash>): readonly AcceptedEntry[] {
    const doc = this.#docs.get(docId);
    if (doc === undefined) return [];
    const places = new Map<number, number>();
    const kept: AcceptedEntry[] = [];
    const withdrawn: AcceptedEntry[] = [];
    doc.entries.forEach((entry, index) => {
      const dependencies = entry.dependencies.map((dependency) => places.get(dependency) ?? -1);
      if (hashes.has(entry.entryHash) || dependencies.includes(-1)) withdrawn.push(entry);
      else {
        places.set(index, kept.length);
        kept.push({ ...entry, dependencies });
      }
    });
    if (withdrawn.length === 0) return [];
    this.touch(docId);
    doc.entries = kept;
    doc.isBranched = kept.some((entry) => taggedBranch(entry) !== undefined);
    doc.heads = currentHeads(doc);
    const wasDeleted = doc.isDeleted;
    doc.isDeleted = isDocDeleted(doc);
    this.#countLiving(wasDeleted, doc.isDeleted);
    this.journal.restart(doc, kept.length + withdrawn.length);
    doc.summary = undefined;
    this.#unread.add(docId);
    if (kept.length === 0) this.#remove(docId);
    return withdrawn;
  }

  /** Mark a document and its page as changed. */
  touch(docId: DocId): void {
    const doc = this.#docs.get(docId);
    const page = doc && this.#pageOf[doc.number];
    if (doc === undefined || page === undefined) return;
    this.#dirtyPages.add(page);
    this.stamps.drop(page);
    for (const hear of this.listeners) hear(doc);
  }

  #countLiving(wasDeleted: boolean, isDeletedNow: boolean): void {
    this.#livingCount += Number(wasDeleted) - Number(isDeletedNow);
  }

  /**
   * Put documents back from their pages: they have summaries then, and no entries.
   *
   * @param stamps what the pages are known by
   * @returns what puts the chunks of their entries behind them, and says whether these fit; `undefined` when the pages do not fit together
   */
  load(
    pages: readonly (readonly PageDoc[])[],
    stamps: readonly (string | undefined)[] = [],
  ): ((chunks: readonly Page[]) => boolean) | undefined {
    const docs = pages.flat();
    for (const [page, own] of pages.entries()) {
      this.#pages.push([]);
      for (const one of own) {
        this.#place(restoreDoc(one, this.journal), page);
        if (!one.isRead) this.#unread.add(one.docId);
      }
      this.stamps.put(page, stamps[page], this.stamps.changeCount(page));
    }
    if (this.#docs.size !== docs.length) return undefined;
    return (chunks) =>
      this.journal.load(chunks, this.#nextNumber) &&
      docs.every(
        ({ number, entryCount }) => entryCount > 0 && entryCount === this.journal.loadedCount(number),
      );
  }

  dirtyPages(): readonly number[] {
    return [...this.#dirtyPages];
  }

  markClean(): void {
    this.#dirtyPages.clear();
  }

  markAllDirty(): void {
    this.journal.markAllDirty();
    for (let page = 0; page < this.#pages.length; page++) this.#dirtyPages.add(page);
  }

  get pageCount(): number {
    return this.#pages.length;
  }

  /** The chunks of the journal that changed, once: they count as clean then. */
  takeDirtyChunks(): ReturnType<EntryJournal["takeDirty"]> {
    if (this.journal.isWasteful) this.journal.rewrite(this.#docs.values());
    return this.journal.takeDirty();
  }

  page(page: number): readonly CatalogDoc[] {
    return this.#pages[page] ?? [];
  }

  #remove(docId: DocId): void {
    const doc = this.#docs.get(docId);
    if (doc === undefined) return;
    const page = this.#pageOf[doc.number];
    if (page !== undefined) this.#pages[page] = (this.#pages[page] ?? []).filter((other) => other !== doc);
    this.#pageOf[doc.number] = undefined;
    if (!doc.isDeleted) this.#livingCount -= 1;
    this.#docs.delete(docId);
    this.#unread.delete(docId);
  }

  #place(doc: CatalogDoc, page = openPage(this.#pages)): void {
    this.#pages[page]?.push(doc);
    this.#pageOf[doc.number] = page;
    this.#docs.set(doc.docId, doc);
    this.#dirtyPages.add(page);
    this.stamps.drop(page);
    this.#nextNumber = Math.max(this.#nextNumber, doc.number + 1);
    if (!doc.isDeleted) this.#livingCount += 1;
  }
}

/** The page that a new document comes into. */
function openPage(pages: CatalogDoc[][]): number {
  const last = pages.length - 1;
  return (pages[last]?.length ?? catalogPageSize) < catalogPageSize ? last : pages.push([]) - 1;
}

function createDoc(entry: NewEntry, number: number): CatalogDoc {
  return {
    docId: entry.docId,
    number,
    keyId: entry.keyId,
    createdBy: entry.author,
    createdAtMs: entry.atMs,
    changedBy: entry.author,
    changedAtMs: entry.atMs,
    entries: [],
    heads: [],
    isDeleted: false,
    isBranched: false,
    summary: undefined,
  };
}
