/** The comparison of sync as text: its part of docs/benchmarks.md with its chart, and of results.json. */
import { writeFileSync } from "node:fs";
import { fromRoot } from "../../build/paths.mjs";
import { hundredths, medianOf, mediansOf } from "./figures.mjs";
import { chart, readResults, settingOf, writeBetween, writeResults } from "./report.mjs";
import { columns, syncTable } from "./sync-table.mjs";
import { taskCount, travellers } from "./travellers.mjs";

/** @typedef {import("./figures.mjs").Samples} Samples */

const begin = "<!-- measured, sync: begin -->";
const end = "<!-- measured, sync: end -->";

/** Who is encrypted end to end too. */
const encrypted = travellers.filter(({ name, encryption }) => name !== "coffer" && encryption !== "no");

/**
 * The comparison's ratios and times, by the names of the bench's metrics.
 *
 * @param {Samples} samples
 * @returns {Record<string, number[]>}
 */
export function metricsOf(samples) {
  /** @type {Record<string, number[]>} */
  const metrics = {};
  /** @param {string} name @param {number | undefined} value */
  const add = (name, value) => {
    if (value !== undefined && Number.isFinite(value)) metrics[`peersSync.${name}`] = [value];
  };
  for (const measure of ["all", "one"]) {
    const own = medianOf(samples, "coffer", measure);
    add(measure, own);
    if (own === undefined) continue;
    add(`${measure}VsBest`, own / best(samples, measure, travellers));
    add(`${measure}VsEncrypted`, own / best(samples, measure, encrypted));
  }
  add("up", medianOf(samples, "coffer", "allUp"));
  add("down", medianOf(samples, "coffer", "allDown"));
  return metrics;
}

/**
 * The least median among some others than CofferDB; not a number where none of them took part.
 *
 * @param {Samples} samples
 * @param {string} measure
 * @param {readonly import("./travellers.mjs").Traveller[]} among
 */
function best(samples, measure, among) {
  const medians = among
    .filter(({ name }) => name !== "coffer")
    .flatMap(({ name }) => medianOf(samples, name, measure) ?? []);
  return medians.length === 0 ? Number.NaN : Math.min(...medians);
}

/** @param {readonly number[]} values @returns {[least: number, most: number]} */
const rangeOf = (values) => [hundredths(Math.min(...values)), hundredths(Math.max(...values))];

/**
 * Write the table, the chart and the medians.
 *
 * @param {{ samples: Samples, plainBytes: number }} measured
 * @param {{ runs: number, browser: string }} setting
 */
export function writeSync({ samples, plainBytes }, { runs, browser }) {
  const medians = mediansOf(samples, travellers, columns);
  const sync = {
    ...settingOf(browser),
    runs,
    count: taskCount,
    plainBytes,
    medians,
    ranges: Object.fromEntries(travellers.map(({ name }) => [name, rangeOf(samples[name]?.["all"] ?? [])])),
  };
  writeResults({ ...readResults(), sync });
  const bars = travellers.flatMap(({ name, label }) => {
    const value = medianOf(samples, name, "all");
    return value === undefined ? [] : [{ name, label, value }];
  });
  const words = {
    title: "1,000 documents seen in another browser, ms",
    about: "From the making of 1,000 documents in one browser until another one has them, milliseconds",
    unit: "ms",
  };
  writeFileSync(fromRoot("docs", "benchmarks-sync.svg"), chart(bars, words));
  writeBetween(begin, end, syncTable(sync));
}
