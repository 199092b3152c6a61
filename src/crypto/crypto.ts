/**
 * The Crypto contract: the few primitives everything else is built from. One suite of tests runs over every
 * form.
 *
 * Guarantees
 * - private and symmetric keys are opaque `CryptoKey`s, not extractable unless a function's name says so
 * - functions that judge (`verify`, `decrypt`, `openSealed`) give a boolean or `undefined`, never throw,
 *   whatever the bytes
 * - no function signs, encrypts or derives without a domain: callers pass full, prefixed preimages
 *
 * | primitive | standard |
 * |---|---|
 * | SHA-256 | FIPS 180-4 |
 * | HMAC-SHA-256 | RFC 2104 |
 * | HKDF-SHA-256 | RFC 5869 |
 * | AES-256-GCM, 96-bit nonce, 128-bit tag | NIST SP 800-38D |
 * | Ed25519 | RFC 8032 |
 * | HPKE base/psk: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM | RFC 9180 |
 * | Argon2id; PBKDF2-SHA-256 where Argon2 cannot run | RFC 9106; RFC 8018 |
 */

/** An opaque key that cannot be read, only used. */
export type Key = CryptoKey;

/** How a password becomes a key. Stored beside what it protects and authenticated with it. */
export type KdfParameters =
  | {
      readonly algorithm: "argon2id";
      readonly memoryKiB: number;
      readonly passes: number;
      readonly lanes: number;
      readonly salt: Uint8Array;
    }
  | { readonly algorithm: "pbkdf2-sha256"; readonly iterations: number; readonly salt: Uint8Array };

export interface SigningKeyPair {
  /** 32 bytes, Ed25519 */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly privateKey: Key;
}
export interface EncryptionKeyPair {
  /** 32 bytes, X25519 */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly privateKey: Key;
}

export interface Crypto {
  /** 32 bytes. Synchronous: it is on every hot path. */
  sha256(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer>;
  /** The same of one piece, computed by another thread: for what is large, where there is something else to do meanwhile. */
  digest(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
  /** 32 bytes. */
  hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer>;
  randomBytes(sizeBytes: number): Uint8Array<ArrayBuffer>;

  /** Make a non-extractable HKDF key from 32 secret bytes. */
  importDerivationKey(secret: Uint8Array): Promise<Key>;
  /** HKDF-SHA-256: `sizeBytes` bytes (at most 255 × 32) for one salt and info. */
  derive(key: Key, salt: Uint8Array, info: Uint8Array, sizeBytes: number): Promise<Uint8Array<ArrayBuffer>>;

  /** Make a non-extractable AES-256-GCM key from 32 bytes. */
  importCipherKey(secret: Uint8Array): Promise<Key>;
  /** ciphertext ‖ tag(16). The caller never uses one nonce twice under one key. */
  encrypt(
    key: Key,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    additionalData: Uint8Array,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** The plaintext, or `undefined` when the tag does not match. */
  decrypt(
    key: Key,
    nonce: Uint8Array,
    ciphertext: Uint8Array,
    additionalData: Uint8Array,
  ): Promise<Uint8Array<ArrayBuffer> | undefined>;

  /** A new Ed25519 pair; `secret` is the 32-byte seed, to be wrapped and forgotten by the caller. */
  createSigningPair(): Promise<SigningKeyPair & { readonly secret: Uint8Array<ArrayBuffer> }>;
  /** A new Ed25519 pair whose private key nobody can ever read, storable in IndexedDB. */
  createSealedSigningPair(): Promise<SigningKeyPair>;
  /** From the 32-byte seed; `undefined` when the platform refuses it. */
  importSigningPair(secret: Uint8Array): Promise<SigningKeyPair | undefined>;
  /** 64 bytes. */
  sign(privateKey: Key, message: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
  verify(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): Promise<boolean>;

  /** A new X25519 pair; `secret` is the 32-byte scalar, to be wrapped and forgotten by the caller. */
  createEncryptionPair(): Promise<EncryptionKeyPair & { readonly secret: Uint8Array<ArrayBuffer> }>;
  importEncryptionPair(secret: Uint8Array): Promise<EncryptionKeyPair | undefined>;
  /**
   * HPKE single-shot: enc(32) ‖ ciphertext ‖ tag(16). With `psk` (≥ 32 bytes) the psk mode with id `pskId`.
   */
  sealTo(
    publicKey: Uint8Array,
    plaintext: Uint8Array,
    context: HpkeContext,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** Open what {@link sealTo} made, or `undefined`. */
  openSealed(
    pair: EncryptionKeyPair,
    sealed: Uint8Array,
    context: HpkeContext,
  ): Promise<Uint8Array<ArrayBuffer> | undefined>;

  /** 32 bytes from a password. @throws `key/parameters` outside {@link kdfLimits}, before any work */
  deriveFromPassword(password: string, parameters: KdfParameters): Promise<Uint8Array<ArrayBuffer>>;
  /** The parameters for a new password, with a fresh 16-byte salt: Argon2id 64 MiB, 3 passes, 1 lane. */
  createKdfParameters(): KdfParameters;
}

/**
 * What judging and relaying need: no decryption, no HPKE, no passwords. The service worker and the server
 * hold this form only, and its file imports nothing of the rest.
 */
export type Verifier = Pick<Crypto, "sha256" | "verify" | "sign" | "createSealedSigningPair" | "randomBytes">;

/** What an HPKE message is bound to; both sides give equal values. */
export interface HpkeContext {
  readonly info: Uint8Array;
  readonly additionalData: Uint8Array;
  readonly psk?: Uint8Array;
  readonly pskId?: Uint8Array;
}

/** Floor and ceiling of accepted parameters; outside them is `key/parameters`, before any work is done. */
export const kdfLimits = {
  argon2id: { memoryKiB: [19_456, 1_048_576], passes: [2, 16], lanes: [1, 4] },
  pbkdf2: { iterations: [600_000, 10_000_000] },
  saltBytes: [16, 64],
} as const;
