/** The committed baselines: what the numbers were, so that a change for the worse is noticed. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fromRoot } from "../build/paths.mjs";

/** @typedef {import("./report.mjs").Result} Result */

const path = fromRoot("bench", "baselines.json");

/** Bytes may grow by this factor before `--check` fails: messages differ by a few bytes from run to run. */
const bytesRoom = 1.03;
/** Ratios may grow by this factor before they are remarked on. */
const ratioRoom = 1.5;

/**
 * Read the medians of the committed baselines by metric.
 *
 * @returns {ReadonlyMap<string, number>}
 */
export function readBaselines() {
  if (!existsSync(path)) return new Map();
  /** @type {Record<"exact" | "ratios" | "notes", Record<string, number>>} */
  const { exact, ratios, notes } = JSON.parse(readFileSync(path, "utf8"));
  return new Map(Object.entries({ ...exact, ...ratios, ...notes }));
}

/**
 * Write the results over the baselines; metrics that were not measured keep theirs.
 *
 * @param {readonly Result[]} results
 */
export function writeBaselines(results) {
  const before = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
  /** @param {readonly string[]} kinds */
  const medians = (kinds) =>
    Object.fromEntries(
      results
        .filter(({ metric }) => kinds.includes(metric.kind))
        .map(({ metric, median }) => [metric.name, rounded(median)]),
    );
  const after = {
    about:
      "Medians. `exact` is guarded by --check; `ratios` compare on any machine; `notes` are times of one noisy machine.",
    exact: { ...before.exact, ...medians(["bytes", "count"]) },
    ratios: { ...before.ratios, ...medians(["ratio"]) },
    notes: { ...before.notes, ...medians(["time"]) },
  };
  writeFileSync(path, `${JSON.stringify(after, undefined, 2)}\n`);
}

/** @param {number} number */
const rounded = (number) => Math.round(number * 100) / 100;

/**
 * Judge a result by its bar and its baseline.
 *
 * @param {import("./metrics.mjs").Metric} metric
 * @param {number} median
 * @param {number | undefined} baseline
 * @returns {"good" | "over its bar" | "worse than its baseline" | ""} "" when nothing is asked of it
 */
export function judge({ kind, bar }, median, baseline) {
  if (bar !== undefined && median > bar) return "over its bar";
  const room = kind === "bytes" ? bytesRoom : kind === "count" ? 1 : kind === "ratio" ? ratioRoom : Infinity;
  if (baseline !== undefined && median > baseline * room) return "worse than its baseline";
  return bar === undefined ? "" : "good";
}

/**
 * The results for which `--check` fails: bytes and counts that are over their bar or grew. Times are only shown.
 *
 * @param {readonly Result[]} results
 */
export function failures(results) {
  return results.filter(
    ({ metric, verdict }) => ["bytes", "count"].includes(metric.kind) && verdict !== "good" && verdict !== "",
  );
}
