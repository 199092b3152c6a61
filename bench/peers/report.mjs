/** The comparison as text: docs/benchmarks.md with its chart, and results.json with every sample's median. */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fromRoot } from "../../build/paths.mjs";
import { median } from "../report.mjs";
import { format, hundredths, medianOf, mediansOf } from "./figures.mjs";
import { competitors, keystrokeCount, large, questionCount, singleCount } from "./measure.mjs";

/** @typedef {import("./figures.mjs").Samples} Samples */
/** @typedef {import("./figures.mjs").Column} Column */

/** @type {readonly Column[]} */
const columns = [
  { name: "bulk", label: "bulk insert, per document", unit: "µs" },
  { name: "longestTask", label: "longest task of the page meanwhile", unit: "ms" },
  { name: "insert", label: "one insert, awaited", unit: "ms" },
  { name: "update", label: "one update, awaited", unit: "ms" },
  { name: "reloadFirstRows", label: "reload: first 50 rows", unit: "ms" },
  { name: "reloadAllKnown", label: "reload: all known", unit: "ms" },
  { name: "restartFirstRows", label: "browser restart: first 50 rows", unit: "ms" },
  { name: "restartAllKnown", label: "browser restart: all known", unit: "ms" },
  { name: "notify", label: "update to subscriber, same page", unit: "ms" },
  { name: "notifyTab", label: "update to subscriber, another tab", unit: "ms" },
  { name: "query", label: "filter, sort, 50 rows, warm", unit: "ms" },
  { name: "keystrokes", label: "10,000 keystrokes, stored", unit: "ms" },
  { name: "textReopen", label: "that text opened again", unit: "ms" },
  { name: "storedBytes", label: "stored, per document", unit: "B" },
];

const begin = "<!-- measured: begin -->";
const end = "<!-- measured: end -->";
const largeBegin = "<!-- measured, many: begin -->";
const largeEnd = "<!-- measured, many: end -->";

/**
 * The comparison's ratios and times, by the names of the bench's metrics. CofferDB must have taken part.
 *
 * @param {Samples} samples
 * @returns {Record<string, number[]>}
 */
export function metricsOf(samples) {
  /** @type {Record<string, number[]>} */
  const metrics = {};
  /** @param {string} name @param {number | undefined} value */
  const add = (name, value) => {
    if (value !== undefined && Number.isFinite(value)) metrics[`peers.${name}`] = [value];
  };
  /** @param {string} measure */
  const own = (measure) => medianOf(samples, "coffer", measure);
  /** @param {string} measure @param {readonly string[]} [among] */
  const best = (measure, among) => {
    const others = competitors
      .filter(({ name }) => name !== "coffer" && (among === undefined || among.includes(name)))
      .flatMap(({ name }) => medianOf(samples, name, measure) ?? []);
    return others.length === 0 ? undefined : Math.min(...others);
  };
  /** @param {number | undefined} one @param {number | undefined} other */
  const ratio = (one, other) => (one === undefined || other === undefined ? undefined : one / other);
  const dexie = (/** @type {string} */ measure) => medianOf(samples, "dexie", measure);
  add("bulk", own("bulk"));
  add("bulkVsDexie", ratio(own("bulk"), dexie("bulk")));
  add("bulkVsBest", ratio(own("bulk"), best("bulk")));
  add("longestTask", own("longestTask"));
  add("insertVsDexie", ratio(own("insert"), dexie("insert")));
  add("updateVsDexie", ratio(own("update"), dexie("update")));
  for (const measure of ["insert", "update", "reloadFirstRows", "reloadAllKnown", "restartFirstRows"])
    add(measure, own(measure));
  for (const measure of ["restartAllKnown", "notify", "notifyTab", "keystrokes", "textReopen"])
    add(measure, own(measure));
  add("keystrokesVsBest", ratio(own("keystrokes"), best("keystrokes")));
  add("query", own("query"));
  add("queryVsBest", ratio(own("query"), best("query", ["rxdb", "pouchdb", "pglite"])));
  add("queryLarge", own("queryLarge"));
  add("queryLargeVsBest", ratio(own("queryLarge"), best("queryLarge", large.peers)));
  add("stored", own("storedBytes"));
  add("storedVsDexie", ratio(own("storedBytes"), dexie("storedBytes")));
  return metrics;
}

/**
 * Write the table, the chart and the medians.
 *
 * @param {Samples} samples
 * @param {{ runs: number, browser: string }} setting
 */
export function writeComparison(samples, { runs, browser }) {
  const results = {
    ...readResults(),
    ...settingOf(browser),
    runs,
    medians: mediansOf(samples, competitors, columns),
  };
  writeResults(results);
  writeFileSync(fromRoot("docs", "benchmarks.svg"), bulkChart(samples));
  const about = `Measured on ${results.measuredAt}: ${results.machine}; medians of ${runs} rounds, ${singleCount} single writes, ${keystrokeCount.toLocaleString("en")} keystrokes, ${questionCount} queries.`;
  writeBetween(begin, end, `${about}\n\n${tables(samples)}`);
}

/**
 * Write what was asked of many tasks: its table and medians.
 *
 * @param {Samples} samples
 * @param {{ browser: string }} setting
 */
