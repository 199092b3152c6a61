/**
 * One open database of an unlocked tenant: creates, changes and deletes documents, takes in what the judge accepted.
 *
 * Every call runs in the tenant's queue, so that no two of them touch one document at a time.
 */
import { assert, CofferError, type DbId, type DocId } from "../std/index.ts";
import { summarizeValue, type DocChange, type OpenDoc, type ReplayResult } from "../doc/index.ts";
import type { DraftValue } from "../draft/index.ts";
import {
  deriveActorId,
  deriveDocId,
  entryLimits,
  sealedSizeBytes,
  type EntryDraft,
  type EntryType,
} from "../entry/index.ts";
import type { DocSnapshot, DraftMessage } from "../../worker/api.ts";
import { findChange, type Catalog, type CatalogDoc, type DocumentEntryType } from "./catalog.ts";
import { keyNames, type TenantCore } from "./core.ts";
import { Documents } from "./documents.ts";
import { absorb, readUnread, type Intake } from "./intake.ts";
import type { AcceptedChange } from "./judge.ts";
import type { Writer, WrittenCommit } from "./writer.ts";

/** A document that changed, with its changes when they came from elsewhere. */
export type ChangeListener = (docIds: readonly DocId[]) => void;

interface Encoded {
  readonly docId: DocId;
  readonly draft: EntryDraft;
  readonly change: DocChange;
  readonly value: CatalogDoc["summary"];
}

/** Writes and reads the documents of one database. */
export class DatabaseSession {
  readonly dbId: DbId;
  readonly #core: TenantCore;
  readonly #onChange: ChangeListener;
  #documents: Documents;

  constructor(core: TenantCore, dbId: DbId, onChange: ChangeListener) {
    this.#core = core;
    this.dbId = dbId;
    this.#onChange = onChange;
    this.#documents = createDocuments(core, this.catalog);
  }

  get catalog(): Catalog {
    return this.#core.catalog(this.dbId);
  }

