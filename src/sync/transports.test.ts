import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import { WebSocket as NodeWebSocket, WebSocketServer } from "ws";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bytesToBase64url,
  bytesToId,
  CofferError,
  createSystemEnv,
  toCofferError,
  utf8ToBytes,
} from "../std/index.ts";
import { decodeFrames, encodeFrames } from "./frames.ts";
import { createHttpTransport, parseServerUrl } from "./http-transport.ts";
import { createMemoryTransport, type MemoryServer } from "./memory-transport.ts";
import type { Frame } from "./messages.ts";
import { createFallbackTransport } from "./open-transport.ts";
import { createEventReader, createStreamTransport } from "./stream-transport.ts";
import { describeLiveTransport, describeTransport } from "./transport-contract.ts";
import type { LiveListener, LiveTransport } from "./transport.ts";
import { createWebSocketTransport } from "./websocket-transport.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

const env = createSystemEnv();
const tenantId = bytesToId("TenantId", new Uint8Array(32));

async function serve(answer: RequestListener): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  return { url: `http://127.0.0.1:${port}`, close };
}

describeTransport("http", async () => {
  let next: number | "never" | undefined;
  const { url, close } = await serve((request, response) => {
    const mode = next;
    next = undefined;
    if (mode === "never") return;
    if (mode === undefined) request.pipe(response);
    else request.resume().on("end", () => response.end(new Uint8Array(mode)));
  });
  return {
    transport: { http: createHttpTransport(env, url), live: undefined },
    answerWith: (sizeBytes) => void (next = sizeBytes),
    answerNever: () => void (next = "never"),
    close,
  };
});

describeTransport("memory", async () => {
  let next: number | "never" | undefined;
  const abort = new Set<() => void>();
  const server: MemoryServer = {
    origin: "https://relay.example",
    capabilities: () => Promise.reject(new Error("not asked")),
    postJson: async (_path, body) => body,
    publish: async () => undefined,
    exchange: async ({ body }) => {
      const mode = next;
      next = undefined;
      if (mode === "never") await new Promise<void>((resolve) => abort.add(resolve));
      return typeof mode === "number" ? new Uint8Array(mode) : body;
    },
  };
  return {
    transport: createMemoryTransport(server),
    answerWith: (sizeBytes) => void (next = sizeBytes),
    answerNever: () => void (next = "never"),
    close: async () => {
      for (const release of abort) release();
    },
  };
});

function* zeros(): Generator<Uint8Array> {
  for (;;) yield new Uint8Array(1024 * 1024);
}

