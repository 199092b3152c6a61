/**
 * The slots of a tenant's store, beside the log and what the sync room keeps there.
 *
 * | slot | value |
 * |---|---|
 * | `bag` | the key bag, sealed under the user's vault |
 * | `names` | display name of the tenant, name of the admin, names of keys, sealed under the user's vault, see below |
 * | `purged` | the documents that were erased here, sealed under the user's vault, see purge.ts |
 * | `joined` | the directory commit that registered this user, 32 bytes (absent for the founder) |
 * | `refilled` | empty: what was here was lost, and a backup put keys in its place; until the next unlocking has told of it |
 * | `links`, `device/…` | servers and the device's sync-only key, see sync/link-slots.ts |
 * | `imported/…` | keys and names that a backup brought, until the next unlocking, see imported-keys.ts |
 * | `derived/…` | ledger and catalogs, see persistence.ts |
 * | `text/…` | the words of databases that were searched, see text-pages.ts |
 * | `indexes/…` | orders of indexes, see index-pages.ts |
 * | `views/…` | orders of views, see view-pages.ts |
 *
 * Names, version 2
 *
 * | field | size |
 * |---|---|
 * | mark | u8 0 |
 * | version | u8 2 |
 * | tenantName, adminName | texts |
 * | key names | varint count (≤ 10 000), a text each, ascending |
 *
 * Version 1 had the two texts alone; as no tenant's name is empty, its first byte is not zero. It is read, and written anew with the
 * next key.
 */
import { ByteReader, ByteWriter, CofferError } from "../std/index.ts";

export const slotNames = {
  bag: "bag",
  names: "names",
  joined: "joined",
  purged: "purged",
  refilled: "refilled",
} as const;

/** The purpose under which {@link TenantNames} are sealed. */
export const tenantNamesPurpose = "tenant-names";
const namesVersion = 2;
const maxNameBytes = 1024;
const maxKeyNames = 10_000;

export interface TenantNames {
  readonly tenantName: string;
  /** "" when the admin is someone else */
  readonly adminName: string;
  /** names of the keys that were made here, ascending; the keys themselves know their ids only */
  readonly keyNames: readonly string[];
}

/** Write the names of a tenant: see the table above. */
export function encodeTenantNames(names: TenantNames): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().u8(0).u8(namesVersion).text(names.tenantName).text(names.adminName);
  writer.varint(names.keyNames.length);
  for (const name of names.keyNames) writer.text(name);
  return writer.toBytes();
}

/** Read the names of a tenant, of any version. @throws `entry/corrupt` */
export function decodeTenantNames(bytes: Uint8Array): TenantNames {
  const reader = new ByteReader(bytes);
  const isFirst = bytes[0] !== 0;
  if (!isFirst && (reader.u8() !== 0 || reader.u8() !== namesVersion)) reader.fail("version");
  const tenantName = reader.text(maxNameBytes);
  const adminName = reader.text(maxNameBytes);
  const count = isFirst ? 0 : reader.varint(maxKeyNames);
  const keyNames: string[] = [];
  for (let i = 0; i < count && reader.error === undefined; i++) keyNames.push(reader.text(maxNameBytes));
  if (!reader.finish()) throw new CofferError("entry/corrupt", { slot: slotNames.names });
  return { tenantName, adminName, keyNames };
}
