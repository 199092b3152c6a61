import { describe, expect, it } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { describeCrypto } from "../crypto/crypto-contract.ts";
import { bytesToHex } from "../std/index.ts";
import { createNodeCrypto } from "./node-crypto.ts";
import { createRandom } from "./pcg32.ts";

// What a password costs is the one thing that differs; its vectors are held against the real derivation.
describeCrypto("node:crypto", (env) => ({
  ...createNodeCrypto(env),
  deriveFromPassword: (password, parameters) => createWebCrypto(env).deriveFromPassword(password, parameters),
}));

describe("chance", () => {
  it("is PCG32", () => {
    const random = createRandom(42, 54);
    const drawn = Array.from({ length: 6 }, () => random.u32().toString(16));
    expect(drawn).toEqual(["a15c02b7", "7b47f409", "ba1d3330", "83d2f293", "bfa4784b", "cbed606e"]);
  });
  it("draws without bias below a limit that does not divide 2^32", () => {
    const random = createRandom(1);
    const counts = [0, 0, 0];
    for (let i = 0; i < 30_000; i++) counts[random.below(3)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});

describe("node:crypto", () => {
  it("derives cheaply from a password, within the same limits", async () => {
    const crypto = createNodeCrypto({ randomBytes: (size) => new Uint8Array(size).fill(3) });
    const parameters = crypto.createKdfParameters();
    const derived = await crypto.deriveFromPassword("caf\u00e9", parameters);
    expect(await crypto.deriveFromPassword("cafe\u0301", parameters)).toEqual(derived);
    expect(await crypto.deriveFromPassword("cafe", parameters)).not.toEqual(derived);
    expect(
      await crypto.deriveFromPassword("caf\u00e9", { ...parameters, salt: new Uint8Array(16) }),
    ).not.toEqual(derived);
    const weak = { algorithm: "pbkdf2-sha256", iterations: 1, salt: parameters.salt } as const;
    await expect(crypto.deriveFromPassword("x", weak)).rejects.toMatchObject({ code: "key/parameters" });
    await expect(crypto.deriveFromPassword("x".repeat(1025), parameters)).rejects.toMatchObject({
      code: "input/too-large",
    });
    await expect(crypto.deriveFromPassword("", parameters)).rejects.toMatchObject({ code: "input/invalid" });
  });
  it("tells of the secrets that go into keys", async () => {
    const told: string[] = [];
    const crypto = createNodeCrypto({ randomBytes: (size) => new Uint8Array(size).fill(5) }, (secret) =>
      told.push(bytesToHex(secret)),
    );
    await crypto.importDerivationKey(new Uint8Array(32).fill(1));
    await crypto.createSealedSigningPair();
    expect(told).toEqual(["01".repeat(32), "05".repeat(32)]);
  });
  it("makes the same keys and messages from the same seed", async () => {
    const once = async (): Promise<readonly string[]> => {
      const random = createRandom(7);
      const crypto = createNodeCrypto({ randomBytes: (size) => random.bytes(size) });
      const pair = await crypto.createSealedSigningPair();
      const recipient = await crypto.createEncryptionPair();
      const sealed = await crypto.sealTo(recipient.publicKey, Uint8Array.of(1, 2), {
        info: Uint8Array.of(),
        additionalData: Uint8Array.of(),
      });
      return [pair.publicKey, sealed].map(bytesToHex);
    };
    expect(await once()).toEqual(await once());
  });
});