/** The socket side: every message is frames. */
describeLiveTransport("websocket", async () => {
  const heard: Frame[] = [];
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await new Promise<void>((resolve) => server.once("listening", () => resolve()));
  server.on("connection", (socket) =>
    socket.on("message", (data) => heard.push(...(decodeFrames(new Uint8Array(data as Buffer)) ?? []))),
  );
  const sayBytes = (bytes: Uint8Array | string): void => {
    for (const client of server.clients) client.send(bytes);
  };
  const cut = (): void => {
    for (const client of server.clients) client.terminate();
  };
  return {
    live: createWebSocketTransport(env, `http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    heard,
    isHeard: () => server.clients.size > 0,
    say: (...frames) => sayBytes(encodeFrames(frames)),
    babble: () => sayBytes("no frame"),
    cut,
    async close() {
      cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
});

/** Requests carry the live link: `buffers` is a network that shows an answer only once it has ended. */
const describeStreams = (name: string, buffers: boolean): void =>
  describeLiveTransport(name, async () => {
    const heard: Frame[] = [];
    const followers = new Set<ServerResponse>();
    const waiting: Frame[] = [];
    const { url, close } = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("close", () => followers.delete(response));
      request.on("end", () => {
        const frames = decodeFrames(new Uint8Array(Buffer.concat(chunks))) ?? [];
        if (request.url?.endsWith("/sync") === true) {
          heard.push(...frames);
          return response.end(encodeFrames([...waiting.splice(0), { type: "end", more: false }]));
        }
        const isStream = request.headers.accept === "text/event-stream";
        if (isStream && buffers) return;
        if (isStream) heard.push(...frames);
        if (isStream) response.writeHead(200).write(":\n\n");
        if (!isStream && waiting.length > 0) return response.end(encodeFrames([{ type: "end", more: true }]));
        if (frames.length > 0) followers.add(response);
      });
    });
    const live = createStreamTransport(
      // Whether a stream gets through is seen at once, not after seconds.
      { ...env, setTimer: (afterMs, run) => env.setTimer(afterMs / 100, run) },
      createHttpTransport(env, url),
    );
    return {
      live: buffers ? withPulls(live) : live,
      heard,
      isHeard: () => followers.size > 0,
      say(...frames) {
        if (buffers) waiting.push(...frames);
        for (const response of followers)
          if (buffers && !response.writableEnded) response.end(encodeFrames([{ type: "end", more: true }]));
          else if (!buffers) response.write(`data: ${bytesToBase64url(encodeFrames(frames))}\n\n`);
      },
      babble() {
        for (const response of followers)
          if (buffers) response.end("no frame");
          else response.write("data: ***\n\n");
      },
      cut() {
        for (const response of followers) response.destroy();
      },
      close,
    };
  });
describeStreams("event stream", false);
describeStreams("long poll", true);

/** As the engine does: where the link says that there is news, pull. */
function withPulls(live: LiveTransport): LiveTransport {
  const pull: Frame = { type: "pull", allDatabases: true, full: false, cursors: [], maxBytes: 1000 };
  return {
    async open(id, listener, signal) {
      const onNews = (): void => connection.send(encodeFrames([pull]));
      const connection = await live.open(id, { ...listener, onNews }, signal);
      return connection;
    },
  };
}

describe("an event stream", () => {
  const read = (...chunks: readonly string[]): readonly (readonly number[])[] => {
    const messages: (readonly number[])[] = [];
    const take = createEventReader((message) => messages.push([...message]));
    for (const chunk of chunks) take(utf8ToBytes(chunk));
    return messages;
  };
  const malformed = expect.objectContaining({ code: "protocol/malformed" }) as Error;

  test("is read in chunks of any size; what is no message is passed over", () => {
    const text = ":\n\ndata: AQID\n\nevent: x\nid: 4\n\ndata: BA\n\n";
    expect(read(text)).toEqual([[1, 2, 3], [4]]);
    expect(read(...Array.from(text))).toEqual([[1, 2, 3], [4]]);
  });

  test("ends at what is no base64url, no text, or longer than any message, before that is held", () => {
    expect(() => read("data: a\n")).toThrow(malformed);
    expect(() => read("data: AQ==\n")).toThrow(malformed);
    expect(() => createEventReader(() => undefined)(Uint8Array.of(255, 10))).toThrow(malformed);
    const mib = "A".repeat(1024 * 1024);
    expect(() => read(mib, mib)).toThrow(malformed);
    expect(() => read(`:${mib}${mib}\n`)).toThrow(malformed);
  });

  test("is read the same however it is cut", () => {
    const outcomeOf = (pieces: readonly string[]): unknown => {
      const messages: unknown[] = [];
      try {
        const take = createEventReader((message) => messages.push([...message]));
        for (const piece of pieces) take(utf8ToBytes(piece));
      } catch (error) {
        return [messages, toCofferError(error, "worker/failed").code];
      }
      return messages;
    };
    const word = fc.constantFrom("data: ", "AQID", "\n", ":", "data: AA\n", "=");
    fc.assert(
      fc.property(fc.array(word), fc.array(fc.nat(30)), (words, cuts) => {
        const text = words.join("");
        const starts = [...new Set([0, ...cuts])].sort((a, b) => a - b);
        const pieces = starts.map((from, index) => text.slice(from, starts[index + 1]));
        expect(outcomeOf(pieces)).toEqual(outcomeOf([text]));
      }),
    );
  });
});

test("an answer that ends before its END is a connection that broke: a push is not taken for answered", async () => {
  const whole = encodeFrames([{ type: "note" }, { type: "end", more: false }]);
  let keptBytes = 0;
  const { url, close } = await serve((request, response) => {
    request.resume();
    if (request.url?.endsWith("/sync") === true) response.end(whole.subarray(0, keptBytes));
    else response.write(":\n\n");
  });
  const live = createStreamTransport(env, createHttpTransport(env, url));
  for (; keptBytes < whole.length; keptBytes++) {
    const got: Uint8Array[] = [];
    await new Promise<void>((resolve, reject) => {
      const onMessage = (message: Uint8Array): void => void got.push(message);
      const sent: Frame = { type: "note" };
      live.open(tenantId, { onMessage, onClose: resolve }).then(
        (connection) => connection.send(encodeFrames([sent])),
        (cause: unknown) => reject(toCofferError(cause, "net/failed")),
      );
    });
    expect(got).toEqual([]);
  }
  await close();
});

describe("two ways to the live link", () => {
  const listener: LiveListener = { onMessage: () => undefined, onClose: () => undefined };
  const way = (opens: () => boolean) => {
    const asked = { count: 0, listener };
    const live: LiveTransport = {
      async open(_tenant, heard) {
        asked.count++;
        asked.listener = heard;
        if (!opens()) throw new CofferError("net/failed");
        return { send: () => undefined, close: () => undefined };
      },
    };
    return { asked, live };
  };

  test("the second is taken where the first does not open, and the first is tried again later", async () => {
    let nowMs = 0;
    let isThere = false;
    const [first, second] = [way(() => isThere), way(() => true)];
    const both = createFallbackTransport({ monotonicMs: () => nowMs }, first.live, second.live);
    await both.open(tenantId, listener);
    await both.open(tenantId, listener);
    expect([first.asked.count, second.asked.count]).toEqual([1, 2]);
    isThere = true;
    nowMs = 20 * 60_000;
    await both.open(tenantId, listener);
    expect([first.asked.count, second.asked.count]).toEqual([2, 2]);
  });

  test("a first that opens and stays dumb is left for the second; one that spoke is not", async () => {
    const [first, second] = [way(() => true), way(() => true)];
    const both = createFallbackTransport({ monotonicMs: () => 0 }, first.live, second.live);
    const spoke = await both.open(tenantId, listener);
    spoke.send(new Uint8Array(3));
    first.asked.listener.onMessage(new Uint8Array(3));
    first.asked.listener.onClose();
    const dumb = await both.open(tenantId, listener);
    expect(first.asked.count).toBe(2);
    dumb.send(new Uint8Array(3));
    dumb.close();
    await both.open(tenantId, listener);
    expect([first.asked.count, second.asked.count]).toEqual([2, 1]);
  });

  test("neither: the failure is the second's, and the first is tried again at once", async () => {
    const [first, second] = [way(() => false), way(() => false)];
    const both = createFallbackTransport({ monotonicMs: () => 0 }, first.live, second.live);
    for (const count of [1, 2]) {
      await expect(both.open(tenantId, listener)).rejects.toMatchObject({ code: "net/failed" });
      expect([first.asked.count, second.asked.count]).toEqual([count, count]);
    }
  });
});

describe("http", () => {
  const ask = (url: string, timeoutMs = 5000): Promise<void> =>
    createHttpTransport(env, url, { timeoutMs }).exchange({
      tenantId,
      token: new Uint8Array(32),
      body: new Uint8Array(1),
      onChunk: () => undefined,
    });

  test.each([
    [401, "", {}, "access/unauthenticated", 0],
    [403, JSON.stringify({ code: "access/revoked", message: "no" }), {}, "access/revoked", 0],
    [409, JSON.stringify({ code: "input/used" }), {}, "input/used", 0],
    [429, "", { "retry-after": "7" }, "net/rate-limited", 7000],
    [503, "busy", { "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT" }, "net/failed", 0],
    [500, JSON.stringify({ code: "no/such" }), {}, "net/failed", 0],
    [507, "", {}, "store/quota", 0],
    [426, "", {}, "protocol/version", 0],
  ])("status %i %s is %s", async (status, body, headers, code, retryAfterMs) => {
    const { url, close } = await serve((_request, response) => response.writeHead(status, headers).end(body));
    await expect(ask(url)).rejects.toMatchObject({ code, details: { status, retryAfterMs } });
    await close();
  });

  test.each([301, 302, 303, 307, 308])("redirects are not followed: %i", async (status) => {
    const reached: string[] = [];
    const other = await serve((request, response) => {
      reached.push(`${request.method} ${request.headers.authorization}`);
      response.end();
    });
    let asked = 0;
    const { url, close } = await serve((_request, response) => {
      asked++;
      response.writeHead(status, { location: other.url }).end();
    });
    await expect(ask(url)).rejects.toMatchObject({ code: "net/failed" });
    expect(asked).toBe(1);
    expect(reached).toEqual([]);
    await close();
    await other.close();
  });

  test("a server that does not answer is a timeout, one that is not there is a failure", async () => {
    const { url, close } = await serve(() => undefined);
    await expect(ask(url, 30)).rejects.toMatchObject({ code: "net/timeout" });
    await close();
    await expect(ask(url)).rejects.toMatchObject({ code: "net/failed" });
  });

  test("an endless answer is cut while it streams", async () => {
    const chunk = new Uint8Array(1024 * 1024);
    const { url, close } = await serve((_request, response) => {
      const more = (): void => void (response.destroyed || response.write(chunk, () => setImmediate(more)));
      more();
    });
    await expect(ask(url)).rejects.toMatchObject({ code: "protocol/malformed" });
    await close();
  });

  test("an answer that grows without end when it is unpacked is cut while it streams", async () => {
    for (const [encoding, packer] of [
      ["gzip", createGzip()],
      ["br", createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
    ] as const) {
      let sentBytes = 0;
      const { url, close } = await serve((_request, response) => {
        response.writeHead(200, { "content-encoding": encoding });
        packer.on("data", (packed: Uint8Array) => {
          sentBytes += packed.length;
        });
        Readable.from(zeros()).pipe(packer).pipe(response);
      });
      await expect(ask(url)).rejects.toMatchObject({ code: "protocol/malformed" });
      expect(sentBytes).toBeLessThan(1024 * 1024);
      await close();
    }
  });

  test.each([
    "ftp://a.example",
    "http://a.example",
    "https://u:p@a.example",
    "https://a.example/path",
    "https://a.example/?q",
    "javascript:1",
    "nothing",
  ])("the address %s is refused", (url) =>
    expect(() => parseServerUrl(url)).toThrow(expect.objectContaining({ code: "input/invalid" }) as Error),
  );
  test.each([
    "https://a.example",
    "https://a.example:8443/",
    "http://localhost:1",
    "http://127.0.0.1:2",
    "http://[::1]:3",
  ])("the address %s is taken", (url) => expect(parseServerUrl(url).origin).toBe(url.replace(/\/$/, "")));
});
