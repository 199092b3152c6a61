/**
 * The public API, as types. Everything the page sees is plain data and signals.
 */
import type { ReadonlySignal } from "@preact/signals-core";
import type { DocData, Draft, Mark, Patch, Path } from "../draft/index.ts";
import type { AlarmEvent, QuarantinedCommit } from "./alarm-types.ts";
import type { Attachment, Attachments, FileSums, KeptFiles } from "./attachment-types.ts";
import type { Audit } from "./audit-types.ts";
import type { PeerCalls } from "./peer-types.ts";
import type { BackupOptions, BackupProgress, BackupReport } from "./backup-types.ts";
import type { Bundles } from "./bundle-types.ts";
import type { Devices } from "./device-types.ts";
import type { AdminOptions, Directory, Keys } from "./directory-types.ts";
import type { KeySlot, KeySlots, UnlockWay } from "./key-slot-types.ts";
import type { Servers } from "./link-types.ts";
import type { Query, QueryDefinition } from "./query-types.ts";
import type { RecipientLists } from "./recipient-types.ts";
import type { Presence } from "./presence-types.ts";
import type { Search, SearchOptions } from "./search-types.ts";
import type { EntryStores } from "./store-types.ts";
import type { OpenDatabaseOptions } from "./shape-types.ts";
import type { View, ViewOptions } from "./view-types.ts";

export type { UserDevice } from "./device-types.ts";
export type { AlarmEvent, QuarantinedCommit } from "./alarm-types.ts";
export type { AuditDeed, AuditOptions, AuditReportOptions, AuditStep } from "./audit-types.ts";
export type { BackupOptions, BackupProgress, BackupReport } from "./backup-types.ts";
export type {
  AdminOptions,
  Directory,
  DryRun,
  GivenRole,
  Group,
  GroupEdits,
  KeyGrant,
  Keys,
  Member,
  RefusedChange,
  Role,
  RoleChange,
  RoleHolder,
  SettingValues,
} from "./directory-types.ts";
export type {
  AddedKeySlot,
  AutoLockLimits,
  KeySlot,
  KeySlotProof,
  NewKeySlot,
  UnlockWay,
} from "./key-slot-types.ts";
export type { LinkOptions, LinkStatus, ServerLink } from "./link-types.ts";
export type * from "./query-types.ts";
export type * from "./bundle-types.ts";
export type * from "./store-types.ts";
export type * from "./search-types.ts";
export type { Peer, Presence } from "./presence-types.ts";
export type { Migration, OpenDatabaseOptions, StandardResult, StandardSchema } from "./shape-types.ts";

export interface OpenCofferOptions {
  /** separates several CofferDBs on one origin; default "coffer" */
  readonly name?: string;
  /**
   * The worker's URL, or a worker made by the application (Trusted Types, other bundlers); the default is
   * found by itself. A function is called again when the worker has to be restarted; a single worker cannot
   * be restarted and stays the application's to end.
   */
  readonly worker?: Worker | (() => Worker) | string | URL;
  /** URL of the service worker script to register for background sync; none by default */
  readonly serviceWorker?: string | URL;
  readonly wasmUrl?: string | URL;
}

export interface CofferStatus {
  readonly worker: "starting" | "ready" | "restarting" | "failed";
  readonly storage: {
    readonly usageBytes: number;
    readonly quotaBytes: number;
    readonly persisted: boolean | undefined;
    /** `low`: less than a tenth or less than 50 MB is left; `full`: a write was refused for want of room */
    readonly room: "unknown" | "enough" | "low" | "full";
  };
  readonly serviceWorker: "none" | "registering" | "active" | "failed";
}

export interface KnownTenant {
  /** opaque; the tenant's id */
  readonly id: string;
  readonly createdAtMs: number;
  readonly lastOpenedAtMs: number;
  /** false while a worker of this page holds it unlocked */
  readonly locked: boolean;
  /** opens without a password: the user asked to stay signed in */
  readonly kept: boolean;
  /** its data is gone from this device, by the browser or by hand: restore a backup, or connect to a server again */
  readonly lost: boolean;
  /** what opens it here */
  readonly ways: readonly KeySlot["kind"][];
}

