import { createServer, type IncomingMessage, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { createWebCrypto, type Crypto, type SigningKeyPair } from "../../src/crypto/index.ts";
import {
  assert,
  bytesToBase64url,
  createSystemEnv,
  type AuthorKey,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";
import { createHttpTransport } from "../../src/sync/index.ts";
import { startAdmin, type AdminOptions } from "./admin.ts";
import { openBackend, type Backend, type BackendOptions } from "./backend.ts";
import { createForwardLink, type ForwardLink } from "./forward-link.ts";
import { createPushService, type PushServiceOptions } from "./push-service.ts";
import { createRelay, type Relay, type RelayLimits } from "./handler.ts";
import { createLiveSockets, type LiveSockets } from "./live-sockets.ts";
import { silentLogger, type Logger } from "./logger.ts";
import { createMetrics } from "./metrics.ts";
import { createOriginPolicy, withCors, withDataHeaders, type OriginPolicy } from "./origin-policy.ts";
import { createRelayMetrics } from "./relay-metrics.ts";
import { createStaticHandler, type StaticHandler } from "./static-files.ts";
import type { PushService } from "./waker.ts";

export interface ServerOptions extends BackendOptions {
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
  /** serve metrics, health and readiness here; 0 = any free port */
  readonly adminPort?: number | undefined;
  /**
   * whom push services may write to about this server, `mailto:` or `https:`; default: the public address, if it is https. Without one,
   * no device is woken
   */
  readonly pushSubject?: string | undefined;
  /** further push services that are called: hosts, "*.example.org", or origins */
  readonly pushHosts?: readonly string[] | undefined;
  /** other servers of this protocol that this one forwards what it holds to */
  readonly forwardTo?: readonly string[] | undefined;
  /** what is forwarded, when it is not every tenant */
  readonly forwardTenants?: readonly TenantId[] | undefined;
  /** false: commits alone are forwarded, and what files hold stays here */
  readonly forwardsFiles?: boolean | undefined;
  /** the keys of servers that may forward what they hold to this one */
  readonly acceptFrom?: readonly AuthorKey[] | undefined;
  /** default: this machine only */
  readonly adminHost?: string | undefined;
  /** how long a server that is to stop says that it is not ready, and goes on, so that balancers notice; default 0 */
  readonly drainDelayMs?: number | undefined;
}

export interface RunningServer {
  /** the address it listens on, such as "http://127.0.0.1:8080" */
  readonly url: string;
  /** where metrics are, such as "http://127.0.0.1:9090" */
  readonly adminUrl: string | undefined;
  /**
   * Say that it is not ready, and after the delay take no
   * more connections, end live sessions, let requests finish for a while, close the storage.
   */
  close(): Promise<void>;
}

/** What one address of the system may hold open: live sessions, and requests beside them. */
const maxConnections = 22_000;
const drainMs = 5000;

/**
 * Start a server on Node.
 *
 * @throws `store/blocked` when another process holds the data directory; the system's error when the port is taken
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const env = createSystemEnv();
  const crypto = createWebCrypto(env);
  const logger = options.logger ?? silentLogger;
  const staticHandler =
    options.demoFolder === undefined ? undefined : createStaticHandler(options.demoFolder);
  const backend = await openBackend(options, { crypto, env, logger });
  const { storage, signing, cluster } = backend;
  const host = options.host ?? "127.0.0.1";
  let server: Server | undefined;
  try {
    if (options.startsNewEpoch === true) await storage.startNewEpochs();
    server = await listen(host, options.port);
    const url = urlOf(server, host);
    const ownOrigins = ownOriginsOf(url, options.publicUrl);
    const metrics = createMetrics();
    const relay = createRelay({
      crypto,
      env,
      storage,
      signing,
      origins: ownOrigins,
      limits: options.limits ?? {},
      logger,
      cluster,
      push: openPush(options, { crypto, env, logger, secret: backend.pushSecret }),
      metrics: createRelayMetrics(metrics),
      acceptFrom: options.acceptFrom,
      forwardTo: openLinks(options, { crypto, env, signing, logger }),
      forwardTenants: options.forwardTenants && new Set(options.forwardTenants),
      forwardsFiles: options.forwardsFiles,
    });
    const admin = await openAdmin(options, { relay, metrics, storage });
    const origins = createOriginPolicy({ ownOrigins, allowedOrigins: options.allowedOrigins ?? [] });
    const sockets = createLiveSockets({ relay, env, origins });
    serve(server, { relay, origins, sockets, staticHandler });
    backend.start(relay);
    const running = { server, relay, sockets, backend, env, admin, drainDelayMs: options.drainDelayMs ?? 0 };
    return { url, adminUrl: admin?.url, close: () => shutDown(running) };
  } catch (cause) {
    server?.close();
    await backend.close();
    throw cause;
  }
}

function openPush(
  { publicUrl, pushHosts: hosts = [], pushSubject }: ServerOptions,
  parts: Pick<PushServiceOptions, "crypto" | "env" | "logger" | "secret">,
): PushService | undefined {
  const subject = pushSubject ?? (publicUrl?.startsWith("https://") === true ? publicUrl : undefined);
  return subject === undefined ? undefined : createPushService({ ...parts, subject, hosts });
}

function openLinks(
  { forwardTo = [] }: ServerOptions,
  world: {
    readonly crypto: Crypto;
    readonly env: Env;
    readonly signing: SigningKeyPair;
    readonly logger: Logger;
  },
): readonly ForwardLink[] {
  const { crypto, env, signing, logger } = world;
  return forwardTo.map((url) => {
    logger.info("forward.started", { to: url, key: bytesToBase64url(signing.publicKey) });
    return createForwardLink({ crypto, env, signing, http: createHttpTransport(env, url) });
  });
}

async function openAdmin(
  { adminPort: port, adminHost: host = "127.0.0.1" }: ServerOptions,
  parts: Pick<AdminOptions, "relay" | "metrics" | "storage">,
): Promise<{ readonly url: string; close(): Promise<void> } | undefined> {
  if (port === undefined) return undefined;
  const admin = await startAdmin({ ...parts, host, port });
  return { url: `http://${bracketed(host)}:${admin.port}`, close: () => admin.close() };
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
  server.maxConnections = maxConnections;
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
  return `http://${bracketed(host)}:${address.port}`;
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
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
  readonly backend: Backend;
  readonly env: Pick<Env, "setTimer">;
  readonly admin: { close(): Promise<void> } | undefined;
  readonly drainDelayMs: number;
}

/**
 * ```
 * not ready, still serving ──delay──► no new connections; live sessions are told and closed ──requests end, 5 s──► closed
 *                                     nothing more is forwarded                         ──what is under way, 2 s──┘
 * ```
 */
async function shutDown(running: Running): Promise<void> {
  const { server, relay, sockets, backend, env, admin, drainDelayMs } = running;
  relay.drain();
  if (drainDelayMs > 0) await new Promise<void>((resolve) => void env.setTimer(drainDelayMs, resolve));
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  relay.close();
  const forwarded = relay.stopForwarding();
  server.closeIdleConnections();
  const cancel = env.setTimer(drainMs, () => {
    sockets.close();
    server.closeAllConnections();
  });
  await closed;
  cancel();
  sockets.close();
  await forwarded;
  await admin?.close();
  await backend.close();
}
