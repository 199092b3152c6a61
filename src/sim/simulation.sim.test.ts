/**
 * Random stories from fixed seeds; those that failed once first, and those that still do apart: whoever mends what one of them found moves
 * it to the others.
 *
 * `SIM_FROM=1000 SIM_SEEDS=5000 npm run sim:long` runs others. A failure names its seed: `SIM_FROM=<seed> SIM_SEEDS=1` replays it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadEngine } from "./load-engine.ts";
import { describeOutcome, simulate } from "./simulate.ts";
import { noteTrace } from "./trace-notes.ts";

const firstSeed = Number(process.env["SIM_FROM"] ?? 1);
const seedCount = Number(
  process.env["SIM_SEEDS"] ?? (process.env["npm_lifecycle_event"] === "sim:long" ? 2000 : 200),
);
const seedsPerTest = 10;
const engine = await loadEngine();

/** A seed that failed once. */
interface PinnedSeed {
  readonly seed: number;
  readonly operationCount: number;
  readonly found: string;
}

const folder = new URL("./seeds/", import.meta.url);
const readSeeds = (name: string): readonly PinnedSeed[] =>
  JSON.parse(readFileSync(new URL(name, folder), "utf8")) as PinnedSeed[];
const openName = "open.json";
const open = readSeeds(openName);
const pinned = readdirSync(folder)
  .filter((name) => name.endsWith(".json") && name !== openName)
  .flatMap(readSeeds);

async function expectHolds(seed: number, operationCount?: number): Promise<void> {
  const outcome = await simulate(seed, engine, operationCount === undefined ? {} : { operationCount });
  if (operationCount === undefined) noteTrace("story", seed, outcome.traceHash);
  if (outcome.violations.length > 0) expect.fail(describeOutcome(outcome));
}

describe("seeds that failed once", () => {
  it.each(pinned)("$seed: $found", ({ seed, operationCount }) => expectHolds(seed, operationCount));
});

describe.runIf(open.length > 0)("seeds that fail still", () => {
  it.fails.each(open)("$seed: $found", ({ seed, operationCount }) => expectHolds(seed, operationCount));
});

describe("random stories", () => {
  const starts = Array.from(
    { length: Math.ceil(seedCount / seedsPerTest) },
    (_, index) => firstSeed + index * seedsPerTest,
  );
  it.each(starts)(`hold from seed %i on`, async (start) => {
    for (let seed = start; seed < Math.min(start + seedsPerTest, firstSeed + seedCount); seed++)
      if (!open.some((known) => known.seed === seed)) await expectHolds(seed);
  });
});

describe("determinism", () => {
  it.each([1, 2, 3, 4, 5])("seed %i tells the same story twice", async (seed) => {
    const first = await simulate(seed, engine);
    const second = await simulate(seed, engine);
    expect(first.eventCount).toBeGreaterThan(500);
    expect(second.traceHash).toBe(first.traceHash);
    expect(second.acknowledgedCount).toBe(first.acknowledgedCount);
  });
  it("another seed tells another story", async () => {
    expect((await simulate(6, engine)).traceHash).not.toBe((await simulate(7, engine)).traceHash);
  });
});
