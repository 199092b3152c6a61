import {
  bytesToBase64url,
  CofferError,
  parseBase64url,
  parseId,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";
import {
  decodeFrames,
  entryCallLimits,
  protocolVersion,
  syncLimits,
  type Capabilities,
} from "../../src/sync/index.ts";
import { answerChunks, getChunk, putChunk, type ChunkBringer, type ChunkParts } from "./chunks.ts";
import { errorResponse, jsonResponse } from "./error-status.ts";
import { entries, type EntryParts } from "./entries.ts";
import { answerForward } from "./forward-answer.ts";
import type { ForwardAuth } from "./forward-auth.ts";
import { exchange, type ExchangeParts } from "./exchange.ts";
import { answerLive, type LiveStreamParts } from "./live-streams.ts";
import { reconcile, type ReconcileParts } from "./reconcile.ts";
import { shortId, type Logger } from "./logger.ts";
import { publishTenant } from "./publish.ts";
import { readBody, readJson, type BodyDeadline } from "./request-body.ts";
import type { Session } from "./sessions.ts";
import { setEndpoint, type WakeParts } from "./wake.ts";

/** One thing a request can ask for. */
export interface Route {
  /** what it is called in metrics */
  readonly name: string;
  readonly method: "GET" | "POST" | "PUT";
  /** the one type that a body may have */
  readonly type?: "application/json" | "application/octet-stream";
  /** whether the caller's address limits it; the others check a session by themselves, or are asked by who runs the server */
  readonly isLimited: boolean;
  readonly handle: (request: Request) => Promise<Response>;
}

export interface RouteParts
  extends
    ExchangeParts,
    ReconcileParts,
    ChunkParts,
    WakeParts,
    Pick<EntryParts, "entryIndexes">,
    Pick<LiveStreamParts, "live" | "maxLive"> {
  readonly storage: ExchangeParts["storage"];
  readonly authenticator: ExchangeParts["authenticator"];
  readonly forwardAuth: ForwardAuth;
  readonly env: Pick<Env, "nowMs" | "setTimer">;
  /** how long the body of a caller who has not signed in may take */
  readonly anonymousBodyMs: number;
  readonly origins: readonly [string, ...string[]];
  readonly logger: Logger;
  readonly charge: (bringer: ChunkBringer) => void;
  readonly maxTenants: number;
  readonly unready: () => Promise<CofferError | undefined>;
}

/** Finds the route of a path. Ids in it are parsed, never used as text; some paths have a route for each of two methods. */
export type FindRoute = (pathname: string, method: string) => Route | undefined;

const maxJsonBytes = 16 * 1024;

/** Create the table of routes. */
export function createRoutes(parts: RouteParts): FindRoute {
  const fixed = fixedRoutes(parts);
  return (pathname, method) => {
    const known = fixed.get(pathname);
    if (known !== undefined) return known;
    const [root, version, kind, tenant, action, name, ...rest] = pathname.split("/");
    if (root !== "" || version !== "v1" || kind !== "t" || rest.length > 0) return undefined;
    const tenantId = parseId("TenantId", tenant);
    if (tenantId === undefined) return undefined;
    if (action === "blob") return chunkRoute(parts, tenantId, { method, name });
    if (name !== undefined) return undefined;
    if (action === "wake") return wakeRoute(parts, tenantId);
    const type = "application/octet-stream";
    if (action === "live" && method === "POST") {
      const handle = (request: Request): Promise<Response> => answerLive(parts, tenantId, request);
      return { name: "live", method, type, isLimited: true, handle };
    }
    if (action === "live")
      return { name: "live", method: "GET", isLimited: true, handle: async () => upgradeRequired() };
    if (action === "entries") {
      const handle = (request: Request): Promise<Response> => askEntries(parts, tenantId, request);
      return { name: "entries", method: "POST", type, isLimited: false, handle };
    }
    if (action === "forward") {
      const handle = (request: Request): Promise<Response> => takeForwarded(parts, tenantId, request);
      return { name: "forward", method: "POST", type, isLimited: false, handle };
    }
    if (action === "blobs") {
      const handle = (request: Request): Promise<Response> => askChunks(parts, tenantId, request);
      return { name: "chunks", method: "POST", type, isLimited: false, handle };
    }
    if (action !== "sync" && action !== "reconcile") return undefined;
    const handle = (request: Request): Promise<Response> => exchangeFrames(parts, tenantId, action, request);
    return { name: action, method: "POST", type, isLimited: false, handle };
  };
}

function wakeRoute(parts: RouteParts, tenantId: TenantId): Route {
  const handle = async (request: Request): Promise<Response> => {
    const session = await sessionOf(parts, tenantId, request);
    return setEndpoint(parts, session, await readJson(request, maxJsonBytes, anonymousDeadline(parts)));
  };
  return { name: "wake", method: "POST", type: "application/json", isLimited: false, handle };
}

/** A chunk's name is its hash: anything else names nothing. */
function chunkRoute(
  parts: RouteParts,
  tenantId: TenantId,
  { method, name = "" }: { readonly method: string; readonly name: string | undefined },
): Route | undefined {
  const hash = name.length <= 43 ? parseBase64url(name) : undefined;
  if (hash?.length !== 32) return undefined;
  if (method !== "PUT") {
    const handle = async (request: Request): Promise<Response> =>
      getChunk(parts, await sessionOf(parts, tenantId, request), hash, request);
    return { name: "chunk", method: "GET", isLimited: false, handle };
  }
  const handle = async (request: Request): Promise<Response> =>
    putChunk(parts, await bringerOf(parts, tenantId, request), hash, request);
  return { name: "chunk", method: "PUT", type: "application/octet-stream", isLimited: false, handle };
}

/** Whoever asks, as a member of this tenant, at their own cost. @throws `access/…`, `net/rate-limited` */
async function sessionOf(parts: RouteParts, tenantId: TenantId, request: Request): Promise<Session> {
  const session = parts.authenticator.session(bearerOf(request));
  if (session.tenantId !== tenantId) throw new CofferError("access/denied");
  await parts.authenticator.authorize(session);
  parts.charge(session);
  return session;
}

/** Who brings chunks: another server that may forward, else a member. @throws as {@link sessionOf} */
async function bringerOf(parts: RouteParts, tenantId: TenantId, request: Request): Promise<ChunkBringer> {
  const forwarding = parts.forwardAuth.find(bearerOf(request), tenantId);
  if (forwarding === undefined) return sessionOf(parts, tenantId, request);
  const bringer = { tenantId, userKey: forwarding.userKey, isForwarder: true } as const;
  parts.charge(bringer);
  return bringer;
}

function fixedRoutes(parts: RouteParts): ReadonlyMap<string, Route> {
  const { authenticator } = parts;
  const readQuestion = (request: Request): Promise<unknown> =>
    readJson(request, maxJsonBytes, anonymousDeadline(parts));
  const capabilities = capabilitiesOf(parts.signing.publicKey, parts.service?.publicKey);
  const postJson = { method: "POST", type: "application/json", isLimited: true } as const;
  return new Map<string, Route>([
    [
      "/sync/capabilities",
      {
        name: "capabilities",
        method: "GET",
        isLimited: true,
        handle: async () => jsonResponse(capabilities, { "Cache-Control": "no-cache" }),
      },
    ],
    [
      "/sync/health",
      { name: "health", method: "GET", isLimited: false, handle: async () => jsonResponse({ ok: true }) },
    ],
    ["/sync/ready", { name: "ready", method: "GET", isLimited: false, handle: () => readyResponse(parts) }],
    [
      "/v1/auth/challenge",
      {
        name: "challenge",
        ...postJson,
        handle: async (request) => jsonResponse(authenticator.challenge(await readQuestion(request))),
      },
    ],
    [
      "/v1/auth/token",
      {
        name: "token",
        ...postJson,
        handle: async (request) =>
          jsonResponse(
            await authenticator.token(await readQuestion(request), originOf(parts.origins, request)),
          ),
      },
    ],
    [
      "/v1/auth/forward",
      {
        name: "forward-token",
        ...postJson,
        handle: async (request) =>
          jsonResponse(
            await parts.forwardAuth.token(await readQuestion(request), originOf(parts.origins, request)),
          ),
      },
    ],
    [
      "/v1/tenants",
      {
        name: "publish",
        method: "POST",
        type: "application/octet-stream",
        isLimited: true,
        handle: (request) => publish(parts, request),
      },
    ],
  ]);
}

function capabilitiesOf(serverKey: Uint8Array, pushKey: Uint8Array | undefined): Capabilities {
  return {
    protocolVersion,
    capabilities: { log: true, heads: true, ws: true, sse: true, reconcile: true, leaves: true },
    limits: { frameBytes: syncLimits.frameBytes, requestBytes: syncLimits.requestBytes },
    serverKey: bytesToBase64url(serverKey),
    ...(pushKey === undefined ? {} : { pushKey: bytesToBase64url(pushKey) }),
  };
}

/** Who has not shown who they are does not keep a request open by sending it drop by drop. */
const anonymousDeadline = ({ env, anonymousBodyMs }: RouteParts): BodyDeadline => ({
  env,
  withinMs: anonymousBodyMs,
});

/** An answer to a challenge names one origin: the one this request came to, when it is one of ours. */
function originOf(origins: RouteParts["origins"], request: Request): string {
  const { origin } = new URL(request.url);
  return origins.includes(origin) ? origin : origins[0];
}

async function readyResponse({ unready }: RouteParts): Promise<Response> {
  const error = await unready();
  return error === undefined ? jsonResponse({ ready: true }) : errorResponse(error, { status: 503 });
}

async function publish(parts: RouteParts, request: Request): Promise<Response> {
  const body = await readBody(request, syncLimits.requestBytes, anonymousDeadline(parts));
  const { tenantId, directoryDbId, isNew } = await publishTenant(parts, body);
  parts.logger.info("tenant.published", { tenant: shortId(tenantId), isNew });
  if (!isNew) parts.changed({ tenantId, dbId: directoryDbId });
  return jsonResponse({ tenant: tenantId }, {}, isNew ? 201 : 200);
}

async function exchangeFrames(
  parts: RouteParts,
  tenantId: TenantId,
  action: "sync" | "reconcile",
  request: Request,
): Promise<Response> {
  const session = await sessionOf(parts, tenantId, request);
  const frames = decodeFrames(await readBody(request, syncLimits.requestBytes));
  if (frames === undefined) throw new CofferError("protocol/malformed");
  const answer = action === "sync" ? exchange : reconcile;
  const body = streamOf(await answer(parts, session, frames));
  return new Response(body, {
    headers: { "Content-Type": "application/octet-stream", "Cache-Control": "no-store" },
  });
}

async function askChunks(parts: RouteParts, tenantId: TenantId, request: Request): Promise<Response> {
  return answerChunks(parts, await bringerOf(parts, tenantId, request), request);
}

async function askEntries(parts: RouteParts, tenantId: TenantId, request: Request): Promise<Response> {
  const session = await sessionOf(parts, tenantId, request);
  const answer = await entries(parts, session, await readBody(request, entryCallLimits.questionBytes));
  return new Response(answer, {
    headers: { "Content-Type": "application/octet-stream", "Cache-Control": "no-store" },
  });
}

/** Another server brings what it holds, at the cost of one user. */
async function takeForwarded(parts: RouteParts, tenantId: TenantId, request: Request): Promise<Response> {
  const session = parts.forwardAuth.session(bearerOf(request), tenantId);
  parts.charge(session);
  const answer = await answerForward(parts, session, await readBody(request, syncLimits.requestBytes));
  return new Response(answer, {
    headers: { "Content-Type": "application/octet-stream", "Cache-Control": "no-store" },
  });
}

function bearerOf(request: Request): Uint8Array | undefined {
  const [, token] = /^Bearer ([\w-]{22,342})$/i.exec(request.headers.get("Authorization") ?? "") ?? [];
  return token === undefined ? undefined : parseBase64url(token);
}

function upgradeRequired(): never {
  throw new CofferError("protocol/version", { message: "This address takes WebSocket connections." });
}

/** A body that makes its next chunk when the one before was taken. A failure in the middle breaks the body off. */
function streamOf(
  chunks: AsyncGenerator<Uint8Array<ArrayBuffer>, void>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return(undefined);
    },
  });
}
