import { build } from "esbuild";
import { expect, it } from "vitest";

async function bundle(source: string): Promise<string> {
  const stdin = { contents: source, resolveDir: import.meta.dirname, loader: "ts" } as const;
  const built = await build({ stdin, bundle: true, write: false, format: "esm", logLevel: "silent" });
  return built.outputFiles[0]?.text ?? "";
}

it("E6: what a relay imports reaches nothing that decrypts, unwraps or takes passwords", async () => {
  const relay = await bundle(`
    export { createWebVerifier } from "../crypto/index.ts";
    export { encodeCommit, parseCommit, verifyCommit } from "./index.ts";
  `);
  expect(relay).toContain("Ed25519");
  for (const word of ["decrypt", "AES-GCM", "deriveBits", "HPKE", "PBKDF2", "argon2", "coffer/seal"]) {
    expect(relay).not.toContain(word);
  }
  expect(await bundle(`export { openEntries } from "./index.ts"`)).toContain("decrypt");
});
