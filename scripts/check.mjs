/** The quick half of the tests, before each commit: types, lint, format, and every test that runs in Node. */
import process from "node:process";
import { fromRoot } from "../build/paths.mjs";
import { run, runTool } from "./run.mjs";

const steps = [
  { name: "types", go: () => run(process.execPath, [fromRoot("scripts", "typecheck.mjs")]) },
  { name: "lint", go: () => runTool("oxlint", ["--type-aware", "--deny-warnings"]) },
  { name: "format", go: () => runTool("oxfmt", ["--check", "."]) },
  { name: "tidy, unit, property, vectors", go: () => runTool("vitest", ["run", "--project", "node"]) },
];

const failed = [];
for (const { name, go } of steps) if ((await go()) !== 0) failed.push(name);
console.log(failed.length === 0 ? "All checks passed." : `Failed: ${failed.join("; ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
