/**
 * One tenant on this device: locked or unlocked, its log followed, its databases open.
 *
 * ```
 *            unlock(password | handed keys)
 *   locked ─────────────────────────────────► open: load pages ► follow the log ► databases, queries, documents
 *      ▲                                       │
 *      └──────────────── lock() ◄──────────────┘   keys, catalogs and documents dropped; sync of sealed commits goes on
 * ```
 */
import { bytesToId, CofferError, type AuthorKey, type Channel, type DbId, type DocId } from "../std/index.ts";
import {
  loadBag,
  openBagSecrets,
  openPrivate,
  unlockVault,
  type BagSecrets,
  type UnlockedIdentity,
} from "../keys/index.ts";
import type { AlarmEvent, SessionBox, TenantSnapshot, WorkerEvent } from "../../worker/api.ts";
import type { TenantCore, TenantWorld } from "./core.ts";
import { DatabaseSession } from "./database.ts";
import type { Device, DeviceTenant } from "./device.ts";
import { Follower } from "./follower.ts";
import type { JudgeOutcome } from "./judge.ts";
import { Links } from "./links.ts";
import { Serial } from "./serial.ts";
import { decodeTenantNames, slotNames, tenantNamesPurpose } from "./slots.ts";
import { describeTenant } from "./snapshot.ts";
import { Subscriptions } from "./subscriptions.ts";

const maxAlarms = 200;

export interface SessionOptions {
  readonly world: TenantWorld;
  readonly device: Device;
  readonly row: DeviceTenant;
  readonly emit: (event: WorkerEvent) => void;
}

/** One tenant that the page has open. */
export class TenantSession {
  readonly core: TenantCore;
  readonly links: Links;
  readonly subscriptions: Subscriptions;
  readonly row: DeviceTenant;
  readonly #options: SessionOptions;
  readonly #databases = new Map<DbId, DatabaseSession>();
  /** locking, unlocking and closing, one after the other */
  readonly #phases = new Serial();
  /** the other tabs of this device: what locks one locks all */
  readonly #tabs: Channel;
  #alarms: AlarmEvent[] = [];
  #follower: Follower | undefined;
  #isTelling = false;

