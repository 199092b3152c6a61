/**
 * The contract between page and worker: plain data only. Calls go through Comlink; what changes by itself
 * comes back as batched events, at most one message per frame of the worker's loop.
 *
 * Events do not go through Comlink: each batch is one {@link EventMessage} on the very port that carries the
 * replies. One port keeps its messages in order; two ports do not, and a reply could overtake the event that
 * came before it.
 *
 * Guarantees
 * - W1 a change reaches the writer's own page as an event before the promise of its call resolves: the worker
 *   posts what it has gathered before it replies, and a snapshot in a reply is no older than the events
 *   before it
 * - W2 every call settles: with its result, or with a `CofferError`
 * - W3 `subscription` numbers are chosen by the page, so that it can open the same ones again after a worker
 *   restart
 * - W4 drafts of one document are replayed in the order of their calls; one recorded upon a draft that failed
 *   fails too
 * - W6 a {@link DocPatch} refers to what the same subscription was told last, by an event or by a reply: one port
 *   keeps both in order
 * - W5 the worker holds the Web Lock `lifeLock` from `start` on for as long as it lives, so that its death is
 *   seen at once
 */
import type { DocValue, DraftOperation, DraftValue, Mark, Patch, Path } from "../src/draft/index.ts";
import type { AttachmentCalls, FileEvent } from "./attachment-api.ts";
import type { AuditCalls } from "./audit-api.ts";
import type { BackupCalls } from "./backup-api.ts";
import type { AdminProof, DirectoryCalls } from "./directory-api.ts";
import type { KeyExportCalls } from "./key-export-api.ts";
import type { KeySlotCalls, UnlockMessage } from "./key-slot-api.ts";
import type { LinkCalls } from "./link-api.ts";
import type { PeerCalls, PeerEvent } from "./peer-api.ts";
import type { StoreCalls } from "./store-api.ts";
import type { ViewCalls, ViewEvent } from "./view-api.ts";
import type {
  AlarmEvent,
  BackupReport,
  DatabaseStatus,
  DocStatus,
  GivenRole,
  Group,
  HistoryStep,
  Identity,
  KeyGrant,
  KnownTenant,
  LinkStatus,
  Member,
  Migration,
  QuarantinedCommit,
  QueryCursor,
  QueryDefinition,
  QueryGroup,
  SettingValues,
  TenantStatus,
  UserDevice,
} from "../src/page/types.ts";
import type { BroadcastEvent, PresenceCalls, PresenceEvent } from "./presence-api.ts";
import type { SearchEvent, SearchMessage } from "./search-api.ts";

export type {
  AlarmEvent,
  BackupReport,
  DatabaseStatus,
  DocStatus,
  GivenRole,
  Group,
  HistoryStep,
  Identity,
  KeyGrant,
  KnownTenant,
  LinkStatus,
  Member,
  Migration,
  QuarantinedCommit,
  QueryGroup,
  SettingValues,
  TenantStatus,
  UserDevice,
};

export type { AuditStep, DryRun, GroupEdits, RefusedChange, Role, RoleChange } from "../src/page/types.ts";
export type { AdminProof } from "./directory-api.ts";
export type { KnownPasskey, UnlockMessage } from "./key-slot-api.ts";
export type { BroadcastEvent, PresenceEvent } from "./presence-api.ts";
export type { SearchEvent, SearchMessage, SearchRow } from "./search-api.ts";
export type { ViewEvent, ViewMessage } from "./view-api.ts";

export interface WorkerOptions {
  readonly name: string;
  readonly wasmUrl: string | undefined;
  /** the name of a lock, fresh for every worker */
  readonly lifeLock: string;
}

/** One batch of events as it is posted: `postMessage({ events })`. */
export interface EventMessage {
  readonly events: readonly WorkerEvent[];
}

/**
 * The keys of an unlocked tenant as opaque handles: the page's connection keeps them only to hand them to a
 * restarted worker.
 */
export type SessionBox = { readonly tenantId: string; readonly opaque: unknown };

