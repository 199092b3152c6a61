/**
 * The open documents of one database: Automerge handles by document, least recently used first out.
 *
 * A document is a fold of its accepted entries. It is loaded from the log, kept while it is used, and its handle is freed when it is
 * dropped. A branch is a document of its own here, and so is everything there is, where there are branches. A handle with a write in
 * flight is pinned. All calls come from the tenant's queue: two loads of one document at a time
 * would leave the older one behind.
 */
import { CofferError, type DocId, type EntryHash, type Release } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import type { ChangeCodec, DocChange, DocEngine, OpenDoc } from "../doc/index.ts";
import {
  openEntry,
  parseCommit,
  type Commit,
  type CommitVerdict,
  type ContentKey,
  type KeyName,
  type OpenVerdict,
} from "../entry/index.ts";
import type { Store } from "../store/index.ts";
import { branchOf, entriesOfLine, lineHeads, lineOf, type Line } from "./branches.ts";
import type { AcceptedEntry, Catalog, CatalogDoc } from "./catalog.ts";
import type { KeptValues } from "./kept-values.ts";
import { entriesBehind, isSnapshotDue, type LocalSnapshot, type LocalSnapshots } from "./local-snapshots.ts";

/** Handles are freed beyond so many, and beyond so much memory. */
const capacity = 64;
const capacityBytes = 64 * 1024 * 1024;
const handleBytes = 16 * 1024;
const changeBytes = 1024;
const maxDue = 8;
const none: ReadonlySet<EntryHash> = new Set();

/** A document, or a line of it. */
type HandleName = DocId | `${DocId}|${Line}`;

export interface DocumentsOptions {
  readonly crypto: Crypto;
  readonly store: Store;
  readonly catalog: Catalog;
  readonly findKey: (name: KeyName) => ContentKey | undefined;
  readonly codec: ChangeCodec;
  readonly loadEngine: () => Promise<DocEngine>;
  readonly snapshots: LocalSnapshots;
  readonly values: Pick<KeptValues, "isDue" | "note" | "forget">;
  /** A document was opened that {@link Documents.takeSnapshots} would give. */
  readonly onSnapshotDue: () => void;
}

/** Holds open documents, and frees those that were not used for long. */
export class Documents {
  readonly #options: DocumentsOptions;
  readonly #open = new Map<HandleName, OpenDoc>();
  readonly #pins = new Map<HandleName, number>();
  /** the bytes that handles were loaded from */
  readonly #sizes = new Map<HandleName, number>();
  /** how many entries the snapshot of a document holds, where that is known */
  readonly #covered = new Map<DocId, number>();
  /** taken and not written yet */
  readonly #due = new Map<DocId, LocalSnapshot>();

  constructor(options: DocumentsOptions) {
    this.#options = options;
  }

