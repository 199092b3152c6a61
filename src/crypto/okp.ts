/**
 * Raw 32-byte private keys of the two curves as PKCS #8, the only form WebCrypto imports them from.
 *
 * | offset | bytes | meaning |
 * |---|---|---|
 * | 0 | `30 2e 02 01 00` | SEQUENCE of 46 bytes, version 0 |
 * | 5 | `30 05 06 03 2b 65 xx` | algorithm: 6e = X25519, 70 = Ed25519 |
 * | 12 | `04 22 04 20` | OCTET STRING holding an OCTET STRING of 32 bytes |
 * | 16 | 32 | the key |
 *
 * @see RFC 8410 §7
 */
import { concatBytes } from "../std/index.ts";

const objectIds = { X25519: 0x6e, Ed25519: 0x70 } as const;

/** Size of a private key, a public key and a seed on both curves. */
export const okpKeyBytes = 32;

/** Import a 32-byte private key. @throws whatever the platform throws when it refuses the key */
export async function importOkpPrivateKey(
  curve: keyof typeof objectIds,
  secret: Uint8Array,
  options: { readonly extractable: boolean },
): Promise<CryptoKey> {
  const prefix = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, objectIds[curve], 4, 0x22, 4, 0x20];
  const pkcs8 = concatBytes(new Uint8Array(prefix), secret);
  try {
    const usage: KeyUsage = curve === "Ed25519" ? "sign" : "deriveBits";
    return await crypto.subtle.importKey("pkcs8", pkcs8, { name: curve }, options.extractable, [usage]);
  } finally {
    pkcs8.fill(0);
  }
}
