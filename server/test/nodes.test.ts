import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { createServer, connect, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import WebSocket from "ws";
import { createSystemEnv, parseBase64url, type CommitHash } from "../../src/std/index.ts";
import { createMemoryStorage } from "../../src/store/index.ts";
import {
  authenticate,
  createHttpTransport,
  createWebSocketTransport,
  decodeFrames,
  encodeFrames,
  startRunner,
  type Frame,
} from "../../src/sync/index.ts";
import { createFanOut } from "../src/fan-out.ts";
import { openPostgresStorage, silentLogger, startServer, type RunningServer } from "../src/index.ts";
import {
  createUser,
  crypto,
  itemsOf,
  publicationRequest,
  TestClient,
  TestTenant,
  type TestUser,
} from "./fixtures.ts";
import { hasPostgres, startPostgres, startTimeoutMs, type PrivatePostgres } from "./private-postgres.ts";

/*
 * Two nodes on one PostgreSQL, behind a balancer that leads new connections to one of them.
 */
const env = createSystemEnv();
let postgres: PrivatePostgres;
let folder: string;
let postgresUrl: string;
let balancer: Balancer;
let nodes: RunningServer[] = [];

/** Leads connections to a port that can be changed; what is open stays where it is. */
class Balancer {
  targetPort = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<Balancer> {
    const server = createServer();
    const balancer = new Balancer(server);
    server.on("connection", (client) => balancer.#lead(client));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return balancer;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  }

  #lead(client: Socket): void {
    const server = connect(this.targetPort, "127.0.0.1");
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function startNode(): Promise<RunningServer> {
  const node = await startServer({
    dataFolder: join(folder, "key"),
    postgresUrl,
    port: 0,
    publicUrl: balancer.url,
  });
  nodes.push(node);
  return node;
}

async function publish(node: RunningServer, tenant: TestTenant): Promise<number> {
  const body = await tenant.publication({ origin: balancer.url });
  return (await fetch(publicationRequest(body, node.url))).status;
}

async function serverKeyOf(node: RunningServer): Promise<Uint8Array> {
  const { serverKey } = (await (await fetch(`${node.url}/sync/capabilities`)).json()) as {
    serverKey: string;
  };
  return parseBase64url(serverKey) ?? new Uint8Array();
}

async function signedIn(node: RunningServer, tenant: TestTenant, user: TestUser): Promise<TestClient> {
  const client = new TestClient((request) => fetch(request), tenant.tenantId, user, { url: node.url });
  await client.signIn(await serverKeyOf(node));
  return client;
}

/** Post to a node as it is reached at another address. */
function postAs(
  url: string,
  node: RunningServer,
  path: string,
  body: unknown,
): Promise<{ readonly status: number; readonly text: string }> {
  const headers = { Host: new URL(url).host, "Content-Type": "application/json" };
  return new Promise((resolve, reject) => {
    const asked = httpRequest(node.url + path, { method: "POST", headers, agent: false }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    asked.on("error", reject);
    asked.end(JSON.stringify(body));
  });
}

/** A live session, with what came so far. */
async function follow(node: RunningServer, client: TestClient) {
  const socket = new WebSocket(`${node.url.replace("http", "ws")}/v1/t/${client.tenantId}/live`);
  const frames: Frame[] = [];
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  socket.on("message", (data: Buffer) => frames.push(...(decodeFrames(new Uint8Array(data)) ?? [])));
  await new Promise((resolve) => socket.once("open", resolve));
  socket.send(
    encodeFrames([
      { type: "hello", version: 1, replicaId: client.replicaId },
      { type: "auth", token: client.token ?? new Uint8Array() },
      { type: "pull", allDatabases: true, full: false, cursors: [], maxBytes: 1e6 },
    ]),
  );
  await vi.waitFor(() => expect(frames.some(({ type }) => type === "end")).toBe(true), 30_000);
  return { frames, closed, end: () => socket.close() };
}

describe.skipIf(!hasPostgres)("two nodes on one PostgreSQL", () => {
  beforeAll(async () => {
    postgres = await startPostgres();
    vi.stubGlobal("WebSocket", WebSocket);
  }, startTimeoutMs);
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "coffer-nodes-"));
    postgresUrl = await postgres.createDatabase();
    balancer = await Balancer.open();
  });
  afterEach(async () => {
    await balancer.close();
    await Promise.all(nodes.splice(0).map((node) => node.close()));
    rmSync(folder, { recursive: true, force: true });
  });
  afterAll(async () => {
    vi.unstubAllGlobals();
    await postgres.stop();
  });

  async function createPlace() {
    const [a, b] = [await startNode(), await startNode()];
    const [anna, bert] = [await createUser(), await createUser()];
    const tenant = await TestTenant.withUsers(anna, bert);
    expect(await publish(a, tenant)).toBe(201);
    expect(await publish(b, tenant)).toBe(200);
    return { a, b, anna, bert, tenant };
  }

  it("know each other's tokens and commits, and sign with one key", async () => {
    const { a, b, anna, bert, tenant } = await createPlace();
    expect(await serverKeyOf(a)).toEqual(await serverKeyOf(b));
    const client = await signedIn(a, tenant, anna);
    const commit = await tenant.write(anna);
    expect(await client.push(tenant.dbId, commit)).toMatchObject([{ status: "accepted", seq: 0 }]);
    const elsewhere = new TestClient((request) => fetch(request), tenant.tenantId, bert, { url: b.url });
    elsewhere.token = (await signedIn(a, tenant, bert)).token;
    expect(itemsOf(await elsewhere.pull(), tenant.dbId)).toEqual([{ commit: new Uint8Array(commit.bytes) }]);
    const forged = new Uint8Array(elsewhere.token ?? []);
    forged[20] = (forged[20] ?? 0) ^ 1;
    elsewhere.token = forged;
    await expect(elsewhere.pull()).rejects.toMatchObject({ code: "access/unauthenticated" });
  });

  it("take a challenge of the other one, and any of them only once", async () => {
    const { a, b, anna, tenant } = await createPlace();
    const answers: unknown[] = [];
    const http = {
      origin: balancer.url,
      async postJson(path: string, body: unknown): Promise<unknown> {
        if (path.endsWith("/token")) answers.push(body);
        const { text } = await postAs(balancer.url, path.endsWith("/token") ? b : a, path, body);
        return JSON.parse(text) as unknown;
      },
    };
    const signer = { key: anna.key, privateKey: anna.signing.privateKey };
    const session = await authenticate(http, crypto, signer, {
      tenantId: tenant.tenantId,
      serverKey: await serverKeyOf(a),
    });
    expect(session.token.length).toBeGreaterThan(32);
    for (const node of [a, b])
      expect((await postAs(balancer.url, node, "/v1/auth/token", answers[0])).status).toBe(401);
  });

  it("hand on live what the other one stored, and cut off who was revoked there", async () => {
    const { a, b, anna, bert, tenant } = await createPlace();
    const reader = await signedIn(b, tenant, bert);
    const live = await follow(b, reader);
    const writer = await signedIn(a, tenant, anna);
    const commits = await Promise.all(Array.from({ length: 20 }, () => tenant.write(anna)));
    for (const commit of commits) await writer.push(tenant.dbId, commit);
    await vi.waitFor(() => expect(itemsOf(live.frames, tenant.dbId)).toHaveLength(20), 30_000);
    const admin = await signedIn(a, tenant, tenant.admin);
    await admin.push(tenant.directoryDbId, await tenant.revoke(bert));
    expect(await live.closed).toBe(4403);
    await expect(reader.pull()).rejects.toMatchObject({ code: "access/revoked" });
  });

  it("hand on whispers to who listens at the other one, whole and once, and no nonsense", async () => {
    const { a, b, anna, bert, tenant } = await createPlace();
    const there = await follow(b, await signedIn(b, tenant, bert));
    const sayer = await signedIn(a, tenant, anna);
    const whisper = (byte: number): Frame => ({
      type: "whisper",
      dbId: tenant.dbId,
      sealed: new Uint8Array(4096).fill(byte),
    });
    const heard = (): readonly Frame[] => there.frames.filter(({ type }) => type === "whisper");
    // The nodes may still be connecting to each other.
    await vi.waitFor(async () => {
      await sayer.exchange(whisper(1));
      expect(heard().length).toBeGreaterThan(0);
    }, 30_000);
    const storage = await openPostgresStorage(postgresUrl, { env });
    const client = await storage.connect();
    for (const payload of [
      "",
      "x",
      "x:y.z.w",
      `x:${tenant.tenantId}.${tenant.dbId}.*`,
      `x:${tenant.tenantId}.${tenant.dbId}.`,
    ])
      await client.query("SELECT pg_notify('coffer_whisper', $1)", [payload]);
    await client.end();
    await storage.close();
    await sayer.exchange(whisper(2));
    await vi.waitFor(() => expect(heard()).toContainEqual(whisper(2)), 30_000);
    expect(heard().filter((frame) => frame.type === "whisper" && frame.sealed[0] === 2)).toHaveLength(1);
    expect(heard().every((frame) => frame.type === "whisper" && frame.sealed.length === 4096)).toBe(true);
  });

  it("cut off who follows a tenant that is removed", async () => {
    const { b, bert, tenant } = await createPlace();
    const live = await follow(b, await signedIn(b, tenant, bert));
    const storage = await openPostgresStorage(postgresUrl, { env });
    await storage.removeTenant(tenant.tenantId);
    await storage.close();
    expect(await live.closed).toBe(4401);
  });

  it("lead devices on when one of them stops: nothing is lost, and no alarm is raised", async () => {
    const { a, b, anna, tenant } = await createPlace();
    balancer.targetPort = Number(new URL(a.url).port);
    // Each device has a lock and a channel of its own, as it would in a browser of its own.
    const own = {
      ...env,
      openChannel: () => ({
        post: () => undefined,
        onMessage: () => () => undefined,
        close: () => undefined,
      }),
    };
    const devices = await Promise.all(
      [1, 2].map(async () => {
        const store = await createMemoryStorage(own).openStore("device");
        const alarms: unknown[] = [];
        const runner = startRunner({
          env: own,
          crypto,
          store,
          tenantId: tenant.tenantId,
          signer: { key: anna.key, privateKey: anna.signing.privateKey },
          transport: {
            http: createHttpTransport(own, balancer.url),
            live: createWebSocketTransport(own, balancer.url),
          },
          onAlarm: (alarm) => void alarms.push(alarm),
        });
        const hashes = async (): Promise<readonly CommitHash[]> =>
          (await store.readLog({ after: 0, maxCount: 1000, maxBytes: 1e9 })).map(
            ({ commitHash }) => commitHash,
          );
        return { store, alarms, runner, hashes };
      }),
    );
    const [first, second] = devices;
    if (first === undefined || second === undefined) throw new Error("two devices");
    const areLive = (): void =>
      expect(devices.map(({ runner }) => runner.status.phase)).toEqual(["live", "live"]);
    await vi.waitFor(areLive, 30_000);
    const write = async (): Promise<CommitHash> => {
      const { commitHash, bytes } = await tenant.write(anna);
      await first.store.write({ records: [{ commitHash, bytes: new Uint8Array(bytes), origin: "" }] });
      return commitHash;
    };
    const before = await write();
    await vi.waitFor(async () => expect(await second.hashes()).toContain(before), 30_000);
    balancer.targetPort = Number(new URL(b.url).port);
    nodes = nodes.filter((node) => node !== a);
    const closing = a.close();
    const during = await write();
    await closing;
    const after = await write();
    await vi.waitFor(
      async () => expect(await second.hashes()).toEqual(expect.arrayContaining([during, after])),
      30_000,
    );
    await vi.waitFor(areLive, 30_000);
    expect(devices.flatMap(({ alarms }) => alarms)).toEqual([]);
    await Promise.all(devices.map(({ runner }) => runner.stop()));
  });

  it("find by asking what no notice told, and pay no heed to nonsense on the channel", async () => {
    const { a, anna, tenant } = await createPlace();
    const storage = await openPostgresStorage(postgresUrl, { env });
    const told: string[] = [];
    const notices: string[] = [];
    const filled: number[] = [];
    const chunks: number[] = [];
    const listen = (usesNotify: boolean, to: string[]) => {
      const fanOut = createFanOut({ storage, env, crypto, logger: silentLogger, usesNotify });
      fanOut.start({
        liveTenants: () => [tenant.tenantId],
        changed(_, dbId, places = []) {
          to.push(dbId);
          filled.push(...places);
        },
        chunkArrived: (_, __, seq) => void chunks.push(seq),
        whispered: () => undefined,
      });
      return fanOut;
    };
    const [deaf, hearing] = [listen(false, told), listen(true, notices)];
    await vi.waitFor(() => expect(told).toContain(tenant.directoryDbId), 30_000);
    const client = await storage.connect();
    const bent = ["f", "f-1", "fx", "f1x", "7f"].map(
      (place) => `x:${tenant.tenantId}.${tenant.dbId}.${place}`,
    );
    for (const payload of ["", ":", "x:y.z", `:${tenant.tenantId}`, `:${"A".repeat(7000)}`, ...bent])
      await client.query("SELECT pg_notify('coffer', $1)", [payload]);
    await client.end();
    const writer = await signedIn(a, tenant, anna);
    told.length = 0;
    await writer.push(tenant.dbId, await tenant.write(anna));
    await vi.waitFor(() => expect(told).toEqual([tenant.dbId]), 30_000);
    await vi.waitFor(() => expect(notices).toContain(tenant.dbId), 30_000);
    // Which commits were filled is told as well.
    expect(filled).toEqual([]);
    deaf.announce(tenant.tenantId, tenant.dbId, [7]);
    const other = await openPostgresStorage(postgresUrl, { env });
    const teller = createFanOut({ storage: other, env, crypto, logger: silentLogger });
    teller.start({
      liveTenants: () => [],
      changed: () => undefined,
      chunkArrived: () => undefined,
      whispered: () => undefined,
    });
    await vi.waitFor(() => {
      teller.announce(tenant.tenantId, tenant.dbId, [3, 12]);
      expect(new Set(filled)).toEqual(new Set([3, 12]));
    }, 30_000);
    // And that chunks have come, apart from that.
    expect(chunks).toEqual([]);
    teller.chunkStored(tenant.tenantId, tenant.dbId, 5);
    await vi.waitFor(() => expect(chunks).toEqual([5]), 30_000);
    expect(new Set(filled)).toEqual(new Set([3, 12]));
    await teller.close();
    await other.close();
    await Promise.all([deaf.close(), hearing.close()]);
    await storage.close();
  });

  it("refuse a node with another key", async () => {
    await startNode();
    await expect(
      startServer({ dataFolder: join(folder, "other"), postgresUrl, port: 0, publicUrl: balancer.url }),
    ).rejects.toMatchObject({ code: "store/blocked" });
  });
});
