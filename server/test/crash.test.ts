import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseBase64url, type CommitHash } from "../../src/std/index.ts";
import { parseCommit } from "../../src/entry/index.ts";
import { appendLeaves, emptyFrontier, rootOf } from "../../src/sync/index.ts";
import { bundleServer } from "./bundle-fixtures.ts";
import { canary, createUser, crypto, publicationRequest, TestClient, TestTenant } from "./fixtures.ts";

/*
 * The server is killed in the middle of pushes, without warning. Afterwards it must hold every commit that it has
 * acknowledged, at the place it named, in a log without gaps under a root that follows from it.
 */
const killRuns = 5;
const command = bundleServer();
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "coffer-crash-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Running {
  readonly url: string;
  readonly process: ChildProcess;
  readonly log: () => string;
}

async function start(dataFolder: string, ...args: string[]): Promise<Running> {
  const child = spawn(process.execPath, [command.path, "--data", dataFolder, "--port", "0", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  child.stderr.on("data", (data: Buffer) => (output += data.toString()));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on("data", () => {
      const [, found] = /"url":"([^"]+)"/.exec(output) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once("exit", () => reject(new Error(output)));
  });
  return { url, process: child, log: () => output };
}

function ended(child: ChildProcess): Promise<number | null> {
  return child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child.exitCode)
    : new Promise((resolve) => child.once("exit", (exitCode) => resolve(exitCode)));
}

async function serverKeyOf(url: string): Promise<Uint8Array> {
  const { serverKey } = (await (await fetch(`${url}/sync/capabilities`)).json()) as { serverKey: string };
  return parseBase64url(serverKey) ?? new Uint8Array();
}

async function readLog(client: TestClient, tenant: TestTenant) {
  const hashes: CommitHash[] = [];
  let root: Uint8Array | undefined;
  const { dbId } = tenant;
  for (let more = true; more;) {
    const epoch = await epochOf(client, tenant);
    const frames = await client.pull([{ dbId, epoch, seq: hashes.length }], {
      allDatabases: false,
      full: true,
    });
    for (const frame of frames) {
      if (frame.type === "head") ({ root } = frame);
      if (frame.type !== "commits") continue;
      expect(frame.fromSeq).toBe(hashes.length);
      for (const item of frame.items) {
        const verdict = "commit" in item ? parseCommit(crypto, item.commit) : undefined;
        if (verdict?.kind === "verified") hashes.push(verdict.commit.commitHash);
      }
    }
    more = frames.some((frame) => frame.type === "end" && frame.more);
  }
  return { hashes, root };
}

async function epochOf(client: TestClient, tenant: TestTenant): Promise<number> {
  const frames = await client.pull([], { maxBytes: 1e7 });
  for (const frame of frames) if (frame.type === "head" && frame.dbId === tenant.dbId) return frame.epoch;
  return 0;
}

describe("a server that is killed", () => {
  it(`holds what it acknowledged, ${killRuns} times over`, { timeout: 120_000 }, async () => {
    const dataFolder = join(folder, "data");
    const user = await createUser();
    const tenant = await TestTenant.withUsers(user);
    const acknowledged = new Map<CommitHash, number>();
    let serverKey: Uint8Array | undefined;
    for (let run = 0; run < killRuns; run++) {
      const server = await start(dataFolder);
      const key = await serverKeyOf(server.url);
      serverKey ??= key;
      expect([...key]).toEqual([...serverKey]);
      const published = await fetch(
        publicationRequest(await tenant.publication({ origin: server.url }), server.url),
      );
      expect(published.status).toBe(run === 0 ? 201 : 200);
      const client = new TestClient((request) => fetch(request), tenant.tenantId, user, { url: server.url });
      await client.signIn(key);
      const commits = await Promise.all(
        Array.from({ length: 160 }, () => tenant.write(user, { text: `${canary}-${run}` })),
      );
      const pushes = Array.from({ length: 40 }, async (_, index) => {
        for (const commit of commits.slice(index * 4, index * 4 + 4)) {
          const results = await client.push(tenant.dbId, commit);
          for (const result of results)
            if (result.status === "accepted") acknowledged.set(result.commitHash, result.seq);
          if (acknowledged.size >= run * 60 + 20 + run * 7) server.process.kill("SIGKILL");
        }
      });
      await Promise.allSettled(pushes);
      await ended(server.process);
    }
    expect(acknowledged.size).toBeGreaterThan(100);

    const server = await start(dataFolder);
    const client = new TestClient((request) => fetch(request), tenant.tenantId, user, { url: server.url });
    await client.signIn(await serverKeyOf(server.url));
    const { hashes, root } = await readLog(client, tenant);
    for (const [commitHash, seq] of acknowledged) expect(hashes[seq]).toBe(commitHash);
    expect(new Set(hashes).size).toBe(hashes.length);
    expect([...(root ?? [])]).toEqual([...rootOf(crypto, appendLeaves(crypto, emptyFrontier, hashes))]);

    const exitCode = ended(server.process);
    server.process.kill("SIGTERM");
    expect(await exitCode).toBe(0);
    expect(server.log()).toContain("server.closed");
    for (const name of readdirSync(dataFolder)) {
      const bytes = readFileSync(join(dataFolder, name));
      expect([name, bytes.includes(canary)]).toEqual([name, false]);
    }
    expect(server.log()).not.toContain(tenant.tenantId);
  });

  it("says how it is used, and exits with 2, when it is used wrongly", async () => {
    for (const args of [
      ["--bogus"],
      ["--port", "x", "--data", folder],
      ["--data", folder, "--origin", "nonsense"],
      [],
    ]) {
      const child = spawn(process.execPath, [command.path, ...args], { stdio: ["ignore", "ignore", "pipe"] });
      let output = "";
      child.stderr.on("data", (data: Buffer) => (output += data.toString()));
      expect(await ended(child)).toBe(2);
      expect(output).toContain("--data DIR");
    }
  });
});
