/** Attacks on a server by whoever reaches it: across tenants, by slowness, by guessing, through its logs. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bytesToBase64url, parseBase64url } from "../../src/std/index.ts";
import { encodeFrames, type Frame } from "../../src/sync/index.ts";
import { createJsonLogger, startServer, type RunningServer } from "../src/index.ts";
import {
  canary,
  createTestRelay,
  createUser,
  crypto,
  joinTenant,
  origin,
  publicationRequest,
  publish,
  TestClient,
  TestTenant,
  type TestRelay,
} from "./fixtures.ts";

const json = { "Content-Type": "application/json" };
const binary = { "Content-Type": "application/octet-stream" };
const pullAll: Frame = { type: "pull", allDatabases: true, full: true, cursors: [], maxBytes: 1e6 };

const post = (test: TestRelay, path: string, init: RequestInit, peer = "10.0.0.1"): Promise<Response> =>
  test.relay.fetch(new Request(origin + path, { method: "POST", ...init }), peer);

describe("a token of another tenant", () => {
  it("opens nothing, whatever is asked, and does not tell whether there is a tenant", async () => {
    const test = await createTestRelay();
    const [mallory, alice] = [await createUser(), await createUser()];
    const client = await joinTenant(test, await TestTenant.withUsers(mallory), mallory);
    const theirs = await TestTenant.withUsers(alice);
    await publish(test.relay, theirs);
    const nowhere = bytesToBase64url(crypto.randomBytes(32));
    const hello: Frame = { type: "hello", version: 1, replicaId: client.replicaId };
    const commit = await theirs.write(mallory);
    const bodies = [
      encodeFrames([hello, pullAll]),
      encodeFrames([hello, { type: "push", dbId: theirs.dbId, commits: [commit.bytes] }]),
      new Uint8Array(0),
      crypto.randomBytes(300),
    ];
    const headers = {
      ...binary,
      Authorization: `Bearer ${bytesToBase64url(client.token ?? new Uint8Array())}`,
    };
    let asked = 0;
    for (const action of ["sync", "reconcile", "live", "blob", "../sync"])
      for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH"])
        for (const body of method === "GET" ? [undefined] : bodies) {
          // A live link is refused in frames of its own, see live-streams.test.ts and network.test.ts.
          if (action === "live" && method === "POST") continue;
          const answers = await Promise.all(
            [theirs.tenantId, nowhere].map(async (tenant) => {
              const url = `${origin}/v1/t/${tenant}/${action}`;
              const answer = await test.relay.fetch(
                new Request(url, { method, headers, body: body === undefined ? null : new Uint8Array(body) }),
              );
              return [answer.status, [...answer.headers], await answer.text()];
            }),
          );
          asked += 1;
          expect(answers[0]).toEqual(answers[1]);
          expect(answers[0]?.[0]).toBeGreaterThanOrEqual(400);
        }
    expect(asked).toBeGreaterThan(80);
    const owner = new TestClient((request) => test.relay.fetch(request), theirs.tenantId, alice);
    await owner.signIn(test.serverKey);
    const frames = await owner.pull();
    expect(frames.flatMap((frame) => (frame.type === "commits" ? frame.items : []))).toHaveLength(1);
  });

  it("is not made by changing one: no bit of it, no other form of it, is let in", async () => {
    const test = await createTestRelay();
    const user = await createUser();
    const client = await joinTenant(test, await TestTenant.withUsers(user), user);
    const good = client.token ?? new Uint8Array();
    const statusOf = async (authorization: string): Promise<number> => {
      const headers = { ...binary, Authorization: authorization };
      const hello: Frame = { type: "hello", version: 1, replicaId: client.replicaId };
      const body = encodeFrames([hello, pullAll]);
      return (await post(test, `/v1/t/${client.tenantId}/sync`, { headers, body })).status;
    };
    expect(await statusOf(`Bearer ${bytesToBase64url(good)}`)).toBe(200);
    for (let bit = 0; bit < 8 * good.length; bit++) {
      const forged = good.slice();
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect([bit, await statusOf(`Bearer ${bytesToBase64url(forged)}`)]).toEqual([bit, 401]);
    }
    const none = btoa(JSON.stringify({ alg: "none" }));
    const claims = btoa(JSON.stringify({ tenant: client.tenantId, user: user.key }));
    const forms = [
      bytesToBase64url(good.slice(0, -1)),
      bytesToBase64url(new Uint8Array(good.length)),
      `${bytesToBase64url(good)}, Bearer x`,
      `${none}.${claims}.`,
      `${bytesToBase64url(good)}=`,
    ];
    for (const form of forms) expect([form, await statusOf(`Bearer ${form}`)]).toEqual([form, 401]);
  });
});

describe("guessing", () => {
  it("ten thousand sign-ins in a minute are slowed down, and others sign in meanwhile", async () => {
    const test = await createTestRelay();
    const user = await createUser();
    const tenant = await TestTenant.withUsers(user);
    await publish(test.relay, tenant);
    const counts = new Map<number, number>();
    let retryAfter: string | null = null;
    for (let i = 0; i < 10_000; i++) {
      if (i % 100 === 0) test.env.advance(600);
      const body = JSON.stringify({ challenge: "x", signature: "x", tenant: tenant.tenantId, key: user.key });
      const answer = await post(test, "/v1/auth/token", { headers: json, body }, "10.6.6.6");
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
      retryAfter = answer.headers.get("Retry-After") ?? retryAfter;
    }
    expect([...counts.keys()].toSorted()).toEqual([400, 429]);
    expect(counts.get(429)).toBeGreaterThan(8000);
    expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
    const elsewhere = new TestClient(
      (request) => test.relay.fetch(request, "10.0.0.2"),
      tenant.tenantId,
      user,
    );
    await elsewhere.signIn(test.serverKey);
    expect(elsewhere.token).toBeDefined();
  });
});

describe("a request that never ends", () => {
  it("is answered 408 where nobody has signed in, and read to its end where somebody has", async () => {
    const test = await createTestRelay();
    const user = await createUser();
    const client = await joinTenant(test, await TestTenant.withUsers(user), user);
    const slowly = (path: string, headers: Record<string, string>) => {
      let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
      const body = new ReadableStream<Uint8Array>({
        start(made) {
          controller = made;
          made.enqueue(new Uint8Array(1));
        },
      });
      const answer = post(test, path, { headers, body, duplex: "half" } as RequestInit);
      return {
        answer,
        send: (bytes: Uint8Array) => controller?.enqueue(bytes),
        end: () => controller?.close(),
      };
    };
    const anonymous = ["/v1/auth/challenge", "/v1/auth/token", "/v1/tenants"].map((path) =>
      slowly(path, path === "/v1/tenants" ? binary : json),
    );
    const signed = slowly(`/v1/t/${client.tenantId}/sync`, {
      ...binary,
      Authorization: `Bearer ${bytesToBase64url(client.token ?? new Uint8Array())}`,
    });
    for (let seconds = 0; seconds < 21; seconds++) {
      await new Promise((resolve) => setImmediate(resolve));
      test.env.advance(1000);
      if (seconds < 19) for (const { send } of anonymous) send(new Uint8Array(1));
    }
    for (const { answer } of anonymous) {
      expect((await answer).status).toBe(408);
      expect((await answer).headers.get("Connection")).toBe("close");
    }
    signed.end();
    expect((await signed.answer).status).toBe(400);
  });
});

describe("five hundred slow sockets", () => {
  it("are closed, and others are served meanwhile", async () => {
    const folder = mkdtempSync(join(tmpdir(), "coffer-slow-"));
    const server = await startServer({
      dataFolder: folder,
      port: 0,
      limits: { anonymousBodyMs: 3000, anonymous: { perMinute: 60_000, burst: 1000 } },
    });
    try {
      const user = await createUser();
      const tenant = await TestTenant.withUsers(user);
      const publication = await tenant.publication({ origin: server.url });
      expect((await fetch(publicationRequest(publication, server.url))).status).toBe(201);
      const client = new TestClient((request) => fetch(request), tenant.tenantId, user, { url: server.url });
      await client.signIn(await serverKeyOf(server));
      const slow = Array.from({ length: 500 }, (_, i) => new SlowSocket(server.url, i % 3));
      await Promise.all(slow.map(({ opened }) => opened));
      const drip = setInterval(() => {
        for (const socket of slow) socket.drip();
      }, 500);
      try {
        while (slow.some(({ isClosed }) => !isClosed)) {
          const [pushed] = await client.push(tenant.dbId, await tenant.write(user));
          expect(pushed).toMatchObject({ status: "accepted" });
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
      } finally {
        clearInterval(drip);
        for (const socket of slow) socket.destroy();
      }
      expect((await client.pull()).at(-1)).toMatchObject({ type: "end" });
    } finally {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("what a server writes down", () => {
  it("is one line of JSON for each event, whatever it was sent, without a secret or a name", async () => {
    const lines: string[] = [];
    const test = await createTestRelay({ logger: createJsonLogger((line) => lines.push(line), Date.now) });
    const user = await createUser();
    const tenant = await TestTenant.withUsers(user);
    const client = await joinTenant(test, tenant, user);
    await client.push(tenant.dbId, await tenant.write(user));
    const injected = [
      'x\n{"level":"info","event":"forged"}',
      "\r\nforged: 1",
      "'; DROP TABLE commits; --",
      "\0",
    ];
    const broken = { ...test.storage, readLog: () => Promise.reject(new Error(injected.join(" "))) };
    const failing = await createTestRelay({
      storage: broken,
      logger: createJsonLogger((line) => lines.push(line), Date.now),
    });
    expect((await publish(failing.relay, tenant)).status).toBe(500);
    for (const text of injected) {
      const named = JSON.stringify({ tenant: text, key: text, challenge: text, signature: text });
      expect((await post(test, "/v1/auth/challenge", { headers: json, body: named })).status).toBe(400);
      expect((await post(test, "/v1/auth/token", { headers: json, body: named })).status).toBe(400);
      const path = `/v1/t/${encodeURIComponent(text)}/sync`;
      expect((await post(test, path, { headers: binary, body: text })).status).toBe(404);
      expect(() => test.relay.openLive(text, { send() {}, close() {}, bufferedBytes: () => 0 })).toThrow();
    }
    expect(lines.length).toBeGreaterThanOrEqual(2);
    for (const line of lines) {
      expect(line.trimEnd()).not.toMatch(/[\n\r\0]/);
      expect(JSON.parse(line)).toMatchObject({ level: expect.stringMatching(/^(?:info|warn)$/) as unknown });
    }
    const text = lines.join("");
    const secrets = [client.token, user.signing.publicKey, tenant.keys.secret].map((bytes) =>
      bytesToBase64url(bytes ?? new Uint8Array()),
    );
    for (const secret of [canary, tenant.tenantId, ...secrets]) expect(text).not.toContain(secret);
    // What was sent to be run has changed nothing: the log still holds its one commit.
    expect(await client.pull()).toContainEqual(expect.objectContaining({ type: "commits" }));
  });
});

async function serverKeyOf(server: RunningServer): Promise<Uint8Array> {
  const { serverKey } = (await (await fetch(`${server.url}/sync/capabilities`)).json()) as {
    serverKey: string;
  };
  return parseBase64url(serverKey) ?? new Uint8Array();
}

/** A caller who says as little as possible: nothing, a header without end, or a body without end. */
class SlowSocket {
  readonly opened: Promise<void>;
  isClosed = false;
  readonly #socket: Socket;
  readonly #kind: number;

  constructor(url: string, kind: number) {
    const { hostname, port } = new URL(url);
    this.#kind = kind;
    this.#socket = connect(Number(port), hostname);
    this.#socket.on("error", () => undefined);
    this.#socket.on("close", () => {
      this.isClosed = true;
    });
    this.#socket.resume();
    this.opened = new Promise((resolve) => this.#socket.once("connect", resolve));
    if (kind === 1) this.#socket.write("GET /sync/health HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    if (kind === 2)
      this.#socket.write(
        "POST /v1/auth/challenge HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n",
      );
  }

  drip(): void {
    if (this.#kind !== 0 && !this.isClosed) this.#socket.write("a");
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
