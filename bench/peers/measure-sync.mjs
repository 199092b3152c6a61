/**
 * Measures how tasks travel from one browser to another through each peer's own server. Each round each of them in turn, with all of it
 * fresh: two browsers with profiles on disk, an empty server in a process of its own, a proxy between them that counts.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "@playwright/test";
import { chromiumLaunchOptions } from "../../build/chromium.mjs";
import { fromRoot } from "../../build/paths.mjs";
import { closeAll, createFolder, startCounted, startServer, startSyncServer } from "../server-process.mjs";
import { startStaticServer } from "../static-server.mjs";
import { buildPeers } from "./build.mjs";
import { ask, load } from "./pages.mjs";
import { moreCount, taskCount, travellers } from "./travellers.mjs";

/**
 * @typedef {import("@playwright/test").Page} Page
 * @typedef {import("../server-process.mjs").Closers} Closers
 * @typedef {import("./page/sync/sync-bench.ts").SyncBench} SyncBench
 * @typedef {import("./figures.mjs").Samples} Samples
 */

/** What the peers still have to do for what was seen is over before the next is begun, and counted with it. */
const settleMs = 1500;
const pauseMs = 100;
const callLimitMs = 180_000;

/**
 * Run the comparison.
 *
 * @param {{ runs: number, only?: readonly string[], log: (text: string) => void }} options
 * @returns {Promise<{ samples: Samples, plainBytes: number }>} `plainBytes` is the tasks as JSON
 */
export async function measureSync({ runs, only, log }) {
  const folder = await buildPeers();
  const server = await startStaticServer({
    "/": join(folder, "sync.html"),
    "/assets/": join(folder, "assets"),
  });
  /** @type {Samples} */
  const samples = {};
  let plainBytes = 0;
  const chosen = travellers.filter(({ name }) => only === undefined || only.includes(name));
  try {
    for (let round = 0; round < runs; round += 1) {
      for (let turn = 0; turn < chosen.length; turn += 1) {
        const traveller = chosen[(turn + round) % chosen.length];
        if (traveller === undefined) continue;
        const own = (samples[traveller.name] ??= {});
        const startMs = Date.now();
        plainBytes = await measureOne(traveller.name, server.url, (measure, value) =>
          (own[measure] ??= []).push(value),
        ).catch((error) => {
          log(`  ${traveller.label} broke off: ${String(error).slice(0, 400)}`);
          return plainBytes;
        });
        const [all = Number.NaN, one = Number.NaN] = ["all", "one"].map((measure) => own[measure]?.at(-1));
        log(
          `  round ${round + 1}/${runs}: ${traveller.label}, all in ${all.toFixed(0)} ms, one more in ${one.toFixed(1)} ms (${Math.round((Date.now() - startMs) / 1000)} s)`,
        );
      }
    }
  } finally {
    await server.close();
  }
  return { samples, plainBytes };
}

/**
 * @param {string} name
 * @param {string} pageUrl
 * @param {(measure: string, value: number) => void} add
 */
async function measureOne(name, pageUrl, add) {
  /** @type {Closers} */
  const closers = [];
  try {
    const proxy = await startCounted(closers, (url) => startServerOf(name, closers, url));
    const [first, second] = await Promise.all([openPage(closers, pageUrl), openPage(closers, pageUrl)]);
    await meet(name, first, second, proxy.url);
    // Both ends have each other's tasks, live, before anything is measured.
    let total = 1;
    await bring(first, second, { made: 1, seed: 2, total });
    await sleep(settleMs);

    proxy.reset();
    total += taskCount;
    add("all", await bring(first, second, { made: taskCount, seed: 1, total }));
    await sleep(settleMs);
    addBytes("all", proxy.counts(), 1);

    proxy.reset();
    for (let more = 0; more < moreCount; more += 1) {
      total += 1;
      add("one", await bring(first, second, { made: 1, seed: 3 + more, total }));
      await sleep(pauseMs);
    }
    await sleep(settleMs);
    addBytes("one", proxy.counts(), moreCount);
    const plainBytes = await call(first, "plainBytes", taskCount, 1);
    await Promise.all([call(first, "close"), call(second, "close")]);
    return plainBytes;
  } finally {
    await closeAll(closers);
  }

  /**
   * @param {string} what
   * @param {import("../counting-proxy.mjs").Counts} counts
   * @param {number} times
   */
  function addBytes(what, { bodyDown, bodyUp, socketDown, socketUp }, times) {
    add(`${what}Up`, (bodyUp + socketUp) / times);
    add(`${what}Down`, (bodyDown + socketDown) / times);
  }
}

/**
 * @param {string} name
 * @param {Closers} closers
 * @param {string} proxyUrl
 */
async function startServerOf(name, closers, proxyUrl) {
  if (name === "coffer") return startSyncServer(closers, ["--public-url", proxyUrl]);
  const command = fromRoot("bench", "peers", "servers", "serve.mjs");
  return startServer(closers, [command, name, createFolder(closers)]);
}

/** @param {Closers} closers @param {string} url */
async function openPage(closers, url) {
  const context = await chromium.launchPersistentContext(createFolder(closers), {
    ...chromiumLaunchOptions(),
    headless: true,
  });
  closers.push(() => context.close());
  const page = context.pages()[0] ?? (await context.newPage());
  page.on("pageerror", ({ message }) => console.error(`On the page: ${message}`));
  return load(page, url);
}

/**
 * One browser makes the tasks' place, and lets the other in.
 *
 * @param {string} name
 * @param {Page} first
 * @param {Page} second
 * @param {string} serverUrl
 */
async function meet(name, first, second, serverUrl) {
  const there = { name: "bench-second", serverUrl };
  await call(first, "found", name, { name: "bench-first", serverUrl });
  const request = await call(second, "ask", name, there);
  await call(second, "join", name, there, await call(first, "invite", request));
}

/**
 * Make tasks in one browser and wait until the other has so many.
 *
 * @param {Page} first
 * @param {Page} second
 * @param {{ made: number, seed: number, total: number }} tasks
 */
async function bring(first, second, { made, seed, total }) {
  const [doneAtMs, beganAtMs] = await Promise.all([
    call(second, "until", total),
    call(first, "add", made, seed),
  ]);
  return doneAtMs - beganAtMs;
}

/**
 * Call a function of the page's.
 *
 * @template {keyof SyncBench} Name
 * @param {Page} page
 * @param {Name} name
 * @param {Parameters<SyncBench[Name]>} args
 * @returns {Promise<Awaited<ReturnType<SyncBench[Name]>>>}
 */
async function call(page, name, ...args) {
  return /** @type {any} */ (await ask(page, name, args, callLimitMs));
}
