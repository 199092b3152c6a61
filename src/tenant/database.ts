/**
 * One open database of an unlocked tenant: creates, changes and deletes documents, takes in what the judge accepted.
 *
 * Every call runs in the tenant's queue, so that no two of them touch one document at a time.
 */
import type { DbId, DocId } from "../std/index.ts";
import type { DocSnapshot } from "../../worker/api.ts";
import type { Line } from "./branches.ts";
import type { Catalog, Summary } from "./catalog.ts";
import { keyNames, type TenantCore } from "./core.ts";
import { beginDocuments, type BegunDocuments } from "./creating.ts";
import { CreationQueue, type Creation } from "./creation-queue.ts";
import { absentSnapshot, branchSnapshot, peekBranch, snapshotOf } from "./doc-snapshot.ts";
import { Documents } from "./documents.ts";
import { EditDesk, requireDoc } from "./edit-desk.ts";
import { IndexPages } from "./index-pages.ts";
import { absorb, readUnread } from "./intake.ts";
import type { AcceptedChange } from "./judge.ts";
import { KeptValues } from "./kept-values.ts";
import { LocalSnapshots } from "./local-snapshots.ts";
import { createPageSealer, type PageSealer } from "./pages.ts";
import type { Ledger } from "./ledger.ts";
import { requireKey } from "./named-keys.ts";
import { whenCalm } from "./patience.ts";
import { entriesOf, newEntriesOf, type PreparedEdit } from "./prepared-edit.ts";
import { dropPurged } from "./purge.ts";
import { requireRight } from "./rights.ts";
import { ViewPages } from "./view-pages.ts";
import type { Writer, WrittenCommit } from "./writer.ts";

/** So many documents are loaded behind what is shown of them; of further ones each waits for its first edit. */
const maxBehind = 8;

/** Documents changed; `isLocal`: this worker wrote them. */
export type ChangeListener = (docIds: readonly DocId[], isLocal: boolean) => void;

/** What the operations on the lines of a document work with: undo, branches, histories. */
export interface LineRoom {
  readonly core: TenantCore;
  readonly dbId: DbId;
  readonly catalog: Catalog;
  readonly ledger: Ledger;
  readonly documents: Documents;
  readonly desk: EditDesk;
  write(edits: readonly PreparedEdit[], durability: "relaxed" | "strict"): Promise<void>;
}

/** Writes and reads the documents of one database. */
export class DatabaseSession {
  readonly dbId: DbId;
  readonly #core: TenantCore;
  readonly #onChange: ChangeListener;
  readonly #onSnapshotDue: () => void;
  readonly #snapshots: LocalSnapshots;
  readonly #values: KeptValues;
  readonly #creations = new CreationQueue((creation, isOver) => this.#begin(creation, isOver));
  /** where the orders of its indexes are kept */
  readonly orders: IndexPages;
  /** where the orders of views of it are kept */
  readonly views: ViewPages;
  /** documents that are shown by what was kept of them, and are being loaded */
  readonly #behind = { count: 0, done: Promise.resolve() };
  #documents: Documents;
  #desk: EditDesk;

  /** `onSnapshotDue`: {@link saveSnapshots} has something to do */
  constructor(core: TenantCore, dbId: DbId, onChange: ChangeListener, onSnapshotDue: () => void) {
    this.#core = core;
    this.dbId = dbId;
    this.#onChange = onChange;
    this.#onSnapshotDue = onSnapshotDue;
    const openSealer = async (): Promise<PageSealer> =>
      createPageSealer(core.world.crypto, core.keys.bag.deviceKey, core.tenantId);
    this.#snapshots = new LocalSnapshots(core.store, dbId, openSealer);
    this.#values = new KeptValues(core.store, dbId, openSealer);
    this.orders = new IndexPages({ store: core.store, dbId }, openSealer, onSnapshotDue);
    this.views = new ViewPages(core, dbId);
    this.#documents = this.#openDocuments();
    this.#desk = new EditDesk(core, dbId, this.#documents);
  }

