/**
 * HPKE single-shot messages: enc(32) ‖ ciphertext ‖ tag(16), in base mode, or in psk mode when a psk is
 * given.
 *
 * @see RFC 9180 §6.1
 */
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { assert, CofferError, concatBytes } from "../std/index.ts";
import { toBufferSource } from "./buffer-source.ts";
import type { Crypto, EncryptionKeyPair, HpkeContext } from "./crypto.ts";

const encapsulatedKeyBytes = 32;
const tagBytes = 16;
const pskFloorBytes = 32;

/**
 * Create the HPKE functions of the contract. The ephemeral key is RFC 9180's DeriveKeyPair over 32 bytes of
 * the given chance.
 */
export function createHpke(chance: Pick<Crypto, "randomBytes">): Pick<Crypto, "sealTo" | "openSealed"> {
  const suite = new CipherSuite({
    kem: new DhkemX25519HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Aes256Gcm(),
  });

  async function sealTo(
    publicKey: Uint8Array,
    plaintext: Uint8Array,
    context: HpkeContext,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const ephemeral = chance.randomBytes(32);
    try {
      const recipientPublicKey = await suite.kem.deserializePublicKey(toBufferSource(publicKey));
      const params = { ...toParams(context), recipientPublicKey, ekm: ephemeral };
      const { enc, ct } = await suite.seal(
        params,
        toBufferSource(plaintext),
        toBufferSource(context.additionalData),
      );
      return concatBytes(new Uint8Array(enc), new Uint8Array(ct));
    } catch (cause) {
      throw new CofferError(
        "input/invalid",
        { message: "This is not a usable X25519 public key." },
        { cause },
      );
    } finally {
      ephemeral.fill(0);
    }
  }

  async function openSealed(
    pair: EncryptionKeyPair,
    sealed: Uint8Array,
    context: HpkeContext,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (sealed.length < encapsulatedKeyBytes + tagBytes) return undefined;
    const params = toParams(context);
    try {
      const publicKey = await suite.kem.deserializePublicKey(pair.publicKey);
      const recipientKey = { privateKey: pair.privateKey, publicKey };
      const enc = toBufferSource(sealed.subarray(0, encapsulatedKeyBytes));
      const ciphertext = toBufferSource(sealed.subarray(encapsulatedKeyBytes));
      const additionalData = toBufferSource(context.additionalData);
      return new Uint8Array(await suite.open({ ...params, recipientKey, enc }, ciphertext, additionalData));
    } catch {
      return undefined;
    }
  }

  return { sealTo, openSealed };
}

function toParams(context: HpkeContext): {
  info: Uint8Array<ArrayBuffer>;
  psk?: { id: Uint8Array<ArrayBuffer>; key: Uint8Array<ArrayBuffer> };
} {
  const info = toBufferSource(context.info);
  if (context.psk === undefined) {
    assert(context.pskId === undefined, "hpke: a psk id comes with its psk");
    return { info };
  }
  assert(context.psk.length >= pskFloorBytes, "hpke: a psk has at least 32 bytes");
  assert(context.pskId !== undefined && context.pskId.length > 0, "hpke: a psk has an id");
  return { info, psk: { id: toBufferSource(context.pskId), key: toBufferSource(context.psk) } };
}
