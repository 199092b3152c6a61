/** Speaking to a server as a member: signed in once, and again when the token ran out or the server forgot it. */
import { toCofferError, type Env, type TenantId } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { authenticate, type Signer } from "./auth.ts";
import type { HttpTransport } from "./transport.ts";

/** Who speaks to which server, about which tenant. */
export interface MemberOptions {
  readonly env: Pick<Env, "monotonicMs">;
  readonly crypto: Pick<Verifier, "sign" | "randomBytes">;
  readonly http: Pick<HttpTransport, "origin" | "postJson">;
  readonly tenantId: TenantId;
  readonly signer: Signer;
  /** the key that this server is known by, 32 bytes */
  readonly readServerKey: () => Promise<Uint8Array>;
}

/**
 * Ask something with a token. What is asked may be asked twice: a server that was started anew knows no former token.
 *
 * @throws what asking throws, `access/…`, `protocol/malformed`, `net/…`
 */
export type AsMember = <T>(ask: (token: Uint8Array) => Promise<T>, signal?: AbortSignal) => Promise<T>;

/** a token is not used in the last moment of its life */
const tokenMarginMs = 30_000;

/** Make the way to ask one server as a member. */
export function createAsMember(options: MemberOptions): AsMember {
  const { crypto, env, http, readServerKey, signer, tenantId } = options;
  let session: { readonly token: Uint8Array; readonly untilMs: number } | undefined;
  const tokenNow = async (signal: AbortSignal | undefined): Promise<Uint8Array> => {
    const nowMs = env.monotonicMs();
    if (session !== undefined && nowMs < session.untilMs) return session.token;
    const serverKey = await readServerKey();
    const { expiresInMs, token } = await authenticate(http, crypto, signer, { tenantId, serverKey, signal });
    session = { token, untilMs: nowMs + expiresInMs - tokenMarginMs };
    return token;
  };
  return async (ask, signal) => {
    for (let isAgain = false; ; isAgain = true) {
      try {
        return await ask(await tokenNow(signal));
      } catch (error) {
        const { code } = toCofferError(error);
        if (code.startsWith("access/")) session = undefined;
        if (isAgain || code !== "access/unauthenticated") throw error;
      }
    }
  };
}
