/**
 * Start everything: `npm start`, with `PORT` and `COFFER_DATA` as its settings, or `npm start -- --port N --data DIR`.
 *
 * It installs what is missing, builds what is stale, and runs the sync server, which serves the demo too. It needs nothing
 * that Node does not bring.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";
import { parseArgs } from "node:util";
import { fromRoot, rootPath } from "../build/paths.mjs";
import { installDependencies } from "./install.mjs";
import { run } from "./run.mjs";

const { values } = parseArgs({
  options: { port: { type: "string" }, data: { type: "string" } },
  strict: false,
});

/**
 * The wanted port, or the next free one when another program holds it and the user named none.
 *
 * @param {string | boolean | undefined} named
 */
async function choosePort(named) {
  if (typeof named === "string" && named !== "") return Number(named);
  for (let port = 8080; port < 8100; port += 1) if (await isFree(port)) return port;
  throw new Error("No port between 8080 and 8099 is free; name one with --port");
}

/**
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}

/** The server's command as its package names it. */
function serverCommand() {
  /** @type {{ bin?: string | Record<string, string> }} */
  const { bin } = JSON.parse(readFileSync(fromRoot("server", "package.json"), "utf8"));
  const named = typeof bin === "string" ? bin : (bin?.["cofferdb-server"] ?? Object.values(bin ?? {})[0]);
  const path = fromRoot("server", named ?? "dist/cli.js");
  if (!existsSync(path)) throw new Error(`The server's command is missing: ${path}`);
  return path;
}

async function main() {
  if (!(await installDependencies())) throw new Error("The dependencies could not be installed");
  const code = await run(process.execPath, [fromRoot("scripts", "build.mjs"), "server", "demo"]);
  if (code !== 0) throw new Error("The build failed");
  const port = await choosePort(values.port ?? process.env.PORT);
  const dataFolder =
    typeof values.data === "string" ? values.data : (process.env.COFFER_DATA ?? fromRoot(".data"));
  mkdirSync(dataFolder, { recursive: true });
  const args = [
    serverCommand(),
    "--data",
    dataFolder,
    "--port",
    String(port),
    "--demo",
    fromRoot("demo", "dist"),
  ];
  const server = spawn(process.execPath, args, { cwd: rootPath, stdio: ["ignore", "inherit", "inherit"] });
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"]))
    process.on(signal, () => server.kill(signal));
  server.once("exit", (exitCode, signal) => {
    process.exitCode = exitCode ?? (signal === null ? 1 : 0);
  });
  if (await answers(port, server)) console.log(`CofferDB is at http://localhost:${port}/ (Ctrl+C stops it)`);
}

/**
 * Wait until the server answers, or ends.
 *
 * @param {number} port
 * @param {import("node:child_process").ChildProcess} server
 */
async function answers(port, server) {
  for (let tries = 0; tries < 200 && server.exitCode === null; tries += 1) {
    const answer = await fetch(`http://localhost:${port}/`).catch(() => undefined);
    if (answer !== undefined) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

await main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
