import type { Verifier } from "../../src/crypto/index.ts";
import {
  bytesToBase64url,
  equalBytesConstantTime,
  type AuthorKey,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";

/** What a token stands for: one key of one user in one tenant. */
export interface Session {
  readonly tenantId: TenantId;
  readonly userKey: AuthorKey;
  /** the key that signed: the user's, or a device's with a delegation */
  readonly key: AuthorKey;
  readonly expiresAtMs: number;
}

/** Tokens, kept only as hashes and only in memory: after a restart devices sign in again. */
export interface Sessions {
  /** @returns the token, 32 random bytes; this is the only time that it exists here */
  open(session: Session): Uint8Array;
  /** The session of a token that is known and not expired. */
  find(token: Uint8Array): Session | undefined;
}

const tokenBytes = 32;
const maxSessions = 100_000;

/** Create an empty set of sessions. When there are too many, the oldest ends. */
export function createSessions(
  crypto: Pick<Verifier, "sha256" | "randomBytes">,
  env: Pick<Env, "nowMs">,
): Sessions {
  const sessionsByName = new Map<string, { readonly hash: Uint8Array; readonly session: Session }>();

  function dropExpired(): void {
    // All tokens live equally long or shorter, so the first ones are the ones to look at.
    for (const [name, { session }] of sessionsByName) {
      if (session.expiresAtMs > env.nowMs() && sessionsByName.size <= maxSessions) return;
      sessionsByName.delete(name);
    }
  }

  return {
    open(session) {
      const token = crypto.randomBytes(tokenBytes);
      const hash = crypto.sha256(token);
      sessionsByName.set(nameOf(hash), { hash, session });
      dropExpired();
      return token;
    },
    find(token) {
      if (token.length !== tokenBytes) return undefined;
      const hash = crypto.sha256(token);
      const found = sessionsByName.get(nameOf(hash));
      if (found === undefined || !equalBytesConstantTime(found.hash, hash)) return undefined;
      return found.session.expiresAtMs > env.nowMs() ? found.session : undefined;
    },
  };
}

/** Half of the hash finds the row; the whole of it is compared in constant time. */
function nameOf(hash: Uint8Array): string {
  return bytesToBase64url(hash.subarray(0, 16));
}
