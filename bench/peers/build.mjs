/** Installs the peers where they are missing, and builds the pages of the comparison. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { build } from "vite";
import { fromRoot } from "../../build/paths.mjs";
import { automergeGlue } from "../../build/plugins.mjs";
import { run } from "../../scripts/run.mjs";

const folder = fromRoot("bench", "peers");

/** Build the pages with every peer as a chunk of its own. @returns the folder it is in */
export async function buildPeers() {
  if (!existsSync(join(folder, "node_modules", "jazz-tools"))) {
    const code = await run("npm", ["ci", "--ignore-scripts", "--prefix", folder]);
    if (code !== 0) throw new Error("The peers could not be installed");
  }
  const outDir = join(folder, "dist");
  await build({
    configFile: false,
    root: folder,
    base: "./",
    logLevel: "error",
    define: { "process.env.NODE_ENV": '"production"', global: "globalThis" },
    plugins: [automergeGlue()],
    worker: { format: "es", plugins: () => [automergeGlue()] },
    resolve: {
      alias: [
        { find: /^cofferdb$/, replacement: fromRoot("dist", "index.js") },
        // PouchDB asks for Node's module; the package of that name is its form for browsers.
        { find: /^events$/, replacement: join(folder, "node_modules", "events", "events.js") },
      ],
      dedupe: ["@automerge/automerge"],
    },
    build: {
      outDir,
      emptyOutDir: true,
      target: "es2022",
      assetsInlineLimit: 0,
      modulePreload: false,
      rolldownOptions: { input: ["index.html", "sync.html"].map((page) => join(folder, page)) },
    },
  });
  return outDir;
}
