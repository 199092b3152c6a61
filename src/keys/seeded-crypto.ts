import { ByteWriter, utf8ToBytes } from "../std/index.ts";
import { createWebCrypto, createWebVerifier, kdfLimits, type Crypto } from "../crypto/index.ts";

/**
 * Create a Crypto whose random bytes follow from a seed, with password functions at their floor: for tests and vectors.
 *
 * @param passwords `instant` replaces password derivation by a hash that ignores the parameters, so that matrices of
 *   thousands of vaults stay quick and only the seals are left to notice changed parameters
 */
export function createSeededCrypto(seed: string, passwords: "real" | "instant" = "instant"): Crypto {
  const { sha256 } = createWebVerifier();
  let draw = 0;
  const randomBytes = (sizeBytes: number): Uint8Array<ArrayBuffer> => {
    const writer = new ByteWriter(sizeBytes + 32);
    while (writer.length < sizeBytes) {
      writer.fixed(sha256(utf8ToBytes(`${seed} ${draw}`)));
      draw++;
    }
    return writer.toBytes().slice(0, sizeBytes);
  };
  const { argon2id } = kdfLimits;
  const crypto: Crypto = {
    ...createWebCrypto({ randomBytes }),
    createKdfParameters: () => ({
      algorithm: "argon2id",
      memoryKiB: argon2id.memoryKiB[0],
      passes: argon2id.passes[0],
      lanes: argon2id.lanes[0],
      salt: randomBytes(16),
    }),
  };
  if (passwords === "real") return crypto;
  return {
    ...crypto,
    deriveFromPassword: async (password) => sha256(utf8ToBytes(password.normalize("NFKC"))),
  };
}
