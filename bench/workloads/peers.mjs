/** CofferDB beside what one would take instead: the same tasks, in turns, each on a fresh profile. */
import process from "node:process";
import { competitors, large, measurePeers, parts, readBrowserVersion } from "../peers/measure.mjs";
import { metricsOf, writeComparison, writeLarge } from "../peers/report.mjs";

/** @type {import("./index.mjs").Workload} */
export const peers = {
  name: "peers",
  title: "10,000 task records, beside other databases",
  async measure({ runs, log, isRecorded }) {
    const only = process.env["BENCH_PEERS"]?.split(",");
    const measured = process.env["BENCH_MEASURES"]?.split(",") ?? parts;
    const browser = `headless Chromium ${(await readBrowserVersion()).split(".")[0]}`;
    // Rounds are long: what ended is kept, also when the run is broken off.
    const onRound = (
      /** @type {import("../peers/measure.mjs").Samples} */ samples,
      /** @type {number} */ rounds,
    ) => {
      const isWhole =
        competitors.every(({ name }) => samples[name] !== undefined) &&
        parts.every((part) => part === "large" || measured.includes(part));
      if (isRecorded && isWhole) writeComparison(samples, { runs: rounds, browser });
      const isLarge = large.peers.every((name) => (samples[name]?.["queryLarge"] ?? []).length > 0);
      if (isRecorded && isLarge) writeLarge(samples, { browser });
    };
    return metricsOf(
      await measurePeers({ runs, log, measured, onRound, ...(only === undefined ? {} : { only }) }),
    );
  },
};
