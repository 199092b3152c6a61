import {
  bytesToBase64url,
  bytesToId,
  CofferError,
  isCofferError,
  parseBase64url,
  type TenantId,
} from "../../src/std/index.ts";
import { protocolVersion } from "../../src/sync/index.ts";
import { forwardPreimage } from "./forward-auth.ts";
import type { ForwardLinkOptions } from "./forward-link.ts";

interface Token {
  readonly bytes: Uint8Array;
  readonly goodUntilMs: number;
}

const maxTokens = 10_000;
/** A token is not used in its last minute. */
const marginMs = 60_000;

/** Who another server is, and this server's standing there. */
export interface ForwardSession {
  /** 32 bytes; asked again once it is forgotten */
  serverKey(this: void): Promise<Uint8Array>;
  /** Ask with a token, and with another one where a server that began anew does not know it. */
  signedIn<T>(this: void, tenantId: TenantId, ask: (token: Uint8Array) => Promise<T>): Promise<T>;
  forget(this: void): void;
}

/** Sign in at another server when something is asked, once for each tenant and some minutes. */
export function createForwardSession(options: ForwardLinkOptions, signal: AbortSignal): ForwardSession {
  const { env, http } = options;
  const tokens = new Map<TenantId, Token>();
  let farKey: Uint8Array | undefined;

  async function serverKey(): Promise<Uint8Array> {
    if (farKey !== undefined) return farKey;
    const { protocolVersion: theirs, serverKey: text } = await http.readCapabilities(signal);
    if (theirs !== protocolVersion) throw new CofferError("protocol/version");
    const bytes = parseBase64url(text);
    if (bytes?.length !== 32) throw new CofferError("protocol/malformed", { field: "serverKey" });
    return (farKey = bytes);
  }

  async function tokenOf(tenantId: TenantId): Promise<Uint8Array> {
    const known = tokens.get(tenantId);
    if (known !== undefined && known.goodUntilMs > env.nowMs()) return known.bytes;
    tokens.delete(tenantId);
    const { expiresInMs, token } = await signIn(options, { tenantId, serverKey: await serverKey(), signal });
    tokens.set(tenantId, { bytes: token, goodUntilMs: env.nowMs() + expiresInMs - marginMs });
    const [oldest] = tokens.keys();
    if (tokens.size > maxTokens && oldest !== undefined) tokens.delete(oldest);
    return token;
  }

  async function signedIn<T>(tenantId: TenantId, ask: (token: Uint8Array) => Promise<T>): Promise<T> {
    const hadToken = tokens.has(tenantId);
    try {
      return await ask(await tokenOf(tenantId));
    } catch (cause) {
      const code = isCofferError(cause) ? cause.code : undefined;
      // What is said of one chunk says nothing of the token, and neither does a full store.
      if (code === undefined || !isAboutChunk(code)) tokens.delete(tenantId);
      if (!hadToken || code !== "access/unauthenticated") throw cause;
      farKey = undefined;
      return ask(await tokenOf(tenantId));
    }
  }

  return {
    serverKey,
    signedIn,
    forget() {
      farKey = undefined;
      tokens.clear();
    },
  };
}

function isAboutChunk(code: string): boolean {
  return code === "directory/behind" || code === "net/rate-limited" || /^(doc|entry|store)\//.test(code);
}

/** Answer a challenge with this server's key. */
async function signIn(
  { crypto, http, signing }: ForwardLinkOptions,
  target: {
    readonly tenantId: TenantId;
    readonly serverKey: Uint8Array;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly token: Uint8Array; readonly expiresInMs: number }> {
  const { serverKey, signal, tenantId } = target;
  const key = bytesToId("AuthorKey", signing.publicKey);
  const asked = await http.postJson("/v1/auth/challenge", { tenant: tenantId, key }, signal);
  const challenge = bytesOf(asked, "challenge");
  const clientNonce = crypto.randomBytes(16);
  const claim = { origin: http.origin, serverKey, tenantId, key, challenge, clientNonce };
  const signature = await crypto.sign(signing.privateKey, forwardPreimage(claim));
  const answer = {
    tenant: tenantId,
    key,
    challenge: bytesToBase64url(challenge),
    clientNonce: bytesToBase64url(clientNonce),
    signature: bytesToBase64url(signature),
  };
  const said = await http.postJson("/v1/auth/forward", answer, signal);
  const expiresInMs = fieldOf(said, "expiresInMs");
  if (typeof expiresInMs !== "number" || !(expiresInMs >= 0))
    throw new CofferError("protocol/malformed", { field: "expiresInMs" });
  return { token: bytesOf(said, "token"), expiresInMs };
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[field]
    : undefined;
}

/** Short bytes of an answer. @throws `protocol/malformed` */
export function bytesOf(value: unknown, field: string): Uint8Array {
  const text = fieldOf(value, field);
  const bytes = typeof text === "string" && text.length <= 1024 ? parseBase64url(text) : undefined;
  if (bytes === undefined) throw new CofferError("protocol/malformed", { field });
  return bytes;
}
