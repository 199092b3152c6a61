/**
 * Two thousand stories of logs alone. `SIM_FROM=1000 SIM_LOGS=1000000 npm run sim:long -- logs` tells others; a failure names its seed.
 */
import { describe, expect, it } from "vitest";
import { simulateLogs } from "./log-story.ts";
import { describeStory } from "./telling.ts";
import { noteTrace } from "./trace-notes.ts";

const firstSeed = Number(process.env["SIM_FROM"] ?? 1);
const seedCount = Number(process.env["SIM_LOGS"] ?? 2000);
const seedsPerTest = 100;

describe("stories of logs", () => {
  const starts = Array.from(
    { length: Math.ceil(seedCount / seedsPerTest) },
    (_, index) => firstSeed + index * seedsPerTest,
  );
  it.each(starts)("hold from seed %i on", async (start) => {
    for (let seed = start; seed < Math.min(start + seedsPerTest, firstSeed + seedCount); seed++) {
      const outcome = await simulateLogs(seed);
      noteTrace("logs", seed, outcome.traceHash);
      if (outcome.violations.length > 0) expect.fail(describeStory(outcome));
    }
  });
});

describe("determinism", () => {
  it("tells the stories of twenty seeds twice in the same way", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const [first, second] = [await simulateLogs(seed), await simulateLogs(seed)];
      expect(second.traceHash, `seed ${seed}`).toBe(first.traceHash);
      expect(first.eventCount).toBeGreaterThan(100);
    }
  });
});
