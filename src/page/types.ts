/**
 * The public API, as types. Everything the page sees is plain data and signals.
 */
import type { ReadonlySignal } from "@preact/signals-core";
import type { CofferError, CofferErrorCode } from "../std/index.ts";
import type { DocData, Draft } from "../draft/index.ts";
import type { Expression, SortKey } from "../expr/index.ts";

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
  /** `nameOrId`: the display name, or the id from `tenants()`. */
  openTenant(nameOrId: string, options: { userName?: string; password: string }): Promise<Tenant>;
  createUserId(userName: string, password: string): Promise<Identity>;
  createJoinRequest(user: Identity, options?: { format?: "uri" }): Promise<string>;
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
  close(): Promise<void>;
  [Symbol.dispose](): void;
}

export interface TenantStatus {
  readonly phase: "open" | "locked" | "closed";
  /** verdicts of the log still to be judged */
  readonly unjudgedCount: number;
  readonly quarantinedCount: number;
  readonly pendingPushCount: number;
}

export interface Member {
  readonly key: string;
  readonly userName: string | undefined;
  readonly isAdmin: boolean;
  readonly revoked: boolean;
  readonly self: boolean;
}

export interface AlarmEvent {
  readonly kind: "gap" | "rollback" | "fork" | "withheld" | "equivocation" | "id-conflict" | "quarantined";
  readonly atMs: number;
  readonly detail: string;
}

export interface QuarantinedCommit {
  readonly commitHash: string;
  readonly reason: string;
  readonly atMs: number;
}

export interface Tenant {
  readonly id: string;
  /** display name; `undefined` while locked */
  readonly name: ReadonlySignal<string | undefined>;
  readonly self: ReadonlySignal<Identity | undefined>;
  /** the admin identity when its vault is on this device */
  readonly adminUser: ReadonlySignal<Identity | undefined>;
  readonly status: ReadonlySignal<TenantStatus>;
  readonly alarms: ReadonlySignal<readonly AlarmEvent[]>;
  readonly quarantine: ReadonlySignal<readonly QuarantinedCommit[]>;
  readonly directory: {
    readonly users: ReadonlySignal<readonly Member[] | undefined>;
    revokeUser(key: string, options: { adminUser: Identity; adminPassword: string }): Promise<void>;
  };
  openDB<T extends object = Record<string, unknown>>(name: string): Promise<Database<T>>;
  approveJoinRequest(
    request: string,
    options: {
      adminUser: Identity;
      adminPassword: string;
      sharePassword: string;
      serverUrl?: string;
      expiresInMs?: number;
      format?: "uri";
    },
  ): Promise<string>;
  /** What a request says, to show before it is approved. */
  inspectJoinRequest(request: string): Promise<{ userName: string; key: string; safetyNumber: string }>;
  /** 60 digits in groups of four, for this tenant's root and a member's key (default: oneself). */
  safetyNumber(memberKey?: string): Promise<string>;
  publishToServer(url: string, options: { adminUser: Identity; adminPassword: string }): Promise<void>;
  /** Connect and stay connected: live while there is a network, retried by itself, also after a reload. */
  connectToServer(url: string): Promise<ServerLink>;
  /** links of this tenant on this device; after unlocking they resume by themselves */
  readonly links: ReadonlySignal<readonly ServerLink[]>;
  lock(): Promise<void>;
  unlock(options: { password: string }): Promise<void>;
  dispose(): void;
  [Symbol.dispose](): void;
}

export interface LinkStatus {
  readonly phase: "offline" | "connecting" | "syncing" | "live" | "denied";
  readonly pendingPush: number;
  readonly pendingPull: number;
  readonly verifiedCompleteAtMs: number | undefined;
  readonly error: CofferErrorCode | undefined;
  /** bytes of bodies up and down since the link was opened */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface ServerLink {
  readonly url: string;
  readonly status: ReadonlySignal<LinkStatus>;
  /** Run one full cycle now; resolves when nothing is left, rejects with the code that stopped it. */
  sync(): Promise<void>;
  disconnect(): Promise<void>;
}

export interface DatabaseStatus {
  readonly phase: "loading" | "ready" | "locked" | "closed";
  readonly documentCount: number;
}

export interface CreateOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { doneCount: number; totalCount: number }) => void;
}

export interface Database<T extends object = Record<string, unknown>> {
  readonly name: string;
  readonly status: ReadonlySignal<DatabaseStatus>;
  createDocument(value: T): Promise<Doc<T>>;
  /**
   * Packed into commits of up to 256; resolves to the ids in order once all are durable. What was stored
   * before an abort stays.
   */
  createDocuments(values: readonly T[], options?: CreateOptions): Promise<readonly string[]>;
  getDocument(id: string): Promise<Doc<T>>;
  getAllDocumentIds(): Promise<readonly string[]>;
  changeDoc(
    doc: Doc<T>,
    edit: (draft: Draft<T>) => void,
    options?: { durability?: "relaxed" | "strict" },
  ): Promise<{ heads: readonly string[] }>;
  deleteDocument(doc: Doc<T> | string): Promise<void>;
  undeleteDocument(id: string): Promise<void>;
  query(definition?: QueryDefinition): Query<T>;
  dispose(): void;
  [Symbol.dispose](): void;
}

export type DocStatus = "loading" | "ready" | "saving" | "deleted" | "no-key" | "locked" | "failed";

export interface Doc<T extends object = Record<string, unknown>> {
  readonly id: string;
  readonly data: ReadonlySignal<DocData<T> | undefined>;
  readonly heads: ReadonlySignal<readonly string[]>;
  readonly status: ReadonlySignal<DocStatus>;
  /** who changed it last and when, for display */
  readonly lastChange: ReadonlySignal<{ readonly author: string; readonly atMs: number } | undefined>;
  /** a computed signal that re-runs its readers only when that value changed */
  select<U>(pick: (data: DocData<T>) => U): ReadonlySignal<U | undefined>;
  dispose(): void;
  [Symbol.dispose](): void;
}

export interface QueryDefinition {
  readonly filter?: Expression;
  readonly sort?: readonly SortKey[];
  readonly limit?: number;
  readonly offset?: number;
}

export interface QueryRow<T extends object = Record<string, unknown>> {
  readonly id: string;
  /** from the catalog; long texts and lists are cut when `isWhole` is false */
  readonly data: DocData<T>;
  readonly isWhole: boolean;
  readonly author: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}

export interface Query<T extends object = Record<string, unknown>> {
  readonly rows: ReadonlySignal<readonly QueryRow<T>[]>;
  /** rows that match, without limit */
  readonly total: ReadonlySignal<number>;
  readonly status: ReadonlySignal<"loading" | "ready" | "locked" | "failed">;
  /** why it failed: `input/invalid` names the place in the definition */
  readonly error: ReadonlySignal<CofferError | undefined>;
  /** Change the definition in place: the signals go on. */
  update(definition: QueryDefinition): void;
  dispose(): void;
  [Symbol.dispose](): void;
}
