/**
 * Documents that are edited without Automerge: what is known of each of their operations, least recently edited first out.
 *
 * What is known is of one head, and that names the whole past: whatever came to a document in another way, or went from it, it is as
 * if nothing were known.
 */
import type { DocId } from "../std/index.ts";
import type { ChangeCodec, KnownDoc } from "../doc/index.ts";
import type { CatalogDoc } from "./catalog.ts";

/** They weigh little: what a summary shows whole, and where its fields come from. */
const capacity = 64;
/** Whoever opens a document that was edited more often reads long: it is opened then, and kept. */
const maxEntries = 64;

/** What is known of the documents of one database. */
export class KnownDocs {
  readonly #codec: ChangeCodec;
  readonly #docs = new Map<DocId, KnownDoc>();

  constructor(codec: ChangeCodec) {
    this.#codec = codec;
  }

  /** What is known of a document as it stands, where its summary shows all of its entries. */
  find({ docId, entries, heads, isBranched, summary }: CatalogDoc): KnownDoc | undefined {
    const [created] = entries;
    if (created === undefined || summary?.isWhole !== true || isBranched || entries.length > maxEntries)
      return undefined;
    const known = this.#docs.get(docId);
    if (heads.length === 1 && known?.head === heads[0]) return known;
    this.#docs.delete(docId);
    if (entries.length > 1) return undefined;
    const { actor, atMs, changeHash: hash } = created;
    return this.#codec.knowCreated({ value: summary.value, created: { actor, atMs, hash } });
  }

  /** What is known of it once its edit is written. */
  note(docId: DocId, known: KnownDoc): void {
    this.#docs.delete(docId);
    this.#docs.set(docId, known);
    const [oldest] = this.#docs.keys();
    if (this.#docs.size > capacity && oldest !== undefined) this.#docs.delete(oldest);
  }

  /** Nothing of it stays in memory. */
  forget(docId: DocId): void {
    this.#docs.delete(docId);
  }
}
