/** The suite that every form of the Crypto contract passes, in every place it runs. */
import { describe, expect, it } from "vitest";
import { bytesToHex, createSystemEnv, parseHex, utf8ToBytes, type Env } from "../std/index.ts";
import type { Crypto, HpkeContext, KdfParameters } from "./crypto.ts";
import vectors from "./crypto.vectors.json";

/** Read hexadecimal digits of a test. */
export function hex(digits: string): Uint8Array<ArrayBuffer> {
  const bytes = parseHex(digits);
  if (bytes === undefined) throw new Error(`not hexadecimal: ${digits}`);
  return bytes;
}

/** Chance that gives these bytes, for tests only. */
export function fixedChance(bytes: Uint8Array): Pick<Env, "randomBytes"> {
  return { randomBytes: (sizeBytes) => new Uint8Array(bytes.slice(0, sizeBytes)) };
}

/** One way to write what a vector of a password says. */
export function kdfParametersOf(vector: (typeof vectors.password)[number]): KdfParameters {
  const salt = hex(vector.salt);
  if (vector.algorithm === "pbkdf2-sha256") {
    return { algorithm: "pbkdf2-sha256", iterations: vector.iterations ?? 0, salt };
  }
  const { memoryKiB = 0, passes = 0, lanes = 0 } = vector;
  return { algorithm: "argon2id", memoryKiB, passes, lanes, salt };
}

/** Run the contract's suite over one implementation. */
export function describeCrypto(name: string, create: (env: Pick<Env, "randomBytes">) => Crypto): void {
  const crypto = create(createSystemEnv());
  const message = utf8ToBytes("a message");

  describe(`Crypto contract: ${name}`, () => {
    describe("hashes", () => {
      it.each(vectors.sha256)("SHA-256 of $message", async (vector) => {
        const bytes = hex(vector.message);
        expect(bytesToHex(crypto.sha256(bytes))).toBe(vector.digest);
        expect(bytesToHex(crypto.sha256(bytes.subarray(0, 1), bytes.subarray(1)))).toBe(vector.digest);
        expect(bytesToHex(await crypto.digest(bytes))).toBe(vector.digest);
      });
      it("SHA-256 of no part at all is that of no bytes", () => {
        expect(crypto.sha256()).toEqual(crypto.sha256(new Uint8Array(0)));
      });
      it.each(vectors.hmacSha256)("HMAC: $source", (vector) => {
        const bytes = hex(vector.message);
        expect(bytesToHex(crypto.hmacSha256(hex(vector.key), bytes))).toBe(vector.mac);
        expect(bytesToHex(crypto.hmacSha256(hex(vector.key), bytes.subarray(0, 3), bytes.subarray(3)))).toBe(
          vector.mac,
        );
      });
    });

    it("draws random bytes from the chance it was given", () => {
      expect(create(fixedChance(hex("0102030405"))).randomBytes(3)).toEqual(hex("010203"));
      expect(crypto.randomBytes(32)).not.toEqual(crypto.randomBytes(32));
    });

    describeSymmetric(crypto);
    describeSignatures(crypto, create, message);
    describeHpke(crypto, create, message);
    describePasswords(crypto);
  });
}

