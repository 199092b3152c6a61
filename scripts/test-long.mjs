/** Properties and fuzzing many times over: `npm run test:long`, with COFFER_RUNS (10 000) tries of each. */
import process from "node:process";
import { runTool } from "./run.mjs";

const env = { COFFER_RUNS: process.env.COFFER_RUNS ?? "10000" };
const files = ["property", "fuzz", "create-change", "change-chunk", "codec", "catalog"];
const options = ["run", "--project", "node", "--testTimeout=7200000"];
process.exitCode = await runTool("vitest", [...options, ...files], { env });
