/**
 * Runs what the README says, as it stands there: the examples are taken out of the page, built against the packed package and
 * opened in a browser beside a started server. Only the server's address is another one.
 */
import { build } from "esbuild";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { fromRoot } from "../../build/paths.mjs";
import { controlServiceWorker, createTempFolder, expect, removeFolder, test } from "../fixtures.ts";
import { installPackage, packPackage, serveFolder } from "../packages/consumers.ts";

const builtFiles = ["worker.js", "automerge.wasm", "coffer.global.js", "more.js", "sw.js"] as const;

let workFolder = "";
let appFolder = "";
let readme = "";

test.describe.configure({ mode: "default", timeout: 180_000 });

test.beforeAll(async () => {
  readme = await readFile(fromRoot("README.md"), "utf8");
  workFolder = await createTempFolder("readme");
  appFolder = join(workFolder, "app");
  await installPackage(await packPackage(workFolder), appFolder);
});

test.afterAll(async () => {
  if (workFolder !== "") await removeFolder(workFolder);
});

/** The one code block of a language that holds a text. */
function exampleWith(language: "js" | "html", text: string): string {
  const blocks = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
  const found = blocks.filter(([, of, code]) => of === language && code?.includes(text) === true);
  expect(found, `README: ${language} blocks with ${text}`).toHaveLength(1);
  return found[0]?.[2] ?? "";
}

/** A program of the README against another server. */
function withServer(program: string, serverUrl: string): string {
  const written = '"http://localhost:8080"';
  expect(program.split(written), "the example names its server once").toHaveLength(2);
  return program.replace(written, JSON.stringify(serverUrl));
}

/** A folder to serve: scripts bundled by their names, the package's own files where the README wants them. */
async function buildSite(
  name: string,
  site: { html: string; scripts: Record<string, string>; filesIn: string },
) {
  const folder = join(workFolder, name);
  await mkdir(join(folder, site.filesIn), { recursive: true });
  for (const file of builtFiles)
    await copyFile(
      join(appFolder, "node_modules", "cofferdb", "dist", file),
      join(folder, site.filesIn, file),
    );
  for (const [script, code] of Object.entries(site.scripts)) {
    // The entry lies in the application, so that its imports are found there.
    const entry = join(appFolder, script);
    await writeFile(entry, code);
    await build({
      entryPoints: [entry],
      bundle: true,
      format: "esm",
      target: "es2022",
      outfile: join(folder, script),
      logLevel: "silent",
    });
  }
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>App</title><body>\n${site.html}</body></html>`;
  await writeFile(join(folder, "index.html"), page);
  return serveFolder(folder);
}

/** What a page prints from now on, and what it complains about. */
function listen(page: Page): { lines: string[]; complaints: string[] } {
  const heard: { lines: string[]; complaints: string[] } = { lines: [], complaints: [] };
  page.on("console", (message) => {
    if (message.type() === "log") heard.lines.push(message.text());
    else if (message.type() === "error" && !message.location().url.endsWith("/favicon.ico"))
      heard.complaints.push(message.text());
  });
  page.on("pageerror", (error) => heard.complaints.push(error.message));
  return heard;
}

/** The parts of an example that belong to different devices, each under its comment. */
function partsOf(example: string): string[] {
  return example.split(/^\/\/ On .*$/m).slice(1);
}

/** Lets programs on different devices hand texts to each other, as people would. */
function createMailbox(): {
  give: (name: string, text: string) => void;
  take: (name: string) => Promise<string>;
} {
  const waiting = new Map<string, Letter>();
  const slot = (name: string): Letter => {
    const known = waiting.get(name) ?? createLetter();
    waiting.set(name, known);
    return known;
  };
  return { give: (name, text) => slot(name).resolve(text), take: (name) => slot(name).promise };
}

interface Letter {
  readonly promise: Promise<string>;
  readonly resolve: (text: string) => void;
}

function createLetter(): Letter {
  let resolve: (text: string) => void = () => undefined;
  const promise = new Promise<string>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

const moduleTag = '<script type="module" src="./main.js"></script>';

test("the program prints what the page says, and its invitation lets a second device in", async ({
  browser,
  page,
  server,
}) => {
  const program = withServer(exampleWith("js", "createTenant"), server.url);
  const [asking = "", answering = "", joining = ""] = partsOf(exampleWith("js", "approveJoinRequest"));
  const scripts = {
    "grace.js": `${program}
      const request = await take("request");
      ${answering}
      give("share password", sharePassword);
      give("response", response);
      await coffer.close();
      const { name } = await (await openCoffer()).openTenant("acme", { password: userPassword });
      console.log("again:", name.value);`,
    "ada.js": `import { openCoffer } from "cofferdb";
      const coffer = await openCoffer();
      const password = "three owls count backwards";
      ${asking}
      give("request", request);
      const sharePassword = await take("share password");
      const response = await take("response");
      ${joining}
      console.log("joined");`,
  };
  const html = `<script type="module">await import(\`.\${location.search.replace("?", "/")}.js\`);</script>`;
  const site = await buildSite("program", { html, scripts, filesIn: "." });
  const adasContext = await browser.newContext();
  const adasPage = await adasContext.newPage();
  const [grace, ada] = [listen(page), listen(adasPage)];
  const mailbox = createMailbox();
  try {
    for (const each of [page, adasPage]) {
      await each.exposeFunction("give", mailbox.give);
      await each.exposeFunction("take", mailbox.take);
    }
    await page.goto(`${site.url}?grace`);
    await adasPage.goto(`${site.url}?ada`);
    const complaints = (): string[] => [...grace.complaints, ...ada.complaints];
    await expect
      .poll(() => complaints().length > 0 || ada.lines.includes("joined"), { timeout: 90_000 })
      .toBe(true);
    expect(complaints()).toEqual([]);
    const number = grace.lines[5];
    expect(number).toMatch(/^(?:\d{4} ){14}\d{4}$/);
    const printed = [
      "Grace lives in Bergen",
      "in Oslo: 0",
      "Grace lives in Oslo",
      "in Oslo: 1",
      "waiting to be sent: 0",
    ];
    await expect.poll(() => grace.lines).toEqual([...printed, number, "again: acme"]);
    expect(ada.lines).toEqual(["Ada reads: Grace", number, "joined"]);
    expect(readme).toContain('`coffer.openTenant("acme", { password: userPassword })`');
    for (const line of printed) expect(readme).toContain(`\`${line}\``);
    expect(server.output()).not.toContain("Grace");
  } finally {
    await adasContext.close();
    await site.close();
  }
});

