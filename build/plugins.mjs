/**
 * The Vite plugins of this project. Each one mends a single thing that a plain Vite build does not do by itself.
 *
 * | Plugin | What it is for |
 * |---|---|
 * | `automergeGlue` | drops a URL to a wasm file that the Automerge package names but does not ship |
 * | `noNodeCrypto` | answers HPKE's question for Node's `crypto`, which browsers never ask |
 * | `modernDexie` | takes Dexie's form for the browsers that have what the library needs anyway |
 * | `comlinkCaller` | leaves out of Comlink what only a thread that is called needs |
 * | `workerUrl` | writes the literal worker expression that every bundler understands |
 * | `moreUrl` | names the page's lazily loaded part as the file that it is built into |
 * | `plainWasmUrl` | keeps the wasm's address in the form that every bundler understands |
 * | `demoServiceWorker` | builds the demo's service worker and gives it the list of files to keep |
 * | `contentSecurityPolicy` | puts the demo's policy into its page |
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { build } from "vite";

/** @typedef {import("vite").Plugin} Plugin */

const missingWasm =
  /module_or_path = new (?:\/\* @vite-ignore \*\/ )?URL\('automerge_wasm_bg\.wasm', import\.meta\.url\);/;

/**
 * Drop Automerge's fallback to `automerge_wasm_bg.wasm`: the package does not ship that file under that name, so bundlers
 * that follow `new URL(…, import.meta.url)` stop there. The worker always hands the wasm's address over itself.
 *
 * @returns {Plugin}
 */
export function automergeGlue() {
  return {
    name: "coffer:automerge-glue",
    transform: {
      filter: { id: /automerge_wasm\.js(\?.*)?$/ },
      handler(code) {
        if (!missingWasm.test(code)) return null;
        const told = 'throw new Error("Automerge needs the address of its wasm file");';
        return { code: code.replace(missingWasm, told), map: null };
      },
    },
  };
}

/**
 * Take Dexie's form for browsers of the last years, which is 1.4 kB smaller when packed. What the package names by itself is for all, and
 * looks for another copy of it first: a bundle without modules of others has none.
 *
 * @returns {Plugin}
 */
export function modernDexie() {
  return {
    name: "coffer:modern-dexie",
    enforce: "pre",
    resolveId: {
      filter: { id: /^dexie$/ },
      handler(_id, importer) {
        return this.resolve("dexie/dist/modern/dexie.mjs", importer);
      },
    },
  };
}

const nodeCrypto = "\0coffer:node-crypto";

/**
 * Leave Node's `crypto` out of HPKE: it asks for it only where `globalThis.crypto` is missing, and every browser that can run
 * CofferDB has that. Without an answer Vite warns in each build.
 *
 * @returns {Plugin}
 */
export function noNodeCrypto() {
  return {
    name: "coffer:no-node-crypto",
    enforce: "pre",
    resolveId: {
      filter: { id: /^crypto$/ },
      handler: (_id, importer) => (importer?.includes("@hpke") === true ? nodeCrypto : null),
    },
    load: {
      filter: { id: /^\0coffer:node-crypto$/ },
      handler: () => "export const webcrypto = undefined;",
    },
  };
}

/** What a page's thread never does with Comlink, and what stands there instead; each is there exactly as often as it says. */
const comlinkCuts = [
  {
    what: "handlers of its own",
    pattern: /new Map\(\[\s*\["proxy", proxyTransferHandler\],\s*\["throw", throwTransferHandler\],?\s*\]\)/g,
    by: "new Map()",
  },
  { what: "calls after a release", pattern: /throwIfProxyReleased\(isProxyReleased\);/g, by: "", count: 4 },
  {
    what: "releases",
    pattern: /if \(prop === releaseProxy\) \{[^]*?\};\s*\}(?=\s*if \(prop === "then"\))/g,
    by: "",
  },
  {
    what: "fields that are set",
    pattern: /set\(_target, prop, rawValue\) \{[^]*?(?=apply\(_target,)/g,
    by: "",
  },
  {
    what: "endpoints, and functions that are bound",
    pattern: /const last = path\[path\.length - 1\];[^]*?(?=const \[argumentList, transferables\])/g,
    by: "",
  },
  {
    what: "constructors",
    pattern: /construct\(_target, rawArgumentList\) \{[^]*?\},(\s*\}\);)\s*registerProxy\(proxy, ep\);/g,
    by: "$1",
  },
  { what: "the end of proxies", pattern: /const proxyCounter =[^]*?(?=function createProxy)/g, by: "" },
];

