/**
 * A reload with 10,000 documents: from the password, or a kept session, to the first rows on screen; and of one document with 10,000
 * changes.
 */

const count = 10_000;

/** @type {import("./index.mjs").Workload} */
export const reopen = {
  name: "reopen",
  title: "a reload with 10,000 documents",
  async measure({ runs, openDevice, freshName, log }) {
    const device = await openDevice();
    const cofferName = freshName("reopen");
    await device.call("fillTenant", { cofferName, count });
    /** @type {Record<string, number[]>} */
    const samples = {};
    /** @param {string} name @param {number} value */
    const add = (name, value) => (samples[`reopen.${name}`] ??= []).push(value);
    for (let run = 0; run < runs; run += 1) {
      await device.reload();
      const key = await device.call("derivePassword");
      await device.reload();
      const times = await device.call("reopen", { cofferName, count });
      const sinceOpenMs = times.openCofferMs + times.openTenantMs + times.openDatabaseMs + times.firstRowsMs;
      add("key", key.ms);
      add("openCoffer", times.openCofferMs);
      add("openTenant", times.openTenantMs);
      add("openDatabase", times.openDatabaseMs);
      add("firstRows", times.firstRowsMs);
      add("allCounted", times.allCountedMs);
      add("afterKey", sinceOpenMs - times.openCofferMs - key.ms);
      add("whole", times.sinceNavigationMs);
      await device.reload();
      await device.call("keepSession", { cofferName });
      await device.reload();
      const kept = await device.call("reopen", { cofferName, count, isKept: true });
      add("keptFirstRows", kept.openTenantMs + kept.openDatabaseMs + kept.firstRowsMs);
      add("keptAllCounted", kept.openTenantMs + kept.openDatabaseMs + kept.allCountedMs);
      log(
        `  reopen ${run + 1}/${runs}: ${times.sinceNavigationMs.toFixed(0)} ms, Argon2id alone ${key.ms.toFixed(0)} ms`,
      );
    }
    const longName = freshName("long");
    await device.reload();
    await device.call("fillLong", { cofferName: longName, count });
    for (let run = 0; run < runs; run += 1) {
      await device.reload();
      const { openMs, editMs } = await device.call("openLong", { cofferName: longName });
      add("longOpen", openMs);
      add("longEdit", editMs);
    }
    await device.reload();
    await device.call("removeTenant", longName);
    await device.reload();
    await device.call("removeTenant", cofferName);
    await device.close();
    return samples;
  },
};
