import { concatBytes } from "../std/index.ts";
import type { Crypto, Key } from "../crypto/index.ts";

const nonceBytes = 12;

/** What {@link sealBox} adds to a plaintext: nonce(12) and tag(16). */
export const boxOverheadBytes = nonceBytes + 16;

/** Seal bytes under a cipher key that seals few things: random nonce(12) ‖ ciphertext ‖ tag(16). */
export async function sealBox(
  crypto: Pick<Crypto, "encrypt" | "randomBytes">,
  key: Key,
  plaintext: Uint8Array,
  additionalData: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const nonce = crypto.randomBytes(nonceBytes);
  return concatBytes(nonce, await crypto.encrypt(key, nonce, plaintext, additionalData));
}

/** Open what {@link sealBox} made, or `undefined`. */
export async function openBox(
  crypto: Pick<Crypto, "decrypt">,
  key: Key,
  box: Uint8Array,
  additionalData: Uint8Array,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (box.length < boxOverheadBytes) return undefined;
  return crypto.decrypt(key, box.subarray(0, nonceBytes), box.subarray(nonceBytes), additionalData);
}
