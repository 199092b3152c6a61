/** The directory of a tenant as an application sees it: who belongs to it, in which groups, with which settings. */
import type { ReadonlySignal } from "@preact/signals-core";
import type { Identity } from "./types.ts";

export interface Member {
  readonly key: string;
  readonly userName: string | undefined;
  readonly isAdmin: boolean;
  readonly revoked: boolean;
  readonly self: boolean;
}

/** A group: names are compared without case and in one Unicode form. */
export interface Group {
  readonly name: string;
  /** keys of the users that are in it themselves */
  readonly users: readonly string[];
  /** names of the groups in it */
  readonly groups: readonly string[];
  /** keys of all members there are now, through up to 16 groups in groups; who was revoked is not among them */
  readonly members: readonly string[];
}

/** A value of plain JSON. */
export type SettingValue =
  | null
  | boolean
  | number
  | string
  | readonly SettingValue[]
  | { readonly [key: string]: SettingValue };

/**
 * What a member may do with a database. A `reader` reads; an `author` creates documents, and changes and deletes those; an `editor` changes
 * all documents, and deletes those that they created; a `manager` deletes all.
 */
export type Role = "reader" | "author" | "editor" | "manager";

/** Whose role: a user's by their key, a group's by its name, or everyone's when both are left out. */
export interface RoleHolder {
  /** the database by its name; left out: in every database that says nothing for the member */
  readonly database?: string | undefined;
  readonly user?: string | undefined;
  readonly group?: string | undefined;
}

/** A role that is given. */
export interface GivenRole extends RoleHolder {
  readonly role: Role;
}

/** What becomes of a role: left out, it goes. */
export interface RoleChange extends RoleHolder {
  readonly role?: Role | undefined;
}

/** A change of a document that roles would have refused. */
export interface RefusedChange {
  /** id of the database, and its name where the directory knows it */
  readonly databaseId: string;
  readonly database: string | undefined;
  readonly docId: string;
  /** key of the user */
  readonly author: string;
  /** the role that is too low */
  readonly role: Role;
  readonly what: "create" | "change" | "delete";
  readonly atMs: number;
}

/** What roles would have refused of all that was written. */
export interface DryRun {
  readonly changeCount: number;
  readonly refusedCount: number;
  /** the newest 200 of them */
  readonly refused: readonly RefusedChange[];
}

export interface SettingValues {
  readonly [name: string]: SettingValue;
}

/** A key with who holds it, as far as the directory and this device know. */
export interface KeyGrant {
  /** `default` is the tenant's own, which every member holds */
  readonly name: string;
  /** the one that is written under */
  readonly epoch: number;
  /** keys of users */
  readonly holders: readonly string[];
}

export interface Keys {
  /** names of the keys that documents can be sealed under */
  readonly list: ReadonlySignal<readonly string[] | undefined>;
  /** who holds which key, the tenant's own first */
  readonly grants: ReadonlySignal<readonly KeyGrant[] | undefined>;
  /** Make a key of its own for some documents. @throws input/invalid when the name is taken */
  createDocEncryptionKey(name: string): Promise<void>;
  /**
   * A key of this device, with its epochs, as text (`mdb://key/…`) for another member; whoever has both text and password holds the key.
   *
   * @throws key/missing, input/invalid for the tenant's own keys, input/weak-password
   */
  exportKey(name: string, options: { readonly password: string }): Promise<string>;
  /**
   * Take a key that a member exported; documents under it appear. Gives its name.
   *
   * @throws input/invalid, key/wrong-password, entry/forged, access/denied when who made it is no member
   */
  importKey(text: string, options: { readonly password: string }): Promise<string>;
  /**
   * Begin a new epoch of a key with fresh entropy, wrapped for everyone who holds it now. What is written from then on is sealed under
   * it; what was written stays as it is. Revoking a user does so with every key that they held.
   */
  rotate(name: string, options: AdminOptions): Promise<void>;
  /**
   * Write once more, under the newest epoch of a key, what its documents have under former ones: for each a snapshot that all devices prove
   * by the entries it covers. Those stay as they are. Begun again after an abort, a reload or a crash, it goes on where it ended.
   *
   * @returns `leftOut`: ids of documents that are over what a snapshot holds, 512 KiB; at most 1,000
   * @throws key/missing, access/denied for a reader
   */
  reseal(
    name: string,
    options?: {
      readonly signal?: AbortSignal;
      readonly onProgress?: (progress: { readonly doneCount: number; readonly totalCount: number }) => void;
    },
  ): Promise<{ readonly doneCount: number; readonly leftOut: readonly string[] }>;
  /**
   * Hand a key that this device holds to users, and to those who are in groups now. Documents under it appear there by themselves.
   *
   * @throws key/missing, input/unknown-id
   */
  grant(
    name: string,
    options: AdminOptions & { readonly users?: readonly string[]; readonly groups?: readonly string[] },
  ): Promise<void>;
}

