/**
 * Challenges that need no memory until they are used.
 *
 * | field | bytes |
 * |---|---|
 * | nonce | 16 |
 * | expiresAt | u64, milliseconds since 1970 |
 * | mac | 32: HMAC-SHA-256 under the challenges' key over `coffer/challenge/v1\0`, nonce, expiresAt, tenantId, key |
 *
 * The key of a server that is alone dies with its process, so that no challenge outlives a restart. A used one is remembered
 * until it expires: in memory, or by the storage that several nodes share.
 */
import type { Crypto } from "../../src/crypto/index.ts";
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
  use(challenge: Uint8Array, asker: Asker): Promise<ChallengeVerdict>;
}

/** Remember a challenge as used until it expires; `used` when it was before. */
export type Burn = (nonce: Uint8Array, expiresAtMs: number) => Promise<"fresh" | "used" | "busy">;

export interface ChallengeOptions {
  /** 32 bytes */
  readonly key: Uint8Array;
  readonly burn: Burn;
}

/** Remember used challenges in memory. */
export function createMemoryBurn(env: Pick<Env, "nowMs">): Burn {
  const expiryByUsedNonce = new Map<string, number>();

  function dropExpired(nowMs: number): void {
    // In order of use, which is nearly the order of expiry: what stays behind another one stays a minute longer at most.
    for (const [nonce, expiresAtMs] of expiryByUsedNonce) {
      if (expiresAtMs > nowMs) return;
      expiryByUsedNonce.delete(nonce);
    }
  }

  return async (nonce, expiresAtMs) => {
    const name = bytesToBase64url(nonce);
    if (expiryByUsedNonce.has(name)) return "used";
    dropExpired(env.nowMs());
    if (expiryByUsedNonce.size >= maxUsed) return "busy";
    expiryByUsedNonce.set(name, expiresAtMs);
    return "fresh";
  };
}

/** Create the challenges of one key. */
export function createChallenges(
  crypto: Pick<Crypto, "hmacSha256" | "randomBytes">,
  env: Pick<Env, "nowMs">,
  { key, burn }: ChallengeOptions,
): Challenges {
  function macOf(nonce: Uint8Array, expiresAtMs: number, asker: Asker): Uint8Array {
    const expiry = new ByteWriter(8).u64(expiresAtMs).toBytes();
    return crypto.hmacSha256(key, domain, nonce, expiry, idToBytes(asker.tenantId), idToBytes(asker.key));
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
    async use(challenge, asker) {
      const reader = new ByteReader(challenge);
      const nonce = reader.fixed(nonceBytes);
      const expiresAtMs = reader.u64();
      const mac = reader.fixed(32);
      if (!reader.finish() || !equalBytesConstantTime(mac, macOf(nonce, expiresAtMs, asker)))
        return "invalid";
      if (expiresAtMs <= env.nowMs()) return "invalid";
      const burnt = await burn(nonce, expiresAtMs);
      return burnt === "used" ? "invalid" : burnt;
    },
  };
}
