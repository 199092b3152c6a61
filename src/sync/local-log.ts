/**
 * What sync asks of the device log: which commits are in it, and what of it is to be pushed.
 *
 * | a commit in the log | pushed |
 * |---|---|
 * | whole | by any member |
 * | without some ciphertexts: their documents were erased before it was sent | by its author |
 * | the same, of somebody else; or without some headers | never |
 *
 * An author vouches for what they hold back by being who they are. Anyone else would withhold it in their name, from every reader of
 * that server who passes the place.
 */
import { equalBytes, type AuthorKey, type CommitHash, type DbId } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { fillCommit, parseCommit, presenceOf, type Commit } from "../entry/index.ts";
import type { LogRecord, Store } from "../store/index.ts";
import type { Effect, EngineEvent, OutboxRecord, OutboxState } from "./engine-types.ts";
import { syncLimits } from "./messages.ts";

type Outbox = Omit<Extract<EngineEvent, { kind: "outbox" }>, "kind" | "nowMs">;
type EffectOf<Kind extends Effect["kind"]> = Extract<Effect, { kind: Kind }>;

const page = { maxCount: 512, maxBytes: 4 * 1024 * 1024 } as const;
/** Commits of up to 1 MiB each that are compared at a time. */
const comparedCount = 16;
/** Of a past, the ends that are followed; a server asks again for what is left out. */
const maxOpen = 1024;

/** Whose log it is, as one server sees it. */
export interface LocalLogOptions {
  /** the origin of records that came from the server */
  readonly remoteId: string;
  /** who speaks to the server; `undefined` when that cannot be told, so that only whole commits are pushed */
  readonly userKey: AuthorKey | undefined;
}

/** The device log as one remote sees it. */
export interface LocalLog {
  /** Whether a commit is in the log; the first miss reads the whole log once. */
  has(commitHash: CommitHash): Promise<boolean>;
  /** Those of some commits that are in the log with all their ciphertexts: of the others more may be had. */
  whole(commitHashes: readonly CommitHash[]): Promise<ReadonlySet<CommitHash>>;
  /**
   * Those of some commits that are in the log with everything they bring. One that lacks ciphertexts there is not, when they came.
   *
   * @param isThorough read the whole log once for those that were not seen yet
   */
  held(commits: readonly Commit[], isThorough: boolean): Promise<ReadonlySet<CommitHash>>;
  /** Remember a commit that was written. */
  note(commitHash: CommitHash, position: number): void;
  /** Pass what came from the remote and stands before anything that is to be pushed. */
  skipReceived(outbox: OutboxState): Promise<OutboxState>;
  /**
   * The next records to push, or those of some positions, in order, until `maxBytes`; `through` is the last position looked at. Of what is wanted the past, newest
   * first, up to what the remote is proven to have.
   */
  readOutbox(effect: EffectOf<"read-outbox">): Promise<Outbox>;
  /** Remember of a database in an epoch of the remote what is proven to be there. Of another epoch nothing is known any more. */
  confirm(database: { readonly dbId: DbId; readonly epoch: number }, hashes: readonly CommitHash[]): void;
  /** What the remote had acknowledged of a database and what `contained` does not hold. */
  findMissing(effect: EffectOf<"audit">): Promise<readonly CommitHash[]>;
}

