/**
 * What the relay keeps: tenants, and per (tenant, database) an append-only log of sealed commits.
 *
 * Guarantees, for every implementation (the contract suite proves each)
 * - R1 an append resolves when its commits are durable, and not before; one that rejects stored nothing
 * - R2 sequence numbers of a log are 0, 1, 2 … without gaps, whatever runs at the same time; a log never shrinks within an epoch
 * - R3 a commit is stored once: the same hash with equal bytes is `present`; with other bytes, what its `unite` makes of the stored ones
 *      takes their place and is `present`, or it is a `conflict`, never acknowledged. Place, replica and Merkle node stay
 * - R4 an append is `stale`, and stores nothing, unless the tenant's directory has exactly the size the caller judged with;
 *      that leaves no window between judging an author and storing what he wrote
 * - R5 bytes come back as they went in
 * - R6 a failure is a `store/…` code: `store/quota` when the disk is full, `store/closed` after closing, else `store/failed`
 * - R7 what a tenant and each of its authors use is counted with the commits, in the same transaction
 * - R8 a tenant that was removed left nothing behind; its logs, should it come again, begin with newer epochs than they had
 * - R9 of each commit it is known whether it lacks ciphertexts, as whoever appended or united it said
 *
 * It does not judge: hashes, signatures and rights are the caller's business.
 *
 * Each stored commit carries one Merkle node: the root of the largest perfect subtree that it completes. The frontier of
 * the log at any size is then the nodes of a few rows ({@link frontierRows}), so that a head can be made for every position.
 */
import type { AuthorKey, CommitHash, DbId, Env, TenantId } from "../../src/std/index.ts";
import type { ChunkStorage } from "./chunk-storage.ts";
import type { ForwardStorage } from "./forward-storage.ts";
import type { SubscriptionStorage } from "./subscription-storage.ts";

/** A tenant as it was published. */
export interface TenantRecord {
  readonly tenantId: TenantId;
  readonly directoryDbId: DbId;
  /** the whole publication except the directory commits: what the relay needs to open and judge the directory */
  readonly publication: Uint8Array;
}

/** A log's state: `size` commits are in it. */
export interface LogState {
  readonly dbId: DbId;
  /** changes when the log was restored from a backup; seconds since 1970 when the log began */
  readonly epoch: number;
  readonly size: number;
  /** of all commits in it */
  readonly sizeBytes: number;
}

/** Commits that are stored, and their bytes. */
export interface Usage {
  readonly commitCount: number;
  readonly sizeBytes: number;
}

export interface TenantUsage extends Usage {
  readonly logCount: number;
  /** of each author that was asked for, by what he wrote, whoever brought it */
  readonly byAuthor: ReadonlyMap<AuthorKey, Usage>;
}

/** A verified commit on its way into a log. */
export interface NewCommit {
  readonly commitHash: CommitHash;
  /** who signed it, and whom its bytes are counted for */
  readonly author: AuthorKey;
  /** as the header says it: it only helps to find the commit again */
  readonly createdAtMs: number;
  readonly bytes: Uint8Array;
  /** it lacks ciphertexts that somebody may still bring */
  readonly isPartial?: boolean | undefined;
  /**
   * What is to be stored when the hash is stored with other bytes; `undefined` when that is a conflict, as it is without this. Pure: it
   * runs inside the transaction.
   */
  readonly unite?: ((stored: Uint8Array) => StoredCopy | undefined) | undefined;
}

/** How much of a commit is stored. */
export type StoredCopy = Pick<NewCommit, "bytes" | "isPartial">;

export interface AppendRequest {
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  /** 16 bytes: the device log that pushed */
  readonly replicaId: Uint8Array;
  readonly commits: readonly NewCommit[];
  /** the size of the tenant's directory that the commits were judged with */
  readonly directorySize: number;
}

export interface AppendedCommit {
  readonly status: "stored" | "present" | "conflict";
  readonly seq: number;
  /** what was united took the place of other bytes */
  readonly isFilled?: true;
}

export type AppendResult =
  | { readonly kind: "appended"; readonly results: readonly AppendedCommit[] }
  | { readonly kind: "stale" };

