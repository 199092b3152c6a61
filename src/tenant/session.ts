/**
 * One tenant on this device: locked or unlocked, its log followed, its databases open.
 *
 * ```
 *            unlock, see access.ts
 *   locked ───────────────────────► open: keys ► load pages ► follow the log ► databases, queries, documents
 *      ▲                             │
 *      └────────── lock ◄────────────┘   keys, catalogs and documents dropped; sync of sealed commits goes on
 * ```
 */
import { bytesToId, CofferError, isCofferError, type AuthorKey, type DbId } from "../std/index.ts";
import type { BagSecrets, UnlockedIdentity } from "../keys/index.ts";
import type { AlarmEvent, TenantSnapshot, WorkerEvent } from "../../worker/api.ts";
import { Access } from "./access.ts";
import { Alarms } from "./alarms.ts";
import { finishUploads } from "./attachments.ts";
import { ChangeNews } from "./change-news.ts";
import type { TenantCore, TenantWorld } from "./core.ts";
import { DatabaseSession } from "./database.ts";
import type { Device, DeviceTenant } from "./device.ts";
import { finishErasing } from "./erasing.ts";
import { FileTexts } from "./file-texts.ts";
import { Follower, type FollowerHooks } from "./follower.ts";
import { adoptImported } from "./imported-keys.ts";
import type { JudgeOutcome } from "./judge.ts";
import { Links } from "./links.ts";
import { Peers } from "./peers.ts";
import { noteLost, noticeEmptied, noticeRefilled } from "./loss.ts";
import { reloadKeys } from "./named-keys.ts";
import { openKeys, withBagSecrets } from "./opened-keys.ts";
import { soonTold, waitAtMost } from "./patience.ts";
import { readPurged, setPurged, type PurgedDoc } from "./purge.ts";
import { followSharedSlots, type SharedSlots } from "./shared-slots.ts";
import { slotNames } from "./slots.ts";
import { readDerived, type DerivedReading } from "./persistence.ts";
import { RowFeeds } from "./row-feed.ts";
import { describeTenant } from "./snapshot.ts";
import { Searches } from "./searches.ts";
import { Subscriptions } from "./subscriptions.ts";
import { isToldToForget, isWiped } from "./wiped.ts";

/** for so long a document waits for what the last pages did not hold to be judged; then it is shown as it stands, and again */
const caughtUpWithinMs = 2000;

export interface SessionOptions {
  readonly world: TenantWorld;
  readonly device: Device;
  readonly row: DeviceTenant;
  readonly emit: (event: WorkerEvent) => void;
  /** the admin has this device forget the tenant */
  readonly onWiped: () => void;
}

/** What keeps an unlocked tenant up to date. */
interface Following {
  follower: Follower | undefined;
  /** what other tabs write beside the log */
  shared: SharedSlots | undefined;
  /** ends when all that was kept is loaded */
  loading: Promise<void>;
  /** ends when what the log held at the opening is judged; none once it is */
  catchingUp: Promise<void> | undefined;
  /** there were no pages: the whole log is judged */
  isAnew: boolean;
}

