/**
 * Stories of files, interrupted more than five hundred times. `SIM_FROM=1000 SIM_FILES=500 npm run sim -- files` tells others; a failure
 * names its seed, and `SIM_FROM=<seed> SIM_FILES=1` replays it.
 */
import { describe, expect, it } from "vitest";
import type { Interruption } from "./file-account.ts";
import { simulateFiles } from "./file-story.ts";
import { loadEngine } from "./load-engine.ts";
import { describeStory } from "./telling.ts";
import { noteTrace } from "./trace-notes.ts";

const usualCount = 30;
const firstSeed = Number(process.env["SIM_FROM"] ?? 1);
const seedCount = Number(process.env["SIM_FILES"] ?? usualCount);
const seedsPerTest = 6;
const engine = await loadEngine();
const interruptions = new Map<Interruption, number>();
const counts = new Map<string, number>();

async function expectHolds(seed: number): Promise<void> {
  const outcome = await simulateFiles(seed, engine);
  noteTrace("files", seed, outcome.traceHash);
  for (const [kind, count] of outcome.interruptions)
    interruptions.set(kind, (interruptions.get(kind) ?? 0) + count);
  for (const [name, count] of outcome.counts) counts.set(name, (counts.get(name) ?? 0) + count);
  if (outcome.violations.length > 0) expect.fail(describeStory(outcome));
}

describe("stories of files", () => {
  const starts = Array.from(
    { length: Math.ceil(seedCount / seedsPerTest) },
    (_, index) => firstSeed + index * seedsPerTest,
  );
  it.each(starts)("hold from seed %i on", async (start) => {
    for (let seed = start; seed < Math.min(start + seedsPerTest, firstSeed + seedCount); seed++)
      await expectHolds(seed);
  });

  it.runIf(firstSeed === 1 && seedCount === usualCount)("are interrupted five hundred times", () => {
    const of = (kind: Interruption): number => interruptions.get(kind) ?? 0;
    expect([...interruptions.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(500);
    expect(of("death")).toBeGreaterThanOrEqual(60);
    expect(of("network")).toBeGreaterThanOrEqual(200);
    for (const kind of ["disk", "offline", "power", "server full", "server restart"] as const)
      expect(of(kind), kind).toBeGreaterThanOrEqual(10);
    expect(of("server loss")).toBeGreaterThanOrEqual(3);
    for (const deed of ["add", "read", "free", "pin", "remove", "limit", "sync", "sync once"])
      expect(counts.get(`${deed}: ok`), deed).toBeGreaterThanOrEqual(10);
  });
});

describe("determinism", () => {
  it.each([3, 4])("seed %i tells the same story of files twice", async (seed) => {
    const [first, second] = [await simulateFiles(seed, engine), await simulateFiles(seed, engine)];
    expect(second.traceHash).toBe(first.traceHash);
    expect([...first.counts.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(10);
  });
});
