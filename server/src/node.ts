import { createServer, type IncomingMessage, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { createWebCrypto } from "../../src/crypto/index.ts";
import { assert, createSystemEnv, type Env } from "../../src/std/index.ts";
import { openServerKey, prepareDataDirectory } from "./data-directory.ts";
import { createRelay, type Relay, type RelayLimits } from "./handler.ts";
import { createLiveSockets, type LiveSockets } from "./live-sockets.ts";
import { silentLogger, type Logger } from "./logger.ts";
import { createOriginPolicy, withCors, withDataHeaders, type OriginPolicy } from "./origin-policy.ts";
import { openSqliteStorage } from "./sqlite-storage.ts";
import { createStaticHandler, type StaticHandler } from "./static-files.ts";
import type { RelayStorage } from "./storage.ts";

export interface ServerOptions {
  /** where the logs and the server's key are; made where missing */
  readonly dataFolder: string;
  /** 0 = any free one */
  readonly port: number;
  readonly host?: string | undefined;
  /** a built application to serve beside the protocol */
  readonly demoFolder?: string | undefined;
  /** where clients reach this server, when it is not the address it listens on */
  readonly publicUrl?: string | undefined;
  /** further origins whose pages may call */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** after restoring a backup of the data: clients compare their logs and push again what was lost */
  readonly startsNewEpoch?: boolean | undefined;
  readonly limits?: Partial<RelayLimits> | undefined;
  readonly logger?: Logger | undefined;
}

export interface RunningServer {
  /** the address it listens on, such as "http://127.0.0.1:8080" */
  readonly url: string;
  /** Take no more connections, end live sessions, let requests finish for a while, close the storage. */
  close(): Promise<void>;
}

const maxSockets = 20_000;
const drainMs = 5000;

/**
 * Start a server on Node.
 *
 * @throws `store/blocked` when another process holds the data directory; the system's error when the port is taken
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const env = createSystemEnv();
  const crypto = createWebCrypto(env);
  const { databasePath, keyPath } = prepareDataDirectory(options.dataFolder);
  const staticHandler =
    options.demoFolder === undefined ? undefined : createStaticHandler(options.demoFolder);
  const signing = await openServerKey(crypto, keyPath);
  const storage = openSqliteStorage(databasePath, { crypto, env });
  try {
    if (options.startsNewEpoch === true) await storage.startNewEpochs();
    const host = options.host ?? "127.0.0.1";
    const server = await listen(host, options.port);
    const url = urlOf(server, host);
    const ownOrigins = ownOriginsOf(url, options.publicUrl);
    const relay = createRelay({
      crypto,
      env,
      storage,
      signing,
      origins: ownOrigins,
      limits: options.limits ?? {},
      logger: options.logger ?? silentLogger,
    });
    const origins = createOriginPolicy({ ownOrigins, allowedOrigins: options.allowedOrigins ?? [] });
    const sockets = createLiveSockets({ relay, env, origins, maxSockets });
    serve(server, { relay, origins, sockets, staticHandler });
    return { url, close: () => shutDown({ server, relay, sockets, storage, env }) };
  } catch (cause) {
    await storage.close();
    throw cause;
  }
}

/** Listen with limits on how slowly a client may speak. */
function listen(host: string, port: number): Promise<Server> {
  const server = createServer({
    headersTimeout: 10_000,
    requestTimeout: 120_000,
    keepAliveTimeout: 20_000,
    connectionsCheckingInterval: 5000,
    maxHeaderSize: 16 * 1024,
  });
  server.maxConnections = maxSockets + 2000;
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve(server);
    });
  });
}

interface Wiring {
  readonly relay: Relay;
  readonly origins: OriginPolicy;
  readonly sockets: LiveSockets;
  readonly staticHandler: StaticHandler | undefined;
}

function serve(server: Server, { relay, origins, sockets, staticHandler }: Wiring): void {
  const answer = async (request: Request, peer: string): Promise<Response> => {
    const { pathname } = new URL(request.url);
    const isProtocol = pathname.startsWith("/v1/") || pathname.startsWith("/sync/");
    const file = isProtocol ? undefined : staticHandler?.(request);
    return file ?? withDataHeaders(await withCors(origins, (asked) => relay.fetch(asked, peer))(request));
  };
  const listener = getRequestListener((request, { incoming }) => answer(request, peerOf(incoming)), {
    overrideGlobalObjects: false,
    errorHandler: () => new Response(null, { status: 400 }),
  });
  server.on("request", (incoming, outgoing) => void listener(incoming, outgoing));
  server.on("upgrade", (request, socket, head) => sockets.upgrade(request, socket, head));
}

function peerOf(incoming: Pick<IncomingMessage, "socket"> | object): string {
  return "socket" in incoming ? (incoming.socket.remoteAddress ?? "") : "";
}

function urlOf(server: Server, host: string): string {
  const address = server.address();
  assert(address !== null && typeof address === "object", "node: a server that listens on a port has one");
  return `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`;
}

/** The origins this server answers to: the public one first, then those of its own address. */
function ownOriginsOf(url: string, publicUrl: string | undefined): readonly [string, ...string[]] {
  const { origin, port } = new URL(url);
  const loopback = ["localhost", "127.0.0.1", "[::1]"].map(
    (host) => new URL(`http://${host}:${port || "80"}`).origin,
  );
  const first = publicUrl === undefined ? origin : new URL(publicUrl).origin;
  return [first, ...new Set([origin, ...loopback])];
}

interface Running {
  readonly server: Server;
  readonly relay: Relay;
  readonly sockets: LiveSockets;
  readonly storage: RelayStorage;
  readonly env: Pick<Env, "setTimer">;
}

async function shutDown({ server, relay, sockets, storage, env }: Running): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  relay.close();
  server.closeIdleConnections();
  const cancel = env.setTimer(drainMs, () => {
    sockets.close();
    server.closeAllConnections();
  });
  await closed;
  cancel();
  sockets.close();
  await storage.close();
}
