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
import { CofferError, type AuthorKey, type DbId, type DocId, type Release } from "../std/index.ts";
import { loadBag, openBagSecrets, openPrivate, unlockVault, type BagSecrets, type UnlockedIdentity } from "../keys/index.ts";
import type { AlarmEvent, Identity, Member, QuarantinedCommit, TenantStatus } from "../page/types.ts";
import type { SessionBox, TenantSnapshot, WorkerEvent } from "../../worker/api.ts";
import { TenantCore, type TenantWorld } from "./core.ts";
import { DatabaseSession } from "./database.ts";
import type { Device, DeviceTenant } from "./device.ts";
import type { JudgeOutcome } from "./judge.ts";
import { Links } from "./links.ts";
import { Persistence } from "./persistence.ts";
import { slotNames, tenantNamePurpose } from "./slots.ts";
import { Subscriptions } from "./subscriptions.ts";
import { Tail } from "./tail.ts";

const flushAfterMs = 400;
const maxAlarms = 200;

export interface SessionOptions {
  readonly world: TenantWorld;
  readonly device: Device;
  readonly row: DeviceTenant;
  readonly emit: (event: WorkerEvent) => void;
}

export class TenantSession {
  readonly core: TenantCore;
  readonly links: Links;
  readonly subscriptions: Subscriptions;
  readonly row: DeviceTenant;
  readonly #options: SessionOptions;
  readonly #databases = new Map<DbId, DatabaseSession>();
  #alarms: AlarmEvent[] = [];
  #tail: Tail | undefined;
  #following: readonly Release[] = [];
  #persistence: { pages: Persistence; isWriter: boolean; release: Release } | undefined;
  #flushTimer: Release | undefined;
  #told: Promise<void> | undefined;

  constructor(options: SessionOptions, core: TenantCore) {
    this.#options = options;
    this.core = core;
    this.row = options.row;
    this.subscriptions = new Subscriptions(core.world.env, options.emit);
    this.links = new Links(core, { onStatus: () => this.touch(), onAlarm: (kind, detail) => this.alarm(kind, detail) });
  }

  /** Unlock with the user's password. @throws `key/wrong-password`, `entry/corrupt` */
  async unlock(password: string): Promise<void> {
    if (this.core.unlocked !== undefined) return;
    const vault = await this.#options.device.readVault(this.row.userKey);
    await this.unlockWith(await unlockVault(this.core.world.crypto, vault, password));
  }

  /** Unlock with keys that a former worker of this page held. */
  async unlockWith(identity: UnlockedIdentity): Promise<void> {
    const { crypto } = this.core.world;
    const [bag, name] = await Promise.all([this.#slot(slotNames.bag), this.#slot(slotNames.name)]);
    const secrets = await openBagSecrets(crypto, identity, bag, { minVersion: 0 });
    const tenantName = new TextDecoder().decode(await openPrivate(crypto, identity, tenantNamePurpose, name));
    this.core.unlocked = { identity, bag: await loadBag(crypto, secrets), tenantName };
    wipe(secrets);
    await this.#follow();
    this.#options.emit({ kind: "tenant", tenantId: this.core.tenantId, snapshot: this.snapshot(), session: this.#box(identity) });
    await this.links.resume();
  }

  /** Read the raw key bag for a moment, to wrap keys for someone. */
  async withBagSecrets<T>(use: (secrets: BagSecrets) => Promise<T>): Promise<T> {
    const secrets = await openBagSecrets(this.core.world.crypto, this.core.keys.identity, await this.#slot(slotNames.bag), { minVersion: 0 });
    try {
      return await use(secrets);
    } finally {
      wipe(secrets);
    }
  }

  /** Drop keys and everything readable. Sealed commits still move. */
  async lock(): Promise<void> {
    if (this.core.unlocked === undefined) return;
    await this.#unfollow();
    await this.core.serial.run(async () => {
      this.core.unlocked = undefined;
      this.core.dropWriters();
      this.core.resetDerived();
      for (const database of this.#databases.values()) database.reset();
      this.#databases.clear();
    });
    this.subscriptions.reset(true);
    this.#options.emit({ kind: "tenant", tenantId: this.core.tenantId, snapshot: this.snapshot(), session: null });
  }

  /** The database of a name, open. @throws `access/locked` */
  database(name: string): DatabaseSession {
    return this.#database(this.core.dbIdOf(name));
  }

  /** Run a step when its turn in the tenant's queue has come. */
  exclusive<T>(step: () => Promise<T>): Promise<T> {
    return this.core.serial.run(async () => {
      if (this.core.unlocked === undefined) throw new CofferError("access/locked");
      return step();
    });
  }

  /** Judge what the log holds now, to its end. */
  async catchUp(): Promise<void> {
    await this.#tail?.run();
  }

  async close(): Promise<void> {
    await this.links.close();
    await this.#unfollow();
    this.core.unlocked = undefined;
    for (const database of this.#databases.values()) database.reset();
    this.subscriptions.close();
    this.core.store.close();
  }

  alarm(kind: AlarmEvent["kind"], detail: string): void {
    this.#alarms = [...this.#alarms, { kind, atMs: this.core.world.env.nowMs(), detail }].slice(-maxAlarms);
    this.touch();
  }

  /** Tell the page that something about the tenant moved; several calls in one turn are one event. */
  touch(): void {
    this.#told ??= Promise.resolve().then(() => {
      this.#told = undefined;
      this.#options.emit({ kind: "tenant", tenantId: this.core.tenantId, snapshot: this.snapshot() });
    });
  }

  snapshot(): TenantSnapshot {
    const { unlocked } = this.core;
    const identity = unlocked?.identity.publicIdentity;
    const links = this.links.snapshot();
    const status: TenantStatus = {
      phase: unlocked === undefined ? "locked" : "open",
      unjudgedCount: this.core.ledger.waiting().length,
      quarantinedCount: this.core.ledger.quarantined().length,
      pendingPushCount: links.reduce((sum, link) => sum + link.status.pendingPush, 0),
    };
    return {
      id: this.core.tenantId,
      name: unlocked?.tenantName,
      self: identity === undefined ? undefined : { userName: identity.userName, key: identity.signingKey },
      adminUser: unlocked === undefined ? undefined : this.#adminIdentity(),
      status,
      users: unlocked === undefined ? undefined : this.#members(),
      alarms: this.#alarms,
      quarantine: this.#quarantine(),
      links,
    };
  }

  #adminIdentity(): Identity | undefined {
    const { adminKey } = this.row;
    return adminKey === undefined ? undefined : { userName: "admin", key: adminKey };
  }

  #members(): readonly Member[] {
    const self: AuthorKey | undefined = this.core.unlocked?.identity.publicIdentity.signingKey;
    return [...this.core.directory.usersByKey.values()].map((user) => ({
      key: user.userKey,
      userName: user.userName,
      isAdmin: false,
      revoked: user.revoked !== undefined,
      self: user.userKey === self,
    }));
  }

  #quarantine(): readonly QuarantinedCommit[] {
    return this.core.ledger
      .quarantined()
      .map((row) => ({ commitHash: row.commitHash, reason: row.reason, atMs: row.judgedAtMs }));
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
      const created: DatabaseSession = new DatabaseSession(this.core, dbId, (docIds) => this.#changed(created, docIds));
      database = created;
      this.#databases.set(dbId, database);
    }
    return database;
  }

