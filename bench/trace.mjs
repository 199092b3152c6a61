/** Chromium's own tracing, for how long tasks took, by the clock and on the processor. */

/** @typedef {{ name: string, ph: string, pid: number, tid: number, ts: number, dur?: number, tdur?: number, args?: { name?: string } }} TraceEvent */

/** what is looked at, of very much that is told */
const kept = ["thread_name", "RunTask", "FireAnimationFrame"];

/**
 * The tasks of the page's main thread while something is done.
 *
 * @param {import("@playwright/test").Page} page
 * @param {() => Promise<void>} run
 */
export async function traced(page, run) {
  const cdp = await page.context().newCDPSession(page);
  /** @type {TraceEvent[]} */
  const events = [];
  cdp.on("Tracing.dataCollected", ({ value }) => {
    for (const event of /** @type {TraceEvent[]} */ (/** @type {unknown} */ (value)))
      if (kept.includes(event.name)) events.push(event);
  });
  const ended = new Promise((resolve) => cdp.once("Tracing.tracingComplete", resolve));
  await cdp.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: {
      includedCategories: ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"],
    },
  });
  await run();
  await cdp.send("Tracing.end");
  await ended;
  await cdp.detach();
  return mainThreadTasks(events);
}

/**
 * The tasks of the renderer whose main thread drew most frames, or where nothing is drawn had most to do: the page's.
 *
 * @param {readonly TraceEvent[]} events
 */
function mainThreadTasks(events) {
  const mains = events.filter(({ name, args }) => name === "thread_name" && args?.name === "CrRendererMain");
  const drawn = mains.map(({ pid, tid }) => {
    const own = events.filter((event) => event.pid === pid && event.tid === tid);
    const tasks = own.filter(({ name, ph }) => ph === "X" && name === "RunTask");
    return {
      tasks,
      frames: own.filter(({ name }) => name === "FireAnimationFrame").length,
      busyUs: tasks.reduce((sum, { dur = 0 }) => sum + dur, 0),
    };
  });
  const [page] = drawn.toSorted((one, other) => other.frames - one.frames || other.busyUs - one.busyUs);
  if (page === undefined) throw new Error("The trace has no main thread");
  if (page.tasks.length === 0) throw new Error("The trace has no tasks");
  return page.tasks;
}
