/** Figures of the comparison: from samples to what is kept and what is shown. */
import { median } from "../report.mjs";

/** Samples by peer, then by measure. @typedef {Record<string, Record<string, number[]>>} Samples */
/** @typedef {{ name: string, label: string, unit: string }} Column */

/** @param {Samples} samples @param {string} peer @param {string} measure */
export function medianOf(samples, peer, measure) {
  const values = samples[peer]?.[measure];
  return values === undefined || values.length === 0 ? undefined : median(values);
}

/**
 * The medians of some peers as they are kept.
 *
 * @param {Samples} samples
 * @param {readonly { name: string }[]} peers
 * @param {readonly Column[]} columns
 * @returns {Record<string, Record<string, number>>}
 */
export function mediansOf(samples, peers, columns) {
  return Object.fromEntries(
    peers.map(({ name }) => [
      name,
      Object.fromEntries(
        columns.flatMap((column) => {
          const value = medianOf(samples, name, column.name);
          return value === undefined ? [] : [[column.name, hundredths(value)]];
        }),
      ),
    ]),
  );
}

/** As it is kept. @param {number} value */
export const hundredths = (value) => Math.round(value * 100) / 100;

/** With as many digits as say something. @param {number | undefined} value */
export function format(value) {
  if (value === undefined) return "–";
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
