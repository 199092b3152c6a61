/**
 * Tells stories of the simulator in two processes, one after the other, and holds the traces against each other: `npm run sim:twice`.
 * One that differs is a failure that could not be replayed. `SIM_LOGS` (1,000) stories of logs, `SIM_SEEDS` (100) whole ones.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { runTool } from "./run.mjs";

const folder = mkdtempSync(join(tmpdir(), "coffer-traces-"));
const { SIM_LOGS = "1000", SIM_SEEDS = "100" } = process.env;
const files = ["logs", "simulation"].map((name) => `src/sim/${name}.sim.test.ts`);

/** @param {string} name */
async function tell(name) {
  const path = join(folder, name);
  const options = ["run", "--project", "sim", "--testTimeout=3600000", "-t", "hold from seed", ...files];
  const code = await runTool("vitest", options, { env: { SIM_LOGS, SIM_SEEDS, SIM_TRACES: path } });
  if (code !== 0) throw new Error("A story does not hold");
  return readFileSync(path, "utf8").trim().split("\n").sort();
}

try {
  const [first, second] = [await tell("first"), await tell("second")];
  const differing = first.filter((line, index) => line !== second[index]);
  for (const line of differing) console.error(`told otherwise: ${line}`);
  // Seeds that are known to fail are not told.
  const isWhole = first.length === second.length && first.length >= Number(SIM_LOGS);
  console.log(`${first.length - differing.length} of ${first.length} stories were told the same way twice`);
  process.exitCode = differing.length === 0 && isWhole ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
