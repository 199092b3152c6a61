/**
 * A server that forwards what it holds to another one, and why the other one may take it.
 *
 * ```
 *   device ──push──► A ──forward──► B ◄──pull── device
 * ```
 * What A brings is what members signed. B judges every commit as if its author had brought it: by its signature, and by the directory
 * that the admin signed. A has no member's key, signs no commit, and answers for none; so B need not trust A for what it stores.
 *
 * B trusts A, whom its operator named, not to flood it, and for nothing else:
 * - A shows that it holds its server's key. The signature is bound to B's origin and key, to the tenant and to a challenge that is good
 *   once and for a minute: it is worth nothing at another server, for another tenant, a second time, or as a member's login
 * - A brings commits within the quotas of the tenant and of each author, and at the rate of one user; chunks of files likewise, at the rate
 *   of one user more, so that neither holds up the other. It cannot read: a session of this kind opens no address but these three
 * - a chunk that A brings is held to what a member's is: its hash and size are what a commit here names, or it is refused
 * - A may bring commits that lack ciphertexts: what was erased on its way to A cannot come from there. B keeps them as lacking, and
 *   whoever has them whole fills them in. A could as well bring nothing: withholding is no right that this gives
 *
 * B holds a tenant because the tenant's admin published it there, to B by name: A hands on neither the publication nor the key of the
 * access-control records, and an operator alone cannot move a tenant's directory to a further server. Until then B answers
 * `input/unknown-id` and A asks again now and then.
 *
 * | answer's preimage | bytes |
 * |---|---|
 * | domain | "coffer/forward/v1\0" |
 * | origin | text: B's, as A knows it; B puts its own here |
 * | serverKey | 32: B's |
 * | tenantId | 32 |
 * | key | 32: A's server key, which signs |
 * | challenge | sized: from B, bound by it to tenant, key and time |
 * | clientNonce | 16 |
 *
 * `POST /v1/auth/challenge` as a member does, then `POST /v1/auth/forward` with `{ tenant, key, challenge, clientNonce, signature }`
 * gives `{ token, expiresInMs }`. Then `POST /v1/t/{tenant}/forward`, with the token and frames: HELLO, any number of PUSH, those of the directory judged
 * together and first. The answer: HEAD of the directory, whose epoch tells A whether B began anew; an ACK for each PUSH in the order of the
 * request; END. Or HELLO and one RANGES: what of a log both have, see `forward-compare.ts`; the answer is HEAD, RANGES, NEED with commits that lack
 * ciphertexts at B, END, and none of the commits that A lacks: of those A learns how many they are, and when they were written. A place moves only by such an ACK, see `forward-place.ts`. Chunks of files, of commits that B acknowledged, go as a member
 * sends them, with the same token: `POST /v1/t/{tenant}/blobs` asks which B has, `PUT /v1/t/{tenant}/blob/{hash}` brings one. A counts a
 * chunk as brought by B's receipt alone, and gives nobody a receipt for what it does not hold itself.
 *
 * A believes B's ACK, which is not signed: that a server keeps what it acknowledged is proven to the devices that read there. Who runs A
 * and B sees the same of a tenant twice, and nothing more.
 */
import type { SigningKeyPair } from "../../src/crypto/index.ts";
import {
  bytesToBase64url,
  ByteWriter,
  CofferError,
  idToBytes,
  utf8ToBytes,
  type AuthorKey,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";
import type { AuthClaim } from "../../src/sync/index.ts";
import { readTokenRequest, type AuthSecrets } from "./auth.ts";
import { createChallenges } from "./challenges.ts";
import type { RelayCrypto } from "./directories.ts";
import { createSessions, type Session } from "./sessions.ts";
import type { RelayStorage } from "./storage.ts";

const domain = utf8ToBytes("coffer/forward/v1\0");
const tokenDomain = utf8ToBytes("coffer/forward-token/v1\0");
const replicaDomain = utf8ToBytes("coffer/forward-replica/v1\0");
const tokenLifetimeMs = 10 * 60_000;

/** The bytes that a server signs to show another one that it may forward. */
export function forwardPreimage(claim: AuthClaim): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().fixed(domain).text(claim.origin).fixed(claim.serverKey, 32);
  writer.fixed(idToBytes(claim.tenantId)).fixed(idToBytes(claim.key)).sized(claim.challenge);
  return writer.fixed(claim.clientNonce, 16).toBytes();
}