  constructor(options: SessionOptions, core: TenantCore) {
    this.#options = options;
    this.core = core;
    this.row = options.row;
    this.subscriptions = new Subscriptions(core.world.env, options.emit, (step) => this.exclusive(step));
    this.links = new Links(core, {
      onStatus: () => this.touch(),
      onAlarm: (kind, detail) => this.alarm(kind, detail),
    });
    // The log's own random name keeps devices of one process, and tenants of one origin, apart.
    this.#tabs = core.world.env.openChannel(`coffer-lock/${core.store.logEpoch}`);
    this.#tabs.onMessage((message) => {
      if (message === "lock") void this.lock();
    });
  }

  /** Unlock with the user's password. @throws `key/wrong-password`, `entry/corrupt` */
  async unlock(password: string): Promise<void> {
    // Whatever is under way may be a locking.
    await this.#phases.run(async () => undefined);
    if (this.core.unlocked !== undefined) return;
    const vault = await this.#options.device.readVault(this.row.userKey);
    await this.unlockWith(await unlockVault(this.core.world.crypto, vault, password));
  }

  /** Unlock with keys that a former worker of this page held; nothing happens when it is unlocked. */
  unlockWith(identity: UnlockedIdentity): Promise<void> {
    return this.#phases.run(async () => {
      if (this.core.unlocked !== undefined) return;
      await this.#open(identity).catch(async (error: unknown) => {
        await this.#drop();
        throw error;
      });
    });
  }

  async #open(identity: UnlockedIdentity): Promise<void> {
    const { crypto } = this.core.world;
    const [bag, sealedNames] = await Promise.all([this.#slot(slotNames.bag), this.#slot(slotNames.names)]);
    const secrets = await openBagSecrets(crypto, identity, bag, { minVersion: 0 });
    const names = decodeTenantNames(await openPrivate(crypto, identity, tenantNamesPurpose, sealedNames));
    const joined = (await this.core.store.readSlot(slotNames.joined))?.value;
    this.core.joinedAt = joined instanceof Uint8Array ? bytesToId("CommitHash", joined) : undefined;
    this.core.unlocked = { identity, bag: await loadBag(crypto, secrets), keyIds: new Map(), ...names };
    wipe(secrets);
    await this.#follow();
    this.#options.emit({
      kind: "tenant",
      tenantId: this.core.tenantId,
      snapshot: this.snapshot(),
      session: this.#box(identity),
    });
    await this.links.resume();
  }

  /** A vault of this device. @throws `input/unknown-id` */
  readVault(key: AuthorKey): Promise<Uint8Array<ArrayBuffer>> {
    return this.#options.device.readVault(key);
  }

  /** Read the raw key bag for a moment, to wrap keys for someone. */
  async withBagSecrets<T>(use: (secrets: BagSecrets) => Promise<T>): Promise<T> {
    const secrets = await openBagSecrets(
      this.core.world.crypto,
      this.core.keys.identity,
      await this.#slot(slotNames.bag),
      { minVersion: 0 },
    );
    try {
      return await use(secrets);
    } finally {
      wipe(secrets);
    }
  }

  /** Drop keys and everything readable, here or in every tab of this device. Sealed commits still move. */
  lock(reach: "here" | "everywhere" = "here"): Promise<void> {
    if (reach === "everywhere") this.#tabs.post("lock");
    return this.#phases.run(async () => {
      if (this.core.unlocked === undefined) return;
      await this.#drop();
      this.subscriptions.reset(true);
      this.#options.emit({
        kind: "tenant",
        tenantId: this.core.tenantId,
        snapshot: this.snapshot(),
        session: null,
      });
    });
  }

  async #drop(): Promise<void> {
    await this.#follower?.close();
    this.#follower = undefined;
    await this.core.serial.run(async () => {
      this.core.unlocked = undefined;
      this.core.dropWriters();
      this.core.resetDerived();
      for (const database of this.#databases.values()) database.reset();
    });
  }

  /** The database of a name, open. @throws `access/locked` */
  database(name: string): DatabaseSession {
    return this.#database(this.core.dbIdOf(name));
  }

  /** Run a step when its turn in the tenant's queue has come. */
  exclusive<T>(step: () => Promise<T>): Promise<T> {
    return this.core.serial.run(async () => {
      // Until the directory and the pages are loaded a commit would name no directory head, and nobody else would take it.
      if (this.core.unlocked === undefined || this.#follower === undefined)
        throw new CofferError("access/locked");
      return step();
    });
  }

  /** Judge what the log holds now, to its end. */
  async catchUp(): Promise<void> {
    await this.#follower?.catchUp();
  }

  close(): Promise<void> {
    return this.#phases.run(async () => {
      await this.links.close();
      this.subscriptions.close();
      await this.#drop();
      this.#tabs.close();
      this.core.store.close();
    });
  }

  /** Tell of something that should not have happened, once. */
  alarm(kind: AlarmEvent["kind"], detail: string): void {
    if (this.#alarms.some((known) => known.kind === kind && known.detail === detail)) return;
    this.#alarms = [...this.#alarms, { kind, atMs: this.core.world.env.nowMs(), detail }].slice(-maxAlarms);
    this.touch();
  }

  /** Tell the page that something about the tenant moved; several calls in one turn are one event. */
  touch(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      this.#options.emit({ kind: "tenant", tenantId: this.core.tenantId, snapshot: this.snapshot() });
    });
  }

  snapshot(): TenantSnapshot {
    return describeTenant(this.core, {
      adminKey: this.row.adminKey,
      alarms: this.#alarms,
      links: this.links.snapshot(),
    });
  }

  #box(identity: UnlockedIdentity): SessionBox {
    return { tenantId: this.core.tenantId, opaque: identity };
  }

  async #slot(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const slot = await this.core.store.readSlot(name);
    if (!(slot?.value instanceof Uint8Array)) throw new CofferError("entry/corrupt", { slot: name });
    return slot.value;
  }

  #database(dbId: DbId): DatabaseSession {
    let database = this.#databases.get(dbId);
    if (database === undefined) {
      const created: DatabaseSession = new DatabaseSession(this.core, dbId, (docIds) =>
        this.#changed(created, docIds),
      );
      database = created;
      this.#databases.set(dbId, database);
    }
    return database;
  }

  #changed(database: DatabaseSession, docIds: readonly DocId[]): void {
    this.subscriptions.changed(database, docIds);
    this.#follower?.scheduleFlush();
  }

  async #follow(): Promise<void> {
    this.#follower = await Follower.open(this.core, {
      absorb: (dbId, accepted) => this.#database(dbId).absorb(accepted),
      onWithdrawn: (dbId, docIds) => this.#database(dbId).forget(docIds),
      readUnread: async () => {
        for (const dbId of this.core.catalogs().keys()) await this.#database(dbId).readUnread();
      },
      onLost: () => {
        // Another thread removed the tenant from this device: nothing may be written into what comes after.
        this.alarm("rollback", "the log of this device is gone");
        void this.lock();
      },
      onOutcome: (outcome) => this.#onOutcome(outcome),
      onEquivocation: (row) => this.alarm("equivocation", `${row.author} ${row.commitHash}`),
      onProgress: () => this.touch(),
    });
    void this.#follower.catchUp().then(() => this.subscriptions.refresh());
  }

  #onOutcome(outcome: JudgeOutcome): void {
    for (const quarantined of outcome.quarantined)
      this.alarm("quarantined", `${quarantined.commitHash}: ${quarantined.reason}`);
    if (outcome.isFork) this.alarm("fork", "directory");
  }
}

function wipe(secrets: BagSecrets): void {
  secrets.namesKey.fill(0);
  secrets.deviceSecret.fill(0);
  for (const key of secrets.keys) key.secret.fill(0);
}