  /**
   * The open document, loaded from the log when it is not in memory; `without` entries that the caller applies next. Of everything there
   * is, it holds what Automerge takes.
   *
   * @throws `doc/missing`, `entry/corrupt`, `key/missing`
   */
  async load(docId: DocId, line: Line = "main", without = none): Promise<OpenDoc> {
    const name = this.#nameOf(docId, line);
    const held = this.#open.get(name);
    if (held !== undefined) {
      this.#open.delete(name);
      this.#open.set(name, held);
      return held;
    }
    const entry = this.#options.catalog.get(docId);
    if (entry === undefined) throw new CofferError("doc/missing", { docId });
    const entries = entriesOf(entry, line).filter(({ entryHash }) => !without.has(entryHash));
    if (entries.length === 0 && without.size === 0) throw new CofferError("doc/missing", { docId });
    const kept =
      line === "main"
        ? ((await loadWritten(this.#options, entry, entries)) ?? (await this.#loadKept(entry, entries)))
        : undefined;
    const { doc, sizeBytes } = kept ?? (await this.#loadWhole(docId, line, entries));
    this.#keep(name, doc, sizeBytes);
    if (line === "main" && (this.#isDue(docId) || this.#options.values.isDue(entry)))
      this.#options.onSnapshotDue();
    return doc;
  }

  /**
   * What a document holds as it stands, whole, without keeping it open; a document of one entry needs no Automerge.
   *
   * @throws `doc/missing`, `entry/corrupt`, `key/missing`
   */
  async readValue(docId: DocId): Promise<OpenDoc["value"]> {
    const entry = this.#options.catalog.get(docId);
    if (entry === undefined) throw new CofferError("doc/missing", { docId });
    const held = this.#open.get(docId);
    if (held !== undefined) return held.value;
    const entries = entriesOf(entry, "main");
    const [first] = entries.length === 1 ? await this.readChanges(docId, entries) : [];
    const value = first && this.#options.codec.decodeCreate(first);
    if (value !== undefined) return value;
    const { doc } = (await this.#loadKept(entry, entries)) ?? (await this.#loadWhole(docId, "main", entries));
    const read = doc.value;
    doc.close();
    return read;
  }

  async #loadWhole(docId: DocId, line: Line, entries: readonly AcceptedEntry[]): Promise<Loaded> {
    const changes = await this.readChanges(docId, entries);
    const doc = (await this.#options.loadEngine()).createDoc();
    const result = doc.applyChanges(changes);
    if (result.applied.length === changes.length || line === "all")
      return { doc, sizeBytes: sizeOf(changes) };
    doc.close();
    throw new CofferError("entry/corrupt", { docId });
  }

  /** From the snapshot of this device and the entries behind it; `undefined` when there is none that fits. */
  async #loadKept(entry: CatalogDoc, entries: readonly AcceptedEntry[]): Promise<Loaded | undefined> {
    const { docId } = entry;
    if (!isSnapshotDue(entries.length, 0)) return undefined;
    this.#covered.delete(docId);
    const snapshot = await this.#options.snapshots.read(docId);
    const behind = snapshot && entriesBehind(entry, snapshot);
    if (snapshot === undefined || behind === undefined) return undefined;
    const changes = await this.readChanges(
      docId,
      entries.filter((one) => behind.has(one)),
    );
    const doc = (await this.#options.loadEngine()).loadDoc(snapshot.saved);
    if (doc === undefined) return undefined;
    if (doc.applyChanges(changes).applied.length === changes.length) {
      this.#covered.set(docId, snapshot.covered);
      return { doc, sizeBytes: snapshot.saved.length + sizeOf(changes) };
    }
    doc.close();
    return undefined;
  }

  /** Documents that are to be kept, as they stand, at most a few of them; they count as kept then. */
  takeSnapshots(): readonly (readonly [DocId, LocalSnapshot])[] {
    for (const name of this.#open.keys()) {
      if (this.#due.size >= maxDue) break;
      this.#noteDue(name);
    }
    const taken = [...this.#due];
    this.#due.clear();
    return taken;
  }

  /** Entries of a document are void: what was kept of it goes. */
  forget(docId: DocId): void {
    this.#due.delete(docId);
    this.#options.values.forget(docId);
    // One that stays behind all the same is never used: L2.
    if (this.#covered.delete(docId)) this.#options.snapshots.remove(docId).catch(() => undefined);
  }

  #isDue(docId: DocId): boolean {
    const count = this.#options.catalog.get(docId)?.entries.length ?? 0;
    return isSnapshotDue(count, this.#covered.get(docId) ?? 0);
  }

  #noteDue(name: HandleName): void {
    const doc = this.#open.get(name);
    const entry = this.#options.catalog.get(name as DocId);
    if (doc === undefined || entry === undefined || doc.heads.join() !== entry.heads.join()) return;
    this.#options.values.note(entry, doc.value);
    if (!this.#isDue(entry.docId)) return;
    const covered = entriesOf(entry, "main").length;
    this.#covered.set(entry.docId, covered);
    this.#due.set(entry.docId, { heads: doc.heads, covered, saved: doc.save() });
  }

  /** A handle for a branch that is to be made: the document as it stands. */
  async branchOff(docId: DocId, line: Line): Promise<void> {
    const saved = (await this.load(docId)).save();
    const doc = (await this.#options.loadEngine()).loadDoc(saved);
    if (doc === undefined) throw new CofferError("entry/corrupt", { docId });
    this.drop(docId, line);
    this.#keep(this.#nameOf(docId, line), doc, saved.length);
  }

  /** The open document when it is in memory. */
  peek(docId: DocId, line: Line = "main"): OpenDoc | undefined {
    return this.#open.get(this.#nameOf(docId, line));
  }

  /** Keep a document's handle in memory until it is released. */
  pin(docId: DocId, line: Line = "main"): Release {
    const name = this.#nameOf(docId, line);
    this.#pins.set(name, (this.#pins.get(name) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const pins = (this.#pins.get(name) ?? 1) - 1;
      if (pins === 0) this.#pins.delete(name);
      else this.#pins.set(name, pins);
    };
  }

  /** Free a document's handles, or that of one line: they are loaded from the log when they are needed again. */
  drop(docId: DocId, line?: Line): void {
    if (line !== undefined) return this.#free(this.#nameOf(docId, line));
    for (const name of this.#namesOf(docId)) this.#free(name);
  }

  /** Free the handles of lines that are no longer what they were: of a branch that ended, of everything there is. */
  dropStale(docId: DocId): void {
    const entry = this.#options.catalog.get(docId);
    if (entry?.isBranched !== true) return;
    for (const name of this.#namesOf(docId)) {
      const heads = name === docId ? entry.heads : lineHeads(entry.entries, lineIn(name, docId));
      if (this.#open.get(name)?.heads.join() !== heads.join()) this.#free(name);
    }
  }

  /** Free every handle. */
  clear(): void {
    for (const doc of this.#open.values()) doc.close();
    this.#open.clear();
  }

  #nameOf(docId: DocId, line: Line): HandleName {
    const isAll = line === "all" && this.#options.catalog.get(docId)?.isBranched !== true;
    return line === "main" || isAll ? docId : `${docId}|${line}`;
  }

  #namesOf(docId: DocId): readonly HandleName[] {
    return [...this.#open.keys()].filter((name) => name === docId || name.startsWith(`${docId}|`));
  }

  #free(name: HandleName): void {
    this.#open.get(name)?.close();
    this.#open.delete(name);
    this.#sizes.delete(name);
  }

  #keep(name: HandleName, doc: OpenDoc, sizeBytes: number): void {
    this.#open.set(name, doc);
    this.#sizes.set(name, sizeBytes);
    let weightBytes = 0;
    for (const one of this.#open.keys()) weightBytes += this.#weightOf(one);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= capacity && weightBytes <= capacityBytes) return;
      if (oldest === name || this.#pins.has(oldest)) continue;
      weightBytes -= this.#weightOf(oldest);
      if (this.#due.size < maxDue) this.#noteDue(oldest);
      this.#free(oldest);
    }
  }

  /** About what a handle takes of wasm's memory: each change, and what its value shows. */
  #weightOf(name: HandleName): number {
    const [docId = ""] = name.split("|");
    const count = this.#options.catalog.get(docId as DocId)?.entries.length ?? 0;
    return handleBytes + count * changeBytes + (this.#sizes.get(name) ?? 0);
  }

  /** The changes of accepted entries, read from the log and opened. @throws `entry/corrupt`, `key/missing` */
  async readChanges(docId: DocId, entries: readonly AcceptedEntry[]): Promise<readonly DocChange[]> {
    const { codec, crypto, findKey, store } = this.#options;
    const positions = [...new Set(entries.map((entry) => entry.position))];
    const records = new Map((await store.readRecords(positions)).map((record) => [record.position, record]));
    const commits = new Map<number, CommitVerdict>();
    for (const [position, { bytes }] of records) commits.set(position, parseCommit(crypto, bytes));
    const plaintexts = await Promise.all(
      entries.map(async (entry) => {
        const commit = entryCommit(commits.get(entry.position), entry);
        return plaintextOf(await openEntry(crypto, commit, entry.entryIndex, findKey));
      }),
    );
    return plaintexts.map((plaintext) => {
      const verdict = codec.parseChange(plaintext);
      if (verdict.kind !== "change") throw new CofferError("entry/corrupt", { docId });
      return verdict.change;
    });
  }
}

/** The commit that an accepted entry is read from. @throws `entry/corrupt` */
function entryCommit(
  parsed: CommitVerdict | undefined,
  { entryHash, entryIndex, position }: AcceptedEntry,
): Commit {
  if (parsed?.kind !== "verified" || parsed.commit.entries[entryIndex]?.entryHash !== entryHash)
    throw new CofferError("entry/corrupt", { position });
  return parsed.commit;
}

interface Loaded {
  readonly doc: OpenDoc;
  /** what it was read from */
  readonly sizeBytes: number;
}

/**
 * A document that was created and never edited, from what the catalog shows of it: its change is written once more, and is the one
 * that was accepted when it has that hash. The log is not read for it. `undefined` for any other document.
 */
async function loadWritten(
  { catalog, loadEngine }: DocumentsOptions,
  { docId, summary }: CatalogDoc,
  [created, ...edits]: readonly AcceptedEntry[],
): Promise<Loaded | undefined> {
  if (created === undefined || edits.length > 0 || !catalog.isRead(docId)) return undefined;
  if (summary?.isWhole !== true) return undefined;
  const engine = await loadEngine();
  const { actor, atMs, changeHash: hash } = created;
  const change = engine.writeAgain({ value: summary.value, created: { actor, atMs, hash } });
  if (change === undefined) return undefined;
  const doc = engine.createDoc();
  if (doc.applyChanges([change]).applied.length === 1) return { doc, sizeBytes: change.bytes.length };
  doc.close();
  return undefined;
}

function sizeOf(changes: readonly DocChange[]): number {
  return changes.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

function entriesOf({ entries, isBranched }: CatalogDoc, line: Line): readonly AcceptedEntry[] {
  if (isBranched) return entriesOfLine(entries, line);
  return branchOf(line) === undefined ? entries : [];
}

function lineIn(name: HandleName, docId: DocId): Line {
  const line = name.slice(docId.length + 1);
  return line === "all" ? line : lineOf(line.slice(1));
}

/** The plaintext of an opened entry. @throws `key/missing`, `entry/corrupt` */
export function plaintextOf(verdict: OpenVerdict): Uint8Array {
  if (verdict.kind === "opened") return verdict.plaintext;
  if (verdict.kind === "no-key") throw new CofferError("key/missing");
  throw new CofferError("entry/corrupt");
}
