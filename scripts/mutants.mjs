/**
 * Broken products, each of which a test must notice: `npm run mutants`. Those of the simulator, and all of the kind that costs secrets;
 * of these `npm test` runs a sample.
 */
import process from "node:process";
import { runTool } from "./run.mjs";

const files = ["mutants", "security-mutants", "sync-mutants"].map((name) => `src/sim/${name}.sim.test.ts`);
process.exitCode = await runTool("vitest", ["run", "--project", "sim", ...files], {
  env: { COFFER_MUTANTS: "all" },
});
