import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer, type RawData } from "ws";
import { concatBytes, type Env, type Release } from "../../src/std/index.ts";
import { syncLimits } from "../../src/sync/index.ts";
import type { Relay } from "./handler.ts";
import type { LiveSession } from "./live.ts";
import type { OriginPolicy } from "./origin-policy.ts";

export interface LiveSocketsOptions {
  readonly relay: Relay;
  readonly env: Pick<Env, "setTimer">;
  readonly origins: OriginPolicy;
}

/** The WebSocket side of the adapter. */
export interface LiveSockets {
  /** Answer an HTTP upgrade: with a live session, or with a refusal. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Break off what is still open. */
  close(): void;
}

/** A message holds at least one whole frame with its prefix. */
const maxMessageBytes = syncLimits.frameBytes + 64;
const pingEveryMs = 30_000;
const resumeBelowBytes = 256 * 1024;

/** Create the WebSocket side: binary messages only, no compression (it would leak sizes and cost memory), dead peers dropped. */
export function createLiveSockets({ relay, env, origins }: LiveSocketsOptions): LiveSockets {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
  });
  return {
    upgrade(request, socket, head) {
      socket.on("error", () => socket.destroy());
      const [, tenant] = /^\/v1\/t\/([\w-]{43})\/live$/.exec(request.url ?? "") ?? [];
      if (tenant === undefined) return refuse(socket, "404 Not Found");
      if (!origins.isAllowed(request.headers.origin ?? null)) return refuse(socket, "403 Forbidden");
      if (!relay.hasRoomForLive()) return refuse(socket, "503 Service Unavailable");
      server.handleUpgrade(request, socket, head, (webSocket) => attach(relay, env, webSocket, tenant));
    },
    close() {
      for (const webSocket of server.clients) webSocket.terminate();
      server.close();
    },
  };
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function attach(relay: Relay, env: Pick<Env, "setTimer">, webSocket: WebSocket, tenant: string): void {
  const isOpen = (): boolean => webSocket.readyState === WebSocket.OPEN;
  // Errors of a socket are followed by its closing, which is what counts.
  webSocket.on("error", () => undefined);
  let session: LiveSession | undefined;
  const connection = {
    send(message: Uint8Array): void {
      if (!isOpen()) return;
      webSocket.send(message, () => {
        if (isOpen() && webSocket.bufferedAmount < resumeBelowBytes) session?.onDrain();
      });
    },
    close: (code: number, reason: string) => webSocket.close(code, reason),
    bufferedBytes: () => webSocket.bufferedAmount,
  };
  try {
    session = relay.openLive(tenant, connection);
  } catch {
    webSocket.close(4404, "input/unknown-id");
    return;
  }
  receive(webSocket, session);
  keepAlive(webSocket, env);
}

/** Hand messages over one at a time: while one is worked on, nothing more is read from the network. */
function receive(webSocket: WebSocket, session: LiveSession): void {
  let pending = 0;
  webSocket.on("message", (data, isBinary) => {
    if (!isBinary) return webSocket.close(1003, "protocol/malformed");
    if (pending++ === 0) webSocket.pause();
    void session.onMessage(toBytes(data)).finally(() => {
      if (--pending === 0) webSocket.resume();
    });
  });
  webSocket.on("close", () => session.onClose());
}

function toBytes(data: RawData): Uint8Array {
  if (Array.isArray(data)) return concatBytes(...data);
  return data instanceof ArrayBuffer
    ? new Uint8Array(data)
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function keepAlive(webSocket: WebSocket, env: Pick<Env, "setTimer">): void {
  let hasAnswered = true;
  let cancel: Release | undefined;
  const check = (): void => {
    if (!hasAnswered) return webSocket.terminate();
    hasAnswered = false;
    webSocket.ping();
    cancel = env.setTimer(pingEveryMs, check);
  };
  cancel = env.setTimer(pingEveryMs, check);
  webSocket.on("pong", () => (hasAnswered = true));
  webSocket.on("close", () => cancel?.());
}
