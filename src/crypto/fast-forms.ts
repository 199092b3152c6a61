/** The faster forms of what small messages need, which a thread may ask for. */
import type { Crypto, Verifier } from "./crypto.ts";
import { hashParts } from "./hash.ts";
import type { Kernel } from "./kernel.ts";

/** SHA-256 that becomes faster, and encryption that does without the platform. */
export interface FastForms {
  readonly sha256: Verifier["sha256"];
  readonly encryptSmall: NonNullable<Crypto["encryptSmall"]>;
  /** whether they became so */
  readonly settled: Promise<boolean>;
}

/**
 * Hash in JavaScript and leave encryption to the platform at first, and do both in WebAssembly from when that is compiled; the results are
 * the same. Where the platform refuses WebAssembly it stays so.
 */
export function createFastForms(): FastForms {
  let kernel: Kernel | undefined;
  const compile = async (): Promise<void> => {
    const { compileKernel } = await import("./kernel.ts");
    kernel = await compileKernel();
  };
  const settled = compile().then(
    () => true,
    () => false,
  );
  return {
    sha256: (...parts) => (kernel?.sha256 ?? hashParts)(...parts),
    encryptSmall: (secret, messages) =>
      kernel?.encryptSmall(secret, messages) ?? messages.map(() => undefined),
    settled,
  };
}
