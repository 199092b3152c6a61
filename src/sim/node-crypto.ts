/**
 * The Crypto contract over node:crypto's synchronous calls. WebCrypto completes its work in threads, in an order that no seed
 * decides; here every promise is settled before it is returned.
 *
 * Keys are boxes that nothing but this file opens. A password costs one hash, within the same limits.
 */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  sign as signNow,
  verify as verifyNow,
  type KeyObject,
} from "node:crypto";
import {
  kdfLimits,
  maxPasswordBytes,
  type Crypto,
  type EncryptionKeyPair,
  type KdfParameters,
  type Key,
  type SigningKeyPair,
} from "../crypto/index.ts";
import { assert, bytesToHex, CofferError, concatBytes, utf8ToBytes, type Env } from "../std/index.ts";
import { decryptGcm, deriveScalar, encryptGcm, expand, scheduleKey } from "./node-hpke.ts";

type Curve = "Ed25519" | "X25519";
const objectIds = { Ed25519: 0x70, X25519: 0x6e } as const;
const keyBytes = 32;

/** A secret as the product sees it: something opaque that cannot be exported. */
class KeyBox {
  readonly extractable = false;
  readonly #content: Uint8Array | KeyObject;

  constructor(content: Uint8Array | KeyObject) {
    this.#content = content;
  }

  static bytesOf(key: Key): Uint8Array {
    const content = openBox(key).#content;
    assert(content instanceof Uint8Array, "crypto: this is a symmetric key");
    return content;
  }

  static objectOf(key: Key): KeyObject {
    const content = openBox(key).#content;
    assert(!(content instanceof Uint8Array), "crypto: this is a private key");
    return content;
  }

  /** The one place where a box becomes what the contract calls a key. */
  asKey(): Key {
    return this as unknown as Key;
  }
}

function openBox(key: Key): KeyBox {
  const box: unknown = key;
  assert(box instanceof KeyBox, "crypto: keys of another implementation do not work here");
  return box;
}

/** Which secrets went into keys, for those who search for them where they must not be. */
export type SecretListener = (secret: Uint8Array) => void;

/** Create the contract over node:crypto. `onSecret` hears of every long-lived secret. */
export function createNodeCrypto(
  env: Pick<Env, "randomBytes">,
  onSecret: SecretListener = () => undefined,
): Crypto {
  const randomBytes = (sizeBytes: number): Uint8Array<ArrayBuffer> => env.randomBytes(sizeBytes);
  const importPair = (
    curve: Curve,
    secret: Uint8Array,
  ): { publicKey: Uint8Array<ArrayBuffer>; privateKey: Key } | undefined => {
    if (secret.length !== keyBytes) return undefined;
    onSecret(secret.slice());
    const privateKey = importPrivateKey(curve, secret);
    return { publicKey: publicKeyOf(privateKey), privateKey: new KeyBox(privateKey).asKey() };
  };
  const createPair = (curve: Curve) => {
    const secret = randomBytes(keyBytes);
    const pair = importPair(curve, secret);
    assert(pair !== undefined, "crypto: 32 bytes are a private key");
    return { ...pair, secret };
  };
  return {
    sha256: hashParts,
    digest: async (bytes) => hashParts(bytes),
    hmacSha256: authenticateParts,
    randomBytes,
    async importDerivationKey(secret) {
      assert(secret.length === keyBytes, "crypto: a derivation key has 32 bytes");
      onSecret(secret.slice());
      return new KeyBox(secret.slice()).asKey();
    },
    async derive(key, salt, info, sizeBytes) {
      assert(sizeBytes > 0 && sizeBytes <= 255 * 32, "crypto: HKDF gives 1 to 8160 bytes");
      return expand(authenticateParts(salt, KeyBox.bytesOf(key)), info, sizeBytes);
    },
    async importCipherKey(secret) {
      assert(secret.length === keyBytes, "crypto: an AES-256 key has 32 bytes");
      return new KeyBox(secret.slice()).asKey();
    },
    async encrypt(key, nonce, plaintext, additionalData) {
      assert(nonce.length === 12, "crypto: a GCM nonce has 96 bits");
      return encryptGcm(
        { key: new Uint8Array(KeyBox.bytesOf(key)), nonce: new Uint8Array(nonce) },
        plaintext,
        additionalData,
      );
    },
    async decrypt(key, nonce, ciphertext, additionalData) {
      assert(nonce.length === 12, "crypto: a GCM nonce has 96 bits");
      return decryptGcm(
        { key: new Uint8Array(KeyBox.bytesOf(key)), nonce: new Uint8Array(nonce) },
        ciphertext,
        additionalData,
      );
    },
    createSigningPair: async () => createPair("Ed25519"),
    async createSealedSigningPair() {
      const { publicKey, privateKey } = createPair("Ed25519");
      return { publicKey, privateKey };
    },
    importSigningPair: async (secret): Promise<SigningKeyPair | undefined> => importPair("Ed25519", secret),
    sign: async (privateKey, message) => new Uint8Array(signNow(null, message, KeyBox.objectOf(privateKey))),
    verify: async (publicKey, signature, message) => verify(publicKey, signature, message),
    createEncryptionPair: async () => createPair("X25519"),
    importEncryptionPair: async (secret): Promise<EncryptionKeyPair | undefined> =>
      importPair("X25519", secret),
    sealTo: async (publicKey, plaintext, context) => {
      const ephemeral = importPrivateKey("X25519", deriveScalar(randomBytes(keyBytes)));
      try {
        const point = agree(ephemeral, publicKey);
        const encapsulated = publicKeyOf(ephemeral);
        const messageKey = scheduleKey(point, { encapsulated, recipient: publicKey }, context);
        return concatBytes(encapsulated, encryptGcm(messageKey, plaintext, context.additionalData));
      } catch (cause) {
        throw new CofferError(
          "input/invalid",
          { message: "This is not a usable X25519 public key." },
          { cause },
        );
      }
    },
    openSealed: async (pair, sealed, context) => {
      if (sealed.length < keyBytes + 16) return undefined;
      const encapsulated = sealed.subarray(0, keyBytes);
      try {
        const point = agree(KeyBox.objectOf(pair.privateKey), encapsulated);
        const messageKey = scheduleKey(point, { encapsulated, recipient: pair.publicKey }, context);
        return decryptGcm(messageKey, sealed.subarray(keyBytes), context.additionalData);
      } catch {
        return undefined;
      }
    },
    deriveFromPassword: async (password, parameters) => derivePassword(password, parameters),
    createKdfParameters: () => ({
      algorithm: "argon2id",
      memoryKiB: 65_536,
      passes: 3,
      lanes: 1,
      salt: randomBytes(16),
    }),
  };
}

