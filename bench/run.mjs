/**
 * `npm run bench -- [workload …] [--json FILE] [--check] [--runs N] [--update-baselines]`
 *
 * Builds what is stale, runs the workloads in a real Chromium, and prints their medians beside their bars, the design's goals and
 * the committed baselines. With `--check` it fails when a number of bytes or requests is over its bar or has grown.
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { fromRoot } from "../build/paths.mjs";
import { run } from "../scripts/run.mjs";
import { failures, readBaselines, writeBaselines } from "./baseline.mjs";
import { formatTable, reportOf, summarize } from "./report.mjs";
import { workloads } from "./workloads/index.mjs";
import { openWorld } from "./world.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "string" },
    check: { type: "boolean", default: false },
    runs: { type: "string", default: "5" },
    "update-baselines": { type: "boolean", default: false },
  },
});

/** The workloads that were named, or all. */
function chosen() {
  const unknown = positionals.filter((name) => !workloads.some((workload) => workload.name === name));
  if (unknown.length > 0)
    throw new Error(
      `There is no workload ${unknown.join(", ")}; there are ${workloads.map(({ name }) => name).join(", ")}`,
    );
  return workloads.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
}

async function main() {
  const asked = chosen();
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error("--runs is a whole number from 1");
  const code = await run(process.execPath, [fromRoot("scripts", "build.mjs"), "library", "server", "demo"]);
  if (code !== 0) throw new Error("The build failed");
  const { world, close } = await openWorld({ runs, isRecorded: values["update-baselines"] });
  for (const signal of ["SIGINT", "SIGTERM"])
    process.once(signal, () => void close().finally(() => process.exit(130)));
  const baselines = readBaselines();
  /** @type {Record<string, number[]>} */
  const samples = {};
  /** @type {import("./report.mjs").Result[]} */
  const results = [];
  const broken = [];
  try {
    for (const { name, title, measure } of asked) {
      world.log(`${name}: ${title}`);
      try {
        const measured = await measure(world);
        Object.assign(samples, measured);
        const summed = summarize(measured, baselines);
        results.push(...summed);
        console.log(`\n${name}: ${title}\n${formatTable(summed)}\n`);
      } catch (error) {
        // The other workloads still say something.
        broken.push(name);
        console.error(`${name} broke off:`, error);
      }
    }
  } finally {
    await close();
  }
  if (values.json !== undefined) {
    const report = reportOf(results, { runs, browser: world.browserVersion(), samples });
    writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  if (values["update-baselines"]) writeBaselines(results);
  conclude(results, broken);
}

/**
 * @param {readonly import("./report.mjs").Result[]} results
 * @param {readonly string[]} broken
 */
function conclude(results, broken) {
  const bad = results.filter(
    ({ verdict }) => verdict === "over its bar" || verdict === "worse than its baseline",
  );
  for (const { metric, verdict } of bad) console.log(`${metric.name}: ${metric.label}: ${verdict}`);
  if (bad.length === 0 && broken.length === 0) console.log("Every bar holds.");
  if (broken.length > 0 || (values.check && failures(results).length > 0)) process.exitCode = 1;
}

await main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
