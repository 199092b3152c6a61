/**
 * Keys from passwords. Parameters come from stored or received data, so they are judged before any work is
 * done: too weak ones would be a downgrade, too strong ones a bomb.
 */
import { CofferError, utf8ToBytes } from "../std/index.ts";
import { toBufferSource } from "./buffer-source.ts";
import { kdfLimits, type Crypto, type KdfParameters } from "./crypto.ts";

/** Longest password, in bytes of its normalised UTF-8. */
export const maxPasswordBytes = 1024;

const derivedKeyBytes = 32;

/**
 * Derive 32 bytes from a password, normalised (NFKC) so that every keyboard spells it the same.
 *
 * @throws `key/parameters` outside {@link kdfLimits}, before any work; `input/too-large` over
 *   {@link maxPasswordBytes}; `input/invalid` when it is empty
 */
export async function deriveFromPassword(
  password: string,
  parameters: KdfParameters,
): Promise<Uint8Array<ArrayBuffer>> {
  checkKdfParameters(parameters);
  const secret = passwordToBytes(password);
  try {
    if (parameters.algorithm === "pbkdf2-sha256") return await derivePbkdf2(secret, parameters);
    const { deriveArgon2id } = await import("./argon2.ts");
    return await deriveArgon2id(secret, parameters, derivedKeyBytes);
  } finally {
    secret.fill(0);
  }
}

/** The parameters for a new password: Argon2id, 64 MiB, 3 passes, 1 lane, a fresh salt. */
export function createKdfParameters(crypto: Pick<Crypto, "randomBytes">): KdfParameters {
  return { algorithm: "argon2id", memoryKiB: 65_536, passes: 3, lanes: 1, salt: crypto.randomBytes(16) };
}

function checkKdfParameters(parameters: KdfParameters): void {
  const problem = kdfProblem(parameters);
  if (problem !== undefined) throw new CofferError("key/parameters", { field: problem });
}

function kdfProblem(parameters: KdfParameters): string | undefined {
  if (!isWithin(parameters.salt.length, kdfLimits.saltBytes)) return "salt";
  const { argon2id, pbkdf2 } = kdfLimits;
  switch (parameters.algorithm) {
    case "argon2id":
      if (!isWithin(parameters.memoryKiB, argon2id.memoryKiB)) return "memoryKiB";
      if (!isWithin(parameters.passes, argon2id.passes)) return "passes";
      return isWithin(parameters.lanes, argon2id.lanes) ? undefined : "lanes";
    case "pbkdf2-sha256":
      return isWithin(parameters.iterations, pbkdf2.iterations) ? undefined : "iterations";
    default:
      return "algorithm";
  }
}

function isWithin(value: number, [floor, ceiling]: readonly [number, number]): boolean {
  return Number.isInteger(value) && value >= floor && value <= ceiling;
}

function passwordToBytes(password: string): Uint8Array<ArrayBuffer> {
  // Normalising can lengthen text eighteenfold, so the raw text is bounded too.
  if (password.length > maxPasswordBytes)
    throw new CofferError("input/too-large", { maxBytes: maxPasswordBytes });
  const bytes = utf8ToBytes(password.normalize("NFKC"));
  if (bytes.length > maxPasswordBytes)
    throw new CofferError("input/too-large", { maxBytes: maxPasswordBytes });
  if (bytes.length === 0) throw new CofferError("input/invalid", { message: "The password is empty." });
  return bytes;
}

async function derivePbkdf2(
  secret: Uint8Array<ArrayBuffer>,
  parameters: KdfParameters & { algorithm: "pbkdf2-sha256" },
): Promise<Uint8Array<ArrayBuffer>> {
  const key = await crypto.subtle.importKey("raw", secret, "PBKDF2", false, ["deriveBits"]);
  const { iterations } = parameters;
  const salt = toBufferSource(parameters.salt);
  const bits = await crypto.subtle.deriveBits(
    { name: "PBKDF2", hash: "SHA-256", salt, iterations },
    key,
    derivedKeyBytes * 8,
  );
  return new Uint8Array(bits);
}
