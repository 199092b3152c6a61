/**
 * Challenges that need no memory until they are used.
 *
 * | field | bytes |
 * |---|---|
 * | nonce | 16 |
 * | expiresAt | u64, milliseconds since 1970 |
 * | mac | 32: HMAC-SHA-256 under a secret of this process over `coffer/challenge/v1\0`, nonce, expiresAt, tenantId, key |
 *
 * The secret dies with the process, so that no challenge outlives a restart. A used one is remembered until it expires.
 */
import type { Verifier } from "../../src/crypto/index.ts";
import {
  bytesToBase64url,
  ByteReader,
  ByteWriter,
  equalBytesConstantTime,
  idToBytes,
  utf8ToBytes,
  type AuthorKey,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";

const domain = utf8ToBytes("coffer/challenge/v1\0");
const lifetimeMs = 60_000;
const nonceBytes = 16;
const maxUsed = 200_000;

/** Who asked: a challenge is good for this tenant and key only. Whether they exist is not looked at. */
export interface Asker {
  readonly tenantId: TenantId;
  readonly key: AuthorKey;
}

export type ChallengeVerdict = "fresh" | "invalid" | "busy";

export interface Challenges {
  create(asker: Asker): Uint8Array;
  /** Judge a challenge and burn it: the second time it is `invalid`. `busy` when too many were used within a minute. */
  use(challenge: Uint8Array, asker: Asker): ChallengeVerdict;
}

/** Create the challenges of one process. */
export function createChallenges(
  crypto: Pick<Verifier, "hmacSha256" | "randomBytes">,
  env: Pick<Env, "nowMs">,
): Challenges {
  const secret = crypto.randomBytes(32);
  const expiryByUsedNonce = new Map<string, number>();

  function macOf(nonce: Uint8Array, expiresAtMs: number, asker: Asker): Uint8Array {
    const expiry = new ByteWriter(8).u64(expiresAtMs).toBytes();
    return crypto.hmacSha256(secret, domain, nonce, expiry, idToBytes(asker.tenantId), idToBytes(asker.key));
  }

  function dropExpired(nowMs: number): void {
    // In order of use, which is nearly the order of expiry: what stays behind another one stays a minute longer at most.
    for (const [nonce, expiresAtMs] of expiryByUsedNonce) {
      if (expiresAtMs > nowMs) return;
      expiryByUsedNonce.delete(nonce);
    }
  }

  return {
    create(asker) {
      const nonce = crypto.randomBytes(nonceBytes);
      const expiresAtMs = env.nowMs() + lifetimeMs;
      return new ByteWriter(56)
        .fixed(nonce)
        .u64(expiresAtMs)
        .fixed(macOf(nonce, expiresAtMs, asker))
        .toBytes();
    },
    use(challenge, asker) {
      const reader = new ByteReader(challenge);
      const nonce = reader.fixed(nonceBytes);
      const expiresAtMs = reader.u64();
      const mac = reader.fixed(32);
      if (!reader.finish() || !equalBytesConstantTime(mac, macOf(nonce, expiresAtMs, asker)))
        return "invalid";
      const nowMs = env.nowMs();
      const name = bytesToBase64url(nonce);
      if (expiresAtMs <= nowMs || expiryByUsedNonce.has(name)) return "invalid";
      dropExpired(nowMs);
      if (expiryByUsedNonce.size >= maxUsed) return "busy";
      expiryByUsedNonce.set(name, expiresAtMs);
      return "fresh";
    },
  };
}
