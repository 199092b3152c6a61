import { bytesToId, idToBytes, type CommitHash, type DbId, type TenantId } from "../../src/std/index.ts";
import { ReconcileSet } from "../../src/sync/index.ts";
import type { RelayReader } from "./storage.ts";

/** A log's commits as a set, and where each of them is. */
export interface LogSet {
  readonly set: ReconcileSet;
  readonly seqByHash: ReadonlyMap<string, number>;
  /** those that lacked ciphertexts when they were read: some may be whole by now */
  readonly incomplete: ReadonlySet<CommitHash>;
}

/** The name that a commit's hash has in a set. */
export function idToCommitHash(hash: Uint8Array): CommitHash {
  return bytesToId("CommitHash", hash);
}

/** The logs that were reconciled last, as sets: a cache, which any node makes again. */
export interface LogSets {
  /** The log as it is now; an unknown log is an empty set. */
  read(tenantId: TenantId, dbId: DbId): Promise<LogSet>;
}

interface Known {
  readonly epoch: number;
  /** rows before this one are in the set */
  nextSeq: number;
  readonly set: ReconcileSet;
  readonly seqByHash: Map<string, number>;
  readonly incomplete: Set<CommitHash>;
}

/** Of all cached sets together: some hundred bytes each. */
const maxItems = 500_000;
const pageRows = 50_000;

/** Create the cache. A log is read once, and later only at its end; sets that no longer fit are made again when asked. */
export function createLogSets(storage: Pick<RelayReader, "readLog" | "readKeys">): LogSets {
  const known = new Map<string, Known>();
  const running = new Map<string, Promise<LogSet>>();

  async function catchUp(name: string, tenantId: TenantId, dbId: DbId): Promise<LogSet> {
    const log = await storage.readLog(tenantId, dbId);
    const before = known.get(name);
    const isSame = before !== undefined && before.epoch === log?.epoch && before.nextSeq <= log.size;
    const current: Known = isSame
      ? before
      : {
          epoch: log?.epoch ?? 0,
          nextSeq: 0,
          set: ReconcileSet.of([]),
          seqByHash: new Map(),
          incomplete: new Set(),
        };
    while (current.nextSeq < (log?.size ?? 0)) {
      const keys = await storage.readKeys(tenantId, dbId, current.nextSeq, pageRows);
      if (keys.length === 0) break;
      for (const { seq, commitHash, createdAtMs, isPartial } of keys) {
        current.set.add({ timeMs: createdAtMs, hash: idToBytes(commitHash) });
        current.seqByHash.set(commitHash, seq);
        if (isPartial) current.incomplete.add(commitHash);
      }
      current.nextSeq += keys.length;
    }
    known.delete(name);
    known.set(name, current);
    dropOldest();
    return current;
  }

  function dropOldest(): void {
    let items = 0;
    for (const { set } of known.values()) items += set.size;
    for (const [name, { set }] of known) {
      if (items <= maxItems || known.size === 1) return;
      known.delete(name);
      items -= set.size;
    }
  }

  return {
    async read(tenantId, dbId) {
      const name = `${tenantId}/${dbId}`;
      // One after another: a set must not be filled by two at once.
      const reading = (running.get(name) ?? Promise.resolve())
        .catch(() => undefined)
        .then(() => catchUp(name, tenantId, dbId));
      running.set(name, reading);
      try {
        return await reading;
      } finally {
        if (running.get(name) === reading) running.delete(name);
      }
    },
  };
}
