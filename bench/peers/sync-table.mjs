/** The table of who brings tasks from one browser to another, out of the medians that are kept. */
import { format } from "./figures.mjs";
import { moreCount, taskCount, travellers } from "./travellers.mjs";

/**
 * What is kept of the comparison of sync.
 *
 * @typedef {object} SyncResults
 * @property {string} measuredAt
 * @property {string} machine
 * @property {number} runs
 * @property {number} plainBytes
 * @property {Readonly<Record<string, Readonly<Record<string, number>>>>} medians
 * @property {Readonly<Record<string, readonly [least: number, most: number]>>} ranges of all seen, over the rounds
 */

/** @type {readonly import("./figures.mjs").Column[]} */
export const columns = [
  { name: "all", label: "all 1,000 seen", unit: "ms" },
  { name: "one", label: "one more seen", unit: "ms" },
  { name: "allUp", label: "all: up", unit: "kB" },
  { name: "allDown", label: "all: down, to both browsers", unit: "kB" },
  { name: "oneUp", label: "one more: up", unit: "kB" },
  { name: "oneDown", label: "one more: down", unit: "kB" },
];

/** The table, and what stands above it. @param {SyncResults} results */
export function syncTable({ measuredAt, machine, runs, plainBytes, medians, ranges }) {
  const about = `Measured on ${measuredAt}: ${machine}; medians of ${runs} rounds, the least and the most of them in brackets, one more document ${moreCount} times in each. As JSON the ${taskCount.toLocaleString("en")} documents are ${format(plainBytes / 1000)} kB.`;
  const head = `| | encrypted | ${columns.map(({ label, unit }) => `${label}, ${unit}`).join(" | ")} |`;
  const line = `|---|---|${columns.map(() => "--:").join("|")}|`;
  const rows = travellers.map(({ name, label, encryption }) => {
    const cells = columns.map((column) => {
      const value = medians[name]?.[column.name];
      return format(value === undefined || column.unit !== "kB" ? value : value / 1000);
    });
    const own = name === "coffer" ? "**" : "";
    const [all, ...others] = cells;
    const range = (ranges[name] ?? []).map((ms) => format(Math.round(ms))).join(" – ");
    return `| ${own}${label}${own} | ${encryption} | ${all} (${range}) | ${others.join(" | ")} |`;
  });
  return [about, "", head, line, ...rows].join("\n");
}
