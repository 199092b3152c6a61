/**
 * The directory: who belongs to a tenant, folded from admin-signed records. Byte tables are in records.ts.
 *
 * Guarantees
 * - D1 only commits authored by the genesis admin key make the line, which is one: each names the previous one; of lines that were written
 *   apart every replica takes the same one, and what the others took away is gone all the same, see fold-lines.ts
 * - D2 the fold is pure: the same commits give the same state on page, worker, server and simulator
 * - D3 a revocation is a causal cut: the listed heads of the user's commit graph and their past count, nothing else of that user does;
 *   who is granted access again writes from that grant on, and the cut stands for every commit that names an older directory head
 * - D4 groups and settings are changed by operations, each on one member or one name: what two devices of the admin did apart
 *   is all there, in whatever order it came into the line
 * - D5 an epoch of a key is in force from the commit that names it first; a commit that knows that one and seals under an older
 *   epoch is stale, whoever wrote it and whenever it comes
 * - D7 whoever names a directory head goes on knowing it: what follows such a commit and names an older one does not count
 * - D8 a user links devices of their own by two commits of members beside the line, see linked.ts; nothing else of a member is folded
 * - D6 what a member may do is a matter of the directory head that their commit names; a narrowing of rights is a causal cut like a
 *   revocation: what it does not cover has no more rights than it left
 */
import type { AuthorKey, CommitHash, DbId, DocId, GroupId, KeyId, TenantId } from "../std/index.ts";

/** Who is in a group: a user, or all of another group. */
export type MemberRef =
  | { readonly kind: "user"; readonly userKey: AuthorKey }
  | { readonly kind: "group"; readonly groupId: GroupId };

/** What a member may do with a database, each all that the one before may: see rights.ts. */
export const roles = ["reader", "author", "editor", "manager"] as const;

/** One of {@link roles}. */
export type Role = (typeof roles)[number];

/** Whom a role is given to. */
export type RoleSubject = { readonly kind: "everyone" } | MemberRef;

/** What the role of one subject becomes; `undefined` where it goes. */
export interface RoleEdit {
  readonly subject: RoleSubject;
  readonly role: Role | undefined;
}

/** What happens to one member of a group. */
export interface MemberEdit {
  readonly op: "added" | "removed";
  readonly member: MemberRef;
}

/** What one setting becomes: canonical JSON, or `undefined` where it goes. */
export interface SettingEdit {
  readonly name: string;
  readonly value: string | undefined;
}

/** Per database the heads of a user's commit graph that still count, with their past; no row = nothing counts. */
export type DirectoryCuts = readonly { readonly dbId: DbId; readonly heads: readonly CommitHash[] }[];

/** What of users counts by the rights that they had before. */
export type NarrowedUsers = readonly { readonly userKey: AuthorKey; readonly cuts: DirectoryCuts }[];