export function writeLarge(samples, { browser }) {
  const found = large.peers.flatMap((name) => {
    const values = samples[name]?.["queryLarge"];
    return values === undefined || values.length === 0 ? [] : [{ name, values }];
  });
  const setting = settingOf(browser);
  writeResults({
    ...readResults(),
    large: {
      ...setting,
      count: large.count,
      medians: Object.fromEntries(found.map(({ name, values }) => [name, hundredths(median(values))])),
    },
  });
  const rows = found.map(({ name, values }) => {
    const { label = name } = competitors.find((one) => one.name === name) ?? {};
    const own = name === "coffer" ? "**" : "";
    const cells = [median(values), Math.min(...values), Math.max(...values)].map(format);
    return `| ${own}${label}${own} | ${cells.join(" | ")} |`;
  });
  const about = `Measured on ${setting.measuredAt}: ${setting.machine}; ${large.count.toLocaleString("en")} documents, ${questionCount} queries in one run, in milliseconds.`;
  const head = "| | median | least | most |\n|---|--:|--:|--:|";
  writeBetween(largeBegin, largeEnd, [about, "", head, ...rows].join("\n"));
}

/** When and where it was measured. @param {string} browser */
export const settingOf = (browser) => ({
  measuredAt: new Date().toISOString().slice(0, 10),
  machine: `${cpus().length} shared cores, ${browser}`,
});

const resultsPath = fromRoot("bench", "peers", "results.json");

/** What was measured so far. @returns {Record<string, unknown>} */
export const readResults = () => JSON.parse(readFileSync(resultsPath, "utf8"));

/** Keep what was measured. @param {Record<string, unknown>} results */
export const writeResults = (results) =>
  writeFileSync(resultsPath, `${JSON.stringify(results, undefined, 2)}\n`);

/** Write a part of the page of the comparison anew. @param {string} from @param {string} to @param {string} text */
export function writeBetween(from, to, text) {
  const path = fromRoot("docs", "benchmarks.md");
  const page = readFileSync(path, "utf8");
  const [before, rest = ""] = page.split(from);
  const [, after = ""] = rest.split(to);
  writeFileSync(path, `${before}${from}\n\n${text}\n\n${to}${after}`);
}

/** @param {Samples} samples */
function tables(samples) {
  const head = `| | documents | ${columns.map(({ label, unit }) => `${label}, ${unit}`).join(" | ")} |`;
  const line = `|---|--:|${columns.map(() => "--:").join("|")}|`;
  const rows = competitors.map(({ name, label, what, count }) => {
    const cells = columns.map((column) => format(medianOf(samples, name, column.name)));
    const own = name === "coffer" ? "**" : "";
    return `| ${own}${label}${own} (${what}) | ${count.toLocaleString("en")} | ${cells.join(" | ")} |`;
  });
  return [head, line, ...rows].join("\n");
}

const barHeight = 22;
const labelWidth = 225;
const barWidth = 470;
const chartWidth = labelWidth + barWidth + 110;

/** @param {Samples} samples */
function bulkChart(samples) {
  const bars = competitors.flatMap(({ name, label }) => {
    const value = medianOf(samples, name, "bulk");
    return value === undefined ? [] : [{ name, label, value }];
  });
  return chart(bars, {
    title: "Bulk insert, µs a document",
    about: "Bulk insert of 10,000 documents, microseconds a document",
    unit: "µs",
  });
}

/**
 * Bars on a logarithmic scale, the least first, as a small SVG that reads in light and dark.
 *
 * @param {readonly { name: string, label: string, value: number }[]} values
 * @param {{ title: string, about: string, unit: string }} words
 */
export function chart(values, { title, about, unit }) {
  const bars = [...values].sort((a, b) => a.value - b.value);
  const least = Math.log10(Math.max(1, Math.min(...bars.map(({ value }) => value)) / 2));
  const most = Math.log10(Math.max(...bars.map(({ value }) => value)));
  const rows = bars.map(({ name, label, value }, index) => {
    const y = 34 + index * barHeight;
    const width = Math.max(2, ((Math.log10(value) - least) / (most - least || 1)) * barWidth);
    const colour = name === "coffer" ? "#2563eb" : "#94a3b8";
    return [
      `<text x="${labelWidth - 8}" y="${y + 14}" text-anchor="end">${label}</text>`,
      `<rect x="${labelWidth}" y="${y + 3}" width="${width.toFixed(1)}" height="${barHeight - 7}" rx="3" fill="${colour}"/>`,
      `<text x="${(labelWidth + width + 6).toFixed(1)}" y="${y + 14}">${format(value)} ${unit}</text>`,
    ].join("\n  ");
  });
  const height = 44 + bars.length * barHeight;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${chartWidth} ${height}" width="${chartWidth}" height="${height}" role="img" aria-label="${about}, logarithmic">
  <style>text { font: 12px system-ui, sans-serif; fill: #475569 } @media (prefers-color-scheme: dark) { text { fill: #cbd5e1 } }</style>
  <text x="8" y="18" style="font-weight:600">${title} (logarithmic, less is better)</text>
  ${rows.join("\n  ")}
</svg>
`;
}
