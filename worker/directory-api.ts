/** The part of the contract that is about the directory: people, groups, roles, settings, and the keys that they hold. */
import type { DryRun, GroupEdits, Role, RoleChange } from "../src/page/types.ts";

export interface AdminProof {
  readonly adminKey: string;
  readonly adminPassword: string;
}

/** The calls of the admin about the directory, and what members ask of it. */
export interface DirectoryCalls {
  /** `wipe`: their devices are to forget the tenant. */
  revokeUser(tenantId: string, userKey: string, proof: AdminProof, wipe?: boolean): Promise<void>;
  /** Let commits count that were quarantined for the rights of their authors. */
  adoptCommits(tenantId: string, commitHashes: readonly string[], proof: AdminProof): Promise<void>;
  /** Bring lines of the directory together that devices of the admin wrote apart. */
  mergeLines(tenantId: string, proof: AdminProof): Promise<void>;
  /** Let a revoked user in again, with the tenant's key and these named ones. */
  regrantUser(tenantId: string, userKey: string, keys: readonly string[], proof: AdminProof): Promise<void>;
  /** Begin a new epoch of a key with fresh entropy, for everyone who holds it now; `default` is the tenant's own. */
  rotateKey(tenantId: string, name: string, proof: AdminProof): Promise<void>;
  /**
   * Begin to seal anew what a key seals under former epochs. Each step writes some documents and tells how far it is, the first one writes
   * none; `undefined` when all are done. What was written stays, whatever happens.
   */
  openReseal(tenantId: string, name: string): Promise<number>;
  stepReseal(
    id: number,
  ): Promise<
    | { readonly doneCount: number; readonly totalCount: number; readonly leftOut: readonly string[] }
    | undefined
  >;
  closeReseal(id: number): Promise<void>;
  /** Link a device that asked to a user, this one's without `user`: gives the answer. With `password`, this user's own, no admin is needed. */
  approveDevice(
    tenantId: string,
    request: string,
    options: (AdminProof | { readonly password: string }) & {
      sharePassword: string;
      serverUrl: string | undefined;
      expiresInMs: number;
      user: string | undefined;
      name: string;
    },
  ): Promise<string>;
  revokeDevice(tenantId: string, deviceKey: string, proof: AdminProof): Promise<void>;
  /** Make a key for some users, who is in groups now, and oneself: gives its name, for the documents that are to be under it. */
  createListKey(
    tenantId: string,
    recipients: { readonly users: readonly string[]; readonly groups: readonly string[] },
    proof: AdminProof,
  ): Promise<string>;
  /** Who can read what is written to a document now. */
  recipientsOf(database: number, docId: string): Promise<readonly string[]>;
  changeRecipients(
    database: number,
    docId: string,
    edits: { readonly add: readonly string[]; readonly remove: readonly string[] },
    proof: AdminProof,
  ): Promise<void>;
  /** Hand a named key of this device to users, and to who is in groups now. */
  grantKey(
    tenantId: string,
    name: string,
    grantees: { readonly users: readonly string[]; readonly groups: readonly string[] },
    proof: AdminProof,
  ): Promise<void>;
  /** Change who is in a group: users by their keys, groups by their names. One that is not there is made. */
  setGroup(tenantId: string, name: string, edits: GroupEdits, proof: AdminProof): Promise<void>;
  /** Give roles, or take them away. */
  setRoles(tenantId: string, changes: readonly RoleChange[], proof: AdminProof): Promise<void>;
  /** What roles would have refused of what was written. */
  dryRun(tenantId: string, changes: readonly RoleChange[]): Promise<DryRun>;
  /** The role of a user in a database; this user's without a key. */
  getRole(tenantId: string, dbName: string, key: string | undefined): Promise<Role>;
  /** Change settings: values are JSON, `undefined` takes one away. Without `dbName` they are the tenant's. */
  changeSettings(
    tenantId: string,
    dbName: string | undefined,
    edits: readonly { readonly name: string; readonly value: string | undefined }[],
    proof: AdminProof,
  ): Promise<void>;
}
