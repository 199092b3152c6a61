/**
 * What this device holds: vaults, tenants and identities that wait for an answer. Kept in the device store.
 *
 * | slot | value |
 * |---|---|
 * | `vault/<signing key>` | a vault, sealed under its password |
 * | `tenant/<tenant id>` | see below |
 * | `kept/<tenant id>/…` | the keys of a kept session, see kept-session.ts |
 * | `pending/<signing key>` | u64 created: an identity that has asked to join |
 * | `response/<hash>` | empty: a join response that was used |
 *
 * A tenant's row, version 2: u8 version ‖ user key(32) ‖ u8 has admin [‖ admin key(32)] ‖ u64 created ‖ u64 last opened ‖ sized genesis ‖
 * u8 flags (1: its log has held commits, 2: its store was found without them, or without its keys). Version 1 ends before the flags.
 *
 * Nothing here is a name: a locked device shows opaque ids and times only.
 */
import {
  ByteReader,
  ByteWriter,
  bytesToId,
  CofferError,
  copyBytes,
  idToBytes,
  parseId,
  type AuthorKey,
  type TenantId,
} from "../std/index.ts";
import type { Store } from "../store/index.ts";
import { keptSlotNames } from "./kept-session.ts";

const formatVersion = 2;
const maxGenesisBytes = 4096;
const maxAttempts = 8;
const flagBits = { hadCommits: 1, isLost: 2 } as const;

/** A tenant that this device holds, as it can be told while locked. */
export interface DeviceTenant {
  readonly tenantId: TenantId;
  readonly userKey: AuthorKey;
  readonly adminKey: AuthorKey | undefined;
  readonly createdAtMs: number;
  readonly lastOpenedAtMs: number;
  readonly genesis: Uint8Array<ArrayBuffer>;
  /** its log has held commits: an empty one was emptied by the browser, or by hand */
  readonly hadCommits: boolean;
  /** its store was found without its log or its keys */
  readonly isLost: boolean;
}

/** Write a tenant's row: see above. */
export function encodeDeviceTenant(tenant: DeviceTenant): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().u8(formatVersion).fixed(idToBytes(tenant.userKey));
  writer.u8(tenant.adminKey === undefined ? 0 : 1);
  if (tenant.adminKey !== undefined) writer.fixed(idToBytes(tenant.adminKey));
  writer.u64(tenant.createdAtMs).u64(tenant.lastOpenedAtMs).sized(tenant.genesis);
  const flags = (tenant.hadCommits ? flagBits.hadCommits : 0) + (tenant.isLost ? flagBits.isLost : 0);
  return writer.u8(flags).toBytes();
}

/** Read a tenant's row; `undefined` when it is damaged. */
export function parseDeviceTenant(tenantId: TenantId, bytes: Uint8Array): DeviceTenant | undefined {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== 1 && version !== formatVersion) reader.fail("version");
  const userKey = reader.fixed(32);
  const hasAdmin = reader.u8();
  if (hasAdmin > 1) reader.fail("flag");
  const adminKey = hasAdmin === 1 ? reader.fixed(32) : undefined;
  const createdAtMs = reader.u64();
  const lastOpenedAtMs = reader.u64();
  const genesis = copyBytes(reader.sized(maxGenesisBytes));
  const flags = version === 1 ? 0 : reader.u8();
  if (flags > 3) reader.fail("flags");
  if (!reader.finish()) return undefined;
  return {
    tenantId,
    userKey: bytesToId("AuthorKey", userKey),
    adminKey: adminKey === undefined ? undefined : bytesToId("AuthorKey", adminKey),
    createdAtMs,
    lastOpenedAtMs,
    genesis,
    hadCommits: (flags & flagBits.hadCommits) !== 0,
    isLost: (flags & flagBits.isLost) !== 0,
  };
}

/** Reads and writes the device store. */
export class Device {
  readonly store: Store;
  #noting: Promise<unknown> = Promise.resolve();

  constructor(store: Store) {
    this.store = store;
  }

  async listTenants(): Promise<readonly DeviceTenant[]> {
    const tenants: DeviceTenant[] = [];
    for (const slot of await this.store.readSlots("tenant/")) {
      const tenantId = parseId("TenantId", slot.name.slice("tenant/".length));
      if (tenantId === undefined || !(slot.value instanceof Uint8Array)) continue;
      const tenant = parseDeviceTenant(tenantId, slot.value);
      if (tenant !== undefined) tenants.push(tenant);
    }
    return tenants.sort((a, b) => b.lastOpenedAtMs - a.lastOpenedAtMs);
  }

  /** @throws `input/unknown-id` */
  async readTenant(tenantId: TenantId): Promise<DeviceTenant> {
    const bytes = await this.#readBytes(`tenant/${tenantId}`);
    const tenant = bytes === undefined ? undefined : parseDeviceTenant(tenantId, bytes);
    if (tenant === undefined)
      throw new CofferError(bytes === undefined ? "input/unknown-id" : "entry/corrupt");
    return tenant;
  }

  async writeTenant(tenant: DeviceTenant): Promise<void> {
    await this.store.write({
      slots: [{ name: `tenant/${tenant.tenantId}`, value: encodeDeviceTenant(tenant) }],
    });
  }

