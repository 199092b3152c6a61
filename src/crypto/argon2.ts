/** Argon2id in WebAssembly. Loaded when a password is derived, so that nothing else pays for it. */
import { argon2id } from "hash-wasm";
import { CofferError, copyBytes } from "../std/index.ts";
import type { KdfParameters } from "./crypto.ts";

/**
 * Derive `sizeBytes` bytes from a password with parameters that were already judged.
 *
 * @throws `key/parameters` when the platform cannot run it: no WebAssembly, or not that much memory
 * @see RFC 9106
 */
export async function deriveArgon2id(
  secret: Uint8Array,
  parameters: KdfParameters & { algorithm: "argon2id" },
  sizeBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const derived = await argon2id({
      password: secret,
      salt: parameters.salt,
      iterations: parameters.passes,
      parallelism: parameters.lanes,
      memorySize: parameters.memoryKiB,
      hashLength: sizeBytes,
      outputType: "binary",
    });
    return copyBytes(derived);
  } catch (cause) {
    throw new CofferError("key/parameters", { memoryKiB: parameters.memoryKiB }, { cause });
  }
}
