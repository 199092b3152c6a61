/** A file of 100 MiB through the public API, Dexie's plain chunks of the same bytes, and the stages alone, in turns; and one of 2 GiB. */
import { traced } from "../trace.mjs";

const mebibytes = 100;
const largeMebibytes = 2048;
const tracedMebibytes = 256;
const rounds = 40;
const mebibyte = 1024 * 1024;

/** @type {import("./index.mjs").Workload} */
export const attachments = {
  name: "attachments",
  title: "a file of 100 MiB, added and read",
  async measure({ runs, openDevice, freshName, log }) {
    const device = await openDevice();
    /** @type {Record<string, number[]>} */
    const samples = {};
    /** @param {string} name @param {...number} values */
    const add = (name, ...values) => (samples[`attachments.${name}`] ??= []).push(...values);
    for (let run = 0; run < runs; run += 1) {
      await device.reload();
      const dexie = await device.call("fileWithDexie", { databaseName: freshName("dexie"), mebibytes });
      await device.reload();
      const file = await device.call("measureFile", { cofferName: freshName("file"), mebibytes, rounds });
      await device.reload();
      const stages = await device.call("fileByStages", { storeName: freshName("stages"), mebibytes });
      add("add", file.addMs);
      add("read", file.readMs);
      add("addDexie", dexie.writeMs);
      add("readDexie", dexie.readMs);
      add("addRatio", file.addMs / dexie.writeMs);
      add("readRatio", file.readMs / dexie.readMs);
      add("stream", ...file.streamMs);
      add("streamWorst", Math.max(...file.streamMs));
      add("range", ...file.rangeMs);
      add("longestTask", file.longestTaskMs);
      for (const [way, times] of Object.entries({ add: stages.add, read: stages.read }))
        for (const [stage, ms] of Object.entries(times)) add(`${way}.${stage}`, ms);
      log(
        `  attachments ${run + 1}/${runs}: added in ${file.addMs.toFixed(0)} ms, read in ${file.readMs.toFixed(0)} ms; Dexie ${dexie.writeMs.toFixed(0)} and ${dexie.readMs.toFixed(0)} ms`,
      );
    }
    await device.close();
    return samples;
  },
};

/** @type {import("./index.mjs").Workload} */
export const largeAttachment = {
  name: "large-attachment",
  title: "a file of 2 GiB, streamed in and out",
  async measure({ openDevice, freshName, log }) {
    const device = await openDevice();
    const added = await device.call("addLarge", {
      cofferName: freshName("large"),
      mebibytes: largeMebibytes,
    });
    log(`  large-attachment: added in ${(added.ms / 1000).toFixed(0)} s`);
    const read = await device.call("readLarge");
    await device.reload();
    // Apart: tracing takes time itself.
    const tasks = await traced(device.page, () =>
      device.call("streamFile", { cofferName: freshName("traced"), mebibytes: tracedMebibytes }),
    );
    await device.close();
    return {
      "largeAttachment.add": [added.ms],
      "largeAttachment.read": [read.ms],
      "largeAttachment.addGrowth": [added.grownBytes / mebibyte],
      "largeAttachment.readGrowth": [read.grownBytes / mebibyte],
      "largeAttachment.longestTask": [Math.max(added.longestTaskMs, read.longestTaskMs)],
      "largeAttachment.longestTaskCpu": [
        tasks.reduce((longest, { dur = 0, tdur = dur }) => Math.max(longest, tdur), 0) / 1000,
      ],
    };
  },
};