/** An identity on this device as the page sees it: public. */
export interface Identity {
  readonly userName: string;
  /** Ed25519 public key, base64url: names the user */
  readonly key: string;
}

export interface Coffer {
  readonly status: ReadonlySignal<CofferStatus>;
  tenants(): Promise<readonly KnownTenant[]>;
  createTenant(options: {
    tenantId: string;
    adminName: string;
    adminPassword: string;
    userName: string;
    userPassword: string;
  }): Promise<{ tenant: Tenant; adminUser: Identity; appUser: Identity }>;
  /**
   * `nameOrId`: the display name, or the id from `tenants()`. It opens by password, passkey or recovery code; without any, and then by id, it opens when its session was
   * kept, or when another tab holds it unlocked.
   *
   * @throws access/locked when one of them is needed; key/wrong-password when it opens nothing here
   */
  openTenant(
    nameOrId: string,
    options?: Partial<UnlockWay> & { userName?: string; keepSession?: boolean },
  ): Promise<Tenant>;
  /**
   * Take in a backup file: a tenant with its keys, names and documents. A tenant that is here already is completed; what is
   * known is not stored twice, so that an import that broke off is simply begun again. It opens with its user's password.
   *
   * @throws key/wrong-password, entry/corrupt, protocol/version
   */
  importBackup(
    file: ReadableStream<Uint8Array> | Blob,
    options: { password: string; signal?: AbortSignal; onProgress?: (progress: BackupProgress) => void },
  ): Promise<BackupReport>;
  /** Ask the browser to keep this origin's data, and measure the storage again. */
  keepStorage(): Promise<boolean>;
  createUserId(userName: string, password: string): Promise<Identity>;
  /** As `mdb://join-request/…`; with the address of a page, as one of that page, which every call that takes a request takes as well. */
  createJoinRequest(user: Identity, options?: { format?: "uri"; link?: string | URL }): Promise<string>;
  joinTenant(
    response: string,
    options: { user: Identity; password: string; sharePassword: string },
  ): Promise<{ tenant: Tenant }>;
  /** identities made here that wait for an answer to their join request */
  pendingIdentities(): Promise<readonly { key: string; createdAtMs: number }[]>;
  /** Forget a tenant on this device: removes its whole local database. */
  removeTenant(id: string): Promise<void>;
  /** A strong password to hand over by another channel. */
  createSharePassword(): Promise<string>;
  checkPassword(password: string): Promise<{ ok: boolean; score: 0 | 1 | 2 | 3 | 4; hint: string }>;
  /**
   * Open a live view: documents in categories, in order, with totals, of one or several databases and tenants.
   *
   * @throws input/invalid with the place in the definition
   */
  view(options: ViewOptions): Promise<View>;
  close(): Promise<void>;
  [Symbol.dispose](): void;
}

export interface TenantStatus {
  readonly phase: "open" | "locked" | "closed";
  /** commits that are here and still to be judged */
  readonly unjudgedCount: number;
  /** commits that could not be judged whole because they are sealed under keys that are not held here */
  readonly sealedCount: number;
  readonly quarantinedCount: number;
  readonly pendingPushCount: number;
  /** what this device keeps of files; `undefined` before it is known */
  readonly files: FileSums | undefined;
}

