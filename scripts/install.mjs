/** Installing what is missing: the dependencies, and a browser and a PostgreSQL for the tests. */
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { findChromium } from "../build/chromium.mjs";
import { fromRoot } from "../build/paths.mjs";
import { embeddedPostgres, embeddedPostgresPath, findPostgres } from "../build/postgres.mjs";
import { run, runTool, succeeds } from "./run.mjs";

/**
 * Install the dependencies when they are missing or older than the lockfile.
 *
 * @returns {Promise<boolean>} whether they are there now
 */
export async function installDependencies() {
  // npm writes this file at the end of every installation, so its age is that of the last complete one.
  const mark = fromRoot("node_modules", ".package-lock.json");
  const sources = ["package.json", "package-lock.json", "server/package.json"]
    .map((path) => fromRoot(path))
    .filter(existsSync);
  const newestMs = Math.max(...sources.map((path) => statSync(path).mtimeMs));
  if (existsSync(mark) && statSync(mark).mtimeMs >= newestMs) return true;
  if (existsSync(mark) && (await isComplete())) return true;
  console.log("Installing the dependencies …");
  if ((await run("npm", ["ci", "--no-audit", "--no-fund"])) === 0) return true;
  console.log("npm ci did not succeed; trying npm install …");
  return (await run("npm", ["install", "--no-audit", "--no-fund"])) === 0;
}

/** A checkout gives files new times without changing them, so npm itself is asked before anything is installed again. */
async function isComplete() {
  return succeeds("npm", ["ls", "--all", "--silent"]);
}

/**
 * Find a Chromium for the tests, or install one: Debian's package where the rights suffice, else Playwright's own build.
 *
 * @returns {Promise<boolean>} whether there is one now
 */
export async function installChromium() {
  if (findChromium() !== undefined) return true;
  const { chromium } = await import("@playwright/test");
  if (existsSync(chromium.executablePath())) return true;
  console.log("Installing a Chromium …");
  if ((await installDebianChromium()) && findChromium() !== undefined) return true;
  return (await runTool("playwright", ["install", "chromium"])) === 0;
}

/**
 * Find a PostgreSQL for the tests of several nodes, or install one: Debian's package where the rights suffice, else a package with
 * prebuilt programs, beside the lockfile. Without any, those tests are skipped and counted as skipped.
 *
 * @returns {Promise<boolean>} whether there is one now
 */
export async function installPostgres() {
  if (findPostgres() !== undefined) return true;
  console.log("Installing a PostgreSQL …");
  if ((await installDebianPackages(["postgresql"])) && findPostgres() !== undefined) return true;
  const { name, version, folder } = embeddedPostgres;
  mkdirSync(folder, { recursive: true });
  // The file keeps npm from taking the repository itself for where it installs.
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  const args = ["install", "--prefix", folder, "--no-save", "--no-audit", "--no-fund", `${name}@${version}`];
  if ((await run("npm", args)) !== 0) return false;
  // Links do not travel in packages; it makes them when it is installed, unless scripts are switched off.
  const script = join(embeddedPostgresPath(), "scripts", "hydrate-symlinks.js");
  if (existsSync(script)) await run(process.execPath, [script], { cwd: embeddedPostgresPath() });
  return findPostgres() !== undefined;
}

function installDebianChromium() {
  return installDebianPackages(["chromium", "fonts-dejavu-core"]);
}

/** @param {readonly string[]} packages */
async function installDebianPackages(packages) {
  if (process.platform !== "linux" || !existsSync("/usr/bin/apt-get")) return false;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && !succeeds("sudo", ["-n", "true"])) return false;
  const environment = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
  const [command, ...prefix] = isRoot ? environment : ["sudo", "-n", ...environment];
  if (command === undefined) return false;
  if ((await run(command, [...prefix, "update"])) !== 0) return false;
  return (await run(command, [...prefix, "install", "-y", "--no-install-recommends", ...packages])) === 0;
}
