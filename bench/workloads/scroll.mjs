/**
 * The demo's view over 100,000 documents, all categories expanded, scrolled by the wheel and by long jumps. Chromium's own tracing says
 * how long the tasks of the page's main thread took.
 */
import { randomBytes } from "node:crypto";
import { traced } from "../trace.mjs";

const documentCount = 100_000;
const wheelSteps = 300;
const jumps = 30;
const frameUs = 1e6 / 60;

/** @typedef {import("../trace.mjs").TraceEvent} TraceEvent */

/** @type {import("./index.mjs").Workload} */
export const scroll = {
  name: "scroll",
  title: "a view of 100,000 documents in the demo, scrolled",
  async measure({ runs, openPage, serverUrl, log }) {
    const page = await openPage();
    await page.setViewportSize({ width: 1440, height: 900 });
    await fill(page, await serverUrl());
    log("  scroll: 100,000 documents are there");
    const openMs = await openView(page);
    /** @type {Record<string, number[]>} */
    const samples = { "scroll.open": [openMs] };
    for (let run = 0; run < runs; run += 1) {
      for (const [how, scrollBy] of /** @type {const} */ ([
        ["wheel", wheel],
        ["jump", jump],
      ])) {
        const tasks = await traced(page, () => scrollBy(page));
        const frames = longestOfFrames(tasks, ({ dur = 0 }) => dur);
        const busy = longestOfFrames(tasks, ({ tdur, dur = 0 }) => tdur ?? dur);
        (samples[`scroll.${how}Cpu`] ??= []).push(quantile(busy, 0.95));
        (samples[`scroll.${how}`] ??= []).push(quantile(frames, 0.95));
        (samples[`scroll.${how}Longest`] ??= []).push(Math.max(...frames));
        log(
          `  scroll ${run + 1}/${runs}: ${how}, ${frames.length} frames with work, p50 ${quantile(frames, 0.5).toFixed(1)} ms, p95 ${quantile(frames, 0.95).toFixed(1)} ms (on the processor ${quantile(busy, 0.95).toFixed(1)} ms), longest ${Math.max(...frames).toFixed(1)} ms`,
        );
      }
      (samples["scroll.rowsInPage"] ??= []).push(await page.getByRole("treegrid").getByRole("row").count());
    }
    await page.context().close();
    return samples;
  },
};

/**
 * Start a space in the demo and import a table.
 *
 * @param {import("@playwright/test").Page} page
 * @param {string} url
 */
async function fill(page, url) {
  const secret = randomBytes(12).toString("base64url");
  await page.goto(url);
  await page.getByRole("button", { name: /Start a space/ }).click();
  for (const [label, text] of /** @type {const} */ ([
    ["Name of the space", "Scrolling"],
    ["Your name", "Reader"],
    ["Your password", `${secret}-user`],
    ["Admin password", `${secret}-admin`],
  ]))
    await page.getByRole("textbox", { name: label, exact: true }).fill(text);
  await page.getByRole("button", { name: "Start the space" }).click();
  await page
    .getByTestId("csv-empty")
    .setInputFiles({ name: "films.csv", mimeType: "text/csv", buffer: Buffer.from(table()) });
  await page.getByTestId("import").waitFor({ state: "visible", timeout: 60_000 });
  await page.getByTestId("import").waitFor({ state: "hidden", timeout: 600_000 });
}

/** A table of films that never were: ten decades, twelve genres. */
function table() {
  const genres =
    "Action Adventure Comedy Crime Documentary Drama Horror Musical Mystery Romance Thriller Western";
  const names = genres.split(" ");
  const rows = Array.from({ length: documentCount }, (_, index) => {
    const mixed = (index * 2_654_435_761) % 4_294_967_296;
    const year = 1920 + (mixed % 100);
    const genre = names[mixed % 11] ?? "Drama";
    return `Film number ${index},Director ${mixed % 997},${genre},${year},${60 + (mixed % 120)},${1 + (mixed % 91) / 10},${mixed % 900_000_000}`;
  });
  return ["title,director,genre,year,runtime,imdb,worldwide gross", ...rows].join("\n");
}

/**
 * Open the view and expand all of it.
 *
 * @param {import("@playwright/test").Page} page
 * @returns {Promise<number>} milliseconds until its first rows were there
 */
async function openView(page) {
  const startedMs = performance.now();
  await page.getByRole("link", { name: "Views" }).click();
  await page.getByTestId("view-category").first().waitFor({ timeout: 60_000 });
  const openMs = performance.now() - startedMs;
  await page.getByRole("group", { name: "Expand to" }).getByRole("button", { name: "Films" }).click();
  await page.getByTestId("view-film").first().waitFor({ timeout: 60_000 });
  return openMs;
}

/** @param {import("@playwright/test").Page} page */
async function wheel(page) {
  await page.getByTestId("view").hover();
  for (let step = 0; step < wheelSteps; step += 1) {
    await page.mouse.wheel(0, 240);
    await page.waitForTimeout(8);
  }
}

/** @param {import("@playwright/test").Page} page */
async function jump(page) {
  const scroller = page.getByTestId("view").locator(".scroller");
  for (let step = 0; step < jumps; step += 1) {
    const part = ((step * 0.618) % 1) * 0.98;
    await scroller.evaluate((element, to) => (element.scrollTop = element.scrollHeight * to), part);
    await page.waitForTimeout(120);
  }
}

/**
 * The longest task of each sixtieth of a second in which there was work, in milliseconds.
 *
 * @param {readonly TraceEvent[]} tasks
 * @param {(task: TraceEvent) => number} microseconds
 */
function longestOfFrames(tasks, microseconds) {
  /** @type {Map<number, number>} */
  const longest = new Map();
  for (const task of tasks) {
    const frame = Math.floor(task.ts / frameUs);
    longest.set(frame, Math.max(longest.get(frame) ?? 0, microseconds(task) / 1000));
  }
  return [...longest.values()].filter((ms) => ms >= 0.5);
}

/** @param {readonly number[]} values @param {number} part */
function quantile(values, part) {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}