  /** What undo, branches and histories are made with. */
  get lines(): LineRoom {
    const { ledger } = this.#core;
    const write = this.write.bind(this);
    return {
      core: this.#core,
      dbId: this.dbId,
      catalog: this.catalog,
      ledger,
      documents: this.#documents,
      desk: this.#desk,
      write,
    };
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

  /** Create documents, each as soon as those that came before it are sealed. `exclusive` runs a step in the tenant's queue. */
  create(
    {
      keyName = keyNames.content,
      ...creation
    }: Omit<Creation, "keyName"> & { readonly keyName?: string | undefined },
    exclusive: (step: () => Promise<void>) => Promise<void>,
  ): Promise<readonly DocId[]> {
    return this.#creations.create({ ...creation, keyName }, exclusive);
  }

  async #begin({ values, keyName }: Creation, isOver: () => boolean): Promise<BegunDocuments> {
    requireRight(this.#core, { dbId: this.dbId, entryType: "doc_create" });
    await requireKey(this.#core, keyName);
    const room = {
      core: this.#core,
      catalog: this.catalog,
      writer: this.#writer,
      onCreated: (docIds: readonly DocId[]) => this.#onChange(docIds, true),
    };
    return beginDocuments(room, values, { key: this.#core.currentKey(keyName), isOver });
  }

  /** What the page shows of a document, when that takes no reading. */
  peek(docId: DocId, line: Line = "main"): DocSnapshot | undefined {
    const entry = this.catalog.get(docId);
    if (entry === undefined) return absentSnapshot(this.#core.isPurged(docId));
    if (line !== "main") return peekBranch(this.lines, entry, line);
    // A document that its summary shows whole is not opened to be shown.
    const { heads, summary } = entry;
    const isWhole = summary?.isWhole === true && this.catalog.isRead(docId);
    const doc = this.#documents.peek(docId) ?? (isWhole ? { value: summary.value, heads } : undefined);
    return doc && snapshotOf(entry, doc);
  }

  /** Where edits are prepared. They are durable after {@link write}. */
  get desk(): EditDesk {
    return this.#desk;
  }

  /** Write prepared edits as one commit, in their order; all of them are durable then, or none. */
  async write(edits: readonly PreparedEdit[], durability: "relaxed" | "strict"): Promise<void> {
    try {
      const entries = entriesOf(edits, this.catalog);
      if (entries.length > 0) this.#enter(edits, await this.#writer.write(entries, durability));
    } catch (error) {
      // Documents in memory hold changes that are not in the log: they load again from it.
      this.#documents.clear();
      throw error;
    } finally {
      for (const { unpin } of edits) unpin();
    }
  }

  #enter(edits: readonly PreparedEdit[], written: WrittenCommit): void {
    this.#core.enterOwn(written);
    const docIds = new Set<DocId>();
    const summaries = new Map<DocId, Summary>();
    for (const entry of newEntriesOf(edits, written)) this.catalog.accept(entry);
    for (const { docId, changes, summary } of edits) {
      if (changes.length > 0) docIds.add(docId);
      if (changes.length > 0 && summary !== undefined) summaries.set(docId, summary);
    }
    if (edits.some(({ endsNonce }) => endsNonce)) this.#writer.rotate();
    for (const [docId, summary] of summaries) this.catalog.setSummary(docId, summary);
    for (const docId of docIds) this.#documents.dropStale(docId);
    this.#onChange([...docIds], true);
  }

  /** Delete or bring back a document, by an empty change on its heads. */
  async setDeleted(docId: DocId, isDeleted: boolean): Promise<void> {
    if (requireDoc(this.catalog, docId).isDeleted === isDeleted) return;
    const entryType = isDeleted ? "doc_delete" : "doc_change";
    await this.write([await this.#desk.mark(docId, { line: "main", note: {}, entryType })], "relaxed");
  }

  /** What the page shows of a document. */
  async snapshot(docId: DocId, line: Line = "main"): Promise<DocSnapshot> {
    const entry = this.catalog.get(docId);
    if (entry === undefined) return absentSnapshot(this.#core.isPurged(docId));
    if (line !== "main") return branchSnapshot(this.lines, entry, line);
    // Whoever shows a document may edit it soon.
    void this.#core.world.loadEngine().catch(() => undefined);
    const shown = this.peek(docId);
    if (shown !== undefined) return shown;
    const value = await this.#values.read(entry);
    if (value === undefined) return snapshotOf(entry, await this.#documents.load(docId));
    this.#loadBehind(docId);
    return snapshotOf(entry, { value, heads: entry.heads });
  }

  /**
   * Load a document that is shown already, once Automerge is there and the page asks for nothing else: its reader may edit it soon. One
   * after the other.
   */
  #loadBehind(docId: DocId): void {
    if (this.#behind.count >= maxBehind) return;
    this.#behind.count += 1;
    const load = async (): Promise<void> => {
      const { serial, world } = this.#core;
      await world.loadEngine();
      await whenCalm(world.env, serial);
      await serial.run(async () => {
        if (this.#core.unlocked !== undefined) await this.#documents.load(docId);
      });
    };
    // Whoever edits it hears of what fails.
    this.#behind.done = this.#behind.done.then(load).catch(() => undefined);
    void this.#behind.done.then(() => (this.#behind.count -= 1));
  }

  /** Documents were purged: nothing of them stays in memory. */
  purge(docIds: readonly DocId[]): void {
    dropPurged(
      this.#core,
      docIds.map((docId) => ({ dbId: this.dbId, docId })),
    );
    for (const docId of docIds) {
      this.#documents.drop(docId);
      this.#documents.forget(docId);
      this.#desk.forget(docId);
      this.#core.ledger.snapshots.forget(docId);
    }
    this.#onChange(docIds, false);
  }

  /** Keep documents that changed much as they stand, and the orders of views, so that they open fast. Edits wait for no more than the reading. */
  async saveSnapshots(): Promise<void> {
    const taken = await this.#core.serial.run(async () => this.#documents.takeSnapshots());
    for (const [docId, snapshot] of taken) {
      await this.#snapshots.write(docId, snapshot);
      if (this.#core.isPurged(docId)) await this.#snapshots.remove(docId);
    }
    for (const [docId, value] of this.#values.take()) {
      await this.#values.write(docId, value);
      if (this.#core.isPurged(docId)) await this.#values.remove(docId);
    }
    await this.views.saveAll();
  }

  /** Documents lost entries: they are read anew. */
  forget(docIds: readonly DocId[]): void {
    for (const docId of docIds) {
      this.#documents.drop(docId);
      this.#documents.forget(docId);
      this.#desk.forget(docId);
    }
    this.#onChange(docIds, false);
  }

  /** Take in what the judge accepted. @returns changes that Automerge would not take */
  async absorb(accepted: readonly AcceptedChange[]): Promise<readonly AcceptedChange[]> {
    const { catalog, documents } = this.lines;
    const refused = await absorb({ catalog, documents, world: this.#core.world }, accepted);
    this.#onChange([...new Set(accepted.map(({ entry }) => entry.docId))], false);
    return refused;
  }

  /** Read the documents whose summary does not show all of their entries. */
  async readUnread(): Promise<void> {
    const { catalog, documents } = this.lines;
    const read = await readUnread({ catalog, documents, world: this.#core.world });
    if (read.length > 0) this.#onChange(read, false);
  }

  /** Free all documents: they load again from the log when needed. */
  reset(): void {
    this.#documents.clear();
    this.#values.drop();
    this.#documents = this.#openDocuments();
    this.#desk = new EditDesk(this.#core, this.dbId, this.#documents);
  }

  #openDocuments(): Documents {
    const core = this.#core;
    return new Documents({
      crypto: core.world.crypto,
      store: core.store,
      catalog: this.catalog,
      findKey: (name) => core.findKey(name),
      codec: core.world.codec,
      loadEngine: core.world.loadEngine,
      snapshots: this.#snapshots,
      values: this.#values,
      onSnapshotDue: this.#onSnapshotDue,
    });
  }
}
