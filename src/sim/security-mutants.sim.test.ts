/**
 * Each mutant is built into a run of the one test that must notice it. A sample of them is run; `npm run mutants` runs all,
 * or a part of them.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { applyChange } from "../../build/mutate.mjs";
import { fromRoot } from "../../build/paths.mjs";
import { askedMutants, failedTests, runMutant } from "./run-mutant.ts";
import { securityMutants } from "./security-mutants.ts";

const read = (path: string): string => readFileSync(fromRoot(...path.split("/")), "utf8");

const sample = ["additional data is skipped", "a challenge can be answered twice"];
const asked = askedMutants(securityMutants, sample);

describe("the list", () => {
  it("has names of its own, and at least 25", () => {
    expect(new Set(securityMutants.map(({ name }) => name)).size).toBe(securityMutants.length);
    expect(securityMutants.length).toBeGreaterThanOrEqual(25);
    expect(securityMutants.map(({ name }) => name)).toEqual(expect.arrayContaining(sample));
    expect(asked.length).toBeGreaterThan(0);
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
    const report = await runMutant(first.killedBy, undefined);
    expect(failedTests(report, first.killedBy)).toEqual([]);
    expect(report.numPassedTests).toBeGreaterThan(0);
  });
});

it.each(asked)("is killed: $name", async (mutant) => {
  const { file, from, killedBy, to } = mutant;
  expect(failedTests(await runMutant(killedBy, { file, from, to }), killedBy)).not.toEqual([]);
});
