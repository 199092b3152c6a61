/**
 * Strangers' applications: the package packed as it is published, unpacked into a folder outside the repository, and built
 * by bundlers that know nothing about it.
 */
import { spawn } from "node:child_process";
import { createServer, type Server } from "node:http";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { dirname, extname, join, normalize } from "node:path";
import { fromRoot } from "../../build/paths.mjs";

/** Run a command to its end. Nothing is thrown for a bad exit code: the caller shows `output` in its expectation. */
export async function run(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<{ code: number; output: string; stdout: string }> {
  const child = spawn(command, args, {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  let output = "";
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode) => resolve(exitCode ?? 1));
  });
  return { code, output, stdout };
}

/** Run a package's command with this Node, from the repository's own dependencies. */
export async function runTool(name: string, args: readonly string[], cwd: string) {
  const manifest: { bin?: string | Record<string, string> } = JSON.parse(
    await readFile(fromRoot("node_modules", name, "package.json"), "utf8"),
  );
  const bin = typeof manifest.bin === "string" ? manifest.bin : Object.values(manifest.bin ?? {})[0];
  if (bin === undefined) throw new Error(`${name} has no command`);
  return run(process.execPath, [fromRoot("node_modules", name, bin), ...args], cwd);
}

const npmCommand = process.platform === "win32" ? "npm.cmd" : "npm";

/** Pack the built package into a folder; returns the tarball's path. */
export async function packPackage(folder: string): Promise<string> {
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
  const { code, output } = await run(npmCommand, args, fromRoot());
  if (code !== 0) throw new Error(`npm pack failed:\n${output}`);
  const name = (await readdir(folder)).find((file) => file.endsWith(".tgz"));
  if (name === undefined) throw new Error(`npm pack wrote no tarball:\n${output}`);
  return join(folder, name);
}

/** Install the tarball into a fresh application, with nothing from the repository but its tarball. */
export async function installPackage(tarball: string, appFolder: string): Promise<void> {
  await mkdir(appFolder, { recursive: true });
  await writeFile(
    join(appFolder, "package.json"),
    JSON.stringify({ name: "app", private: true, type: "module" }),
  );
  const args = ["install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", tarball];
  const { code, output } = await run(npmCommand, args, appFolder);
  if (code !== 0) throw new Error(`The package could not be installed:\n${output}`);
}

/** Make one of the repository's tools importable from the application, without installing it again. */
export async function linkTool(appFolder: string, name: string): Promise<void> {
  const path = join(appFolder, "node_modules", name);
  if (existsSync(path)) return;
  await mkdir(dirname(path), { recursive: true });
  await symlink(fromRoot("node_modules", name), path, "dir");
}

/**
 * The application's part: it makes a tenant and a document, edits it, reads it back, and tells the test. Making a tenant and
 * creating several documents at once are in the part that the page loads later.
 */
export const story = `
async function tellStory(openCoffer) {
  const coffer = await openCoffer();
  const { tenant } = await coffer.createTenant({
    tenantId: "acme",
    adminName: "cn=admin/o=acme",
    adminPassword: "correct horse battery staple one",
    userName: "cn=owner/o=acme",
    userPassword: "correct horse battery staple two",
  });
  const db = await tenant.openDB("contacts");
  const others = await tenant.openDB("others");
  const otherIds = await others.createDocuments([{ name: "one" }, { name: "two" }]);
  if (otherIds.length !== 2) throw new Error("createDocuments gave " + otherIds.length + " ids");
  const doc = await db.createDocument({ name: "Ada Lovelace", tags: [], address: { city: "Bergen" } });
  await db.changeDoc(doc, (draft) => {
    draft.address.city = "Oslo";
    draft.tags.push("vip");
  });
  const again = await db.getDocument(doc.id);
  const ids = await db.getAllDocumentIds();
  return { id: doc.id, ids: [...ids], data: JSON.parse(JSON.stringify(again.data.value ?? doc.data.value)) };
}
function report(openCoffer) {
  tellStory(openCoffer).then(
    (value) => { window.told = { value }; },
    (error) => { window.told = { error: String(error && error.stack || error), code: error && error.code }; },
  );
}
`;

const mediaTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
  ".css": "text/css; charset=utf-8",
};

/** Serve a folder on loopback, with one policy for every file. */
export async function serveFolder(
  folder: string,
  policy?: string,
): Promise<{ url: string; close(): Promise<void> }> {
  const server: Server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const file = join(folder, normalize(path.endsWith("/") ? `${path}index.html` : path));
    readFile(file).then(
      (bytes) => {
        response.setHeader("content-type", mediaTypes[extname(file)] ?? "application/octet-stream");
        if (policy !== undefined) response.setHeader("content-security-policy", policy);
        response.end(bytes);
      },
      () => {
        response.statusCode = 404;
        response.end();
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The system gave no port");
  return {
    url: `http://localhost:${address.port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