test("the example is about twenty lines", () => {
  const lines = exampleWith("js", "createTenant").split("\n");
  expect(lines.filter((line) => line.trim() !== "").length).toBeLessThanOrEqual(24);
});

test("the script tag works as written", async ({ page }) => {
  const html = exampleWith("html", "coffer.global.js");
  const site = await buildSite("script-tag", { html, scripts: {}, filesIn: "lib" });
  const { lines, complaints } = listen(page);
  try {
    await page.goto(site.url);
    await expect
      .poll(() => [...lines, ...complaints], { timeout: 30_000 })
      .toEqual(["tenants on this device: 0"]);
  } finally {
    await site.close();
  }
});

for (const kind of ["ready-made", "own"] as const) {
  test(`background sync: the ${kind} service worker talks to the server`, async ({ openDevice, server }) => {
    const opened = exampleWith("js", "serviceWorker: ");
    const program = withServer(exampleWith("js", "createTenant"), server.url);
    const imports = program.match(/^import .*$/gm) ?? [];
    const story = program.replaceAll(/^import .*$|^const coffer = .*$/gm, "");
    const main = [...imports, opened, story, 'await coffer.close();\nconsole.log("closed");'];
    const scripts: Record<string, string> = { "main.js": main.join("\n") };
    if (kind === "own") {
      scripts["own-sw.js"] = exampleWith("js", "installCofferSync");
      scripts["main.js"] = main.join("\n").replace('"/sw.js"', '"/own-sw.js"');
    }
    const site = await buildSite(`background-${kind}`, { html: moduleTag, scripts, filesIn: "." });
    const device = await openDevice();
    const asked: string[] = [];
    device.context.on("request", (request) => {
      if (request.serviceWorker() !== null) asked.push(new URL(request.url()).pathname);
    });
    const { lines, complaints } = listen(device.page);
    try {
      await device.page.goto(site.url);
      await expect
        .poll(() => complaints.length > 0 || lines.includes("closed"), { timeout: 60_000 })
        .toBe(true);
      expect(complaints).toEqual([]);
      const control = await controlServiceWorker(device.page);
      await control.fireSync("coffer-sync");
      await expect
        .poll(() => asked.some((path) => /^\/v1\/t\/[\w-]{43}\/sync$/.test(path)), { timeout: 30_000 })
        .toBe(true);
    } finally {
      await site.close();
    }
  });
}
