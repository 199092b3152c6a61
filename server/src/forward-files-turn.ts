/**
 * One turn of forwarding a tenant's files: the chunks that a few commits name, which of them the other server lacks, and these one by one.
 *
 * ```
 * commits it acknowledged ─► chunks they name ─► those that are here ─► "which of these have you?" ─► PUT, receipt ─► place is stored
 *        ▲                                            │ not here yet                                   │ no room for this author
 *        └──────── when one arrives ───────── missing ┴────────────────────────────────────────────────┘
 * ```
 * Nothing moves but by a receipt that verifies under the other server's key; it checks size, hash, commit and quota as for anybody. Whoever
 * is killed in between asks again for at most 256 chunks. In memory are the names of so many, and one chunk.
 */
import type { DirectoryState } from "../../src/directory/index.ts";
import { parseCommit } from "../../src/entry/index.ts";
import {
  CofferError,
  equalBytes,
  toCofferError,
  type AuthorKey,
  type CofferErrorCode,
  type CommitHash,
  type DbId,
  type DocId,
  type TenantId,
} from "../../src/std/index.ts";
import { chunkQuestionLimits } from "../../src/sync/index.ts";
import {
  decodeFilesPlace,
  encodeFilesPlace,
  filesName,
  filesPlaceOf,
  goThrough,
  maxMissing,
  type FilesPlace,
} from "./forward-files-place.ts";
import { decodeForwardPlace } from "./forward-place.ts";
import type { ForwardParts } from "./forward-turn.ts";
import { shortId } from "./logger.ts";
import type { RelayMetrics } from "./relay-metrics.ts";
import { addRange, removeRange, type SeqRange, type SeqRanges } from "./seq-ranges.ts";

export interface FilesParts extends Omit<ForwardParts, "logSets" | "metrics"> {
  readonly metrics: Pick<RelayMetrics, "forwardedChunk">;
  /** nothing more is to be sent */
  readonly signal: AbortSignal;
}

/** What is known of one tenant's files; nothing of it must outlive the process. */
export interface FilesTurns {
  /** whether everything that is missing was noted to be looked at */
  hasBegun: boolean;
  /** commits that were gone through, and are looked at again */
  readonly looks: Map<DbId, SeqRanges>;
  /** the other server has no room for more of theirs at present */
  readonly full: Set<AuthorKey>;
  /** so many chunks are asked for at once: few after too many requests, since each sixteen count as one */
  askedCount: number;
}

/** Nothing is known yet. */
export function createFilesTurns(): FilesTurns {
  return { hasBegun: false, looks: new Map(), full: new Set(), askedCount: chunkQuestionLimits.count };
}

/** A chunk has arrived of a commit here. */
export function noteArrived({ looks }: FilesTurns, dbId: DbId, seq: number): void {
  looks.set(dbId, addRange(looks.get(dbId) ?? [], { from: seq, to: seq + 1 }, maxMissing));
}

/** Everything that is missing is looked at again, and who had no room is tried once more. */
export function lookAgain(turns: FilesTurns): void {
  turns.hasBegun = false;
  turns.full.clear();
}

/** of one turn */
const readBytes = 1024 * 1024;
const readCount = 256;
/** they count as one request */
const fewestAsked = 16;

/** what says that this one chunk is not taken, now or ever */
const refusals: readonly CofferErrorCode[] = [
  "directory/behind",
  "doc/deleted",
  "entry/forged",
  "input/too-large",
];

/**
 * Forward the chunks of the next commits of a tenant.
 *
 * @returns why the rest of it waits, once nothing else is owed
 * @throws what the other server answered to all of it
 */
