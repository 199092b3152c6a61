/**
 * Broken products, each of which a test must notice: `npm run mutants`. Those of the simulator, and all of the kind that costs secrets;
 * of these `npm test` runs a sample. Each verdict is told as it comes.
 *
 * `npm run mutants -- security` runs one kind (`stories`, `security`, `sync`), `npm run mutants -- security 2/4` the second of four parts of
 * it, `npm run mutants -- security "a cut"` those with that in their names.
 */
import process from "node:process";
import { runTool } from "./run.mjs";

const kinds = { stories: "mutants", security: "security-mutants", sync: "sync-mutants" };

const [kind, part = ""] = process.argv.slice(2);
const asked = Object.entries(kinds).filter(([name]) => kind === undefined || kind === name);
if (asked.length === 0) throw new Error(`there are ${Object.keys(kinds).join(", ")}, and no ${kind}`);
const files = asked.map(([, name]) => `src/sim/${name}.sim.test.ts`);
// However slow the machine is: who ends by time is not a mutant that nobody noticed.
const options = ["--project", "sim", "--testTimeout=3600000", "--reporter=verbose"];
process.exitCode = await runTool("vitest", ["run", ...options, ...files], {
  env: { COFFER_MUTANTS: "all", COFFER_MUTANTS_PART: part },
});
