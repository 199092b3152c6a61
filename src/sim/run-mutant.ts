/** Runs one test with one change of the source, in a process of its own. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromRoot } from "../../build/paths.mjs";
import type { SourceMutant } from "./security-mutants.ts";

/** Within so many stories a mutant of the sync must be noticed. */
export const mutantSeeds = 200;

/**
 * Those that are asked for: the sample, or with `COFFER_MUTANTS` all of them; of these with `COFFER_MUTANTS_PART`, which is `2/4` say, the
 * second of four parts, or those that have it in their names.
 */
export function askedMutants<T extends { readonly name: string }>(
  mutants: readonly T[],
  sample: readonly string[],
  {
    COFFER_MUTANTS,
    COFFER_MUTANTS_PART: part = "",
  }: Readonly<Record<string, string | undefined>> = process.env,
): readonly T[] {
  if (COFFER_MUTANTS !== "all") return mutants.filter(({ name }) => sample.includes(name));
  const [, which, count] = /^(\d+)\/(\d+)$/.exec(part) ?? [];
  if (which === undefined || count === undefined) return mutants.filter(({ name }) => name.includes(part));
  return mutants.filter((_, index) => index % Number(count) === Number(which) - 1);
}

/** What Vitest writes of a run. */
export interface MutantReport {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** Run one test in a process of its own, with a change where there is one. */
export async function runMutant(
  { file, test }: SourceMutant["killedBy"],
  change: object | undefined,
): Promise<MutantReport> {
  const folder = mkdtempSync(join(tmpdir(), "cofferdb-mutant-"));
  const report = join(folder, "report.json");
  const vitest = fromRoot("node_modules", "vitest", "vitest.mjs");
  const pattern = test.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const isStory = file.endsWith(".sim.test.ts");
  // Stories count their steps: on a slow machine none is to fail for its time.
  const limits = isStory
    ? ["--project", "sim", "--bail=1", "--testTimeout=3600000"]
    : ["--project", "node", "--testTimeout=30000"];
  const args = [vitest, "run", ...limits, file, "-t", pattern];
  const { COFFER_RUNS: _runs, ...system } = process.env;
  const env = isStory ? { ...system, SIM_FROM: "1", SIM_LOGS: String(mutantSeeds) } : system;
  try {
    await new Promise<void>((resolve, reject) => {
      const child = spawn(process.execPath, [...args, "--reporter=json", `--outputFile.json=${report}`], {
        cwd: fromRoot(),
        env: { ...env, ...(change !== undefined && { COFFER_MUTANT: JSON.stringify(change) }) },
        stdio: "ignore",
      });
      child.once("error", reject);
      child.once("close", () => resolve());
    });
    return JSON.parse(readFileSync(report, "utf8")) as MutantReport;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The asked tests that failed; a file that could not be loaded has none, so that a mutant which does not even run is not killed. */
export function failedTests(
  { testResults }: MutantReport,
  { test }: SourceMutant["killedBy"],
): readonly string[] {
  return testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ fullName, status }) => status === "failed" && fullName.includes(test))
    .map(({ fullName }) => fullName);
}
