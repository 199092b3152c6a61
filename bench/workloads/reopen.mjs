/**
 * A reload with 10,000 documents: from the password, or a kept session, to the first rows on screen; and of one document with 10,000
 * changes.
 */

const count = 10_000;
/** so long somebody looks at a document before editing it */
const pauseMs = 1_000;

/** What a kept session passes on the way to its first rows, by what the stage that ends there is called; the worker tells the others. */
const stages = /** @type {const} */ ({
  workerStart: "worker running",
  device: "device open",
  store: "store open",
  held: "keys held",
  keys: "keys open",
  tenant: "tenant open",
  query: "query answered",
  shown: "rows",
  summaries: "summaries known",
  entries: "entries known",
  ids: "all",
});

/**
 * The milestones of the page's worker, on the page's clock.
 *
 * @param {import("@playwright/test").Page} page
 * @returns {Promise<Record<string, number>>}
 */
async function milestones(page) {
  const [worker] = page.workers();
  if (worker === undefined) throw new Error("The page has no worker");
  return worker.evaluate(() =>
    Object.fromEntries(
      performance
        .getEntriesByType("mark")
        .map(({ name, startTime }) => [name.replace("coffer: ", ""), performance.timeOrigin + startTime]),
    ),
  );
}

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
      add("allKnown", times.allKnownMs);
      add("afterKey", sinceOpenMs - times.openCofferMs - key.ms);
      add("whole", times.sinceNavigationMs);
      await device.reload();
      await device.call("keepSession", { cofferName });
      await device.reload();
      add("floorWorker", await device.call("startEmptyWorker"));
      const points = await device.call("reopenKept", { cofferName, count });
      const at = { ...points, ...(await milestones(device.page)) };
      await device.call("closeKept");
      addStages(add, at);
      log(
        `  reopen ${run + 1}/${runs}: ${times.sinceNavigationMs.toFixed(0)} ms, Argon2id alone ${key.ms.toFixed(0)} ms`,
      );
    }
    const longName = freshName("long");
    await device.reload();
    await device.call("fillLong", { cofferName: longName, count });
    await device.reload();
    await device.call("keepSession", { cofferName: longName });
    for (let run = 0; run < runs; run += 1) {
      await device.reload();
      const long = { cofferName: longName, length: count };
      const points = await device.call("reopenLong", { ...long, pauseMs: 0 });
      const at = { ...points, ...(await milestones(device.page)) };
      await device.call("closeKept");
      addLong(add, at);
      await device.reload();
      const { edit = Number.NaN, edited = Number.NaN } = await device.call("reopenLong", {
        ...long,
        pauseMs,
      });
      await device.call("closeKept");
      add("longEditLater", edited - edit);
    }
    await device.reload();
    await device.call("removeTenant", longName);
    await device.reload();
    await device.call("removeTenant", cofferName);
    await device.close();
    return samples;
  },
};

/**
 * @param {(name: string, value: number) => void} add
 * @param {Readonly<Record<string, number>>} at
 */
function addStages(add, at) {
  const { begin = Number.NaN, rows = Number.NaN, all = Number.NaN } = at;
  const storeAt = at["store open"] ?? Number.NaN;
  add("keptFirstRows", rows - begin);
  add("keptSinceStore", rows - storeAt);
  add("keptAllKnown", all - begin);
  add("keptAllSinceStore", all - storeAt);
  let before = begin;
  for (const [stage, point] of Object.entries(stages)) {
    const reached = at[point] ?? Number.NaN;
    add(`stage.${stage}`, reached - before);
    before = reached;
  }
}

/**
 * @param {(name: string, value: number) => void} add
 * @param {Readonly<Record<string, number>>} at
 */
function addLong(add, at) {
  const { begin = Number.NaN, named = Number.NaN, text = Number.NaN } = at;
  const { edit = Number.NaN, edited = Number.NaN } = at;
  add("longWhole", text - begin);
  add("longSinceStore", text - (at["store open"] ?? Number.NaN));
  add("longOpen", text - named);
  add("longEngine", (at["engine ready"] ?? Number.NaN) - named);
  add("longEdit", edited - edit);
}
