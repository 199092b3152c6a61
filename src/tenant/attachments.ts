/**
 * The chunks of files: sealed as entries of their document, kept apart from the log, and read back.
 *
 * ```
 * bytes ─► parts of 4 MiB ─► chunks of 256 KiB ─► sealed, one commit a part ─┬─► ciphertexts: chunk store   (first)
 *                                                                            └─► headers: log               (then)
 * the page then edits the document, which names the commits; until then nothing of it is sent
 * ```
 *
 * Guarantees
 * - F1 what is read is what was written, or an error: the part's commit is an accepted one of this database, all of its entries are chunks
 *      of this document under its key, in one chain, of the sizes that the part's size says, and each ciphertext has the hash that was signed
 * - F2 at most one part is in memory for each call that reads; what a file that is being added takes is in `upload.ts`
 * - F3 a call that fails, or a worker that dies, leaves the document as it was; chunks that no document names are erased later
 */
import {
  CofferError,
  concatBytes,
  equalBytes,
  isCofferError,
  type CommitHash,
  type DbId,
  type DocId,
} from "../std/index.ts";
import { chunkSizesOf, findChunks, namedParts, type Part } from "../attachment/index.ts";
import {
  contentSealedSizeBytes,
  openEntries,
  parseCommit,
  sealedSizeBytes,
  type Commit,
  type CommitEntry,
  type OpenVerdict,
} from "../entry/index.ts";
import { ChunkStore, isUnjudged, touchPart, type StoredPart } from "../sync/index.ts";
import type { TenantCore } from "./core.ts";
import type { DatabaseSession } from "./database.ts";
import { requireDoc } from "./edit-desk.ts";
import { settleUnjudged, standingOf, unnamedForMs, vouchFor } from "./file-standing.ts";
import { openShared } from "./shared-chunks.ts";
import type { TenantSession } from "./session.ts";

const stores = new WeakMap<TenantCore, ChunkStore>();

/** The chunks of a tenant. */
export function chunksOf(core: TenantCore): ChunkStore {
  const store = stores.get(core) ?? new ChunkStore(core.world.storage, core.world.scope, core.tenantId);
  stores.set(core, store);
  return store;
}

/** Where a file belongs. */
export interface FilePlace {
  readonly session: TenantSession;
  readonly database: DatabaseSession;
  readonly docId: DocId;
}

/** A range within a part. */
export interface PartRange {
  readonly part: Part;
  readonly from: number;
  readonly to: number;
}

/** Brings a chunk that is not on this device. @throws `net/…` */
export type FetchChunk = (part: StoredPart, index: number) => Promise<Uint8Array<ArrayBuffer>>;

/** Read a range of a part as one, see {@link readPartPieces}. */
export async function readPartRange(
  ...asked: Parameters<typeof readPartPieces>
): Promise<Uint8Array<ArrayBuffer>> {
  return concatBytes(...(await readPartPieces(...asked)));
}

/**
 * Read a range of a part, a piece for each chunk, in memory of its own; nothing but the chunks that hold it is read. Without `fetchChunk`
 * only what is here and judged counts, so that it can be called in the tenant's queue.
 *
 * @throws `doc/missing`, `entry/corrupt` where something is not what was signed, `key/missing`, `access/locked`; what `fetchChunk` throws
 */
export async function readPartPieces(
  { database, docId, session }: FilePlace,
  { from, part, to }: PartRange,
  fetchChunk?: FetchChunk,
): Promise<readonly Uint8Array[]> {
  const { core } = session;
  const commit = await findPart({ database, docId, session }, part, fetchChunk !== undefined);
  const store = chunksOf(core);
  const slices = findChunks(part.sizeBytes, from, to);
  const entries: CommitEntry[] = [...commit.entries];
  // In one transaction: of their own, they would take longer than what is done with them.
  const [stored, here] = await Promise.all([
    store.part(part.commitHash),
    store.chunksOf(slices.map(({ index }) => entries[index]?.header?.ciphertextHash ?? noBytes)),
  ]);
  const known = stored ?? newPart(commit, docId);
  for (const [at, { index }] of slices.entries()) {
    const entry = entries[index];
    if (entry === undefined) throw corrupt(part.commitHash, "chunk");
    // One after the other: what is broken off repeats one at most.
    const bytes = here[at] ?? (await (fetchChunk ?? neverFetch)(known, index));
    entries[index] = { ...entry, ciphertext: bytes };
  }
  // Other threads hash and decrypt at the same time; nothing of what is decrypted is looked at before all hashes are those that were signed.
  const opening = openPart(core, part, { ...commit, entries });
  opening.catch(() => undefined);
  await requireHashes(core, part, entries, slices);
  await requireUnpurged({ database, docId, session });
  const touching = touchPart(store, known, core.nowMs()).catch((error: unknown) => {
    // On a full disk one still reads.
    if (!isCofferError(error)) throw error;
  });
  const sizes = chunkSizesOf(part.sizeBytes);
  const opened = await opening;
  const pieces = slices.map((slice) => {
    const verdict = opened[slice.index];
    if (verdict?.kind === "no-key")
      throw new CofferError(core.unlocked === undefined ? "access/locked" : "key/missing");
    if (verdict?.kind !== "opened" || verdict.plaintext.length !== sizes[slice.index])
      throw corrupt(part.commitHash, "chunk");
    return verdict.plaintext.subarray(slice.from, slice.to);
  });
  await touching;
  return pieces;
}

