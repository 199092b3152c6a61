/**
 * The demo's build and development server (`vite`), and the tests' projects (`vitest`).
 * The package's own builds are in `build/library.mjs`.
 */
import { availableParallelism } from "node:os";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { chromiumLaunchOptions } from "./build/chromium.mjs";
import { mutateSource } from "./build/mutate.mjs";
import { fromRoot } from "./build/paths.mjs";
import {
  automergeGlue,
  contentSecurityPolicy,
  demoServiceWorker,
  modernDexie,
  noNodeCrypto,
} from "./build/plugins.mjs";

/**
 * The package's own names, for the demo, which is written as a stranger's application would be. The longer name comes first,
 * because the first match counts. Where trusted types are required, `import url from "cofferdb/worker?worker&url"` gives the
 * bundled worker's address for `openCoffer({ worker: url })`.
 */
const alias = [
  { find: /^cofferdb\/worker(?=\?|$)/, replacement: fromRoot("worker", "worker.ts") },
  { find: /^cofferdb\/service-worker$/, replacement: fromRoot("sw", "service-worker.ts") },
  { find: /^cofferdb\/audit$/, replacement: fromRoot("src", "audit.ts") },
  { find: /^cofferdb\/extract$/, replacement: fromRoot("src", "extract.ts") },
  { find: /^cofferdb\/expressions$/, replacement: fromRoot("src", "expressions.ts") },
  { find: /^cofferdb$/, replacement: fromRoot("src", "index.ts") },
];
const browserTests = "**/*.browser.test.ts";
const notTests = ["**/node_modules/**", "**/dist/**"];
/** All of the machine: the runner's own default leaves a processor to itself, which is half of two. */
const maxWorkers = availableParallelism();

export default defineConfig({
  root: fromRoot("demo"),
  base: "./",
  resolve: { alias },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [
    automergeGlue(),
    noNodeCrypto(),
    contentSecurityPolicy(),
    demoServiceWorker({
      entry: fromRoot("demo", "sw.ts"),
      plugins: () => [automergeGlue(), modernDexie(), noNodeCrypto()],
    }),
  ],
  worker: { format: "es", plugins: () => [automergeGlue(), noNodeCrypto()] },
  // Automerge comes up inside the worker with an address of its wasm; pre-bundling would move its files away from it.
  optimizeDeps: { exclude: ["@automerge/automerge"] },
  server: { fs: { allow: [fromRoot()] } },
  build: {
    outDir: "dist",
    emptyOutDir: false,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  test: {
    root: fromRoot(),
    passWithNoTests: false,
    projects: [
      {
        extends: true,
        plugins: mutateSource(),
        test: {
          name: "node",
          environment: "node",
          maxWorkers,
          // Only what hangs ends by time: a slow machine is no failure.
          testTimeout: 600_000,
          expect: { poll: { timeout: 30_000 } },
          setupFiles: [fromRoot("build", "fast-check-runs.ts")],
          include: [
            "src/**/*.test.ts",
            "worker/**/*.test.ts",
            "sw/**/*.test.ts",
            "server/**/*.test.ts",
            "demo/**/*.test.ts",
          ],
          exclude: [...notTests, browserTests, "src/sim/**/*.sim.test.ts"],
        },
      },
      {
        extends: true,
        plugins: mutateSource(),
        test: {
          name: "sim",
          environment: "node",
          maxWorkers,
          include: ["src/sim/**/*.sim.test.ts"],
          exclude: notTests,
          testTimeout: 300_000,
        },
      },
      {
        extends: true,
        test: {
          name: "browser",
          include: [`src/${browserTests}`, `worker/${browserTests}`, `sw/${browserTests}`],
          exclude: notTests,
          testTimeout: 60_000,
          expect: { poll: { timeout: 30_000 } },
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: chromiumLaunchOptions() }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
    ],
  },
});
