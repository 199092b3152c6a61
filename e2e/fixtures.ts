/**
 * What the stories share: a server on a free port with data of its own, a Chromium with a profile that outlives its
 * windows, its death, and a line to its debugging protocol.
 *
 * Everything a test opens here is closed when the test ends, whatever its outcome.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium, test as base, type BrowserContext, type CDPSession, type Page } from "@playwright/test";
import { chromiumLaunchOptions } from "../build/chromium.mjs";
import { firstExisting, fromRoot } from "../build/paths.mjs";

export { expect } from "@playwright/test";

/** Make an empty folder for one test; the fixture that asked for it removes it. */
export async function createTempFolder(name: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `cofferdb-${name}-`));
}

/** Remove a folder, patiently: a browser that has just died may still hold its files for a moment. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
}

/** A running sync server that also serves the built demo. */
export interface RunningServer {
  /** Its address, without a trailing slash. */
  readonly url: string;
  readonly port: number;
  readonly dataFolder: string;
  /** All it has written so far. */
  output(): string;
  /** Stop it; `SIGKILL` stands for a crash. Its data stays, so that it can be started again on the same port. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Options of {@link startServer}; what is missing is made up afresh. */
export interface ServerOptions {
  readonly dataFolder?: string;
  readonly port?: number;
  readonly args?: readonly string[];
  /** the built application to serve; the demo when it is missing */
  readonly demoFolder?: string;
}

/** The built server's command, as a path. */
export function serverCommandPath(): string {
  const path = firstExisting("server/dist/cli.js");
  if (path === undefined) throw new Error("The server is not built: run `npm run build` first");
  return path;
}

/** Start the built server with the built demo, on a port that it finds free by itself, and wait until it listens. */
export async function startServer(options: ServerOptions = {}): Promise<RunningServer> {
  const dataFolder = options.dataFolder ?? (await createTempFolder("server"));
  const demoFolder = options.demoFolder ?? fromRoot("demo", "dist");
  const args = [
    serverCommandPath(),
    "--data",
    dataFolder,
    "--port",
    String(options.port ?? 0),
    "--demo",
    demoFolder,
  ];
  const child = spawn(process.execPath, [...args, ...(options.args ?? [])], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const port = await waitForPort(child, () => output).catch(async (error: unknown) => {
    await stopProcess(child, "SIGKILL");
    throw error;
  });
  return {
    url: `http://localhost:${port}`,
    port,
    dataFolder,
    output: () => output,
    stop: (signal = "SIGTERM") => stopProcess(child, signal),
  };
}

/** Wait until a server says where it listens. */
async function waitForPort(child: ChildProcess, output: () => string): Promise<number> {
  const endMs = Date.now() + 20_000;
  while (Date.now() < endMs) {
    if (child.exitCode !== null)
      throw new Error(`The server ended with code ${child.exitCode}:\n${output()}`);
    const port = /"server\.listening","url":"[^"]*:(\d+)"/.exec(output())?.[1];
    if (port !== undefined) return Number(port);
    await sleep(50);
  }
  throw new Error(`The server did not listen:\n${output()}`);
}

async function stopProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill(signal);
  const isLate = await Promise.race([ended.then(() => false), sleep(5000).then(() => true)]);
  if (!isLate) return;
  child.kill("SIGKILL");
  await ended;
}

/** One device: a browser profile on disk. Opening it again after a crash finds what was durable. */
export interface Device {
  readonly profileFolder: string;
  /** The browser now open on the profile. */
  readonly context: BrowserContext;
  /** A page to begin with. */
  readonly page: Page;
  /** Close the browser in good order, or do nothing when it is dead already. */
  close(): Promise<void>;
  /** Kill the browser's whole process tree at once, as a power cut would. */
  kill(): Promise<void>;
}

/** What a phone is to a page: fingers, a narrow screen of many dots. */
const phone = { isMobile: true, hasTouch: true, deviceScaleFactor: 2, viewport: { width: 390, height: 844 } };

