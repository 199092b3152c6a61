/** Measures the peers: each round each of them in turn, on a fresh profile of its own, page, storage and all. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { chromiumLaunchOptions } from "../../build/chromium.mjs";
import { startStaticServer } from "../static-server.mjs";
import { buildPeers } from "./build.mjs";
import { ask, load } from "./pages.mjs";

/**
 * @typedef {import("@playwright/test").BrowserContext} BrowserContext
 * @typedef {import("@playwright/test").Page} Page
 * @typedef {import("./page/peer-bench.ts").PeerBench} PeerBench
 * @typedef {{ name: string, label: string, what: string, count: number }} Competitor
 * @typedef {import("./figures.mjs").Samples} Samples
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
export const questionCount = 20;
/** What is measured of a peer, each with a store of its own. */
export const parts = /** @type {const} */ (["opening", "writing", "text", "query", "large"]);
/** Who is asked of how many more tasks, in one round only: filling and warming some of them takes minutes. */
export const large = { count: 100_000, peers: ["coffer", "rxdb", "pouchdb", "pglite"] };
const noticeCount = 60;
const collectionName = "bench";
const textName = "bench-text";
const callLimitMs = 240_000;
/** Before it is asked, a store is filled. */
const askLimitMs = 600_000;

/**
 * Run the comparison.
 *
 * @param {{ runs: number, only?: readonly string[], measured?: readonly string[], log: (text: string) => void, onRound?: (samples: Samples, rounds: number) => void }} options `onRound` gets all that was measured so far
 * @returns {Promise<Samples>}
 */
export async function measurePeers({ runs, only, measured = parts, log, onRound = () => undefined }) {
  const unknown = measured.find((part) => !parts.some((name) => name === part));
  if (unknown !== undefined) throw new Error(`${unknown} is none of ${parts.join(", ")}`);
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
        const startMs = Date.now();
        const now = measured.filter(
          (part) => part !== "large" || (round === 0 && large.peers.includes(competitor.name)),
        );
        await measureOne({ ...competitor, measured: now }, server.url, (measure, value) =>
          (own[measure] ??= []).push(value),
        ).catch((error) => log(`  ${competitor.label} broke off: ${String(error).slice(0, 400)}`));
        const seconds = Math.round((Date.now() - startMs) / 1000);
        log(`  round ${round + 1}/${runs}: ${competitor.label}, ${newest(own)} (${seconds} s)`);
      }
      onRound(samples, round + 1);
    }
  } finally {
    await server.close();
  }
  return samples;
}

/** The version of the browser that all of them run in. */
export async function readBrowserVersion() {
  const browser = await chromium.launch({ ...chromiumLaunchOptions(), headless: true });
  const version = browser.version();
  await browser.close();
  return version;
}

/** @param {Record<string, number[]>} own */
function newest({ bulk, query, queryLarge }) {
  const insertAll = bulk?.at(-1);
  return insertAll === undefined
    ? `${(query ?? queryLarge)?.at(-1)?.toFixed(1) ?? "no"} ms a query`
    : `${insertAll.toFixed(1)} µs a document`;
}

/** @param {string} folder */
function places(folder) {
  return { "/": join(folder, "index.html"), "/assets/": join(folder, "assets") };
}

/**
 * @param {Competitor & { readonly measured: readonly string[] }} competitor
 * @param {string} url
 * @param {(measure: string, value: number) => void} add
 */
