/**
 * The half of the contract that judges and relays: hashes, signatures, chance. No decryption, HPKE or
 * password code is reachable from here.
 */
import { assert, createSystemEnv, equalBytes, parseHex, type Env } from "../std/index.ts";
import { toBufferSource } from "./buffer-source.ts";
import type { Key, SigningKeyPair, Verifier } from "./crypto.ts";
import { hashParts } from "./hash.ts";

const signatureBytes = 64;
const publicKeyBytes = 32;

/**
 * Create the verifying half of the contract over WebCrypto.
 *
 * @param env where random bytes come from; sealed key pairs are drawn by the platform itself, so that their
 *   seed never exists in this program's memory
 * @param hash another form of SHA-256
 */
export function createWebVerifier(
  env: Pick<Env, "randomBytes"> = createSystemEnv(),
  hash: Verifier["sha256"] = hashParts,
): Verifier {
  return {
    sha256: hash,
    randomBytes: (sizeBytes) => env.randomBytes(sizeBytes),
    createSealedSigningPair,
    sign,
    verify,
  };
}

async function createSealedSigningPair(): Promise<SigningKeyPair> {
  const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  assert("privateKey" in pair, "crypto: Ed25519 keys come in pairs");
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  return { publicKey, privateKey: pair.privateKey };
}

async function sign(privateKey: Key, message: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.sign({ name: "Ed25519" }, privateKey, toBufferSource(message)));
}

async function verify(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): Promise<boolean> {
  if (publicKey.length !== publicKeyBytes || signature.length !== signatureBytes) return false;
  if (isSmallOrder(publicKey)) return false;
  try {
    const key = await crypto.subtle.importKey("raw", toBufferSource(publicKey), { name: "Ed25519" }, false, [
      "verify",
    ]);
    return await crypto.subtle.verify(
      { name: "Ed25519" },
      key,
      toBufferSource(signature),
      toBufferSource(message),
    );
  } catch {
    // Not a point of the curve: some platforms refuse it at import, others at verifying.
    return false;
  }
}

/*
 * The y-coordinates of the points of order 1, 2, 4 and 8, with the non-canonical spellings of 0 and 1. Under
 * such a key signatures exist that hold for messages nobody signed, and platforms differ in whether they
 * refuse them.
 */
const smallOrderPoints = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((hex) => parseHex(hex) ?? new Uint8Array(0));

function isSmallOrder(publicKey: Uint8Array): boolean {
  const y = publicKey.slice();
  y[31] = (y[31] ?? 0) & 0x7f;
  return smallOrderPoints.some((point) => equalBytes(point, y));
}