/** Open a Chromium on a profile; without one, on a fresh profile. */
export async function openDevice(
  options: { profileFolder?: string; args?: readonly string[]; isPhone?: boolean } = {},
): Promise<Device> {
  const profileFolder = options.profileFolder ?? (await createTempFolder("profile"));
  const launch = chromiumLaunchOptions();
  const context = await chromium.launchPersistentContext(profileFolder, {
    ...launch,
    args: [...launch.args, ...(options.args ?? [])],
    headless: true,
    serviceWorkers: "allow",
    ...(options.isPhone === true && phone),
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const closed = new Promise<void>((resolve) => context.once("close", () => resolve()));
  return {
    profileFolder,
    context,
    page,
    close: () => context.close().catch(() => undefined),
    async kill() {
      process.kill(findBrowserPid(profileFolder), "SIGKILL");
      await closed;
    },
  };
}

/**
 * The process id of the browser that runs on a profile. Its children carry `--type=…`; the browser itself does not.
 * This reads Linux's process table, and throws where there is none. It reads without a pause: a page that reports every
 * write would make each of hundreds of turns wait for seconds.
 */
export function findBrowserPid(profileFolder: string): number {
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const command = readCommand(name);
    const args = command.split("\0");
    if (args.includes(`--user-data-dir=${profileFolder}`) && !command.includes("--type="))
      return Number(name);
  }
  throw new Error(`No browser runs on ${profileFolder}`);
}

/** The command line of a process; empty once it has ended. */
function readCommand(pid: string): string {
  try {
    return readFileSync(join("/proc", pid, "cmdline"), "utf8");
  } catch {
    return "";
  }
}

/** Open the debugging protocol of a page. Its browser-wide commands (service workers, storage) work from any page. */
export async function openCdp(page: Page): Promise<CDPSession> {
  return page.context().newCDPSession(page);
}

/**
 * Take a page's browser off the network, its service workers too. One that has slept for a while is started anew by what
 * happens next, outside the driver's hold and with a network: it is woken first, so that it is held. A sync event on its
 * way is waited for: cut off, it fails, and Chromium does not try again for minutes.
 */
export async function goOffline(page: Page): Promise<void> {
  const context = page.context();
  await page.evaluate(async () => {
    const registration = await navigator.serviceWorker.getRegistration();
    registration?.active?.postMessage("awake");
  });
  await waitForSyncEvent(page, "ended");
  for (const worker of context.serviceWorkers()) await worker.evaluate(() => self.location.href);
  await context.setOffline(true);
}

/** Wait until the browser has noted that the service worker is to sync, or until it has nothing of that kind left to do. */
async function waitForSyncEvent(page: Page, until: "asked for" | "ended"): Promise<void> {
  await page.evaluate(async (wanted) => {
    const registration = await navigator.serviceWorker.getRegistration();
    const sync = (registration as { sync?: { getTags(): Promise<string[]> } } | undefined)?.sync;
    const isAskedFor = async (): Promise<boolean> => (await sync?.getTags())?.length !== 0;
    for (let turn = 0; sync !== undefined && (await isAskedFor()) !== (wanted === "asked for"); turn += 1) {
      if (turn === 300) throw new Error(`No sync event was ${wanted}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }, until);
}

/**
 * Close a page that is off the network and has something to send, and keep its browser alive with a blank one. It is closed
 * once the browser has noted that there is something to send: before that nobody would send it. A closed page takes the driver's hold
 * along while its worker lives on for a moment, with a network: it leaves the application first, so that the worker ends
 * without one, and what is sent afterwards the service worker has sent.
 */
export async function closeOffline(page: Page): Promise<void> {
  await waitForSyncEvent(page, "asked for");
  await page.goto("about:blank");
  await page.context().newPage();
  await page.close();
}

/** What a browser tells about a registered service worker. */
export interface ServiceWorkerControl {
  readonly registrationId: string;
  readonly origin: string;
  /** Fire the `sync` event, as the browser does when the network returns. */
  fireSync(tag: string): Promise<void>;
  firePeriodicSync(tag: string): Promise<void>;
  deliverPush(data: string): Promise<void>;
  /**
   * Stop every running service worker; the next event starts it afresh. A page does not load afterwards while
   * `context.setOffline` is on, because the driver never lets the new worker run: stop the server for such a story.
   */
  stopAll(): Promise<void>;
}

/** Take hold of the service worker registered for a page's origin. */
export async function controlServiceWorker(page: Page): Promise<ServiceWorkerControl> {
  const cdp = await openCdp(page);
  const origin = new URL(page.url()).origin;
  const found = new Promise<string>((resolve) => {
    cdp.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const own = registrations.find(({ scopeURL, isDeleted }) => !isDeleted && scopeURL.startsWith(origin));
      if (own !== undefined) resolve(own.registrationId);
    });
  });
  await cdp.send("ServiceWorker.enable");
  const registrationId = await Promise.race([found, sleep(10_000).then(() => undefined)]);
  if (registrationId === undefined) throw new Error(`No service worker is registered for ${origin}`);
  const target = { origin, registrationId };
  return {
    ...target,
    async fireSync(tag) {
      await cdp.send("ServiceWorker.dispatchSyncEvent", { ...target, tag, lastChance: false });
    },
    async firePeriodicSync(tag) {
      await cdp.send("ServiceWorker.dispatchPeriodicSyncEvent", { ...target, tag });
    },
    async deliverPush(data) {
      await cdp.send("ServiceWorker.deliverPushMessage", { ...target, data });
    },
    async stopAll() {
      await cdp.send("ServiceWorker.stopAllWorkers");
    },
  };
}

/** What a story can ask for by name. */
export interface Fixtures {
  /** A server with an empty store, stopped and removed after the test. */
  server: RunningServer;
  /** Open devices that are closed and removed after the test; give a device's `profileFolder` to open it again. */
  openDevice: typeof openDevice;
}

/** Playwright's `test` with {@link Fixtures}. */
export const test = base.extend<Fixtures>({
  // Playwright reads the fixtures a function needs from its first parameter, so even the empty one is destructured.
  // oxlint-disable-next-line no-empty-pattern
  server: async ({}, use) => {
    const server = await startServer();
    await use(server);
    await server.stop();
    await removeFolder(server.dataFolder);
  },
  // As above: it needs no other fixture.
  // oxlint-disable-next-line no-empty-pattern
  openDevice: async ({}, use) => {
    const devices: Device[] = [];
    await use(async (options) => {
      const device = await openDevice(options);
      devices.push(device);
      return device;
    });
    for (const device of devices) await device.close();
    for (const folder of new Set(devices.map(({ profileFolder }) => profileFolder)))
      await removeFolder(folder);
  },
});

/** Give a page's browser an authenticator that verifies whoever asks; `hasPrf`: it keeps secrets for sites. */
export async function addAuthenticator(
  context: BrowserContext,
  page: Page,
  hasPrf = true,
): Promise<{ readonly session: CDPSession; readonly id: string }> {
  const session = await context.newCDPSession(page);
  await session.send("WebAuthn.enable");
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      ctap2Version: "ctap2_1",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      hasPrf,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { session, id: authenticatorId };
}
