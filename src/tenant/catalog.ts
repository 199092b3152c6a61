/**
 * The catalog of one database: for each document its accepted entries, heads and summary. In memory; derived from the log.
 *
 * Guarantees
 * - C1 it holds accepted entries only; removing one and adding it again gives the same state
 * - C2 `heads` are the change hashes that no other accepted change of the document depends on
 * - C3 a document is deleted while some `doc_delete` has no `doc_change` after it
 */
import { assert, type AuthorKey, type DocId, type EntryHash, type KeyId } from "../std/index.ts";
import type { DocValue } from "../draft/index.ts";

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
}

export interface Summary {
  readonly value: { readonly [key: string]: DocValue };
  readonly isWhole: boolean;
}

export interface CatalogDoc {
  readonly docId: DocId;
  readonly keyId: KeyId;
  readonly createdBy: AuthorKey;
  readonly createdAtMs: number;
  changedBy: AuthorKey;
  changedAtMs: number;
  entries: AcceptedEntry[];
  heads: string[];
  isDeleted: boolean;
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
}

export const catalogPageSize = 256;

/** The documents of one database, in memory, with the pages that changed. */
export class Catalog {
  readonly #docs = new Map<DocId, CatalogDoc>();
  readonly #pageOf = new Map<DocId, number>();
  readonly #pages: DocId[][] = [];
  readonly #dirtyPages = new Set<number>();

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
    let count = 0;
    for (const doc of this.#docs.values()) if (!doc.isDeleted) count++;
    return count;
  }

  /** Take in an accepted entry whose dependencies are all here. */
  accept(entry: NewEntry): CatalogDoc {
    let doc = this.#docs.get(entry.docId);
    if (doc === undefined) {
      assert(entry.entryType === "doc_create", "C1: the first accepted entry of a document creates it");
      doc = createDoc(entry);
      this.#place(doc);
    }
    const dependencies = entry.dependencyHashes.map((hash) => {
      const index = findChange(doc, hash);
      assert(index >= 0, "C1: dependencies come first");
      return index;
    });
    doc.entries.push({
      position: entry.position,
      entryIndex: entry.entryIndex,
      entryHash: entry.entryHash,
      changeHash: entry.changeHash,
      dependencies,
      entryType: entry.entryType,
    });
    doc.heads = [
      ...doc.heads.filter((hash) => !entry.dependencyHashes.includes(hash)),
      entry.changeHash,
    ].sort();
    // A change that arrives on a living document cannot delete it, and one that follows a deletion comes after it.
    if (doc.isDeleted || entry.entryType === "doc_delete") doc.isDeleted = isDeleted(doc.entries);
    if (entry.atMs >= doc.changedAtMs) {
      doc.changedAtMs = entry.atMs;
      doc.changedBy = entry.author;
    }
    this.touch(entry.docId);
    return doc;
  }

  setSummary(docId: DocId, summary: Summary): void {
    const doc = this.#docs.get(docId);
    if (doc === undefined) return;
    doc.summary = summary;
    this.touch(docId);
  }

  /** Mark a document's page as changed. */
  touch(docId: DocId): void {
    const page = this.#pageOf.get(docId);
    if (page !== undefined) this.#dirtyPages.add(page);
  }

  /** Put a document read from a page back. */
  restore(doc: CatalogDoc): void {
    if (!this.#docs.has(doc.docId)) this.#place(doc);
  }

  dirtyPages(): readonly number[] {
    return [...this.#dirtyPages];
  }

  markClean(): void {
    this.#dirtyPages.clear();
  }

  markAllDirty(): void {
    for (let page = 0; page < this.#pages.length; page++) this.#dirtyPages.add(page);
  }

  get pageCount(): number {
    return this.#pages.length;
  }

  page(page: number): readonly CatalogDoc[] {
    const docs: CatalogDoc[] = [];
    for (const docId of this.#pages[page] ?? []) {
      const doc = this.#docs.get(docId);
      if (doc !== undefined) docs.push(doc);
    }
    return docs;
  }

  #place(doc: CatalogDoc): void {
    let page = this.#pages.length - 1;
    if (page < 0 || (this.#pages[page]?.length ?? 0) >= catalogPageSize) {
      this.#pages.push([]);
      page++;
    }
    this.#pages[page]?.push(doc.docId);
    this.#pageOf.set(doc.docId, page);
    this.#docs.set(doc.docId, doc);
    this.#dirtyPages.add(page);
  }
}

/** The index of a change among a document's accepted entries, -1 when it is not there. */
export function findChange(doc: CatalogDoc, changeHash: string): number {
  // Changes mostly follow the newest ones, so the search starts at the end.
  for (let i = doc.entries.length - 1; i >= 0; i--) if (doc.entries[i]?.changeHash === changeHash) return i;
  return -1;
}

/** C3, by walking back from every change: a deletion counts until a change follows it. */
export function isDeleted(entries: readonly AcceptedEntry[]): boolean {
  const open = new Set<number>();
  entries.forEach((entry, index) => {
    if (entry.entryType === "doc_delete") open.add(index);
  });
  if (open.size === 0) return false;
  entries.forEach((entry) => {
    if (entry.entryType === "doc_change")
      for (const past of pastOf(entries, entry.dependencies)) open.delete(past);
  });
  return open.size > 0;
}

function pastOf(entries: readonly AcceptedEntry[], from: readonly number[]): Set<number> {
  const past = new Set<number>();
  const next = [...from];
  for (let index = next.pop(); index !== undefined; index = next.pop()) {
    if (past.has(index)) continue;
    past.add(index);
    next.push(...(entries[index]?.dependencies ?? []));
  }
  return past;
}

function createDoc(entry: NewEntry): CatalogDoc {
  return {
    docId: entry.docId,
    keyId: entry.keyId,
    createdBy: entry.author,
    createdAtMs: entry.atMs,
    changedBy: entry.author,
    changedAtMs: entry.atMs,
    entries: [],
    heads: [],
    isDeleted: false,
    summary: undefined,
  };
}
