/** Sync without a page: the service worker sends what was written offline, and could not read it if it wanted to. */
import { readFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import { fromRoot } from "../../build/paths.mjs";
import {
  closeOffline,
  controlServiceWorker,
  goOffline,
  openCdp,
  startServer,
  type Device,
  type Fixtures,
} from "../fixtures.ts";
import {
  connect,
  enterTenant,
  expect,
  foundTenant,
  joinTenant,
  openSite,
  readTitles,
  test,
  write,
} from "./world.ts";

async function openWithServiceWorker(page: Page, site: { url: string; origin: string }): Promise<void> {
  await openSite(page, site, { serviceWorker: "./sw.js" });
  await page.evaluate(() =>
    story.until(story.coffer.status, ({ serviceWorker }) => serviceWorker === "active"),
  );
  await foundTenant(page);
}

/** A device with a service worker, whose tenant is on the server, and the page of another one that has joined it. */
async function openTwo(
  openDevice: Fixtures["openDevice"],
  { server, site }: { server: { url: string }; site: { url: string; origin: string } },
): Promise<{ device: Device; far: Page }> {
  const device = await openDevice();
  const far = (await openDevice()).page;
  await openWithServiceWorker(device.page, site);
  await connect(device.page, server.url);
  await openSite(far, site);
  await joinTenant(device.page, far, server.url);
  return { device, far };
}

/** What threads of this origin hold: who talks with a server holds the link to it. */
function heldLocks(page: Page): Promise<readonly string[]> {
  return page.evaluate(async () => {
    const { held = [] } = await navigator.locks.query();
    return held.map(({ name = "" }) => name);
  });
}

/** How much an origin keeps, read past the library, from a page that runs nothing of it. */
function countRecords(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const settled = <T>(request: IDBRequest<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        request.addEventListener("success", () => resolve(request.result));
        request.addEventListener("error", () => reject(request.error));
      });
    let count = 0;
    for (const { name = "" } of await indexedDB.databases()) {
      const db = await settled(indexedDB.open(name));
      for (const store of db.objectStoreNames)
        count += await settled(db.transaction(store).objectStore(store).count());
      db.close();
    }
    return count;
  });
}

/** What the code does, without what it says about itself. */
function withoutComments(code: string): string {
  return code.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
}

for (const name of ["sw.js", "service-worker.js"]) {
  test(`${name} holds no decryption, no password and no merging`, async () => {
    const code = withoutComments(await readFile(fromRoot("dist", name), "utf8"));
    const forbidden = /decrypt|unwrapKey|AES-GCM|automerge|argon2|hpke/i;
    // A control: the worker, built by the same tools, has all of it.
    const worker = await readFile(fromRoot("dist", "worker.js"), "utf8");
    for (const word of ["decrypt", "AES-GCM", "automerge", "argon2"])
      expect(withoutComments(worker).toLowerCase()).toContain(word.toLowerCase());
    expect(forbidden.exec(code)?.[0]).toBeUndefined();
  });
}

test("what was written offline is sent when the network is back, with every page closed", async ({
  openDevice,
  server,
  site,
}) => {
  const { device, far } = await openTwo(openDevice, { server, site });
  await write(device.page, ["a first one"]);
  await expect.poll(() => readTitles(far)).toEqual(["a first one"]);

  await goOffline(device.page);
  await write(device.page, ["written offline", "and another"]);
  await expect
    .poll(() => device.page.evaluate(() => story.tenant.status.value.pendingPushCount))
    .toBeGreaterThan(0);
  await closeOffline(device.page);
  expect(device.context.pages().map((page) => page.url())).toEqual(["about:blank"]);
  // Nobody sends meanwhile: neither the page that is going nor a service worker that knows better.
  await far.waitForTimeout(3000);
  expect(await readTitles(far)).toEqual(["a first one"]);

  await device.context.setOffline(false);
  const all = ["a first one", "and another", "written offline"];
  await expect.poll(() => readTitles(far), { timeout: 20_000 }).toEqual(all);
  expect(device.context.pages()).toHaveLength(1);
});

test("a sync event sends what a dead server could not take, and one that fails is no harm", async ({
  openDevice,
  server,
  site,
}) => {
  const { device, far } = await openTwo(openDevice, { server, site });
  const { registrationId, origin } = await controlServiceWorker(device.page);

  await server.stop();
  await write(device.page, ["kept for later"]);
  const blank = await device.context.newPage();
  await device.page.close();
  const cdp = await openCdp(blank);
  await cdp.send("ServiceWorker.enable");
  const fire = () =>
    cdp.send("ServiceWorker.dispatchSyncEvent", {
      origin,
      registrationId,
      tag: "coffer-sync",
      lastChance: false,
    });
  await fire();
  await blank.waitForTimeout(1000);
  const back = await startServer({ dataFolder: server.dataFolder, port: server.port });
  try {
    await cdp.send("ServiceWorker.stopAllWorkers");
    await fire();
    await expect.poll(() => readTitles(far), { timeout: 30_000 }).toEqual(["kept for later"]);
  } finally {
    await back.stop();
  }
});

for (const wake of ["a push message", "a periodic sync event"] as const) {
  test(`${wake} fetches news with every page closed and the service worker asleep`, async ({
    openDevice,
    server,
    site,
  }) => {
    const { device, far } = await openTwo(openDevice, { server, site });
    const { registrationId, origin } = await controlServiceWorker(device.page);
    const blank = await device.context.newPage();
    await device.page.close();
    await blank.goto(`${origin}/sw.js`);
    // The page's worker outlives it for a moment, in which it would bring the news itself.
    await expect.poll(() => heldLocks(blank)).toEqual([]);
    const cdp = await openCdp(blank);
    await cdp.send("ServiceWorker.enable");
    await cdp.send("ServiceWorker.stopAllWorkers");
    const before = await countRecords(blank);
    await write(far, ["written elsewhere"]);
    // Nothing may seem to be left before the link has heard of what was written.
    await far.evaluate(async () => story.tenant.links.value[0]?.sync());
    const target = { origin, registrationId };
    if (wake === "a push message")
      await cdp.send("ServiceWorker.deliverPushMessage", { ...target, data: "" });
    else await cdp.send("ServiceWorker.dispatchPeriodicSyncEvent", { ...target, tag: "coffer-sync" });
    await expect.poll(() => countRecords(blank), { timeout: 60_000 }).toBeGreaterThan(before);
    // What it fetched is there when nothing else can be asked any more.
    await server.stop();
    const page = await device.context.newPage();
    await openSite(page, site);
    await enterTenant(page);
    await expect.poll(() => readTitles(page)).toEqual(["written elsewhere"]);
  });
}
