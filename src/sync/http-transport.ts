/**
 * HTTP through `fetch`: no cookies, no redirects, bounded time and bounded answers.
 */
import {
  bytesToBase64url,
  bytesToUtf8,
  CofferError,
  concatBytes,
  isErrorCode,
  utf8ToBytes,
  type CofferErrorCode,
  type Env,
} from "../std/index.ts";
import { pullBytes } from "./engine-frames.ts";
import { syncLimits, type Capabilities } from "./messages.ts";
import type { ChunkRequest, ChunkTransport, HttpTransport } from "./transport.ts";

/** How to reach a server. */
export interface HttpOptions {
  /** also `http:` to hosts other than this device: for tests and private networks */
  readonly allowsPlainHttp?: boolean;
  readonly timeoutMs?: number;
}

const jsonBytes = 64 * 1024;
/** What a server may add to the budget that was asked for: the frame that passes it, acknowledgements and heads. */
const answerBytes = pullBytes + 4 * syncLimits.frameBytes + 4 * 1024 * 1024;
const defaultTimeoutMs = 30_000;

/**
 * Read a server's address as a person wrote it.
 *
 * @throws `input/invalid` unless it is https, or http to this device, without credentials, path, query or fragment
 */
export function parseServerUrl(text: string, options: HttpOptions = {}): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw new CofferError("input/invalid", { reason: "url" });
  const isLoopback =
    ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname) || url.hostname.endsWith(".localhost");
  const isAllowed =
    url.protocol === "https:" ||
    (url.protocol === "http:" && (isLoopback || options.allowsPlainHttp === true));
  if (!isAllowed) throw new CofferError("input/invalid", { reason: "scheme" });
  const isBare =
    url.username === "" &&
    url.password === "" &&
    url.pathname === "/" &&
    url.search === "" &&
    url.hash === "";
  if (!isBare) throw new CofferError("input/invalid", { reason: "only scheme, host and port" });
  return url;
}

interface Ask {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly signal?: AbortSignal | undefined;
  readonly maxBytes: number;
  readonly onChunk: (chunk: Uint8Array) => void;
}

/**
 * Talk to one server over HTTP.
 *
 * @throws `input/invalid` as {@link parseServerUrl}
 */
export function createHttpTransport(env: Env, serverUrl: string, options: HttpOptions = {}): HttpTransport {
  const { origin } = parseServerUrl(serverUrl, options);
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  const ask = (what: Ask): Promise<void> => request(env, origin, timeoutMs, what);
  const askBytes = async (what: Omit<Ask, "onChunk">): Promise<Uint8Array<ArrayBuffer>> => {
    const chunks: Uint8Array[] = [];
    await ask({ ...what, onChunk: (chunk) => void chunks.push(chunk) });
    return concatBytes(...chunks);
  };
  const askJson = async (what: Omit<Ask, "maxBytes" | "onChunk">): Promise<unknown> => {
    const value = parseJson(await askBytes({ ...what, maxBytes: jsonBytes }));
    if (value === undefined) throw new CofferError("protocol/malformed", { reason: "json" });
    return value;
  };
  return {
    origin,
    readCapabilities: async (signal) =>
      parseCapabilities(await askJson({ method: "GET", path: "/sync/capabilities", signal })),
    postJson: (path, body, signal, token) =>
      askJson({
        method: "POST",
        path,
        headers: { ...(token && headersOf(token)), "content-type": "application/json" },
        body: utf8ToBytes(JSON.stringify(body)),
        signal,
      }),
    publish: (publication, signal) =>
      ask({
        method: "POST",
        path: "/v1/tenants",
        headers: { "content-type": "application/octet-stream" },
        body: publication,
        signal,
        maxBytes: jsonBytes,
        onChunk: () => undefined,
      }),
    chunks: createChunkTransport(askJson, askBytes),
    exchange: ({ tenantId, token, body, onChunk, signal, endpoint = "sync" }) =>
      ask({
        method: "POST",
        path: `/v1/t/${tenantId}/${endpoint}`,
        headers: headersOf(token),
        body,
        signal,
        maxBytes: answerBytes,
        onChunk,
      }),
    follow: ({ tenantId, body, onChunk, signal, wantsEvents }) =>
      ask({
        method: "POST",
        path: `/v1/t/${tenantId}/live`,
        headers: {
          "content-type": "application/octet-stream",
          accept: wantsEvents ? "text/event-stream" : "application/octet-stream",
        },
        body,
        signal,
        maxBytes: wantsEvents ? Infinity : answerBytes,
        onChunk,
      }),
  };
}

/** Move chunks by two kinds of request: one whose answer is JSON, and one whose answer is bytes. */
function createChunkTransport(
  askJson: (what: Omit<Ask, "maxBytes" | "onChunk">) => Promise<unknown>,
  askBytes: (what: Omit<Ask, "onChunk">) => Promise<Uint8Array<ArrayBuffer>>,
): ChunkTransport {
  return {
    put: ({ body, query, signal, token, ...name }) =>
      askJson({
        method: "PUT",
        path: `${chunkPath(name)}?${query}`,
        headers: headersOf(token),
        body,
        signal,
      }),
    get: ({ maxBytes, signal, token, ...name }) =>
      askBytes({ method: "GET", path: chunkPath(name), headers: headersOf(token), signal, maxBytes }),
  };
}

