/**
 * What takes too long for every push: `npm run test:long`.
 *
 * | part | what | how many |
 * |---|---|---|
 * | fuzz | `src/tenant/mutated.fuzz.test.ts`: commits, addresses, key bags, vaults, backups, directory records | 102 × `COFFER_RUNS` mutations: 1,020,000 |
 * | | `src/entry/bit-flips.test.ts` | every bit of every byte |
 * | | the other fuzz tests | what each says, or `COFFER_RUNS` |
 * | properties | every property | what each says, or `COFFER_RUNS` |
 * | crashes | deaths of pages, workers and browsers at random moments of write bursts | `COFFER_CRASHES` (20) of each kind |
 *
 * `COFFER_RUNS` is 10,000 unless it is given. `npm run test:long -- fuzz` runs one part, `COFFER_SEED` begins elsewhere.
 */
import process from "node:process";
import { run, runTool } from "./run.mjs";
import { fromRoot } from "../build/paths.mjs";

/** @param {readonly string[]} files */
function vitest(files) {
  const env = { COFFER_RUNS: process.env.COFFER_RUNS ?? "10000" };
  const options = ["run", "--project", "node", "--testTimeout=7200000"];
  return runTool("vitest", [...options, ...files], { env });
}

const fuzz = () => vitest(["fuzz", "bit-flips"]);
const properties = () => vitest(["property", "create-change", "change-chunk", "codec", "catalog"]);

async function crashes() {
  const built = await run(process.execPath, [fromRoot("scripts", "build.mjs"), "library"]);
  if (built !== 0) return built;
  const env = { COFFER_CRASHES: process.env.COFFER_CRASHES ?? "20" };
  const options = ["test", "--project=faults", "e2e/faults/random-crash.spec.ts"];
  return runTool("@playwright/test", options, { env });
}

const asked = process.argv.slice(2);
for (const [name, part] of Object.entries({ fuzz, properties, crashes })) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  process.exitCode = (await part()) || process.exitCode;
}