/** The name under which what a server brings is kept, 16 bytes: it need not be sent back there. */
export function forwardReplica(crypto: Pick<RelayCrypto, "sha256">, serverKey: Uint8Array): Uint8Array {
  return crypto.sha256(replicaDomain, serverKey).subarray(0, 16);
}

export interface ForwardAuthParts {
  readonly crypto: RelayCrypto;
  readonly env: Pick<Env, "nowMs">;
  readonly storage: Pick<RelayStorage, "readTenant">;
  readonly signing: SigningKeyPair;
  readonly secrets: AuthSecrets;
  /** the keys of the servers that may forward to this one */
  readonly acceptFrom: readonly AuthorKey[];
}

/** Lets in servers that may forward. */
export interface ForwardAuth {
  /** `POST /v1/auth/forward`. @throws `access/unauthenticated`; `access/denied` for a key that is not listed; `input/unknown-id` for a tenant that was not published here */
  token(body: unknown, origin: string): Promise<{ readonly token: string; readonly expiresInMs: number }>;
  /** The session of a token, as {@link ForwardAuth.session}; `undefined` where it is none of this kind. @throws `access/denied` for another tenant's */
  find(token: Uint8Array | undefined, tenantId: TenantId): Session | undefined;
  /** The session of a token: both of its keys are the forwarding server's. @throws `access/unauthenticated` */
  session(token: Uint8Array | undefined, tenantId: TenantId): Session;
}

/** Create what lets servers in. A member's token is none here, nor the other way round. */
export function createForwardAuth(parts: ForwardAuthParts): ForwardAuth {
  const { crypto, env, secrets, signing, storage } = parts;
  const trusted: ReadonlySet<AuthorKey> = new Set(parts.acceptFrom);
  const challenges = createChallenges(crypto, env, { key: secrets.challengeKey, burn: secrets.burn });
  const sessions = createSessions(crypto, env, crypto.hmacSha256(secrets.tokenKey, tokenDomain));

  function find(token: Uint8Array | undefined, tenantId: TenantId): Session | undefined {
    const session = token && sessions.find(token);
    // Who is no longer listed is not let in by a token from before: nodes may differ for a while.
    if (session === undefined || !trusted.has(session.key)) return undefined;
    if (session.tenantId !== tenantId) throw new CofferError("access/denied");
    return session;
  }

  return {
    async token(body, origin) {
      const { challenge, clientNonce, key, signature, tenantId } = readTokenRequest(body);
      const freshness = await challenges.use(challenge, { tenantId, key });
      if (freshness === "busy") throw new CofferError("net/rate-limited", { retryAfterMs: 10_000 });
      if (freshness === "invalid") throw new CofferError("access/unauthenticated");
      const serverKey = signing.publicKey;
      const preimage = forwardPreimage({ origin, serverKey, tenantId, key, challenge, clientNonce });
      if (!(await crypto.verify(idToBytes(key), signature, preimage)))
        throw new CofferError("access/unauthenticated");
      if (!trusted.has(key))
        throw new CofferError("access/denied", { message: "This server takes nothing from that one." });
      if ((await storage.readTenant(tenantId)) === undefined)
        throw new CofferError("input/unknown-id", {
          message: "The tenant's admin has not published it here.",
        });
      const expiresAtMs = env.nowMs() + tokenLifetimeMs;
      const token = sessions.open({ tenantId, key, userKey: key, expiresAtMs });
      return { token: bytesToBase64url(token), expiresInMs: tokenLifetimeMs };
    },
    find,
    session(token, tenantId) {
      const session = find(token, tenantId);
      if (session === undefined) throw new CofferError("access/unauthenticated");
      return session;
    },
  };
}
