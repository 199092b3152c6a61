import { isCofferError, toCofferError, type CofferError, type CofferErrorCode } from "../../src/std/index.ts";

/** The status that each code has on HTTP: the one table, for answers and for those who read them. */
export const statusByCode: Readonly<Record<CofferErrorCode, number>> = {
  "input/invalid": 400,
  "input/schema": 400,
  "input/too-large": 413,
  "input/expired": 400,
  "input/used": 409,
  "input/weak-password": 400,
  "input/unknown-id": 404,
  "access/unauthenticated": 401,
  "access/revoked": 403,
  "access/not-admin": 403,
  "access/denied": 403,
  "access/locked": 403,
  "key/missing": 400,
  "key/wrong-password": 400,
  "key/parameters": 400,
  "doc/missing": 404,
  "doc/deleted": 410,
  "entry/forged": 422,
  "entry/corrupt": 422,
  "store/quota": 507,
  "store/blocked": 503,
  "store/closed": 503,
  "store/failed": 503,
  "net/offline": 503,
  "net/timeout": 408,
  "net/rate-limited": 429,
  "net/failed": 500,
  "directory/behind": 409,
  "protocol/version": 426,
  "protocol/malformed": 400,
  "worker/restarted": 500,
  "worker/failed": 500,
  aborted: 500,
};

/** Tell whether a failure is the client's, and no news to who runs the server. */
export function isExpected(cause: unknown): boolean {
  return isCofferError(cause) && statusByCode[cause.code] < 500;
}

const defaultRetryAfterMs = 1000;

/** How long a client shall wait after this failure; 0 when waiting does not help. */
export function retryAfterMsOf(error: CofferError): number {
  const { retryAfterMs } = error.details;
  if (typeof retryAfterMs === "number") return retryAfterMs;
  const status = statusByCode[error.code];
  return status === 429 || status === 503 ? defaultRetryAfterMs : 0;
}

/**
 * Turn anything thrown into an answer: JSON `{ code, message }`, `Retry-After` where waiting helps; `wipe` beside them for who is revoked
 * and is to forget the tenant: the commit of the directory that says so, base64url.
 *
 * What is not a `CofferError` is a bug of the server and says nothing about itself.
 */
export function errorResponse(
  cause: unknown,
  options: { status?: number; headers?: Record<string, string> } = {},
): Response {
  const error = toCofferError(cause, "net/failed");
  const headers = new Headers({ ...jsonHeaders, ...options.headers });
  const waitMs = retryAfterMsOf(error);
  if (waitMs > 0) headers.set("Retry-After", String(Math.ceil(waitMs / 1000)));
  // What is still to come of a request that was too slow is not waited for.
  const status = options.status ?? statusByCode[error.code];
  if (status === 408) headers.set("Connection", "close");
  const { wipe } = error.details;
  const body = JSON.stringify({
    code: error.code,
    message: error.message,
    ...(typeof wipe === "string" && { wipe }),
  });
  return new Response(body, { status, headers });
}

const jsonHeaders = { "Content-Type": "application/json", "Cache-Control": "no-store" };

/** Answer with JSON that no cache keeps. */
export function jsonResponse(value: unknown, headers: Record<string, string> = {}, status = 200): Response {
  return new Response(JSON.stringify(value), { status, headers: { ...jsonHeaders, ...headers } });
}
