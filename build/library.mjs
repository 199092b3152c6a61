/**
 * The builds of the package, as Vite configurations.
 *
 * | File | From | Form | Why so |
 * |---|---|---|---|
 * | `index.js` | `src/index.ts` | ES, readable | the application's bundler finds the worker by the literal it contains |
 * | `audit.js` | `src/audit.ts` | ES, readable | verifies audit reports, in a browser or in Node, without the library |
 * | `extract.js` | `src/extract.ts` | ES, readable | extractors; the application's bundler finds their threads by the literals it contains |
 * | `extract-pdf.js`, `extract-picture.js` | `src/extract/*-thread.ts` | ES, minified, one file each | threads for strangers' files; pdf.js is in the first |
 * | `expressions.js` | `src/expressions.ts` | ES, readable | pure functions, which a bundler takes apart |
 * | `more.js` | `src/page/more.ts` | ES, minified, one file | what the first screen does without; `index.js` and the script tag import it when it is needed |
 * | `worker.js`, `automerge.wasm` | `worker/worker.ts` | ES, minified, one file | a normal build: library mode would inline the wasm |
 * | `service-worker.js` | `sw/service-worker.ts` | ES, readable | imported by an application's own service worker |
 * | `sw.js` | `sw/sw.ts` | classic script | registers as it is, also where module service workers are unknown |
 * | `coffer.global.js` | `src/global.ts` | classic script | `window.Coffer`, with the signals inside |
 */
import {
  automergeGlue,
  comlinkCaller,
  modernDexie,
  moreUrl,
  noNodeCrypto,
  plainWasmUrl,
  threadUrls,
  workerUrl,
} from "./plugins.mjs";

/** @typedef {import("vite").InlineConfig} InlineConfig */

/** Browsers that have what the library needs anyway: Ed25519 in WebCrypto, module workers, Web Locks. */
export const target = "es2022";

/**
 * The shared half of every build.
 *
 * @param {string} root
 * @param {string} outDir
 * @returns {InlineConfig}
 */
const common = (root, outDir) => ({
  configFile: false,
  root,
  base: "./",
  publicDir: false,
  logLevel: "warn",
  define: { "process.env.NODE_ENV": '"production"', "import.meta.vitest": "undefined" },
  build: {
    outDir,
    emptyOutDir: false,
    copyPublicDir: false,
    target,
    assetsInlineLimit: 0,
    modulePreload: false,
    // The worker is one file by intent; its size is measured in the bench.
    chunkSizeWarningLimit: 1024,
  },
});

/**
 * @param {InlineConfig} base
 * @param {InlineConfig} own
 * @returns {InlineConfig}
 */
const extend = (base, own) => ({ ...base, ...own, build: { ...base.build, ...own.build } });

/**
 * Every build of the package, by name, with the entry it needs.
 *
 * @param {{ root: string, outDir: string }} paths
 * @returns {{ name: string, entry: string, config: InlineConfig }[]}
 */
export function libraryBuilds({ root, outDir }) {
  const base = common(root, outDir);
  return [
    { name: "index.js", entry: "src/index.ts", config: page(base) },
    { name: "audit.js", entry: "src/audit.ts", config: module(base, "audit") },
    { name: "expressions.js", entry: "src/expressions.ts", config: module(base, "expressions") },
    { name: "extract.js", entry: "src/extract.ts", config: extractors(base) },
    { name: "extract-pdf.js", entry: "src/extract/pdf-thread.ts", config: thread(base, "pdf") },
    { name: "extract-picture.js", entry: "src/extract/picture-thread.ts", config: thread(base, "picture") },
    { name: "more.js", entry: "src/page/more.ts", config: lazyPage(base) },
    { name: "worker.js", entry: "worker/worker.ts", config: worker(base) },
    { name: "service-worker.js", entry: "sw/service-worker.ts", config: serviceWorkerModule(base) },
    {
      name: "sw.js",
      entry: "sw/sw.ts",
      config: classicScript(base, { input: "sw/sw.ts", fileName: "sw.js" }),
    },
    { name: "coffer.global.js", entry: "src/global.ts", config: scriptTag(base) },
  ];
}