/** The admin's identity and password, as every call of the admin takes them. */
export interface AdminOptions {
  readonly adminUser: Identity;
  readonly adminPassword: string;
}

export interface Directory {
  readonly users: ReadonlySignal<readonly Member[] | undefined>;
  readonly groups: ReadonlySignal<readonly Group[] | undefined>;
  /** the tenant's own; the same for every member, and not known to servers */
  readonly settings: ReadonlySignal<SettingValues | undefined>;
  /** by the names of databases, in Unicode form NFKC */
  readonly databaseSettings: ReadonlySignal<{ readonly [dbName: string]: SettingValues } | undefined>;
  /** the roles that are given; where nothing says anything, everyone is a manager */
  readonly roles: ReadonlySignal<readonly GivenRole[] | undefined>;
  /**
   * Give roles, or take them away, all at once. What was written before by those who lose rights, as far as this device has it, goes on
   * counting; what it does not have is held against what they may do now.
   *
   * @throws input/unknown-id for who is not in the directory
   */
  setRoles(changes: readonly RoleChange[], options: AdminOptions): Promise<void>;
  /** What these changes would have refused, had they and the groups of now been in force from the beginning. Nothing is changed. */
  dryRun(changes: readonly RoleChange[]): Promise<DryRun>;
  /** The role of a user in a database, one's own when no key is named. @throws access/locked */
  getRole(dbName: string, key?: string): Promise<Role>;
  /**
   * Send a member away: what this device has of theirs counts, nothing later does, and they read nothing that is written later. With `wipe`
   * their devices forget the tenant as soon as they hear of it, locked or not: also of who is revoked already.
   */
  revokeUser(key: string, options: AdminOptions & { readonly wipe?: boolean }): Promise<void>;
  /**
   * Let commits of `tenant.quarantine` count that were refused for the rights of their authors alone: `revoked`, `older-head`, `role`,
   * `epoch`; and with them what waits for them.
   *
   * @throws input/unknown-id for commits that are not here, or of no member
   */
  adopt(commitHashes: readonly string[], options: AdminOptions): Promise<void>;
  /**
   * Bring lines of the directory together that devices of the admin wrote apart: what the other lines said and the one that counts did not
   * say otherwise is said again, and keys that were begun anew begin once more. Every other call of the admin does so first.
   * `tenant.alarms` has a `fork` with the ends of all lines while there is something to do.
   */
  mergeLines(options: AdminOptions): Promise<void>;
  /**
   * Let a revoked user in again, with the tenant's key and the named ones of `keys`. What they write from now on counts; what they wrote
   * while they were revoked does not.
   *
   * @throws input/unknown-id for who is not revoked, key/missing
   */
  regrantUser(key: string, options: AdminOptions & { readonly keys?: readonly string[] }): Promise<void>;
  /**
   * Change who is in a group, made if there is none of that name: users by their keys, groups by their names. What is not named stays,
   * so that changes from several devices are all there.
   *
   * @throws input/unknown-id for who is not in the directory
   */
  setGroup(
    name: string,
    options: AdminOptions & {
      readonly addUsers?: readonly string[];
      readonly removeUsers?: readonly string[];
      readonly addGroups?: readonly string[];
      readonly removeGroups?: readonly string[];
    },
  ): Promise<void>;
  /** The groups as they are now. @throws access/locked */
  getGroups(): Promise<readonly Group[]>;
  /** Change settings one by one: `undefined` takes one away, what is not named stays. */
  changeTenantSettings(
    changes: { readonly [name: string]: SettingValue | undefined },
    options: AdminOptions,
  ): Promise<void>;
  changeDBSettings(
    dbName: string,
    changes: { readonly [name: string]: SettingValue | undefined },
    options: AdminOptions,
  ): Promise<void>;
  /** The settings as they are now. @throws access/locked */
  getTenantSettings(): Promise<SettingValues>;
  getDBSettings(dbName: string): Promise<SettingValues>;
}

/** Who comes into a group and who leaves it. */
export interface GroupEdits {
  readonly addUsers: readonly string[];
  readonly removeUsers: readonly string[];
  readonly addGroups: readonly string[];
  readonly removeGroups: readonly string[];
}
