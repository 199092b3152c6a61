/** Memory with 10,000 documents known and 100 open, and what 100 rounds of opening and closing add to it. */

const options = { count: 10_000, openCount: 100, rounds: 100 };
const megabyte = 1_000_000;

/** @type {import("./index.mjs").Workload} */
export const memory = {
  name: "memory",
  title: "10,000 documents known, 100 open",
  async measure({ runs, openDevice, freshName, log }) {
    /** @type {Record<string, number[]>} */
    const samples = {
      "memory.known": [],
      "memory.page": [],
      "memory.worker": [],
      "memory.growth": [],
      "memory.growthAgain": [],
    };
    for (let run = 0; run < Math.min(runs, 3); run += 1) {
      const device = await openDevice();
      const report = await device.call("measureMemory", { cofferName: freshName("memory"), ...options });
      samples["memory.known"]?.push(report.knownBytes / megabyte);
      samples["memory.page"]?.push(report.pageBytes / megabyte);
      samples["memory.worker"]?.push((report.knownBytes - report.pageBytes) / megabyte);
      samples["memory.growth"]?.push(report.grownBytes / megabyte);
      samples["memory.growthAgain"]?.push(report.grownAgainBytes / megabyte);
      log(`  memory ${run + 1}: ${(report.knownBytes / megabyte).toFixed(0)} MB`);
      await device.close();
    }
    return samples;
  },
};