  /** Change what is remembered of a tenant; nothing happens when it was removed meanwhile. */
  async noteTenant(
    tenantId: TenantId,
    change: Partial<Pick<DeviceTenant, "lastOpenedAtMs" | "hadCommits" | "isLost">>,
  ): Promise<void> {
    const name = `tenant/${tenantId}`;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const slot = await this.store.readSlot(name);
      const row = slot?.value instanceof Uint8Array ? parseDeviceTenant(tenantId, slot.value) : undefined;
      if (slot === undefined || row === undefined) return;
      const value = encodeDeviceTenant({ ...row, ...change });
      const result = await this.store.write({ slots: [{ name, value, expectedVersion: slot.version }] });
      if (result.kind === "stored") return;
    }
  }

  /** As {@link noteTenant}, behind the caller's back: a full disk keeps nobody from reading. */
  noteSoon(...note: Parameters<Device["noteTenant"]>): void {
    this.#noting = Promise.allSettled([this.#noting, this.noteTenant(...note)]);
  }

  /** Resolves when nothing is left that {@link noteSoon} was given. */
  async noted(): Promise<void> {
    await this.#noting;
  }

  /** Add what a backup brought: vaults that are not here, and the row; of one that is here what is missing. All or nothing. */
  async writeRestored(
    tenant: DeviceTenant,
    vaults: ReadonlyMap<AuthorKey, Uint8Array<ArrayBuffer>>,
  ): Promise<void> {
    const name = `tenant/${tenant.tenantId}`;
    const known = (await this.listTenants()).find(({ tenantId }) => tenantId === tenant.tenantId);
    const row = {
      ...tenant,
      ...known,
      adminKey: known?.adminKey ?? tenant.adminKey,
      hadCommits: tenant.hadCommits,
      isLost: tenant.isLost,
    };
    const slots = [{ name, value: encodeDeviceTenant(row) }];
    for (const [key, vault] of vaults) {
      if ((await this.#readBytes(`vault/${key}`)) === undefined)
        slots.push({ name: `vault/${key}`, value: vault });
    }
    await this.store.write({ slots, durability: "strict" });
  }

  /** Forget a tenant, its kept session, and the vaults that belong to it. */
  async removeTenant(tenant: DeviceTenant): Promise<void> {
    const keys = tenant.adminKey === undefined ? [tenant.userKey] : [tenant.userKey, tenant.adminKey];
    const slots = [
      `tenant/${tenant.tenantId}`,
      ...keys.map((key) => `vault/${key}`),
      ...keptSlotNames(tenant.tenantId),
    ];
    await this.store.write({
      slots: slots.map((name) => ({ name, value: undefined })),
      durability: "strict",
    });
  }

  /** @throws `input/unknown-id` */
  async readVault(key: AuthorKey): Promise<Uint8Array<ArrayBuffer>> {
    const vault = await this.#readBytes(`vault/${key}`);
    if (vault === undefined) throw new CofferError("input/unknown-id");
    return vault;
  }

  /** Keep a new vault; `pending` when its identity has no tenant yet. */
  async writeVault(key: AuthorKey, vault: Uint8Array<ArrayBuffer>, pendingSinceMs?: number): Promise<void> {
    const slots = [{ name: `vault/${key}`, value: vault }];
    if (pendingSinceMs !== undefined) {
      slots.push({ name: `pending/${key}`, value: new ByteWriter().u64(pendingSinceMs).toBytes() });
    }
    await this.store.write({ slots, durability: "strict" });
  }

  /**
   * Put another vault of the same identity in the place of the one that `change` was given; it is asked again when that is no longer there.
   *
   * @throws `input/unknown-id`, `store/failed` when others change it all the time, whatever `change` throws
   */
  async replaceVault<T extends { readonly vault: Uint8Array<ArrayBuffer> }>(
    key: AuthorKey,
    change: (vault: Uint8Array<ArrayBuffer>) => Promise<T>,
  ): Promise<T> {
    const name = `vault/${key}`;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const slot = await this.store.readSlot(name);
      if (!(slot?.value instanceof Uint8Array)) throw new CofferError("input/unknown-id");
      const changed = await change(slot.value);
      const write = { name, value: changed.vault, expectedVersion: slot.version };
      const result = await this.store.write({ slots: [write], durability: "strict" });
      if (result.kind === "stored") return changed;
    }
    throw new CofferError("store/failed", { reason: "vault in use" });
  }

  async listPending(): Promise<readonly { key: AuthorKey; createdAtMs: number }[]> {
    const pending: { key: AuthorKey; createdAtMs: number }[] = [];
    for (const slot of await this.store.readSlots("pending/")) {
      const key = parseId("AuthorKey", slot.name.slice("pending/".length));
      if (key === undefined || !(slot.value instanceof Uint8Array)) continue;
      pending.push({ key, createdAtMs: new ByteReader(slot.value).u64() });
    }
    return pending.sort((a, b) => b.createdAtMs - a.createdAtMs);
  }

  async wasResponseUsed(responseHash: string): Promise<boolean> {
    return (await this.store.readSlot(`response/${responseHash}`)) !== undefined;
  }

  /** The tenant's row, the used response and the end of waiting, all or nothing. */
  async writeJoined(tenant: DeviceTenant, responseHash: string): Promise<void> {
    const result = await this.store.write({
      slots: [
        { name: `response/${responseHash}`, value: new Uint8Array(0), expectedVersion: 0 },
        { name: `tenant/${tenant.tenantId}`, value: encodeDeviceTenant(tenant) },
        { name: `pending/${tenant.userKey}`, value: undefined },
      ],
      durability: "strict",
    });
    if (result.kind === "conflict") throw new CofferError("input/used");
  }

  async #readBytes(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const slot = await this.store.readSlot(name);
    return slot?.value instanceof Uint8Array ? slot.value : undefined;
  }
}
