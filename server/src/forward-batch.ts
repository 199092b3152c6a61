/** Reads what of the logs goes to another server next, and makes PUSH frames of it. */
import type { DirectoryState } from "../../src/directory/index.ts";
import { entryLimits, parseCommit, presenceOf, type Commit } from "../../src/entry/index.ts";
import type { AuthorKey, DbId, TenantId } from "../../src/std/index.ts";
import { syncLimits } from "../../src/sync/index.ts";
import type { RelayCrypto } from "./directories.ts";
import type { PushFrame } from "./forward-link.ts";
import type { OwedLog } from "./forward-place.ts";
import { nextIn } from "./seq-ranges.ts";
import type { RelayReader, StoredCommit } from "./storage.ts";

export interface BatchParts {
  readonly crypto: RelayCrypto;
  readonly storage: Pick<RelayReader, "readCommits">;
}

/** A commit on its way; without bytes when the other server brought it itself. */
export interface BatchCommit {
  readonly dbId: DbId;
  readonly seq: number;
  readonly bytes: Uint8Array | undefined;
  readonly author: AuthorKey | undefined;
  /** it lacks ciphertexts that may still come */
  readonly isLacking: boolean;
}

export interface BatchRequest {
  readonly directory: DirectoryState;
  readonly logs: readonly OwedLog[];
  /** what the other server brought is kept under this name */
  readonly farReplica: Uint8Array;
  /** places of a log before its own that were filled here */
  readonly filledOf: (log: OwedLog) => readonly number[];
}

/** of one request; a server judges the commits of its directory together, so that a line and its merge should fit */
const directoryBytes = 6 * 1024 * 1024;
const batchBytes = 2 * 1024 * 1024;
const maxFilled = 64;
/** of a log, read backwards in pieces of so many commits */
const windowCommits = 32;

/** The next commits of some logs, within one request. */
export async function readBatch(parts: BatchParts, request: BatchRequest): Promise<readonly BatchCommit[]> {
  const { directory, farReplica, filledOf, logs } = request;
  const { dbId: directoryDbId, tenantId } = directory;
  const batch: BatchCommit[] = [];
  let budgetBytes = logs.some(({ dbId }) => dbId === directoryDbId) ? directoryBytes : batchBytes;
  const take = (dbId: DbId, rows: readonly StoredCommit[]): void => {
    for (const row of rows) {
      budgetBytes -= row.bytes?.length ?? 0;
      batch.push(toBatchCommit(parts.crypto, directory, dbId, row));
    }
  };
  for (const log of logs) {
    const { dbId, place, size } = log;
    for (const seq of filledOf(log).slice(0, maxFilled))
      if (budgetBytes > 0)
        take(
          dbId,
          await parts.storage.readCommits(tenantId, dbId, { fromSeq: seq, maxCount: 1, maxBytes: 1 }),
        );
    if (budgetBytes <= 0) break;
    const isWhole = place.seq < place.everythingThrough;
    const lackingTo = (log.lacking && nextIn(log.lacking, place.seq)?.to) ?? size;
    const maxCount = Math.min(
      (isWhole ? Math.min(place.everythingThrough, lackingTo, size) : size) - place.seq,
      syncLimits.commitsPerFrame,
    );
    if (maxCount <= 0) continue;
    const withoutReplica = isWhole ? undefined : farReplica;
    const range = { fromSeq: place.seq, maxCount, maxBytes: budgetBytes, withoutReplica };
    take(dbId, await parts.storage.readCommits(tenantId, dbId, range));
  }
  return batch;
}

/**
 * The commits of some authors from the end of a log to its place, newest first, in pieces for one request each. Whether a commit is inside
 * the cut of who was revoked is known where the way from the cut's heads to it is known; so from the end each can be judged when it comes.
 */
