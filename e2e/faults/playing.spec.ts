/** Files that are shown where they lie: a film that seeks without being fetched whole, pictures, and addresses that end. */
import type { Page } from "@playwright/test";
import { makeFilm, pictureOf } from "./film.ts";
import { connect, expect, foundTenant, joinTenant, openSite, people, test, type Site } from "./world.ts";

const megabyte = 1024 * 1024;
const withHelp = { serviceWorker: "./sw.js" };

/** Open the site with its service worker on a page, and a tenant of its own. */
async function found(page: Page, site: Site): Promise<void> {
  await openSite(page, site, withHelp);
  await foundTenant(page);
}

/** Add files to a new document, and open the first of that name on a page. @returns the document's id and their addresses */
async function addressesOf(page: Page, files: readonly { name: string; type: string; text: string }[]) {
  return page.evaluate(async (all) => {
    const doc = await story.db.createDocument({ title: "with files", count: 0 });
    story.kept["doc"] = doc;
    const urls: string[] = [];
    const opened = [];
    for (const { name, text, type } of all) {
      const added = await story.db.addAttachment(doc, new Blob([text]), { name, type });
      const handle = await story.db.openAttachment(doc, added);
      opened.push(handle);
      urls.push(await handle.getUrl());
    }
    story.kept["opened"] = opened;
    return urls;
  }, files);
}

async function statusOf(page: Page, url: string): Promise<number> {
  return page.evaluate(async (address) => (await fetch(address)).status, url);
}

/** Seek in the page's `<video>`, and read which picture it shows then. */
async function seek(page: Page, toSeconds: number): Promise<number> {
  await page.locator("video").evaluate(async (element, seconds) => {
    const video = element as HTMLVideoElement;
    const seeked = new Promise<void>((resolve, reject) => {
      video.addEventListener("seeked", () => resolve(), { once: true });
      video.addEventListener("error", () => reject(new Error(video.error?.message)), { once: true });
    });
    video.currentTime = seconds;
    await seeked;
  }, toSeconds);
  return pictureOf(page);
}

test("a film plays and seeks on a device that has none of it, and what lies between is not fetched", async ({
  openDevice,
  server,
  site,
}) => {
  const desk = (await openDevice()).page;
  const phone = (await openDevice()).page;
  await found(desk, site);
  const sizeBytes = await makeFilm(desk, { seconds: 20, fillerBytes: 2 * megabyte });
  expect(sizeBytes).toBeGreaterThan(40 * megabyte);
  const named = await desk.evaluate(async () => {
    const doc = await story.db.createDocument({ title: "with a film", count: 0 });
    const film = story.kept["film"] as File;
    const { id } = await story.db.addAttachment(doc, film);
    return { docId: doc.id, id };
  });
  await connect(desk, server.url);
  await openSite(phone, site, withHelp);
  await joinTenant(desk, phone, server.url);
  let fetched = 0;
  phone.context().on("request", (request) => {
    if (request.method() === "GET" && request.url().includes("/blob/")) fetched += 1;
  });
  // The server is of another origin than the page: what a film needs crosses it.
  expect(new URL(server.url).origin).not.toBe(site.origin);
  await expect
    .poll(() => phone.evaluate(async (id) => story.outcomeOf(story.db.getDocument(id)), named.docId))
    .toBe("resolved");
  await phone.evaluate(async ({ docId, id }) => {
    const doc = await story.db.getDocument(docId);
    await story.until(doc.attachments, (files) => files?.length === 1);
    const handle = await story.db.openAttachment(doc, id);
    const video = document.createElement("video");
    video.muted = true;
    video.preload = "metadata";
    video.src = await handle.getUrl();
    document.body.append(video);
    await new Promise((resolve, reject) => {
      video.addEventListener("loadeddata", resolve);
      video.addEventListener("error", () => reject(new Error(video.error?.message)));
    });
  }, named);
  const atStart = fetched;
  for (const second of [17, 3, 11]) expect(await seek(phone, second + 0.5)).toBe(second);
  const chunkCount = Math.ceil(sizeBytes / (256 * 1024));
  expect(atStart).toBeGreaterThan(0);
  expect(fetched).toBeGreaterThan(atStart);
  expect(fetched).toBeLessThan(chunkCount / 2);
  await phone.locator("video").evaluate(async (element) => {
    const video = element as HTMLVideoElement;
    await video.play();
    const from = video.currentTime;
    await new Promise<void>((resolve) =>
      video.addEventListener("timeupdate", () => (video.currentTime > from + 1 ? resolve() : undefined)),
    );
    video.remove();
    video.src = "";
  });
});

