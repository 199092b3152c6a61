/** Running other programs from the scripts: their output goes straight to the terminal, and no standard input is needed. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { fromRoot, rootPath } from "../build/paths.mjs";

const isWindows = process.platform === "win32";

/**
 * Run a command to its end with its output on the terminal.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string>, cwd?: string }} [options]
 * @returns {Promise<number>} the exit code; 1 when the command could not be started or was killed
 */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? rootPath,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, ...options.env },
      shell: isWindows && command === "npm",
    });
    child.once("error", (error) => {
      console.error(`${command} could not be started: ${error.message}`);
      resolve(1);
    });
    child.once("close", (code) => resolve(code ?? 1));
  });
}

/**
 * Run a command quietly and tell whether it succeeded.
 *
 * @param {string} command
 * @param {readonly string[]} args
 */
export function succeeds(command, args) {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

/**
 * Run an installed package's command with this very Node, so that no shell and no PATH is involved.
 *
 * @param {string} packageName
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string> }} [options]
 */
export function runTool(packageName, args, options = {}) {
  const path = toolPath(packageName);
  return path === undefined ? Promise.resolve(1) : run(process.execPath, [path, ...args], options);
}

/** @param {string} packageName */
function toolPath(packageName) {
  const manifestPath = fromRoot("node_modules", packageName, "package.json");
  if (!existsSync(manifestPath)) {
    console.error(`${packageName} is not installed`);
    return undefined;
  }
  /** @type {{ bin?: string | Record<string, string> }} */
  const { bin } = JSON.parse(readFileSync(manifestPath, "utf8"));
  const shortName = packageName.split("/").at(-1) ?? packageName;
  const relative = typeof bin === "string" ? bin : (bin?.[shortName] ?? Object.values(bin ?? {})[0]);
  return relative === undefined ? undefined : fromRoot("node_modules", packageName, relative);
}
