/** Another origin that shares the browser: a frame within the application's page, a window that it opened, a page that frames the demo. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Frame, Page } from "@playwright/test";
import { createTempFolder, removeFolder } from "../fixtures.ts";
import { serveFolder } from "../packages/consumers.ts";
import { enterTenant, expect, foundTenant, openTab, readTitles, test, write, type Site } from "./world.ts";

/** Open the site with a worker that tells the names of the channels which it speaks on; they are in `story.kept.names`. */
async function openTellingSite(page: Page, site: Site): Promise<void> {
  await page.goto(site.url);
  await page.waitForFunction(() => "story" in globalThis);
  await page.evaluate(async () => {
    const names: string[] = [];
    story.kept = { names };
    new BroadcastChannel("names of the test").onmessage = ({ data }) => void names.push(data as string);
    const telling = `
      const teller = new BroadcastChannel("names of the test");
      globalThis.BroadcastChannel = class extends BroadcastChannel {
        constructor(name) { super(name); teller.postMessage(name); }
      };`;
    const urlOf = (text: string): string =>
      URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const script = `import ${JSON.stringify(urlOf(telling))}; import ${JSON.stringify(new URL("dist/worker.js", location.href).href)};`;
    const worker = () => new Worker(urlOf(script), { type: "module" });
    story.coffer = await story.openCoffer({ worker });
  });
}

/** All that any part of the library listens to, said on every way that leads from another origin; what comes back is in `heard`. */
async function attack(frame: Frame | Page, names: readonly string[], tenantId: string): Promise<void> {
  await frame.evaluate(
    ([channels, id]) => {
      const heard: unknown[] = [];
      Object.assign(globalThis, { heard });
      const hear = ({ data }: MessageEvent): void => void heard.push(data);
      const call = (path: string, ...values: unknown[]) => ({
        id: path,
        type: "APPLY",
        path: [path],
        argumentList: values.map((value) => ({ type: "RAW", value })),
      });
      const nonce = "0".repeat(32);
      const words = [
        "lock",
        { ask: nonce, tenantId: id },
        { answer: nonce, identity: {} },
        call("tenants"),
        call("lock", id),
        call("removeTenant", id),
        call("closeTenant", id),
        { type: "GET", id: "get", path: [] },
        { events: [{ kind: "tenant", tenantId: id, snapshot: {} }] },
        {
          type: "coffer-file",
          token: "",
          question: { method: "GET", destination: "", range: null, ifRange: null },
        },
        { type: "coffer-sync" },
        { type: "SKIP_WAITING" },
        { bytes: new Uint8Array(100) },
        null,
        7,
      ];
      for (const window of [parent, opener as Window | null]) {
        if (window === null || window === self) continue;
        for (const word of words) {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = hear;
          window.postMessage(word, "*", [port2]);
        }
      }
      addEventListener("message", hear);
      for (const name of channels) {
        const channel = new BroadcastChannel(name);
        channel.onmessage = hear;
        for (const word of words) channel.postMessage(word);
      }
    },
    [names, tenantId] as const,
  );
}

const heardBy = (frame: Frame | Page) => frame.evaluate(() => (globalThis as { heard?: unknown[] }).heard);

test("what another origin says to the page, to its opener and on every channel is not heard, and it hears nothing", async ({
  openDevice,
  site,
}) => {
  const folder = await createTempFolder("foreign");
  await writeFile(join(folder, "index.html"), "<!doctype html><title>foreign</title>");
  // Two of them: what one origin says on its channels is its own.
  const [foreign, other] = [await serveFolder(folder), await serveFolder(folder)];
  const { context, page } = await openDevice();
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  page.on("console", (line) => line.type() === "error" && errors.push(line.text()));
  await openTellingSite(page, site);
  const id = await foundTenant(page);
  await write(page, ["before"]);
  const names = await page.evaluate(() => [...new Set(story.kept["names"] as string[])]);
  const lock = names.find((name) => name.startsWith("coffer-lock/")) ?? "";
  expect(names.some((name) => name.startsWith("coffer-keys/"))).toBe(true);
  expect(lock).not.toBe("");

  await page.evaluate((url) => {
    const frame = document.createElement("iframe");
    frame.src = url;
    document.body.append(frame);
  }, foreign.url);
  const opened = context.waitForEvent("page");
  await page.evaluate((url) => void open(url), other.url);
  const popup = await opened;
  await popup.waitForLoadState();
  const frame = await expect
    .poll(() => page.frames().find((one) => one.url() === foreign.url))
    .toBeDefined()
    .then(() => page.frames().find((one) => one.url() === foreign.url));
  if (frame === undefined) throw new Error("the frame is there");
  for (const one of [frame, popup]) await attack(one, names, id);

  // While all of it is there to be heard: an edit, and a tab that asks for the keys.
  await write(page, ["meanwhile"]);
  const second = await openTab(context, site);
  await second.evaluate(async (tenantId) => void (await story.coffer.openTenant(tenantId)), id);
  await second.close();
  expect(await page.evaluate(() => story.tenant.status.value.phase)).toBe("open");
  expect(await readTitles(page)).toEqual(["before", "meanwhile"]);
  expect(await page.evaluate(() => story.tenant.alarms.value)).toEqual([]);
  expect(await heardBy(frame)).toEqual([]);
  expect(await heardBy(popup)).toEqual([]);
  expect(errors).toEqual([]);

  // The words were right: said by the own origin, one of them does what it says.
  await page.evaluate((name) => new BroadcastChannel(name).postMessage("lock"), lock);
  await expect.poll(() => page.evaluate(() => story.tenant.status.value.phase)).toBe("locked");
  await enterTenant(page);
  await expect.poll(() => readTitles(page)).toEqual(["before", "meanwhile"]);
  for (const { close } of [foreign, other]) await close();
  await removeFolder(folder);
});

test("another origin frames the demo nowhere", async ({ openDevice, server }) => {
  const folder = await createTempFolder("foreign");
  const frames = `<iframe src="${server.url}/"></iframe><iframe src="${server.url}/#/spaces"></iframe>`;
  await writeFile(join(folder, "index.html"), `<!doctype html>${frames}`);
  const foreign = await serveFolder(folder);
  const { page } = await openDevice();
  await page.goto(foreign.url, { waitUntil: "load" });
  const children = page.frames().filter((frame) => frame !== page.mainFrame());
  expect(children).toHaveLength(2);
  for (const frame of children) {
    await expect.poll(() => frame.url()).toBe("chrome-error://chromewebdata/");
    expect(await frame.evaluate(() => document.querySelector("#app, main, script[src]"))).toBeNull();
  }
  // Alone it is there.
  await page.goto(server.url);
  await expect(page.getByRole("heading").first()).toBeVisible();
  await foreign.close();
  await removeFolder(folder);
});