export type DirectoryRecord =
  | {
      readonly kind: "grantaccess";
      readonly userKey: AuthorKey;
      /** 32 bytes, X25519 */
      readonly encryptionKey: Uint8Array;
      /** HMAC(names key, "coffer/user/v1\0" ‖ NFKC case-folded name), 32 bytes */
      readonly nameHash: Uint8Array;
    }
  | { readonly kind: "revokeaccess"; readonly userKey: AuthorKey; readonly cuts: DirectoryCuts }
  /** sealed under the tenant's default key, in the same commit as the grant: members read names, servers do not */
  | { readonly kind: "membercard"; readonly userKey: AuthorKey; readonly userName: string }
  | { readonly kind: "group"; readonly groupId: GroupId; readonly edits: readonly MemberEdit[] }
  /** sealed like a member card, behind the group's first record */
  | { readonly kind: "groupcard"; readonly groupId: GroupId; readonly groupName: string }
  /** sealed under the tenant's default key: settings are for members */
  | { readonly kind: "tenantsettings"; readonly edits: readonly SettingEdit[] }
  | { readonly kind: "dbsettings"; readonly dbName: string; readonly edits: readonly SettingEdit[] }
  | {
      readonly kind: "keyepoch";
      readonly keyId: KeyId;
      /** from 1 */
      readonly epoch: number;
      /** of the key, 8 bytes */
      readonly fingerprint: Uint8Array;
      /** the key, wrapped for each user who is to have it, see keys/key-wrap.ts */
      readonly wraps: readonly { readonly userKey: AuthorKey; readonly sealed: Uint8Array }[];
    }
  /** `dbId` left out: in every database that says nothing of its own */
  | { readonly kind: "role"; readonly dbId: DbId | undefined; readonly edits: readonly RoleEdit[] }
  /** in the same commit as the device's first grant, behind it: whose it is, for as long as it lives */
  | { readonly kind: "device"; readonly userKey: AuthorKey; readonly deviceKey: AuthorKey }
  /** in the same commit as what takes rights away, or right behind it */
  | { readonly kind: "narrowing"; readonly users: NarrowedUsers }
  /** commits of members that count although their author had no right to write them then */
  | { readonly kind: "adopt"; readonly commitHashes: readonly CommitHash[] }
  /** documents that are to be erased wherever they are, with all that may come of them */
  | { readonly kind: "purge"; readonly dbId: DbId; readonly docIds: readonly DocId[] }
  /** of a revoked user: what their devices hold of the tenant is to go */
  | { readonly kind: "wipe"; readonly userKey: AuthorKey };

/** A narrowing of a user's rights: what of theirs does not need to have known of it. */
export interface Narrowing {
  /** index of the directory commit that narrowed */
  readonly at: number;
  readonly cuts: ReadonlyMap<DbId, readonly CommitHash[]>;
}

/** The roles of one subject in one place, the oldest first. */
export interface DirectoryRole {
  readonly dbId: DbId | undefined;
  readonly subject: RoleSubject;
  readonly turns: readonly { readonly at: number; readonly role: Role | undefined }[];
}

/** A revocation that a later grant ended. */
export interface FormerRevocation {
  /** index of the directory commit that granted access again: commits that name an older head count inside the cut only */
  readonly until: number;
  readonly cuts: ReadonlyMap<DbId, readonly CommitHash[]>;
}

export interface DirectoryUser {
  readonly userKey: AuthorKey;
  /** whose device this is; `undefined` for a user */
  readonly user: AuthorKey | undefined;
  readonly encryptionKey: Uint8Array;
  readonly nameHash: Uint8Array;
  /** from the member card; `undefined` where the default key is not held */
  readonly userName: string | undefined;
  /** index of the directory commit that granted first */
  readonly grantedAt: number;
  readonly revoked:
    | {
        readonly at: number;
        readonly cuts: ReadonlyMap<DbId, readonly CommitHash[]>;
        /** index of the directory commit that tells their devices to forget the tenant */
        readonly wipedAt: number | undefined;
      }
    | undefined;
  /** revocations that stood once, the oldest first */
  readonly formerly: readonly FormerRevocation[];
  /** the oldest first */
  readonly narrowings: readonly Narrowing[];
}

export interface DirectoryGroup {
  readonly groupId: GroupId;
  /** from the group's card; `undefined` where the default key is not held */
  readonly groupName: string | undefined;
  /** direct members, whether they are granted or not */
  readonly users: ReadonlySet<AuthorKey>;
  readonly groups: ReadonlySet<GroupId>;
  /** of everyone who was ever in it the indexes of the directory commits that let them in and out, in turn */
  readonly userTurns: ReadonlyMap<AuthorKey, readonly number[]>;
  readonly groupTurns: ReadonlyMap<GroupId, readonly number[]>;
}

/** An epoch of a content key, as far as the directory speaks of it. */
export interface DirectoryEpoch {
  readonly epoch: number;
  /** 8 bytes */
  readonly fingerprint: Uint8Array;
  /** index of the directory commit that spoke of it first: whoever knows that one writes under no older epoch */
  readonly at: number;
  /** the key, wrapped, by who can open it */
  readonly wraps: ReadonlyMap<AuthorKey, Uint8Array>;
}

/** Settings by name, each canonical JSON. */
export type Settings = ReadonlyMap<string, string>;

