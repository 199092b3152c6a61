/**
 * Changing what the log holds of a commit: erasing entries of purged documents, and filling in entries that were left out.
 *
 * A commit's hash and signature cover its entries' headers, so it verifies with any of its ciphertexts left out; see entry/codec.ts.
 * Every change here reads a record and writes it back under one lock of the device, with the purged documents as they are listed at
 * that moment: so no tab puts back what another one erased.
 */
import { CofferError, isCofferError, type DocId } from "../std/index.ts";
import { eraseEntries, fillCommit, parseCommit } from "../entry/index.ts";
import type { LogRecord, RewrittenRecord } from "../store/index.ts";
import { purgeChunks } from "./attachments.ts";
import type { TenantCore } from "./core.ts";
import type { DatabaseSession } from "./database.ts";
import { nameErased, OwnErased } from "./own-erased.ts";
import { writeAsAdmin, type AdminPassword } from "./directory-writes.ts";
import { listPurged, noteErased, readPurged, setPurged, type PurgedDoc } from "./purge.ts";
import type { TenantSession } from "./session.ts";
import { TextPages } from "./text-pages.ts";
import { purgeViewOrders } from "./view-pages.ts";

const page = { maxCount: 64, maxBytes: 4 * 1024 * 1024 } as const;

/** Documents that the directory says are purged, and that are not on this device's list yet. */
export function purgedElsewhere({ directory, purged }: TenantCore): readonly PurgedDoc[] {
  if (directory.purgedDocs.size === 0) return [];
  return [...directory.purgedDocs].flatMap(([docId, dbId]) =>
    purged.ids.has(docId) ? [] : [{ dbId, docId }],
  );
}

/** Whether a record holds content of a document that was purged. */
export function holdsPurged(core: TenantCore, record: LogRecord): boolean {
  const { ids } = core.purged;
  return ids.size > 0 && eraseIn(core, record, ids) !== undefined;
}

/** Erase what the log holds of purged documents, from its start to its end, unless all of it was erased before. */
export async function erasePurged(core: TenantCore): Promise<void> {
  const { rows, erasedCount } = core.purged;
  if (erasedCount >= rows.length) return;
  const own = ownErased(core, rows.slice(erasedCount));
  let after = 0;
  for (;;) {
    const from = after;
    const last = await underLock(core, async (ids) => {
      const records = await core.store.readLog({ after: from, ...page });
      await rewrite(core, records, ids);
      gather(core, own, records);
      return records.at(-1)?.position;
    });
    if (last === undefined) break;
    after = last;
  }
  await purgeChunks(core, rows.slice(erasedCount));
  for (const { dbId, docId } of rows.slice(erasedCount)) {
    await (await TextPages.open(core, dbId)).purge(docId);
    await purgeViewOrders(core, dbId);
  }
  await nameErased(core, own);
  setPurged(core, await noteErased(core, rows.length));
}

/**
 * Purge a document everywhere, by the admin's word: here as {@link purgeDocument} does, and on every device and server that the directory
 * reaches, with whatever comes of it later.
 *
 * @throws `doc/missing`; and as {@link writeAsAdmin}
 */
export async function purgeEverywhere(
  session: TenantSession,
  database: DatabaseSession,
  docId: DocId,
  proof: AdminPassword,
): Promise<void> {
  const { core } = session;
  const { dbId } = database;
  await writeAsAdmin(session, proof, () => {
    if (!core.isPurged(docId) && database.catalog.get(docId) === undefined)
      throw new CofferError("doc/missing", { docId });
    return { open: [{ kind: "purge", dbId, docIds: [docId] }], sealed: [] };
  });
  await purgeDocument(session, database, docId);
}

/**
 * Purge a document: from here on it is not there, and when the promise resolves nothing of its content is left in the log.
 *
 * Servers and other devices keep what they have. A commit of this user that was not sent before is sent without what was erased, and
 * with the word that it was, see erasure.ts; one of somebody else goes on from here to no other server, see sync/local-log.ts.
 *
 * @throws `doc/missing`
 */
