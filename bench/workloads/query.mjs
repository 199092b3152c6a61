/** Filter, sort and a window of 50 over 10,000 and 100,000 documents, and how soon an edit shows there. */

const sizes = /** @type {const} */ ([
  ["10k", 10_000],
  ["100k", 100_000],
]);
const rounds = 30;

/** @type {import("./index.mjs").Workload} */
export const query = {
  name: "query",
  title: "live queries over 10,000 and 100,000 documents",
  async measure({ runs, openDevice, freshName, log }) {
    /** @type {Record<string, number[]>} */
    const samples = {};
    /** @param {string} name @param {readonly number[]} values */
    const add = (name, values) => (samples[name] = [...(samples[name] ?? []), ...values]);
    for (const [name, count] of sizes) {
      for (let run = 0; run < Math.min(runs, count === 100_000 ? 2 : 3); run += 1) {
        const device = await openDevice();
        const times = await device.call("measureQueries", { cofferName: freshName("query"), count, rounds });
        add(`query.first${name}`, [times.firstMs]);
        add(`query.warm${name}`, times.warmMs);
        add(`query.scan${name}`, times.scanMs);
        add(`query.busyEdit${name}`, times.busyEditMs);
        add(`query.edit${name}`, times.editMs);
        add(`query.typedEdit${name}`, times.typedEditMs);
        log(`  query ${name} ${run + 1}: first ${times.firstMs.toFixed(1)} ms`);
        await device.close();
      }
    }
    return samples;
  },
};
