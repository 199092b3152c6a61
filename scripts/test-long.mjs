/**
 * What takes too long for every push: `npm run test:long`.
 *
 * | part | what | how many |
 * |---|---|---|
 * | fuzz | `src/tenant/mutated.fuzz.test.ts`: commits, addresses, key bags, vaults, backups, directory records | 102 × `COFFER_RUNS` mutations: 1,020,000 |
 * | | `src/entry/bit-flips.test.ts` | every bit of every byte |
 * | | the other fuzz tests | `COFFER_RUNS`, or what each says times `COFFER_RUNS` ÷ 100 |
 * | properties | every property of every test in Node | likewise |
 * | crashes | deaths of pages, workers and browsers at random moments of write bursts | `COFFER_CRASHES` (20) of each kind |
 *
 * `COFFER_RUNS` is 10,000 unless it is given. `npm run test:long -- fuzz` runs one part, `COFFER_SEED` begins elsewhere.
 */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { run, runTool } from "./run.mjs";
import { fromRoot } from "../build/paths.mjs";

/** @param {readonly string[]} files */
function vitest(files) {
  const env = { COFFER_RUNS: process.env.COFFER_RUNS ?? "10000" };
  const options = ["run", "--project", "node", "--testTimeout=7200000"];
  return runTool("vitest", [...options, ...files], { env });
}

/**
 * The tests, but for fuzzing, whose text holds something.
 *
 * @param {RegExp} pattern
 */
function testsWith(pattern) {
  return ["src", "worker", "sw", "server/test"].flatMap((folder) =>
    readdirSync(fromRoot(folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".test.ts") && !/fuzz|\.sim\.|\.browser\./.test(name))
      .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
      .filter((path) => pattern.test(readFileSync(fromRoot(path), "utf8"))),
  );
}

const fuzz = () => vitest(["fuzz", "bit-flips"]);
const properties = () => vitest(testsWith(/from "fast-check"|COFFER_RUNS|runsOf/));

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
