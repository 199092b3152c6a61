/** The faster form of SHA-256 that a thread may ask for. */
import type { Verifier } from "./crypto.ts";
import { hashParts } from "./hash.ts";

/** SHA-256 that becomes faster. */
export interface FastHash {
  readonly sha256: Verifier["sha256"];
  /** whether it became so */
  readonly settled: Promise<boolean>;
}

/**
 * Hash in JavaScript at first, and in WebAssembly from when that is compiled; the results are the same. Where the platform refuses
 * WebAssembly it stays with JavaScript.
 */
export function createFastHash(): FastHash {
  let hash = hashParts;
  const compile = async (): Promise<void> => {
    const { compileSha256 } = await import("./wasm-hash.ts");
    hash = await compileSha256();
  };
  const settled = compile().then(
    () => true,
    () => false,
  );
  return { sha256: (...parts) => hash(...parts), settled };
}
