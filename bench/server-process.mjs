/** Servers in processes of their own, the product's and its peers', each behind a proxy that counts. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fromRoot } from "../build/paths.mjs";
import { startCountingProxy } from "./counting-proxy.mjs";

/** What is to be closed at the end, last first. @typedef {(() => void | Promise<void>)[]} Closers */

/** Make a folder that is removed at the end. @param {Closers} closers */
export function createFolder(closers) {
  const path = mkdtempSync(join(tmpdir(), "cofferdb-bench-"));
  closers.push(() => rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));
  return path;
}

/** Close everything, last first; what fails is told. @param {Closers} closers */
export async function closeAll(closers) {
  for (const closeOne of closers.splice(0).reverse()) {
    await Promise.resolve()
      .then(closeOne)
      .catch((error) => console.error("Not closed:", error));
  }
}

/**
 * Start the built sync server, with the built demo, on a free port.
 *
 * @param {Closers} closers
 * @param {readonly string[]} [furtherArgs]
 * @returns {Promise<string>} its address
 */
export function startSyncServer(closers, furtherArgs = []) {
  const data = ["--data", createFolder(closers), "--demo", fromRoot("demo", "dist")];
  return startServer(closers, [fromRoot("server", "dist", "cli.js"), "--port", "0", ...data, ...furtherArgs]);
}

/**
 * Start a server behind a proxy that counts.
 *
 * @param {Closers} closers
 * @param {(url: string) => Promise<string>} start gets the proxy's address, and gives the server's
 */
export async function startCounted(closers, start) {
  const proxy = await startCountingProxy();
  closers.push(() => proxy.close());
  proxy.forwardTo(await start(proxy.url));
  return proxy;
}

/**
 * Start a program of Node that prints its address as JSON.
 *
 * @param {Closers} closers
 * @param {readonly string[]} args
 * @returns {Promise<string>} its address
 */
export function startServer(closers, args) {
  const server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => server.once("exit", resolve));
  closers.push(async () => {
    server.kill();
    await ended;
  });
  return new Promise((resolve, reject) => {
    let output = "";
    server.stdout.on("data", (chunk) => {
      output += String(chunk);
      const url = /"url":"(http:[^"]+)"/.exec(output)?.[1];
      if (url !== undefined) resolve(url);
    });
    server.once("exit", (code) => reject(new Error(`${args[0]} ended with code ${code}`)));
  });
}