/** @param {InlineConfig} base */
function page(base) {
  return extend(base, {
    plugins: [
      comlinkCaller(),
      workerUrl({ expression: 'new URL("./worker.js", import.meta.url)' }),
      moreUrl({ expression: 'import("./more.js")' }),
    ],
    build: {
      minify: false,
      lib: { entry: "src/index.ts", formats: ["es"], fileName: () => "index.js" },
      rolldownOptions: { external: ["@preact/signals-core"], output: { codeSplitting: false } },
    },
  });
}

/**
 * A module on its own.
 *
 * @param {InlineConfig} base
 * @param {string} name
 */
function module(base, name) {
  return extend(base, {
    plugins: [noNodeCrypto()],
    build: {
      minify: false,
      lib: { entry: `src/${name}.ts`, formats: ["es"], fileName: () => `${name}.js` },
      rolldownOptions: { output: { codeSplitting: false } },
    },
  });
}

/** @param {InlineConfig} base */
function extractors(base) {
  return extend(module(base, "extract"), { plugins: [threadUrls()] });
}

/**
 * @param {InlineConfig} base
 * @param {"pdf" | "picture"} name
 */
function thread(base, name) {
  return extend(base, {
    build: {
      chunkSizeWarningLimit: 2048,
      rolldownOptions: {
        input: `src/extract/${name}-thread.ts`,
        output: { format: "es", entryFileNames: `extract-${name}.js`, codeSplitting: false },
      },
    },
  });
}

/**
 * Minified here, since the script tag's form loads this very file.
 *
 * @param {InlineConfig} base
 */
function lazyPage(base) {
  return extend(base, {
    build: {
      rolldownOptions: {
        input: "src/page/more.ts",
        preserveEntrySignatures: "strict",
        output: { format: "es", entryFileNames: "more.js", codeSplitting: false },
      },
    },
  });
}

/** @param {InlineConfig} base */
function worker(base) {
  return extend(base, {
    plugins: [automergeGlue(), noNodeCrypto(), plainWasmUrl()],
    build: {
      rolldownOptions: {
        input: "worker/worker.ts",
        output: {
          format: "es",
          entryFileNames: "worker.js",
          assetFileNames: "[name][extname]",
          codeSplitting: false,
        },
      },
    },
  });
}

/** @param {InlineConfig} base */
function serviceWorkerModule(base) {
  return extend(base, {
    plugins: [noNodeCrypto()],
    build: {
      minify: false,
      lib: { entry: "sw/service-worker.ts", formats: ["es"], fileName: () => "service-worker.js" },
      rolldownOptions: { output: { codeSplitting: false } },
    },
  });
}

/**
 * @param {InlineConfig} base
 * @param {{ input: string, fileName: string }} options
 */
function classicScript(base, { input, fileName }) {
  return extend(base, {
    plugins: [modernDexie(), noNodeCrypto()],
    build: {
      lib: { entry: input, formats: ["iife"], name: "CofferSync", fileName: () => fileName },
      rolldownOptions: { output: { codeSplitting: false } },
    },
  });
}

/**
 * A script tag's own address is known only while it runs, so the bundle takes it down first.
 *
 * @param {InlineConfig} base
 */
function scriptTag(base) {
  return extend(base, {
    define: { ...base.define, "import.meta.url": "__cofferUrl" },
    plugins: [
      comlinkCaller(),
      workerUrl({ expression: 'new URL("worker.js", __cofferUrl)' }),
      moreUrl({ expression: 'import(new URL("more.js", __cofferUrl).href)' }),
    ],
    build: {
      lib: { entry: "src/global.ts", name: "Coffer", formats: ["iife"], fileName: () => "coffer.global.js" },
      rolldownOptions: {
        output: {
          codeSplitting: false,
          generatedCode: { symbols: false },
          banner: "var __cofferUrl=document.currentScript?.src||document.baseURI;",
        },
      },
    },
  });
}
