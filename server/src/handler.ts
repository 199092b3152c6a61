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
 * | POST /v1/t/{tenant}/reconcile | frames: HELLO, RANGES | frames: PUSH with what the caller lacks, RANGES, END |
 * | POST /v1/t/{tenant}/entries | one of the specification's calls, see sync/entry-calls.ts | its answer |
 * | PUT, GET /v1/t/{tenant}/blob/{hash} | a chunk of a file | see chunks.ts |
 * | POST /v1/t/{tenant}/blobs | which of many chunks are asked for | which are here, see chunks.ts |
 * | POST /v1/auth/forward, /v1/t/{tenant}/forward | JSON, frames | JSON, frames: another server brings what it holds, see forward-auth.ts |
 * | POST /v1/t/{tenant}/wake | JSON `{ endpoint }` | JSON `{}`, see wake.ts |
 * | GET /v1/t/{tenant}/live | | {@link Relay.openLive}; without a WebSocket 426 |
 * | POST /v1/t/{tenant}/live | frames | an event stream or a long poll, see live-streams.ts |
 *
 * Failures are JSON `{ code, message }` with the status of `error-status.ts`. Whatever the bytes, a request gets an answer.
 */
import type { SigningKeyPair } from "../../src/crypto/index.ts";
import {
  CofferError,
  parseId,
  type AuthorKey,
  type DbId,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";
import { createAuthenticator, type AuthSecrets } from "./auth.ts";
import type { ChunkBringer } from "./chunks.ts";
import { createAuthorCommits } from "./author-commits.ts";
import { createLogSets } from "./log-sets.ts";
import { createMemoryBurn } from "./challenges.ts";
import { createDirectories, standingOf, type RelayCrypto } from "./directories.ts";
import { errorResponse, isExpected } from "./error-status.ts";
import { EntryIndexes } from "./entries.ts";
import { push, type ExchangeParts } from "./exchange.ts";
import { createForwardAuth } from "./forward-auth.ts";
import type { ForwardLink } from "./forward-link.ts";
import { openForwarding } from "./forwarding.ts";
import { createHeads } from "./heads.ts";
import { LiveSessions, type LiveConnection, type LiveSession, type Whisper } from "./live.ts";
import { describeFailure, silentLogger, type Logger } from "./logger.ts";
import type { Quotas } from "./quota.ts";
import { createRateLimiter, type Rate, type RateLimiter } from "./rate-limit.ts";
import { createReadiness } from "./readiness.ts";
import { silentMetrics, type RelayMetrics } from "./relay-metrics.ts";
import { hasType } from "./request-body.ts";
import { createRoutes, type FindRoute, type Route, type RouteParts } from "./routes.ts";
import type { Session } from "./sessions.ts";
import type { RelayStorage } from "./storage.ts";
import { Waker, type PushService, type WakerOptions } from "./waker.ts";

/** What a relay grants; every field has a default. */
export interface RelayLimits extends Quotas {
  readonly maxTenants: number;
  /** live sessions at once; more are refused */
  readonly maxLive: number;
  /** requests without a session, by the caller's address */
  readonly anonymous: Rate;
  /** how long the body of such a request may take to arrive, in milliseconds */
  readonly anonymousBodyMs: number;
  /** requests and live frames of one user */
  readonly member: Rate;
  /** whispers of one user; more are not passed on */
  readonly whispers: Rate;
}

export interface RelayOptions {
  readonly crypto: RelayCrypto;
  readonly env: Pick<Env, "nowMs" | "monotonicMs" | "setTimer" | "randomFraction">;
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
  /** wakes devices that have no live session; without it none are */
  readonly push?: PushService | undefined;
  /** the servers that may forward what they hold to this one, by their keys */
  readonly acceptFrom?: readonly AuthorKey[] | undefined;
  /** the servers that this one forwards to, and which tenants, where that is not all of them */
  readonly forwardTo?: readonly ForwardLink[] | undefined;
  readonly forwardTenants?: ReadonlySet<TenantId> | undefined;
  /** false: commits alone are forwarded, and what files hold stays here */
  readonly forwardsFiles?: boolean | undefined;
  /** the other nodes, where this one is not alone */
  readonly cluster?: RelayCluster | undefined;
}

/** What a node shares with the others that stand on the same storage. */
export interface RelayCluster {
  /** 32 bytes: challenges and tokens of one node are good at all of them */
  readonly key: Uint8Array;
  /** Use up a challenge on all nodes; `false` when it was used before. */
  burn(nonce: Uint8Array, expiresAtMs: number): Promise<boolean>;
  /** Tell the others that a log has grown here, and which of its commits have what they lacked. */
  announce(tenantId: TenantId, dbId: DbId, filled: readonly number[]): void;
  /** Tell the others that a chunk has come here which the commit at this place names. */
  chunkStored(tenantId: TenantId, dbId: DbId, seq: number): void;
  /** Pass on to the others what was whispered here. */
  whisper(tenantId: TenantId, whisper: Whisper): void;
}

export interface Relay {
  /** @param peer names the caller for rate limits, such as its address */
  fetch(request: Request, peer?: string): Promise<Response>;
  /** Begin a live session on a connection that is open. @throws `input/unknown-id` when the path's tenant is no id */
  openLive(tenant: string, connection: LiveConnection): LiveSession;
  liveCount(): number;
  /** Whether another live session has a place. */
  hasRoomForLive(): boolean;
  /** The tenants that somebody follows here. */
  liveTenants(): readonly TenantId[];
  /** A log has grown or gone on another node, or commits of it were filled: tell who follows it. */
  changed(tenantId: TenantId, dbId: DbId, filled?: readonly number[]): void;
  /** A chunk has come on another node that the commit at this place names. */
  chunkArrived(tenantId: TenantId, dbId: DbId, seq: number): void;
  /** Somebody whispered on another node. */
  whispered(tenantId: TenantId, whisper: Whisper): void;
  /** What stands against sending new callers here: the storage does not answer, or the server is about to stop. */
  unready(): Promise<CofferError | undefined>;
  /** Tenants that have something to be forwarded, or are to be looked at. */
  forwardWaiting(): number;
  /** Forward nothing more, and let what is under way end. */
  stopForwarding(): Promise<void>;
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
  maxLive: 20_000,
  anonymous: { perMinute: 600, burst: 300 },
  anonymousBodyMs: 20_000,
  member: { perMinute: 6000, burst: 2000 },
  whispers: { perMinute: 1200, burst: 100 },
};

/** Create a relay over a storage. */
export function createRelay(options: RelayOptions): Relay {
  const { env, storage, signing, origins, push: service } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const { logger = silentLogger, metrics = silentMetrics } = options;
  const readiness = createReadiness(env, storage);
  const parts = createParts(
    options,
    { limits, metrics },
    {
      changed: ({ tenantId, dbId, by, filled = [] }) => {
        live.changed(tenantId, dbId, filled);
        waker?.grown(tenantId, by);
        forwarding.grown(tenantId, dbId, filled);
        options.cluster?.announce(tenantId, dbId, filled);
      },
      whisper: (session, frame) => {
        if (whispered(session, frame)) live.whisper(session.tenantId, frame);
      },
    },
  );
  const charge = createCharging(env, limits.member);
  const whispered = createWhispering(options, limits.whispers);
  const live = new LiveSessions({
    ...parts,
    env,
    logger,
    push: (session, replicaId, frame) => push(parts, session, replicaId, frame),
    charge,
    whispered,
  });
  const waker = service && createWaker({ env, storage, service, logger, metrics }, parts.directories, live);
  const forwarding = openForwarding({ ...parts, ...options, logger, metrics });
  const findRoute = createRoutes({
    ...parts,
    env,
    origins,
    logger,
    charge,
    ...limits,
    live,
    signing,
    chunkStored: forwarding.chunkStored,
    unready: () => readiness.unready(),
    service,
  });
  const anonymous = createRateLimiter(env, limits.anonymous);

  return {
    fetch: timed({ env, metrics, findRoute }, (route, request, peer) =>
      answer({ route, anonymous, logger }, request, peer),
    ),
    openLive: (tenant, connection) => openLive(live, metrics, tenant, connection),
    liveCount: () => live.count,
    hasRoomForLive: () => live.count < limits.maxLive,
    liveTenants: () => live.tenants,
    changed(tenantId, dbId, filled) {
      live.changed(tenantId, dbId, filled);
      forwarding.grown(tenantId, dbId, filled);
    },
    whispered: (tenantId, whisper) => live.whisper(tenantId, whisper),
    ...forwarding.relay,
    unready: () => readiness.unready(),
    drain: () => readiness.drain(),
    close() {
      readiness.drain();
      waker?.close();
      live.closeAll();
    },
  };
}

/** Takes a request of who asks; what another server brings of files does not hold up its commits. */
function createCharging(env: RelayOptions["env"], rate: Rate): (bringer: ChunkBringer) => void {
  const members = createRateLimiter(env, rate);
  return ({ isForwarder, tenantId, userKey }) =>
    takeOne(members, `${tenantId}/${userKey}${isForwarder === true ? "/files" : ""}`);
}

/** Finds a request's route, and counts how long its answer took. */
function timed(
  {
    env,
    findRoute,
    metrics,
  }: Pick<RelayOptions, "env"> & {
    readonly findRoute: FindRoute;
    readonly metrics: RelayMetrics;
  },
  handle: (route: Route | undefined, request: Request, peer: string) => Promise<Response>,
): Relay["fetch"] {
  return async (request, peer = "") => {
    const startMs = env.monotonicMs();
    const route = findRoute(new URL(request.url).pathname, request.method);
    const response = await handle(route, request, peer);
    metrics.answered(route?.name ?? "none", response.status, (env.monotonicMs() - startMs) / 1000);
    return response;
  };
}

function openLive(
  live: LiveSessions,
  metrics: RelayMetrics,
  tenant: string,
  connection: LiveConnection,
): LiveSession {
  const tenantId = parseId("TenantId", tenant);
  if (tenantId === undefined) throw new CofferError("input/unknown-id");
  metrics.liveOpened();
  return live.open(tenantId, connection);
}

function createWaker(
  options: Omit<WakerOptions, "isLive" | "isMember">,
  directories: ExchangeParts["directories"],
  live: LiveSessions,
): Waker {
  return new Waker({
    ...options,
    isLive: (tenantId, device) => live.hasDevice(tenantId, device),
    async isMember(tenantId, user) {
      const directory = await directories.read(tenantId);
      return directory !== undefined && standingOf(directory.state, user) === "member";
    },
  });
}

/** Tells the other nodes of a whisper; `false` for one too many of its user. */
function createWhispering(
  { cluster, env }: RelayOptions,
  rate: Rate,
): (session: Session, whisper: Whisper) => boolean {
  const whisperers = createRateLimiter(env, rate);
  return ({ tenantId, userKey }, { dbId, sealed }) => {
    if (whisperers.take(`${tenantId}/${userKey}`) > 0) return false;
    cluster?.whisper(tenantId, { dbId, sealed });
    return true;
  };
}

/** A server that is alone forgets its secrets when it stops: nobody is signed in any longer, and no challenge is good. */
function secretsOf({ crypto, env, cluster }: RelayOptions): AuthSecrets {
  if (cluster === undefined) {
    const [challengeKey, tokenKey] = [crypto.randomBytes(32), crypto.randomBytes(32)];
    return { challengeKey, tokenKey, burn: createMemoryBurn(env) };
  }
  const burn = async (nonce: Uint8Array, expiresAtMs: number) =>
    (await cluster.burn(nonce, expiresAtMs)) ? ("fresh" as const) : ("used" as const);
  // Their preimages begin with domains of their own, so that one key serves both.
  return { challengeKey: cluster.key, tokenKey: cluster.key, burn };
}

function createParts(
  options: RelayOptions,
  { limits, metrics }: { readonly limits: RelayLimits; readonly metrics: RelayMetrics },
  hooks: Pick<ExchangeParts, "changed" | "whisper">,
): ExchangeParts & Pick<RouteParts, "logSets" | "entryIndexes" | "forwardAuth"> {
  const { crypto, env, storage, signing, acceptFrom = [] } = options;
  const secrets = secretsOf(options);
  const directories = createDirectories(crypto, storage);
  const serverKey = signing.publicKey;
  return {
    crypto,
    storage,
    directories,
    authenticator: createAuthenticator({ crypto, env, directories, serverKey, secrets }),
    forwardAuth: createForwardAuth({ crypto, env, storage, signing, secrets, acceptFrom }),
    authorCommits: createAuthorCommits(crypto, storage),
    heads: createHeads({ crypto, env, storage, signing }),
    logSets: createLogSets(storage),
    entryIndexes: new EntryIndexes(crypto),
    quotas: limits,
    metrics,
    ...hooks,
  };
}

interface Asked {
  readonly route: Route | undefined;
  readonly anonymous: RateLimiter;
  readonly logger: Logger;
}

/** Whatever happens, there is an answer. */
async function answer(
  { route, anonymous, logger }: Asked,
  request: Request,
  peer: string,
): Promise<Response> {
  try {
    if (route === undefined) throw new CofferError("input/unknown-id", { message: "There is nothing here." });
    const refusal = refusalOf(route, request);
    if (refusal !== undefined) return refusal;
    if (route.isLimited) takeOne(anonymous, peer);
    return await route.handle(request);
  } catch (cause) {
    if (!isExpected(cause)) logger.warn("request.failed", describeFailure(cause));
    return errorResponse(cause);
  }
}

/** Check method and type. */
function refusalOf(route: Route, request: Request): Response | undefined {
  if (request.method !== route.method) {
    const error = new CofferError("input/invalid", { message: "This method is not allowed here." });
    return errorResponse(error, { status: 405, headers: { Allow: route.method } });
  }
  if (route.type !== undefined && !hasType(request, route.type)) {
    const error = new CofferError("input/invalid", { message: `The body must be ${route.type}.` });
    return errorResponse(error, { status: 415 });
  }
  return undefined;
}

function takeOne(limiter: RateLimiter, name: string): void {
  const waitMs = limiter.take(name);
  if (waitMs > 0) throw new CofferError("net/rate-limited", { retryAfterMs: waitMs });
}
