/**
 * What this device holds: vaults, tenants and identities that wait for an answer. Kept in the device store.
 *
 * | slot | value |
 * |---|---|
 * | `vault/<signing key>` | a vault, sealed under its password |
 * | `tenant/<tenant id>` | u8 version (1) ‖ user key(32) ‖ u8 has admin [‖ admin key(32)] ‖ u64 created ‖ u64 last opened ‖ sized genesis |
 * | `pending/<signing key>` | u64 created: an identity that has asked to join |
 * | `response/<hash>` | empty: a join response that was used |
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

const formatVersion = 1;
const maxGenesisBytes = 4096;

/** A tenant that this device holds, as it can be told while locked. */
export interface DeviceTenant {
  readonly tenantId: TenantId;
  readonly userKey: AuthorKey;
  readonly adminKey: AuthorKey | undefined;
  readonly createdAtMs: number;
  readonly lastOpenedAtMs: number;
  readonly genesis: Uint8Array<ArrayBuffer>;
}

/** Write a tenant's row: see the table above. */
export function encodeDeviceTenant(tenant: DeviceTenant): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().u8(formatVersion).fixed(idToBytes(tenant.userKey));
  writer.u8(tenant.adminKey === undefined ? 0 : 1);
  if (tenant.adminKey !== undefined) writer.fixed(idToBytes(tenant.adminKey));
  return writer.u64(tenant.createdAtMs).u64(tenant.lastOpenedAtMs).sized(tenant.genesis).toBytes();
}

/** Read a tenant's row; `undefined` when it is damaged. */
export function parseDeviceTenant(tenantId: TenantId, bytes: Uint8Array): DeviceTenant | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== formatVersion) reader.fail("version");
  const userKey = reader.fixed(32);
  const hasAdmin = reader.u8();
  if (hasAdmin > 1) reader.fail("flag");
  const adminKey = hasAdmin === 1 ? reader.fixed(32) : undefined;
  const createdAtMs = reader.u64();
  const lastOpenedAtMs = reader.u64();
  const genesis = copyBytes(reader.sized(maxGenesisBytes));
  if (!reader.finish()) return undefined;
  return {
    tenantId,
    userKey: bytesToId("AuthorKey", userKey),
    adminKey: adminKey === undefined ? undefined : bytesToId("AuthorKey", adminKey),
    createdAtMs,
    lastOpenedAtMs,
    genesis,
  };
}

/** Reads and writes the device store. */
export class Device {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async listTenants(): Promise<readonly DeviceTenant[]> {
    const tenants: DeviceTenant[] = [];
    for (const slot of await this.#store.readSlots("tenant/")) {
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
    await this.#store.write({
      slots: [{ name: `tenant/${tenant.tenantId}`, value: encodeDeviceTenant(tenant) }],
    });
  }

  /** Forget a tenant and the vaults that belong to it. */
  async removeTenant(tenant: DeviceTenant): Promise<void> {
    const keys = tenant.adminKey === undefined ? [tenant.userKey] : [tenant.userKey, tenant.adminKey];
    const slots = [`tenant/${tenant.tenantId}`, ...keys.map((key) => `vault/${key}`)];
    await this.#store.write({
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
    await this.#store.write({ slots, durability: "strict" });
  }

  async listPending(): Promise<readonly { key: AuthorKey; createdAtMs: number }[]> {
    const pending: { key: AuthorKey; createdAtMs: number }[] = [];
    for (const slot of await this.#store.readSlots("pending/")) {
      const key = parseId("AuthorKey", slot.name.slice("pending/".length));
      if (key === undefined || !(slot.value instanceof Uint8Array)) continue;
      pending.push({ key, createdAtMs: new ByteReader(slot.value).u64() });
    }
    return pending.sort((a, b) => b.createdAtMs - a.createdAtMs);
  }

  async wasResponseUsed(responseHash: string): Promise<boolean> {
    return (await this.#store.readSlot(`response/${responseHash}`)) !== undefined;
  }

  /** The tenant's row, the used response and the end of waiting, all or nothing. */
  async writeJoined(tenant: DeviceTenant, responseHash: string): Promise<void> {
    const result = await this.#store.write({
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
    const slot = await this.#store.readSlot(name);
    return slot?.value instanceof Uint8Array ? slot.value : undefined;
  }
}
