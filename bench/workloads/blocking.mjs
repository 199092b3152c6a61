/** The page's main thread while 10,000 documents are imported with a live list and a progress bar on screen. */

const count = 10_000;

/** @type {import("./index.mjs").Workload} */
export const blocking = {
  name: "blocking",
  title: "the main thread during an import",
  async measure({ runs, openDevice, freshName, log }) {
    const device = await openDevice();
    /** @type {Record<string, number[]>} */
    const samples = {
      "blocking.longestTask": [],
      "blocking.longTasks": [],
      "blocking.longestDelay": [],
      "blocking.total": [],
    };
    for (let run = 0; run < runs; run += 1) {
      await device.reload();
      const report = await device.call("importOnScreen", { cofferName: freshName("blocking"), count });
      samples["blocking.longestTask"]?.push(report.longestTaskMs);
      samples["blocking.longTasks"]?.push(report.longTaskCount);
      samples["blocking.longestDelay"]?.push(report.longestDelayMs);
      samples["blocking.total"]?.push(report.ms);
      log(
        `  blocking ${run + 1}/${runs}: longest task ${report.longestTaskMs.toFixed(0)} ms, timer ${report.longestDelayMs.toFixed(0)} ms late`,
      );
    }
    await device.close();
    return samples;
  },
};
