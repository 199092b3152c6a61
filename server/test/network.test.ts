import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { decodeFrames, encodeFrames, type Frame } from "../../src/sync/index.ts";
import { parseBase64url } from "../../src/std/index.ts";
import { startServer, type RunningServer } from "../src/index.ts";
import {
  createUser,
  itemsOf,
  publicationRequest,
  TestClient,
  TestTenant,
  type TestUser,
} from "./fixtures.ts";

let folder: string;
let server: RunningServer;
let serverKey: Uint8Array;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "coffer-network-"));
  const demoFolder = join(folder, "demo");
  mkdirSync(join(demoFolder, "assets"), { recursive: true });
  writeFileSync(join(demoFolder, "index.html"), "<!doctype html><title>demo</title>");
  writeFileSync(join(demoFolder, "sw.js"), "self;");
  writeFileSync(join(demoFolder, "app.webmanifest"), "{}");
  writeFileSync(join(demoFolder, ".secret"), "hidden");
  writeFileSync(join(demoFolder, "assets", "main-Bx81kQ_2.js"), `export const a = "${"a".repeat(2000)}";`);
  writeFileSync(join(demoFolder, "assets", "automerge.wasm"), new Uint8Array([0, 97, 115, 109]));
  writeFileSync(join(folder, "outside.txt"), "outside");
  server = await startServer({
    dataFolder: join(folder, "data"),
    port: 0,
    demoFolder,
    allowedOrigins: ["https://app.example"],
  });
  const capabilities = (await (await fetch(`${server.url}/sync/capabilities`)).json()) as {
    serverKey: string;
  };
  serverKey = parseBase64url(capabilities.serverKey) ?? new Uint8Array();
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function join2(...users: TestUser[]): Promise<{ tenant: TestTenant; clients: TestClient[] }> {
  const tenant = await TestTenant.withUsers(...users);
  const answer = await fetch(
    publicationRequest(await tenant.publication({ origin: server.url }), server.url),
  );
  expect(answer.status).toBe(201);
  const clients = users.map(
    (user) => new TestClient((request) => fetch(request), tenant.tenantId, user, { url: server.url }),
  );
  for (const client of clients) await client.signIn(serverKey);
  return { tenant, clients };
}

/** A live connection of a client, with what came so far. */
class Live {
  readonly frames: Frame[] = [];
  readonly socket: WebSocket;
  closeCode: number | undefined;
  #listeners: (() => void)[] = [];