export interface Tenant extends Audit, Bundles, Devices, KeySlots, Servers, KeptFiles, PeerCalls {
  readonly id: string;
  /** display name; `undefined` while locked */
  readonly name: ReadonlySignal<string | undefined>;
  readonly self: ReadonlySignal<Identity | undefined>;
  /** the admin identity when its vault is on this device */
  readonly adminUser: ReadonlySignal<Identity | undefined>;
  readonly status: ReadonlySignal<TenantStatus>;
  readonly alarms: ReadonlySignal<readonly AlarmEvent[]>;
  readonly quarantine: ReadonlySignal<readonly QuarantinedCommit[]>;
  readonly directory: Directory;
  readonly keys: Keys;
  /**
   * Open a database. With a schema every edit is held against it on this page before anything is sent. Handles that are opened with
   * the very same options object share what is open; each other one is a subscription of its own.
   *
   * @throws input/schema for a schema that is asynchronous, input/invalid for defaults or migrations that are no plain data
   */
  openDB<T extends object = Record<string, unknown>>(
    name: string,
    options?: OpenDatabaseOptions<T>,
  ): Promise<Database<T>>;
  /** A file of the whole tenant, sealed under a password, as a stream of bytes: a piece is made when its reader wants it. */
  exportBackup(options: BackupOptions): ReadableStream<Uint8Array>;
  approveJoinRequest(
    request: string,
    options: {
      adminUser: Identity;
      adminPassword: string;
      sharePassword: string;
      serverUrl?: string;
      expiresInMs?: number;
      format?: "uri";
      /** the address of a page: the answer is one of that page then */
      link?: string | URL;
    },
  ): Promise<string>;
  /** What a request says, to show before it is approved. */
  inspectJoinRequest(request: string): Promise<{ userName: string; key: string; safetyNumber: string }>;
  /** 60 digits in groups of four, for this tenant's root and a member's key (default: oneself). */
  safetyNumber(memberKey?: string): Promise<string>;
  lock(): Promise<void>;
  dispose(): void;
  [Symbol.dispose](): void;
}

export interface DatabaseStatus {
  readonly phase: "loading" | "ready" | "locked" | "closed";
  readonly documentCount: number;
}

export interface CreateOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { doneCount: number; totalCount: number }) => void;
}

/** A document that changed, as it stands. `data` is `undefined` when it is deleted or cannot be read. */
export interface ChangedDocument<T extends object> {
  readonly id: string;
  readonly data: DocData<T> | undefined;
  readonly heads: readonly string[];
  readonly status: DocStatus;
}

export interface HistoryStep {
  /** the change, as heads name it */
  readonly hash: string;
  readonly kind:
    | "create"
    | "change"
    | "delete"
    | "undelete"
    | "undo"
    | "redo"
    | "branch"
    | "merge"
    | "discard";
  readonly author: string;
  readonly atMs: number;
  /** the changes it stands on */
  readonly parents: readonly string[];
  /** the branch it was written on */
  readonly branch: string | undefined;
  /** from what its author saw to what they made of it */
  readonly patches: readonly Patch[];
  /** false: the stored entry does not hold what the document was made of */
  readonly verified: boolean;
}

export interface UndoOptions {
  /** edits less than this apart are taken back together; default 0: one at a time */
  readonly groupMs?: number;
}

