/**
 * A gate in front of a real server: the address that clients know. It passes everything on, or lies.
 *
 * The server behind it is told the gate's address as its own, so that signing in through the gate is signing in to it.
 */
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from "node:http";
import { connect as connectSocket, type Socket } from "node:net";
import { removeFolder, startServer, type RunningServer } from "../fixtures.ts";

/** What a lie can do with a request: answer by itself, or have it answered and spoil the answer. */
export interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  /** whether it is the tenant's sync address, the one that takes frames */
  readonly isSync: boolean;
  /** answer honestly */
  pass(): Promise<void>;
  /** what an honest answer would be; the browser's headers for other origins included */
  honest(): Promise<{ status: number; headers: Record<string, string>; body: Buffer }>;
}

/** Answers in place of the server. */
export type Lie = (asked: Asked) => Promise<void> | void;

export interface Gate {
  readonly url: string;
  /** when requests for the sync address came, in milliseconds */
  readonly syncTimes: number[];
  /** Lie from now on; every live connection breaks. */
  lie(lie: Lie): void;
  /** Tell the truth again. */
  beHonest(): void;
  /** Put another server, with another key and no data, behind the same address. */
  replaceServer(): Promise<void>;
  restoreServer(): void;
  close(): Promise<void>;
}

/** Start a server and the gate in front of it. */
export async function openGate(): Promise<Gate> {
  const sockets = new Set<Socket>();
  const syncTimes: number[] = [];
  let lie: Lie | undefined;
  let upstreamPort = 0;

  const server = createServer((request, response) => {
    const asked = describe(request, response, upstreamPort);
    if (asked.isSync && request.method === "POST") syncTimes.push(Date.now());
    const isPreflight = request.method === "OPTIONS";
    // A preflight is no question of the protocol; a lie about it would only hide the request from the lie.
    void (lie === undefined || isPreflight
      ? asked.pass()
      : Promise.resolve(lie(asked)).catch(() => undefined));
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  });
  server.on("upgrade", (request, socket, head) => {
    if (lie !== undefined) {
      socket.destroy();
      return;
    }
    const upstream = connectSocket(upstreamPort, "127.0.0.1", () => {
      const lines = request.rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`));
      upstream.write(`GET ${request.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
      upstream.write(head);
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on("error", () => socket.destroy());
    upstream.on("close", () => socket.destroy());
    socket.on("close", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The system gave no port");
  const url = `http://localhost:${address.port}`;
  const servers: RunningServer[] = [];
  const start = async (): Promise<number> => {
    const started = await startServer({ args: ["--public-url", url] });
    servers.push(started);
    return started.port;
  };
  const honestPort = await start();
  upstreamPort = honestPort;
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };

  return {
    url,
    syncTimes,
    lie(next) {
      lie = next;
      breakAll();
    },
    beHonest() {
      lie = undefined;
      breakAll();
    },
    async replaceServer() {
      upstreamPort = await start();
      breakAll();
    },
    restoreServer() {
      upstreamPort = honestPort;
      breakAll();
    },
    async close() {
      breakAll();
      server.close();
      server.closeAllConnections();
      for (const each of servers) {
        await each.stop();
        await removeFolder(each.dataFolder);
      }
    },
  };
}

function describe(request: IncomingMessage, response: ServerResponse, port: number): Asked {
  const path = request.url ?? "/";
  const send = (onAnswer: (answer: IncomingMessage) => void, onError: (cause: Error) => void): void => {
    const { method, headers } = request;
    const passed = ask({ host: "127.0.0.1", port, path, method, headers }, onAnswer);
    passed.on("error", onError);
    request.pipe(passed);
  };
  return {
    request,
    response,
    path,
    isSync: path.endsWith("/sync"),
    pass: () =>
      new Promise((resolve) => {
        const end = (): void => {
          response.destroy();
          resolve();
        };
        send((answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(response).on("close", resolve);
          answer.on("error", end);
        }, end);
      }),
    honest: () =>
      new Promise((resolve, reject) => {
        send((answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.on("error", reject);
          answer.on("end", () => {
            const headers: Record<string, string> = {};
            for (const [name, value] of Object.entries(answer.headers))
              if (typeof value === "string" && !/^(transfer-encoding|content-length|connection)$/.test(name))
                headers[name] = value;
            resolve({ status: answer.statusCode ?? 500, headers, body: Buffer.concat(chunks) });
          });
        }, reject);
      }),
  };
}

/** Headers that let a page of any origin read an answer: a liar hides nothing. */
export function open(request: IncomingMessage): Record<string, string> {
  return {
    "access-control-allow-origin": request.headers.origin ?? "*",
    "access-control-expose-headers": "Retry-After",
  };
}
