/**
 * The join request: public keys only, signed with the new key as proof that it is held.
 *
 * | field | size |
 * |---|---|
 * | version, kind | see join-uri.ts |
 * | signingKey | 32, Ed25519 |
 * | encryptionKey | 32, X25519 |
 * | createdAtMs | u64 |
 * | userName | sized UTF-8, 1 … 256 bytes |
 * | signature | 64, by signingKey |
 *
 * `requestHash` = SHA-256 of all but the signature: a signature may be made anew, and the newcomer can compute the hash again
 * from the identity and createdAtMs alone.
 */
import { bytesToId, ByteWriter, CofferError, idToBytes } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { invalidJoin, isSignedBy, joinKinds, joinVersion, readJoinUri, writeJoinUri } from "./join-uri.ts";
import type { JoinRequest, PublicIdentity, UnlockedIdentity } from "./keys.ts";
import { isName, maxNameBytes } from "./name.ts";

/** Write a join request of an identity as `mdb://join-request/…`. */
export async function encodeJoinRequest(
  crypto: Crypto,
  identity: UnlockedIdentity,
  nowMs: number,
): Promise<string> {
  const signed = requestBytes(identity.publicIdentity, nowMs);
  return writeJoinUri(crypto, "request", signed, identity.signing.privateKey);
}

/**
 * Read a join request from untrusted text.
 *
 * @throws `input/too-large`, `input/invalid`, `protocol/version`; `entry/forged` when the key in it did not sign it
 */
export async function parseJoinRequest(crypto: Crypto, uri: string): Promise<JoinRequest> {
  const message = readJoinUri("request", uri);
  const { reader, signed } = message;
  const signingKeyBytes = reader.fixed(32);
  const encryptionKey = reader.fixed(32).slice();
  const createdAtMs = reader.u64();
  const userName = reader.text(maxNameBytes);
  if (!reader.finish() || !isName(userName)) throw invalidJoin("request", reader.error ?? "name");
  if (!(await isSignedBy(crypto, message, signingKeyBytes)))
    throw new CofferError("entry/forged", { what: "join request" });
  const identity = { userName, signingKey: bytesToId("AuthorKey", signingKeyBytes), encryptionKey };
  return { identity, createdAtMs, requestHash: crypto.sha256(signed) };
}

/** The hash that the request of an identity, made at a time, has. */
export function hashJoinRequest(
  crypto: Pick<Crypto, "sha256">,
  identity: PublicIdentity,
  createdAtMs: number,
): Uint8Array<ArrayBuffer> {
  return crypto.sha256(requestBytes(identity, createdAtMs));
}

function requestBytes(identity: PublicIdentity, createdAtMs: number): Uint8Array<ArrayBuffer> {
  return new ByteWriter()
    .u8(joinVersion)
    .u8(joinKinds.request.byte)
    .fixed(idToBytes(identity.signingKey), 32)
    .fixed(identity.encryptionKey, 32)
    .u64(createdAtMs)
    .text(identity.userName)
    .toBytes();
}
