/** SHA-256 in JavaScript, which every thread has at once. */
import { sha256 } from "@noble/hashes/sha2.js";
import type { Verifier } from "./crypto.ts";

/** Hash the parts, one behind the other: 32 bytes. */
export const hashParts: Verifier["sha256"] = (...parts) => {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return sha256(only);
  const hash = sha256.create();
  for (const part of parts) hash.update(part);
  return hash.digest();
};
