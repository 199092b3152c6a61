/**
 * The key that seals one commit's entries under one content key.
 *
 * `HKDF-SHA-256(content key, salt of the commit, info)` → AES-256-GCM key(32) ‖ commitment(32), where info is
 * `coffer/seal/v1`, keyId(16) and u32 epoch, each length-prefixed. The commitment stands in the commit
 * header: GCM alone would let one ciphertext open to two plaintexts under two keys. The nonce is the entry
 * index, 96-bit big-endian; the salt is fresh for every seal, so no key ever sees a nonce twice.
 */
import { ByteWriter, idToBytes } from "../std/index.ts";
import type { Crypto, Key } from "../crypto/index.ts";
import type { ContentKey } from "./entry.ts";

/** Lives as long as the call that seals or opens a commit. */
export interface SealingKey {
  readonly cipherKey: Key;
  /** 32 bytes */
  readonly commitment: Uint8Array;
}

/** Derive the sealing key of one commit. */
export async function deriveSealingKey(
  crypto: Pick<Crypto, "derive" | "importCipherKey">,
  content: ContentKey,
  salt: Uint8Array,
): Promise<SealingKey> {
  const epoch = new ByteWriter(4).u32(content.epoch).toBytes();
  const info = new ByteWriter(64)
    .text("coffer/seal/v1")
    .sized(idToBytes(content.keyId))
    .sized(epoch)
    .toBytes();
  const derived = await crypto.derive(content.key, salt, info, 64);
  const cipherKey = await crypto.importCipherKey(derived.subarray(0, 32));
  const commitment = derived.slice(32);
  derived.fill(0);
  return { cipherKey, commitment };
}

/** The nonce of an entry: its index. */
export function nonceOf(entryIndex: number): Uint8Array {
  const nonce = new Uint8Array(12);
  nonce[10] = entryIndex >> 8;
  nonce[11] = entryIndex & 255;
  return nonce;
}
