/** Sync without a page: the service worker sends what was written offline, and could not read it if it wanted to. */
import { readFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import { fromRoot } from "../../build/paths.mjs";
import { controlServiceWorker, goOffline, openCdp, startServer } from "../fixtures.ts";
import { connect, expect, foundTenant, joinTenant, openSite, readTitles, test, write } from "./world.ts";

async function openWithServiceWorker(page: Page, site: { url: string; origin: string }): Promise<void> {
  await openSite(page, site, { serviceWorker: "./sw.js" });
  await page.evaluate(() =>
    story.until(story.coffer.status, ({ serviceWorker }) => serviceWorker === "active"),
  );
  await foundTenant(page);
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
  const device = await openDevice();
  const far = (await openDevice()).page;
  await openWithServiceWorker(device.page, site);
  await connect(device.page, server.url);
  await openSite(far, site);
  await joinTenant(device.page, far, server.url);
  await write(device.page, ["a first one"]);
  await expect.poll(() => readTitles(far)).toEqual(["a first one"]);

  await goOffline(device.page);
  await write(device.page, ["written offline", "and another"]);
  await expect
    .poll(() => device.page.evaluate(() => story.tenant.status.value.pendingPushCount))
    .toBeGreaterThan(0);
  await device.page.waitForTimeout(500);
  await device.context.newPage();
  await device.page.close();
  expect(device.context.pages().map((page) => page.url())).toEqual(["about:blank"]);
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
  const device = await openDevice();
  const far = (await openDevice()).page;
  await openWithServiceWorker(device.page, site);
  await connect(device.page, server.url);
  await openSite(far, site);
  await joinTenant(device.page, far, server.url);
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