/** One tenant that the page has open. */
export class TenantSession {
  readonly core: TenantCore;
  readonly links: Links;
  readonly subscriptions: Subscriptions;
  /** the rows of its databases, for queries, views and search */
  readonly rows: RowFeeds;
  readonly searches: Searches;
  /** which documents changed, for who listens */
  readonly news: ChangeNews;
  /** locking and unlocking */
  readonly access: Access;
  readonly #options: SessionOptions;
  readonly #databases = new Map<DbId, DatabaseSession>();
  readonly #alarms: Alarms;
  readonly #following: Following = {
    follower: undefined,
    shared: undefined,
    loading: Promise.resolve(),
    catchingUp: undefined,
    isAnew: false,
  };
  #isTelling = false;

  constructor(options: SessionOptions, core: TenantCore) {
    this.#options = options;
    this.core = core;
    this.#alarms = new Alarms(() => core.world.env.nowMs());
    this.rows = new RowFeeds(core.world.env);
    this.subscriptions = new Subscriptions({
      env: core.world.env,
      crypto: core.world.crypto,
      emit: options.emit,
      serial: core.serial,
      exclusive: (step) => this.exclusive(step),
      rows: this.rows,
      onFirstRows: () => this.#following.follower?.scheduleFlush(),
    });
    this.searches = new Searches({
      env: core.world.env,
      rows: this.rows,
      files: new FileTexts(this),
      emit: options.emit,
      exclusive: (step) => this.exclusive(step),
    });
    this.news = new ChangeNews(core.world.env, options.emit);
    this.links = new Links(core, new Peers(core, options.row.userKey, options.emit), {
      onStatus: () => this.touch(),
      onAlarm: (kind, detail) => this.alarm(kind, detail),
      emit: options.emit,
      onWipe: (commit) =>
        void isToldToForget(core, options.row.userKey, commit).then((isTold) => isTold && options.onWiped()),
    });
    const owner = { device: options.device, userKey: options.row.userKey };
    this.access = new Access(core, owner, {
      readAhead: () => readDerived(core.store),
      open: (identity, ahead) => this.#open(identity, ahead),
      drop: () => this.#drop(),
      onLocked: () => this.#tellLocked(),
    });
  }

  get row(): DeviceTenant {
    return this.#options.row;
  }

  async #open(identity: UnlockedIdentity, derived = readDerived(this.core.store)): Promise<void> {
    const { device } = this.#options;
    const { store, world } = this.core;
    world.env.mark("keys held");
    const emptied = noticeEmptied(device, this.row, store);
    const joinedSlot = store.readSlot(slotNames.joined);
    const refilled = noticeRefilled(store);
    // They are awaited below, unless the keys fail first.
    for (const reading of [emptied, joinedSlot, refilled]) reading.catch(() => undefined);
    const unlocked = await openKeys(this.core, identity).catch(async (error: unknown) => {
      await emptied;
      if (isCofferError(error) && error.code === "key/missing") await noteLost(device, this.row);
      throw error;
    });
    const isEmptied = await emptied;
    const joined = (await joinedSlot)?.value;
    this.core.joinedAt = joined instanceof Uint8Array ? bytesToId("CommitHash", joined) : undefined;
    this.core.unlocked = unlocked;
    world.env.mark("keys open");
    setPurged(this.core, await readPurged(this.core));
    await this.#follow(derived);
    world.env.mark("tenant open");
    if (isEmptied) this.alarm("rollback", "the log of this device was found empty");
    if (await refilled) this.alarm("rollback", "what this device held was lost; a backup took its place");
    const { tenantId } = this.core;
    const session = { tenantId, opaque: identity };
    this.#options.emit({ kind: "tenant", tenantId, snapshot: this.snapshot(), session });
    await this.links.resume().catch((error: unknown) => {
      // On a full disk the tenant is read all the same; its links come up with the next opening.
      if (!isCofferError(error) || error.code !== "store/quota") throw error;
    });
  }

  #tellLocked(): void {
    const { tenantId } = this.core;
    this.subscriptions.reset(true);
    this.searches.lock();
    this.#options.emit({ kind: "tenant", tenantId, snapshot: this.snapshot(), session: null });
  }

  /** Take over the keys that a backup brought; while locked the next unlocking does. */
  async adoptImported(): Promise<void> {
    const { store, unlocked, world } = this.core;
    if (unlocked === undefined) return;
    await this.core.serial.run(async () => {
      if (await adoptImported(world.crypto, store, unlocked.identity)) await reloadKeys(this.core);
    });
    this.touch();
    await this.recheck();
    await finishUploads(this);
  }

  /** A vault of this device. @throws `input/unknown-id` */
  readVault(key: AuthorKey): Promise<Uint8Array<ArrayBuffer>> {
    return this.#options.device.readVault(key);
  }

  /** Read the raw key bag for a moment, to wrap keys for someone. */
  withBagSecrets<T>(use: (secrets: BagSecrets) => Promise<T>): Promise<T> {
    return withBagSecrets(this.core, use);
  }

  async #drop(): Promise<void> {
    await this.#following.loading.catch(() => undefined);
    await this.links.presences.leave();
    this.#following.shared?.release();
    this.rows.stop();
    await this.#following.follower?.close();
    this.#following.follower = undefined;
    this.#following.shared = undefined;
    this.#following.loading = Promise.resolve();
    this.#following.catchingUp = undefined;
    this.subscriptions.queries.drop();
    await this.core.serial.run(async () => {
      this.core.unlocked = undefined;
      this.core.dropWriters();
      this.core.resetDerived();
      for (const database of this.#databases.values()) database.reset();
    });
  }

  /** The database of a name, or of an id, open. @throws `access/locked` */
  database(named: string | { readonly dbId: DbId }): DatabaseSession {
    return this.#database(typeof named === "string" ? this.core.dbIdOf(named) : named.dbId);
  }

  /** Run a step when its turn in the tenant's queue has come. */
  exclusive<T>(step: () => Promise<T>): Promise<T> {
    return this.core.serial.run(async () => {
      // Until the directory and the pages are loaded a commit would name no directory head, and nobody else would take it.
      if (this.core.unlocked === undefined || this.#following.follower === undefined)
        throw new CofferError("access/locked");
      await this.#following.shared?.makeSure();
      return step();
    });
  }

  /**
   * Judge what the log holds now, to its end. `briefly`: where it is just being opened, wait a moment for what the log holds beyond the
   * pages. After a crash these are one's own last edits; but there may be very much of it. Without pages nothing is whole before the end.
   */
  async catchUp(patience?: "briefly"): Promise<void> {
    await this.#following.loading;
    if (patience === undefined) await this.#following.follower?.catchUp();
    else if (this.#following.isAnew) await this.#following.catchingUp;
    else if (this.#following.catchingUp !== undefined)
      await waitAtMost(this.core.world.env, this.#following.catchingUp, caughtUpWithinMs);
  }

  /** As {@link catchUp}, where there is something to judge. */
  async settle(): Promise<void> {
    await this.#following.loading;
    await this.#following.follower?.settle();
  }

  /** Judge again what waits: a key came, or documents are gone. */
  async recheck(): Promise<void> {
    await this.#following.loading;
    await this.#following.follower?.recheck();
  }

  /** Everything in the log up to here was judged. */
  get judgedTo(): number {
    return this.#following.follower?.judgedTo ?? 0;
  }

  close(): Promise<void> {
    return this.access.close(async () => {
      await this.links.close();
      this.searches.end();
      this.rows.close();
      this.subscriptions.close();
      this.news.close();
      await this.#drop();
      this.core.store.close();
    });
  }

  /** Tell of something that should not have happened, once. */
  alarm(kind: AlarmEvent["kind"], detail: string): void {
    if (this.#alarms.add(kind, detail)) this.touch();
  }

  /** Tell the page that something about the tenant moved; several calls in one turn are one event. */
  touch(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      this.links.presences.recheck();
      this.links.peers.recheck();
      this.#options.emit({ kind: "tenant", tenantId: this.core.tenantId, snapshot: this.snapshot() });
    });
  }

  snapshot(): TenantSnapshot {
    return describeTenant(this.core, {
      adminKey: this.row.adminKey,
      alarms: this.#alarms.list,
      ...this.links.snapshot(),
    });
  }

  #database(dbId: DbId): DatabaseSession {
    let database = this.#databases.get(dbId);
    if (database === undefined) {
      const created: DatabaseSession = new DatabaseSession(
        this.core,
        dbId,
        (docIds, isLocal) => {
          this.subscriptions.changed(created, docIds);
          // Whoever edits looks at the screen.
          if (isLocal) this.rows.hurry();
          this.news.note(created, docIds, isLocal);
          this.#following.follower?.scheduleFlush();
        },
        () => this.#following.follower?.scheduleFlush(),
      );
      database = created;
      this.#databases.set(dbId, database);
    }
    return database;
  }

  /** Load what was kept and follow the log. Where the first rows are known, the rest is loaded behind the caller's back. */
  async #follow(derived: DerivedReading): Promise<void> {
    const loaded = (): void => {
      if (this.subscriptions.queries.firstRows.isLoaded) return;
      this.subscriptions.queries.firstRows.loaded();
      this.rows.start();
    };
    const hooks: FollowerHooks = {
      absorb: (dbId, accepted) => this.#database(dbId).absorb(accepted),
      onWithdrawn: (dbId, docIds) => this.#database(dbId).forget(docIds),
      readUnread: async () => {
        for (const dbId of this.core.catalogs().keys()) await this.#database(dbId).readUnread();
        if (this.#alarms.noteFork(this.core.directory)) this.touch();
        // Now that all of the log is judged: a later grant would have ended it.
        if (isWiped(this.core, this.row.userKey)) this.#options.onWiped();
      },
      onPurged: purging((dbId) => this.#database(dbId)),
      onLost: () => {
        // Another thread removed the tenant from this device: nothing may be written into what comes after.
        this.alarm("rollback", "the log of this device is gone");
        void this.access.lock("here");
      },
      saveSnapshots: () => this.#saveSnapshots(),
      onOutcome: (outcome) => tellOutcome(this, outcome),
      onEquivocation: (row) => this.alarm("equivocation", `${row.author} ${row.commitHash}`),
      onProgress: () => tellProgress(this),
      firstRows: this.subscriptions.queries.firstRows,
      onSummaries: loaded,
      onReset: () => {
        this.rows.stop();
        for (const database of this.#databases.values()) database.reset();
      },
    };
    const share = (): SharedSlots =>
      followSharedSlots(this.core, {
        onKeys: () => {
          this.touch();
          void this.recheck();
        },
        onPurged: (rows) => {
          hooks.onPurged(rows);
          void this.recheck();
        },
      });
    const followOn = (): void => {
      this.searches.unlock();
      this.#following.isAnew = this.judgedTo === 0;
      const catchingUp = this.#following.follower?.catchUp();
      this.#following.catchingUp = catchingUp;
      void catchingUp?.then(() => {
        if (this.#following.catchingUp === catchingUp) this.#following.catchingUp = undefined;
        this.core.world.prepareEngine();
        return this.subscriptions.refresh();
      });
      void finishErasing(this.core).then(() => finishUploads(this));
    };
    // Nobody reads a catalog that is not there yet.
    this.rows.stop();
    const finish = await Follower.begin(this.core, hooks, derived);
    const isEarly = this.subscriptions.queries.firstRows.hasKept;
    const loading = this.core.serial.run(async () => {
      if (isEarly) await soonTold(this.core, this.subscriptions.queries.firstRows);
      this.#following.follower = await finish();
      this.#following.shared = share();
      loaded();
    });
    this.#following.loading = loading.then(followOn);
    // What fails behind the caller's back is the same to whoever calls next as a lock.
    if (isEarly) this.#following.loading.catch(() => void this.access.giveUp());
    else await this.#following.loading;
  }

  async #saveSnapshots(): Promise<void> {
    for (const database of this.#databases.values()) await database.saveSnapshots();
    await this.subscriptions.queries.saveOrders(this.judgedTo);
  }
}

/** What takes purged documents out of memory. */
function purging(databaseOf: (dbId: DbId) => DatabaseSession): (docs: readonly PurgedDoc[]) => void {
  return (docs) => docs.forEach(({ dbId, docId }) => databaseOf(dbId).purge([docId]));
}

function tellOutcome(session: TenantSession, outcome: JudgeOutcome): void {
  session.links.witness.note(outcome);
  session.links.verdicts.note(outcome);
  for (const { commitHash, reason } of outcome.quarantined)
    session.alarm("quarantined", `${commitHash}: ${reason}`);
}

function tellProgress(session: TenantSession): void {
  session.links.verdicts.tell(session.links);
  session.touch();
}
