/**
 * Build what is stale: `node scripts/build.mjs [library] [server] [demo] [--force]`; without names, all three.
 *
 * A part is stale when one of its sources is younger than the mark its last build left. The server is part of it, because
 * it shares the library's rooms; it becomes plain JavaScript for Node with its dependencies left outside.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { firstExisting, fromRoot, rootPath } from "../build/paths.mjs";

const shared = [
  "build",
  "src",
  "worker",
  "sw",
  "package.json",
  "package-lock.json",
  "tsconfig.base.json",
  "scripts/build.mjs",
];

/** @type {Record<string, { sources: string[], outDir: string, run: () => Promise<void> }>} */
const parts = {
  library: { sources: shared, outDir: "dist", run: buildLibrary },
  server: { sources: [...shared, "server"], outDir: "server/dist", run: buildServer },
  demo: { sources: [...shared, "demo", "vite.config.ts"], outDir: "demo/dist", run: buildDemo },
};

/**
 * The newest change below some paths, in milliseconds; built files, dependencies and tests do not count.
 *
 * @param {string} path
 * @returns {number}
 */
function newestMs(path) {
  if (!existsSync(path)) return 0;
  const stats = statSync(path);
  if (!stats.isDirectory()) return /\.(test|test-d|bench)\.tsx?$/.test(path) ? 0 : stats.mtimeMs;
  const names = readdirSync(path).filter((name) => !["dist", "node_modules"].includes(name));
  // A deleted file changes only its folder, so the folder's own time counts too.
  return Math.max(stats.mtimeMs, ...names.map((name) => newestMs(join(path, name))));
}

/** @param {{ sources: string[], outDir: string }} part */
function isStale(part) {
  const mark = fromRoot(part.outDir, ".built");
  if (!existsSync(mark)) return true;
  return Math.max(...part.sources.map((source) => newestMs(fromRoot(source)))) > statSync(mark).mtimeMs;
}

async function buildLibrary() {
  const { build } = await import("vite");
  const { libraryBuilds } = await import("../build/library.mjs");
  const builds = libraryBuilds({ root: rootPath, outDir: fromRoot("dist") });
  for (const { name, entry, config } of builds) {
    if (!existsSync(fromRoot(entry))) throw new Error(`${name} cannot be built: ${entry} is missing`);
    await build(config);
  }
  emitTypes();
  checkLibrary();
}

/** Write the declarations that the public entries reach. Type errors are the type check's business, not the build's. */
function emitTypes() {
  const outDir = fromRoot("dist", "types");
  const tsc = fromRoot("node_modules", "typescript", "bin", "tsc");
  const result = spawnSync(
    process.execPath,
    [tsc, "-p", fromRoot("build", "tsconfig.declarations.json"), "--outDir", outDir],
    {
      stdio: "inherit",
    },
  );
  if (result.status !== 0) throw new Error("The declarations could not be written");
  for (const entry of readdirSync(outDir, { recursive: true, encoding: "utf8" })) {
    if (!entry.endsWith(".d.ts")) continue;
    const path = join(outDir, entry);
    const text = readFileSync(path, "utf8");
    // Declarations name `.ts` files that the package does not ship; their `.js` names lead every resolver to the `.d.ts`.
    writeFileSync(path, text.replaceAll(/(["'])(\.{1,2}\/[^"']+)\.ts\1/g, "$1$2.js$1"));
  }
}

/** Check what consumers depend on, so that a change of bundler cannot quietly break them. */
function checkLibrary() {
  const index = readFileSync(fromRoot("dist", "index.js"), "utf8");
  const literal = /new Worker\(\s*(?:[\w.$]+\()?new URL\("\.\/worker\.js", import\.meta\.url\)/;
  if (!literal.test(index))
    throw new Error('dist/index.js lacks the literal new Worker(new URL("./worker.js", import.meta.url), …)');
  const scriptTag = readFileSync(fromRoot("dist", "coffer.global.js"), "utf8");
  if (!index.includes('import("./more.js")') || !/import\(new URL\(.more\.js.,/.test(scriptTag))
    throw new Error("dist/index.js or dist/coffer.global.js does not import more.js");
  const more = readFileSync(fromRoot("dist", "more.js"), "utf8");
  if (/\bimport\b/.test(more)) throw new Error("dist/more.js is not self-contained");
  const extract = readFileSync(fromRoot("dist", "extract.js"), "utf8");
  for (const name of ["pdf", "picture"])
    if (!extract.includes(`new Worker(new URL("./extract-${name}.js", import.meta.url)`))
      throw new Error(`dist/extract.js does not name extract-${name}.js`);
  if (!existsSync(fromRoot("dist", "automerge.wasm")))
    throw new Error("dist/automerge.wasm was not written by the worker's build");
}

async function buildServer() {
  const cli = firstExisting("server/cli.ts", "server/src/cli.ts");
  const index = firstExisting("server/index.ts", "server/src/index.ts");
  if (cli === undefined) throw new Error("server/cli.ts is missing");
  const input = index === undefined ? { cli } : { cli, index };
  const { dependencies } = JSON.parse(readFileSync(fromRoot("server", "package.json"), "utf8"));
  const { build } = await import("vite");
  await build({
    configFile: false,
    root: fromRoot("server"),
    logLevel: "warn",
    // The rooms' own dependencies go into the bundle; the server's stay outside, since one of them is a native addon.
    ssr: { target: "node", noExternal: true, external: Object.keys(dependencies ?? {}) },
    build: {
      ssr: true,
      outDir: fromRoot("server", "dist"),
      emptyOutDir: false,
      target: "node20",
      minify: false,
      rolldownOptions: { input, output: { entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" } },
    },
  });
}

async function buildDemo() {
  if (!existsSync(fromRoot("demo", "index.html"))) throw new Error("demo/index.html is missing");
  const { build } = await import("vite");
  await build({ configFile: fromRoot("vite.config.ts"), root: fromRoot("demo"), logLevel: "warn" });
}

async function main() {
  const args = process.argv.slice(2);
  const isForced = args.includes("--force");
  const named = args.filter((arg) => !arg.startsWith("--"));
  for (const [name, part] of Object.entries(parts)) {
    if (named.length > 0 && !named.includes(name)) continue;
    if (!isForced && !isStale(part)) {
      console.log(`${name}: up to date`);
      continue;
    }
    const startedMs = Date.now();
    const outDir = fromRoot(part.outDir);
    rmSync(outDir, { recursive: true, force: true });
    mkdirSync(outDir, { recursive: true });
    await part.run();
    writeFileSync(join(outDir, ".built"), `${new Date(startedMs).toISOString()}\n`);
    console.log(`${name}: built in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
  }
}

await main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