export interface StoredCommit {
  readonly seq: number;
  readonly commitHash: CommitHash;
  /** `undefined` when the asking replica pushed it itself */
  readonly bytes: Uint8Array | undefined;
}

/** A commit's place and what finds it, without its bytes. */
export interface CommitKey {
  readonly seq: number;
  readonly commitHash: CommitHash;
  readonly createdAtMs: number;
  readonly isPartial: boolean;
}

export interface LogRange {
  readonly fromSeq: number;
  readonly maxCount: number;
  /** at least one commit is returned, however large, when there is one */
  readonly maxBytes: number;
  /** leave out the bytes of what this replica pushed */
  readonly withoutReplica?: Uint8Array | undefined;
}

/** The reading half of a storage. */
export interface RelayReader {
  readTenant(tenantId: TenantId): Promise<TenantRecord | undefined>;
  tenantCount(): Promise<number>;
  /** The tenants that follow `after` in an order that stays, or the first ones. */
  listTenants(after: TenantId | undefined, maxCount: number): Promise<readonly TenantId[]>;
  /** How many logs a tenant has, the commits in them and their bytes, and what some authors have of these. */
  tenantUsage(tenantId: TenantId, authors?: readonly AuthorKey[]): Promise<TenantUsage>;
  /** A log's state; `undefined` when nothing was ever appended. */
  readLog(tenantId: TenantId, dbId: DbId): Promise<LogState | undefined>;
  /** All logs of a tenant, sorted by the text of their ids. */
  listLogs(tenantId: TenantId): Promise<readonly LogState[]>;
  readCommits(tenantId: TenantId, dbId: DbId, range: LogRange): Promise<readonly StoredCommit[]>;
  /** The keys of the rows from one on, in any order. */
  readKeys(tenantId: TenantId, dbId: DbId, fromSeq: number, maxCount: number): Promise<readonly CommitKey[]>;
  /** The Merkle nodes of these rows, 32 bytes each, in the order asked. */
  readNodes(tenantId: TenantId, dbId: DbId, seqs: readonly number[]): Promise<readonly Uint8Array[]>;
  close(): Promise<void>;
}

export interface RelayStorage extends RelayReader, ChunkStorage, SubscriptionStorage, ForwardStorage {
  /** Store a tenant with its first directory commits, whole or not at all; `false` when there is one with this id. */
  createTenant(record: TenantRecord, commits: readonly NewCommit[]): Promise<boolean>;
  /** Remove a tenant with its logs; `false` when there is none. */
  removeTenant(tenantId: TenantId): Promise<boolean>;
  append(request: AppendRequest): Promise<AppendResult>;
  /** After restoring a backup: every log gets a new epoch, so that clients compare and push again what was lost. */
  startNewEpochs(): Promise<void>;
  /** Write what is queued, then close. */
  close(): Promise<void>;
}

/**
 * The rows whose nodes are the frontier of a log of `size` commits, largest subtree first.
 *
 * ```
 * size 13 = 8 + 4 + 1      rows 7, 11, 12
 * ```
 */
export function frontierRows(size: number): readonly number[] {
  const rows: number[] = [];
  let covered = 0;
  for (let bit = 2 ** 52; bit >= 1; bit /= 2) {
    if (size - covered < bit) continue;
    covered += bit;
    rows.push(covered - 1);
  }
  return rows;
}

/**
 * The lowest epoch of the logs of a restored backup, and so of those that begin later: above that of any log that began before this moment,
 * in the same second too, and is lost with what the backup lacks.
 */
export function epochAfterBackup({ nowMs }: Pick<Env, "nowMs">): number {
  return Math.floor(nowMs() / 1000) + 1;
}

/** Every tenant, one after another. */
export async function* listAllTenants(
  storage: Pick<RelayReader, "listTenants">,
): AsyncGenerator<TenantId, void> {
  let after: TenantId | undefined;
  for (;;) {
    const page = await storage.listTenants(after, 500);
    yield* page;
    after = page.at(-1);
    if (after === undefined) return;
  }
}
