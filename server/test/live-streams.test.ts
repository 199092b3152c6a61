import { createServer, request as ask, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket as NodeWebSocket } from "ws";
import { createSystemEnv, parseBase64url } from "../../src/std/index.ts";
import { createMemoryStorage } from "../../src/store/index.ts";
import {
  createTransport,
  decodeFrames,
  encodeFrames,
  startRunner,
  type Frame,
} from "../../src/sync/index.ts";
import { startServer, type RunningServer } from "../src/index.ts";
import {
  createTestRelay,
  createUser,
  crypto,
  itemsOf,
  joinTenant,
  origin,
  publicationRequest,
  TestClient,
  TestTenant,
  type TestUser,
} from "./fixtures.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

const pullOf = (cursors: Extract<Frame, { type: "pull" }>["cursors"] = []): Frame => ({
  type: "pull",
  allDatabases: true,
  full: false,
  cursors,
  maxBytes: 1e6,
});

async function createPlace(limits = {}) {
  const test = await createTestRelay({ limits });
  const [anna, bert] = [await createUser(), await createUser()];
  const tenant = await TestTenant.withUsers(anna, bert);
  const writer = await joinTenant(test, tenant, anna);
  const client = new TestClient((request) => test.relay.fetch(request), tenant.tenantId, bert);
  await client.signIn(test.serverKey);
  const openingOf = (...frames: readonly Frame[]): Uint8Array<ArrayBuffer> =>
    encodeFrames([
      { type: "hello", version: 1, replicaId: client.replicaId },
      { type: "auth", token: client.token ?? new Uint8Array(32) },
      ...frames,
    ]);
  const follow = (body: Uint8Array<ArrayBuffer>, accept: string, signal?: AbortSignal): Promise<Response> =>
    test.relay.fetch(
      new Request(`${origin}/v1/t/${tenant.tenantId}/live`, {
        method: "POST",
        headers: { "Content-Type": "application/octet-stream", Accept: accept },
        body,
        ...(signal !== undefined && { signal }),
      }),
    );
  return { test, anna, bert, tenant, writer, client, openingOf, follow };
}

/** Reads an event stream as it comes; `read` gives what has come so far. */
function follower(response: Response) {
  const frames: Frame[] = [];
  const state = { text: "", isEnded: false };
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const read = async (): Promise<void> => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      state.text += new TextDecoder().decode(part.value);
      const lines = state.text.split("\n");
      state.text = lines.pop() ?? "";
      for (const line of lines)
        if (line.startsWith("data: "))
          frames.push(...(decodeFrames(parseBase64url(line.slice(6)) ?? new Uint8Array([1])) ?? []));
    }
    state.isEnded = true;
  };
  const reading = read();
  return { frames, state, reading, cancel: () => reader.cancel() };
}
const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 30_000, interval: 5 });
const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));
const events = "text/event-stream";

