/**
 * crypto: the few primitives that everything else is built from, as one contract, and its WebCrypto form.
 *
 * Guarantees
 * - nothing outside this room touches WebCrypto, a hash or a password function
 * - private and symmetric keys are opaque and not extractable; raw secrets are named `secret` and passed once
 * - what judges untrusted bytes gives a boolean or `undefined` and never throws
 * - `createWebVerifier` reaches neither decryption nor HPKE nor passwords: it is all a relay may hold
 *
 * It names no domains and keeps no keys: preimages, key bags and policies belong to the rooms that use it.
 */
export {
  kdfLimits,
  type Crypto,
  type EncryptionKeyPair,
  type HpkeContext,
  type KdfParameters,
  type Key,
  type SigningKeyPair,
  type Verifier,
} from "./crypto.ts";
export { createFastHash, type FastHash } from "./fast-hash.ts";
export { maxPasswordBytes } from "./password.ts";
export { createWebVerifier } from "./verifier.ts";
export { createWebCrypto, createWebOpener } from "./webcrypto.ts";
