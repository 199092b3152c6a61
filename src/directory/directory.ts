/**
 * The directory: who belongs to a tenant, folded from admin-signed records. Byte tables are in records.ts.
 *
 * Guarantees
 * - D1 only commits authored by the genesis admin key are folded, in one line: each names the previous one
 * - D2 the fold is pure: the same commits give the same state on page, worker, server and simulator
 * - D3 a revocation is a causal cut: the listed heads of the user's commit graph and their past count, nothing else of that user does
 */
import type { AuthorKey, CommitHash, DbId, TenantId } from "../std/index.ts";

export type DirectoryRecord =
  | {
      readonly kind: "grantaccess";
      readonly userKey: AuthorKey;
      /** 32 bytes, X25519 */
      readonly encryptionKey: Uint8Array;
      /** HMAC(names key, "coffer/user/v1\0" ‖ NFKC case-folded name), 32 bytes */
      readonly nameHash: Uint8Array;
    }
  | {
      readonly kind: "revokeaccess";
      readonly userKey: AuthorKey;
      /** per database the heads of the user's commit graph that still count, with their past; no row = nothing counts */
      readonly cuts: readonly { readonly dbId: DbId; readonly heads: readonly CommitHash[] }[];
    }
  /** sealed under the tenant's default key, in the same commit as the grant: members read names, servers do not */
  | { readonly kind: "membercard"; readonly userKey: AuthorKey; readonly userName: string };

export interface DirectoryUser {
  readonly userKey: AuthorKey;
  readonly encryptionKey: Uint8Array;
  readonly nameHash: Uint8Array;
  /** from the member card; `undefined` where the default key is not held */
  readonly userName: string | undefined;
  /** index of the directory commit that granted */
  readonly grantedAt: number;
  readonly revoked:
    | { readonly at: number; readonly cuts: ReadonlyMap<DbId, readonly CommitHash[]> }
    | undefined;
}

export interface DirectoryState {
  readonly tenantId: TenantId;
  /** the database that holds the directory's commits */
  readonly dbId: DbId;
  readonly adminKey: AuthorKey;
  readonly head: CommitHash | undefined;
  /** index in the line by commit hash, from 0 */
  readonly indexByCommit: ReadonlyMap<CommitHash, number>;
  readonly usersByKey: ReadonlyMap<AuthorKey, DirectoryUser>;
}

export type FoldVerdict =
  | { readonly kind: "applied"; readonly state: DirectoryState }
  /** its predecessor is not known yet */
  | { readonly kind: "waiting" }
  | { readonly kind: "known" }
  | { readonly kind: "rejected"; readonly reason: "not-admin" | "wrong-database" | "malformed" | "fork" };

export type AuthorVerdict =
  | { readonly kind: "accepted" }
  /** the commit names a directory head that is not known yet */
  | { readonly kind: "waiting" }
  | { readonly kind: "rejected"; readonly reason: "unknown-author" | "revoked" | "not-admin" };

/** An author's commits of one database: what each follows. Held by the judge, asked by {@link AuthorVerdict} for cuts. */
export interface AuthorGraph {
  add(commitHash: CommitHash, predecessors: readonly CommitHash[]): void;
  has(commitHash: CommitHash): boolean;
  /** whether `commitHash` is one of `heads` or in their known past; `undefined` while the path is not fully known */
  isCovered(commitHash: CommitHash, heads: readonly CommitHash[]): boolean | undefined;
  /** commits that no other known commit follows */
  heads(): readonly CommitHash[];
}
