/** 300 inserts and 300 updates, each awaited: through the public API, with Dexie on the page, and stage by stage, in turns. */

const count = 300;
const microseconds = 1000;

/** @param {readonly number[]} values */
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** @type {import("./index.mjs").Workload} */
export const single = {
  name: "single",
  title: "one insert, one update, each awaited",
  async measure({ runs, openDevice, freshName, log }) {
    const device = await openDevice();
    /** @type {Record<string, number[]>} */
    const samples = {};
    /** @param {string} name @param {number} value */
    const add = (name, value) => (samples[`single.${name}`] ??= []).push(value);
    for (let run = 0; run < runs; run += 1) {
      await device.reload();
      const dexie = await device.call("singleDexieWrites", { databaseName: freshName("dexie"), count });
      await device.reload();
      const coffer = await device.call("singleWrites", { cofferName: freshName("single"), count });
      await device.reload();
      const stages = await device.call("singleStages", { storeName: freshName("stages"), count });
      const roundTrip = median(await device.call("roundTrips", count)) * microseconds;
      add("roundTrip", roundTrip);
      add("open", median(coffer.openMs) * microseconds);
      for (const kind of /** @type {const} */ (["insert", "update"])) {
        const whole = median(coffer[`${kind}Ms`]) * microseconds;
        const other = median(dexie[`${kind}Ms`]) * microseconds;
        add(kind, whole);
        add(`${kind}.dexie`, other);
        add(`${kind}.ratio`, whole / other);
        let known = roundTrip;
        for (const [stage, values] of Object.entries(stages[kind])) {
          const each = median(values) * microseconds;
          if (stage === "floor") add(`${kind}.floor`, each);
          else if (each > 0) {
            known += each;
            add(`${kind}.${stage}`, each);
          }
        }
        add(`${kind}.rest`, whole - known);
      }
      log(`  single ${run + 1}/${runs}: insert ${median(coffer.insertMs).toFixed(2)} ms`);
    }
    await device.close();
    return samples;
  },
};
