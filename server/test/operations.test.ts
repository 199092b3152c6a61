import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import { afterAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { decodeFrames, encodeFrames, type Frame } from "../../src/sync/index.ts";
import {
  createSystemEnv,
  idToBytes,
  parseBase64url,
  type CommitHash,
  type TenantId,
} from "../../src/std/index.ts";
import { runAdminCommand } from "../src/cli-admin.ts";
import { readCommand, UsageError, type AdminCommand } from "../src/cli-options.ts";
import { openSqliteStorage, startServer, type RunningServer, type ServerOptions } from "../src/index.ts";
import {
  createUser,
  crypto,
  itemsOf,
  publicationRequest,
  TestClient,
  TestTenant,
  type TestUser,
} from "./fixtures.ts";

const env = createSystemEnv();
const root = mkdtempSync(join(tmpdir(), "coffer-operations-"));
let folders = 0;
const nextFolder = (): string => join(root, String(folders++));
const running: RunningServer[] = [];
afterAll(async () => {
  await Promise.all(running.map((server) => server.close()));
  rmSync(root, { recursive: true, force: true });
});

async function start(dataFolder: string, more: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const server = await startServer({ dataFolder, port: 0, ...more });
  running.push(server);
  return server;
}

async function stop(server: RunningServer): Promise<void> {
  running.splice(running.indexOf(server), 1);
  await server.close();
}

async function join2(server: RunningServer, tenant: TestTenant, user: TestUser): Promise<TestClient> {
  const answer = await fetch(
    publicationRequest(await tenant.publication({ origin: server.url }), server.url),
  );
  expect([200, 201]).toContain(answer.status);
  const capabilities = (await (await fetch(`${server.url}/sync/capabilities`)).json()) as {
    serverKey: string;
  };
  const client = new TestClient((request) => fetch(request), tenant.tenantId, user, { url: server.url });
  await client.signIn(parseBase64url(capabilities.serverKey) ?? new Uint8Array());
  return client;
}

/** A data directory with two tenants, of which the first has `count` commits beside its directory. */
async function createData(count: number) {
  const folder = nextFolder();
  const server = await start(folder);
  const user = await createUser();
  const tenant = await TestTenant.withUsers(user);
  const other = await TestTenant.withUsers(user);
  const client = await join2(server, tenant, user);
  await join2(server, other, user);
  const commits = await Promise.all(Array.from({ length: count }, () => tenant.write(user)));
  await client.push(tenant.dbId, ...commits);
  return { folder, server, user, tenant, other, client, commits };
}

async function run(
  ...args: string[]
): Promise<{ readonly code: number; readonly lines: readonly Record<string, unknown>[] }> {
  const lines: Record<string, unknown>[] = [];
  const command = readCommand(args) as AdminCommand;
  const code = await runAdminCommand(command, (line) =>
    lines.push(JSON.parse(line) as Record<string, unknown>),
  );
  return { code, lines };
}

const code = (expected: string) => expect.objectContaining({ code: expected });

describe("the command line", () => {
  it("means serve without a command, as it always did", () => {
    const old = readCommand(["--data", "d", "--port", "0", "--new-epoch"]);
    expect(old).toMatchObject({ name: "serve", options: { dataFolder: "d", port: 0, startsNewEpoch: true } });
    expect(readCommand(["serve", "--data", "d", "--port", "0", "--new-epoch"])).toEqual(old);
    expect(readCommand(["--help"])).toEqual({ name: "help" });
  });

  it("takes an id that begins with a dash for an id", () => {
    const tenantId = `-s${"A".repeat(41)}`;
    for (const args of [
      ["remove", tenantId, "--data", "d"],
      ["--data", "d", "remove", tenantId],
    ])
      expect(readCommand(["tenants", ...args])).toMatchObject({
        name: "remove-tenant",
        dataFolder: "d",
        tenantId,
      });
  });

  it("sets limits, the admin's port and the delay", () => {
    const limits = [
      "--tenant-bytes",
      "9",
      "--tenant-commits",
      "8",
      "--user-bytes",
      "7",
      "--user-commits",
      "6",
    ];
    const more = [
      "--max-tenants",
      "5",
      "--requests-per-minute",
      "90",
      "--admin-port",
      "0",
      "--drain-seconds",
      "3",
    ];
    expect(readCommand(["--data", "d", ...limits, ...more])).toMatchObject({
      options: {
        adminPort: 0,
        drainDelayMs: 3000,
        limits: {
          tenantBytes: 9,
          tenantCommits: 8,
          userBytes: 7,
          userCommits: 6,
          maxTenants: 5,
          member: { perMinute: 90, burst: 30 },
        },
      },
    });
  });

  it.each([
    ["bogus"],
    ["backup", "--data", "d"],
    ["restore", "--data", "d"],
    ["verify"],
    ["tenants", "remove", "--data", "d"],
    ["tenants", "remove", "short", "--data", "d"],
    ["tenants", "shrink", "--data", "d"],
    ["tenants", "list", "x", "--data", "d"],
    ["serve", "--data", "d", "--user-bytes=-1"],
    ["serve", "--data", "d", "--user-bytes", "1.5"],
    ["serve", "--data", "d", "--admin-port", "99999"],
  ])("refuses %s %s %s %s", (...args) => {
    expect(() => readCommand(args)).toThrow(UsageError);
  });
});

describe("the admin's port", () => {
  it("gives metrics, health and readiness, and the protocol's port gives no metrics", async () => {
    const server = await start(nextFolder(), { adminPort: 0 });
    const user = await createUser();
    const tenant = await TestTenant.withUsers(user);
    const client = await join2(server, tenant, user);
    await client.push(tenant.dbId, await tenant.write(user));
    const ask = (path: string, init?: RequestInit): Promise<Response> =>
      fetch(`${server.adminUrl}${path}`, init);
    const answer = await ask("/metrics");
    expect(answer.headers.get("Content-Type")).toContain("version=0.0.4");
    const text = await answer.text();
    for (const line of [
      'coffer_commits_total{outcome="accepted"} 1',
      "coffer_tenants 1",
      "coffer_live_sessions 0",
      "coffer_ready 1",
    ])
      expect(text.split("\n")).toContain(line);
    expect(text).toMatch(/^process_resident_memory_bytes \d{7,}$/m);
    expect(text).toMatch(/^coffer_event_loop_delay_seconds [\d.e-]+$/m);
    expect(text).not.toContain(tenant.tenantId.slice(0, 8));
    expect((await ask("/health")).status).toBe(200);
    expect((await ask("/ready")).status).toBe(200);
    expect((await ask("/metrics", { method: "POST" })).status).toBe(405);
    expect((await ask("/%00")).status).toBe(404);
    expect((await fetch(`${server.url}/metrics`)).status).toBe(404);
    await stop(server);
  });

  it("that is taken fails the start, and gives back port and data", async () => {
    const first = await start(nextFolder(), { adminPort: 0 });
    const adminPort = Number(new URL(first.adminUrl ?? "").port);
    const folder = nextFolder();
    await expect(start(folder, { adminPort })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await stop(await start(folder));
    await stop(first);
  });
});

describe("a server that is told to stop", () => {
  it("is not ready first and serves on; then it ends live sessions with 4503 and finishes what it began", async () => {
    const server = await start(nextFolder(), { adminPort: 0, drainDelayMs: 400 });
    const user = await createUser();
    const tenant = await TestTenant.withUsers(user);
    const client = await join2(server, tenant, user);
    const live = new WebSocket(`${server.url.replace("http", "ws")}/v1/t/${tenant.tenantId}/live`);
    const frames: Frame[] = [];
    live.on("message", (data: Buffer) => frames.push(...(decodeFrames(new Uint8Array(data)) ?? [])));
    const closed = new Promise<number>((resolve) => live.once("close", resolve));
    await new Promise((resolve) => live.once("open", resolve));
    live.send(
      encodeFrames([
        { type: "hello", version: 1, replicaId: client.replicaId },
        { type: "auth", token: client.token ?? new Uint8Array() },
      ]),
    );
    const closing = stop(server);
    expect((await fetch(`${server.adminUrl}/ready`)).status).toBe(503);
    expect((await fetch(`${server.url}/sync/ready`)).status).toBe(503);
    expect((await fetch(`${server.url}/sync/health`)).status).toBe(200);
    expect(await client.push(tenant.dbId, await tenant.write(user))).toMatchObject([{ status: "accepted" }]);
    expect(await closed).toBe(4503);
    expect(frames.at(-1)).toMatchObject({ type: "error", code: "store/closed", retryAfterMs: 1000 });
    await closing;
    await expect(fetch(`${server.url}/sync/health`)).rejects.toThrow();
  });
});

describe("tenants", () => {
  it("are listed with their sizes beside a running server, and removed without one", async () => {
    const { folder, server, tenant, other, commits } = await createData(3);
    const bytes = [...tenant.directory, ...commits].reduce((sum, commit) => sum + commit.bytes.length, 0);
    const { lines } = await run("tenants", "list", "--data", folder);
    expect(lines).toHaveLength(2);
    expect(lines).toContainEqual({ tenant: tenant.tenantId, databases: 2, commits: 4, bytes });
    await expect(run("tenants", "remove", tenant.tenantId, "--data", folder)).rejects.toThrow(
      code("store/blocked"),
    );
    await stop(server);
    expect((await run("tenants", "remove", tenant.tenantId, "--data", folder)).lines).toEqual([
      { removed: tenant.tenantId },
    ]);
    await expect(run("tenants", "remove", tenant.tenantId, "--data", folder)).rejects.toThrow(
      code("input/unknown-id"),
    );
    const left = await run("tenants", "--data", folder);
    expect(left.lines.map((line) => line["tenant"])).toEqual([other.tenantId]);
    const stored = readFileSync(join(folder, "relay.db"));
    const holds = (id: TenantId | CommitHash): boolean => stored.includes(Buffer.from(idToBytes(id)));
    expect(holds(other.tenantId)).toBe(true);
    for (const { commitHash } of [...tenant.directory, ...commits]) expect(holds(commitHash)).toBe(false);
    expect(holds(tenant.tenantId)).toBe(false);
    expect((await run("verify", "--data", folder)).code).toBe(0);
    const missing = nextFolder();
    await expect(run("tenants", "remove", tenant.tenantId, "--data", missing)).rejects.toThrow(
      code("store/failed"),
    );
    expect(existsSync(missing)).toBe(false);
  });
});

describe("a backup", () => {
  it("taken in the middle of writing holds one moment, and comes back with new epochs; nothing is lost", async () => {
    const { folder, server, user, tenant, client } = await createData(5);
    const target = nextFolder();
    const acknowledged: CommitHash[] = [];
    let isWriting = true;
    const writing = Promise.all(
      [0, 1, 2, 3].map(async () => {
        while (isWriting) {
          const commit = await tenant.write(user);
          const [result] = await client.push(tenant.dbId, commit);
          if (result?.status === "accepted") acknowledged.push(result.commitHash);
        }
      }),
    );
    const until = async (count: number): Promise<void> => {
      while (acknowledged.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await until(20);
    const before = [...acknowledged];
    await run("backup", "--data", folder, "--to", target);
    const during = acknowledged.length;
    await until(during + 20);
    isWriting = false;
    await writing;
    await expect(run("backup", "--data", folder, "--to", target)).rejects.toThrow(code("input/used"));
    expect(await run("verify", "--data", target)).toMatchObject({ code: 0 });
    expect(statSync(target).mode & 0o077).toBe(0);
    await stop(server);

    const restored = nextFolder();
    await expect(run("restore", "--data", folder, "--from", target)).rejects.toThrow(code("input/used"));
    await expect(run("restore", "--data", restored, "--from", root)).rejects.toThrow(code("store/failed"));
    await run("restore", "--data", restored, "--from", target);
    expect(readdirSync(restored).sort()).toEqual(["relay.db", "server-key"]);
    expect(readFileSync(join(restored, "server-key"))).toEqual(readFileSync(join(folder, "server-key")));
    const second = await start(restored);
    const again = await join2(second, tenant, user);
    const frames = await again.pull([], { full: true, maxBytes: 1e7 });
    const hashes = hashesOf(restored, tenant);
    for (const commitHash of before) expect(hashes).toContain(commitHash);
    expect(hashes.length).toBeLessThan(acknowledged.length + 5);
    const epochs = frames.flatMap((frame) => (frame.type === "head" ? [frame.epoch] : []));
    expect(epochs).toHaveLength(2);
    const oldEpochs = await epochsOf(folder);
    for (const epoch of epochs) expect(epoch).toBeGreaterThan(Math.max(...oldEpochs));
    expect(itemsOf(frames, tenant.dbId).length).toBe(hashes.length);
    expect(await run("verify", "--data", restored)).toMatchObject({ code: 0 });
    await stop(second);
  });
});

function hashesOf(folder: string, tenant: TestTenant): readonly CommitHash[] {
  const db = new Database(join(folder, "relay.db"), { readonly: true });
  const rows = db
    .prepare("SELECT hash FROM lookup JOIN logs ON logs.id = lookup.log WHERE logs.db = ?")
    .all([idToBytes(tenant.dbId)]) as { hash: ArrayBuffer }[];
  db.close();
  return rows.map(({ hash }) => Buffer.from(new Uint8Array(hash)).toString("base64url") as CommitHash);
}

async function epochsOf(folder: string): Promise<readonly number[]> {
  const storage = openSqliteStorage(join(folder, "relay.db"), { crypto, env });
  const epochs: number[] = [];
  for (const tenantId of await storage.listTenants(undefined, 10))
    for (const { epoch } of await storage.listLogs(tenantId)) epochs.push(epoch);
  await storage.close();
  return epochs;
}

describe("verify", () => {
  it("counts everything, beside a running server", async () => {
    const { folder, server, commits } = await createData(9);
    const { code: exit, lines } = await run("verify", "--data", folder);
    expect(exit).toBe(0);
    expect(lines).toEqual([
      expect.objectContaining({
        tenantCount: 2,
        logCount: 3,
        commitCount: commits.length + 2,
        isWhole: true,
      }),
    ]);
    await stop(server);
  });

  const alter = (column: string, where: string): string =>
    `UPDATE commits SET ${column} = randomblob(length(${column})) WHERE ${where}`;
  const third = "key = (SELECT max(key) FROM commits) - 3";
  it.each([
    [
      "a signature",
      "signature",
      `UPDATE commits SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'ff' AS BLOB) WHERE ${third}`,
    ],
    ["bytes", "hash", alter("bytes", third)],
    ["a hash", "hash", alter("hash", third)],
    ["a node", "node", alter("node", third)],
    ["a missing row", "unreadable", `DELETE FROM commits WHERE ${third}`],
    ["a log's size", "unreadable", "UPDATE logs SET size = size + 1"],
    ["a log's bytes", "size", "UPDATE logs SET size_bytes = size_bytes + 1"],
    ["what an author has", "usage", "UPDATE usage SET commit_count = commit_count + 1"],
    ["a tenant's record", "tenant", "UPDATE tenants SET publication = randomblob(length(publication))"],
    [
      "whose log it is",
      "place",
      "UPDATE logs SET db = randomblob(16) WHERE id = (SELECT max(id) FROM logs WHERE size > 2)",
    ],
    ["a directory of another tenant", "tenant", "UPDATE tenants SET directory = randomblob(16)"],
  ])("finds a change of %s", async (_name, what, sql) => {
    const { folder, server } = await createData(9);
    await stop(server);
    const db = new Database(join(folder, "relay.db"));
    db.exec(sql);
    db.close();
    const { code: exit, lines } = await run("verify", "--data", folder);
    expect(exit).toBe(3);
    expect(lines.at(-1)).toMatchObject({ isWhole: false });
    expect(lines.flatMap(({ damage }) => (damage as { what?: string } | undefined)?.what ?? [])).toContain(
      what,
    );
  });
});

describe("data of the first version", () => {
  it("is taken over: what its authors have is counted from the commits", async () => {
    const { folder, server } = await createData(7);
    await stop(server);
    const path = join(folder, "relay.db");
    const db = new Database(path);
    const read = () =>
      db
        .prepare("SELECT hex(author) AS author, commit_count, size_bytes FROM usage ORDER BY author, tenant")
        .raw()
        .all();
    const before = read();
    expect(before).toHaveLength(3);
    db.exec(
      "DROP TABLE forwarded; DROP TABLE partial_commits; DROP TABLE subscriptions; DROP TABLE chunks; DROP TABLE chunk_docs; DROP TABLE usage; DROP TABLE lowest_epoch; PRAGMA user_version = 1",
    );
    db.close();
    await expect(run("verify", "--data", folder)).rejects.toThrow(code("store/failed"));
    await openSqliteStorage(path, { crypto, env }).close();
    const again = new Database(path);
    expect(
      again
        .prepare("SELECT hex(author) AS author, commit_count, size_bytes FROM usage ORDER BY author, tenant")
        .raw()
        .all(),
    ).toEqual(before);
    again.close();
    expect((await run("verify", "--data", folder)).code).toBe(0);
  });
});
