import { expect, it } from "vitest";
import { loadEngine } from "./load-engine.ts";
import { mutants } from "./mutants.ts";
import { simulate } from "./simulate.ts";

const engine = await loadEngine();
// Most are found in the first few stories; what waits for one deed of somebody between two of another takes more.
const seedLimit = 60;

it.each(mutants)("catches: $name", async ({ oracles, options }) => {
  const caught: string[] = [];
  for (let seed = 1; seed <= seedLimit && caught.length === 0; seed++) {
    const { violations } = await simulate(seed, engine, options(seed));
    caught.push(...violations.map(({ oracle }) => oracle));
  }
  expect(caught.filter((oracle) => oracles.includes(oracle))).not.toEqual([]);
});
