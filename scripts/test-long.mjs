/**
 * What takes too long for every push: `npm run test:long`.
 *
 * Properties and fuzzing, `COFFER_RUNS` (10,000) tries of each; then deaths of pages, workers and browsers at random moments of write
 * bursts, `COFFER_CRASHES` (20) of each kind. `npm run test:long -- crashes` or `-- properties` runs one of the two.
 */
import process from "node:process";
import { run, runTool } from "./run.mjs";
import { fromRoot } from "../build/paths.mjs";

async function properties() {
  const env = { COFFER_RUNS: process.env.COFFER_RUNS ?? "10000" };
  const files = ["property", "fuzz", "create-change", "change-chunk", "codec", "catalog"];
  const options = ["run", "--project", "node", "--testTimeout=7200000"];
  return runTool("vitest", [...options, ...files], { env });
}

async function crashes() {
  const built = await run(process.execPath, [fromRoot("scripts", "build.mjs"), "library"]);
  if (built !== 0) return built;
  const env = { COFFER_CRASHES: process.env.COFFER_CRASHES ?? "20" };
  const options = ["test", "--project=faults", "e2e/faults/random-crash.spec.ts"];
  return runTool("@playwright/test", options, { env });
}

const asked = process.argv.slice(2);
for (const [name, part] of Object.entries({ properties, crashes })) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  process.exitCode = (await part()) || process.exitCode;
}
