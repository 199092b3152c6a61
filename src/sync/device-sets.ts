/**
 * The device log as sets, one for each database: what reconciliation compares. A log is read once, and later only at its end.
 */
import {
  bytesToId,
  ByteWriter,
  idToBytes,
  utf8ToBytes,
  type CommitHash,
  type DbId,
  type TenantId,
} from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { readCommitCore } from "../entry/index.ts";
import type { Store } from "../store/index.ts";
import { recordsAfter } from "./local-log.ts";
import type { DatabaseDigest } from "./messages.ts";
import { ReconcileSet } from "./reconcile-set.ts";

/** What is here of one database. */
export interface DeviceSet {
  readonly set: ReconcileSet;
  /** where in the log each commit is; of several places the last, which has the most of it */
  readonly positions: ReadonlyMap<CommitHash, number>;
}

/** The sets of one store: made once, shared by whoever reconciles it. */
export interface DeviceSets {
  /** What is here now. The sets are the living ones: they grow with later calls. */
  read(): Promise<ReadonlyMap<DbId, DeviceSet>>;
}

interface Grown extends DeviceSet {
  readonly positions: Map<CommitHash, number>;
}

/** Look at a store as sets. Commits of other tenants and records that cannot be read are left out. */
export function createDeviceSets(store: Store, tenantId: TenantId): DeviceSets {
  let sets = new Map<DbId, Grown>();
  let logEpoch = store.logEpoch;
  let through = 0;
  let reading: Promise<unknown> = Promise.resolve();

  async function catchUp(): Promise<ReadonlyMap<DbId, DeviceSet>> {
    for await (const { position, commitHash, bytes } of recordsAfter(store, through)) {
      through = position;
      const core = readCommitCore(bytes);
      if (core?.tenantId !== tenantId) continue;
      const grown = sets.get(core.dbId) ?? { set: ReconcileSet.of([]), positions: new Map() };
      sets.set(core.dbId, grown);
      grown.set.add({ timeMs: core.createdAtMs, hash: idToBytes(commitHash) });
      grown.positions.set(commitHash, position);
    }
    if (logEpoch === store.logEpoch) return sets;
    // The log was emptied or lost: another one began.
    sets = new Map();
    logEpoch = store.logEpoch;
    through = 0;
    return catchUp();
  }

  return {
    read() {
      // One after another: a set must not be filled by two at once.
      const now = reading.catch(() => undefined).then(catchUp);
      reading = now;
      return now;
    },
  };
}

/**
 * The databases with commits here of which nothing is proven. They are looked for where nothing was proven yet, with a new server, and
 * where a proof was lost; otherwise there are none, or they are new.
 *
 * @param keptCount how many proofs were kept, those that cannot be read included
 */
export async function findUnproven(
  sets: DeviceSets,
  proven: readonly { readonly dbId: DbId }[],
  keptCount: number,
): Promise<readonly DbId[]> {
  if (proven.length > 0 && proven.length >= keptCount) return [];
  const known = new Set(proven.map(({ dbId }) => dbId));
  return [...(await sets.read()).keys()].filter((dbId) => !known.has(dbId));
}

const digestDomain = utf8ToBytes("coffer/peer-set/v1\0");

/** Say of each set in a few bytes what it holds. */
export function digestSets(
  crypto: Pick<Verifier, "sha256">,
  sets: ReadonlyMap<DbId, DeviceSet>,
): readonly DatabaseDigest[] {
  return [...sets].map(([dbId, { set }]) => {
    const size = new ByteWriter(8).u64(set.size).toBytes();
    const digest = crypto.sha256(digestDomain, idToBytes(dbId), size, set.sum(0, set.size)).slice(0, 16);
    return { dbId, size: set.size, digest };
  });
}

/** The commits that items of a set stand for. */
export function hashesOf(items: readonly { readonly hash: Uint8Array }[]): readonly CommitHash[] {
  return items.map(({ hash }) => bytesToId("CommitHash", hash));
}
