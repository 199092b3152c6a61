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
 * - W5 the worker holds the Web Lock `lifeLock` from `start` on for as long as it lives, so that its death is
 *   seen at once
 */
import type { DocValue, DraftOperation, DraftValue } from "../src/draft/index.ts";
import type { Expression, SortKey } from "../src/expr/index.ts";
import type {
  AlarmEvent,
  DatabaseStatus,
  DocStatus,
  Identity,
  KnownTenant,
  LinkStatus,
  Member,
  QuarantinedCommit,
  TenantStatus,
} from "../src/page/types.ts";

export type {
  AlarmEvent,
  DatabaseStatus,
  DocStatus,
  Identity,
  KnownTenant,
  LinkStatus,
  Member,
  QuarantinedCommit,
  TenantStatus,
};

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
  readonly alarms: readonly AlarmEvent[];
  readonly quarantine: readonly QuarantinedCommit[];
  readonly links: readonly { readonly url: string; readonly status: LinkStatus }[];
}

export interface DocSnapshot {
  readonly value: { readonly [key: string]: DocValue } | undefined;
  readonly heads: readonly string[];
  readonly status: DocStatus;
  readonly lastChange: { readonly author: string; readonly atMs: number } | undefined;
}

export interface SummaryRow {
  readonly id: string;
  readonly value: { readonly [key: string]: DocValue };
  readonly isWhole: boolean;
  readonly author: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
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
      readonly snapshot: DocSnapshot;
      readonly ackDraft: number;
    }
  | {
      readonly kind: "query";
      readonly subscription: number;
      readonly total: number;
      readonly status: "loading" | "ready" | "locked" | "failed";
      /**
       * the new order as ids, with the rows that are new or changed; the page keeps the others, and forgets
       * those that left
       */
      readonly order: readonly string[];
      readonly changed: readonly SummaryRow[];
    }
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
  readonly durability: "relaxed" | "strict";
}

/**
 * As the application wrote it: the worker judges it by `parseDefinition`, and rejects with `input/invalid`
 * and `at`.
 */
export interface QueryMessage {
  readonly filter: Expression | undefined;
  readonly sort: readonly SortKey[];
  readonly limit: number | undefined;
  readonly offset: number;
}

export interface AdminProof {
  readonly adminKey: string;
  readonly adminPassword: string;
}

export interface WorkerApi {
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
  openTenant(
    nameOrId: string,
    options: { userName: string | undefined; password: string },
  ): Promise<TenantSnapshot>;
  /** After a restart: open with what the page kept; without a box the tenant opens locked. */
  resumeTenant(tenantId: string, session: SessionBox | undefined): Promise<TenantSnapshot>;
  closeTenant(tenantId: string): Promise<void>;
  removeTenant(tenantId: string): Promise<void>;
  lock(tenantId: string): Promise<void>;
  unlock(tenantId: string, password: string): Promise<void>;
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
  revokeUser(tenantId: string, userKey: string, proof: AdminProof): Promise<void>;
  createSharePassword(): Promise<string>;
  checkPassword(password: string): Promise<{ ok: boolean; score: 0 | 1 | 2 | 3 | 4; hint: string }>;

  /**
   * URLs of servers come in canonical form (`new URL(url).href` without a trailing slash) and come back
   * unchanged.
   */
  publish(tenantId: string, url: string, proof: AdminProof): Promise<void>;
  connect(tenantId: string, url: string): Promise<void>;
  disconnect(tenantId: string, url: string): Promise<void>;
  sync(tenantId: string, url: string): Promise<void>;

  openDatabase(tenantId: string, name: string, subscription: number): Promise<DatabaseStatus>;
  /** Closing what is not open, here and below, does nothing. */
  closeDatabase(subscription: number): Promise<void>;
  /**
   * `database` is the subscription of an open database. One call is at most 256 values: the page cuts and
   * reports progress.
   */
  createDocuments(database: number, values: readonly DraftValue[]): Promise<readonly string[]>;
  documentIds(database: number): Promise<readonly string[]>;
  openDocument(database: number, docId: string, subscription: number): Promise<DocSnapshot>;
  closeDocument(subscription: number): Promise<void>;
  changeDocument(
    subscription: number,
    message: DraftMessage,
  ): Promise<{ heads: readonly string[]; snapshot: DocSnapshot }>;
  deleteDocument(database: number, docId: string): Promise<void>;
  undeleteDocument(database: number, docId: string): Promise<void>;
  openQuery(database: number, query: QueryMessage, subscription: number): Promise<void>;
  updateQuery(subscription: number, query: QueryMessage): Promise<void>;
  closeQuery(subscription: number): Promise<void>;
}
