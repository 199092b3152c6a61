/** Where a Chromium is, and how it is started: one answer for Vitest's browser mode, Playwright and the test script. */
import { existsSync } from "node:fs";
import process from "node:process";

const usualPaths = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome-stable",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/**
 * Find a Chromium of the system.
 *
 * @returns {string | undefined} `COFFER_CHROMIUM` when it is set; undefined means Playwright's own browser
 */
export function findChromium() {
  const told = process.env.COFFER_CHROMIUM;
  if (told !== undefined && told !== "") return told;
  return usualPaths.find((path) => existsSync(path));
}

/** No sandbox, because containers often forbid it to root; and nothing that goes to the network by itself. */
export const chromiumArgs = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Playwright's launch options for that browser.
 *
 * @returns {{ args: string[], executablePath?: string }}
 */
export function chromiumLaunchOptions() {
  const executablePath = findChromium();
  return executablePath === undefined
    ? { args: [...chromiumArgs] }
    : { args: [...chromiumArgs], executablePath };
}
