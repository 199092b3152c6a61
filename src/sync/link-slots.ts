/**
 * What a tenant's store says about its links, readable while everything is locked: the service worker starts from it.
 *
 * | slot | value |
 * |---|---|
 * | `links` | varint count (at most 16), each text (at most 2 KiB): the addresses of servers |
 * | `links/documents` | the same form: those of them that get no bytes of attachments, and are asked for none |
 * | `links/waking` | the same form: the servers that were asked to wake this device, and not yet told to stop |
 * | `device/key` | the sync-only private key of this device, not extractable |
 * | `device/public` | its public key, 32 bytes |
 * | `device/delegation` | its certificate, signed by the user |
 */
import { ByteReader, ByteWriter, bytesToId, CofferError, parseId, type TenantId } from "../std/index.ts";
import type { Store } from "../store/index.ts";
import type { Signer } from "./auth.ts";

export const linkSlots = {
  links: "links",
  documentsOnly: "links/documents",
  waking: "links/waking",
  deviceKey: "device/key",
  devicePublic: "device/public",
  deviceDelegation: "device/delegation",
} as const;

const maxLinks = 16;
const maxUrlBytes = 2048;

/** The store of a tenant in a scope, by its id. */
export function tenantStoreName(scope: string, tenantId: TenantId): string {
  return `${scope}/tenant/${tenantId}`;
}

/** The tenant whose store has this name; `undefined` when it is another store. */
export function parseTenantStoreName(name: string): TenantId | undefined {
  const [, text] = /\/tenant\/([^/]+)$/.exec(name) ?? [];
  return parseId("TenantId", text);
}

/** The addresses of a tenant's servers, or of those in another of these slots; empty when none are kept or the slot is damaged. */
export async function readLinks(
  store: Store,
  slotName: string = linkSlots.links,
): Promise<readonly string[]> {
  const slot = await store.readSlot(slotName);
  if (!(slot?.value instanceof Uint8Array)) return [];
  const reader = new ByteReader(slot.value);
  const count = reader.varint(maxLinks);
  const urls: string[] = [];
  while (urls.length < count && reader.error === undefined) urls.push(reader.text(maxUrlBytes));
  return reader.finish() ? urls : [];
}

/** Keep the addresses of a tenant's servers. @throws `input/too-large` over 16 */
export async function writeLinks(
  store: Store,
  urls: readonly string[],
  slotName: string = linkSlots.links,
): Promise<void> {
  if (urls.length > maxLinks) throw new CofferError("input/too-large", { links: urls.length });
  const writer = new ByteWriter().varint(urls.length);
  for (const url of urls) writer.text(url);
  await store.write({ slots: [{ name: slotName, value: writer.toBytes() }], durability: "strict" });
}

/** Who this device is to a server; `undefined` before the user has certified its key. */
export async function readDeviceSigner(store: Store): Promise<Signer | undefined> {
  const [privateKey, publicKey, delegation] = await Promise.all([
    store.readSlot(linkSlots.deviceKey),
    store.readSlot(linkSlots.devicePublic),
    store.readSlot(linkSlots.deviceDelegation),
  ]);
  if (!(publicKey?.value instanceof Uint8Array) || !(delegation?.value instanceof Uint8Array))
    return undefined;
  if (privateKey === undefined || privateKey.value instanceof Uint8Array) return undefined;
  return {
    key: bytesToId("AuthorKey", publicKey.value),
    privateKey: privateKey.value,
    delegation: delegation.value,
  };
}
