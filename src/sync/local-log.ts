/**
 * What sync asks of the device log: which commits are in it, and what of it is to be pushed.
 */
import type { CommitHash, DbId } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { parseCommit } from "../entry/index.ts";
import type { LogRecord, Store } from "../store/index.ts";
import type { Effect, OutboxRecord, OutboxState } from "./engine-types.ts";
import { syncLimits } from "./messages.ts";

type EffectOf<Kind extends Effect["kind"]> = Extract<Effect, { kind: Kind }>;

const page = { maxCount: 512, maxBytes: 4 * 1024 * 1024 } as const;

/** The device log as one remote sees it. */
export interface LocalLog {
  /** Whether a commit is in the log; the first miss reads the whole log once. */
  has(commitHash: CommitHash): Promise<boolean>;
  /** Whether a commit is known to be in the log, without reading. */
  hasSeen(commitHash: CommitHash): boolean;
  /** Remember a commit that was read or written. */
  note(commitHash: CommitHash): void;
  /** Pass what came from the remote and stands before anything that is to be pushed. */
  skipReceived(outbox: OutboxState): Promise<OutboxState>;
  /** The next records to push, in order, until `maxBytes`; `through` is the last position looked at. */
  readOutbox(
    effect: EffectOf<"read-outbox">,
  ): Promise<{ readonly records: readonly OutboxRecord[]; readonly through: number }>;
  /** What the remote had acknowledged of a database and what `contained` does not hold. */
  findMissing(effect: EffectOf<"audit">): Promise<readonly CommitHash[]>;
}

/** Look at a device log for one remote. */
export function createLocalLog(crypto: Pick<Verifier, "sha256">, store: Store, remoteId: string): LocalLog {
  const seen = new Set<CommitHash>();
  let scannedTo = 0;

  async function* records(after: number): AsyncGenerator<LogRecord, void> {
    let position = after;
    for (;;) {
      const some = await store.readLog({ after: position, ...page });
      if (some.length === 0) return;
      yield* some;
      position = some.at(-1)?.position ?? position;
    }
  }
  const dbIdOf = (record: LogRecord): DbId | undefined => {
    const verdict = parseCommit(crypto, record.bytes);
    return verdict.kind === "verified" ? verdict.commit.header.dbId : undefined;
  };
  return {
    async has(commitHash) {
      if (seen.has(commitHash)) return true;
      for await (const record of records(scannedTo)) {
        seen.add(record.commitHash);
        scannedTo = record.position;
      }
      return seen.has(commitHash);
    },
    hasSeen: (commitHash) => seen.has(commitHash),
    note: (commitHash) => void seen.add(commitHash),
    async skipReceived(outbox) {
      let { position } = outbox;
      for await (const record of records(position)) {
        if (record.origin !== remoteId || record.position <= outbox.everythingThrough) break;
        position = record.position;
      }
      return { ...outbox, position };
    },
    async readOutbox({ after, everythingThrough, maxBytes }) {
      const batch: OutboxRecord[] = [];
      let through = after;
      let sizeBytes = 0;
      for await (const record of records(after)) {
        const { position, commitHash, bytes, origin } = record;
        const isOwn = origin !== remoteId;
        const dbId = isOwn || position <= everythingThrough ? dbIdOf(record) : undefined;
        if (dbId !== undefined && batch.length > 0 && sizeBytes + bytes.length > maxBytes) break;
        through = position;
        seen.add(commitHash);
        if (dbId === undefined) continue;
        batch.push({ position, commitHash, dbId, bytes, isOwn });
        sizeBytes += bytes.length;
        if (batch.length === syncLimits.commitsPerFrame) break;
      }
      return { records: batch, through };
    },
    async findMissing({ dbId, contained, outbox }) {
      const held = new Set(contained.flat());
      for (const hash of outbox.refused) held.add(hash);
      const missing = new Set<CommitHash>();
      for await (const record of records(0)) {
        const wasReceipted = record.origin === remoteId || record.position <= outbox.position;
        if (wasReceipted && !held.has(record.commitHash) && dbIdOf(record) === dbId)
          missing.add(record.commitHash);
      }
      return [...missing];
    },
  };
}
