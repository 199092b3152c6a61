/**
 * Synced snapshots: `doc_snapshot` entries, each an Automerge save that spares reading the changes it covers.
 *
 * ```
 *   its dependencies = the heads it covers ── with their whole past ── just the changes of the save? ─► settled, remembered
 *                     └ one is not accepted yet ─► waits for it           └ more, less, others ─► quarantined "snapshot"
 * ```
 *
 * A snapshot changes no document: it is a second way to the same changes. So its place is remembered in memory only, and whoever uses it
 * looks whether what it covers is still accepted.
 */
import { CofferError, type DocId, type EntryHash } from "../std/index.ts";
import type { DocChange } from "../doc/index.ts";
import {
  entryLimits,
  openEntry,
  parseCommit,
  type Commit,
  type EntryDraft,
  type OpenVerdict,
} from "../entry/index.ts";
import type { Catalog, CatalogDoc } from "./catalog.ts";
import { findChange, findEntry } from "./find-entry.ts";
import type { TenantCore } from "./core.ts";
import type { DatabaseSession } from "./database.ts";
import type { JudgeTools } from "./judge.ts";
import type { EntryPlace, EntryVerdict } from "./judge-entry.ts";
import { requireRight } from "./rights.ts";

/** An accepted snapshot: where it is in the log, and what it covers. */
export interface SyncedSnapshot {
  readonly position: number;
  readonly entryIndex: number;
  readonly heads: readonly EntryHash[];
  readonly changeCount: number;
}

/** The accepted snapshot of each document that covers most. */
export class SyncedSnapshots {
  readonly #byDoc = new Map<DocId, SyncedSnapshot>();

  note(docId: DocId, snapshot: SyncedSnapshot): void {
    const held = this.#byDoc.get(docId);
    if (held === undefined || held.changeCount < snapshot.changeCount) this.#byDoc.set(docId, snapshot);
  }

  get(docId: DocId): SyncedSnapshot | undefined {
    return this.#byDoc.get(docId);
  }

  /** The document lost entries, or is gone. */
  forget(docId: DocId): void {
    this.#byDoc.delete(docId);
  }
}

/** The changes that a commit's opened snapshots hold, by entry; `undefined` for one that cannot be read. */
export type OpenedSnapshots = ReadonlyMap<number, readonly DocChange[] | undefined>;

/** Read a commit's snapshots. Automerge is loaded when there is one, and sees it after its limits were checked. */
export async function readSnapshots(
  { loadEngine }: Pick<JudgeTools, "loadEngine">,
  commit: Commit,
  opened: readonly OpenVerdict[],
): Promise<OpenedSnapshots> {
  const read = new Map<number, readonly DocChange[] | undefined>();
  for (const [index, { header }] of commit.entries.entries()) {
    const verdict = opened[index];
    if (header?.entryType !== "doc_snapshot" || verdict?.kind !== "opened") continue;
    read.set(index, (await loadEngine()).readSnapshot(verdict.plaintext));
  }
  return read;
}

/** Judge a snapshot by what it holds. */
export function judgeSnapshot(place: EntryPlace, index: number): EntryVerdict {
  const { catalog, commit, row, snapshots, state } = place;
  const header = commit.entries[index]?.header;
  const doc = header && catalog.get(header.docId);
  const missing = header?.dependencies.find((hash) => doc === undefined || findEntry(doc, hash) < 0);
  if (missing !== undefined) return { kind: "waiting", reason: "dependency", need: `entry/${missing}` };
  if (header === undefined || doc === undefined || header.dependencies.length === 0)
    return { kind: "quarantined", reason: "dependencies" };
  if (doc.keyId !== commit.header.keys[header.keyIndex]?.keyId) return { kind: "quarantined", reason: "key" };
  const held = new Set(snapshots.get(index)?.map(({ hash }) => hash));
  const covered = coveredBy(doc, header.dependencies);
  if (held.size !== covered.size || ![...covered].every((hash) => held.has(hash)))
    return { kind: "quarantined", reason: "snapshot" };
  const { position } = row;
  const heads = header.dependencies;
  state.ledger.snapshots.note(doc.docId, { position, entryIndex: index, heads, changeCount: held.size });
  return { kind: "known" };
}

/**
 * The changes of the snapshot that covers most of a document: what a loading can begin with. They are accepted entries', all of them.
 *
 * @returns `undefined` when there is none, or what it covers is not accepted any more
 */
export async function readSyncedSnapshot(
  core: TenantCore,
  catalog: Catalog,
  docId: DocId,
): Promise<readonly DocChange[] | undefined> {
  const { crypto, loadEngine } = core.world;
  const doc = catalog.get(docId);
  const snapshot = core.ledger.snapshots.get(docId);
  if (doc === undefined || snapshot === undefined) return undefined;
  const { entryIndex, heads, position } = snapshot;
  if (heads.some((hash) => findEntry(doc, hash) < 0)) return undefined;
  const [record] = await core.store.readRecords([position]);
  const parsed = record === undefined ? undefined : parseCommit(crypto, record.bytes, record.commitHash);
  if (parsed?.kind !== "verified") return undefined;
  const opened = await openEntry(crypto, parsed.commit, entryIndex, (name) => core.findKey(name));
  if (opened.kind !== "opened") return undefined;
  const changes = (await loadEngine()).readSnapshot(opened.plaintext);
  return changes?.every(({ hash }) => findChange(doc, hash) >= 0) === true ? changes : undefined;
}

/**
 * Write a snapshot of a document into the log, for other devices to load it by. Called in the tenant's queue.
 *
 * @throws `doc/missing`; `input/too-large` for one that is over a snapshot's limits, or has more heads than an entry can depend on
 */
export async function writeSnapshot(
  core: TenantCore,
  database: DatabaseSession,
  docId: DocId,
): Promise<void> {
  const { catalog, documents } = database.lines;
  const doc = catalog.get(docId);
  if (doc === undefined) throw new CofferError("doc/missing", { docId });
  requireRight(core, { dbId: database.dbId, entryType: "doc_snapshot", doc });
  const open = await documents.load(docId);
  const plaintext = open.snapshot();
  if (plaintext.length > entryLimits.blobBytes || open.heads.length > entryLimits.dependencies)
    throw new CofferError("input/too-large", { docId, sizeBytes: plaintext.length });
  const dependencies = open.heads.flatMap((head) => doc.entries[findChange(doc, head)]?.entryHash ?? []);
  const key = core.currentKeyOf(doc.keyId);
  const entry: EntryDraft = { entryType: "doc_snapshot", docId, dependencies, key, plaintext };
  core.enterOwn(await core.writer(database.dbId, core.keys.identity).write([entry]));
}

/** The hashes of the changes of some entries and of their past. */
function coveredBy(doc: CatalogDoc, heads: readonly EntryHash[]): ReadonlySet<string> {
  const past = pastOf(
    doc,
    heads.map((hash) => findEntry(doc, hash)),
  );
  return new Set([...past].flatMap((index) => doc.entries[index]?.changeHash ?? []));
}

/** Entries of a document by their indexes, with their whole past. */
export function pastOf(doc: CatalogDoc, from: readonly number[]): ReadonlySet<number> {
  const next = [...from];
  const seen = new Set(next);
  for (let index = next.pop(); index !== undefined; index = next.pop()) {
    for (const dependency of doc.entries[index]?.dependencies ?? []) {
      if (seen.has(dependency)) continue;
      seen.add(dependency);
      next.push(dependency);
    }
  }
  return seen;
}
