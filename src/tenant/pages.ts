/**
 * Sealed pages: what is derived from the log, kept so that opening does not read the log again.
 *
 * A page is packed, see packed.ts, and then nonce(12) ‖ AES-256-GCM under a key of this device (HKDF of the device secret, info
 * "coffer/page/v2"), with tenant, table and position in the additional data: a page moved elsewhere, or put back from an older state, does
 * not open. Pages of version 1 were not packed; they do not open either, and are made again.
 */
import { bytesToHex, ByteWriter, idToBytes, utf8ToBytes, type TenantId } from "../std/index.ts";
import type { Crypto, Key } from "../crypto/index.ts";
import { openBox, sealBox } from "../keys/index.ts";
import { packBytes, unpackBytes } from "./packed.ts";

export interface PageSealer {
  seal(name: string, position: number, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /** `undefined` when it is not this page, or damaged */
  open(name: string, position: number, sealed: Uint8Array): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** What one sealing of a page is known by, in hex: its nonce. The same content sealed again has another. `undefined` for what is none. */
export function pageStamp(sealed: unknown): string | undefined {
  return sealed instanceof Uint8Array ? bytesToHex(sealed.subarray(0, pageStampBytes)) : undefined;
}

/** The size of what {@link pageStamp} gives, as bytes. */
export const pageStampBytes = 12;

/** Make the sealer of a tenant's pages from the device key of its key bag. */
export async function createPageSealer(
  crypto: Crypto,
  deviceKey: Key,
  tenantId: TenantId,
): Promise<PageSealer> {
  const tenant = idToBytes(tenantId);
  const secret = await crypto.derive(deviceKey, tenant, utf8ToBytes("coffer/page/v2"), 32);
  const key = await crypto.importCipherKey(secret);
  secret.fill(0);
  const additionalData = (name: string, position: number): Uint8Array =>
    new ByteWriter().text("coffer/page/v2").fixed(tenant).text(name).u64(position).toBytes();
  return {
    async seal(name, position, bytes) {
      return sealBox(crypto, key, await packBytes(bytes), additionalData(name, position));
    },
    async open(name, position, sealed) {
      const packed = await openBox(crypto, key, sealed, additionalData(name, position));
      return packed && unpackBytes(packed);
    },
  };
}
