/**
 * Proving to a server who asks: a challenge, answered once by the user's signing key or by a device key with its delegation.
 *
 * | answer's preimage | bytes |
 * |---|---|
 * | domain | "coffer/auth/v1\0" |
 * | origin | text: the origin the client believes it talks to; the server puts its own here |
 * | serverKey | 32 |
 * | tenantId | 32 |
 * | key | 32: who answers |
 * | challenge | sized: opaque, from the server, bound by it to tenant, key and time |
 * | clientNonce | 16 |
 *
 * An answer for one server, tenant, key or challenge is worth nothing for another, so that nobody in between can pass it on.
 */
import {
  ByteWriter,
  bytesToBase64url,
  CofferError,
  idToBytes,
  parseBase64url,
  utf8ToBytes,
  type AuthorKey,
  type TenantId,
} from "../std/index.ts";
import type { Key, Verifier } from "../crypto/index.ts";
import { parseDelegation } from "./delegation.ts";
import type { HttpTransport } from "./transport.ts";
import { isTokenSize } from "./frames.ts";

const domain = utf8ToBytes("coffer/auth/v1\0");
const challengeBytes = 1024;

/** Who speaks to the server: a user's signing key, or a device key with the user's delegation. */
export interface Signer {
  readonly key: AuthorKey;
  readonly privateKey: Key;
  /** as {@link signDelegation} made it */
  readonly delegation?: Uint8Array | undefined;
}

/** The user that a signer speaks for; `undefined` when its delegation cannot be read. */
export function userKeyOf({ key, delegation }: Signer): AuthorKey | undefined {
  return delegation === undefined ? key : parseDelegation(delegation)?.userKey;
}

/** What an answer to a challenge is bound to. */
export interface AuthClaim {
  readonly origin: string;
  /** 32 bytes */
  readonly serverKey: Uint8Array;
  readonly tenantId: TenantId;
  readonly key: AuthorKey;
  readonly challenge: Uint8Array;
  /** 16 bytes */
  readonly clientNonce: Uint8Array;
}

/** A right to speak for a while. */
export interface SessionToken {
  /** 32 bytes */
  readonly token: Uint8Array;
  readonly expiresInMs: number;
}

/** The bytes that are signed to answer a challenge. */
export function authPreimage(claim: AuthClaim): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().fixed(domain).text(claim.origin).fixed(claim.serverKey, 32);
  writer.fixed(idToBytes(claim.tenantId)).fixed(idToBytes(claim.key)).sized(claim.challenge);
  return writer.fixed(claim.clientNonce, 16).toBytes();
}

/**
 * Ask for a challenge, answer it and take the token.
 *
 * @throws `access/…` when the server refuses this key, `protocol/malformed` for an answer that is none, `net/…`
 */
export async function authenticate(
  http: Pick<HttpTransport, "origin" | "postJson">,
  crypto: Pick<Verifier, "sign" | "randomBytes">,
  signer: Signer,
  target: {
    readonly tenantId: TenantId;
    readonly serverKey: Uint8Array;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<SessionToken> {
  const { tenantId, serverKey, signal } = target;
  const asked = await http.postJson("/v1/auth/challenge", { tenant: tenantId, key: signer.key }, signal);
  const challengeText = textField(asked, "challenge");
  const challenge = parseBase64url(challengeText);
  if (challenge === undefined || challenge.length > challengeBytes) throw malformed("challenge");
  const clientNonce = crypto.randomBytes(16);
  const claim = { origin: http.origin, serverKey, tenantId, key: signer.key, challenge, clientNonce };
  const signature = await crypto.sign(signer.privateKey, authPreimage(claim));
  const answer = await http.postJson(
    "/v1/auth/token",
    {
      tenant: tenantId,
      key: signer.key,
      challenge: challengeText,
      clientNonce: bytesToBase64url(clientNonce),
      signature: bytesToBase64url(signature),
      ...(signer.delegation === undefined ? {} : { delegation: bytesToBase64url(signer.delegation) }),
    },
    signal,
  );
  const token = parseBase64url(textField(answer, "token"));
  if (token === undefined || !isTokenSize(token.length)) throw malformed("token");
  return { token, expiresInMs: numberField(answer, "expiresInMs") };
}

function malformed(field: string): CofferError {
  return new CofferError("protocol/malformed", { field });
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[field]
    : undefined;
}

function textField(value: unknown, field: string): string {
  const text = fieldOf(value, field);
  if (typeof text !== "string" || text.length > 4096) throw malformed(field);
  return text;
}

function numberField(value: unknown, field: string): number {
  const number = fieldOf(value, field);
  if (typeof number !== "number" || !Number.isFinite(number) || number < 0) throw malformed(field);
  return number;
}