function headersOf(token: Uint8Array): Readonly<Record<string, string>> {
  return {
    "content-type": "application/octet-stream",
    authorization: `Bearer ${bytesToBase64url(token)}`,
  };
}

function chunkPath({ hash, tenantId }: Pick<ChunkRequest, "hash" | "tenantId">): string {
  return `/v1/t/${tenantId}/blob/${bytesToBase64url(hash)}`;
}

/** Time runs out when nothing has arrived for `timeoutMs`, so that a slow but living answer is read to its end. */
async function request(env: Env, origin: string, timeoutMs: number, what: Ask): Promise<void> {
  const abort = new AbortController();
  let isLate = false;
  const late = (): void => {
    isLate = true;
    abort.abort();
  };
  let stopTimer = env.setTimer(timeoutMs, late);
  const stop = (): void => abort.abort();
  what.signal?.addEventListener("abort", stop);
  const onChunk = (chunk: Uint8Array): void => {
    stopTimer();
    stopTimer = env.setTimer(timeoutMs, late);
    what.onChunk(chunk);
  };
  try {
    if (what.signal?.aborted === true) throw new CofferError("aborted");
    const response = await fetch(origin + what.path, {
      method: what.method,
      ...(what.headers === undefined ? {} : { headers: what.headers }),
      ...(what.body === undefined ? {} : { body: what.body }),
      redirect: "error",
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      signal: abort.signal,
    });
    if (!response.ok) throw await errorOf(response);
    await readBody(response, what.maxBytes, onChunk);
  } catch (error) {
    abort.abort();
    if (isLate) throw new CofferError("net/timeout", {}, { cause: error });
    if (what.signal?.aborted === true) throw new CofferError("aborted", {}, { cause: error });
    if (error instanceof CofferError) throw error;
    throw new CofferError(env.isOnline() ? "net/failed" : "net/offline", {}, { cause: error });
  } finally {
    stopTimer();
    what.signal?.removeEventListener("abort", stop);
  }
}

async function readBody(
  response: Response,
  maxBytes: number,
  onChunk: (chunk: Uint8Array) => void,
): Promise<void> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  let sizeBytes = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    sizeBytes += part.value.length;
    if (sizeBytes > maxBytes) throw new CofferError("protocol/malformed", { reason: "answer too large" });
    onChunk(part.value);
  }
}

/** The code the server names, or the one its status stands for. */
async function errorOf(response: Response): Promise<CofferError> {
  const chunks: Uint8Array[] = [];
  try {
    await readBody(response, jsonBytes, (chunk) => void chunks.push(chunk));
  } catch {
    // The status alone decides then.
  }
  const value = parseJson(concatBytes(...chunks));
  const named = typeof value === "object" && value !== null && "code" in value ? value.code : undefined;
  const code = isErrorCode(named) ? named : codeOfStatus(response.status);
  const wipe = typeof value === "object" && value !== null && "wipe" in value ? value.wipe : undefined;
  return new CofferError(code, {
    ...(typeof wipe === "string" && { wipe }),
    status: response.status,
    retryAfterMs: readRetryAfter(response.headers.get("retry-after")),
  });
}

const codesByStatus: Readonly<Record<number, CofferErrorCode>> = {
  400: "protocol/malformed",
  401: "access/unauthenticated",
  403: "access/denied",
  404: "input/unknown-id",
  408: "net/timeout",
  409: "directory/behind",
  413: "input/too-large",
  422: "entry/forged",
  426: "protocol/version",
  429: "net/rate-limited",
  507: "store/quota",
};

function codeOfStatus(status: number): CofferErrorCode {
  return codesByStatus[status] ?? "net/failed";
}

/** Seconds, as servers of this protocol say it; a date counts as nothing said. */
function readRetryAfter(value: string | null): number {
  return value !== null && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : 0;
}

function parseJson(bytes: Uint8Array): unknown {
  const text = bytesToUtf8(bytes);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

/**
 * Read what `GET /sync/capabilities` said. Fields that are not known are ignored.
 *
 * @throws `protocol/malformed`
 */
export function parseCapabilities(value: unknown): Capabilities {
  const top = fieldsOf(value);
  const capabilities = fieldsOf(top["capabilities"]);
  const limits = fieldsOf(top["limits"]);
  const { protocolVersion, pushKey, serverKey } = top;
  const { frameBytes, requestBytes } = limits;
  const isRead =
    typeof protocolVersion === "number" &&
    typeof serverKey === "string" &&
    typeof frameBytes === "number" &&
    typeof requestBytes === "number";
  if (!isRead) throw new CofferError("protocol/malformed", { reason: "capabilities" });
  const { log, heads, ws, sse, reconcile, leaves } = capabilities;
  return {
    protocolVersion,
    capabilities: {
      log: log === true,
      heads: heads === true,
      ws: ws === true,
      sse: sse === true,
      reconcile: reconcile === true,
      leaves: leaves === true,
    },
    limits: { frameBytes, requestBytes },
    serverKey,
    ...(typeof pushKey === "string" && { pushKey }),
  };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
