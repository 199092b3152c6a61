/**
 * Who may call from a browser. Tokens travel in a header, never in a cookie, so a foreign page has nothing to ride on; the
 * policy keeps it from talking to the server at all.
 */
import { errorResponse } from "./error-status.ts";
import { CofferError } from "../../src/std/index.ts";

export interface OriginPolicy {
  /** Whether a page of this origin may call. `null` is a caller that is no browser page. */
  isAllowed(origin: string | null): boolean;
}

/**
 * Create the policy: the server's own origins, any loopback origin, and a list.
 *
 * The Host header is not asked, since a page that points its own name at this machine controls it.
 */
export function createOriginPolicy(options: {
  ownOrigins: readonly string[];
  allowedOrigins: readonly string[];
}): OriginPolicy {
  const allowed = new Set([...options.ownOrigins, ...options.allowedOrigins].map(originOf));
  return { isAllowed: (origin) => origin === null || allowed.has(origin) || isLoopbackOrigin(origin) };
}

function originOf(url: string): string {
  return new URL(url).origin;
}

function isLoopbackOrigin(origin: string): boolean {
  return /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/.test(origin);
}

const corsHeaders = {
  "Access-Control-Allow-Methods": "GET, POST, PUT",
  "Access-Control-Allow-Headers": "Authorization, Content-Type",
  "Access-Control-Expose-Headers": "Retry-After",
  "Access-Control-Max-Age": "600",
};

/** Put the policy around the protocol's handler: preflights are answered, foreign origins refused. */
export function withCors(
  policy: OriginPolicy,
  handle: (request: Request) => Promise<Response>,
): (request: Request) => Promise<Response> {
  return async (request) => {
    const origin = request.headers.get("Origin");
    if (!policy.isAllowed(origin)) {
      return errorResponse(new CofferError("access/denied", { message: "This origin is not allowed here." }));
    }
    const isPreflight = request.method === "OPTIONS" && request.headers.has("Access-Control-Request-Method");
    const response = isPreflight
      ? new Response(null, { status: 204, headers: corsHeaders })
      : await handle(request);
    const headers = new Headers(response.headers);
    headers.append("Vary", "Origin");
    if (origin !== null) {
      headers.set("Access-Control-Allow-Origin", origin);
      headers.set("Access-Control-Expose-Headers", corsHeaders["Access-Control-Expose-Headers"]);
    }
    return new Response(response.body, { status: response.status, headers });
  };
}

const dataHeaders = {
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** Put the headers on an answer of the protocol that keep it data: never a page, never guessed at. */
export function withDataHeaders(response: Response): Response {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(dataHeaders)) headers.set(name, value);
  return new Response(response.body, { status: response.status, headers });
}
