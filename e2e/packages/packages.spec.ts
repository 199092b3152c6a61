import type * as auditModule from "cofferdb/audit";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test, type Page } from "@playwright/test";
import { createTempFolder, removeFolder } from "../fixtures.ts";
import { installPackage, linkTool, packPackage, run, runTool, serveFolder, story } from "./consumers.ts";

const policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
const page = (script: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>App</title></head><body>${script}</body></html>`;

let workFolder = "";
let tarball = "";
let appFolder = "";
let packageFolder = "";

test.describe.configure({ mode: "default", timeout: 180_000 });

test.beforeAll(async () => {
  workFolder = await createTempFolder("packages");
  tarball = await packPackage(workFolder);
  appFolder = join(workFolder, "app");
  await installPackage(tarball, appFolder);
  packageFolder = join(appFolder, "node_modules", "cofferdb");
});

test.afterAll(async () => {
  if (workFolder !== "") await removeFolder(workFolder);
});

interface Told {
  readonly value?: { id: string; ids: string[]; data: unknown };
  readonly error?: string;
}

/** Open an application and wait for its story; what the browser complains about is part of a failure's text. */
async function expectStory(browserPage: Page, url: string): Promise<void> {
  const complaints: string[] = [];
  browserPage.on("console", (message) => {
    // No site here has an icon, and a browser may ask for one all the same.
    if (message.type() === "error" && !message.location().url.endsWith("/favicon.ico"))
      complaints.push(message.text());
  });
  browserPage.on("pageerror", (error) => complaints.push(error.message));
  browserPage.on("requestfailed", (request) =>
    complaints.push(`${request.url()} ${request.failure()?.errorText ?? ""}`),
  );
  await browserPage.goto(url);
  const read = (): Promise<Told | undefined> =>
    browserPage.evaluate(() => (globalThis as { told?: Told }).told);
  await expect
    .poll(read, { timeout: 60_000 })
    .toBeDefined()
    .catch((error: unknown) => {
      throw new Error(`The story did not end. The browser said:\n${complaints.join("\n")}`, { cause: error });
    });
  const told = await read();
  expect(told?.error, complaints.join("\n")).toBeUndefined();
  expect(told?.value?.data).toEqual({ name: "Ada Lovelace", tags: ["vip"], address: { city: "Oslo" } });
  expect(told?.value?.ids).toEqual([told?.value?.id]);
  expect(complaints).toEqual([]);
}

async function expectBuilt(appName: string, result: { code: number; output: string }): Promise<void> {
  expect(result.code, `${appName} was not built:\n${result.output}`).toBe(0);
}

test("the tarball holds the built files, the licence and no sources", async () => {
  const files = await readdir(packageFolder, { recursive: true });
  const needed = [
    "index.js",
    "audit.js",
    "expressions.js",
    "extract.js",
    "extract-pdf.js",
    "extract-picture.js",
    "more.js",
    "worker.js",
    "automerge.wasm",
    "service-worker.js",
    "sw.js",
    "coffer.global.js",
  ];
  expect(files).toEqual(
    expect.arrayContaining([...needed.map((name) => join("dist", name)), "LICENSE", "README.md"]),
  );
  expect(files.filter((file) => /(?<!\.d)\.tsx?$/.test(file))).toEqual([]);
  const index = await readFile(join(packageFolder, "dist", "index.js"), "utf8");
  expect(index).toContain('new URL("./worker.js", import.meta.url)');
  expect(index).toContain('import("./more.js")');
  expect(index).toMatch(/from "@preact\/signals-core"/);
});

test("a report is verified by Node, with nothing but the package", async () => {
  const vectors = JSON.parse(
    await readFile(new URL("../../src/audit/report.vectors.json", import.meta.url), "utf8"),
  ) as { readonly report: string; readonly tenantId: string };
  const { verifyAuditReport } = (await import(
    pathToFileURL(join(packageFolder, "dist", "audit.js")).href
  )) as typeof auditModule;
  const verdict = await verifyAuditReport(Buffer.from(vectors.report, "hex"), vectors);
  expect(verdict).toMatchObject({ kind: "verified", tenantId: vectors.tenantId });
});

test("publint finds nothing to say", async () => {
  const { code, output } = await runTool("publint", ["run", packageFolder, "--strict"], workFolder);
  expect(code, output).toBe(0);
});

test("the types are found under every resolution of modules", async () => {
  const threads = ["./extract-pdf.js", "./extract-picture.js"];
  const scripts = [
    "./sw.js",
    "./coffer.global.js",
    "./more.js",
    ...threads,
    "./automerge.wasm",
    "./package.json",
  ];
  const args = [tarball, "--profile", "esm-only", "--no-emoji", "--exclude-entrypoints", ...scripts];
  const { code, output } = await runTool("@arethetypeswrong/cli", args, workFolder);
  expect(code, output).toBe(0);
});

test("a stranger's program is type-checked, declarations included", async () => {
  const folder = join(appFolder, "types");
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, "main.ts"),
    `import { openCoffer, CofferError } from "cofferdb";
type Contact = { name: string; address: { city: string } };
const coffer = await openCoffer();
const { tenant } = await coffer.createTenant({
  tenantId: "acme", adminName: "cn=admin/o=acme", adminPassword: "a", userName: "cn=owner/o=acme", userPassword: "b",
});
const db = await tenant.openDB<Contact>("contacts");
const doc = await db.createDocument({ name: "Ada", address: { city: "Bergen" } });
await db.changeDoc(doc, (draft) => { draft.address.city = "Oslo"; });
export const city: string | undefined = doc.data.value?.address.city;
// @ts-expect-error a contact has no such field
await db.changeDoc(doc, (draft) => { draft.nonsense = 1; });
export const isOurs = (error: unknown): boolean => error instanceof CofferError && error.code === "doc/missing";
`,
  );
  for (const moduleResolution of ["bundler", "nodenext"]) {
    const compilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      target: "esnext",
      lib: ["esnext", "dom", "dom.iterable"],
      types: [],
      module: moduleResolution === "bundler" ? "esnext" : "nodenext",
      moduleResolution,
    };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }));
    const { code, output } = await runTool("typescript", ["-p", folder], folder);
    expect(code, `${moduleResolution}:\n${output}`).toBe(0);
  }
});

test("a fresh Vite application finds the worker and the wasm by itself", async ({ page: browserPage }) => {
  const folder = join(appFolder, "vite");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "index.html"), page('<script type="module" src="./main.js"></script>'));
  await writeFile(
    join(folder, "main.js"),
    `import { openCoffer } from "cofferdb";\n${story}\nreport(openCoffer);\n`,
  );
  const built = await runTool("vite", ["build", "--logLevel", "warn"], folder);
  await expectBuilt("The Vite application", built);
  const site = await serveFolder(join(folder, "dist"), policy);
  try {
    await expectStory(browserPage, site.url);
  } finally {
    await site.close();
  }
});

test("Vite's development server serves the package without any setting", async ({ page: browserPage }) => {
  const folder = join(appFolder, "vite-dev");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "index.html"), page('<script type="module" src="./main.js"></script>'));
  await writeFile(
    join(folder, "main.js"),
    `import { openCoffer } from "cofferdb";\n${story}\nreport(openCoffer);\n`,
  );
  const { createServer } = await import("vite");
  const server = await createServer({
    root: folder,
    configFile: false,
    logLevel: "error",
    server: { port: 0, host: "localhost", hmr: false },
  });
  try {
    await server.listen();
    const url = server.resolvedUrls?.local[0];
    expect(url).toBeDefined();
    await expectStory(browserPage, url ?? "");
  } finally {
    await server.close();
  }
});

test("an esbuild bundle works with worker.js and automerge.wasm beside it", async ({ page: browserPage }) => {
  const folder = join(appFolder, "esbuild");
  const outFolder = join(folder, "out");
  await mkdir(outFolder, { recursive: true });
  await linkTool(appFolder, "esbuild");
  await writeFile(
    join(folder, "main.js"),
    `import { openCoffer } from "cofferdb";\n${story}\nreport(openCoffer);\n`,
  );
  const bundleScript = `import { build } from "esbuild";
await build({ entryPoints: ["main.js"], bundle: true, minify: true, format: "esm", target: "es2022", outfile: "out/main.js" });
`;
  await writeFile(join(folder, "bundle.mjs"), bundleScript);
  await expectBuilt("The esbuild bundle", await run(process.execPath, ["bundle.mjs"], folder));
  for (const name of ["worker.js", "automerge.wasm"])
    await copyFile(join(packageFolder, "dist", name), join(outFolder, name));
  await writeFile(join(outFolder, "index.html"), page('<script type="module" src="./main.js"></script>'));
  const site = await serveFolder(outFolder, policy);
  try {
    await expectStory(browserPage, site.url);
  } finally {
    await site.close();
  }
});

/** A page without any build: the script tag's file, its worker and the wasm in one folder. */
async function writeScriptTagSite(name: string, call: string): Promise<string> {
  const folder = join(workFolder, name);
  await mkdir(join(folder, "lib"), { recursive: true });
  for (const file of ["coffer.global.js", "more.js", "worker.js", "automerge.wasm"]) {
    await copyFile(join(packageFolder, "dist", file), join(folder, "lib", file));
  }
  await writeFile(join(folder, "main.js"), `${story}\n${call}\n`);
  const scripts = '<script src="./lib/coffer.global.js"></script><script src="./main.js"></script>';
  await writeFile(join(folder, "index.html"), page(scripts));
  return folder;
}

test("a script tag works under a strict policy", async ({ page: browserPage }) => {
  const folder = await writeScriptTagSite("script-tag", "report(window.Coffer.openCoffer);");
  const site = await serveFolder(folder, policy);
  try {
    await expectStory(browserPage, site.url);
    const names = await browserPage.evaluate(() =>
      ["signal", "computed", "effect", "batch"].filter(
        (name) => typeof (globalThis as { Coffer?: Record<string, unknown> }).Coffer?.[name] === "function",
      ),
    );
    expect(names).toEqual(["signal", "computed", "effect", "batch"]);
  } finally {
    await site.close();
  }
});

test("a script tag works where trusted types are required", async ({ page: browserPage }) => {
  const folder = await writeScriptTagSite("trusted-types", "report(window.Coffer.openCoffer);");
  const site = await serveFolder(folder, `${policy}; require-trusted-types-for 'script'`);
  try {
    await expectStory(browserPage, site.url);
  } finally {
    await site.close();
  }
});

test("a page that allows no policy of ours hands its own worker in", async ({ page: browserPage }) => {
  const call = `
const own = trustedTypes.createPolicy("app", { createScriptURL: (url) => url });
const worker = new Worker(own.createScriptURL(new URL("./lib/worker.js", location.href).href), { type: "module" });
report(() => window.Coffer.openCoffer({ worker }));`;
  const folder = await writeScriptTagSite("own-worker", call);
  const strict = `${policy}; require-trusted-types-for 'script'; trusted-types app`;
  const site = await serveFolder(folder, strict);
  try {
    await expectStory(browserPage, site.url);
  } finally {
    await site.close();
  }
});
