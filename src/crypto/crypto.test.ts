import { createCipheriv, createHash, hkdfSync, pbkdf2Sync } from "node:crypto";
import { argon2id } from "@noble/hashes/argon2.js";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { bytesToHex, concatBytes, utf8ToBytes } from "../std/index.ts";
import { describeCrypto, hex, kdfParametersOf } from "./crypto-contract.ts";
import vectors from "./crypto.vectors.json";
import { createFastHash, createWebCrypto, createWebVerifier } from "./index.ts";
import { runsOf } from "../std/runs-fixtures.ts";

describeCrypto("WebCrypto in Node", createWebCrypto);

const fast = createFastHash();
const isFast = await fast.settled;
describeCrypto("WebCrypto in Node, hashing in WebAssembly", (env) => createWebCrypto(env, fast.sha256));

describe("hashing in WebAssembly", () => {
  it("takes over where there is WebAssembly, and leaves the JavaScript form where there is none", async () => {
    expect(isFast).toBe(true);
    vi.stubGlobal("WebAssembly", undefined);
    vi.resetModules();
    const { createFastHash: createSlowHash } = await import("./index.ts");
    const slow = createSlowHash();
    expect(await slow.settled).toBe(false);
    expect(bytesToHex(slow.sha256(utf8ToBytes("abc")))).toBe(bytesToHex(fast.sha256(utf8ToBytes("abc"))));
    vi.unstubAllGlobals();
  });

  it("gives what the platform gives, each time in bytes of their own", () => {
    const { sha256 } = createWebVerifier();
    const parts = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 });
    fc.assert(
      fc.property(parts, fc.nat(100_000), (list, sizeBytes) => {
        const large = new Uint8Array(sizeBytes).fill(7);
        const all = [...list, large.subarray(0, sizeBytes % 3 === 0 ? sizeBytes : 0)];
        const digest = fast.sha256(...all);
        expect(bytesToHex(digest)).toBe(
          createHash("sha256")
            .update(concatBytes(...all))
            .digest("hex"),
        );
        expect(fast.sha256(large)).toEqual(sha256(large));
        expect(digest).toEqual(sha256(...all));
      }),
    );
  });
});

/** HKDF as RFC 5869 §2 writes it. */
function extract(salt: Uint8Array, secret: Uint8Array): Uint8Array {
  return createWebCrypto().hmacSha256(salt.length === 0 ? new Uint8Array(32) : salt, secret);
}
function expand(key: Uint8Array, info: Uint8Array, sizeBytes: number): Uint8Array {
  let block = new Uint8Array(0);
  let all = new Uint8Array(0);
  for (let i = 1; all.length < sizeBytes; i++) {
    block = createWebCrypto().hmacSha256(key, block, info, new Uint8Array([i]));
    all = concatBytes(all, block);
  }
  return all.subarray(0, sizeBytes);
}

/** HPKE's key schedule and single-shot seal as RFC 9180 §5.1 writes it, from the KEM's shared secret on. */
function sealTwin(
  sharedSecret: Uint8Array,
  message: {
    info: Uint8Array;
    additionalData: Uint8Array;
    plaintext: Uint8Array;
    psk?: Uint8Array;
    pskId?: Uint8Array;
  },
  aead: { id: number; keyBytes: 16 | 32 },
): Uint8Array {
  const suiteId = concatBytes(utf8ToBytes("HPKE"), new Uint8Array([0, 0x20, 0, 1, 0, aead.id]));
  const labeledExtract = (salt: Uint8Array, label: string, secret: Uint8Array): Uint8Array =>
    extract(salt, concatBytes(utf8ToBytes("HPKE-v1"), suiteId, utf8ToBytes(label), secret));
  const labeledExpand = (key: Uint8Array, label: string, info: Uint8Array, sizeBytes: number): Uint8Array =>
    expand(
      key,
      concatBytes(new Uint8Array([0, sizeBytes]), utf8ToBytes("HPKE-v1"), suiteId, utf8ToBytes(label), info),
      sizeBytes,
    );
  const none = new Uint8Array(0);
  const context = concatBytes(
    new Uint8Array([message.psk === undefined ? 0 : 1]),
    labeledExtract(none, "psk_id_hash", message.pskId ?? none),
    labeledExtract(none, "info_hash", message.info),
  );
  const secret = labeledExtract(sharedSecret, "secret", message.psk ?? none);
  const key = labeledExpand(secret, "key", context, aead.keyBytes);
  const nonce = labeledExpand(secret, "base_nonce", context, 12);
  const cipher = createCipheriv(aead.keyBytes === 16 ? "aes-128-gcm" : "aes-256-gcm", key, nonce);
  cipher.setAAD(message.additionalData);
  return concatBytes(cipher.update(message.plaintext), cipher.final(), cipher.getAuthTag());
}