export interface TenantSnapshot {
  readonly id: string;
  readonly name: string | undefined;
  readonly self: Identity | undefined;
  readonly adminUser: Identity | undefined;
  readonly status: TenantStatus;
  readonly users: readonly Member[] | undefined;
  readonly devices: readonly UserDevice[] | undefined;
  readonly groups: readonly Group[] | undefined;
  readonly roles: readonly GivenRole[] | undefined;
  readonly settings: SettingValues | undefined;
  readonly databaseSettings: { readonly [dbName: string]: SettingValues } | undefined;
  readonly alarms: readonly AlarmEvent[];
  readonly quarantine: readonly QuarantinedCommit[];
  /** names of the keys that documents can be sealed under here; `undefined` while locked */
  readonly keys: readonly string[] | undefined;
  readonly keyGrants: readonly KeyGrant[] | undefined;
  readonly links: readonly { readonly url: string; readonly status: LinkStatus }[];
}

export interface DocSnapshot {
  readonly value: { readonly [key: string]: DocValue } | undefined;
  readonly heads: readonly string[];
  readonly status: DocStatus;
  readonly lastChange: { readonly author: string; readonly atMs: number } | undefined;
  /** names of its open branches, sorted; empty in a branch */
  readonly branches: readonly string[];
}

/**
 * What a watched document became: the whole of it, or, where the page has its last version (W6), what differs
 * from that.
 */
export type DocUpdate = DocSnapshot | DocPatch;

/** `patches` turn the value that this subscription was told last into the one now; `undefined` values have none. */
export interface DocPatch extends Omit<DocSnapshot, "value"> {
  readonly patches: readonly Patch[];
}

/** What an application's shape of a database asks of the worker: applied to what is read, and written with the next edit. */
export interface DatabaseShape {
  /** from 1; documents without a version have 0 */
  readonly version: number;
  /** for fields that are missing at the top level */
  readonly defaults: { readonly [field: string]: DraftValue };
  readonly migrations: readonly Migration[];
  /** fields that queries ask for often, as paths; at most 16 */
  readonly indexes?: readonly (readonly string[])[];
}

/** A document as it stands, for {@link WorkerApi.changesSince} and bulk edits. */
export interface ReadDocument {
  readonly docId: string;
  readonly snapshot: DocSnapshot;
}

export interface SummaryRow {
  readonly id: string;
  readonly value: { readonly [key: string]: DocValue };
  readonly isWhole: boolean;
  readonly author: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}

/** News of a query: what to do with the rows and groups that the page has of it, in this order. */
export interface QueryEvent {
  readonly kind: "query";
  readonly subscription: number;
  readonly total: number;
  readonly status: "loading" | "ready" | "locked" | "failed";
  readonly splices: readonly QuerySplice[];
  readonly groups: readonly {
    readonly at: number;
    readonly remove: number;
    readonly put: readonly QueryGroup[];
  }[];
  /** the place of the last row shown */
  readonly cursor: QueryCursor | undefined;
}

/** Rows to take out from an index on, and those to put there: new or changed, or by id where the page has them. */
export interface QuerySplice {
  readonly at: number;
  readonly remove: number;
  readonly put: readonly (SummaryRow | string)[];
}

export type WorkerEvent =
  /** `session` only when it changed: a box after unlocking, null after locking */
  | {
      readonly kind: "tenant";
      readonly tenantId: string;
      readonly snapshot: TenantSnapshot;
      readonly session?: SessionBox | null;
    }
  | { readonly kind: "database"; readonly subscription: number; readonly status: DatabaseStatus }
  /** `ackDraft`: the last of this page's drafts that the snapshot contains */
  | {
      readonly kind: "doc";
      readonly subscription: number;
      readonly update: DocUpdate;
      readonly ackDraft: number;
    }
  /** documents of a database that its listeners asked to hear of */
  | {
      readonly kind: "changes";
      readonly subscription: number;
      readonly docIds: readonly string[];
      /** written by this page's own worker */
      readonly isLocal: boolean;
    }
  | FileEvent
  | PeerEvent
  | QueryEvent
  | SearchEvent
  | PresenceEvent
  | BroadcastEvent
  | ViewEvent
  | { readonly kind: "storage"; readonly usageBytes: number; readonly quotaBytes: number };