export async function purgeDocument(
  session: TenantSession,
  database: DatabaseSession,
  docId: DocId,
): Promise<void> {
  const { core } = session;
  await session.exclusive(async () => {
    if (!core.isPurged(docId) && database.catalog.get(docId) === undefined)
      throw new CofferError("doc/missing", { docId });
    setPurged(core, await listPurged(core, [{ dbId: database.dbId, docId }]));
    database.purge([docId]);
  });
  // What waited for entries of it waits for nothing more.
  await session.recheck();
  await erasePurged(core);
}

/** Go on with an erasing that was broken off. What stops it again is left to the next opening. */
export async function finishErasing(core: TenantCore): Promise<void> {
  await erasePurged(core).catch((error: unknown) => {
    if (!isCofferError(error)) throw error;
  });
}

/** Erase what some records hold of purged documents. */
export async function eraseRecords(core: TenantCore, positions: readonly number[]): Promise<void> {
  const own = ownErased(core, core.purged.rows);
  gather(core, own, await core.store.readRecords(positions));
  // Named first: what is erased already is not found again after a crash.
  await nameErased(core, own);
  await underLock(core, async (ids) => rewrite(core, await core.store.readRecords(positions), ids));
}

/** What the admin purged, everyone knows of: it needs no word of its authors. */
function ownErased({ directory, keys }: TenantCore, rows: readonly PurgedDoc[]): OwnErased {
  const ids = rows.flatMap(({ docId }) => (directory.purgedDocs.has(docId) ? [] : [docId]));
  return new OwnErased(keys.identity.publicIdentity.signingKey, new Set(ids));
}

function gather(core: TenantCore, own: OwnErased, records: readonly LogRecord[]): void {
  for (const { bytes } of records) {
    const parsed = parseCommit(core.world.crypto, bytes);
    if (parsed.kind === "verified") own.take(parsed.commit);
  }
}

/**
 * A commit came again: fill in what the record that is known of it lacks. Documents are read from that record, so it must hold what
 * is accepted.
 *
 * @returns the known record as it is now
 */
export async function completeRecord(
  core: TenantCore,
  position: number,
  again: LogRecord,
): Promise<LogRecord> {
  const { crypto } = core.world;
  const filled = await underLock(core, async (ids) => {
    const [known] = await core.store.readRecords([position]);
    const brought = parseCommit(crypto, again.bytes, again.commitHash);
    const held = known === undefined ? undefined : parseCommit(crypto, known.bytes, again.commitHash);
    if (known === undefined || held?.kind !== "verified" || brought.kind !== "verified") return known;
    const bytes = fillCommit(held.commit, brought.commit, ({ docId }) => !ids.has(docId));
    if (bytes === undefined) return known;
    await core.store.rewrite([{ position, bytes }]);
    return { ...known, bytes };
  });
  return filled ?? again;
}

async function rewrite(
  core: TenantCore,
  records: readonly LogRecord[],
  ids: ReadonlySet<DocId>,
): Promise<void> {
  const rewritten = records.flatMap((record): RewrittenRecord[] => {
    const bytes = eraseIn(core, record, ids);
    return bytes === undefined ? [] : [{ position: record.position, bytes }];
  });
  if (rewritten.length > 0) await core.store.rewrite(rewritten);
}

/** The bytes of a record without what it holds of some documents; `undefined` when it holds nothing of them. */
function eraseIn(
  core: TenantCore,
  record: LogRecord,
  ids: ReadonlySet<DocId>,
): Uint8Array<ArrayBuffer> | undefined {
  const verdict = parseCommit(core.world.crypto, record.bytes);
  if (verdict.kind !== "verified") return undefined;
  return eraseEntries(verdict.commit, ({ docId, entryType }) => entryType !== "doc_purge" && ids.has(docId));
}

/** Run a step while no other thread of this device changes records, with what is purged now. */
async function underLock<T>(
  core: TenantCore,
  step: (ids: ReadonlySet<DocId>) => Promise<T>,
): Promise<T | undefined> {
  const { env } = core.world;
  return env.withLock(`coffer-erase/${core.store.name}`, {}, async () => step((await readPurged(core)).ids));
}
