/** Measures the peers: each round each of them in turn, on a fresh profile of its own, page, storage and all. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { chromiumLaunchOptions } from "../../build/chromium.mjs";
import { startStaticServer } from "../static-server.mjs";
import { buildPeers } from "./build.mjs";

/**
 * @typedef {import("@playwright/test").BrowserContext} BrowserContext
 * @typedef {import("@playwright/test").Page} Page
 * @typedef {import("./page/peer-bench.ts").PeerBench} PeerBench
 * @typedef {{ name: string, label: string, what: string, count: number }} Competitor
 * @typedef {Record<string, Record<string, number[]>>} Samples by peer, then by measure
 */

const all = 10_000;

/**
 * Who takes part. A peer whose documents are stored one by one takes a smaller number, so that a round ends: its figures for each
 * document are then of that number, and its cold opening is of that number too.
 *
 * @type {readonly Competitor[]}
 */
export const competitors = [
  { name: "coffer", label: "CofferDB", what: "signed, encrypted, merges", count: all },
  { name: "dexie", label: "Dexie", what: "plain rows, three indexes", count: all },
  { name: "rxdb", label: "RxDB (Dexie storage)", what: "plain rows, three indexes", count: all },
  { name: "pouchdb", label: "PouchDB", what: "plain documents with revisions", count: all },
  { name: "tinybase", label: "TinyBase", what: "plain, in memory, saved whole", count: all },
  { name: "pglite", label: "PGlite", what: "plain SQL, three indexes", count: all },
  { name: "evolu", label: "Evolu", what: "SQLite, rows merge by column", count: all },
  { name: "yjs", label: "Yjs, one document", what: "plain, merges", count: all },
  { name: "yjs-documents", label: "Yjs, a document each", what: "plain, merges", count: 500 },
  { name: "automerge-repo", label: "automerge-repo", what: "plain, merges", count: 1000 },
];

export const singleCount = 500;
export const keystrokeCount = 10_000;
const noticeCount = 60;
const collectionName = "bench";
const textName = "bench-text";
const callLimitMs = 240_000;

/**
 * Run the comparison.
 *
 * @param {{ runs: number, only?: readonly string[], log: (text: string) => void }} options
 * @returns {Promise<Samples>}
 */
export async function measurePeers({ runs, only, log }) {
  const server = await startStaticServer(places(await buildPeers()));
  /** @type {Samples} */
  const samples = {};
  const chosen = competitors.filter(({ name }) => only === undefined || only.includes(name));
  try {
    for (let round = 0; round < runs; round++) {
      for (let turn = 0; turn < chosen.length; turn++) {
        const competitor = chosen[(turn + round) % chosen.length];
        if (competitor === undefined) continue;
        const own = (samples[competitor.name] ??= {});
        await measureOne(competitor, server.url, (measure, value) => (own[measure] ??= []).push(value)).catch(
          (error) => log(`  ${competitor.label} broke off: ${String(error).slice(0, 400)}`),
        );
        const insertAll = own["bulk"]?.at(-1);
        log(
          `  round ${round + 1}/${runs}: ${competitor.label}, ${insertAll?.toFixed(1) ?? "no"} µs a document`,
        );
      }
    }
  } finally {
    await server.close();
  }
  return samples;
}

/** @param {string} folder */
function places(folder) {
  return { "/": join(folder, "index.html"), "/assets/": join(folder, "assets") };
}

/**
 * @param {Competitor} competitor
 * @param {string} url
 * @param {(measure: string, value: number) => void} add
 */
