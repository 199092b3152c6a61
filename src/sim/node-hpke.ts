/**
 * HPKE single-shot messages over node:crypto: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, in base and psk mode.
 *
 * | name | value |
 * |---|---|
 * | suite of the KEM | "KEM" ‖ 0020 |
 * | suite of HPKE | "HPKE" ‖ 0020 ‖ 0001 ‖ 0002 |
 *
 * @see RFC 9180 §4.1, §5.1, §7.1.3
 */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import type { HpkeContext } from "../crypto/index.ts";
import { assert, concatBytes, utf8ToBytes } from "../std/index.ts";

const kemSuite = concatBytes(utf8ToBytes("KEM"), Uint8Array.of(0, 0x20));
const hpkeSuite = concatBytes(utf8ToBytes("HPKE"), Uint8Array.of(0, 0x20, 0, 1, 0, 2));
const version = utf8ToBytes("HPKE-v1");
const empty = new Uint8Array(0);
const tagBytes = 16;

const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return new Uint8Array(mac.digest());
};

/** HKDF-Expand. @see RFC 5869 §2.3 */
export function expand(prk: Uint8Array, info: Uint8Array, sizeBytes: number): Uint8Array<ArrayBuffer> {
  const blocks: Uint8Array[] = [];
  for (let i = 1; (i - 1) * 32 < sizeBytes; i++)
    blocks.push(hmac(prk, blocks.at(-1) ?? empty, info, Uint8Array.of(i)));
  return concatBytes(...blocks).slice(0, sizeBytes);
}

function labeledExtract(suite: Uint8Array, salt: Uint8Array, label: string, input: Uint8Array): Uint8Array {
  return hmac(salt, version, suite, utf8ToBytes(label), input);
}

interface Labeled {
  readonly label: string;
  readonly info: Uint8Array;
  readonly sizeBytes: number;
}

function labeledExpand(
  suite: Uint8Array,
  prk: Uint8Array,
  { label, info, sizeBytes }: Labeled,
): Uint8Array<ArrayBuffer> {
  const size = Uint8Array.of(sizeBytes >> 8, sizeBytes & 255);
  return expand(prk, concatBytes(size, version, suite, utf8ToBytes(label), info), sizeBytes);
}

/** The scalar that 32 bytes of chance stand for. */
export function deriveScalar(chance: Uint8Array): Uint8Array<ArrayBuffer> {
  const prk = labeledExtract(kemSuite, empty, "dkp_prk", chance);
  return labeledExpand(kemSuite, prk, { label: "sk", info: empty, sizeBytes: 32 });
}

/** What both ends of a message agree on: its key and nonce. */
export interface MessageKey {
  readonly key: Uint8Array<ArrayBuffer>;
  readonly nonce: Uint8Array<ArrayBuffer>;
}

/** Derive a message's key from the shared point, both public keys and the context. */
export function scheduleKey(
  sharedPoint: Uint8Array,
  keys: { readonly encapsulated: Uint8Array; readonly recipient: Uint8Array },
  { info, psk, pskId }: HpkeContext,
): MessageKey {
  assert((psk === undefined) === (pskId === undefined), "hpke: a psk has an id, and an id its psk");
  assert(psk === undefined || psk.length >= 32, "hpke: a psk has at least 32 bytes");
  const prk = labeledExtract(kemSuite, empty, "eae_prk", sharedPoint);
  const kemContext = concatBytes(keys.encapsulated, keys.recipient);
  const shared = labeledExpand(kemSuite, prk, { label: "shared_secret", info: kemContext, sizeBytes: 32 });
  const context = concatBytes(
    Uint8Array.of(psk === undefined ? 0 : 1),
    labeledExtract(hpkeSuite, empty, "psk_id_hash", pskId ?? empty),
    labeledExtract(hpkeSuite, empty, "info_hash", info),
  );
  const secret = labeledExtract(hpkeSuite, shared, "secret", psk ?? empty);
  return {
    key: labeledExpand(hpkeSuite, secret, { label: "key", info: context, sizeBytes: 32 }),
    nonce: labeledExpand(hpkeSuite, secret, { label: "base_nonce", info: context, sizeBytes: 12 }),
  };
}

/** AES-256-GCM: ciphertext ‖ tag(16). */
export function encryptGcm(
  { key, nonce }: MessageKey,
  plaintext: Uint8Array,
  additionalData: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(additionalData);
  return concatBytes(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}

/** The plaintext, or `undefined` when the tag does not match. */
export function decryptGcm(
  { key, nonce }: MessageKey,
  ciphertext: Uint8Array,
  additionalData: Uint8Array,
): Uint8Array<ArrayBuffer> | undefined {
  if (ciphertext.length < tagBytes) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, nonce);
  decipher.setAAD(additionalData);
  decipher.setAuthTag(ciphertext.subarray(-tagBytes));
  try {
    return concatBytes(decipher.update(ciphertext.subarray(0, -tagBytes)), decipher.final());
  } catch {
    return undefined;
  }
}