async function measureOne({ name, count, measured }, url, add) {
  const profile = mkdtempSync(join(tmpdir(), "cofferdb-peers-"));
  /** @type {BrowserContext | undefined} */
  let context;
  const reopen = async () => {
    await context?.close();
    context = await chromium.launchPersistentContext(profile, { ...chromiumLaunchOptions(), headless: true });
    return load(context.pages()[0] ?? (await context.newPage()), url);
  };
  try {
    /** @type {Visit} */
    const visit = {
      name,
      count,
      profile,
      reopen,
      end: async () => context?.close(),
      reload: async (page) => load(page, url),
      openTab: async (page) => load(await page.context().newPage(), url),
    };
    if (measured.includes("opening")) await measureOpening(visit, add);
    if (measured.includes("writing")) await measureWriting(visit, add);
    if (measured.includes("text")) await measureText(visit, add);
    if (measured.includes("query")) await measureQuery(visit, add);
    if (measured.includes("large")) await measureLarge(visit, add);
  } finally {
    await context?.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/** @typedef {(measure: string, value: number) => void} Add */
/**
 * A peer in a browser of its own.
 *
 * @typedef {object} Visit
 * @property {string} name
 * @property {number} count
 * @property {string} profile
 * @property {() => Promise<Page>} reopen the browser begins again
 * @property {() => Promise<void>} end
 * @property {(page: Page) => Promise<Page>} reload
 * @property {(page: Page) => Promise<Page>} openTab
 */

/** All tasks at once, and the store opened again. @param {Visit} visit @param {Add} add */
async function measureOpening({ name, count, profile, reopen, end, reload }, add) {
  let page = await reopen();
  const emptyBytes = storedBytes(profile);
  await call(page, "open", name, collectionName);
  const bulk = await call(page, "insertAll", count);
  add("bulk", (bulk.ms / count) * 1000);
  add("longestTask", bulk.longestTaskMs);
  await call(page, "close");

  await end();
  add("storedBytes", (storedBytes(profile) - emptyBytes) / count);
  page = await reopen();
  addOpening(add, "restart", await call(page, "coldOpen", name, collectionName));
  await reload(page);
  addOpening(add, "reload", await call(page, "coldOpen", name, collectionName));
}

/** One write after the other, and who hears of them. @param {Visit} visit @param {Add} add */
async function measureWriting({ name, reopen, openTab }, add) {
  const page = await reopen();
  await call(page, "open", name, `${collectionName}-singles`);
  const singles = await call(page, "singles", singleCount);
  add("insert", singles.insertMs);
  add("update", singles.updateMs);
  for (const ms of (await call(page, "notify", noticeCount)) ?? []) add("notify", ms);
  await measureTabs({ page, name, openTab }, add);
  await call(page, "close");
}

/** A text, a character at a time. @param {Visit} visit @param {Add} add */
async function measureText({ name, reopen, reload }, add) {
  const page = await reopen();
  const typedMs = await call(page, "type", name, textName, keystrokeCount);
  if (typedMs === undefined) return;
  add("keystrokes", typedMs);
  await reload(page);
  const read = await call(page, "readText", name, textName);
  if (read.length !== keystrokeCount) throw new Error(`${read.length} characters came back`);
  add("textReopen", read.ms);
}

/** Questions to a store that is open and warm. @param {Visit} visit @param {Add} add */
async function measureQuery({ name, count, reopen }, add) {
  const page = await reopen();
  await call(page, "open", name, `${collectionName}-query`, true);
  for (const ms of (await call(page, "ask", count, questionCount)) ?? []) add("query", ms);
  await call(page, "close");
}

/** The same of many more. @param {Visit} visit @param {Add} add */
async function measureLarge({ name, reopen }, add) {
  const page = await reopen();
  await call(page, "open", name, `${collectionName}-large`, true);
  for (const ms of (await call(page, "ask", large.count, questionCount)) ?? []) add("queryLarge", ms);
  await call(page, "close");
}

/**
 * @param {Add} add
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
 * @param {Pick<Visit, "name" | "openTab"> & { readonly page: Page }} world
 * @param {Add} add
 */
async function measureTabs({ page, name, openTab }, add) {
  const id = await call(page, "insertOne");
  const other = await openTab(page);
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
 * Call a function of the page's.
 *
 * @template {keyof PeerBench} Name
 * @param {Page} page
 * @param {Name} name
 * @param {Parameters<PeerBench[Name]>} args
 * @returns {Promise<Awaited<ReturnType<PeerBench[Name]>>>}
 */
async function call(page, name, ...args) {
  return /** @type {any} */ (await ask(page, name, args, name === "ask" ? askLimitMs : callLimitMs));
}
