/**
 * Sealing anew what was sealed under former epochs of a key: each of its documents is written once more, as a snapshot under the newest
 * epoch that holds every change which an older one seals.
 *
 * ```
 * epoch 1     e1 ◄─ e2 ◄─ e3                     e1, e2, e3: under the former epoch
 * epoch 2                 ▲ └── s ◄╌╌ e4          s: a snapshot that covers them; e4 needs none
 * ```
 *
 * Guarantees
 * - R1 a document stays under its key: its id is made of it, so what is written anew is another epoch of the same key, never another key
 * - R2 what is done is told by the log alone: begun again after a crash, on this device or on another one, it goes on where it ended and
 *   writes no document twice
 * - R3 a snapshot counts only when every change in it is an accepted entry's, see synced-snapshot.ts: who seals anew changes nothing
 * - R4 who seals anew needs a role that may write, as for any entry
 *
 * The entries themselves stay as they were sealed. Each is signed by its author and named by those behind it, nobody else can write it
 * anew, and whoever held the former epoch could read it. So they are not erased: a replica proves a snapshot by them.
 */
import { CofferError, type DbId, type DocId, type EntryHash, type KeyId } from "../std/index.ts";
import { entryLimits, parseCommit, sealedSizeBytes, type Commit, type EntryDraft } from "../entry/index.ts";
import type { CatalogDoc } from "./catalog.ts";
import { keyNames } from "./core.ts";
import { findChange, findEntry } from "./find-entry.ts";
import { requireRight } from "./rights.ts";
import type { TenantSession } from "./session.ts";
import { pastOf } from "./synced-snapshot.ts";

const read = { maxCount: 64, maxBytes: 4 * 1024 * 1024 } as const;
/** documents of one step, each of which may have to be loaded */
const docsPerStep = 16;
const maxListed = 1_000;

/** How far sealing anew has come. */
export interface ResealProgress {
  readonly doneCount: number;
  readonly totalCount: number;
  /** documents that are over what a snapshot holds; at most 1,000 are named */
  readonly leftOut: readonly string[];
}

/** A document with entries under former epochs. */
interface OldDoc {
  readonly dbId: DbId;
  readonly docId: DocId;
  readonly entries: EntryHash[];
  /** what each snapshot under the newest epoch covers */
  readonly covers: (readonly EntryHash[])[];
}

/**
 * Seal anew the documents of a key, some with each step, until all are.
 *
 * @throws `input/invalid` for the key of the access-control records, `key/missing`, `access/denied`, `access/locked`
 */
export async function* resealDocuments(
  session: TenantSession,
  name: string,
): AsyncGenerator<ResealProgress, void> {
  const { core } = session;
  await session.settle();
  const keyId = core.keyIdOf(name);
  if (keyId === core.keyIdOf(keyNames.directory)) throw new CofferError("input/invalid", { what: "key" });
  const due = await findDue(session, keyId);
  const leftOut: string[] = [];
  let doneCount = 0;
  yield { doneCount, totalCount: due.length, leftOut };
  for (let from = 0; from < due.length; from += docsPerStep) {
    const some = due.slice(from, from + docsPerStep);
    for (const dbId of new Set(some.map((doc) => doc.dbId))) {
      const docs = some.filter((doc) => doc.dbId === dbId);
      leftOut.push(...(await session.exclusive(() => resealSome(session, dbId, docs))));
      session.touch();
    }
    doneCount += some.length;
    yield { doneCount, totalCount: due.length, leftOut: leftOut.slice(0, maxListed) };
  }
}