test("who goes away is read for no further", async ({ page, site }) => {
  await found(page, site);
  await makeFilm(page, { seconds: 4, fillerBytes: 4 * megabyte });
  const read = await page.evaluate(async () => {
    const doc = await story.db.createDocument({ title: "with a film", count: 0 });
    const film = story.kept["film"] as File;
    const handle = await story.db.openAttachment(doc, await story.db.addAttachment(doc, film));
    const url = await handle.getUrl();
    const postMessage = MessagePort.prototype.postMessage;
    let pieces = 0;
    MessagePort.prototype.postMessage = function (this: MessagePort, ...args: [never]) {
      if ((args[0] as unknown) instanceof Uint8Array) pieces += 1;
      postMessage.apply(this, args);
    };
    const giving = new AbortController();
    const response = await fetch(url, { signal: giving.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    // Quiet is when nothing has come for a while, however long each piece takes here.
    const untilQuiet = async (): Promise<number> => {
      for (let before = -1; before !== pieces;) {
        before = pieces;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      return pieces;
    };
    const whileWaiting = await untilQuiet();
    giving.abort();
    await untilQuiet();
    const whole = await (await fetch(url)).arrayBuffer();
    const isSame =
      Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", whole))).join() ===
      Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", await film.arrayBuffer()))).join();
    const chunkCount = Math.ceil(film.size / 262_144);
    return { whileWaiting, more: pieces - whileWaiting - chunkCount, chunkCount, isSame };
  });
  // The browser takes some in before it is read; it is a few pieces, not the film.
  expect(read.whileWaiting).toBeLessThan(read.chunkCount / 2);
  expect(read).toMatchObject({ more: 0, isSame: true });
});

test("ranges, suffixes and questions about a file are answered as the standard says", async ({
  page,
  site,
}) => {
  await found(page, site);
  const [url = ""] = await addressesOf(page, [{ name: "notes.txt", type: "text/plain", text: "0123456789" }]);
  const ask = (method: string, headers: Record<string, string>) =>
    page.evaluate(
      async ([address, how, given]) => {
        const answer = await fetch(address, { method: how, headers: given });
        const told = (name: string): string | null => answer.headers.get(name);
        return [
          answer.status,
          await answer.text(),
          told("content-range"),
          told("content-length"),
          told("content-type"),
        ];
      },
      [url, method, headers] as const,
    );
  const type = "text/plain; charset=utf-8";
  expect(await ask("GET", {})).toEqual([200, "0123456789", null, "10", type]);
  expect(await ask("GET", { Range: "bytes=2-4" })).toEqual([206, "234", "bytes 2-4/10", "3", type]);
  expect(await ask("GET", { Range: "bytes=-3" })).toEqual([206, "789", "bytes 7-9/10", "3", type]);
  expect(await ask("GET", { Range: "bytes=10-" })).toEqual([416, "", "bytes */10", null, null]);
  expect(await ask("HEAD", {})).toEqual([200, "", null, "10", type]);
  expect((await ask("POST", {}))[0]).toBe(405);
});

test("pictures show, and nothing that could run does, however it is asked for", async ({
  context,
  page,
  site,
}) => {
  await found(page, site);
  await page.evaluate(() => Object.assign(globalThis, { ran: 0 }));
  const script = "parent.ran = 1; globalThis.ran = 1";
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>${script}</script></svg>`;
  const [html = "", picture = "", asHtml = "", js = "", gif = ""] = await addressesOf(page, [
    { name: "page.html", type: "text/html", text: `<script>${script}</script>` },
    { name: "drawn.svg", type: "image/svg+xml", text: svg },
    { name: "page.html", type: "text/plain", text: `<html><script>${script}</script>` },
    { name: "x.js", type: "text/javascript", text: script },
    { name: "dot.gif", type: "image/gif", text: "" },
  ]);
  const shown = await page.evaluate(async () => {
    const bytes = Uint8Array.from(
      atob("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"),
      (sign) => sign.codePointAt(0) ?? 0,
    );
    const doc = story.kept["doc"] as Awaited<ReturnType<typeof story.db.getDocument>>;
    const added = await story.db.addAttachment(doc, new File([bytes], "dot.gif", { type: "image/gif" }));
    const image = new Image();
    image.src = await (await story.db.openAttachment(doc, added)).getUrl();
    await image.decode();
    return image.naturalWidth;
  });
  expect(shown).toBe(1);
  expect(await statusOf(page, gif)).toBe(200);
  const tried = await page.evaluate(
    async ([pageUrl, svgUrl, textUrl, jsUrl]) => {
      // Of some elements nothing is told: they have a while in which to run what they may not.
      const outcome = async (element: HTMLElement, url: string, name: string): Promise<string> => {
        const over = new Promise<string>((resolve) => {
          element.addEventListener("load", () => resolve("load"));
          element.addEventListener("error", () => resolve("error"));
          if (!element.matches("img, script")) setTimeout(() => resolve("nothing"), 1500);
        });
        element.setAttribute(name, url);
        document.body.append(element);
        return over;
      };
      const make = (name: string): HTMLElement => document.createElement(name);
      return {
        svg: await outcome(make("img"), svgUrl, "src"),
        script: await outcome(make("script"), jsUrl, "src"),
        frame: await outcome(make("iframe"), pageUrl, "src"),
        sniffed: await outcome(make("iframe"), textUrl, "src"),
        object: await outcome(make("object"), svgUrl, "data"),
        worker: await new Promise<string>((resolve) => {
          new Worker(jsUrl).addEventListener("error", () => resolve("error"));
        }),
        module: await import(jsUrl).then(
          () => "load",
          () => "error",
        ),
      };
    },
    [html, picture, asHtml, js] as const,
  );
  expect(tried).toMatchObject({ svg: "error", script: "error", worker: "error", module: "error" });
  expect(await page.evaluate(() => (globalThis as unknown as { ran: number }).ran)).toBe(0);
  // Opened as a page of its own it is saved, under its name.
  for (const [url, name] of [
    [html, "page.html"],
    [picture, "drawn.svg"],
    [asHtml, "page.html"],
  ] as const) {
    const tab = await context.newPage();
    await tab.goto(site.url);
    const saving = tab.waitForEvent("download");
    await tab.evaluate((address) => location.assign(address), url);
    expect((await saving).suggestedFilename()).toBe(name);
    expect(new URL(tab.url()).pathname).toBe("/");
    await tab.close();
  }
});

test("an address ends with its lock for good, with its handle, and with its page", async ({
  context,
  page,
  site,
}) => {
  await found(page, site);
  const files = ["a", "b"].map((name) => ({ name, type: "text/plain", text: name }));
  const [first = "", second = ""] = await addressesOf(page, files);
  const other = await context.newPage();
  await openSite(other, site, withHelp);
  expect([await statusOf(page, first), await statusOf(other, first)]).toEqual([200, 200]);
  // Who guesses a token hears what who is late hears.
  expect(await statusOf(page, first.replace(/\/[^/]{43}\//, `/${"A".repeat(43)}/`))).toBe(404);
  await page.evaluate(() => {
    const [, opened] = story.kept["opened"] as { dispose(): void }[];
    opened?.dispose();
  });
  expect(await statusOf(page, second)).toBe(404);
  await page.evaluate(async () => story.tenant.lock());
  await expect.poll(() => statusOf(page, first)).toBe(403);
  await page.evaluate(async (password) => story.tenant.unlock({ password }), people.userPassword);
  expect(await statusOf(page, first)).toBe(403);
  const again = await addressesOf(page, files);
  expect(await statusOf(other, again[0] ?? "")).toBe(200);
  await page.close();
  expect(await statusOf(other, again[0] ?? "")).toBe(404);
});
