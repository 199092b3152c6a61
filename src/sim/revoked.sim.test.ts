/**
 * Stories of what a revoked author wrote, brought again to a server that begins anew. `SIM_FROM=100 SIM_REVOKED=1000` tells others; a failure
 * names its seed.
 */
import { describe, expect, it } from "vitest";
import { simulateRevoked } from "./revoked-story.ts";
import { describeStory } from "./telling.ts";
import { noteTrace } from "./trace-notes.ts";

const firstSeed = Number(process.env["SIM_FROM"] ?? 1);
const seedCount = Number(process.env["SIM_REVOKED"] ?? 20);
const seedsPerTest = 10;

describe("stories of a revoked author", () => {
  const starts = Array.from(
    { length: Math.ceil(seedCount / seedsPerTest) },
    (_, index) => firstSeed + index * seedsPerTest,
  );
  it.each(starts)("hold from seed %i on", async (start) => {
    for (let seed = start; seed < Math.min(start + seedsPerTest, firstSeed + seedCount); seed++) {
      const outcome = await simulateRevoked(seed);
      noteTrace("revoked", seed, outcome.traceHash);
      if (outcome.violations.length > 0) expect.fail(describeStory(outcome));
    }
  });

  it("are told twice in the same way", async () => {
    for (let seed = 1; seed <= 3; seed++) {
      const [first, second] = [await simulateRevoked(seed), await simulateRevoked(seed)];
      expect(second.traceHash, `seed ${seed}`).toBe(first.traceHash);
    }
  });
});
