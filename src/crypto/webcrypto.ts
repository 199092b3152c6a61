/** The whole contract over WebCrypto, the same in page, worker, Node and tests. */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { assert, createSystemEnv, parseBase64url, type Env } from "../std/index.ts";
import { toBufferSource } from "./buffer-source.ts";
import type { Crypto, EncryptionKeyPair, Key, SigningKeyPair } from "./crypto.ts";
import { importOkpPrivateKey, okpKeyBytes } from "./okp.ts";
import { createKdfParameters, deriveFromPassword } from "./password.ts";
import { createWebVerifier } from "./verifier.ts";

const nonceBytes = 12;
const tagBytes = 16;
const cipherKeyBytes = 32;
const maxDerivedBytes = 255 * 32;

/**
 * Create the contract over WebCrypto.
 *
 * @param env where random bytes come from, so that a simulator can put them under its seed
 * @param hash another form of SHA-256, see `fast-hash.ts`
 */
export function createWebCrypto(
  env: Pick<Env, "randomBytes"> = createSystemEnv(),
  hash?: Crypto["sha256"],
): Crypto {
  const verifier = createWebVerifier(env, hash);
  return {
    ...verifier,
    ...createLazyHpke(verifier),
    hmacSha256: authenticateParts,
    digest,
    importDerivationKey,
    derive,
    importCipherKey,
    encrypt,
    decrypt,
    createSigningPair: () => createPair(env, importSigningPair),
    importSigningPair,
    createEncryptionPair: () => createPair(env, importEncryptionPair),
    importEncryptionPair,
    deriveFromPassword,
    createKdfParameters: () => createKdfParameters(verifier),
  };
}

function authenticateParts(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const mac = hmac.create(sha256, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** What checks and opens, and nothing more: without passwords and HPKE, which it does not load. */
export function createWebOpener(): Pick<Crypto, "sha256" | "verify" | "importCipherKey" | "decrypt"> {
  const { sha256, verify } = createWebVerifier();
  return { sha256, verify, importCipherKey, decrypt };
}

/** HPKE is for joining and for proving held keys: nothing else pays for loading it. */
function createLazyHpke(chance: Pick<Crypto, "randomBytes">): Pick<Crypto, "sealTo" | "openSealed"> {
  let loading: Promise<Pick<Crypto, "sealTo" | "openSealed">> | undefined;
  const load = (): Promise<Pick<Crypto, "sealTo" | "openSealed">> =>
    (loading ??= import("./hpke.ts").then(({ createHpke }) => createHpke(chance)));
  return {
    sealTo: async (...args) => (await load()).sealTo(...args),
    openSealed: async (...args) => (await load()).openSealed(...args),
  };
}

async function digest(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", toBufferSource(bytes)));
}

async function importDerivationKey(secret: Uint8Array): Promise<Key> {
  assert(secret.length === cipherKeyBytes, "crypto: a derivation key has 32 bytes");
  return crypto.subtle.importKey("raw", toBufferSource(secret), "HKDF", false, ["deriveBits"]);
}

async function derive(
  key: Key,
  salt: Uint8Array,
  info: Uint8Array,
  sizeBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  assert(sizeBytes > 0 && sizeBytes <= maxDerivedBytes, "crypto: HKDF gives 1 to 8160 bytes");
  const algorithm = { name: "HKDF", hash: "SHA-256", salt: toBufferSource(salt), info: toBufferSource(info) };
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, sizeBytes * 8));
}

async function importCipherKey(secret: Uint8Array): Promise<Key> {
  assert(secret.length === cipherKeyBytes, "crypto: an AES-256 key has 32 bytes");
  return crypto.subtle.importKey("raw", toBufferSource(secret), "AES-GCM", false, ["encrypt", "decrypt"]);
}

/** The platform's own promise with one step behind it: bulk work encrypts thousands of small plaintexts. */
function encrypt(
  key: Key,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  additionalData: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  return crypto.subtle.encrypt(gcm(nonce, additionalData), key, toBufferSource(plaintext)).then(ownBytes);
}

/** As {@link encrypt}. */
function decrypt(
  key: Key,
  nonce: Uint8Array,
  ciphertext: Uint8Array,
  additionalData: Uint8Array,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const algorithm = gcm(nonce, additionalData);
  if (ciphertext.length < tagBytes) return Promise.resolve(undefined);
  return crypto.subtle.decrypt(algorithm, key, toBufferSource(ciphertext)).then(ownBytes, nothing);
}

const ownBytes = (bytes: ArrayBuffer): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);
const nothing = (): undefined => undefined;

function gcm(nonce: Uint8Array, additionalData: Uint8Array): AesGcmParams {
  assert(nonce.length === nonceBytes, "crypto: a GCM nonce has 96 bits");
  return { name: "AES-GCM", iv: toBufferSource(nonce), additionalData: toBufferSource(additionalData) };
}

async function createPair<Pair extends object>(
  env: Pick<Env, "randomBytes">,
  importPair: (secret: Uint8Array) => Promise<Pair | undefined>,
): Promise<Pair & { readonly secret: Uint8Array<ArrayBuffer> }> {
  const secret = env.randomBytes(okpKeyBytes);
  const pair = await importPair(secret);
  assert(pair !== undefined, "crypto: the platform knows Ed25519 and X25519");
  return { ...pair, secret };
}

async function importSigningPair(secret: Uint8Array): Promise<SigningKeyPair | undefined> {
  if (secret.length !== okpKeyBytes) return undefined;
  try {
    // Only an extractable key tells its public half; that copy is dropped here.
    const readable = await importOkpPrivateKey("Ed25519", secret, { extractable: true });
    const { x } = await crypto.subtle.exportKey("jwk", readable);
    const publicKey = parseBase64url(x ?? "");
    if (publicKey?.length !== okpKeyBytes) return undefined;
    return { publicKey, privateKey: await importOkpPrivateKey("Ed25519", secret, { extractable: false }) };
  } catch {
    return undefined;
  }
}

async function importEncryptionPair(secret: Uint8Array): Promise<EncryptionKeyPair | undefined> {
  if (secret.length !== okpKeyBytes) return undefined;
  try {
    const privateKey = await importOkpPrivateKey("X25519", secret, { extractable: false });
    const basePoint = new Uint8Array(okpKeyBytes);
    basePoint[0] = 9;
    const base = await crypto.subtle.importKey("raw", basePoint, { name: "X25519" }, false, []);
    const bits = await crypto.subtle.deriveBits(
      { name: "X25519", public: base },
      privateKey,
      okpKeyBytes * 8,
    );
    return { publicKey: new Uint8Array(bits), privateKey };
  } catch {
    return undefined;
  }
}