  get #writer(): Writer {
    return this.#core.writer(this.dbId, this.#core.keys.identity);
  }

  /** Ids of the documents that are not deleted. */
  documentIds(): readonly DocId[] {
    return [...this.catalog.values()].filter((doc) => !doc.isDeleted).map((doc) => doc.docId);
  }

  /** Create documents from plain values, packed into commits. Resolves when all are durable. */
  async create(values: readonly DraftValue[]): Promise<readonly DocId[]> {
    const engine = await this.#core.world.loadEngine();
    const created: DocId[] = [];
    let batch: Encoded[] = [];
    let sizeBytes = 0;
    const flush = async (): Promise<void> => {
      if (batch.length === 0) return;
      const written = await this.#writer.write(batch.map((encoded) => encoded.draft));
      this.#core.enterOwn(written);
      for (const [index, encoded] of batch.entries()) this.#enterCreated(written, index, encoded);
      created.push(...batch.map((encoded) => encoded.docId));
      this.#onChange(batch.map((encoded) => encoded.docId));
      batch = [];
      sizeBytes = 0;
    };
    for (const value of values) {
      const encoded = this.#encode(engine, value);
      const size = sealedSizeBytes(encoded.change.bytes.length);
      if (batch.length >= entryLimits.entriesPerCommit || sizeBytes + size > entryLimits.commitTargetBytes)
        await flush();
      batch.push(encoded);
      sizeBytes += size;
    }
    await flush();
    return created;
  }

  /** What the page shows of a document, when that takes no reading. */
  peek(docId: DocId): DocSnapshot | undefined {
    const entry = this.catalog.get(docId);
    if (entry === undefined) return missingSnapshot;
    const doc = this.#documents.peek(docId);
    return doc === undefined ? undefined : snapshotOf(entry, doc);
  }

  /** Run a page's draft on a document. `base` are the heads it was recorded upon. */
  async change(docId: DocId, message: DraftMessage, base: readonly string[]): Promise<ReplayResult> {
    if (requireDoc(this.catalog, docId).isDeleted) throw new CofferError("doc/deleted", { docId });
    return this.#documents.pinned(docId, async (doc) => {
      const { joins, heads: baseHeads } = this.#undoing(docId, () => this.#join(docId, doc, base));
      const replay = this.#undoing(docId, () =>
        doc.replay({
          operations: message.operations,
          baseHeads,
          actor: this.#actor(docId),
          timeMs: this.#core.nowMs(),
        }),
      );
      const changes = [...joins, ...replay.changes];
      if (changes.length === 0) return replay;
      await this.#write(docId, changes, { entryType: "doc_change", durability: message.durability });
      if (joins.length > 0) this.#writer.rotate();
      this.catalog.setSummary(docId, summarizeValue(doc.value));
      this.#onChange([docId]);
      return replay;
    });
  }

  /**
   * Delete or bring back a document, by an empty change on its heads. Behind an actor's last change Automerge takes the actor up again
   * where that change has no operations, as if it were not there: so nothing follows an empty change, and the nonce ends with it.
   */
  async setDeleted(docId: DocId, isDeleted: boolean): Promise<void> {
    if (requireDoc(this.catalog, docId).isDeleted === isDeleted) return;
    await this.#documents.pinned(docId, async (doc) => {
      const { joins } = this.#undoing(docId, () => this.#join(docId, doc, doc.heads));
      if (joins.length > 0)
        await this.#write(docId, joins, { entryType: "doc_change", durability: "relaxed" });
      const change = this.#undoing(docId, () =>
        doc.emptyChange({ actor: this.#actor(docId), timeMs: this.#core.nowMs() }),
      );
      await this.#write(docId, [change], {
        entryType: isDeleted ? "doc_delete" : "doc_change",
        durability: "relaxed",
      });
      this.#writer.rotate();
      this.catalog.setSummary(docId, summarizeValue(doc.value));
      this.#onChange([docId]);
    });
  }

  /**
   * More heads than an entry can depend on are joined first, by empty changes in a chain. They stand on these heads alone, so that the
   * edit still stands on what its author saw.
   */
  #join(
    docId: DocId,
    doc: OpenDoc,
    base: readonly string[],
  ): { joins: readonly DocChange[]; heads: readonly string[] } {
    const joins: DocChange[] = [];
    let heads = base;
    // A join stands on some heads only, and its actor must have written nothing outside of them.
    if (heads.length > entryLimits.dependencies) this.#writer.rotate();
    while (heads.length > entryLimits.dependencies) {
      const at = heads.slice(0, entryLimits.dependencies);
      const join = doc.emptyChange({ actor: this.#actor(docId), timeMs: this.#core.nowMs(), at });
      joins.push(join);
      heads = [join.hash, ...heads.slice(entryLimits.dependencies)];
    }
    return { joins, heads };
  }

  /** What the page shows of a document. */
  async snapshot(docId: DocId): Promise<DocSnapshot> {
    const entry = this.catalog.get(docId);
    return entry === undefined ? missingSnapshot : snapshotOf(entry, await this.#documents.load(docId));
  }

  /** Documents lost entries: they are read anew. */
  forget(docIds: readonly DocId[]): void {
    for (const docId of docIds) this.#documents.drop(docId);
    this.#onChange(docIds);
  }

  /** Take in what the judge accepted. @returns changes that Automerge would not take */
  async absorb(accepted: readonly AcceptedChange[]): Promise<readonly AcceptedChange[]> {
    const refused = await absorb(this.#intake, accepted);
    this.#onChange([...new Set(accepted.map(({ entry }) => entry.docId))]);
    return refused;
  }

  /** Read the documents whose summary does not show all of their entries. */
  async readUnread(): Promise<void> {
    const read = await readUnread(this.#intake);
    if (read.length > 0) this.#onChange(read);
  }

  /** Free all documents: they load again from the log when needed. */
  reset(): void {
    this.#documents.clear();
    this.#documents = createDocuments(this.#core, this.catalog);
  }

  get #intake(): Intake {
    return { catalog: this.catalog, documents: this.#documents, loadEngine: this.#core.world.loadEngine };
  }

  #encode(engine: Awaited<ReturnType<TenantCore["world"]["loadEngine"]>>, value: DraftValue): Encoded {
    const { crypto } = this.#core.world;
    const key = this.#core.currentKey(keyNames.content);
    const writer = this.#writer;
    const author = this.#core.keys.identity.publicIdentity.signingKey;
    const docCounter = writer.nextDocCounter();
    const origin = {
      tenantId: this.#core.tenantId,
      dbId: this.dbId,
      keyId: key.keyId,
      author,
      writerNonce: writer.nonce,
      docCounter,
    };
    const docId = deriveDocId(crypto, origin);
    const encoded = engine.encodeInitial({ value, actor: this.#actor(docId), timeMs: this.#core.nowMs() });
    if (encoded.change.bytes.length > entryLimits.changeBytes) throw new CofferError("input/too-large");
    const draft: EntryDraft = {
      entryType: "doc_create",
      docId,
      dependencies: [],
      key,
      docCounter,
      plaintext: encoded.change.bytes,
    };
    return { docId, draft, change: encoded.change, value: summarizeValue(encoded.value) };
  }

  #enterCreated(written: WrittenCommit, index: number, encoded: Encoded): void {
    this.#accept(written, {
      index,
      docId: encoded.docId,
      change: encoded.change,
      entryType: "doc_create",
      keyId: encoded.draft.key.keyId,
    });
    if (encoded.value !== undefined) this.catalog.setSummary(encoded.docId, encoded.value);
  }

  #accept(
    written: WrittenCommit,
    entry: {
      index: number;
      docId: DocId;
      change: DocChange;
      entryType: DocumentEntryType;
      keyId: CatalogDoc["keyId"];
    },
  ): void {
    const entryHash = written.commit.entries[entry.index]?.entryHash;
    assert(entryHash !== undefined, "a sealed commit has the entries it was given");
    this.catalog.accept({
      docId: entry.docId,
      keyId: entry.keyId,
      author: written.commit.header.author,
      atMs: written.commit.header.createdAtMs,
      entryType: entry.entryType,
      position: written.position,
      entryIndex: entry.index,
      entryHash,
      changeHash: entry.change.hash,
      dependencyHashes: entry.change.deps,
      actor: entry.change.actor,
      seq: entry.change.seq,
    });
  }

  async #write(
    docId: DocId,
    changes: readonly DocChange[],
    options: { entryType: Extract<EntryType, "doc_change" | "doc_delete">; durability: "relaxed" | "strict" },
  ): Promise<void> {
    const entry = requireDoc(this.catalog, docId);
    const { entryType } = options;
    let written: WrittenCommit;
    try {
      const key = this.#core.currentKeyOf(entry.keyId);
      const drafts = changes.map((change, index): EntryDraft => {
        if (change.bytes.length > entryLimits.changeBytes)
          throw new CofferError("input/too-large", { docId });
        const dependencies = change.deps.map((hash) => dependencyOf(entry, changes.slice(0, index), hash));
        return { entryType, docId, dependencies, key, plaintext: change.bytes };
      });
      written = await this.#writer.write(drafts, options.durability);
    } catch (error) {
      // Documents in memory may hold changes that are not in the log: they load again from it.
      this.#documents.clear();
      throw error;
    }
    this.#core.enterOwn(written);
    for (const [index, change] of changes.entries())
      this.#accept(written, { index, docId, change, entryType, keyId: entry.keyId });
  }

  /** Run a step on an open document; if it throws, the document is dropped, since it may be half changed. */
  #undoing<T>(docId: DocId, step: () => T): T {
    try {
      return step();
    } catch (error) {
      this.#documents.drop(docId);
      throw error;
    }
  }

  #actor(docId: DocId): string {
    const author = this.#core.keys.identity.publicIdentity.signingKey;
    return deriveActorId(this.#core.world.crypto, { author, writerNonce: this.#writer.nonce, docId });
  }
}

const missingSnapshot: DocSnapshot = { value: undefined, heads: [], status: "failed", lastChange: undefined };

function snapshotOf(entry: CatalogDoc, doc: OpenDoc): DocSnapshot {
  return {
    value: doc.value,
    heads: doc.heads,
    status: entry.isDeleted ? "deleted" : "ready",
    lastChange: { author: entry.changedBy, atMs: entry.changedAtMs },
  };
}

function dependencyOf(
  entry: CatalogDoc,
  earlier: readonly DocChange[],
  hash: string,
): EntryDraft["dependencies"][number] {
  const index = earlier.findIndex((change) => change.hash === hash);
  if (index >= 0) return { index };
  const found = entry.entries[findChange(entry, hash)];
  assert(found !== undefined, "a change depends on accepted changes only");
  return found.entryHash;
}

function createDocuments(core: TenantCore, catalog: Catalog): Documents {
  const { crypto, loadEngine } = core.world;
  return new Documents({ crypto, store: core.store, catalog, findKey: core.findKey.bind(core), loadEngine });
}

function requireDoc(catalog: Catalog, docId: DocId): CatalogDoc {
  const entry = catalog.get(docId);
  if (entry === undefined) throw new CofferError("doc/missing", { docId });
  return entry;
}
