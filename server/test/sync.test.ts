import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import WebSocket from "ws";
import type { Commit } from "../../src/entry/index.ts";
import { createSystemEnv, type CommitHash } from "../../src/std/index.ts";
import { createMemoryStorage, type Store } from "../../src/store/index.ts";
import {
  createHttpTransport,
  createWebSocketTransport,
  runOnce,
  startRunner,
  type Runner,
  type SyncAlarm,
} from "../../src/sync/index.ts";
import { startServer, type RunningServer, type ServerOptions } from "../src/index.ts";
import { createUser, crypto, publicationRequest, TestTenant, type TestUser } from "./fixtures.ts";

/*
 * The sync room's own engine and transports against this server, over the network: what devices do all day.
 */
const env = createSystemEnv();
const port = 20_000 + Math.floor(Math.random() * 20_000);
let folder: string;
let server: RunningServer;
const runners: Runner[] = [];
let folderCount = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "coffer-sync-"));
  // Browsers have it, and Node from 22 on.
  vi.stubGlobal("WebSocket", WebSocket);
});
afterEach(async () => {
  await Promise.all(runners.splice(0).map((runner) => runner.stop()));
  await server.close();
});
afterAll(() => {
  vi.unstubAllGlobals();
  rmSync(folder, { recursive: true, force: true });
});

async function start(dataFolder: string, more: Partial<ServerOptions> = {}): Promise<void> {
  server = await startServer({ dataFolder, port, ...more });
}

async function publish(tenant: TestTenant): Promise<number> {
  await vi.waitFor(() => fetch(`${server.url}/sync/health`), 30_000);
  return (await fetch(publicationRequest(await tenant.publication({ origin: server.url }), server.url)))
    .status;
}

interface Device {
  readonly store: Store;
  readonly alarms: SyncAlarm[];
  readonly refused: CommitHash[];
  write(...commits: readonly Commit[]): Promise<void>;
  once(): Promise<string | undefined>;
  follow(): Runner;
  hashes(tenant: TestTenant): Promise<readonly CommitHash[]>;
}

async function createDevice(tenant: TestTenant, user: TestUser): Promise<Device> {
  // Each device has a lock and a channel of its own, as it would in a browser of its own.
  const own = {
    ...env,
    openChannel: () => ({ post: () => undefined, onMessage: () => () => undefined, close: () => undefined }),
  };
  const store = await createMemoryStorage(own).openStore("device");
  const alarms: SyncAlarm[] = [];
  const refused: CommitHash[] = [];
  const optionsOf = (hasLive: boolean) => ({
    env: own,
    crypto,
    store,
    tenantId: tenant.tenantId,
    signer: { key: user.key, privateKey: user.signing.privateKey },
    transport: {
      http: createHttpTransport(own, server.url),
      live: hasLive ? createWebSocketTransport(own, server.url) : undefined,
    },
    onAlarm: (alarm: SyncAlarm) => void alarms.push(alarm),
    onRefused: ({ commitHash }: { commitHash: CommitHash }) => void refused.push(commitHash),
  });
  return {
    store,
    alarms,
    refused,
    async write(...commits) {
      const records = commits.map(({ commitHash, bytes }) => ({
        commitHash,
        bytes: new Uint8Array(bytes),
        origin: "",
      }));
      await store.write({ records });
    },
    async once() {
      // After a restart a kept connection of Node's may turn out to be dead; a device tries again then.
      for (let attempt = 0; ; attempt++) {
        const summary = await runOnce(optionsOf(false));
        const code = summary === "busy" ? summary : summary.code;
        if (code !== "net/failed" || attempt === 5) return code;
      }
    },
    follow() {
      const runner = startRunner(optionsOf(true));
      runners.push(runner);
      return runner;
    },
    async hashes({ directory }) {
      const log = await store.readLog({ after: 0, maxCount: 10_000, maxBytes: 1e9 });
      const inDirectory = new Set(directory.map(({ commitHash }) => commitHash));
      return log.map(({ commitHash }) => commitHash).filter((hash) => !inDirectory.has(hash));
    },
  };
}

async function createPlace() {
  const [anna, bert] = [await createUser(), await createUser()];
  const tenant = await TestTenant.withUsers(anna, bert);
  const dataFolder = join(folder, String(folderCount++));
  await start(dataFolder);
  expect(await publish(tenant)).toBe(201);
  return {
    anna,
    bert,
    tenant,
    dataFolder,
    a: await createDevice(tenant, anna),
    b: await createDevice(tenant, bert),
  };
}

const writeMany = (tenant: TestTenant, user: TestUser, count: number): Promise<Commit[]> =>
  Promise.all(Array.from({ length: count }, () => tenant.write(user)));

