/**
 * What the workloads run in: the built bench page on a server of its own, the sync server with an empty store, and browsers with
 * profiles on disk, as storage behaves in them as it does for people. All of it is closed and removed at the end.
 */
import { createRequire } from "node:module";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "@playwright/test";
import { build } from "esbuild";
import { chromiumLaunchOptions } from "../build/chromium.mjs";
import { fromRoot } from "../build/paths.mjs";
import { closeAll, createFolder, startCounted, startSyncServer } from "./server-process.mjs";
import { startStaticServer } from "./static-server.mjs";

/**
 * @typedef {import("@playwright/test").Page} Page
 * @typedef {import("./page/page.ts").Bench} Bench
 * @typedef {{ page: Page, call: Call, reload: () => Promise<void>, openTab: () => Promise<Device>, close: () => Promise<void> }} Device
 * @typedef {<Name extends keyof Bench>(name: Name, ...args: Parameters<Bench[Name]>) => Promise<Awaited<ReturnType<Bench[Name]>>>} Call
 * @typedef {import("./counting-proxy.mjs").CountingProxy} CountingProxy
 * @typedef {{ runs: number, isRecorded: boolean, serverUrl: () => Promise<string>, countedServer: () => Promise<CountingProxy>, openDevice: () => Promise<Device>, openPage: () => Promise<Page>, browserVersion: () => string, freshName: (what: string) => string, log: (text: string) => void }} World
 */

const callLimitMs = 180_000;

/** Build the bench's page and its workers; the product itself is taken as it is published, from `dist`. */
async function buildPage() {
  const outdir = fromRoot("bench", "dist");
  const names = ["page", "dexie-worker", "file-worker", "people-worker", "stages-worker", "view-worker"];
  await build({
    entryPoints: names.map((name) => fromRoot("bench", "page", `${name}.ts`)),
    outdir,
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    external: ["cofferdb", "@preact/signals-core"],
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "warning",
  });
  return outdir;
}

/**
 * Open the world.
 *
 * @param {{ runs: number, isRecorded: boolean }} options
 * @returns {Promise<{ world: World, close: () => Promise<void> }>}
 */
export async function openWorld({ runs, isRecorded }) {
  /** @type {import("./server-process.mjs").Closers} */
  const closers = [];
  const signals = createRequire(fromRoot("package.json")).resolve("@preact/signals-core");
  const pages = await startStaticServer({
    "/": fromRoot("bench", "page", "index.html"),
    "/bench/": await buildPage(),
    "/dist/": fromRoot("dist"),
    "/signals.js": signals.replace(/\.js$/, ".mjs"),
  });
  closers.push(() => pages.close());
  let nameCount = 0;
  let version = "";
  /** @type {Promise<string> | undefined} */
  let serverUrl;

  async function openPage() {
    const profileFolder = createFolder(closers);
    const context = await chromium.launchPersistentContext(profileFolder, {
      ...chromiumLaunchOptions(),
      // Memory is measured at once, not at the browser's next leisure.
      args: [...chromiumLaunchOptions().args, "--enable-blink-features=ForceEagerMeasureMemory"],
      headless: true,
      handleSIGINT: false,
      handleSIGTERM: false,
    });
    closers.push(() => context.close().catch(() => undefined));
    version = context.browser()?.version() ?? version;
    return context.pages()[0] ?? (await context.newPage());
  }

  /** @type {World} */
  const world = {
    runs,
    isRecorded,
    serverUrl: () => (serverUrl ??= startSyncServer(closers)),
    countedServer: () => startCounted(closers, (url) => startSyncServer(closers, ["--public-url", url])),
    openPage,
    async openDevice() {
      const page = await openPage();
      return openDevicePage(page, pages.url, () => page.context().close());
    },
    browserVersion: () => version,
    freshName: (what) => `bench-${what}-${process.pid}-${(nameCount += 1)}`,
    log: (text) => process.stderr.write(`${text}\n`),
  };
  return {
    world,
    close: () => closeAll(closers),
  };
}

/**
 * Load the bench into a page of a device.
 *
 * @param {Page} page
 * @param {string} url
 * @param {() => Promise<void>} close
 * @returns {Promise<Device>}
 */
async function openDevicePage(page, url, close) {
  /** @type {Set<string>} */
  const told = new Set();
  page.on("pageerror", ({ message }) => {
    if (!told.has(message)) console.error(`On the page: ${message}`);
    told.add(message);
  });
  await load(page, url);
  return {
    page,
    call: (name, ...args) => withinLimit(page.evaluate(callBench, { name, args }), name),
    reload: () => load(page, url),
    async openTab() {
      const tab = await page.context().newPage();
      return openDevicePage(tab, url, () => tab.close());
    },
    close,
  };
}

/**
 * Give up a call that does not end: a worker that died leaves it waiting for ever.
 *
 * @template T
 * @param {Promise<T>} call
 * @param {string} name
 * @returns {Promise<T>}
 */
async function withinLimit(call, name) {
  const abort = new AbortController();
  const late = sleep(callLimitMs, undefined, { signal: abort.signal }).then(() => {
    throw new Error(`${name} did not end within ${callLimitMs / 1000} s`);
  });
  try {
    return await Promise.race([call, late]);
  } finally {
    abort.abort();
  }
}

/**
 * Runs on the page.
 *
 * @param {{ name: string, args: readonly unknown[] }} call
 */
function callBench({ name, args }) {
  const { bench } = /** @type {{ bench: Record<string, (...args: readonly unknown[]) => unknown> }} */ (
    /** @type {unknown} */ (window)
  );
  const run = bench[name];
  if (run === undefined) throw new Error(`The bench's page has no ${name}`);
  return /** @type {any} */ (run(...args));
}

/**
 * @param {Page} page
 * @param {string} url
 */
async function load(page, url) {
  await page.goto(`${url}/`);
  await page.waitForFunction(() => "bench" in window);
  if (!(await page.evaluate(() => crossOriginIsolated))) throw new Error("The bench's page is not isolated");
}
