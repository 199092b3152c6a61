/**
 * Each mutant is built into a run of the one test that must notice it. A sample of them is run; `COFFER_MUTANTS=all`, or
 * `npm run mutants`, runs all.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { applyChange } from "../../build/mutate.mjs";
import { fromRoot } from "../../build/paths.mjs";
import { securityMutants, type SourceMutant } from "./security-mutants.ts";

const read = (path: string): string => readFileSync(fromRoot(...path.split("/")), "utf8");

interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** Run one test in a process of its own, with a change where there is one. */
async function runTest(
  { file, test }: SourceMutant["killedBy"],
  change: object | undefined,
): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "cofferdb-mutant-"));
  const report = join(folder, "report.json");
  const vitest = fromRoot("node_modules", "vitest", "vitest.mjs");
  const pattern = test.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const args = [vitest, "run", "--project", "node", file, "-t", pattern, "--testTimeout=30000"];
  const { COFFER_RUNS: _runs, ...env } = process.env;
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
    return JSON.parse(readFileSync(report, "utf8")) as Report;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The asked tests that failed; a file that could not be loaded has none, so that a mutant which does not even run is not killed. */
function failed({ testResults }: Report, { test }: SourceMutant["killedBy"]): readonly string[] {
  return testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ fullName, status }) => status === "failed" && fullName.includes(test))
    .map(({ fullName }) => fullName);
}

const isAll = process.env["COFFER_MUTANTS"] === "all";
const sample = ["additional data is skipped", "a challenge can be answered twice"];
const asked = isAll ? securityMutants : securityMutants.filter(({ name }) => sample.includes(name));

describe("the list", () => {
  it("has names of its own, and at least 25", () => {
    expect(new Set(securityMutants.map(({ name }) => name)).size).toBe(securityMutants.length);
    expect(securityMutants.length).toBeGreaterThanOrEqual(25);
    expect(asked.length).toBeGreaterThanOrEqual(sample.length);
  });

  it.each(securityMutants)("changes what is there, and names a test that is there: $name", (mutant) => {
    const code = read(mutant.file);
    expect(applyChange(code, mutant)).not.toBe(code);
    const { file, test } = mutant.killedBy;
    const contract = file === "src/crypto/crypto.test.ts" ? read("src/crypto/crypto-contract.ts") : "";
    expect(read(file) + contract).toContain(test);
  });

  it("is worth something: without a change the tests pass", async () => {
    const [first] = asked;
    if (first === undefined) throw new Error("there are mutants");
    const report = await runTest(first.killedBy, undefined);
    expect(failed(report, first.killedBy)).toEqual([]);
    expect(report.numPassedTests).toBeGreaterThan(0);
  });
});

it.each(asked)("is killed: $name", async (mutant) => {
  const { file, from, killedBy, to } = mutant;
  expect(failed(await runTest(killedBy, { file, from, to }), killedBy)).not.toEqual([]);
});