describe("devices and this server", () => {
  it("exchange their logs in cycles, without an alarm", async () => {
    const { anna, bert, tenant, a, b } = await createPlace();
    await a.write(...(await writeMany(tenant, anna, 30)));
    await b.write(...(await writeMany(tenant, bert, 7)));
    for (const device of [a, b, a]) expect(await device.once()).toBeUndefined();
    expect(await a.hashes(tenant)).toHaveLength(37);
    expect([...(await a.hashes(tenant))].sort()).toEqual([...(await b.hashes(tenant))].sort());
    expect([...a.alarms, ...b.alarms, ...a.refused, ...b.refused]).toEqual([]);
  });

  it("hand on live what is written, both ways", async () => {
    const { anna, bert, tenant, a, b } = await createPlace();
    const [first, second] = [a.follow(), b.follow()];
    await vi.waitFor(
      () => expect([first.status.phase, second.status.phase]).toEqual(["live", "live"]),
      30_000,
    );
    await a.write(...(await writeMany(tenant, anna, 5)));
    await b.write(...(await writeMany(tenant, bert, 5)));
    await vi.waitFor(async () => expect(await a.hashes(tenant)).toHaveLength(10), 30_000);
    await vi.waitFor(async () => expect(await b.hashes(tenant)).toHaveLength(10), 30_000);
    await vi.waitFor(
      () => expect([first.status.pendingPush, second.status.pendingPush]).toEqual([0, 0]),
      30_000,
    );
    expect([...a.alarms, ...b.alarms]).toEqual([]);
  });

  it("heal a server that was restored to an empty state: a new epoch, and all is pushed again", async () => {
    const { anna, tenant, dataFolder, a, b } = await createPlace();
    await a.write(...(await writeMany(tenant, anna, 12)));
    for (const device of [a, b]) expect(await device.once()).toBeUndefined();
    await server.close();
    // Epochs count seconds.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const emptyFolder = join(folder, String(folderCount++));
    mkdirSync(emptyFolder);
    copyFileSync(join(dataFolder, "server-key"), join(emptyFolder, "server-key"));
    await start(emptyFolder);
    expect(await publish(tenant)).toBe(201);
    for (const device of [a, b, a]) expect(await device.once()).toBeUndefined();
    const fresh = await createDevice(tenant, anna);
    expect(await fresh.once()).toBeUndefined();
    expect(await fresh.hashes(tenant)).toHaveLength(12);
  });

  it("go on after a restart with the same data, and after a new epoch", async () => {
    const { anna, tenant, dataFolder, a, b } = await createPlace();
    await a.write(...(await writeMany(tenant, anna, 12)));
    for (const device of [a, b]) expect(await device.once()).toBeUndefined();
    await server.close();
    await start(dataFolder);
    await a.write(...(await writeMany(tenant, anna, 3)));
    for (const device of [a, b]) expect(await device.once()).toBeUndefined();
    expect(await b.hashes(tenant)).toHaveLength(15);
    await server.close();
    await start(dataFolder, { startsNewEpoch: true });
    for (const device of [a, b]) expect(await device.once()).toBeUndefined();
    expect([...a.alarms, ...b.alarms]).toEqual([]);
    expect(await b.hashes(tenant)).toHaveLength(15);
  });

  it("come again after a server that was told to stop, and miss nothing", async () => {
    const { anna, bert, tenant, dataFolder, a, b } = await createPlace();
    const [first, second] = [a.follow(), b.follow()];
    const bothLive = (): void => expect([first.status.phase, second.status.phase]).toEqual(["live", "live"]);
    await vi.waitFor(bothLive, 30_000);
    const closing = server.close();
    await a.write(...(await writeMany(tenant, anna, 5)));
    await closing;
    await start(dataFolder);
    await b.write(...(await writeMany(tenant, bert, 5)));
    await vi.waitFor(async () => expect(await a.hashes(tenant)).toHaveLength(10), 30_000);
    await vi.waitFor(async () => expect(await b.hashes(tenant)).toHaveLength(10), 30_000);
    await vi.waitFor(bothLive, 30_000);
    expect([...a.alarms, ...b.alarms, ...a.refused, ...b.refused]).toEqual([]);
  });

  it("stop when the user is revoked", async () => {
    const { anna, bert, tenant, a, b } = await createPlace();
    const runner = a.follow();
    await vi.waitFor(() => expect(runner.status.phase).toBe("live"), 30_000);
    await tenant.revoke(anna);
    expect(await publish(tenant)).toBe(200);
    await vi.waitFor(
      () => expect(runner.status).toMatchObject({ phase: "denied", error: "access/revoked" }),
      30_000,
    );
    await b.write(await tenant.write(bert));
    expect(await b.once()).toBeUndefined();
    expect(await a.hashes(tenant)).toEqual([]);
  });
});
