import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import { describe, expect, test } from "vitest";
import { bytesToId, createSystemEnv } from "../std/index.ts";
import { createHttpTransport, parseServerUrl } from "./http-transport.ts";
import { createMemoryTransport, type MemoryServer } from "./memory-transport.ts";
import { describeTransport } from "./transport-contract.ts";

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