export async function* readBackwards(
  parts: BatchParts,
  request: Pick<BatchRequest, "directory">,
  { dbId, place, size }: OwedLog,
  authors: ReadonlySet<AuthorKey>,
): AsyncGenerator<readonly BatchCommit[], void> {
  const { directory } = request;
  let piece: BatchCommit[] = [];
  let pieceBytes = 0;
  for (let to = size; to > place.seq; to -= windowCommits) {
    const from = Math.max(place.seq, to - windowCommits);
    const rows = await readAll(parts, directory.tenantId, { dbId, from, to });
    for (const row of rows.toReversed()) {
      const commit = toBatchCommit(parts.crypto, directory, dbId, row);
      if (commit.author === undefined || !authors.has(commit.author)) continue;
      piece.push(commit);
      pieceBytes += commit.bytes?.length ?? 0;
      if (pieceBytes < batchBytes && piece.length < syncLimits.commitsPerFrame) continue;
      yield piece;
      [piece, pieceBytes] = [[], 0];
    }
  }
  if (piece.length > 0) yield piece;
}

async function readAll(
  { storage }: BatchParts,
  tenantId: TenantId,
  { dbId, from, to }: { readonly dbId: DbId; readonly from: number; readonly to: number },
): Promise<readonly StoredCommit[]> {
  const rows: StoredCommit[] = [];
  while (from + rows.length < to) {
    const range = { fromSeq: from + rows.length, maxCount: to - from - rows.length, maxBytes: batchBytes };
    const more = await storage.readCommits(tenantId, dbId, range);
    if (more.length === 0) break;
    rows.push(...more);
  }
  return rows;
}

function toBatchCommit(
  crypto: RelayCrypto,
  { purgedDocs }: DirectoryState,
  dbId: DbId,
  { bytes, commitHash, seq }: StoredCommit,
): BatchCommit {
  const verdict = bytes && parseCommit(crypto, bytes, commitHash);
  if (verdict?.kind !== "verified") return { dbId, seq, bytes, author: undefined, isLacking: false };
  const { commit } = verdict;
  const isLacking = presenceOf(commit) === "partial" && lacksMore(commit, purgedDocs);
  return { dbId, seq, bytes, author: commit.header.author, isLacking };
}

/** What the admin purged comes no more. */
function lacksMore({ entries }: Commit, purgedDocs: DirectoryState["purgedDocs"]): boolean {
  return entries.some(
    ({ ciphertext, header }) =>
      ciphertext === undefined && header !== undefined && !purgedDocs.has(header.docId),
  );
}

/** PUSH frames of commits, and for each commit of a frame its place in the batch. */
export interface PackedBatch {
  readonly pushes: readonly PushFrame[];
  readonly indexes: readonly (readonly number[])[];
}

/** Pack commits that have bytes; the frames of a directory are as few as hold them. */
export function packBatch(batch: readonly BatchCommit[], directoryDbId: DbId): PackedBatch {
  const pushes: { type: "push"; dbId: DbId; commits: Uint8Array[] }[] = [];
  const indexes: number[][] = [];
  let sizeBytes = 0;
  for (const [index, { bytes, dbId }] of batch.entries()) {
    if (bytes === undefined) continue;
    const [last, lastIndexes] = [pushes.at(-1), indexes.at(-1)];
    const maxBytes = dbId === directoryDbId ? entryLimits.commitBytes : syncLimits.frameTargetBytes;
    // What a sized commit costs beside its bytes.
    const itemBytes = bytes.length + 4;
    const fits =
      sizeBytes + itemBytes <= maxBytes && (last?.commits.length ?? 0) < syncLimits.commitsPerFrame;
    if (last?.dbId === dbId && lastIndexes !== undefined && fits) {
      last.commits.push(bytes);
      lastIndexes.push(index);
      sizeBytes += itemBytes;
      continue;
    }
    pushes.push({ type: "push", dbId, commits: [bytes] });
    indexes.push([index]);
    sizeBytes = itemBytes;
  }
  return { pushes, indexes };
}