function describeSymmetric(crypto: Crypto): void {
  describe("derivation", () => {
    it.each(vectors.hkdfSha256)("HKDF: $source", async (vector) => {
      const key = await crypto.importDerivationKey(hex(vector.key));
      expect(key.extractable).toBe(false);
      const sizeBytes = vector.derived.length / 2;
      const derived = await crypto.derive(key, hex(vector.salt), hex(vector.info), sizeBytes);
      expect(bytesToHex(derived)).toBe(vector.derived);
    });
    it("gives up to 8160 bytes", async () => {
      const key = await crypto.importDerivationKey(new Uint8Array(32));
      expect(await crypto.derive(key, new Uint8Array(0), new Uint8Array(0), 8160)).toHaveLength(8160);
      await expect(crypto.derive(key, new Uint8Array(0), new Uint8Array(0), 8161)).rejects.toThrow();
    });
    it("takes keys of 32 bytes only", async () => {
      await expect(crypto.importDerivationKey(new Uint8Array(31))).rejects.toThrow();
      await expect(crypto.importCipherKey(new Uint8Array(16))).rejects.toThrow();
    });
  });

  describe("encryption", () => {
    const [vector] = vectors.aes256Gcm;
    if (vector === undefined) throw new Error("a vector is missing");
    const nonce = hex(vector.nonce);
    const additionalData = hex(vector.additionalData);
    const ciphertext = hex(vector.ciphertext);

    it(`AES-256-GCM: ${vector.source}`, async () => {
      const key = await crypto.importCipherKey(hex(vector.key));
      expect(key.extractable).toBe(false);
      expect(await crypto.encrypt(key, nonce, hex(vector.plaintext), additionalData)).toEqual(ciphertext);
      expect(await crypto.decrypt(key, nonce, ciphertext, additionalData)).toEqual(hex(vector.plaintext));
    });
    it("opens nothing that was changed, cut, moved or encrypted under another key", async () => {
      const key = await crypto.importCipherKey(hex(vector.key));
      for (let i = 0; i < ciphertext.length; i++) {
        const flipped = ciphertext.slice();
        flipped[i] = (flipped[i] ?? 0) ^ 1;
        expect(await crypto.decrypt(key, nonce, flipped, additionalData)).toBeUndefined();
      }
      for (const size of [0, 1, 15, 16, ciphertext.length - 1]) {
        expect(
          await crypto.decrypt(key, nonce, ciphertext.subarray(0, size), additionalData),
        ).toBeUndefined();
      }
      expect(await crypto.decrypt(key, nonce, ciphertext, additionalData.subarray(1))).toBeUndefined();
      expect(await crypto.decrypt(key, new Uint8Array(12), ciphertext, additionalData)).toBeUndefined();
      const otherKey = await crypto.importCipherKey(new Uint8Array(32));
      expect(await crypto.decrypt(otherKey, nonce, ciphertext, additionalData)).toBeUndefined();
    });
    it("takes views in the middle of larger memory", async () => {
      const key = await crypto.importCipherKey(hex(vector.key));
      const larger = new Uint8Array(ciphertext.length + 9);
      larger.set(ciphertext, 5);
      const view = larger.subarray(5, 5 + ciphertext.length);
      expect(await crypto.decrypt(key, nonce, view, additionalData)).toEqual(hex(vector.plaintext));
    });
  });
}

function describeSignatures(
  crypto: Crypto,
  create: (env: Pick<Env, "randomBytes">) => Crypto,
  message: Uint8Array,
): void {
  describe("signatures", () => {
    it.each(vectors.ed25519)("Ed25519: $source", async (vector) => {
      const pair = await crypto.importSigningPair(hex(vector.secret));
      if (pair === undefined) throw new Error("the platform refuses the key");
      expect(pair.privateKey.extractable).toBe(false);
      expect(bytesToHex(pair.publicKey)).toBe(vector.publicKey);
      expect(bytesToHex(await crypto.sign(pair.privateKey, hex(vector.message)))).toBe(vector.signature);
      expect(await crypto.verify(pair.publicKey, hex(vector.signature), hex(vector.message))).toBe(true);
    });
    it("makes a new pair from chance, and the same pair from the same seed", async () => {
      const pair = await create(fixedChance(hex("07".repeat(32)))).createSigningPair();
      expect(pair.secret).toEqual(hex("07".repeat(32)));
      expect((await crypto.importSigningPair(pair.secret))?.publicKey).toEqual(pair.publicKey);
      expect((await crypto.createSigningPair()).secret).not.toEqual(
        (await crypto.createSigningPair()).secret,
      );
    });
    it("makes sealed pairs that sign and cannot be read", async () => {
      const pair = await crypto.createSealedSigningPair();
      expect(pair.privateKey.extractable).toBe(false);
      expect(pair.publicKey).toHaveLength(32);
      const signature = await crypto.sign(pair.privateKey, message);
      expect(await crypto.verify(pair.publicKey, signature, message)).toBe(true);
    });
    it("refuses other messages, keys, signatures and sizes, without throwing", async () => {
      const pair = await crypto.createSealedSigningPair();
      const other = await crypto.createSealedSigningPair();
      const signature = await crypto.sign(pair.privateKey, message);
      expect(await crypto.verify(pair.publicKey, signature, message.subarray(1))).toBe(false);
      expect(await crypto.verify(other.publicKey, signature, message)).toBe(false);
      for (const i of [0, 31, 32, 63]) {
        const flipped = signature.slice();
        flipped[i] = (flipped[i] ?? 0) ^ 128;
        expect(await crypto.verify(pair.publicKey, flipped, message)).toBe(false);
      }
      expect(await crypto.verify(pair.publicKey, signature.subarray(1), message)).toBe(false);
      expect(await crypto.verify(pair.publicKey.subarray(1), signature, message)).toBe(false);
      expect(await crypto.verify(new Uint8Array(32).fill(255), signature, message)).toBe(false);
      expect(await crypto.importSigningPair(new Uint8Array(31))).toBeUndefined();
    });
    it("refuses keys of small order, under which a signature holds for any message", async () => {
      const identity = hex(`01${"00".repeat(31)}`);
      const forgery = hex(`01${"00".repeat(63)}`);
      for (const key of [identity, hex(`01${"00".repeat(30)}80`), hex(`ee${"ff".repeat(30)}7f`)]) {
        expect(await crypto.verify(key, forgery, message)).toBe(false);
      }
    });
  });
}