/** The documents of a key with changes under former epochs that no snapshot under the newest covers, by a walk over the log. */
async function findDue(session: TenantSession, keyId: KeyId): Promise<readonly OldDoc[]> {
  const { core } = session;
  const docs = new Map<DocId, OldDoc>();
  const { epoch } = await session.exclusive(async () => core.currentKeyOf(keyId));
  const end = await core.store.lastPosition();
  for (let after = 0; after < end;) {
    const records = await core.store.readLog({ after, ...read });
    if (core.unlocked === undefined) throw new CofferError("access/locked");
    for (const record of records) {
      const row = core.ledger.find(record.commitHash);
      if (row === undefined || row.verdict === "quarantined") continue;
      const parsed = parseCommit(core.world.crypto, record.bytes, record.commitHash);
      // A snapshot that nobody takes for one covers nothing.
      const isWhole = row.verdict === "accepted" && row.refused === "";
      if (parsed.kind === "verified") gather(docs, parsed.commit, { keyId, epoch, isWhole });
    }
    after = records.at(-1)?.position ?? end;
  }
  return [...docs.values()].filter((doc) => isDue(core.catalog(doc.dbId).get(doc.docId), doc));
}

function gather(
  docs: Map<DocId, OldDoc>,
  { entries, header: { dbId, keys } }: Commit,
  now: { readonly keyId: KeyId; readonly epoch: number; readonly isWhole: boolean },
): void {
  for (const { entryHash, header } of entries) {
    const key = header === undefined ? undefined : keys[header.keyIndex];
    if (header === undefined || key?.keyId !== now.keyId || header.entryType === "directory_record") continue;
    const { docId } = header;
    const doc = docs.get(docId) ?? { dbId, docId, entries: [], covers: [] };
    docs.set(docId, doc);
    if (header.entryType !== "doc_snapshot" && key.epoch < now.epoch) doc.entries.push(entryHash);
    if (now.isWhole && header.entryType === "doc_snapshot" && key.epoch >= now.epoch)
      doc.covers.push(header.dependencies);
  }
}

/** Entries that were not accepted are no part of the document. */
function isDue(doc: CatalogDoc | undefined, { covers, entries }: OldDoc): boolean {
  if (doc === undefined) return false;
  const old = entries.map((hash) => findEntry(doc, hash)).filter((index) => index >= 0);
  return old.length > 0 && !covers.some((heads) => coversAll(doc, heads, old));
}

function coversAll(doc: CatalogDoc, heads: readonly EntryHash[], old: readonly number[]): boolean {
  const from = heads.map((hash) => findEntry(doc, hash));
  if (from.includes(-1)) return false;
  const past = pastOf(doc, from);
  return old.every((index) => past.has(index));
}

/** Write snapshots of documents of one database into as few commits as hold them. */
async function resealSome(
  session: TenantSession,
  dbId: DbId,
  docs: readonly OldDoc[],
): Promise<readonly DocId[]> {
  const { core } = session;
  const leftOut: DocId[] = [];
  const commits: EntryDraft[][] = [];
  let sizeBytes = Infinity;
  for (const { docId } of docs) {
    const entry = await snapshotOf(session, dbId, docId);
    if (entry === "too large") leftOut.push(docId);
    if (entry === "too large" || entry === undefined) continue;
    sizeBytes += sealedSizeBytes(entry.plaintext.length);
    if (sizeBytes > entryLimits.commitTargetBytes) {
      commits.push([]);
      sizeBytes = sealedSizeBytes(entry.plaintext.length);
    }
    commits.at(-1)?.push(entry);
  }
  for (const entries of commits)
    core.enterOwn(await core.writer(dbId, core.keys.identity).write(entries, "strict"));
  return leftOut;
}

/** All of a document as it is now, branches included; nothing where it is gone meanwhile. */
async function snapshotOf(
  session: TenantSession,
  dbId: DbId,
  docId: DocId,
): Promise<EntryDraft | "too large" | undefined> {
  const { core } = session;
  const { catalog, documents } = session.database({ dbId }).lines;
  const doc = catalog.get(docId);
  if (doc === undefined || core.isPurged(docId)) return undefined;
  requireRight(core, { dbId, entryType: "doc_snapshot", doc });
  const open = await documents.load(docId, "all");
  const plaintext = open.snapshot();
  if (plaintext.length > entryLimits.blobBytes || open.heads.length > entryLimits.dependencies)
    return "too large";
  const dependencies = open.heads.flatMap((head) => doc.entries[findChange(doc, head)]?.entryHash ?? []);
  const key = core.currentKeyOf(doc.keyId);
  return { entryType: "doc_snapshot", docId, dependencies, key, plaintext };
}
