/**
 * Empty messages to the push services of browsers (RFC 8030), signed as theirs who serve here (VAPID, RFC 8292).
 *
 * An address comes from a member's browser, so a member could have the server call what they name. It calls nothing but the push services
 * it knows, over https at their usual port, follows no redirect, sends no body, and reads none of the answer.
 */
import { createECDH, createPrivateKey, type KeyObject } from "node:crypto";
import { SignJWT } from "jose";
import type { Crypto } from "../../src/crypto/index.ts";
import { assert, bytesToBase64url, utf8ToBytes, type Env } from "../../src/std/index.ts";
import { describeFailure, type Logger } from "./logger.ts";
import type { PushOutcome, PushService } from "./waker.ts";

export interface PushServiceOptions {
  readonly env: Pick<Env, "nowMs" | "setTimer">;
  readonly crypto: Pick<Crypto, "hmacSha256">;
  readonly logger: Logger;
  /** 32 bytes that all nodes have: the key of VAPID follows from it */
  readonly secret: Uint8Array;
  /** whom a push service may write to: `mailto:` or `https:` */
  readonly subject: string;
  /** further push services: a host, `*.` and the end of one, or an origin such as "http://127.0.0.1:9000" */
  readonly hosts: readonly string[];
}

/** Of Chromium's, Firefox's, Safari's and Edge's browsers. */
const knownHosts = [
  "fcm.googleapis.com",
  "*.push.services.mozilla.com",
  "*.push.apple.com",
  "*.notify.windows.com",
];
/** A device that is switched off is woken within a day, or not: then it syncs by itself. */
const ttlSeconds = 24 * 60 * 60;
const timeoutMs = 10_000;
const tokenSeconds = 12 * 60 * 60;
const tokenMarginMs = 60 * 60_000;
const maxEndpointUnits = 2048;
const maxRetryAfterSeconds = 60 * 60;

/** Create the way to push services. */
export function createPushService(options: PushServiceOptions): PushService {
  const { env, logger, subject } = options;
  const { privateKey, publicKey } = keyPairOf(options);
  const publicText = bytesToBase64url(publicKey);
  const hosts = [...knownHosts, ...options.hosts];
  const tokens = new Map<string, { readonly text: string; readonly untilMs: number }>();
  const tokenFor = async (origin: string): Promise<string> => {
    const known = tokens.get(origin);
    const nowMs = env.nowMs();
    if (known !== undefined && nowMs < known.untilMs && nowMs > known.untilMs - tokenSeconds * 1000)
      return known.text;
    const text = await new SignJWT()
      .setProtectedHeader({ alg: "ES256", typ: "JWT" })
      .setAudience(origin)
      .setSubject(subject)
      .setExpirationTime(Math.floor(nowMs / 1000) + tokenSeconds)
      .sign(privateKey);
    // Hosts are few, unless a pattern takes in many.
    if (tokens.size >= 100) tokens.clear();
    tokens.set(origin, { text, untilMs: nowMs + tokenSeconds * 1000 - tokenMarginMs });
    return text;
  };
  const allows = (endpoint: string): boolean => isAllowed(endpoint, hosts);
  return {
    publicKey,
    allows,
    async send(endpoint) {
      // What was allowed once may be no longer.
      if (!allows(endpoint)) return { kind: "gone" };
      try {
        const token = await tokenFor(new URL(endpoint).origin);
        return outcomeOf(await post(env, endpoint, `vapid t=${token}, k=${publicText}`));
      } catch (cause) {
        logger.warn("push.failed", describeFailure(cause));
        return { kind: "again", afterMs: 0 };
      }
    },
  };
}

/** The first number after the secret that is a private key of P-256: nearly always the first that is tried. */
function keyPairOf({ crypto, secret }: PushServiceOptions): {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
} {
  for (let attempt = 0; attempt < 256; attempt++) {
    const scalar = crypto.hmacSha256(secret, utf8ToBytes("coffer/vapid/v1\0"), Uint8Array.of(attempt));
    const curve = createECDH("prime256v1");
    try {
      curve.setPrivateKey(scalar);
    } catch {
      continue;
    }
    const publicKey = new Uint8Array(curve.getPublicKey());
    const [d, x, y] = [scalar, publicKey.subarray(1, 33), publicKey.subarray(33)].map(bytesToBase64url);
    scalar.fill(0);
    assert(d !== undefined && x !== undefined && y !== undefined, "push: a key has its three numbers");
    const privateKey = createPrivateKey({ key: { kty: "EC", crv: "P-256", d, x, y }, format: "jwk" });
    return { privateKey, publicKey };
  }
  throw new RangeError("push: no number after this secret is a key");
}

function isAllowed(endpoint: string, hosts: readonly string[]): boolean {
  const url = endpoint.length <= maxEndpointUnits && URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || url.username !== "" || url.password !== "") return false;
  const isUsual = url.protocol === "https:" && url.port === "";
  return hosts.some((host) => {
    if (host.includes("://")) return url.origin === host;
    if (!isUsual) return false;
    return host.startsWith("*.") ? url.hostname.endsWith(host.slice(1)) : url.hostname === host;
  });
}

async function post(
  env: Pick<Env, "setTimer">,
  endpoint: string,
  authorization: string,
): Promise<{ readonly status: number; readonly retryAfter: string | null }> {
  const abort = new AbortController();
  const stopTimer = env.setTimer(timeoutMs, () => abort.abort());
  try {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: {
        TTL: String(ttlSeconds),
        Urgency: "normal",
        Topic: "coffer-sync",
        Authorization: authorization,
      },
      redirect: "manual",
      signal: abort.signal,
    });
    await response.body?.cancel();
    return { status: response.status, retryAfter: response.headers.get("retry-after") };
  } finally {
    stopTimer();
  }
}

function outcomeOf({
  retryAfter,
  status,
}: {
  readonly status: number;
  readonly retryAfter: string | null;
}): PushOutcome {
  if (status >= 200 && status < 300) return { kind: "taken" };
  // A wrong clock or key of ours is not the address's fault.
  const isLater = status >= 500 || [401, 403, 408, 429].includes(status);
  if (!isLater) return { kind: "gone" };
  const seconds = /^\d{1,6}$/.test(retryAfter ?? "") ? Number(retryAfter) : 0;
  return { kind: "again", afterMs: Math.min(seconds, maxRetryAfterSeconds) * 1000 };
}