function describeHpke(
  crypto: Crypto,
  create: (env: Pick<Env, "randomBytes">) => Crypto,
  message: Uint8Array,
): void {
  const context: HpkeContext = { info: utf8ToBytes("info"), additionalData: utf8ToBytes("data") };

  describe("HPKE", () => {
    it.each(vectors.x25519)("X25519 public keys: $source", async (vector) => {
      const pair = await crypto.importEncryptionPair(hex(vector.secret));
      expect(pair?.privateKey.extractable).toBe(false);
      expect(bytesToHex(pair?.publicKey ?? new Uint8Array(0))).toBe(vector.publicKey);
    });
    it.each(vectors.hpke)("$source", async (vector) => {
      const pair = await crypto.importEncryptionPair(hex(vector.secret));
      if (pair === undefined) throw new Error("the platform refuses the key");
      const bound = {
        info: hex(vector.info),
        additionalData: hex(vector.additionalData),
        ...(vector.psk === undefined ? {} : { psk: hex(vector.psk), pskId: hex(vector.pskId) }),
      };
      const sealed = await create(fixedChance(hex(vector.ikmE))).sealTo(
        pair.publicKey,
        hex(vector.plaintext),
        bound,
      );
      expect(bytesToHex(sealed.subarray(0, 32))).toBe(vector.enc);
      expect(bytesToHex(sealed)).toBe(vector.sealed);
      expect(await crypto.openSealed(pair, sealed, bound)).toEqual(hex(vector.plaintext));
    });
    it("opens only for its recipient, in its context, with its psk, unchanged", async () => {
      const pair = await crypto.createEncryptionPair();
      const bound = { ...context, psk: new Uint8Array(32).fill(1), pskId: utf8ToBytes("id") };
      const sealed = await crypto.sealTo(pair.publicKey, message, bound);
      expect(sealed).toHaveLength(32 + message.length + 16);
      expect(await crypto.openSealed(pair, sealed, bound)).toEqual(message);
      const other = await crypto.createEncryptionPair();
      expect(await crypto.openSealed(other, sealed, bound)).toBeUndefined();
      expect(await crypto.openSealed(pair, sealed, context)).toBeUndefined();
      for (const change of [
        { info: message },
        { additionalData: message },
        { psk: new Uint8Array(32).fill(2) },
        { pskId: message },
      ]) {
        expect(await crypto.openSealed(pair, sealed, { ...bound, ...change })).toBeUndefined();
      }
      for (let i = 0; i < sealed.length; i++) {
        const flipped = sealed.slice();
        flipped[i] = (flipped[i] ?? 0) ^ 1;
        expect(await crypto.openSealed(pair, flipped, bound)).toBeUndefined();
      }
      for (const size of [0, 31, 47, sealed.length - 1]) {
        expect(await crypto.openSealed(pair, sealed.subarray(0, size), bound)).toBeUndefined();
      }
    });
    it("refuses public keys that are no keys, and short secrets", async () => {
      const invalid = { code: "input/invalid" };
      await expect(crypto.sealTo(new Uint8Array(31), message, context)).rejects.toMatchObject(invalid);
      await expect(crypto.sealTo(new Uint8Array(32), message, context)).rejects.toMatchObject(invalid);
      expect(await crypto.importEncryptionPair(new Uint8Array(33))).toBeUndefined();
    });
    it("never seals twice alike", async () => {
      const { publicKey } = await crypto.createEncryptionPair();
      expect(await crypto.sealTo(publicKey, message, context)).not.toEqual(
        await crypto.sealTo(publicKey, message, context),
      );
    });
  });
}

