/**
 * Small private records of a vault: what only this identity may read on its device, such as the tenant's display name.
 *
 * | field | size |
 * |---|---|
 * | format | u8, 1 |
 * | box | nonce(12) ‖ ciphertext ‖ tag(16) under the profile key |
 *
 * AAD: "coffer/private/v1\0" ‖ signingKey(32) ‖ purpose in UTF-8, so that no record passes for another.
 */
import { CofferError, concatBytes, idToBytes, utf8ToBytes } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { openBox, sealBox } from "./box.ts";
import type { UnlockedIdentity } from "./keys.ts";

const privateFormat = 1;
const privateDomain = utf8ToBytes("coffer/private/v1\0");
const maxPrivateBytes = 1024 * 1024;

/**
 * Seal a small private record.
 *
 * @param purpose names the kind of record; opening needs the same one
 * @throws `input/too-large` over 1 MiB
 */
export async function sealPrivate(
  crypto: Crypto,
  identity: UnlockedIdentity,
  purpose: string,
  bytes: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  if (bytes.length > maxPrivateBytes) throw new CofferError("input/too-large", { sizeBytes: bytes.length });
  const box = await sealBox(crypto, identity.profileKey, bytes, privateData(identity, purpose));
  return concatBytes(new Uint8Array([privateFormat]), box);
}

/**
 * Open what {@link sealPrivate} made.
 *
 * @throws `entry/corrupt` when it is damaged, of another identity or for another purpose
 */
export async function openPrivate(
  crypto: Crypto,
  identity: UnlockedIdentity,
  purpose: string,
  sealed: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const isPrivate = sealed[0] === privateFormat && sealed.length <= maxPrivateBytes + 64;
  const bytes = isPrivate
    ? await openBox(crypto, identity.profileKey, sealed.subarray(1), privateData(identity, purpose))
    : undefined;
  if (bytes === undefined) throw new CofferError("entry/corrupt", { what: "private record", purpose });
  return bytes;
}

function privateData(identity: UnlockedIdentity, purpose: string): Uint8Array {
  return concatBytes(privateDomain, idToBytes(identity.publicIdentity.signingKey), utf8ToBytes(purpose));
}
