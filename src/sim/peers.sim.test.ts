/**
 * Stories of devices that meet as peers. `SIM_FROM=1000 SIM_PEERS=100000 npm run sim:long -- peers` tells others; a failure names its seed.
 */
import { describe, expect, it } from "vitest";
import { simulatePeers, type PeerStoryOptions } from "./peer-story.ts";
import { describeStory } from "./telling.ts";
import { noteTrace } from "./trace-notes.ts";

const firstSeed = Number(process.env["SIM_FROM"] ?? 1);
const seedCount = Number(process.env["SIM_PEERS"] ?? 80);
const seedsPerTest = 20;

async function expectHolds(seed: number, options?: PeerStoryOptions): Promise<void> {
  const outcome = await simulatePeers(seed, options);
  if (options === undefined) noteTrace("peers", seed, outcome.traceHash);
  if (outcome.violations.length > 0) expect.fail(describeStory(outcome));
}

describe("stories of peers", () => {
  const starts = Array.from(
    { length: Math.ceil(seedCount / seedsPerTest) },
    (_, index) => firstSeed + index * seedsPerTest,
  );
  it.each(starts)("hold from seed %i on", async (start) => {
    for (let seed = start; seed < Math.min(start + seedsPerTest, firstSeed + seedCount); seed++)
      await expectHolds(seed);
  });
});

describe("a mesh of five", () => {
  it.each([0, 1, 2, 3, 4])(
    "goes on while device %i is down, which has everything once it is back",
    async (down) => {
      for (let seed = firstSeed; seed < firstSeed + 3; seed++)
        await expectHolds(seed, { deviceCount: 5, down: [down] });
    },
  );
});

describe("determinism", () => {
  it("tells the stories of five seeds twice in the same way, and there is everything in them", async () => {
    const counts = new Map<string, number>();
    for (let seed = 1; seed <= 5; seed++) {
      const [first, second] = [await simulatePeers(seed), await simulatePeers(seed)];
      expect(second.traceHash, `seed ${seed}`).toBe(first.traceHash);
      for (const [label, count] of first.counts) counts.set(label, (counts.get(label) ?? 0) + count);
    }
    for (const label of ["writes", "meets", "syncs", "parts", "opens"])
      expect(counts.get(label) ?? 0, label).toBeGreaterThan(0);
  });
});
