/** The server as one file that a process of its own runs, for tests that kill it. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll } from "vitest";

const fromServer = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

/**
 * Bundle the server's command before the tests of this place, and remove it after them.
 *
 * @returns where it lies once they run
 */
export function bundleServer(): { readonly path: string } {
  let folder = "";
  beforeAll(async () => {
    // Where Node finds its dependencies.
    const cache = fromServer("../node_modules/.cache");
    mkdirSync(cache, { recursive: true });
    folder = mkdtempSync(join(cache, "coffer-server-"));
    await build({
      entryPoints: [fromServer("src/cli.ts")],
      outfile: join(folder, "cli.mjs"),
      bundle: true,
      platform: "node",
      target: "node20",
      format: "esm",
      external: ["@hono/node-server", "ws", "libsql", "pg"],
    });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return {
    get path() {
      return join(folder, "cli.mjs");
    },
  };
}
