/** Full text over 10,000 documents of 300 characters. */

const count = 10_000;
const rounds = 20;

/** @type {import("./index.mjs").Workload} */
export const search = {
  name: "search",
  title: "full text over 10,000 documents of 300 characters",
  async measure({ runs, openDevice, freshName, log }) {
    /** @type {Record<string, number[]>} */
    const samples = {};
    /** @param {string} name @param {readonly number[]} values */
    const add = (name, values) =>
      (samples[`search.${name}`] = [...(samples[`search.${name}`] ?? []), ...values]);
    for (let run = 0; run < Math.min(runs, 3); run += 1) {
      const device = await openDevice();
      const times = await device.call("measureSearch", { cofferName: freshName("search"), count, rounds });
      add("index", [times.indexMs]);
      add("words", times.searchMs);
      add("fuzzy", times.fuzzyMs);
      add("size", [times.indexRatio]);
      log(`  search ${run + 1}: indexed in ${times.indexMs.toFixed(0)} ms`);
      await device.close();
    }
    return samples;
  },
};
