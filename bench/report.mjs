/** From samples to a table and a file. */
import { cpus, loadavg } from "node:os";
import process from "node:process";
import { judge } from "./baseline.mjs";
import { metrics } from "./metrics.mjs";

/**
 * @typedef {import("./metrics.mjs").Metric} Metric
 * @typedef {{ metric: Metric, median: number, min: number, max: number, sampleCount: number, baseline: number | undefined, verdict: ReturnType<typeof judge> }} Result
 */

/**
 * The middle of some numbers.
 *
 * @param {readonly number[]} samples at least one
 */
export function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/**
 * Sum up the samples of a workload, in the order of the metrics.
 *
 * @param {Readonly<Record<string, readonly number[]>>} samplesByName
 * @param {ReadonlyMap<string, number>} baselines
 * @returns {Result[]}
 */
export function summarize(samplesByName, baselines) {
  const unknown = Object.keys(samplesByName).filter(
    (name) => !metrics.some((metric) => metric.name === name),
  );
  if (unknown.length > 0) throw new Error(`No metric is called ${unknown.join(", ")}`);
  return metrics.flatMap((metric) => {
    const samples = samplesByName[metric.name];
    if (samples === undefined || samples.length === 0) return [];
    const middle = median(samples);
    const baseline = baselines.get(metric.name);
    return {
      metric,
      median: middle,
      min: Math.min(...samples),
      max: Math.max(...samples),
      sampleCount: samples.length,
      baseline,
      verdict: judge(metric, middle, baseline),
    };
  });
}

const marks = { good: "✓", "over its bar": "✗", "worse than its baseline": "▲", "": " " };

/**
 * Lay the results out as a table.
 *
 * @param {readonly Result[]} results
 */
export function formatTable(results) {
  const head = ["", "median", "min", "max", "bar", "goal", "baseline"];
  const rows = results.map(({ metric, verdict, ...numbers }) => [
    `${marks[verdict]} ${metric.label}`,
    formatNumber(numbers.median, metric.unit),
    formatNumber(numbers.min, metric.unit),
    formatNumber(numbers.max, metric.unit),
    formatNumber(metric.bar, metric.unit),
    formatNumber(metric.goal, metric.unit),
    formatNumber(numbers.baseline, metric.unit),
  ]);
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => (row[column] ?? "").length)),
  );
  const lines = [head, ...rows].map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  "),
  );
  return lines.map((line) => line.trimEnd()).join("\n");
}

/**
 * @param {number | undefined} number
 * @param {string} unit
 */
function formatNumber(number, unit) {
  if (number === undefined) return "";
  const digits = Number.isInteger(number) || Math.abs(number) >= 100 ? 0 : Math.abs(number) >= 10 ? 1 : 2;
  const text = number.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return unit === "" ? text : `${text} ${unit}`;
}

/**
 * The results as plain data, with what one needs to know to compare them.
 *
 * @param {readonly Result[]} results
 * @param {{ runs: number, browser: string, samples: unknown }} setting
 */
export function reportOf(results, { runs, browser, samples }) {
  return {
    measuredAt: new Date().toISOString(),
    machine: {
      cpu: cpus()[0]?.model ?? "",
      coreCount: cpus().length,
      loadAverage: loadavg(),
      node: process.version,
      browser,
    },
    runs,
    results: results.map(({ metric, ...numbers }) => ({ ...metric, ...numbers })),
    samples,
  };
}
