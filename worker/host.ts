/**
 * What a worker holds: its world, the tenants that are open, what the page subscribed to, and the events on their way to the page.
 */
import {
  CofferError,
  parseId,
  type AuthorKey,
  isCofferError,
  type DocId,
  type TenantId,
} from "../src/std/index.ts";
import type { UnlockedIdentity } from "../src/keys/index.ts";
import {
  Device,
  deviceStoreName,
  openCore,
  removeTenant,
  TenantSession,
  type CompiledShape,
  type DatabaseSession,
  type DeviceTenant,
  type TenantWorld,
} from "../src/tenant/index.ts";
import type { TenantSnapshot, WorkerEvent, WorkerOptions } from "./api.ts";
import { OpenViews } from "./open-views.ts";
import { StorageMeter } from "./storage-meter.ts";

/** Makes the world of a worker once its options are known. */
export type WorldMaker = (options: WorkerOptions) => TenantWorld;

/** A database that the page has open. */
export interface OpenDatabase {
  readonly session: TenantSession;
  readonly database: DatabaseSession;
  /** what this page's application makes of its documents */
  readonly shape: CompiledShape | undefined;
}

/** The state of one worker. */
export class WorkerHost {
  /** by the page's subscription numbers */
  readonly databases = new Map<number, OpenDatabase>();
  /** documents and queries: whose they are */
  readonly watched = new Map<number, TenantSession>();
  readonly views = new OpenViews(this.databases, (event) => this.#emit(event));
  /** identities made here that can still sign their join request */
  readonly pending = new Map<AuthorKey, UnlockedIdentity>();
  readonly #makeWorld: WorldMaker;
  readonly #sessions = new Map<TenantId, TenantSession>();
  readonly #opening = new Map<TenantId, Promise<TenantSession>>();
  /** tenants that are being opened: by how many at once, and whether one of them is through or it was open before */
  readonly #entering = new Map<TenantId, { count: number; isOpen: boolean }>();
  #opened: Promise<{ world: TenantWorld; device: Device }> | undefined;
  #meter: StorageMeter | undefined;
  #listener: ((events: readonly WorkerEvent[]) => void) | undefined;
  #events: WorkerEvent[] = [];

  constructor(makeWorld: WorldMaker) {
    this.#makeWorld = makeWorld;
  }

  async start(options: WorkerOptions, listener: (events: readonly WorkerEvent[]) => void): Promise<void> {
    this.#listener = listener;
    this.#opened ??= this.#open(options);
    await this.#opened;
    void this.measureStorage();
  }

  /** Measure the storage now: an event tells, where the platform does. */
  async measureStorage(): Promise<void> {
    await this.ready();
    await this.#meter?.measure();
  }

  /** The world and the device's registry. @throws `worker/failed` before `start` */
  async ready(): Promise<{ world: TenantWorld; device: Device }> {
    if (this.#opened === undefined) throw new CofferError("worker/failed", { reason: "not started" });
    return this.#opened;
  }

  /** The session of a tenant that the page has open, locked or not. */
  findSession(tenantId: TenantId): TenantSession | undefined {
    return this.#sessions.get(tenantId);
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

  /**
   * Open a tenant by whatever unlocks its session. One that was not open before is closed again when that fails, and nobody else is
   * opening it or has opened it meanwhile.
   */
  async enter(row: DeviceTenant, unlock: (session: TenantSession) => Promise<void>): Promise<TenantSnapshot> {
    const { device, world } = await this.ready();
    const session = await this.#entered(row, unlock);
    device.noteSoon(row.tenantId, { lastOpenedAtMs: world.env.nowMs() });
    return session.snapshot();
  }

  /** Keep the session of an open tenant for the next opening, or end one that was kept. On a full disk nothing is kept. */
  async keepSession(tenantId: TenantId, isKept: boolean): Promise<void> {
    const kept = this.#sessions.get(tenantId)?.access.keep(isKept);
    await (isKept ? unlessFull(kept) : kept);
  }

  /** Close a tenant: its databases, documents and queries end. */
  async close(id: TenantId): Promise<void> {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    this.#opening.delete(id);
    for (const [subscription, open] of this.databases)
      if (open.session === session) this.closeDatabase(subscription);
    for (const [subscription, owner] of this.watched)
      if (owner === session) this.watched.delete(subscription);
    await (await this.#opened)?.device.noted();
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

  /** Open a database under a number, in place of one that had it. */
  openDatabase(subscription: number, open: OpenDatabase): void {
    this.closeDatabase(subscription);
    this.databases.set(subscription, open);
    this.views.attach(subscription);
  }

  /** Close a database: what shows it shows nothing of it any more. */
  closeDatabase(subscription: number): void {
    this.views.detach(subscription);
    this.databases.delete(subscription);
  }

  async #entered(
    row: DeviceTenant,
    unlock: (session: TenantSession) => Promise<void>,
  ): Promise<TenantSession> {
    const { tenantId } = row;
    const entering = this.#entering.get(tenantId) ?? { count: 0, isOpen: this.#sessions.has(tenantId) };
    this.#entering.set(tenantId, entering);
    entering.count += 1;
    try {
      const session = await this.session(row);
      await unlock(session);
      entering.isOpen = true;
      return session;
    } finally {
      entering.count -= 1;
      if (entering.count === 0) {
        this.#entering.delete(tenantId);
        if (!entering.isOpen) await this.close(tenantId);
      }
    }
  }

  async #open(options: WorkerOptions): Promise<{ world: TenantWorld; device: Device }> {
    const made = this.#makeWorld(options);
    const meter = new StorageMeter(made.env, made.storage, (usage) =>
      this.#emit({ kind: "storage", ...usage }),
    );
    const world = { ...made, storage: meter.storage };
    const device = new Device(await world.storage.openStore(deviceStoreName(world.scope)));
    meter.use(device.store);
    made.env.mark("device open");
    this.#meter = meter;
    return { world, device };
  }

  async #openSession(row: DeviceTenant): Promise<TenantSession> {
    const { world, device } = await this.ready();
    const emit = this.#emit.bind(this);
    const core = await openCore(world, row);
    world.env.mark("store open");
    const onWiped = (): void => void unlessGone(this.#wipe(row.tenantId));
    const session = new TenantSession({ world, device, row, emit, onWiped }, core);
    this.#sessions.set(row.tenantId, session);
    return session;
  }

  /** Forget a tenant, as the admin says: keys and data of it are erased from this device, in every tab. */
  async #wipe(tenantId: TenantId): Promise<void> {
    const session = this.#sessions.get(tenantId);
    if (session === undefined) return;
    session.alarm("wiped", "the admin had this device forget the tenant");
    const { device, world } = await this.ready();
    await session.access.lock("everywhere");
    await this.close(tenantId);
    await removeTenant(world, device, tenantId);
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
}

/** What was not erased, on a full disk say, is tried again at the next opening. */
async function unlessGone(wiping: Promise<void>): Promise<void> {
  try {
    await wiping;
  } catch (error) {
    if (!isCofferError(error)) throw error;
  }
}

async function unlessFull(write: Promise<void> | undefined): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isCofferError(error) || error.code !== "store/quota") throw error;
  }
}

/** Read a tenant id of the page. @throws `input/unknown-id` */
export function requireTenantId(text: unknown): TenantId {
  const id = parseId("TenantId", text);
  if (id === undefined) throw new CofferError("input/unknown-id", { what: "tenant" });
  return id;
}

/** Read a user key of the page. @throws `input/unknown-id` */
export function requireAuthorKey(text: unknown): AuthorKey {
  const key = parseId("AuthorKey", text);
  if (key === undefined) throw new CofferError("input/unknown-id", { what: "user" });
  return key;
}

/** Read a document id of the page. @throws `doc/missing` */
export function requireDocId(text: unknown): DocId {
  const id = parseId("DocId", text);
  if (id === undefined) throw new CofferError("doc/missing");
  return id;
}
