/** What is sent to a page: bundles, and what the demo loads before its first paint. Exact, whatever the machine. */
import { existsSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { fromRoot } from "../../build/paths.mjs";

/** @type {import("./index.mjs").Workload} */
export const sizes = {
  name: "sizes",
  title: "bundles and the first paint",
  async measure({ openPage, serverUrl: server, log }) {
    const demoFiles = await firstPaint(await openPage(), await server());
    log(`  sizes: ${demoFiles.names.join(", ")}`);
    return {
      "sizes.page": [gzipBytes(await bundlePage())],
      ...sizeOf("sizes.scriptTag", "dist/coffer.global.js"),
      ...sizeOf("sizes.more", "dist/more.js"),
      ...sizeOf("sizes.serviceWorker", "dist/sw.js"),
      ...sizeOf("sizes.demoServiceWorker", "demo/dist/sw.js"),
      ...sizeOf("sizes.worker", "dist/worker.js"),
      ...sizeOf("sizes.wasm", "dist/automerge.wasm"),
      "sizes.firstPaintWasm": [demoFiles.names.filter((name) => name.endsWith(".wasm")).length],
      "sizes.firstPaintBytes": [demoFiles.bytes],
      "sizes.firstPaint": [demoFiles.paintMs],
    };
  },
};

/**
 * What an application gets that imports everything: the published index with its signals and Comlink. Its worker and the lazily
 * loaded part stay files of their own, so their addresses are hidden from Vite, which would otherwise build them into the result.
 */
async function bundlePage() {
  const result = await build({
    configFile: false,
    root: fromRoot(),
    logLevel: "warn",
    publicDir: false,
    define: { "process.env.NODE_ENV": '"production"' },
    plugins: [
      {
        name: "bench:leave-other-files",
        transform: (code) =>
          code
            .replaceAll('"./worker.js", import.meta.url', '"./worker.js", document.baseURI')
            .replaceAll('import("./more.js")', 'cofferM("./more.js")'),
      },
    ],
    build: {
      write: false,
      target: "es2022",
      modulePreload: false,
      rolldownOptions: {
        input: fromRoot("dist", "index.js"),
        preserveEntrySignatures: "strict",
        output: { format: "es" },
      },
    },
  });
  const chunks = (Array.isArray(result) ? result : [result]).flatMap((part) =>
    "output" in part ? part.output : [],
  );
  const [chunk] = chunks;
  if (chunk?.type !== "chunk" || chunks.length !== 1) throw new Error("The page's bundle is not one file");
  return Buffer.from(chunk.code);
}

/** The list of files that a build writes into an application's service worker. */
const fileList = /\[\{"url":"[^]*?\}\]/;

/**
 * @param {string} name
 * @param {string} path
 * @returns {Record<string, number[]>} nothing when the file was not built
 */
function sizeOf(name, path) {
  if (!existsSync(fromRoot(path))) return {};
  const bytes = readFileSync(fromRoot(path));
  const counted = path.endsWith("sw.js")
    ? Buffer.from(bytes.toString("utf8").replace(fileList, "[]"))
    : bytes;
  return { [name]: [gzipBytes(counted)] };
}

/** @param {Uint8Array} bytes */
const gzipBytes = (bytes) => gzipSync(bytes, { level: 9 }).length;

/**
 * Load the demo as a first visit, and list what it asked for until it had painted its first content. The bytes are those of the
 * page's own files that were there when it did: whether its worker has begun to load by then is a matter of chance.
 *
 * @param {import("@playwright/test").Page} page
 * @param {string} url
 */
async function firstPaint(page, url) {
  /** @type {import("@playwright/test").Response[]} */
  const responses = [];
  page.on("response", (response) => responses.push(response));
  await page.goto(`${url}/`, { waitUntil: "commit" });
  const { paintMs, there } = await page.evaluate(async () => {
    const painted = new Promise((/** @type {(ms: number) => void} */ resolve) => {
      new PerformanceObserver((list) => {
        const entry = list.getEntriesByName("first-contentful-paint")[0];
        if (entry !== undefined) resolve(entry.startTime);
      }).observe({ type: "paint", buffered: true });
    });
    const paintMs = await painted;
    // What comes later may be there too by now.
    const files = performance
      .getEntriesByType("resource")
      .filter((file) => file instanceof PerformanceResourceTiming && file.responseEnd <= paintMs);
    return { there: [location.href, ...files.map(({ name }) => name)], paintMs };
  });
  const before = [...responses];
  const names = before.map((response) => new URL(response.url()).pathname);
  const own = before
    .filter((response) => there.includes(response.url()))
    .filter((response) => isOfPage(response.request().resourceType()) && !/worker/.test(response.url()));
  const bodies = await Promise.all(own.map((response) => response.body()));
  await page.context().close();
  return { paintMs, names, bytes: bodies.reduce((sum, body) => sum + gzipBytes(body), 0) };
}

/** @param {string} resourceType */
const isOfPage = (resourceType) => ["document", "stylesheet", "script"].includes(resourceType);