  #changed(database: DatabaseSession, docIds: readonly DocId[]): void {
    void this.subscriptions.changed(database, docIds);
    this.#scheduleFlush();
  }

  async #follow(): Promise<void> {
    const pages = await Persistence.open(this.core);
    const judgedTo = await pages.load();
    const tail = new Tail(
      this.core,
      {
        absorb: (dbId, accepted) => this.#database(dbId).absorb(accepted),
        onReset: () => this.#onReset(),
        onOutcome: (outcome) => this.#onOutcome(outcome),
        onProgress: () => this.#onProgress(),
      },
      judgedTo,
    );
    await this.#foldDirectory();
    this.#tail = tail;
    this.#becomeWriter(pages);
    this.#following = [
      this.core.store.onWrite((event) => {
        if (event.lastPosition > tail.judgedTo) void tail.run();
      }),
    ];
    void tail.run().then(() => this.subscriptions.refresh());
  }

  /** The directory is not kept in pages: it is folded again from its few commits. */
  async #foldDirectory(): Promise<void> {
    const positions = this.core.ledger
      .rows()
      .filter((row) => row.dbId === this.core.directoryDbId && row.verdict === "accepted")
      .map((row) => row.position);
    await refoldDirectory(this.core, positions);
  }

  async #unfollow(): Promise<void> {
    for (const release of this.#following) release();
    this.#following = [];
    this.#flushTimer?.();
    this.#flushTimer = undefined;
    await this.#tail?.stop();
    if (this.#persistence?.isWriter === true && this.core.unlocked !== undefined) await this.#flush();
    this.#persistence?.release();
    this.#persistence = undefined;
    this.#tail = undefined;
  }

  /** Wait for the lock that makes this thread the one that writes pages, and hold it until locked or closed. */
  #becomeWriter(pages: Persistence): void {
    const ended = new AbortController();
    const state = { pages, isWriter: false, release: () => ended.abort() };
    this.#persistence = state;
    const hold = async (): Promise<void> => {
      if (ended.signal.aborted) return;
      state.isWriter = true;
      this.#scheduleFlush();
      await new Promise<void>((resolve) => ended.signal.addEventListener("abort", () => resolve()));
    };
    const name = `coffer-pages/${this.core.tenantId}`;
    void this.core.world.env.withLock(name, { signal: ended.signal }, hold).catch(() => undefined);
  }

  #scheduleFlush(): void {
    if (this.#persistence?.isWriter !== true) return;
    this.#flushTimer ??= this.core.world.env.setTimer(flushAfterMs, () => {
      this.#flushTimer = undefined;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const persistence = this.#persistence;
    const judgedTo = this.#tail?.judgedTo;
    if (persistence?.isWriter !== true || judgedTo === undefined) return;
    // Pages are derived: a failed write costs a slower opening, and the next flush writes them all.
    await this.core.serial
      .run(() => persistence.pages.flush(judgedTo, false))
      .catch(() => this.core.ledger.markAllDirty());
  }

  #onReset(): void {
    for (const database of this.#databases.values()) database.reset();
    this.subscriptions.reset(false);
  }

  #onOutcome(outcome: JudgeOutcome): void {
    for (const quarantined of outcome.quarantined) this.alarm("quarantined", `${quarantined.commitHash}: ${quarantined.reason}`);
    if (outcome.alarm !== undefined) this.alarm(outcome.alarm, "");
  }

  #onProgress(): void {
    this.#scheduleFlush();
    this.touch();
  }
}
