import type { AddressInfo } from "node:net";
import { WebSocket as NodeWebSocket, WebSocketServer } from "ws";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesToId, createSystemEnv } from "../std/index.ts";
import { syncLimits } from "./messages.ts";
import type { LiveConnection, LiveListener } from "./transport.ts";
import { createWebSocketTransport } from "./websocket-transport.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

const env = createSystemEnv();
const tenantId = bytesToId("TenantId", new Uint8Array(32).fill(9));

let server: WebSocketServer;
let url: string;
let paths: string[];
beforeEach(async () => {
  paths = [];
  server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await new Promise<void>((resolve) => server.once("listening", () => resolve()));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  server.on("connection", (socket, request) => {
    paths.push(request.url ?? "");
    socket.on("message", (data) => socket.send(data as Buffer));
  });
});
afterEach(async () => {
  for (const client of server.clients) client.terminate();
  await new Promise((resolve) => server.close(resolve));
});

interface Heard {
  readonly messages: Uint8Array[];
  closedCount: number;
}

async function open(signal?: AbortSignal): Promise<{ connection: LiveConnection; heard: Heard }> {
  const heard: Heard = { messages: [], closedCount: 0 };
  const listener: LiveListener = {
    onMessage: (message) => heard.messages.push(message),
    onClose: () => (heard.closedCount += 1),
  };
  return { connection: await createWebSocketTransport(env, url).open(tenantId, listener, signal), heard };
}

describe("live connections over WebSocket", () => {
  it("carry bytes both ways, in order, to the tenant's path", async () => {
    const { connection, heard } = await open();
    const sent = [new Uint8Array([1]), new Uint8Array(100_000).fill(2), new Uint8Array([3])];
    for (const message of sent) connection.send(message);
    await expect.poll(() => heard.messages).toEqual(sent);
    expect(paths).toEqual([`/v1/t/${tenantId}/live`]);
    connection.close();
    expect(heard.closedCount).toBe(0);
  });

  it("say once that the other side is gone", async () => {
    const { heard, connection } = await open();
    for (const client of server.clients) client.terminate();
    await expect.poll(() => heard.closedCount).toBe(1);
    connection.send(new Uint8Array([1]));
    connection.close();
    expect(heard.closedCount).toBe(1);
  });

  it("deliver nothing after they were closed", async () => {
    const { connection, heard } = await open();
    connection.send(new Uint8Array([1]));
    connection.close();
    await expect.poll(() => server.clients.size).toBe(0);
    expect(heard).toEqual({ messages: [], closedCount: 0 });
  });

  it("end when a message is text, or larger than any frame", async () => {
    for (const bad of ["text", Buffer.alloc(syncLimits.frameBytes + 100)]) {
      const { heard } = await open();
      for (const client of server.clients) client.send(bad);
      await expect.poll(() => heard.closedCount).toBe(1);
      expect(heard.messages).toEqual([]);
    }
  });

  it("fail to open with a code: nobody there, given up, or aborted before", async () => {
    const aborted = AbortSignal.abort();
    await expect(open(aborted)).rejects.toMatchObject({ code: "aborted" });
    const late = new AbortController();
    const opening = open(late.signal);
    late.abort();
    await expect(opening).rejects.toMatchObject({ code: "aborted" });
    const { port } = new URL(url);
    const nobody = createWebSocketTransport(env, `http://127.0.0.1:${Number(port) === 1 ? 2 : 1}`);
    const listener: LiveListener = { onMessage: () => undefined, onClose: () => undefined };
    await expect(nobody.open(tenantId, listener)).rejects.toMatchObject({ code: "net/failed" });
    expect(() => createWebSocketTransport(env, "http://example.org")).toThrow(
      expect.objectContaining({ code: "input/invalid" }),
    );
  });
});
