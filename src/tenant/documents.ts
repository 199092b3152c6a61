/**
 * The open documents of one database: Automerge handles by document, least recently used first out.
 *
 * A document is a fold of its accepted entries. It is loaded from the log, kept while it is used, and its handle is freed when it is
 * dropped. A handle with a write in flight is pinned. All calls come from the tenant's queue: two loads of one document at a time
 * would leave the older one behind.
 */
import { CofferError, type DocId, type EntryHash } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import type { DocChange, DocEngine, OpenDoc } from "../doc/index.ts";
import { openEntry, parseCommit, type ContentKey, type KeyName, type OpenVerdict } from "../entry/index.ts";
import type { LogRecord, Store } from "../store/index.ts";
import type { AcceptedEntry, Catalog } from "./catalog.ts";

const capacity = 64;

export interface DocumentsOptions {
  readonly crypto: Crypto;
  readonly store: Store;
  readonly catalog: Catalog;
  readonly findKey: (name: KeyName) => ContentKey | undefined;
  readonly loadEngine: () => Promise<DocEngine>;
}

/** Holds open documents, and frees those that were not used for long. */
export class Documents {
  readonly #options: DocumentsOptions;
  readonly #open = new Map<DocId, OpenDoc>();
  readonly #pins = new Map<DocId, number>();

  constructor(options: DocumentsOptions) {
    this.#options = options;
  }

  /**
   * The open document, loaded from the log when it is not in memory; `without` entries that the caller applies next.
   *
   * @throws `doc/missing`, `entry/corrupt`, `key/missing`
   */
  async load(docId: DocId, without: ReadonlySet<EntryHash> = new Set()): Promise<OpenDoc> {
    const held = this.#open.get(docId);
    if (held !== undefined) {
      this.#open.delete(docId);
      this.#open.set(docId, held);
      return held;
    }
    const entry = this.#options.catalog.get(docId);
    if (entry === undefined) throw new CofferError("doc/missing", { docId });
    const entries = entry.entries.filter(({ entryHash }) => !without.has(entryHash));
    const changes = await this.#readChanges(docId, entries);
    const doc = (await this.#options.loadEngine()).createDoc();
    const result = doc.applyChanges(changes);
    if (result.applied.length !== changes.length) {
      doc.close();
      throw new CofferError("entry/corrupt", { docId });
    }
    this.#keep(docId, doc);
    return doc;
  }

  /** The open document when it is in memory. */
  peek(docId: DocId): OpenDoc | undefined {
    return this.#open.get(docId);
  }

  /** Keep a document's handle while `run` lasts. */
  async pinned<T>(docId: DocId, run: (doc: OpenDoc) => Promise<T>): Promise<T> {
    const doc = await this.load(docId);
    this.#pins.set(docId, (this.#pins.get(docId) ?? 0) + 1);
    try {
      return await run(doc);
    } finally {
      const pins = (this.#pins.get(docId) ?? 1) - 1;
      if (pins === 0) this.#pins.delete(docId);
      else this.#pins.set(docId, pins);
    }
  }

  /** Free a document's handle: it is loaded from the log when it is needed again. */
  drop(docId: DocId): void {
    this.#open.get(docId)?.close();
    this.#open.delete(docId);
  }

  /** Free every handle. */
  clear(): void {
    for (const doc of this.#open.values()) doc.close();
    this.#open.clear();
  }

  #keep(docId: DocId, doc: OpenDoc): void {
    this.#open.set(docId, doc);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= capacity) return;
      if (oldest !== docId && !this.#pins.has(oldest)) this.drop(oldest);
    }
  }

  async #readChanges(docId: DocId, entries: readonly AcceptedEntry[]): Promise<readonly DocChange[]> {
    const { store } = this.#options;
    const engine = await this.#options.loadEngine();
    const positions = [...new Set(entries.map((entry) => entry.position))];
    const records = new Map((await store.readRecords(positions)).map((record) => [record.position, record]));
    const plaintexts = await Promise.all(
      entries.map((entry) => this.#openEntry(records.get(entry.position), entry)),
    );
    return plaintexts.map((plaintext) => {
      const verdict = engine.parseChange(plaintext);
      if (verdict.kind !== "change") throw new CofferError("entry/corrupt", { docId });
      return verdict.change;
    });
  }

  async #openEntry(record: LogRecord | undefined, entry: AcceptedEntry): Promise<Uint8Array> {
    const { crypto, findKey } = this.#options;
    const parsed = record === undefined ? undefined : parseCommit(crypto, record.bytes);
    if (parsed?.kind !== "verified") throw new CofferError("entry/corrupt", { position: entry.position });
    if (parsed.commit.entries[entry.entryIndex]?.entryHash !== entry.entryHash) {
      throw new CofferError("entry/corrupt", { position: entry.position });
    }
    return plaintextOf(await openEntry(crypto, parsed.commit, entry.entryIndex, findKey));
  }
}

/** The plaintext of an opened entry. @throws `key/missing`, `entry/corrupt` */
export function plaintextOf(verdict: OpenVerdict): Uint8Array {
  if (verdict.kind === "opened") return verdict.plaintext;
  if (verdict.kind === "no-key") throw new CofferError("key/missing");
  throw new CofferError("entry/corrupt");
}