describe("twins", () => {
  const crypto = createWebCrypto();

  it("HKDF's twin gives RFC 5869 §A.1, and HKDF gives what the twin gives", async () => {
    const derived = expand(
      extract(hex("000102030405060708090a0b0c"), hex("0b".repeat(22))),
      hex("f0f1f2f3f4f5f6f7f8f9"),
      42,
    );
    expect(bytesToHex(derived)).toBe(
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
    const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        bytes(80),
        bytes(80),
        fc.integer({ min: 1, max: 200 }),
        async (secret, salt, info, sizeBytes) => {
          const key = await crypto.importDerivationKey(secret);
          expect(await crypto.derive(key, salt, info, sizeBytes)).toEqual(
            expand(extract(salt, secret), info, sizeBytes),
          );
        },
      ),
      { numRuns: runsOf(50) },
    );
  });

  it("HKDF's vector is node's", () => {
    for (const { key, salt, info, derived } of vectors.hkdfSha256) {
      const expected = hkdfSync("sha256", hex(key), hex(salt), hex(info), derived.length / 2);
      expect(derived).toBe(bytesToHex(new Uint8Array(expected)));
    }
  });

  it("HPKE's twin gives RFC 9180 §A.1.1, and the vectors are the twin's", () => {
    const sharedSecret = hex("fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc");
    for (const vector of vectors.hpke) {
      const message = {
        info: hex(vector.info),
        additionalData: hex(vector.additionalData),
        plaintext: hex(vector.plaintext),
        ...(vector.psk === undefined ? {} : { psk: hex(vector.psk), pskId: hex(vector.pskId) }),
      };
      if (vector.psk === undefined) {
        expect(bytesToHex(sealTwin(sharedSecret, message, { id: 1, keyBytes: 16 }))).toBe(
          "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a",
        );
      }
      const sealed = concatBytes(hex(vector.enc), sealTwin(sharedSecret, message, { id: 2, keyBytes: 32 }));
      expect(vector.sealed).toBe(bytesToHex(sealed));
    }
  });

  it("Argon2id's twin gives RFC 9106 §5.3, and the vectors are the twins'", () => {
    const tag = argon2id(hex("01".repeat(32)), hex("02".repeat(16)), {
      t: 3,
      m: 32,
      p: 4,
      dkLen: 32,
      key: hex("03".repeat(8)),
      personalization: hex("04".repeat(12)),
    });
    expect(bytesToHex(tag)).toBe("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
    for (const vector of vectors.password) {
      const parameters = kdfParametersOf(vector);
      const derived =
        parameters.algorithm === "argon2id"
          ? argon2id(utf8ToBytes(vector.password), parameters.salt, {
              t: parameters.passes,
              m: parameters.memoryKiB,
              p: parameters.lanes,
              dkLen: 32,
            })
          : pbkdf2Sync(vector.password, parameters.salt, parameters.iterations, 32, "sha256");
      expect(vector.derived).toBe(bytesToHex(derived));
    }
  });

  it("SHA-256 and HMAC are node's for any split into parts", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (parts) => {
        const expected = createHash("sha256")
          .update(concatBytes(...parts))
          .digest("hex");
        expect(bytesToHex(crypto.sha256(...parts))).toBe(expected);
      }),
    );
  });
});

describe("createWebVerifier", () => {
  it("holds what a relay may hold, and nothing that decrypts", () => {
    expect(Object.keys(createWebVerifier()).sort()).toEqual([
      "createSealedSigningPair",
      "randomBytes",
      "sha256",
      "sign",
      "verify",
    ]);
  });
});