/** What was fetched while the document was purged is erased with it. @throws `doc/missing` */
async function requireUnpurged({ database, docId, session: { core } }: FilePlace): Promise<void> {
  if (!core.isPurged(docId)) return;
  await purgeChunks(core, [{ dbId: database.dbId, docId }]);
  throw new CofferError("doc/missing", { docId });
}

function openPart(core: TenantCore, { isShared }: Part, commit: Commit): Promise<readonly OpenVerdict[]> {
  return isShared === true
    ? openShared(core, commit)
    : openEntries(core.world.crypto, commit, (name) => core.findKey(name));
}

/** @throws `entry/corrupt` where a ciphertext is not the one that was signed */
async function requireHashes(
  { world }: TenantCore,
  { commitHash }: Part,
  entries: readonly CommitEntry[],
  slices: readonly { readonly index: number }[],
): Promise<void> {
  const areRight = await Promise.all(
    slices.map(async ({ index }) => {
      const { ciphertext = noBytes, header } = entries[index] ?? {};
      return header !== undefined && equalBytes(await world.crypto.digest(ciphertext), header.ciphertextHash);
    }),
  );
  if (areRight.includes(false)) throw corrupt(commitHash, "hash");
}

/**
 * Pin a part and fetch what is not here of it, or let it go again.
 *
 * @throws `doc/missing`, `entry/corrupt`, `access/locked`; what `fetchChunk` throws
 */
export async function pinPart(
  place: FilePlace,
  part: Part,
  isPinned: boolean,
  fetchChunk: FetchChunk,
): Promise<void> {
  const store = chunksOf(place.session.core);
  const known =
    (await store.part(part.commitHash)) ?? newPart(await findPart(place, part, true), place.docId);
  await store.pin(known, isPinned);
  if (!isPinned) return;
  for (const [index, { hash }] of known.chunks.entries()) {
    const bytes = (await store.chunksOf([hash]))[0];
    if (bytes === undefined) await fetchChunk(known, index);
    // Another part may have brought it.
    else await store.addFetched(known, index, bytes);
    await requireUnpurged(place);
  }
  // On a full disk what is fetched is not kept.
  const kept = await store.part(part.commitHash);
  if (kept?.chunks.some(({ isHere }) => !isHere) === true) throw new CofferError("store/quota");
}

function corrupt(commitHash: CommitHash, reason: string): CofferError {
  return new CofferError("entry/corrupt", { what: "attachment", commitHash, reason });
}

const noBytes = new Uint8Array(0);

const neverFetch: FetchChunk = async () => {
  throw new CofferError("net/offline", { what: "attachment" });
};

/** What a device that has none of its chunks knows of a part: what its commit says. */
function newPart({ commitHash, entries, header }: Commit, docId: DocId): StoredPart {
  const chunks = entries.flatMap((entry) =>
    entry.header === undefined
      ? []
      : [{ hash: entry.header.ciphertextHash, sizeBytes: entry.header.ciphertextSizeBytes, isHere: false }],
  );
  const state = {
    isNamed: true,
    isPinned: false,
    isOwn: false,
    createdAtMs: header.createdAtMs,
    usedAtMs: 0,
    received: new Map<string, number>(),
  };
  return { commitHash, dbId: header.dbId, docId, chunks, ...state };
}