describe("the live link as an event stream", () => {
  it("answers the pull, and goes on with what is written", async () => {
    const { tenant, anna, writer, openingOf, follow, test } = await createPlace();
    await writer.push(tenant.dbId, await tenant.write(anna));
    const response = await follow(openingOf(pullOf()), events);
    expect(response.headers.get("Content-Type")).toBe(events);
    expect(response.headers.get("X-Accel-Buffering")).toBe("no");
    const stream = follower(response);
    await until(() => expect(stream.frames.at(-1)).toEqual({ type: "end", more: false }));
    expect(itemsOf(stream.frames, tenant.dbId)).toHaveLength(1);
    for (let i = 0; i < 3; i++) await writer.push(tenant.dbId, await tenant.write(anna));
    await until(() => expect(itemsOf(stream.frames, tenant.dbId)).toHaveLength(4));
    expect(test.relay.liveCount()).toBe(1);
    await stream.cancel();
    expect(test.relay.liveCount()).toBe(0);
  });

  it("shows a caller without frames that it gets through, for five seconds", async () => {
    const { follow, test } = await createPlace();
    const stream = follower(await follow(new Uint8Array(0), events));
    await rest();
    expect(stream.state.isEnded).toBe(false);
    test.env.advance(5001);
    await stream.reading;
    expect(stream.frames).toEqual([{ type: "error", code: "net/timeout", retryAfterMs: 0 }]);
    expect(test.relay.liveCount()).toBe(0);
  });

  it("beats while there is nothing to say", async () => {
    const { follow, openingOf, test } = await createPlace();
    const response = await follow(openingOf(pullOf()), events);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const nextText = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value);
    expect(await nextText()).toBe(":\n\n");
    for (let text = ""; !text.includes("data: CgEA"); text = await nextText());
    const beat = nextText();
    await rest();
    test.env.advance(15_001);
    expect(await beat).toBe(":\n\n");
    await reader.cancel();
  });

  it("queues no more than a mebibyte and an answer's step for a reader that does not read", async () => {
    const { tenant, anna, writer, openingOf, follow } = await createPlace();
    const response = await follow(openingOf(pullOf()), events);
    for (let i = 0; i < 12; i++)
      await writer.push(tenant.dbId, await tenant.write(anna, { text: "w".repeat(200_000) }));
    await rest();
    const stream = follower(response);
    await until(() => expect(itemsOf(stream.frames, tenant.dbId)).toHaveLength(12));
    const starts = stream.frames.flatMap((frame) =>
      frame.type === "commits" && frame.dbId === tenant.dbId ? [frame.fromSeq] : [],
    );
    expect(starts).toEqual(Array.from({ length: 12 }, (_, seq) => seq));
    await stream.cancel();
  });

  it("ends for who is revoked, who has no token, who speaks nonsense, and when the server stops", async () => {
    const { tenant, bert, writer, openingOf, follow, test, client } = await createPlace();
    const endOf = async (body: Uint8Array<ArrayBuffer>): Promise<Frame | undefined> => {
      const stream = follower(await follow(body, events));
      await stream.reading;
      return stream.frames.at(-1);
    };
    const hello: Frame = { type: "hello", version: 1, replicaId: client.replicaId };
    expect(await endOf(encodeFrames([hello, { type: "auth", token: new Uint8Array(32) }]))).toMatchObject({
      code: "access/unauthenticated",
    });
    expect(await endOf(encodeFrames([hello, pullOf()]))).toMatchObject({ code: "access/unauthenticated" });
    expect(await endOf(new Uint8Array([9, 9, 9]))).toMatchObject({ code: "protocol/malformed" });
    const admin = new TestClient((request) => test.relay.fetch(request), tenant.tenantId, tenant.admin);
    await admin.signIn(test.serverKey);
    const stream = follower(await follow(openingOf(pullOf()), events));
    await admin.push(tenant.directoryDbId, await tenant.revoke(bert));
    await stream.reading;
    expect(stream.frames.at(-1)).toMatchObject({ code: "access/revoked" });
    client.token = writer.token;
    const last = follower(await follow(openingOf(pullOf()), events));
    await rest();
    test.relay.close();
    await last.reading;
    expect(last.frames.at(-1)).toMatchObject({ code: "store/closed" });
  });

  it("takes so many sessions and no more, and bodies of an opening's size only", async () => {
    const { openingOf, follow } = await createPlace({ maxLive: 1 });
    const first = follower(await follow(openingOf(pullOf()), events));
    const refused = await follow(openingOf(pullOf()), events);
    expect([refused.status, await refused.json()]).toMatchObject([503, { code: "net/rate-limited" }]);
    expect(refused.headers.get("Retry-After")).toBe("1");
    await first.cancel();
    expect((await follow(new Uint8Array(2 * 1024 * 1024), events)).status).toBe(413);
  });
});

describe("the live link as a long poll", () => {
  const bytes = "application/octet-stream";
  const framesOf = async (response: Response): Promise<readonly Frame[] | undefined> =>
    decodeFrames(new Uint8Array(await response.arrayBuffer()));

  it("waits for news beyond the pull's cursors, and says that there is some", async () => {
    const { tenant, anna, writer, openingOf, follow, client, test } = await createPlace();
    const answered = async (polling: Promise<Response>): Promise<readonly Frame[] | undefined> => {
      const state = { isAnswered: false };
      void polling.finally(() => (state.isAnswered = true));
      await until(() => {
        test.env.advance(20);
        expect(state.isAnswered).toBe(true);
      });
      return framesOf(await polling);
    };
    expect(await answered(follow(openingOf(pullOf()), bytes))).toEqual([{ type: "end", more: true }]);
    const heads = (await client.pull()).flatMap((frame) =>
      frame.type === "head" ? [{ dbId: frame.dbId, epoch: frame.epoch, seq: frame.size }] : [],
    );
    let isAnswered = false;
    const polling = follow(openingOf(pullOf(heads)), bytes).finally(() => (isAnswered = true));
    await rest();
    expect(isAnswered).toBe(false);
    await writer.push(tenant.dbId, await tenant.write(anna));
    expect(await answered(polling)).toEqual([{ type: "end", more: true }]);
    expect(test.relay.liveCount()).toBe(0);
  });

  it("ends after 20 seconds, when the caller has gone, and with the error that ends a session", async () => {
    const { openingOf, follow, client, test } = await createPlace();
    const heads = (await client.pull()).flatMap((frame) =>
      frame.type === "head" ? [{ dbId: frame.dbId, epoch: frame.epoch, seq: frame.size }] : [],
    );
    const polling = follow(openingOf(pullOf(heads)), bytes);
    await rest();
    test.env.advance(20_001);
    expect(await framesOf(await polling)).toEqual([{ type: "end", more: false }]);
    const abort = new AbortController();
    const left = follow(openingOf(pullOf(heads)), bytes, abort.signal);
    await rest();
    expect(test.relay.liveCount()).toBe(1);
    abort.abort();
    await left;
    expect(test.relay.liveCount()).toBe(0);
    expect(await framesOf(await follow(new Uint8Array([9, 9, 9]), bytes))).toEqual([
      { type: "error", code: "protocol/malformed", retryAfterMs: 0 },
      { type: "end", more: false },
    ]);
  });
});

