/** A categorised view over 10,000 and 100,000 documents: built, looked at, edited, and opened again from disk. */

const sizes = /** @type {const} */ ([
  ["10k", 10_000],
  ["100k", 100_000],
]);
const rounds = 15;
/** stay so long that what is kept is written */
const pauseMs = 6_000;

/** @type {import("./index.mjs").Workload} */
export const view = {
  name: "view",
  title: "a view of two levels, an order and three totals, over 10,000 and 100,000 documents",
  async measure({ runs, openDevice, freshName, log }) {
    /** @type {Record<string, number[]>} */
    const samples = {};
    /** @param {string} name @param {readonly number[]} values */
    const add = (name, values) => (samples[`view.${name}`] = [...(samples[`view.${name}`] ?? []), ...values]);
    const few = Math.min(runs, 2);
    for (let run = 0; run < runs; run += 1) {
      const device = await openDevice();
      /** @type {number[]} */
      const means = [];
      for (const [name, count] of sizes) {
        const alone = await device.call("viewByStages", { count, edits: rounds });
        add(`worker${name}`, [alone.buildMs]);
        add(`workerEdit${name}`, alone.editMs);
        add(`workerWindow${name}`, alone.windowMs);
        means.push(medianOf(alone.editMs));
      }
      const [small = 0, large = 0] = means;
      add("editGrowth", [large / small]);
      await device.close();
    }
    for (const [name, count] of sizes) {
      for (let run = 0; run < few; run += 1) {
        const device = await openDevice();
        const times = await device.call("measureView", { cofferName: freshName("view"), count, rounds });
        add(`build${name}`, [times.buildMs]);
        add(`window${name}`, times.windowMs);
        add(`edit${name}`, times.editMs);
        add(`longestTask${name}`, [times.busy.longestTaskMs]);
        log(`  view ${name} ${run + 1}: built in ${times.buildMs.toFixed(0)} ms`);
        await device.close();
      }
    }
    await measureReopening({ runs: few, openDevice, freshName, log }, add);
    return samples;
  },
};

/** @param {readonly number[]} values */
function medianOf(values) {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}

/**
 * @param {Pick<import("../world.mjs").World, "runs" | "openDevice" | "freshName" | "log">} world
 * @param {(name: string, values: readonly number[]) => void} add
 */
async function measureReopening({ runs, openDevice, freshName, log }, add) {
  const count = 100_000;
  const device = await openDevice();
  const cofferName = freshName("reopen-view");
  await device.call("fillTenant", { cofferName, count });
  await device.reload();
  await device.call("keepSession", { cofferName });
  await device.reload();
  const first = await device.call("reopenView", { cofferName, count, pauseMs });
  add("unkeptWhole", [first.wholeMs]);
  for (let run = 0; run < runs + 1; run += 1) {
    await device.reload();
    const times = await device.call("reopenView", { cofferName, count, pauseMs: 1_000 });
    add("reopenFirst", [times.firstMs]);
    add("reopenSinceOpen", [times.sinceOpenMs]);
    add("reopenWhole", [times.wholeMs]);
    log(`  view reopened ${run + 1}: first rows ${times.firstMs.toFixed(0)} ms after unlocking`);
  }
  await device.close();
}
