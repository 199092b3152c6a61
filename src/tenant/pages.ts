/**
 * Sealed pages: what is derived from the log, kept so that opening does not read the log again.
 *
 * A page is nonce(12) ‖ AES-256-GCM under a key of this device (HKDF of the device secret, info "coffer/page/v1"), with tenant, table and
 * position in the additional data: a page moved elsewhere, or put back from an older state, does not open.
 */
import { ByteWriter, idToBytes, utf8ToBytes, type TenantId } from "../std/index.ts";
import type { Crypto, Key } from "../crypto/index.ts";
import { openBox, sealBox } from "../keys/index.ts";

export interface PageSealer {
  seal(name: string, position: number, bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
  /** `undefined` when it is not this page, or damaged */
  open(name: string, position: number, sealed: Uint8Array): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** Make the sealer of a tenant's pages from the device key of its key bag. */
export async function createPageSealer(
  crypto: Crypto,
  deviceKey: Key,
  tenantId: TenantId,
): Promise<PageSealer> {
  const tenant = idToBytes(tenantId);
  const secret = await crypto.derive(deviceKey, tenant, utf8ToBytes("coffer/page/v1"), 32);
  const key = await crypto.importCipherKey(secret);
  secret.fill(0);
  const additionalData = (name: string, position: number): Uint8Array =>
    new ByteWriter().text("coffer/page/v1").fixed(tenant).text(name).u64(position).toBytes();
  return {
    seal: (name, position, bytes) => sealBox(crypto, key, bytes, additionalData(name, position)),
    open: (name, position, sealed) => openBox(crypto, key, sealed, additionalData(name, position)),
  };
}
