/** A document as it comes back from its page: its entries stay bytes until something asks for them. */
import type { AuthorKey, DocId, KeyId } from "../std/index.ts";
import type { AcceptedEntry, CatalogDoc, Summary } from "./catalog.ts";
import { currentHeads } from "./doc-fold.ts";
import type { PageDoc } from "./catalog-codec.ts";
import type { EntryJournal } from "./entry-journal.ts";

/** Put a document together from its page and the journal that has its entries. */
export function restoreDoc(page: PageDoc, journal: EntryJournal): CatalogDoc {
  return new RestoredDoc(page, journal);
}

class RestoredDoc implements CatalogDoc {
  readonly docId: DocId;
  readonly number: number;
  readonly keyId: KeyId;
  readonly createdBy: AuthorKey;
  readonly createdAtMs: number;
  changedBy: AuthorKey;
  changedAtMs: number;
  isDeleted: boolean;
  isBranched: boolean;
  summary: Summary | undefined;
  /** where they are to be decoded from, until they are */
  #entries: AcceptedEntry[] | EntryJournal;
  #heads: string[] | undefined;

  constructor(page: PageDoc, journal: EntryJournal) {
    this.docId = page.docId;
    this.number = page.number;
    this.keyId = page.keyId;
    this.createdBy = page.createdBy;
    this.createdAtMs = page.createdAtMs;
    this.changedBy = page.changedBy;
    this.changedAtMs = page.changedAtMs;
    this.isDeleted = page.isDeleted;
    this.isBranched = page.isBranched;
    this.summary = page.summary;
    this.#entries = journal;
  }

  get entries(): AcceptedEntry[] {
    if (!Array.isArray(this.#entries)) this.#entries = this.#entries.decode(this.number, this.docId);
    return this.#entries;
  }

  set entries(entries: AcceptedEntry[]) {
    this.#entries = entries;
  }

  get heads(): string[] {
    return (this.#heads ??= currentHeads(this));
  }

  set heads(heads: string[]) {
    this.#heads = heads;
  }
}