export interface Database<T extends object = Record<string, unknown>>
  extends RecipientLists<T>, Attachments<T>, EntryStores {
  readonly name: string;
  readonly status: ReadonlySignal<DatabaseStatus>;
  createDocument(value: T): Promise<Doc<T>>;
  /**
   * Packed into commits of up to 256; resolves to the ids in order once all are durable. What was stored
   * before an abort stays.
   */
  createDocuments(values: readonly T[], options?: CreateOptions): Promise<readonly string[]>;
  /** Create a document sealed under a named key: only who holds it can read it. @throws key/missing */
  createEncryptedDocument(keyName: string, value: T): Promise<Doc<T>>;
  getDocument(id: string): Promise<Doc<T>>;
  getAllDocumentIds(): Promise<readonly string[]>;
  changeDoc(
    doc: Doc<T>,
    edit: (draft: Draft<T>) => void,
    options?: { durability?: "relaxed" | "strict" },
  ): Promise<{ heads: readonly string[] }>;
  /** Run one edit on many documents, in few commits. Resolves to the ids of those it changed. What was stored before an abort stays. */
  changeDocs(
    ids: readonly string[],
    edit: (draft: Draft<T>, id: string) => void,
    options?: CreateOptions & { durability?: "relaxed" | "strict" },
  ): Promise<readonly string[]>;
  deleteDocument(doc: Doc<T> | string): Promise<void>;
  undeleteDocument(id: string): Promise<void>;
  /** Hear which documents changed, here or elsewhere, in batches, as long as the database is open. */
  onChange(
    listener: (change: { readonly ids: readonly string[]; readonly isLocal: boolean }) => void,
  ): () => void;
  /**
   * Everything that changed since a cursor, each document once as it stands now, with a cursor to go on from; without a cursor from
   * the beginning. Whoever goes on is given all that came after, and may be given some of what came just before again. A stored
   * cursor survives restarts; where the device's log was lost it starts over.
   */
  iterateChangesSince(
    cursor?: string,
    options?: { signal?: AbortSignal },
  ): AsyncIterable<{ readonly doc: ChangedDocument<T>; readonly cursor: string }>;
  /** Take back this user's own last edit of the document that still stands; others' edits stay. `undefined`: there is none. */
  undo(doc: Doc<T>, options?: UndoOptions): Promise<{ heads: readonly string[] } | undefined>;
  redo(doc: Doc<T>, options?: UndoOptions): Promise<{ heads: readonly string[] } | undefined>;
  /** How many steps can be taken back and made again. */
  undoDepth(doc: Doc<T>, options?: UndoOptions): Promise<{ undo: number; redo: number }>;
  /** The document as it was; `data` is `undefined` before its creation and while it was deleted. */
  getDocumentAtTimestamp(id: string, at: Date | number): Promise<ChangedDocument<T>>;
  /** Who changed what when, oldest first; each step verified against its signed entry. */
  iterateDocumentHistory(id: string, options?: { signal?: AbortSignal }): AsyncIterable<HistoryStep>;
  /** What turns one version into another; heads come from `doc.heads` or the history. */
  diff(doc: Doc<T>, before: readonly string[], after: readonly string[]): Promise<readonly Patch[]>;
  /** Open a branch of a document, made if there is none of that name: edited like a document, unseen by it until merged. */
  branch(doc: Doc<T> | string, name: string): Promise<Doc<T>>;
  mergeBranch(doc: Doc<T> | string, name: string): Promise<void>;
  discardBranch(doc: Doc<T> | string, name: string): Promise<void>;
  /**
   * Erase a document with all of its history from this device; with the admin's identity and password, from every device and server that
   * hears of it. What else is in its commits still verifies.
   */
  purgeDocHistory(id: string, everywhere?: AdminOptions): Promise<void>;
  /** `S`: what rows show, where `select` says so */
  query<S extends object = T>(definition?: QueryDefinition): Query<S>;
  /**
   * Search the text of all documents: each word must occur in a hit, whatever its case and diacritics. The first search of a database
   * begins to index it, which `status` tells; the index is kept, sealed, and follows every change.
   */
  search(text: string, options?: SearchOptions): Promise<Search<T>>;
  /** See who is here, and be here: who else has this database open, where their cursors are. */
  presence(): Promise<Presence>;
  dispose(): void;
  [Symbol.dispose](): void;
}

export type DocStatus =
  | "loading"
  | "ready"
  | "saving"
  | "deleted"
  | "purged"
  | "no-key"
  | "locked"
  | "failed";

export interface Doc<T extends object = Record<string, unknown>> {
  readonly id: string;
  /** the branch that this handle shows */
  readonly branchName: string | undefined;
  readonly data: ReadonlySignal<DocData<T> | undefined>;
  readonly heads: ReadonlySignal<readonly string[]>;
  readonly status: ReadonlySignal<DocStatus>;
  /** who changed it last and when, for display */
  readonly lastChange: ReadonlySignal<{ readonly author: string; readonly atMs: number } | undefined>;
  /** names of its open branches, sorted */
  readonly branches: ReadonlySignal<readonly string[]>;
  /**
   * A computed signal that re-runs its readers only when that value changed: what `pick` puts together anew counts as the same
   * while it is equal, lists and plain objects part by part, everything else by identity.
   */
  select<U>(pick: (data: DocData<T>) => U): ReadonlySignal<U | undefined>;
  /** its files, in the order of their adding; `undefined` until they are there */
  readonly attachments: ReadonlySignal<readonly Attachment[] | undefined>;
  /** marks of a text, read again when the document changed; `undefined` until they are there */
  marks(path: Path): ReadonlySignal<readonly Mark[] | undefined>;
  dispose(): void;
  [Symbol.dispose](): void;
}