export interface DirectoryState {
  readonly tenantId: TenantId;
  /** the database that holds the directory's commits */
  readonly dbId: DbId;
  readonly adminKey: AuthorKey;
  readonly head: CommitHash | undefined;
  /** ends of other lines, that no commit of this one follows: a fork of the directory is open */
  readonly otherHeads: readonly CommitHash[];
  /** index in the line by commit hash, from 0 */
  readonly indexByCommit: ReadonlyMap<CommitHash, number>;
  /** of commits beside the line the last one of the line that they know of, as its index; -1 for none */
  readonly besideByCommit: ReadonlyMap<CommitHash, number>;
  /** users who were granted beside the line, likewise */
  readonly grantedBeside: ReadonlyMap<AuthorKey, number>;
  /** users and devices by the line alone */
  readonly grantedUsers: ReadonlyMap<AuthorKey, DirectoryUser>;
  /** what members say of their devices, each behind what it follows */
  readonly acts: ReadonlyMap<CommitHash, DeviceAct>;
  /** users and devices, those that users linked themselves among them */
  readonly usersByKey: ReadonlyMap<AuthorKey, DirectoryUser>;
  /** keys that a user linked and that have not said so themselves: they may sign in, to say it */
  readonly claimedKeys: ReadonlySet<AuthorKey>;
  readonly groupsById: ReadonlyMap<GroupId, DirectoryGroup>;
  readonly epochsByKey: ReadonlyMap<KeyId, readonly DirectoryEpoch[]>;
  /** by database and subject, see rights.ts */
  readonly rolesByPlace: ReadonlyMap<string, DirectoryRole>;
  /** commits that count whatever their authors might write */
  readonly adopted: ReadonlyMap<CommitHash, number>;
  /** the databases of documents that are erased everywhere */
  readonly purgedDocs: ReadonlyMap<DocId, DbId>;
  readonly tenantSettings: Settings;
  /** by the name of the database, in NFKC */
  readonly settingsByDb: ReadonlyMap<string, Settings>;
}

/** A link of a device by a user, or the word of the device, see linked.ts. */
export interface DeviceAct {
  readonly commitHash: CommitHash;
  readonly author: AuthorKey;
  readonly directoryHead: CommitHash;
  readonly follows: readonly CommitHash[];
  readonly userKey: AuthorKey;
  readonly deviceKey: AuthorKey;
  /** what the device has by a link; `undefined` for a word */
  readonly grant:
    | (Pick<DirectoryUser, "encryptionKey" | "nameHash"> & { readonly userName: string | undefined })
    | undefined;
}

export type FoldVerdict =
  | { readonly kind: "applied"; readonly state: DirectoryState }
  /** its predecessor is not known yet */
  | { readonly kind: "waiting" }
  | { readonly kind: "known" }
  /** it is sound, and not simply the next one of the line: all commits are to be folded anew, see fold-lines.ts */
  | { readonly kind: "beside" }
  | { readonly kind: "rejected"; readonly reason: "not-admin" | "wrong-database" | "malformed" };

export type AuthorVerdict =
  | { readonly kind: "accepted" }
  /** the commit names a directory head that is not known yet */
  | { readonly kind: "waiting" }
  | { readonly kind: "rejected"; readonly reason: "unknown-author" | "revoked" | "not-admin" | "older-head" };

/** An author's commits of one database: what each follows. Held by the judge, asked by {@link AuthorVerdict} for cuts. */
export interface AuthorGraph {
  add(commitHash: CommitHash, predecessors: readonly CommitHash[]): void;
  has(commitHash: CommitHash): boolean;
  /** the commits that follow this one and were added before it */
  overtook(commitHash: CommitHash): readonly CommitHash[];
  /** whether `commitHash` is one of `heads` or in their known past; `undefined` while the path is not fully known */
  isCovered(commitHash: CommitHash, heads: readonly CommitHash[]): boolean | undefined;
  /** what must be added before every question that was asked lately has its answer, or so much of it */
  lacking(maxCount: number): readonly CommitHash[];
  /** commits that no other known commit follows */
  heads(): readonly CommitHash[];
}