/**
 * Leave of Comlink what a page uses: it calls functions of its worker, passes plain data only, and reads errors by a handler of its own
 * (`std/wire.ts`). With Comlink's handlers goes its answering half, which nothing else of a page reaches. Proxies are not counted
 * either: a page ends its worker, it does not release it.
 *
 * @returns {Plugin}
 */
export function comlinkCaller() {
  return {
    name: "coffer:comlink-caller",
    transform: {
      filter: { id: /comlink[\\/]dist[\\/]esm[\\/]comlink\.m?js$/ },
      handler(code) {
        let rest = code;
        for (const { what, pattern, by, count = 1 } of comlinkCuts) {
          if (rest.match(pattern)?.length !== count)
            this.error(`Comlink writes in another way now: ${what}.`);
          rest = rest.replace(pattern, by);
        }
        return { code: rest, map: null };
      },
    },
  };
}

const sourceWorkerUrl = /new URL\(\s*["']\.\.\/\.\.\/worker\/worker\.ts["']\s*,\s*import\.meta\.url\s*\)/g;
const placeholder = "__COFFER_WORKER_URL__";

/**
 * Replace the address of the worker's source by that of the built worker beside the file.
 *
 * In the source, `src/page/connect.ts` says `new Worker(new URL("../../worker/worker.ts", import.meta.url), …)`, which
 * the demo's build and the development server follow as they are. The package must say
 * `new Worker(new URL("./worker.js", import.meta.url), …)` instead. Vite rewrites that form into one that other bundlers do
 * not see, so the expression hides behind a placeholder until Vite is done with the module.
 *
 * @param {{ expression: string }} options what stands in the built file for the worker's address
 * @returns {Plugin}
 */
export function workerUrl({ expression }) {
  return {
    name: "coffer:worker-url",
    enforce: "pre",
    transform: {
      filter: { code: sourceWorkerUrl },
      handler(code) {
        return { code: code.replaceAll(sourceWorkerUrl, placeholder), map: null };
      },
    },
    generateBundle(_options, bundle) {
      let found = false;
      for (const file of Object.values(bundle)) {
        if (file.type !== "chunk" || !file.code.includes(placeholder)) continue;
        file.code = file.code.replaceAll(placeholder, expression);
        found = true;
      }
      if (!found)
        this.error(`No module names "../../worker/worker.ts": the built page could not find its worker.`);
    },
  };
}

const sourceThreadUrl = /new URL\(\s*["']\.\/(pdf|picture)-thread\.ts["']\s*,\s*import\.meta\.url\s*\)/g;

/**
 * Replace the addresses of the extractors' threads by those of the built files, as {@link workerUrl} does for the worker.
 *
 * @returns {Plugin}
 */
export function threadUrls() {
  return {
    name: "coffer:thread-urls",
    enforce: "pre",
    transform: {
      filter: { code: sourceThreadUrl },
      handler(code) {
        return { code: code.replaceAll(sourceThreadUrl, "__COFFER_THREAD_$1__"), map: null };
      },
    },
    generateBundle(_options, bundle) {
      const named = new Set();
      for (const file of Object.values(bundle)) {
        if (file.type !== "chunk") continue;
        file.code = file.code.replaceAll(/__COFFER_THREAD_(pdf|picture)__/g, (_all, name) => {
          named.add(name);
          return `new URL("./extract-${name}.js", import.meta.url)`;
        });
      }
      if (named.size !== 2) this.error("The built extractors could not find their threads.");
    },
  };
}

const sourceMore = /import\(\s*["']\.\/more\.ts["']\s*\)/g;
const morePlaceholder = "__COFFER_LOAD_MORE__()";

/**
 * Replace the import of the lazily loaded part's source by that of the built file.
 *
 * In the source, `src/page/lazy.ts` says `import("./more.ts")`, which the demo's build and the development server follow as it
 * is. The package must say `import("./more.js")`, a literal that bundlers follow; a script tag, whose own place is no base for
 * imports when it comes from another origin, names the file's whole address.
 *
 * @param {{ expression: string }} options what stands in the built file for the import
 * @returns {Plugin}
 */
export function moreUrl({ expression }) {
  return {
    name: "coffer:more-url",
    enforce: "pre",
    transform: {
      filter: { code: sourceMore },
      handler(code) {
        return { code: code.replaceAll(sourceMore, morePlaceholder), map: null };
      },
    },
    generateBundle(_options, bundle) {
      let found = false;
      for (const file of Object.values(bundle)) {
        if (file.type !== "chunk" || !file.code.includes(morePlaceholder)) continue;
        file.code = file.code.replaceAll(morePlaceholder, expression);
        found = true;
      }
      if (!found) this.error(`No module imports "./more.ts": the built page could not find its second part.`);
    },
  };
}

/**
 * Write the wasm's address with plain quotes: the minifier turns them into a template literal, which not every bundler
 * follows in `new URL(…, import.meta.url)`.
 *
 * @returns {Plugin}
 */
export function plainWasmUrl() {
  return {
    name: "coffer:plain-wasm-url",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        for (const file of Object.values(bundle)) {
          if (file.type !== "chunk") continue;
          file.code = file.code.replaceAll(/new URL\(`([\w.-]+\.wasm)`,/g, 'new URL("$1",');
        }
      },
    },
  };
}

/**
 * Build the demo's service worker after its pages, as one classic script `sw.js` beside them, and write the list of the
 * built files where the source says `self.__WB_MANIFEST` (the form that `workbox-precaching` takes).
 *
 * This replaces `vite-plugin-pwa`: that plugin's injectManifest mode does the same, but with it come workbox-build, a second
 * bundler and Babel, which are 340 packages against these lines.
 *
 * @param {{ entry: string, plugins?: () => Plugin[] }} options
 * @returns {Plugin}
 */
export function demoServiceWorker({ entry, plugins = () => [] }) {
  /** @type {import("vite").ResolvedConfig} */
  let config;
  return {
    name: "coffer:demo-service-worker",
    apply: "build",
    configResolved(resolved) {
      config = resolved;
    },
    closeBundle: {
      sequential: true,
      async handler(error) {
        if (error !== undefined || !existsSync(entry)) return;
        const outDir = join(config.root, config.build.outDir);
        const manifest = JSON.stringify(precacheManifest(outDir));
        await build({
          configFile: false,
          root: config.root,
          logLevel: "warn",
          publicDir: false,
          define: { "self.__WB_MANIFEST": "__COFFER_PRECACHE__", "process.env.NODE_ENV": '"production"' },
          plugins: plugins(),
          resolve: config.resolve.alias === undefined ? {} : { alias: config.resolve.alias },
          build: {
            outDir,
            emptyOutDir: false,
            copyPublicDir: false,
            target: "es2022",
            // As a library, since a page's build wraps imports in what a classic script cannot say.
            lib: { entry, formats: ["iife"], name: "CofferDemo", fileName: () => "sw.js" },
            rolldownOptions: { output: { codeSplitting: false } },
          },
        });
        const builtPath = join(outDir, "sw.js");
        writeFileSync(
          builtPath,
          readFileSync(builtPath, "utf8").replaceAll("__COFFER_PRECACHE__", () => manifest),
        );
      },
    },
  };
}

/**
 * List the built files for precaching: Vite's hashed names need no revision, the others carry their content's hash.
 *
 * @param {string} outDir
 * @returns {{ url: string, revision: string | null }[]}
 */
export function precacheManifest(outDir) {
  const paths = readdirSync(outDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((path) => !/(\.map|[\\/]sw\.js)$/.test(path))
    .sort();
  return paths.map((path) => {
    const url = relative(outDir, path).split(sep).join("/");
    const isHashed = /^assets\/.*-[\w-]{8}\.\w+$/.test(url);
    const revision = isHashed
      ? null
      : createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16);
    return { url, revision };
  });
}

/**
 * The demo's policy. Scripts and styles come from its own origin only; the wasm may be compiled; every sink that could turn
 * text into script demands a trusted type. Connections go to any server over TLS, because a user may sync with any, and to
 * loopback for trying things out.
 */
export const demoPolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "font-src 'self'",
  "connect-src 'self' https: wss: http://localhost:* ws://localhost:* http://127.0.0.1:* ws://127.0.0.1:*",
  "worker-src 'self'",
  "manifest-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

/**
 * Put {@link demoPolicy} into the built page, unless the page brings a policy of its own. The development server needs
 * inline scripts for its reloading, so it goes without.
 *
 * @returns {Plugin}
 */
export function contentSecurityPolicy() {
  return {
    name: "coffer:content-security-policy",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(html) {
        if (/http-equiv=["']?Content-Security-Policy/i.test(html)) return [];
        const attrs = { "http-equiv": "Content-Security-Policy", content: demoPolicy };
        return [{ tag: "meta", attrs, injectTo: "head-prepend" }];
      },
    },
  };
}
