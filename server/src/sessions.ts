/**
 * Tokens that hold their session themselves, so that any node that has the key knows them and none keeps them.
 *
 * | field | bytes |
 * |---|---|
 * | version | u8, 1 |
 * | expiresAt | u64, milliseconds since 1970 |
 * | tenantId, userKey, key | 32 each |
 * | mac | 32: HMAC-SHA-256 under the tokens' key over `coffer/token/v1\0` and everything before |
 *
 * A token is no secret that can be taken back: it lives ten minutes at most, and with every use the directory is asked
 * whether its user is still a member.
 */
import type { Crypto } from "../../src/crypto/index.ts";
import {
  ByteReader,
  ByteWriter,
  equalBytesConstantTime,
  idToBytes,
  readId,
  utf8ToBytes,
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

/** Makes tokens, and knows its own. */
export interface Sessions {
  open(session: Session): Uint8Array;
  /** The session of a token that is genuine and not expired. */
  find(token: Uint8Array): Session | undefined;
}

const domain = utf8ToBytes("coffer/token/v1\0");
const version = 1;
const macBytes = 32;
const claimBytes = 1 + 8 + 3 * 32;

/** Create the sessions of one key; tokens of another key are unknown. */
export function createSessions(
  crypto: Pick<Crypto, "hmacSha256">,
  env: Pick<Env, "nowMs">,
  secret: Uint8Array,
): Sessions {
  return {
    open({ tenantId, userKey, key, expiresAtMs }) {
      const writer = new ByteWriter(claimBytes + macBytes).u8(version).u64(expiresAtMs);
      for (const id of [tenantId, userKey, key]) writer.fixed(idToBytes(id), 32);
      const claim = writer.toBytes();
      return new ByteWriter()
        .fixed(claim)
        .fixed(crypto.hmacSha256(secret, domain, claim))
        .toBytes();
    },
    find(token) {
      if (token.length !== claimBytes + macBytes) return undefined;
      const mac = crypto.hmacSha256(secret, domain, token.subarray(0, claimBytes));
      if (!equalBytesConstantTime(mac, token.subarray(claimBytes))) return undefined;
      const reader = new ByteReader(token.subarray(0, claimBytes));
      if (reader.u8() !== version) return undefined;
      const expiresAtMs = reader.u64();
      const tenantId = readId(reader, "TenantId");
      const userKey = readId(reader, "AuthorKey");
      const key = readId(reader, "AuthorKey");
      if (!reader.finish() || expiresAtMs <= env.nowMs()) return undefined;
      return { tenantId, userKey, key, expiresAtMs };
    },
  };
}
