import {
  bytesToBase64url,
  CofferError,
  idToBytes,
  parseBase64url,
  parseId,
  type AuthorKey,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";
import { eraseEntries, parseCommit } from "../../src/entry/index.ts";
import { authPreimage, verifyDelegation } from "../../src/sync/index.ts";
import { createChallenges, type Burn } from "./challenges.ts";
import { standingOf, type Directories, type RelayCrypto, type TenantDirectory } from "./directories.ts";
import { createSessions, type Session } from "./sessions.ts";

export interface AuthParts {
  readonly crypto: RelayCrypto;
  readonly env: Pick<Env, "nowMs">;
  readonly directories: Directories;
  /** 32 bytes: the key that clients know this server by */
  readonly serverKey: Uint8Array;
  readonly secrets: AuthSecrets;
}

/** What makes challenges and tokens this server's own, 32 bytes each, and remembers used challenges. */
export interface AuthSecrets {
  readonly challengeKey: Uint8Array;
  readonly tokenKey: Uint8Array;
  readonly burn: Burn;
}

/** Turns keys into sessions and says whether they are still good. */
export interface Authenticator {
  /** `POST /v1/auth/challenge`. The answer tells nothing about whether tenant or key exist. */
  challenge(body: unknown): { readonly challenge: string };
  /** `POST /v1/auth/token`. @throws `access/unauthenticated`; `access/revoked` once the key was proven to be held */
  token(body: unknown, origin: string): Promise<{ readonly token: string; readonly expiresInMs: number }>;
  /** The session of a token. @throws `access/unauthenticated` */
  session(token: Uint8Array | undefined): Session;
  /** Check that the user may move commits now, by the directory as it is stored. @throws `access/…` */
  authorize(session: Session): Promise<void>;
}

const tokenLifetimeMs = 10 * 60_000;
const clientNonceBytes = 16;
const signatureBytes = 64;

/** Create the authenticator of one relay. */
export function createAuthenticator(parts: AuthParts): Authenticator {
  const { crypto, env, directories, serverKey } = parts;
  const { challengeKey, tokenKey, burn } = parts.secrets;
  const challenges = createChallenges(crypto, env, { key: challengeKey, burn });
  const sessions = createSessions(crypto, env, tokenKey);

  /** The user that a key speaks for, and until when; `undefined` when the delegation does not hold. */
  async function principalOf(request: TokenRequest): Promise<Principal | undefined> {
    const endsAtMs = env.nowMs() + tokenLifetimeMs;
    if (request.delegation === undefined) return { userKey: request.key, expiresAtMs: endsAtMs };
    const expected = { deviceKey: request.key, tenantId: request.tenantId, nowMs: env.nowMs() };
    const verdict = await verifyDelegation(crypto, request.delegation, expected);
    if (verdict.kind === "invalid") return undefined;
    const { userKey, expiresAtMs } = verdict.delegation;
    return { userKey, expiresAtMs: Math.min(endsAtMs, expiresAtMs) };
  }

  async function requireMember(tenantId: TenantId, userKey: AuthorKey): Promise<void> {
    const directory = await directories.read(tenantId);
    const standing = directory === undefined ? "unknown" : standingOf(directory.state, userKey);
    if (standing === "revoked") throw new CofferError("access/revoked", await wipeOf(directory, userKey));
    if (standing === "unknown") throw unauthenticated();
  }

  /** The admin's word to who is to forget the tenant: nothing else of the directory reaches them. */
  async function wipeOf(
    directory: TenantDirectory | undefined,
    userKey: AuthorKey,
  ): Promise<{ readonly wipe?: string }> {
    const at = directory?.state.usersByKey.get(userKey)?.revoked?.wipedAt;
    const bytes = directory && at !== undefined ? await directories.readCommit(directory, at) : undefined;
    const verdict = bytes && parseCommit(crypto, bytes);
    if (verdict?.kind !== "verified") return {};
    // Headers are enough: the mark is in one of them, and the signature covers all.
    return { wipe: bytesToBase64url(eraseEntries(verdict.commit, () => true) ?? verdict.commit.bytes) };
  }

  return {
    challenge(body) {
      const asker = readAsker(body);
      return { challenge: bytesToBase64url(challenges.create(asker)) };
    },
    async token(body, origin) {
      const request = readTokenRequest(body);
      const { tenantId, key, challenge, clientNonce } = request;
      const freshness = await challenges.use(challenge, { tenantId, key });
      if (freshness === "busy") throw new CofferError("net/rate-limited", { retryAfterMs: 10_000 });
      if (freshness === "invalid") throw unauthenticated();
      const preimage = authPreimage({ origin, serverKey, tenantId, key, challenge, clientNonce });
      if (!(await crypto.verify(idToBytes(key), request.signature, preimage))) throw unauthenticated();
      const principal = await principalOf(request);
      if (principal === undefined) throw unauthenticated();
      await requireMember(tenantId, principal.userKey);
      const token = sessions.open({ tenantId, key, ...principal });
      return { token: bytesToBase64url(token), expiresInMs: principal.expiresAtMs - env.nowMs() };
    },
    session(token) {
      const session = token && sessions.find(token);
      if (session === undefined) throw unauthenticated();
      return session;
    },
    authorize: (session) => requireMember(session.tenantId, session.userKey),
  };
}

interface Principal {
  readonly userKey: AuthorKey;
  readonly expiresAtMs: number;
}

/** An answer to a challenge. */
export interface TokenRequest {
  readonly tenantId: TenantId;
  readonly key: AuthorKey;
  readonly challenge: Uint8Array;
  readonly clientNonce: Uint8Array;
  readonly signature: Uint8Array;
  readonly delegation: Uint8Array | undefined;
}

function unauthenticated(): CofferError {
  return new CofferError("access/unauthenticated");
}

function malformed(field: string): CofferError {
  return new CofferError("input/invalid", { message: `The field ${field} is missing or not valid.` });
}

function fieldOf(body: unknown, field: string): unknown {
  return typeof body === "object" && body !== null
    ? (body as Readonly<Record<string, unknown>>)[field]
    : undefined;
}

function readAsker(body: unknown): { readonly tenantId: TenantId; readonly key: AuthorKey } {
  const tenantId = parseId("TenantId", fieldOf(body, "tenant"));
  const key = parseId("AuthorKey", fieldOf(body, "key"));
  if (tenantId === undefined) throw malformed("tenant");
  if (key === undefined) throw malformed("key");
  return { tenantId, key };
}

/** Read the answer to a challenge. @throws `input/invalid` */
export function readTokenRequest(body: unknown): TokenRequest {
  return {
    ...readAsker(body),
    challenge: readBytes(body, "challenge"),
    clientNonce: readBytes(body, "clientNonce", clientNonceBytes),
    signature: readBytes(body, "signature", signatureBytes),
    delegation: fieldOf(body, "delegation") === undefined ? undefined : readBytes(body, "delegation"),
  };
}

function readBytes(body: unknown, field: string, sizeBytes?: number): Uint8Array {
  const text = fieldOf(body, field);
  const bytes = typeof text === "string" && text.length <= 2048 ? parseBase64url(text) : undefined;
  if (bytes === undefined || (sizeBytes !== undefined && bytes.length !== sizeBytes)) throw malformed(field);
  return bytes;
}