describe("devices behind a network without WebSockets", () => {
  let folder: string;
  let server: RunningServer;
  let proxy: Server;
  let proxyUrl: string;
  const seen = { upgrades: 0, streams: 0, polls: 0, buffers: false };

  /** Passes requests on, and no upgrades; and with `buffers` no part of an answer before its end. */
  beforeEach(async () => {
    Object.assign(seen, { upgrades: 0, streams: 0, polls: 0, buffers: false });
    folder = mkdtempSync(join(tmpdir(), "coffer-streams-"));
    proxy = createServer((from, to) => {
      const isLive = from.url?.endsWith("/live") === true;
      if (isLive && from.method === "POST") seen[from.headers.accept === events ? "streams" : "polls"]++;
      const passed = ask(server.url + (from.url ?? ""), { method: from.method, headers: from.headers });
      passed.on("error", () => to.destroy());
      to.on("close", () => passed.destroy());
      passed.on("response", (answer) => {
        const chunks: Buffer[] = [];
        if (!seen.buffers) to.writeHead(answer.statusCode ?? 500, answer.headers).flushHeaders();
        answer.on("data", (chunk: Buffer) => (seen.buffers ? chunks.push(chunk) : to.write(chunk)));
        answer.on("end", () => {
          if (seen.buffers) to.writeHead(answer.statusCode ?? 500, answer.headers);
          to.end(Buffer.concat(chunks));
        });
        answer.on("error", () => to.destroy());
      });
      from.pipe(passed);
    });
    proxy.on("upgrade", (_request, socket) => {
      seen.upgrades++;
      socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    server = await startServer({ dataFolder: join(folder, "data"), port: 0, publicUrl: proxyUrl });
  });
  afterEach(async () => {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function createDevice(tenant: TestTenant, user: TestUser) {
    const system = createSystemEnv();
    const env = {
      ...system,
      // Whether a stream gets through is seen at once, not after seconds.
      setTimer: (afterMs: number, run: () => void) => system.setTimer(afterMs === 4000 ? 300 : afterMs, run),
      openChannel: () => ({
        post: () => undefined,
        onMessage: () => () => undefined,
        close: () => undefined,
      }),
    };
    const store = await createMemoryStorage(env).openStore("device");
    const alarms: unknown[] = [];
    const runner = startRunner({
      env,
      crypto,
      store,
      tenantId: tenant.tenantId,
      signer: { key: user.key, privateKey: user.signing.privateKey },
      transport: createTransport(env, proxyUrl),
      onAlarm: (alarm) => void alarms.push(alarm),
    });
    const count = async (): Promise<number> =>
      (await store.readLog({ after: 0, maxCount: 1000, maxBytes: 1e9 })).length - tenant.directory.length;
    const write = async (): Promise<void> => {
      const { commitHash, bytes } = await tenant.write(user);
      await store.write({ records: [{ commitHash, bytes: new Uint8Array(bytes), origin: "" }] });
    };
    return { runner, alarms, count, write };
  }

  it.each([
    ["an event stream", false],
    ["long polls", true],
  ])("follow each other by %s, and hear when they are revoked", async (_name, buffers) => {
    seen.buffers = buffers;
    const [anna, bert] = [await createUser(), await createUser()];
    const tenant = await TestTenant.withUsers(anna, bert);
    const publish = async (): Promise<Response> =>
      fetch(publicationRequest(await tenant.publication({ origin: proxyUrl }), server.url));
    expect((await publish()).status).toBe(201);
    const [a, b] = [await createDevice(tenant, anna), await createDevice(tenant, bert)];
    await until(() => expect([a.runner.status.phase, b.runner.status.phase]).toEqual(["live", "live"]));
    for (const wanted of [2, 4, 6]) {
      await a.write();
      await b.write();
      await vi.waitFor(
        async () => expect([await a.count(), await b.count()]).toEqual([wanted, wanted]),
        30_000,
      );
    }
    await until(() => expect([a.runner.status.pendingPush, b.runner.status.pendingPush]).toEqual([0, 0]));
    expect([a.runner.status.phase, b.runner.status.phase]).toEqual(["live", "live"]);
    expect(seen.upgrades).toBe(2);
    expect(seen.polls > 0).toBe(buffers);
    await tenant.revoke(bert);
    expect((await publish()).status).toBe(200);
    await until(() => expect(b.runner.status).toMatchObject({ phase: "denied", error: "access/revoked" }));
    expect([...a.alarms, ...b.alarms]).toEqual([]);
    await Promise.all([a.runner.stop(), b.runner.stop()]);
  });

  it("are refused from pages of other origins", async () => {
    const tenant = await TestTenant.create();
    const response = await fetch(`${server.url}/v1/t/${tenant.tenantId}/live`, {
      method: "POST",
      headers: { Origin: "https://evil.example", "Content-Type": "application/octet-stream", Accept: events },
    });
    expect([response.status, await response.json()]).toMatchObject([403, { code: "access/denied" }]);
  });
});
