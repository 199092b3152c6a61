/** CofferDB beside what one would take instead: tasks from one browser to another, in turns, each through its own server. */
import process from "node:process";
import { readBrowserVersion } from "../peers/measure.mjs";
import { measureSync } from "../peers/measure-sync.mjs";
import { metricsOf, writeSync } from "../peers/report-sync.mjs";
import { travellers } from "../peers/travellers.mjs";

/** @type {import("./index.mjs").Workload} */
export const peersSync = {
  name: "peers-sync",
  title: "1,000 tasks from one browser to another, beside other databases",
  async measure({ runs, log, isRecorded }) {
    const only = process.env["BENCH_PEERS"]?.split(",");
    const browser = `headless Chromium ${(await readBrowserVersion()).split(".")[0]}`;
    const measured = await measureSync({ runs, log, ...(only === undefined ? {} : { only }) });
    const isWhole = travellers.every(({ name }) => measured.samples[name]?.["all"]?.length === runs);
    if (isRecorded && isWhole) writeSync(measured, { runs, browser });
    else if (isRecorded) log("  Not written: somebody was missing in some round");
    return metricsOf(measured.samples);
  },
};