export async function forwardFilesTurn(
  parts: FilesParts,
  turns: FilesTurns,
  tenantId: TenantId,
): Promise<"more" | "done" | CofferError> {
  const { crypto, directories, link, storage } = parts;
  const directory = (await directories.read(tenantId))?.state;
  if (directory === undefined) return "done";
  const farKey = await link.serverKey();
  const logs = await readFileLogs(parts, directory, farKey);
  if (!turns.hasBegun) {
    turns.looks.clear();
    for (const { dbId, place } of logs) if (place.missing.length > 0) turns.looks.set(dbId, place.missing);
    turns.hasBegun = true;
  }
  const next = nextSpan(logs, turns);
  if (next === undefined)
    return turns.full.size > 0 ? new CofferError("store/quota", { what: "chunk" }) : "done";
  const { log, span } = next;
  const { names, range } = await readNames(parts, directory, { ...span, dbId: log.dbId }, turns.askedCount);
  // What arrives from here on is looked at again.
  forgetLooks(turns, log.dbId, range);
  const missing = await bringAll(parts, turns, { dbId: log.dbId, tenantId }, names).catch(
    (cause: unknown) => {
      noteRange(turns, log, range);
      if (toCofferError(cause).code === "net/rate-limited") turns.askedCount = fewestAsked;
      throw cause;
    },
  );
  turns.askedCount = Math.min(2 * turns.askedCount, chunkQuestionLimits.count);
  const place = encodeFilesPlace(goThrough(log.place, range, missing));
  if (log.stored === undefined || !equalBytes(place, log.stored))
    await storage.writeForwarded(tenantId, filesName(crypto, farKey), new Map([[log.dbId, place]]));
  return "more";
}

/** A log, how far the other server acknowledged it, and how far its files were gone through. */
interface FileLog {
  readonly dbId: DbId;
  readonly acknowledged: number;
  readonly place: FilesPlace;
  readonly stored: Uint8Array | undefined;
}

async function readFileLogs(
  { crypto, storage }: FilesParts,
  { dbId: directoryDbId, tenantId }: DirectoryState,
  farKey: Uint8Array,
): Promise<readonly FileLog[]> {
  const commits = await storage.readForwarded(tenantId, farKey);
  const files = await storage.readForwarded(tenantId, filesName(crypto, farKey));
  const placeAt = (dbId: DbId) => decodeForwardPlace(commits.get(dbId) ?? new Uint8Array());
  const farEpoch = placeAt(directoryDbId)?.farEpoch;
  if (farEpoch === undefined) return [];
  return (await storage.listLogs(tenantId)).flatMap((log) => {
    const { dbId, epoch, size } = log;
    const ofCommits = placeAt(dbId);
    // Of another epoch on either side: it is about to be forwarded anew.
    if (dbId === directoryDbId || ofCommits?.epoch !== epoch || ofCommits.farEpoch !== farEpoch) return [];
    const acknowledged = Math.min(ofCommits.seq, size);
    const stored = files.get(dbId);
    const place = filesPlaceOf(log, stored && decodeFilesPlace(stored), { farEpoch, acknowledged });
    return [{ dbId, acknowledged, place, stored }];
  });
}

/** What is gone through next: what is looked at again before what is new. */
function nextSpan(
  logs: readonly FileLog[],
  { looks }: FilesTurns,
): { readonly log: FileLog; readonly span: SeqRange } | undefined {
  for (const log of logs) {
    const [look] = looks.get(log.dbId) ?? [];
    // What lies beyond its place is gone through when its turn comes.
    if (look !== undefined && look.from < log.place.seq)
      return { log, span: { from: look.from, to: Math.min(look.to, log.place.seq) } };
    looks.delete(log.dbId);
  }
  const log = logs.find(({ acknowledged, place }) => place.seq < acknowledged);
  return log && { log, span: { from: log.place.seq, to: log.acknowledged } };
}

function forgetLooks({ looks }: FilesTurns, dbId: DbId, range: SeqRange): void {
  const left = removeRange(looks.get(dbId) ?? [], range, maxMissing);
  if (left.length > 0) looks.set(dbId, left);
  else looks.delete(dbId);
}

function noteRange({ looks }: FilesTurns, { dbId, place }: FileLog, { from, to }: SeqRange): void {
  const again = { from, to: Math.min(to, place.seq) };
  looks.set(dbId, addRange(looks.get(dbId) ?? [], again, maxMissing));
}