function hashParts(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

function authenticateParts(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return new Uint8Array(mac.digest());
}

function importPrivateKey(curve: Curve, secret: Uint8Array): KeyObject {
  const prefix = Uint8Array.of(
    0x30,
    0x2e,
    2,
    1,
    0,
    0x30,
    5,
    6,
    3,
    0x2b,
    0x65,
    objectIds[curve],
    4,
    0x22,
    4,
    0x20,
  );
  return createPrivateKey({ key: Buffer.from(concatBytes(prefix, secret)), format: "der", type: "pkcs8" });
}

/** Reading a key costs more than verifying with it, and few keys sign everything. */
const publicKeys = new Map<string, KeyObject>();
const keptKeys = 500;

function importPublicKey(curve: Curve, bytes: Uint8Array): KeyObject {
  const name = curve + bytesToHex(bytes);
  let key = publicKeys.get(name);
  if (key === undefined) {
    const prefix = Uint8Array.of(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, objectIds[curve], 3, 0x21, 0);
    key = createPublicKey({ key: Buffer.from(concatBytes(prefix, bytes)), format: "der", type: "spki" });
    if (publicKeys.size >= keptKeys) publicKeys.clear();
    publicKeys.set(name, key);
  }
  return key;
}

function publicKeyOf(privateKey: KeyObject): Uint8Array<ArrayBuffer> {
  const der = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return new Uint8Array(der.subarray(-keyBytes));
}

/** The shared point. @throws for keys that are none, and for those that give zero whoever asks */
function agree(privateKey: KeyObject, publicKey: Uint8Array): Uint8Array {
  assert(publicKey.length === keyBytes, "crypto: an X25519 public key has 32 bytes");
  const point = new Uint8Array(
    diffieHellman({ privateKey, publicKey: importPublicKey("X25519", publicKey) }),
  );
  assert(
    point.some((byte) => byte !== 0),
    "crypto: this key gives no secret",
  );
  return point;
}

/** The y-coordinates of the points of small order: under these keys signatures hold that nobody made. */
const smallOrderPoints: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

function verify(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): boolean {
  if (publicKey.length !== keyBytes || signature.length !== 64) return false;
  const y = publicKey.slice();
  y[31] = (y[31] ?? 0) & 0x7f;
  if (smallOrderPoints.has(bytesToHex(y))) return false;
  try {
    return verifyNow(null, message, importPublicKey("Ed25519", publicKey), signature);
  } catch {
    return false;
  }
}

function derivePassword(password: string, parameters: KdfParameters): Uint8Array<ArrayBuffer> {
  if (!isWithinLimits(parameters)) throw new CofferError("key/parameters");
  const normalized = utf8ToBytes(password.normalize("NFKC"));
  if (password.length > maxPasswordBytes || normalized.length > maxPasswordBytes)
    throw new CofferError("input/too-large");
  if (normalized.length === 0) throw new CofferError("input/invalid");
  return hashParts(parameters.salt, normalized);
}

function isWithinLimits(parameters: KdfParameters): boolean {
  const isWithin = (value: number, [floor, ceiling]: readonly [number, number]): boolean =>
    Number.isInteger(value) && value >= floor && value <= ceiling;
  const { argon2id, pbkdf2, saltBytes } = kdfLimits;
  if (!isWithin(parameters.salt.length, saltBytes)) return false;
  switch (parameters.algorithm) {
    case "pbkdf2-sha256":
      return isWithin(parameters.iterations, pbkdf2.iterations);
    case "argon2id":
      return (
        isWithin(parameters.memoryKiB, argon2id.memoryKiB) &&
        isWithin(parameters.passes, argon2id.passes) &&
        isWithin(parameters.lanes, argon2id.lanes)
      );
    default:
      return false;
  }
}