/** Look at a device log for one remote. */
export function createLocalLog(
  crypto: Pick<Verifier, "sha256">,
  store: Store,
  { remoteId, userKey }: LocalLogOptions,
): LocalLog {
  const index = createCommitIndex(crypto, store);
  const confirmed = new Map<DbId, { readonly epoch: number; readonly hashes: Set<CommitHash> }>();
  const records = (after: number): AsyncGenerator<LogRecord, void> => recordsAfter(store, after);
  const isConfirmed = (dbId: DbId, hash: CommitHash): boolean =>
    confirmed.get(dbId)?.hashes.has(hash) === true;
  return {
    ...index,
    async skipReceived(outbox) {
      let { position } = outbox;
      for await (const record of records(position)) {
        if (record.origin !== remoteId || record.position <= outbox.everythingThrough) break;
        position = record.position;
      }
      return { ...outbox, position };
    },
    async readOutbox({ after, at, everythingThrough, maxBytes, wanted }) {
      if (wanted !== undefined)
        return readPast({ crypto, index, isConfirmed, remoteId, store, userKey }, wanted, maxBytes);
      const batch: OutboxRecord[] = [];
      let through = at === undefined ? after : 0;
      let sizeBytes = 0;
      let hasConfirmed = false;
      let isFull = false;
      // What was just written goes at once; what lies behind it is read when that is answered.
      const recent = at === undefined ? store.readRecent(after) : [];
      const next = recent.length > 0 ? recent : records(after);
      for await (const record of at === undefined ? next : recordsAt(store, at)) {
        const { position, commitHash, bytes, origin } = record;
        const isOwn = origin !== remoteId;
        const commit = isOwn || position <= everythingThrough ? commitOf(crypto, record) : undefined;
        const dbId = sendableTo(commit, userKey);
        const isThere = dbId !== undefined && isConfirmed(dbId, commitHash);
        const isOver = batch.length > 0 && sizeBytes + bytes.length > maxBytes;
        isFull = dbId !== undefined && !isThere && isOver && !bringsIn(batch.at(-1), commit);
        if (isFull) break;
        through = position;
        index.note(commitHash, position);
        hasConfirmed ||= isThere;
        if (dbId === undefined || isThere) continue;
        batch.push({ position, commitHash, dbId, bytes, isOwn });
        sizeBytes += bytes.length;
        isFull = batch.length === syncLimits.commitsPerFrame;
        if (isFull) break;
      }
      // What is gone from there needs no push either.
      if (!isFull) through = at?.at(-1) ?? through;
      return { records: batch, through, hasConfirmed };
    },
    confirm({ dbId, epoch }, hashes) {
      const known = confirmed.get(dbId);
      if (known?.epoch !== epoch) confirmed.set(dbId, { epoch, hashes: new Set(hashes) });
      else for (const hash of hashes) known.hashes.add(hash);
    },
    async findMissing({ dbId, contained, outbox }) {
      const held = new Set([...contained.flat(), ...outbox.refused]);
      const missing = new Set<CommitHash>();
      for await (const record of records(0)) {
        const wasReceipted = record.origin === remoteId || record.position <= outbox.position;
        if (wasReceipted && !held.has(record.commitHash) && commitOf(crypto, record)?.header.dbId === dbId)
          missing.add(record.commitHash);
      }
      return [...missing];
    },
  };
}

interface PastParts extends LocalLogOptions {
  readonly crypto: Pick<Verifier, "sha256">;
  readonly store: Pick<Store, "readRecords">;
  readonly index: CommitIndex;
  readonly isConfirmed: (dbId: DbId, hash: CommitHash) => boolean;
}

/** Commits and their past, the latest in the log first. */
async function readPast(
  { crypto, index, isConfirmed, remoteId, store, userKey }: PastParts,
  wanted: readonly CommitHash[],
  maxBytes: number,
): Promise<Outbox> {
  const records: OutboxRecord[] = [];
  const open = new Map<number, CommitHash>();
  const seen = new Set<number>();
  const add = async (hashes: readonly CommitHash[]): Promise<void> => {
    for (const hash of hashes) {
      const position = (await index.has(hash)) ? index.at(hash) : 0;
      if (position > 0 && !seen.has(position) && open.size < maxOpen) open.set(position, hash);
    }
  };
  await add(wanted);
  let sizeBytes = 0;
  while (open.size > 0 && sizeBytes < maxBytes && records.length < syncLimits.commitsPerFrame) {
    const position = Math.max(...open.keys());
    open.delete(position);
    seen.add(position);
    const [record] = await store.readRecords([position]);
    const commit = record && commitOf(crypto, record);
    const dbId = sendableTo(commit, userKey);
    if (record === undefined || commit === undefined || dbId === undefined) continue;
    const { bytes, commitHash, origin } = record;
    // What is wanted may have come beside what waited for it: what comes before is wanted then.
    if (isConfirmed(dbId, commitHash) && !wanted.includes(commitHash)) continue;
    records.push({ position, commitHash, dbId, bytes, isOwn: origin !== remoteId });
    sizeBytes += bytes.length;
    await add(commit.header.predecessors);
  }
  return { records, through: 0, hasConfirmed: false, wanted: [...open.values()] };
}

/** Whether a commit merges the one before it with others: a server takes a line of the directory that was written apart only with its merge. */
function bringsIn(before: OutboxRecord | undefined, commit: Commit | undefined): boolean {
  const past = commit?.header.predecessors ?? [];
  return past.length > 1 && before !== undefined && past.includes(before.commitHash);
}

