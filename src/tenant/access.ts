/**
 * Who may read a tenant in this worker: unlocking, locking, kept sessions, keys from other tabs; one after the other.
 *
 * ```
 *            password | kept session | another tab's keys | a former worker's
 *   locked ────────────────────────────────────────────────────────────────► open
 *      ▲                                                                      │
 *      └──── lock: the kept session ends, other tabs are told ◄───────────────┘
 * ```
 * A lock wins over whatever crosses it: keys that were handed over before it are not adopted after it, a session that is being kept is
 * forgotten, and other tabs are told twice, before and after the kept session is gone.
 */
import { CofferError, isCofferError, type AuthorKey } from "../std/index.ts";
import { unlockVault, type UnlockedIdentity, type UnlockSecret } from "../keys/index.ts";
import type { TenantCore } from "./core.ts";
import type { Device } from "./device.ts";
import { endKeptSession, keepSession, readKeptSession } from "./kept-session.ts";
import type { DerivedReading } from "./persistence.ts";
import { Serial } from "./serial.ts";
import { Tabs } from "./tabs.ts";

/** What unlocking and locking do to the tenant. */
export interface AccessHooks {
  /** keys are on their way: begin to read what they will open */
  readAhead(): DerivedReading;
  /** make everything readable; on a failure `drop` follows */
  open(identity: UnlockedIdentity, ahead: DerivedReading | undefined): Promise<void>;
  /** forget everything readable */
  drop(): Promise<void>;
  onLocked(): void;
}

/** Locks and unlocks one tenant. */
export class Access {
  readonly #core: TenantCore;
  readonly #device: Device;
  readonly #userKey: AuthorKey;
  readonly #hooks: AccessHooks;
  readonly #phases = new Serial();
  readonly #tabs: Tabs;
  /** lockings that have begun and not ended: whoever locks hands nothing over */
  #lockings = 0;

  constructor(core: TenantCore, owner: { device: Device; userKey: AuthorKey }, hooks: AccessHooks) {
    this.#core = core;
    this.#device = owner.device;
    this.#userKey = owner.userKey;
    this.#hooks = hooks;
    const { tenantId, store, world } = core;
    this.#tabs = new Tabs(
      world,
      { tenantId, logEpoch: store.logEpoch },
      {
        onLock: () => void this.lock("here").catch(ignoreStoreFailure),
        held: () => (this.#lockings > 0 ? undefined : core.unlocked?.identity),
      },
    );
  }

  /** Unlock by one of the ways into the user's vault. @throws `key/wrong-password`, `entry/corrupt`, `key/missing` */
  async unlock(secret: UnlockSecret): Promise<void> {
    // Whatever is under way may be a locking.
    await this.#phases.run(async () => undefined);
    if (this.#core.unlocked !== undefined) return;
    const vault = await this.#device.readVault(this.#userKey);
    await this.unlockWith(await unlockVault(this.#core.world.crypto, vault, secret));
  }

  /** Unlock with the keys of a kept session, or of another tab. @throws `access/locked` when there are none, or a lock came */
  async unlockHeld(): Promise<void> {
    await this.#phases.run(async () => undefined);
    if (this.#core.unlocked !== undefined) return;
    const lockCount = this.#tabs.lockCount;
    const ahead = this.#hooks.readAhead();
    const kept = await this.#readKept();
    if (kept !== undefined && (await this.#adopt(kept, lockCount, ahead))) return;
    const handed = await this.#tabs.askKeys(this.#userKey);
    if (handed !== undefined && (await this.#adopt(handed, lockCount))) return;
    throw new CofferError("access/locked");
  }

  /** Unlock with keys; nothing happens when it is unlocked. @throws `entry/corrupt`, `key/missing` */
  unlockWith(identity: UnlockedIdentity): Promise<void> {
    return this.#phases.run(() => this.#open(identity));
  }

  /** Keep the session for the next opening, or end one that was kept. What is locked meanwhile keeps nothing. */
  keep(isKept: boolean): Promise<void> {
    return this.#phases.run(async () => {
      const { tenantId, unlocked, world } = this.#core;
      if (!isKept) await endKeptSession(this.#device.store, tenantId);
      else if (unlocked !== undefined)
        await keepSession(world.crypto, this.#device.store, tenantId, unlocked.identity);
    });
  }

  /**
   * Drop keys and everything readable, here or in every tab of this device. Sealed commits still move.
   *
   * @throws `store/…` when a kept session could not be ended; locked it is all the same
   */
  async lock(reach: "here" | "everywhere"): Promise<void> {
    this.#lockings++;
    this.#tabs.noteLock();
    if (reach === "everywhere") this.#tabs.tellLock();
    try {
      await this.#phases.run(() => this.#lock(reach));
    } finally {
      this.#lockings--;
    }
  }

  /** Run the closing of the tenant in its turn, and hear other tabs no more; a kept session stays. */
  close(end: () => Promise<void>): Promise<void> {
    return this.#phases.run(async () => {
      this.#tabs.close();
      await end();
    });
  }

  /** What was to be read could not be: drop everything readable here. A kept session stays, for the next opening. */
  giveUp(): Promise<void> {
    return this.#phases.run(() => this.#dropAll());
  }

  async #lock(reach: "here" | "everywhere"): Promise<void> {
    const { tenantId } = this.#core;
    // It is ended at once, and the failure is told only when all is dropped.
    const ending = endKeptSession(this.#device.store, tenantId);
    ending.catch(() => undefined);
    await this.#dropAll();
    const hasEnded = await ending;
    // A tab that read the kept keys before they went, and listened only after it was told, hears it now.
    if (hasEnded && reach === "everywhere") this.#tabs.tellLock();
  }

  async #dropAll(): Promise<void> {
    if (this.#core.unlocked === undefined) return;
    await this.#hooks.drop();
    this.#hooks.onLocked();
  }

  async #open(identity: UnlockedIdentity, ahead?: DerivedReading): Promise<void> {
    if (this.#core.unlocked !== undefined) return;
    try {
      await this.#hooks.open(identity, ahead);
    } catch (error) {
      await this.#hooks.drop();
      throw error;
    }
  }

  async #readKept(): Promise<UnlockedIdentity | undefined> {
    const { crypto } = this.#core.world;
    const { tenantId } = this.#core;
    const kept = await readKeptSession(crypto, this.#device.store, tenantId, this.#userKey);
    if (kept === undefined) await endKeptSession(this.#device.store, tenantId).catch(ignoreStoreFailure);
    return kept;
  }

  /** Open with keys that were held elsewhere. @returns whether they opened it; those that do not are not kept */
  #adopt(identity: UnlockedIdentity, lockCount: number, ahead?: DerivedReading): Promise<boolean> {
    return this.#phases.run(async () => {
      if (this.#tabs.lockCount !== lockCount) throw new CofferError("access/locked");
      try {
        await this.#open(identity, ahead);
      } catch (error) {
        if (!isCofferError(error) || error.code !== "entry/corrupt") throw error;
        await endKeptSession(this.#device.store, this.#core.tenantId).catch(ignoreStoreFailure);
        return false;
      }
      if (this.#tabs.lockCount === lockCount) return true;
      await this.#hooks.drop();
      this.#hooks.onLocked();
      throw new CofferError("access/locked");
    });
  }
}

/** What ends a session beside the point can fail on a full disk; who reads next judges the slots again. */
function ignoreStoreFailure(error: unknown): void {
  if (!isCofferError(error) || !error.code.startsWith("store/")) throw error;
}