/**
 * The page's side of a draft. `baseHeads` are the heads the page shows; `afterDraft` the pending draft it was
 * recorded upon, 0 = none.
 */
export interface DraftMessage {
  readonly draft: number;
  readonly baseHeads: readonly string[];
  readonly afterDraft: number;
  readonly operations: readonly DraftOperation[];
  /** `relaxed` when left out */
  readonly durability?: "relaxed" | "strict" | undefined;
}

/** As the application wrote it: the worker judges it by `parseDefinition`, and rejects with `input/invalid` and `at`. */
export type QueryMessage = QueryDefinition;

export interface WorkerApi
  extends
    ViewCalls,
    KeySlotCalls,
    KeyExportCalls,
    DirectoryCalls,
    AuditCalls,
    BackupCalls,
    AttachmentCalls,
    PresenceCalls,
    PeerCalls,
    LinkCalls,
    StoreCalls {
  /**
   * `listener` is the worker's own poster of {@link EventMessage}; it does not cross the thread, the page
   * passes the options only.
   */
  start(options: WorkerOptions, listener: (events: readonly WorkerEvent[]) => void): Promise<void>;
  /** Answer at once: the page asks while a call takes long, and restarts a worker that stays silent. */
  ping(): Promise<void>;
  tenants(): Promise<readonly KnownTenant[]>;
  pendingIdentities(): Promise<readonly { key: string; createdAtMs: number }[]>;
  createTenant(options: {
    tenantName: string;
    adminName: string;
    adminPassword: string;
    userName: string;
    userPassword: string;
  }): Promise<TenantSnapshot>;
  /**
   * Without anything that opens a vault, and then by id: by the keys of a kept session, or those that a running worker of this device hands over.
   * `keepSession` keeps the session for the next opening; another opening without it ends one that was kept.
   *
   * @throws `access/locked` when there are no such keys, `key/missing` when the tenant's data is lost
   */
  openTenant(
    nameOrId: string,
    options: UnlockMessage & { userName?: string | undefined; keepSession?: boolean | undefined },
  ): Promise<TenantSnapshot>;
  /** After a restart: open with what the page kept; without a box the tenant opens locked. */
  resumeTenant(tenantId: string, session: SessionBox | undefined): Promise<TenantSnapshot>;
  closeTenant(tenantId: string): Promise<void>;
  removeTenant(tenantId: string): Promise<void>;
  lock(tenantId: string): Promise<void>;
  createUserId(userName: string, password: string): Promise<Identity>;
  createJoinRequest(key: string): Promise<string>;
  inspectJoinRequest(
    tenantId: string,
    request: string,
  ): Promise<{ userName: string; key: string; safetyNumber: string }>;
  approveJoinRequest(
    tenantId: string,
    request: string,
    options: AdminProof & { sharePassword: string; serverUrl: string | undefined; expiresInMs: number },
  ): Promise<string>;
  joinTenant(
    response: string,
    options: { key: string; password: string; sharePassword: string },
  ): Promise<TenantSnapshot>;
  safetyNumber(tenantId: string, memberKey: string | undefined): Promise<string>;
  /** Make a named key that documents can be sealed under. @throws `input/invalid` when the name is taken */
  createKey(tenantId: string, name: string): Promise<void>;

  createSharePassword(): Promise<string>;
  checkPassword(password: string): Promise<{ ok: boolean; score: 0 | 1 | 2 | 3 | 4; hint: string }>;

  openDatabase(
    tenantId: string,
    name: string,
    subscription: number,
    shape?: DatabaseShape,
  ): Promise<DatabaseStatus>;
  /** Closing what is not open, here and below, does nothing. */
  closeDatabase(subscription: number): Promise<void>;
  /**
   * `database` is the subscription of an open database. One call is at most 512 values: the page cuts and
   * reports progress. Calls with one `run` are one work: once one of them failed, none behind it is stored, so that
   * the page can have several under way.
   */
  createDocuments(
    database: number,
    values: readonly DraftValue[],
    options?: { readonly keyName?: string; readonly run?: number },
  ): Promise<readonly string[]>;
  documentIds(database: number): Promise<readonly string[]>;
  openDocument(database: number, docId: string, subscription: number, branch?: string): Promise<DocSnapshot>;
  closeDocument(subscription: number): Promise<void>;
  changeDocument(
    subscription: number,
    message: DraftMessage,
  ): Promise<{ heads: readonly string[]; update: DocUpdate }>;
  /** At most 64 documents, whole, without watching them; one that is not there has the status `failed`. */
  readDocuments(database: number, docIds: readonly string[]): Promise<readonly ReadDocument[]>;
  /** At most 64 drafts, each on a document of its own, in as few commits as they fit. All or none is written of each commit. */
  changeDocuments(
    database: number,
    drafts: readonly {
      readonly docId: string;
      readonly baseHeads: readonly string[];
      readonly operations: readonly DraftOperation[];
    }[],
    durability: "relaxed" | "strict",
  ): Promise<readonly { readonly docId: string; readonly heads: readonly string[] }[]>;
  /**
   * Documents with something new since `cursor` (from the beginning without one), each once, whole, in the order of the log; at
   * most `maxCount` ≤ 64. The cursor is opaque, survives restarts, and starts over where the log was lost.
   */
  changesSince(
    database: number,
    cursor: string | undefined,
    maxCount: number,
  ): Promise<{
    readonly changes: readonly ReadDocument[];
    readonly cursor: string;
    readonly isDone: boolean;
  }>;
  /** Whether `changes` events are sent for this database. */
  listenChanges(database: number, isOn: boolean): Promise<void>;
  /**
   * Take back the user's own last edit that still stands, or, with `isRedo`, the last taking back. Edits less than `groupMs` apart
   * go together. `undefined`: there is none.
   */
  undo(
    subscription: number,
    options: { readonly isRedo: boolean; readonly groupMs: number },
  ): Promise<{ readonly heads: readonly string[] } | undefined>;
  undoDepth(subscription: number, groupMs: number): Promise<{ readonly undo: number; readonly redo: number }>;
  /** The document as its entries of up to `atMs` made it; before its creation the value is `undefined`. */
  documentAt(database: number, docId: string, atMs: number): Promise<DocSnapshot>;
  /** Steps from number `from` on, oldest first, each verified again: signature, hash, dependencies. At most 64. */
  history(
    database: number,
    docId: string,
    from: number,
  ): Promise<{ readonly steps: readonly HistoryStep[]; readonly isDone: boolean }>;
  diff(subscription: number, before: readonly string[], after: readonly string[]): Promise<readonly Patch[]>;
  marks(subscription: number, path: Path): Promise<readonly Mark[]>;
  /** Make a branch of the document; one of that name that is open is left as it is. */
  createBranch(database: number, docId: string, name: string): Promise<void>;
  /** End a branch: its edits become the document's, or are left out for good. */
  endBranch(database: number, docId: string, name: string, how: "merge" | "discard"): Promise<void>;
  /** Erase every byte of the document's content here. Its commits' headers stay. */
  /** `proof`: everywhere, by the admin's word. */
  purgeDocument(database: number, docId: string, proof?: AdminProof): Promise<void>;
  deleteDocument(database: number, docId: string): Promise<void>;
  undeleteDocument(database: number, docId: string): Promise<void>;
  openQuery(database: number, query: QueryMessage, subscription: number): Promise<void>;
  updateQuery(subscription: number, query: QueryMessage): Promise<void>;
  closeQuery(subscription: number): Promise<void>;
  /** The first search of a database begins to index it. */
  openSearch(database: number, message: SearchMessage, subscription: number): Promise<void>;
  updateSearch(subscription: number, message: SearchMessage): Promise<void>;
  closeSearch(subscription: number): Promise<void>;
}