interface CommitIndex extends Pick<LocalLog, "has" | "held" | "note" | "whole"> {
  /** where a commit is that is there */
  at(commitHash: CommitHash): number;
}

/** Which commits are where in a log, as far as it was read. */
function createCommitIndex(crypto: Pick<Verifier, "sha256">, store: Store): CommitIndex {
  /** where each commit is; of several places the last, since one is written again only when it brought more */
  const seen = new Map<CommitHash, number>();
  let scannedTo = 0;
  const note = (commitHash: CommitHash, position: number): void => {
    if (position > (seen.get(commitHash) ?? 0)) seen.set(commitHash, position);
  };
  const has = async (commitHash: CommitHash): Promise<boolean> => {
    if (seen.has(commitHash)) return true;
    for await (const record of recordsAfter(store, scannedTo)) {
      note(record.commitHash, record.position);
      scannedTo = record.position;
    }
    return seen.has(commitHash);
  };
  return {
    has,
    at: (hash) => seen.get(hash) ?? 0,
    note,
    async whole(commitHashes) {
      const whole = new Set<CommitHash>();
      for (let from = 0; from < commitHashes.length; from += comparedCount) {
        const positions: number[] = [];
        for (const hash of commitHashes.slice(from, from + comparedCount))
          if (await has(hash)) positions.push(seen.get(hash) ?? 0);
        for (const record of await store.readRecords(positions)) {
          const commit = commitOf(crypto, record);
          if (commit !== undefined && presenceOf(commit) === "whole") whole.add(record.commitHash);
        }
      }
      return whole;
    },
    async held(commits, isThorough) {
      const held = new Set<CommitHash>();
      for (let from = 0; from < commits.length; from += comparedCount) {
        const known: Commit[] = [];
        for (const commit of commits.slice(from, from + comparedCount))
          if (isThorough ? await has(commit.commitHash) : seen.has(commit.commitHash)) known.push(commit);
        const positions = known.map(({ commitHash }) => seen.get(commitHash) ?? 0);
        if (known.length === 0) continue;
        for (const hash of heldIn(crypto, await store.readRecords(positions), known)) held.add(hash);
      }
      return held;
    },
  };
}

/** The records of a log after a position, page by page. */
export async function* recordsAfter(store: Store, after: number): AsyncGenerator<LogRecord, void> {
  let position = after;
  for (;;) {
    const recent = store.readRecent(position);
    const some = recent.length > 0 ? recent : await store.readLog({ after: position, ...page });
    if (some.length === 0) return;
    yield* some;
    position = some.at(-1)?.position ?? position;
  }
}

/** The records at some positions, in order, a few at a time. */
async function* recordsAt(store: Store, positions: readonly number[]): AsyncGenerator<LogRecord, void> {
  for (let from = 0; from < positions.length; from += comparedCount) {
    const some = await store.readRecords(positions.slice(from, from + comparedCount));
    yield* some.toSorted((a, b) => a.position - b.position);
  }
}

function commitOf(crypto: Pick<Verifier, "sha256">, { bytes }: LogRecord): Commit | undefined {
  const verdict = parseCommit(crypto, bytes);
  return verdict.kind === "verified" ? verdict.commit : undefined;
}

/** Those of some commits of which these records have all that the copies have. */
function heldIn(
  crypto: Pick<Verifier, "sha256">,
  records: readonly LogRecord[],
  commits: readonly Commit[],
): readonly CommitHash[] {
  const recordsByHash = new Map(records.map((record) => [record.commitHash, record]));
  return commits
    .filter((commit) => {
      const record = recordsByHash.get(commit.commitHash);
      return record !== undefined && holdsAll(crypto, record, commit);
    })
    .map(({ commitHash }) => commitHash);
}

/** Whether a record has of a commit all that this copy of it has. */
function holdsAll(crypto: Pick<Verifier, "sha256">, record: LogRecord, commit: Commit): boolean {
  if (equalBytes(record.bytes, commit.bytes)) return true;
  const held = commitOf(crypto, record);
  return held !== undefined && fillCommit(held, commit) === undefined;
}

/** The database of a commit that can be sent; see the table above. */
export function sendableTo(commit: Commit | undefined, userKey: AuthorKey | undefined): DbId | undefined {
  if (commit === undefined) return undefined;
  const presence = presenceOf(commit);
  const isOwnPart = presence === "partial" && commit.header.author === userKey;
  return presence === "whole" || isOwnPart ? commit.header.dbId : undefined;
}