function describePasswords(crypto: Crypto): void {
  const salt = new Uint8Array(16);
  const cheap: KdfParameters = { algorithm: "pbkdf2-sha256", iterations: 600_000, salt };

  describe("passwords", () => {
    it.each(vectors.password)("$algorithm: $source", async (vector) => {
      const derived = await crypto.deriveFromPassword(vector.password, kdfParametersOf(vector));
      expect(bytesToHex(derived)).toBe(vector.derived);
    });
    it("takes every spelling of one text as one password", async () => {
      const composed = await crypto.deriveFromPassword("caf\u00e9", cheap);
      expect(await crypto.deriveFromPassword("cafe\u0301", cheap)).toEqual(composed);
      expect(await crypto.deriveFromPassword("cafe", cheap)).not.toEqual(composed);
    });
    it.each<[string, KdfParameters]>([
      ["little memory", { algorithm: "argon2id", memoryKiB: 8, passes: 3, lanes: 1, salt }],
      ["much memory", { algorithm: "argon2id", memoryKiB: 67_108_864, passes: 3, lanes: 1, salt }],
      ["one pass", { algorithm: "argon2id", memoryKiB: 65_536, passes: 1, lanes: 1, salt }],
      ["many passes", { algorithm: "argon2id", memoryKiB: 65_536, passes: 2 ** 31, lanes: 1, salt }],
      ["no lane", { algorithm: "argon2id", memoryKiB: 65_536, passes: 3, lanes: 0, salt }],
      ["half a pass", { algorithm: "argon2id", memoryKiB: 65_536, passes: 2.5, lanes: 1, salt }],
      ["one iteration", { algorithm: "pbkdf2-sha256", iterations: 1, salt }],
      ["many iterations", { algorithm: "pbkdf2-sha256", iterations: 2 ** 31, salt }],
      ["not a number", { algorithm: "pbkdf2-sha256", iterations: Number.NaN, salt }],
      ["a short salt", { ...cheap, salt: new Uint8Array(15) }],
      ["a long salt", { ...cheap, salt: new Uint8Array(65) }],
      ["another algorithm", { ...cheap, algorithm: "none" } as unknown as KdfParameters],
    ])("refuses parameters: %s", async (_, parameters) => {
      await expect(crypto.deriveFromPassword("x", parameters)).rejects.toMatchObject({
        code: "key/parameters",
      });
    });
    it("bounds passwords at 1 KiB, before and after normalising", async () => {
      const tooLarge = { code: "input/too-large" };
      await expect(crypto.deriveFromPassword("x".repeat(1025), cheap)).rejects.toMatchObject(tooLarge);
      await expect(crypto.deriveFromPassword("\ufdfa".repeat(60), cheap)).rejects.toMatchObject(tooLarge);
      await expect(crypto.deriveFromPassword("", cheap)).rejects.toMatchObject({ code: "input/invalid" });
      expect(await crypto.deriveFromPassword("x".repeat(1024), cheap)).toHaveLength(32);
    });
    it("proposes Argon2id with 64 MiB, 3 passes and a fresh salt", () => {
      const parameters = crypto.createKdfParameters();
      expect(parameters).toMatchObject({ algorithm: "argon2id", memoryKiB: 65_536, passes: 3, lanes: 1 });
      expect(parameters.salt).toHaveLength(16);
      expect(parameters.salt).not.toEqual(crypto.createKdfParameters().salt);
    });
  });
}
