/**
 * The key that seals one commit's entries under one content key.
 *
 * `HKDF-SHA-256(content key, salt of the commit, info)` → AES-256-GCM key(32) ‖ commitment(32), where info is
 * `coffer/seal/v1`, keyId(16) and u32 epoch, each length-prefixed. The commitment stands in the commit
 * header: GCM alone would let one ciphertext open to two plaintexts under two keys. The nonce is the entry
 * index, 96-bit big-endian; the salt is fresh for every seal, so no key ever sees a nonce twice.
 */
import { assert, ByteWriter, idToBytes } from "../std/index.ts";
import type { Crypto, Key } from "../crypto/index.ts";
import { entryLimits, type ContentKey } from "./entry.ts";

/** The size of a commit's salt. */
export const saltBytes = 32;

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
  const { commitment, secret } = await deriveSealingSecret(crypto, content, salt);
  const cipherKey = await crypto.importCipherKey(secret);
  secret.fill(0);
  return { cipherKey, commitment };
}

/** Derive the sealing key of one commit as bytes: to show what this commit says, and nothing else under the content key. */
export async function deriveSealingSecret(
  crypto: Pick<Crypto, "derive">,
  content: ContentKey,
  salt: Uint8Array,
): Promise<{ readonly secret: Uint8Array<ArrayBuffer>; readonly commitment: Uint8Array<ArrayBuffer> }> {
  const epoch = new ByteWriter(4).u32(content.epoch).toBytes();
  const info = new ByteWriter(64)
    .text("coffer/seal/v1")
    .sized(idToBytes(content.keyId))
    .sized(epoch)
    .toBytes();
  const derived = await crypto.derive(content.key, salt, info, 64);
  const parts = { secret: derived.slice(0, 32), commitment: derived.slice(32) };
  derived.fill(0);
  return parts;
}

/** A salt, and the sealing key that it gives under one content key: derived before there is a commit, and used for one. */
export interface PreparedSealing {
  /** Take both, once: nothing is left for whoever asks again, and nothing is there for another content key. */
  take(content: ContentKey): { readonly salt: Uint8Array; readonly sealing: SealingKey } | undefined;
}

/** Draw the salt of a coming commit and derive its sealing key, so that sealing it waits for neither. */
export async function prepareSealing(
  crypto: Pick<Crypto, "derive" | "importCipherKey" | "randomBytes">,
  content: ContentKey,
): Promise<PreparedSealing> {
  const salt = crypto.randomBytes(saltBytes);
  let kept: { readonly salt: Uint8Array; readonly sealing: SealingKey } | undefined = {
    salt,
    sealing: await deriveSealingKey(crypto, content, salt),
  };
  return {
    take(asked) {
      if (asked !== content) return undefined;
      const taken = kept;
      kept = undefined;
      return taken;
    },
  };
}

/** A commit has few entries: their nonces are made once. */
const nonces = Array.from({ length: entryLimits.entriesPerCommit }, (_, index) => {
  const nonce = new Uint8Array(12);
  nonce[10] = index >> 8;
  nonce[11] = index & 255;
  return nonce;
});

/** The nonce of an entry: its index. */
export function nonceOf(entryIndex: number): Uint8Array {
  const nonce = nonces[entryIndex];
  assert(nonce !== undefined, "entry: an index is within its commit");
  return nonce;
}
