/**
 * The slots of a tenant's store, beside the log and what the sync room keeps there.
 *
 * | slot | value |
 * |---|---|
 * | `bag` | the key bag, sealed under the user's vault |
 * | `names` | display name of the tenant and name of the admin, sealed under the user's vault |
 * | `joined` | the directory commit that registered this user, 32 bytes (absent for the founder) |
 * | `links`, `device/…` | servers and the device's sync-only key, see sync/link-slots.ts |
 * | `derived/…` | ledger and catalogs, see persistence.ts |
 */
import { ByteReader, ByteWriter, CofferError } from "../std/index.ts";

export const slotNames = {
  bag: "bag",
  names: "names",
  joined: "joined",
} as const;

/** The purpose under which {@link TenantNames} are sealed. */
export const tenantNamesPurpose = "tenant-names";
const maxNameBytes = 1024;

export interface TenantNames {
  readonly tenantName: string;
  /** "" when the admin is someone else */
  readonly adminName: string;
}

/** Write the names of a tenant: two texts. */
export function encodeTenantNames(names: TenantNames): Uint8Array<ArrayBuffer> {
  return new ByteWriter().text(names.tenantName).text(names.adminName).toBytes();
}

/** Read the names of a tenant. @throws `entry/corrupt` */
export function decodeTenantNames(bytes: Uint8Array): TenantNames {
  const reader = new ByteReader(bytes);
  const tenantName = reader.text(maxNameBytes);
  const adminName = reader.text(maxNameBytes);
  if (!reader.finish()) throw new CofferError("entry/corrupt", { slot: slotNames.names });
  return { tenantName, adminName };
}
