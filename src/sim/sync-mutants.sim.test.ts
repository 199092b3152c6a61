/**
 * The stories of logs and files, told of broken products: each must be noticed. A sample is run; `npm run mutants` runs all,
 * or a part of them.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { applyChange } from "../../build/mutate.mjs";
import { fromRoot } from "../../build/paths.mjs";
import { askedMutants, failedTests, runMutant } from "./run-mutant.ts";
import { syncMutants } from "./sync-mutants.ts";

const sample = [
  "the cursor moves without its commits",
  "what arrives counts as sent, whatever waits before it",
];
const asked = askedMutants(syncMutants, sample);

describe("the list", () => {
  it("has names of its own, and at least 25", () => {
    expect(new Set(syncMutants.map(({ name }) => name)).size).toBe(syncMutants.length);
    expect(syncMutants.length).toBeGreaterThanOrEqual(25);
    expect(syncMutants.map(({ name }) => name)).toEqual(expect.arrayContaining(sample));
    expect(asked.length).toBeGreaterThan(0);
  });

  it.each(syncMutants)("changes what is there: $name", (mutant) => {
    const code = readFileSync(fromRoot(...mutant.file.split("/")), "utf8");
    expect(applyChange(code, mutant)).not.toBe(code);
  });
});

it.each(asked)("is killed: $name", async (mutant) => {
  const { file, from, killedBy, to } = mutant;
  expect(failedTests(await runMutant(killedBy, { file, from, to }), killedBy)).not.toEqual([]);
});
