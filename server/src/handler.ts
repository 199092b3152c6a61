/**
 * The relay: one `(Request) => Promise<Response>` and live sessions, over a storage. It knows no Node and no sockets, so
 * that it runs in a simulator as it does on a server.
 *
 * | route | body | answer |
 * |---|---|---|
 * | GET /sync/capabilities | | JSON |
 * | GET /sync/health | | JSON `{ ok: true }`, as long as the process lives |
 * | GET /sync/ready | | JSON `{ ready: true }`; 503 while the storage does not answer, or before the server stops |
 * | POST /v1/auth/challenge, /v1/auth/token | JSON | JSON |
 * | POST /v1/tenants | publication | 201, or 200 when it was there |
 * | POST /v1/t/{tenant}/sync | frames | frames, streamed |
 * | GET /v1/t/{tenant}/live | | {@link Relay.openLive}; without a WebSocket 426 |
 *
 * Failures are JSON `{ code, message }` with the status of `error-status.ts`. Whatever the bytes, a request gets an answer.
 */
import type { SigningKeyPair } from "../../src/crypto/index.ts";
import { CofferError, parseId, type Env } from "../../src/std/index.ts";
import { createAuthenticator } from "./auth.ts";
import { createAuthorCommits } from "./author-commits.ts";
import { createDirectories, type RelayCrypto } from "./directories.ts";
import { errorResponse, isExpected } from "./error-status.ts";
import { push, type ExchangeParts } from "./exchange.ts";
import { createHeads } from "./heads.ts";
import { LiveSessions, type LiveConnection, type LiveSession } from "./live.ts";
import { describeFailure, silentLogger, type Logger } from "./logger.ts";
import type { Quotas } from "./quota.ts";
import { createRateLimiter, type Rate, type RateLimiter } from "./rate-limit.ts";
import { createReadiness } from "./readiness.ts";
import { silentMetrics, type RelayMetrics } from "./relay-metrics.ts";
import { hasType } from "./request-body.ts";
import { createRoutes, type Route } from "./routes.ts";
import type { Session } from "./sessions.ts";
import type { RelayStorage } from "./storage.ts";

/** What a relay grants; every field has a default. */
export interface RelayLimits extends Quotas {
  readonly maxTenants: number;
  /** requests without a session, by the caller's address */
  readonly anonymous: Rate;
  /** requests and live frames of one user */
  readonly member: Rate;
}

export interface RelayOptions {
  readonly crypto: RelayCrypto;
  readonly env: Pick<Env, "nowMs" | "monotonicMs" | "setTimer">;
  readonly storage: RelayStorage;
  /** signs tree heads; clients know the server by it */
  readonly signing: SigningKeyPair;
  /**
   * The origins that this server is reached at, the public one first. An answer to a challenge is good for one of these
   * only, so that another server cannot pass it on; the Host header is never trusted to name one.
   */
  readonly origins: readonly [string, ...string[]];
  readonly limits?: Partial<RelayLimits>;
  readonly logger?: Logger;
  readonly metrics?: RelayMetrics;
}

export interface Relay {
  /** @param peer names the caller for rate limits, such as its address */
  fetch(request: Request, peer?: string): Promise<Response>;
  /** Begin a live session on a connection that is open. @throws `input/unknown-id` when the path's tenant is no id */
  openLive(tenant: string, connection: LiveConnection): LiveSession;
  liveCount(): number;
  /** What stands against sending new callers here: the storage does not answer, or the server is about to stop. */
  unready(): Promise<CofferError | undefined>;
  /** Say from now on that this server is not ready; it goes on answering. */
  drain(): void;
  /** End live sessions in a way that makes clients come again, here or elsewhere; the storage stays open. */
  close(): void;
}

const defaultLimits: RelayLimits = {
  tenantBytes: 16 * 1024 ** 3,
  tenantCommits: Infinity,
  userBytes: Infinity,
  userCommits: Infinity,
  maxTenants: 100_000,
  anonymous: { perMinute: 600, burst: 300 },
  member: { perMinute: 6000, burst: 2000 },
};

/** Create a relay over a storage. */
export function createRelay(options: RelayOptions): Relay {
  const { crypto, env, storage, signing, origins } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const { logger = silentLogger, metrics = silentMetrics } = options;
  const readiness = createReadiness(env, storage);
  const directories = createDirectories(crypto, storage);
  const authenticator = createAuthenticator({ crypto, env, directories, serverKey: signing.publicKey });
  const members = createRateLimiter(env, limits.member);
  const parts: ExchangeParts = {
    crypto,
    storage,
    directories,
    authenticator,
    authorCommits: createAuthorCommits(crypto, storage),
    heads: createHeads({ crypto, env, storage, signing }),
    quotas: limits,
    metrics,
    changed: (tenantId, dbId) => live.changed(tenantId, dbId),
  };
  const charge = ({ tenantId, userKey }: Session): void => takeOne(members, `${tenantId}/${userKey}`);
  const live = new LiveSessions({
    ...parts,
    env,
    logger,
    push: (session, replicaId, frame) => push(parts, session, replicaId, frame),
    charge,
  });
  const findRoute = createRoutes({
    ...parts,
    env,
    origins,
    logger,
    charge,
    maxTenants: limits.maxTenants,
    serverKey: signing.publicKey,
    unready: () => readiness.unready(),
  });
  const anonymous = createRateLimiter(env, limits.anonymous);

  return {
    async fetch(request, peer = "") {
      const startMs = env.monotonicMs();
      const route = findRoute(new URL(request.url).pathname);
      let response: Response;
      try {
        response = await answer(route, anonymous, request, peer);
      } catch (cause) {
        if (!isExpected(cause)) logger.warn("request.failed", describeFailure(cause));
        response = errorResponse(cause);
      }
      metrics.answered(route?.name ?? "none", response.status, (env.monotonicMs() - startMs) / 1000);
      return response;
    },
    openLive(tenant, connection) {
      const tenantId = parseId("TenantId", tenant);
      if (tenantId === undefined) throw new CofferError("input/unknown-id");
      metrics.liveOpened();
      return live.open(tenantId, connection);
    },
    liveCount: () => live.count,
    unready: () => readiness.unready(),
    drain: () => readiness.drain(),
    close() {
      readiness.drain();
      live.closeAll();
    },
  };
}

/** Check method and type, and let the route answer. */
async function answer(
  route: Route | undefined,
  anonymous: RateLimiter,
  request: Request,
  peer: string,
): Promise<Response> {
  if (route === undefined) throw new CofferError("input/unknown-id", { message: "There is nothing here." });
  if (request.method !== route.method) {
    const error = new CofferError("input/invalid", { message: "This method is not allowed here." });
    return errorResponse(error, { status: 405, headers: { Allow: route.method } });
  }
  if (route.type !== undefined && !hasType(request, route.type)) {
    const error = new CofferError("input/invalid", { message: `The body must be ${route.type}.` });
    return errorResponse(error, { status: 415 });
  }
  if (route.isLimited) takeOne(anonymous, peer);
  return route.handle(request);
}

function takeOne(limiter: RateLimiter, name: string): void {
  const waitMs = limiter.take(name);
  if (waitMs > 0) throw new CofferError("net/rate-limited", { retryAfterMs: waitMs });
}
