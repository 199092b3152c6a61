import { defineConfig } from "@playwright/test";
import { chromiumLaunchOptions } from "./build/chromium.mjs";

/**
 * The stories in real browsers. `e2e` drives the demo and the server; `packages` installs the package as a stranger would;
 * `readme` runs what the README says; `faults` breaks servers, disks, workers and browsers under the built library.
 * One worker and no retries: a story that passes at the second try has found something.
 */
export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results",
  workers: 1,
  retries: 0,
  fullyParallel: false,
  forbidOnly: process.env.CI !== undefined,
  timeout: 120_000,
  // A slow machine is no failure either; what hangs still ends.
  expect: { timeout: 15_000 },
  reporter: "list",
  use: { browserName: "chromium", headless: true, launchOptions: chromiumLaunchOptions() },
  projects: [
    { name: "e2e", testMatch: "**/*.@(spec|test).ts", testIgnore: ["packages/**", "readme/**", "faults/**"] },
    { name: "packages", testDir: "e2e/packages", testMatch: "*.spec.ts" },
    { name: "readme", testDir: "e2e/readme", testMatch: "*.spec.ts" },
    { name: "faults", testDir: "e2e/faults", testMatch: "*.spec.ts" },
  ],
});
