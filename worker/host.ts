/**
 * What a worker holds: its world, the tenants that are open, what the page subscribed to, and the events on their way to the page.
 */
import {
  CofferError,
  parseId,
  type AuthorKey,
  type DocId,
  type Release,
  type TenantId,
} from "../src/std/index.ts";
import type { UnlockedIdentity } from "../src/keys/index.ts";
import {
  Device,
  deviceStoreName,
  openCore,
  TenantSession,
  type DatabaseSession,
  type DeviceTenant,
  type TenantWorld,
} from "../src/tenant/index.ts";
import type { TenantSnapshot, WorkerEvent, WorkerOptions } from "./api.ts";

const storageEveryMs = 10_000;

/** Makes the world of a worker once its options are known. */
export type WorldMaker = (options: WorkerOptions) => TenantWorld;

/** A database that the page has open. */
export interface OpenDatabase {
  readonly session: TenantSession;
  readonly database: DatabaseSession;
}

/** The state of one worker. */
export class WorkerHost {
  /** by the page's subscription numbers */
  readonly databases = new Map<number, OpenDatabase>();
  /** documents and queries: whose they are */
  readonly watched = new Map<number, TenantSession>();
  /** identities made here that can still sign their join request */
  readonly pending = new Map<AuthorKey, UnlockedIdentity>();
  readonly #makeWorld: WorldMaker;
  readonly #sessions = new Map<TenantId, TenantSession>();
  readonly #opening = new Map<TenantId, Promise<TenantSession>>();
  #opened: Promise<{ world: TenantWorld; device: Device }> | undefined;
  #listener: ((events: readonly WorkerEvent[]) => void) | undefined;
  #events: WorkerEvent[] = [];
  #storageTimer: Release | undefined;

  constructor(makeWorld: WorldMaker) {
    this.#makeWorld = makeWorld;
  }

  async start(options: WorkerOptions, listener: (events: readonly WorkerEvent[]) => void): Promise<void> {
    this.#listener = listener;
    this.#opened ??= this.#open(options);
    await this.#opened;
    void this.#tellStorage();
  }

  /** The world and the device's registry. @throws `worker/failed` before `start` */
  async ready(): Promise<{ world: TenantWorld; device: Device }> {
    if (this.#opened === undefined) throw new CofferError("worker/failed", { reason: "not started" });
    return this.#opened;
  }

  isUnlocked(tenantId: TenantId): boolean {
    return this.#sessions.get(tenantId)?.core.unlocked !== undefined;
  }

  /** Open the session of a row, locked, once. */
  session(row: DeviceTenant): Promise<TenantSession> {
    let opening = this.#opening.get(row.tenantId);
    if (opening === undefined) {
      opening = this.#openSession(row).catch((error: unknown) => {
        this.#opening.delete(row.tenantId);
        throw error;
      });
      this.#opening.set(row.tenantId, opening);
    }
    return opening;
  }

  /** Open a tenant with its user's keys. */
  async enter(row: DeviceTenant, identity: UnlockedIdentity): Promise<TenantSnapshot> {
    const { device } = await this.ready();
    const session = await this.session(row);
    if (session.core.unlocked === undefined) await session.unlockWith(identity);
    await device.writeTenant(row);
    return session.snapshot();
  }

  /** Close a tenant: its databases, documents and queries end. */
  async close(id: TenantId): Promise<void> {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    this.#opening.delete(id);
    for (const [subscription, open] of this.databases)
      if (open.session === session) this.databases.delete(subscription);
    for (const [subscription, owner] of this.watched)
      if (owner === session) this.watched.delete(subscription);
    await session?.close();
  }

  /** An open tenant. @throws `input/unknown-id` */
  tenant(tenantId: string): TenantSession {
    const session = this.#sessions.get(requireTenantId(tenantId));
    if (session === undefined) throw new CofferError("input/unknown-id", { what: "tenant" });
    return session;
  }

  /** An open database. @throws `store/closed` */
  database(subscription: number): OpenDatabase {
    const open = this.databases.get(subscription);
    if (open === undefined) throw new CofferError("store/closed");
    return open;
  }

  async #open(options: WorkerOptions): Promise<{ world: TenantWorld; device: Device }> {
    const world = this.#makeWorld(options);
    return { world, device: new Device(await world.storage.openStore(deviceStoreName(world.scope))) };
  }

  async #openSession(row: DeviceTenant): Promise<TenantSession> {
    const { world, device } = await this.ready();
    const emit = this.#emit.bind(this);
    const session = new TenantSession({ world, device, row, emit }, await openCore(world, row));
    this.#sessions.set(row.tenantId, session);
    return session;
  }

  #emit(event: WorkerEvent): void {
    this.#events.push(event);
    if (this.#events.length === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const events = this.#events;
    this.#events = [];
    this.#listener?.(events);
  }

  async #tellStorage(): Promise<void> {
    const { world } = await this.ready();
    this.#storageTimer?.();
    const store = await world.storage.openStore(deviceStoreName(world.scope));
    const usage = await store.usage().catch(() => undefined);
    store.close();
    if (usage !== undefined) this.#emit({ kind: "storage", ...usage });
    this.#storageTimer = world.env.setTimer(storageEveryMs, () => void this.#tellStorage());
  }
}

/** Read a tenant id of the page. @throws `input/unknown-id` */
export function requireTenantId(text: string): TenantId {
  const id = parseId("TenantId", text);
  if (id === undefined) throw new CofferError("input/unknown-id", { what: "tenant" });
  return id;
}

/** Read a user key of the page. @throws `input/unknown-id` */
export function requireAuthorKey(text: string): AuthorKey {
  const key = parseId("AuthorKey", text);
  if (key === undefined) throw new CofferError("input/unknown-id", { what: "user" });
  return key;
}

/** Read a document id of the page. @throws `doc/missing` */
export function requireDocId(text: string): DocId {
  const id = parseId("DocId", text);
  if (id === undefined) throw new CofferError("doc/missing");
  return id;
}