async function measureOne({ name, count }, url, add) {
  const profile = mkdtempSync(join(tmpdir(), "cofferdb-peers-"));
  /** @type {BrowserContext | undefined} */
  let context;
  const reopen = async () => {
    await context?.close();
    context = await chromium.launchPersistentContext(profile, { ...chromiumLaunchOptions(), headless: true });
    return load(context.pages()[0] ?? (await context.newPage()), url);
  };
  try {
    let page = await reopen();
    const emptyBytes = storedBytes(profile);
    await call(page, "open", name, collectionName);
    const bulk = await call(page, "insertAll", count);
    add("bulk", (bulk.ms / count) * 1000);
    add("longestTask", bulk.longestTaskMs);
    await call(page, "close");

    await context?.close();
    add("storedBytes", (storedBytes(profile) - emptyBytes) / count);
    page = await reopen();
    addOpening(add, "restart", await call(page, "coldOpen", name, collectionName));
    await load(page, url);
    addOpening(add, "reload", await call(page, "coldOpen", name, collectionName));
    await load(page, url);

    await call(page, "open", name, `${collectionName}-singles`);
    const singles = await call(page, "singles", singleCount);
    add("insert", singles.insertMs);
    add("update", singles.updateMs);
    for (const ms of (await call(page, "notify", noticeCount)) ?? []) add("notify", ms);
    if (context !== undefined) await measureTabs({ context, page, name, url }, add);
    await call(page, "close");

    await load(page, url);
    const typedMs = await call(page, "type", name, textName, keystrokeCount);
    if (typedMs !== undefined) {
      add("keystrokes", typedMs);
      await load(page, url);
      const read = await call(page, "readText", name, textName);
      if (read.length !== keystrokeCount) throw new Error(`${read.length} characters came back`);
      add("textReopen", read.ms);
    }
  } finally {
    await context?.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/**
 * @param {(measure: string, value: number) => void} add
 * @param {string} how
 * @param {Awaited<ReturnType<PeerBench["coldOpen"]>>} times
 */
function addOpening(add, how, { openMs, firstRowsMs, allKnownMs, indexedDbMs }) {
  add(`${how}Open`, openMs);
  add(`${how}FirstRows`, firstRowsMs);
  add(`${how}AllKnown`, allKnownMs);
  add(`${how}IndexedDb`, indexedDbMs);
}

/**
 * How soon another tab hears of an update, where a peer tells other tabs by itself.
 *
 * @param {{ context: BrowserContext, page: Page, name: string, url: string }} world
 * @param {(measure: string, value: number) => void} add
 */
async function measureTabs({ context, page, name, url }, add) {
  const id = await call(page, "insertOne");
  const other = await load(await context.newPage(), url);
  try {
    const isListening = await call(other, "listen", name, `${collectionName}-singles`, id).catch(() => false);
    if (!isListening) return;
    const told = await call(page, "tell", id, noticeCount);
    await page.waitForTimeout(500);
    const heard = await call(other, "heard");
    for (const [title, atMs] of Object.entries(told)) {
      const heardAtMs = heard[title];
      if (heardAtMs !== undefined) add("notifyTab", heardAtMs - atMs);
    }
  } finally {
    await other.close();
  }
}

/** What the page's origin has on disk: IndexedDB and the origin's private files. @param {string} profile */
function storedBytes(profile) {
  return ["IndexedDB", "File System"].reduce((sum, part) => sum + sizeOf(join(profile, "Default", part)), 0);
}

/** @param {string} path @returns {number} */
function sizeOf(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

/**
 * @param {Page} page
 * @param {string} url
 */
async function load(page, url) {
  await page.goto(`${url}/`);
  await page.waitForFunction(() => "bench" in window);
  return page;
}

/**
 * Call a function of the page's.
 *
 * @template {keyof PeerBench} Name
 * @param {Page} page
 * @param {Name} name
 * @param {Parameters<PeerBench[Name]>} args
 * @returns {Promise<Awaited<ReturnType<PeerBench[Name]>>>}
 */
async function call(page, name, ...args) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} did not end`)), callLimitMs);
  });
  try {
    return /** @type {any} */ (
      await Promise.race([
        page.evaluate(
          ([what, given]) =>
            /** @type {any} */ (window).bench[/** @type {string} */ (what)](.../** @type {any} */ (given)),
          /** @type {const} */ ([name, args]),
        ),
        late,
      ])
    );
  } finally {
    clearTimeout(timer);
  }
}
