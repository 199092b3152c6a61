/**
 * The catalog of one database: for each document its accepted entries, heads and summary. In memory; derived from the log.
 *
 * Guarantees
 * - C1 it holds accepted entries only; removing one and adding it again gives the same state
 * - C2 `heads` are the change hashes that no other accepted change of the document depends on
 * - C3 a document is deleted while some `doc_delete` has no `doc_change` after it
 * - C4 no two of a document's entries have one actor and sequence number, and each follows the one before it in its own past
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
  /** Automerge's actor, hex, and its count of changes in this document */
  readonly actor: string;
  readonly seq: number;
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
  readonly actor: string;
  readonly seq: number;
}

export const catalogPageSize = 256;

/** The documents of one database, in memory, with the pages that changed. */
export class Catalog {
  readonly #docs = new Map<DocId, CatalogDoc>();
  readonly #pageOf = new Map<DocId, number>();
  readonly #pages: DocId[][] = [];
  readonly #dirtyPages = new Set<number>();
  readonly #unread = new Set<DocId>();

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
      actor: entry.actor,
      seq: entry.seq,
    });
    this.#unread.add(entry.docId);
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
    this.#unread.delete(docId);
    this.touch(docId);
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
    doc.heads = headsOf(kept);
    doc.isDeleted = isDeleted(kept);
    doc.summary = undefined;
    this.#unread.add(docId);
    if (kept.length === 0) this.#remove(docId);
    return withdrawn;
  }

  /** Mark a document's page as changed. */
  touch(docId: DocId): void {
    const page = this.#pageOf.get(docId);
    if (page !== undefined) this.#dirtyPages.add(page);
  }

  /** Put a document read from a page back. */
  restore(doc: CatalogDoc): void {
    if (this.#docs.has(doc.docId)) return;
    this.#place(doc);
    if (doc.summary === undefined) this.#unread.add(doc.docId);
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

  #remove(docId: DocId): void {
    const page = this.#pageOf.get(docId);
    if (page !== undefined) this.#pages[page] = (this.#pages[page] ?? []).filter((other) => other !== docId);
    this.#pageOf.delete(docId);
    this.#docs.delete(docId);
    this.#unread.delete(docId);
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

/** A document's entries by name; made when it is first asked for, and grown with the document. */
interface EntryIndex {
  readonly entries: readonly AcceptedEntry[];
  size: number;
  readonly byChange: Map<string, number>;
  readonly byHash: Map<EntryHash, number>;
  readonly byTurn: Map<string, number>;
}

const indexes = new WeakMap<CatalogDoc, EntryIndex>();

function indexOf(doc: CatalogDoc): EntryIndex {
  let index = indexes.get(doc);
  if (index?.entries !== doc.entries) {
    index = { entries: doc.entries, size: 0, byChange: new Map(), byHash: new Map(), byTurn: new Map() };
    indexes.set(doc, index);
  }
  for (; index.size < doc.entries.length; index.size++) {
    const entry = doc.entries[index.size];
    if (entry === undefined) continue;
    index.byChange.set(entry.changeHash, index.size);
    index.byHash.set(entry.entryHash, index.size);
    index.byTurn.set(turnName(entry), index.size);
  }
  return index;
}

function turnName(turn: { readonly actor: string; readonly seq: number }): string {
  return `${turn.seq}@${turn.actor}`;
}

/** The index of a change among a document's accepted entries, -1 when it is not there. */
export function findChange(doc: CatalogDoc, changeHash: string): number {
  // Changes mostly follow the newest one.
  const last = doc.entries.length - 1;
  return doc.entries[last]?.changeHash === changeHash ? last : (indexOf(doc).byChange.get(changeHash) ?? -1);
}

/** The index of an entry among a document's accepted entries, -1 when it is not there. */
export function findEntry(doc: CatalogDoc, entryHash: EntryHash): number {
  const last = doc.entries.length - 1;
  return doc.entries[last]?.entryHash === entryHash ? last : (indexOf(doc).byHash.get(entryHash) ?? -1);
}

/** The accepted entry of an actor with a sequence number, -1 when there is none. */
export function findTurn(doc: CatalogDoc, turn: { readonly actor: string; readonly seq: number }): number {
  return indexOf(doc).byTurn.get(turnName(turn)) ?? -1;
}

/** Tell whether entry `past` is among `from` or in their past. */
export function isInPast(entries: readonly AcceptedEntry[], past: number, from: readonly number[]): boolean {
  const seen = new Set<number>();
  const next = [...from];
  for (let index = next.pop(); index !== undefined; index = next.pop()) {
    if (index === past) return true;
    // An entry's past comes before it.
    if (index < past || seen.has(index)) continue;
    seen.add(index);
    next.push(...(entries[index]?.dependencies ?? []));
  }
  return false;
}

/** C3, by one walk back: a deletion counts until a change follows it. */
export function isDeleted(entries: readonly AcceptedEntry[]): boolean {
  const isFollowed = new Set<number>();
  for (let index = entries.length - 1; index >= 0; index--) {
    const entry = entries[index];
    if (entry === undefined) continue;
    if (entry.entryType === "doc_delete" && !isFollowed.has(index)) return true;
    if (entry.entryType !== "doc_change" && !isFollowed.has(index)) continue;
    for (const dependency of entry.dependencies) isFollowed.add(dependency);
  }
  return false;
}

/** The change hashes that no other entry depends on, sorted. */
export function headsOf(entries: readonly AcceptedEntry[]): string[] {
  const followed = new Set<number>();
  for (const entry of entries) for (const index of entry.dependencies) followed.add(index);
  return entries.flatMap((entry, index) => (followed.has(index) ? [] : [entry.changeHash])).sort();
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