  constructor(client: TestClient, headers: Record<string, string> = {}) {
    const url = `${server.url.replace("http", "ws")}/v1/t/${client.tenantId}/live`;
    this.socket = new WebSocket(url, { headers });
    this.socket.on("message", (data: Buffer) => {
      this.frames.push(...(decodeFrames(new Uint8Array(data)) ?? []));
      for (const listener of this.#listeners) listener();
    });
    this.socket.on("close", (closeCode) => {
      this.closeCode = closeCode;
      for (const listener of this.#listeners) listener();
    });
    this.socket.on("error", () => undefined);
  }

  async open(): Promise<this> {
    await new Promise((resolve, reject) => this.socket.once("open", resolve).once("error", reject));
    return this;
  }

  send(...frames: Frame[]): void {
    this.socket.send(encodeFrames(frames));
  }

  async until(isDone: (live: Live) => boolean): Promise<this> {
    if (!isDone(this)) {
      await new Promise<void>((resolve) => this.#listeners.push(() => isDone(this) && resolve()));
    }
    return this;
  }
}

const pullAll: Frame = { type: "pull", allDatabases: true, full: false, cursors: [], maxBytes: 1e6 };

async function openLive(client: TestClient): Promise<Live> {
  const live = await new Live(client).open();
  if (client.token === undefined) throw new Error("the client is signed in");
  live.send(
    { type: "hello", version: 1, replicaId: client.replicaId },
    { type: "auth", token: client.token },
    pullAll,
  );
  return live.until(({ frames }) => frames.some(({ type }) => type === "end"));
}

describe("live sessions over WebSocket", () => {
  it("carry commits from one to the others, each with its head, and the pusher's own as leaves", async () => {
    const [anna, bert] = [await createUser(), await createUser()];
    const { tenant, clients } = await join2(anna, bert);
    const [first, second] = await Promise.all(clients.map(openLive));
    if (first === undefined || second === undefined) throw new Error("two clients");
    const commit = await tenant.write(anna);
    first.send({ type: "push", dbId: tenant.dbId, commits: [commit.bytes] });
    await second.until(({ frames }) => itemsOf(frames, tenant.dbId).length === 1);
    await first.until(({ frames }) => itemsOf(frames, tenant.dbId).length === 1);
    expect(itemsOf(second.frames, tenant.dbId)).toEqual([{ commit: new Uint8Array(commit.bytes) }]);
    expect(itemsOf(first.frames, tenant.dbId)).toEqual([{ leaf: commit.commitHash }]);
    const order = first.frames.map(({ type }) => type);
    expect(order.indexOf("ack")).toBeLessThan(order.lastIndexOf("commits"));
    expect(second.frames.at(-1)).toMatchObject({ type: "head", dbId: tenant.dbId, size: 1 });
    const byHttp = await tenant.write(bert);
    await clients[1]?.push(tenant.dbId, byHttp);
    await first.until(({ frames }) => itemsOf(frames, tenant.dbId).length === 2);
    expect(itemsOf(first.frames, tenant.dbId)[1]).toEqual({ commit: new Uint8Array(byHttp.bytes) });
    first.socket.close();
    second.socket.close();
  });

  it("give a burst of 300 commits to a follower in order, without a gap", async () => {
    const user = await createUser();
    const { tenant, clients } = await join2(user, await createUser());
    const [writer, reader] = clients;
    if (writer === undefined || reader === undefined) throw new Error("two clients");
    const live = await openLive(reader);
    const commits = await Promise.all(Array.from({ length: 300 }, () => tenant.write(user)));
    await Promise.all(
      [0, 1, 2, 3, 4, 5].map((part) => writer.push(tenant.dbId, ...commits.slice(part * 50, part * 50 + 50))),
    );
    await live.until(({ frames }) => itemsOf(frames, tenant.dbId).length >= 300);
    let next = 0;
    for (const frame of live.frames) {
      if (frame.type !== "commits" || frame.dbId !== tenant.dbId) continue;
      expect(frame.fromSeq).toBe(next);
      next += frame.items.length;
    }
    expect(next).toBe(300);
    live.socket.close();
  });

  it("end when the user is revoked, before anything newer is sent", async () => {
    const [anna, bert] = [await createUser(), await createUser()];
    const { tenant, clients } = await join2(anna, bert);
    const [annas, berts] = clients;
    if (annas === undefined || berts === undefined) throw new Error("two clients");
    const live = await openLive(annas);
    const admin = new TestClient((request) => fetch(request), tenant.tenantId, tenant.admin, {
      url: server.url,
    });
    await admin.signIn(serverKey);
    const seen = live.frames.length;
    await admin.push(tenant.directoryDbId, await tenant.revoke(anna));
    await berts.push(tenant.dbId, await tenant.write(bert));
    await live.until(({ closeCode }) => closeCode !== undefined);
    expect(live.closeCode).toBe(4403);
    expect(live.frames.slice(seen)).toEqual([{ type: "error", code: "access/revoked", retryAfterMs: 0 }]);
  });

  it("end on a wrong token, tenant, version, order, text or nonsense", async () => {
    const user = await createUser();
    const { clients } = await join2(user);
    const other = await join2(user);
    const [client] = clients;
    const [stranger] = other.clients;
    if (client?.token === undefined || stranger?.token === undefined) throw new Error("signed in");
    const hello: Frame = { type: "hello", version: 1, replicaId: client.replicaId };
    const auth: Frame = { type: "auth", token: client.token };
    const attempt = async (...frames: Frame[]) => {
      const live = await new Live(client).open();
      live.send(...frames);
      return (await live.until(({ closeCode }) => closeCode !== undefined)).closeCode;
    };
    expect(await attempt(hello, { type: "auth", token: new Uint8Array(32) })).toBe(4401);
    expect(await attempt(hello, { type: "auth", token: stranger.token })).toBe(4403);
    expect(await attempt({ ...hello, version: 9 })).toBe(4426);
    expect(await attempt(auth)).toBe(4400);
    expect(await attempt(hello, pullAll)).toBe(4401);
    expect(await attempt(hello, auth, { type: "end", more: true })).toBe(4400);
    for (const message of ["text", new Uint8Array([3, 200]), new Uint8Array([1, 0])]) {
      const live = await new Live(client).open();
      live.socket.send(message);
      expect([1003, 4400]).toContain(
        (await live.until(({ closeCode }) => closeCode !== undefined)).closeCode,
      );
    }
    const large = await new Live(client).open();
    large.socket.send(new Uint8Array(2 * 1024 * 1024));
    expect((await large.until(({ closeCode }) => closeCode !== undefined)).closeCode).toBe(1009);
  });

  it("open for allowed origins only, and at their own path only", async () => {
    const { clients } = await join2(await createUser());
    const [client] = clients;
    if (client === undefined) throw new Error("a client");
    await expect(new Live(client, { Origin: "https://evil.example" }).open()).rejects.toThrow("403");
    for (const origin of ["https://app.example", "http://localhost:5173", server.url]) {
      (await new Live(client, { Origin: origin }).open()).socket.close();
    }
    const elsewhere = new WebSocket(`${server.url.replace("http", "ws")}/v1/t/nothing/live`);
    await expect(new Promise((_, reject) => elsewhere.once("error", reject))).rejects.toThrow("404");
  });
});

describe("HTTP", () => {
  it("answers pages of allowed origins with CORS, and refuses others", async () => {
    const ask = (origin: string, init: RequestInit = {}) =>
      fetch(`${server.url}/sync/capabilities`, {
        ...init,
        headers: { ...(init.headers as object), Origin: origin },
      });
    const allowed = await ask("https://app.example");
    expect([allowed.status, allowed.headers.get("Access-Control-Allow-Origin")]).toEqual([
      200,
      "https://app.example",
    ]);
    expect(allowed.headers.get("Access-Control-Allow-Credentials")).toBeNull();
    expect((await ask("https://evil.example")).status).toBe(403);
    expect((await ask("null")).status).toBe(403);
    expect((await ask("http://localhost.evil.example")).status).toBe(403);
    const preflight = await ask("https://app.example", {
      method: "OPTIONS",
      headers: { "Access-Control-Request-Method": "POST" },
    });
    expect([preflight.status, preflight.headers.get("Access-Control-Allow-Headers")]).toEqual([
      204,
      "Authorization, Content-Type",
    ]);
  });

  it("serves the application with strict headers", async () => {
    const page = await fetch(`${server.url}/`);
    expect(page.headers.get("Content-Type")).toBe("text/html; charset=utf-8");
    expect(page.headers.get("Cache-Control")).toBe("no-cache");
    const policy = page.headers.get("Content-Security-Policy") ?? "";
    const { host } = new URL(server.url);
    for (const part of [
      "default-src 'self'",
      `connect-src 'self' ws://${host} wss://${host}`,
      "object-src 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ]) {
      expect(policy).toContain(part);
    }
    expect(policy).not.toContain("unsafe-inline");
    expect(page.headers.get("Cross-Origin-Opener-Policy")).toBe("same-origin");
    expect(page.headers.get("Cross-Origin-Embedder-Policy")).toBe("require-corp");
    expect(page.headers.get("X-Content-Type-Options")).toBe("nosniff");
    const script = await fetch(`${server.url}/assets/main-Bx81kQ_2.js`, {
      headers: { "Accept-Encoding": "gzip" },
    });
    expect(script.headers.get("Cache-Control")).toContain("immutable");
    expect(script.headers.get("Content-Encoding")).toBe("gzip");
    expect(await script.text()).toContain("aaaa");
    expect((await fetch(`${server.url}/assets/automerge.wasm`)).headers.get("Content-Type")).toBe(
      "application/wasm",
    );
    expect((await fetch(`${server.url}/app.webmanifest`)).headers.get("Content-Type")).toBe(
      "application/manifest+json",
    );
    expect((await fetch(`${server.url}/sw.js`)).headers.get("Cache-Control")).toBe("no-cache");
    expect(await (await fetch(`${server.url}/some/page`)).text()).toContain("<title>demo</title>");
    expect((await fetch(`${server.url}/missing.js`)).status).toBe(404);
    expect((await fetch(`${server.url}/`, { method: "POST" })).status).toBe(405);
    const etag = page.headers.get("ETag") ?? "";
    expect((await fetch(`${server.url}/`, { headers: { "If-None-Match": etag } })).status).toBe(304);
  });

  it("serves nothing outside of its folder", async () => {
    const paths = [
      "/../outside.txt",
      "/..%2foutside.txt",
      "/%2e%2e/outside.txt",
      "/assets/../../outside.txt",
      "/.secret",
      "//etc/passwd",
      "/%00",
      "/%zz",
      "/..\\outside.txt",
    ];
    for (const path of paths) {
      const answer = await sendRaw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(answer).not.toContain("outside\n");
      expect(answer).not.toMatch(/\r\n\r\n(?:outside|hidden)/);
      expect(answer).toMatch(/^HTTP\/1\.1 (?:200|400|404)/);
    }
  });

  it("survives broken requests", async () => {
    const broken = [
      "\0\0\0\0",
      "GET\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
      "POST /v1/tenants HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET /v1/t/x/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`,
    ];
    for (const request of broken) expect(await sendRaw(request)).toMatch(/^HTTP\/1\.1 4\d\d/);
    expect((await fetch(`${server.url}/sync/health`)).status).toBe(200);
  });

  it("keeps its key and its logs to itself", () => {
    for (const name of ["server-key", "relay.db", "relay.db-wal", "relay.db-lock"]) {
      expect(statSync(join(folder, "data", name)).mode & 0o777).toBe(0o600);
    }
  });

  it("refuses a second server on the same data", async () => {
    await expect(startServer({ dataFolder: join(folder, "data"), port: 0 })).rejects.toMatchObject({
      code: "store/blocked",
    });
  });
});

function sendRaw(text: string): Promise<string> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on("data", (data) => {
      answer += data.toString("latin1");
      if (!/connection: keep-alive/i.test(answer)) return;
      socket.end();
    });
    socket.on("error", () => resolve(answer));
    socket.on("close", () => resolve(answer));
  });
}