/** The commit of a part, with all that F1 asks of its headers; who is patient waits for it to be judged. */
async function findPart(
  { database, docId, session }: FilePlace,
  part: Part,
  isPatient: boolean,
): Promise<Commit> {
  const { core } = session;
  if (core.unlocked === undefined) throw new CofferError("access/locked");
  const doc = requireDoc(database.catalog, docId);
  if (core.isPurged(docId)) throw new CofferError("doc/missing", { docId });
  const named = { commitHash: part.commitHash, dbId: database.dbId };
  if (isPatient && standingOf(core, named) === "unknown") await session.settle();
  const standing = standingOf(core, named);
  const row = core.ledger.find(part.commitHash);
  // The document came before the commit that it names: it is on its way.
  if (standing === "unknown" || row === undefined)
    throw new CofferError("net/offline", { what: "attachment" });
  if (standing === "refused") throw corrupt(part.commitHash, "commit");
  const [record] = await core.store.readRecords([row.position]);
  const parsed = record && parseCommit(core.world.crypto, record.bytes, part.commitHash);
  if (parsed?.kind !== "verified") throw corrupt(part.commitHash, "commit");
  const sizeOf = part.isShared === true ? contentSealedSizeBytes : sealedSizeBytes;
  const sizes = chunkSizesOf(part.sizeBytes).map(sizeOf);
  const misfit = misfitOf(parsed.commit, { docId, keyId: doc.keyId, sizes });
  if (misfit !== undefined) throw corrupt(part.commitHash, misfit);
  return parsed.commit;
}

/** Why a commit is not the part that a document says; `undefined` when it is. */
function misfitOf(
  { entries, header: { keys } }: Commit,
  wanted: { readonly docId: DocId; readonly keyId: string; readonly sizes: readonly number[] },
): string | undefined {
  if (entries.length !== wanted.sizes.length || keys.length !== 1) return "length";
  for (const [index, { header }] of entries.entries()) {
    if (header?.entryType !== "attachment_chunk") return "type";
    if (header.docId !== wanted.docId) return "document";
    if (keys[header.keyIndex]?.keyId !== wanted.keyId) return "key";
    if (header.ciphertextSizeBytes !== wanted.sizes[index]) return "size";
    const before = entries[index - 1]?.entryHash;
    if (before !== undefined && !header.dependencies.includes(before)) return "order";
  }
  return undefined;
}

/** A document names these parts now: they may be sent. */
export async function nameParts(core: TenantCore, commitHashes: readonly CommitHash[]): Promise<void> {
  for (const commitHash of commitHashes) await vouchFor(chunksOf(core), { commitHash });
}

/**
 * See to the parts that nobody said were named: after a worker died between storing them and naming them, or before. Those that their
 * document names are named; others are erased once they are old. And to those that came before their commits were judged.
 */
export async function settleParts(session: TenantSession): Promise<void> {
  const { core } = session;
  await settleUnjudged(core, chunksOf(core));
  const old: StoredPart[] = [];
  for (const part of await chunksOf(core).parts()) {
    // A backup, or a peer while this was locked, may have brought what was purged here.
    if (core.isPurged(part.docId)) old.push(part);
    if (part.isNamed || isUnjudged(part) || core.isPurged(part.docId)) continue;
    const isNamed = await isNamedBy(session, part);
    if (isNamed === true) await nameParts(core, [part.commitHash]);
    else if (isNamed === false && core.nowMs() - part.usedAtMs > unnamedForMs) old.push(part);
  }
  await chunksOf(core).erase(old);
}

/** `undefined`: it cannot be told, since the document is not here, or has branches. */
async function isNamedBy(session: TenantSession, part: StoredPart): Promise<boolean | undefined> {
  try {
    return await session.exclusive(async () => {
      const database = session.database({ dbId: part.dbId });
      if (requireDoc(database.catalog, part.docId).isBranched) return undefined;
      const { value } = await database.snapshot(part.docId);
      if (value === undefined) return undefined;
      return namedParts(value).some(({ commitHash }) => commitHash === part.commitHash);
    });
  } catch (error) {
    if (!isCofferError(error)) throw error;
    return undefined;
  }
}

/** Erase the chunks of documents that were purged. */
export async function purgeChunks(
  core: TenantCore,
  docs: readonly { readonly dbId: DbId; readonly docId: DocId }[],
): Promise<void> {
  const ids = new Set(docs.map(({ docId }) => docId));
  const gone = (await chunksOf(core).parts()).filter(({ docId }) => ids.has(docId));
  await chunksOf(core).erase(gone);
}

/** As {@link settleParts}, once the log is judged. What stops it is left to the next opening. */
export async function finishUploads(session: TenantSession): Promise<void> {
  try {
    await session.settle();
    await settleParts(session);
    session.links.files.start();
    session.links.chunks.wake();
    session.links.peers.bring();
  } catch (error) {
    if (!isCofferError(error)) throw error;
  }
}