/** A chunk as a commit names it. */
interface ChunkName {
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly docId: DocId;
  readonly sizeBytes: number;
  readonly author: AuthorKey;
  readonly commitHash: CommitHash;
  readonly createdAtMs: number;
  readonly entryIndex: number;
}

/** The chunks that the first commits of a range name, of no purged document, as many as one question holds; and how far that goes. */
async function readNames(
  { crypto, storage }: FilesParts,
  { purgedDocs, tenantId }: DirectoryState,
  { dbId, from, to }: SeqRange & Pick<FileLog, "dbId">,
  maxNames: number,
): Promise<{ readonly names: readonly ChunkName[]; readonly range: SeqRange }> {
  const maxCount = Math.min(to - from, readCount);
  const rows = await storage.readCommits(tenantId, dbId, { fromSeq: from, maxCount, maxBytes: readBytes });
  const names: ChunkName[] = [];
  for (const { bytes, commitHash, seq } of rows) {
    const verdict = bytes && parseCommit(crypto, bytes, commitHash);
    if (verdict?.kind !== "verified") continue;
    const { author, createdAtMs } = verdict.commit.header;
    const own = verdict.commit.entries.flatMap(({ ciphertext, header }, entryIndex): ChunkName[] => {
      const isApart = header?.entryType === "attachment_chunk" && ciphertext === undefined;
      if (!isApart || purgedDocs.has(header.docId)) return [];
      const { ciphertextHash: hash, ciphertextSizeBytes: sizeBytes, docId } = header;
      return [{ seq, hash, docId, sizeBytes, author, commitHash, createdAtMs, entryIndex }];
    });
    if (names.length > 0 && names.length + own.length > maxNames) return { names, range: { from, to: seq } };
    names.push(...own);
  }
  const last = rows.at(-1)?.seq;
  return { names, range: { from, to: last === undefined ? to : last + 1 } };
}

interface LogName {
  readonly tenantId: TenantId;
  readonly dbId: DbId;
}

/** Bring what the other server lacks of some chunks. @returns the commits of which some are not there */
async function bringAll(
  parts: FilesParts,
  turns: FilesTurns,
  log: LogName,
  names: readonly ChunkName[],
): Promise<readonly number[]> {
  const { link, metrics, storage } = parts;
  if (names.length === 0) return [];
  const sizes = await storage.chunkSizes(log.tenantId, names);
  const here = names.filter(
    ({ author, sizeBytes }, at) => sizes[at] === sizeBytes && !turns.full.has(author),
  );
  const missing = new Set(names.filter((name) => !here.includes(name)).map(({ seq }) => seq));
  const known = here.length === 0 ? [] : await link.askChunks(log.tenantId, here);
  for (const [at, name] of here.entries()) {
    if (known[at] === true) metrics.forwardedChunk("present", 0);
    else if (turns.full.has(name.author) || !(await bring(parts, turns, log, name))) missing.add(name.seq);
  }
  return [...missing];
}

/** @returns whether this chunk is done with: the other server has it, or refused it for good */
async function bring(
  { link, logger, metrics, signal, storage }: FilesParts,
  turns: FilesTurns,
  { dbId, tenantId }: LogName,
  name: ChunkName,
): Promise<boolean> {
  if (signal.aborted) throw new CofferError("aborted");
  const body = await storage.readChunk(tenantId, name.hash);
  // It was purged in between.
  if (body === undefined) return true;
  const query = `db=${dbId}&commit=${name.commitHash}&at=${name.createdAtMs}&entry=${name.entryIndex}`;
  try {
    await link.putChunk(tenantId, { hash: name.hash, query, body: new Uint8Array(body) });
  } catch (cause) {
    const { code } = toCofferError(cause, "net/failed");
    if (code !== "store/quota" && !refusals.includes(code)) throw cause;
    metrics.forwardedChunk(code, 0);
    if (code === "store/quota") turns.full.add(name.author);
    else logger.warn("forward.refused", { to: link.url, tenant: shortId(tenantId), code, what: "chunk" });
    return code !== "store/quota";
  }
  metrics.forwardedChunk("stored", body.length);
  return true;
}
