/**
 * A content key wrapped for one user, as it stands in a `keyepoch` record of the directory.
 *
 * | field | size |
 * |---|---|
 * | sealed | HPKE: enc(32) ‖ ciphertext ‖ tag(16) |
 *
 * HPKE runs in base mode to the user's encryption key, info "coffer/key-wrap/v1\0", AAD = tenantId(32) ‖ keyId(16) ‖ u32 epoch ‖
 * fingerprint(8) ‖ userKey(32): what is wrapped for one place opens at no other. Who wrapped it, the signature of the record says.
 *
 * | inside | size |
 * |---|---|
 * | secret | 32; its fingerprint is the record's |
 * | name | UTF-8, ≤ 256 bytes to the end: what the key is called; empty for the tenant's own |
 */
import {
  bytesToUtf8,
  ByteWriter,
  concatBytes,
  equalBytes,
  idToBytes,
  utf8ToBytes,
  type AuthorKey,
  type TenantId,
} from "../std/index.ts";
import type { Crypto, EncryptionKeyPair, HpkeContext } from "../crypto/index.ts";
import { keyFingerprint, type KeyName } from "../entry/index.ts";
import { isName, maxNameBytes } from "./name.ts";

const info = utf8ToBytes("coffer/key-wrap/v1\0");

/** Smallest and largest size of a wrapped key, in bytes. */
export const keyWrapBytes = { least: 80, most: 80 + maxNameBytes } as const;

/** Where a wrapped key belongs. */
export interface WrapPlace extends KeyName {
  readonly tenantId: TenantId;
  readonly userKey: AuthorKey;
}

/** A key with its name, in the clear. */
export interface NamedSecret {
  readonly secret: Uint8Array<ArrayBuffer>;
  /** "" for the tenant's own keys */
  readonly name: string;
}

/** Wrap a key for a user. @throws `input/invalid` for an encryption key that is none */
export async function wrapKey(
  crypto: Crypto,
  encryptionKey: Uint8Array,
  place: WrapPlace,
  { name, secret }: NamedSecret,
): Promise<Uint8Array<ArrayBuffer>> {
  const plaintext = concatBytes(secret, utf8ToBytes(name));
  try {
    return await crypto.sealTo(encryptionKey, plaintext, contextOf(place));
  } finally {
    plaintext.fill(0);
  }
}

/** Unwrap a key; `undefined` when it was wrapped for another user or place, or is not what its fingerprint says. */
export async function unwrapKey(
  crypto: Crypto,
  encryption: EncryptionKeyPair,
  place: WrapPlace,
  sealed: Uint8Array,
): Promise<NamedSecret | undefined> {
  const plaintext = await crypto.openSealed(encryption, sealed, contextOf(place));
  if (plaintext === undefined || plaintext.length < 32) return undefined;
  const secret = plaintext.slice(0, 32);
  const name = bytesToUtf8(plaintext.subarray(32));
  plaintext.fill(0);
  const isSound = name === "" || (name !== undefined && isName(name));
  if (isSound && equalBytes(keyFingerprint(crypto, secret), place.fingerprint)) return { secret, name };
  secret.fill(0);
  return undefined;
}

function contextOf({ epoch, fingerprint, keyId, tenantId, userKey }: WrapPlace): HpkeContext {
  const additionalData = new ByteWriter(92)
    .fixed(idToBytes(tenantId), 32)
    .fixed(idToBytes(keyId), 16)
    .u32(epoch)
    .fixed(fingerprint, 8)
    .fixed(idToBytes(userKey), 32)
    .toBytes();
  return { info, additionalData };
}
