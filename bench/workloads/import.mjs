/** 10,000 documents of 10 fields through `createDocuments`, Dexie's `bulkAdd` of the same rows, and the stages alone, in turns. */

const count = 10_000;
const microseconds = 1000;

/** @type {import("./index.mjs").Workload} */
export const importing = {
  name: "import",
  title: "10,000 documents of 10 fields",
  async measure({ runs, openDevice, freshName, log }) {
    const device = await openDevice();
    /** @type {Record<string, number[]>} */
    const samples = {};
    /** @param {string} name @param {number} value */
    const add = (name, value) => (samples[`import.${name}`] ??= []).push(value);
    for (let run = 0; run < runs; run += 1) {
      await device.reload();
      const dexie = await device.call("importWithDexie", { databaseName: freshName("dexie"), count });
      await device.reload();
      const coffer = await device.call("importDocuments", { cofferName: freshName("import"), count });
      await device.reload();
      const stages = await device.call("importByStages", { storeName: freshName("stages"), count });
      const perDocument = (coffer.ms / count) * microseconds;
      add("total", coffer.ms);
      add("perDocument", perDocument);
      add("dexie", (dexie.ms / count) * microseconds);
      add("ratio", coffer.ms / dexie.ms);
      add("wasm", stages.wasmMs);
      add("bytes", stages.commitBytes / count);
      let stagesSum = 0;
      for (const [stage, ms] of Object.entries(stages.totalMs)) {
        const each = (ms / count) * microseconds;
        stagesSum += each;
        add(stage, each);
      }
      add("rest", perDocument - stagesSum);
      log(`  import ${run + 1}/${runs}: ${coffer.ms.toFixed(0)} ms, Dexie ${dexie.ms.toFixed(0)} ms`);
    }
    await device.close();
    return samples;
  },
};
