/**
 * The right of a device key to move sealed commits for a user, signed once by the user's signing key.
 *
 * | field | bytes |
 * |---|---|
 * | version | u8, 1 |
 * | scope | u8, 1 = sync |
 * | deviceKey | 32 |
 * | userKey | 32 |
 * | tenantId | 32 |
 * | expiresAtMs | u64 |
 * | signature | 64, Ed25519 by userKey over "coffer/delegation/v1\0" ‖ all fields before it |
 */
import {
  ByteReader,
  ByteWriter,
  concatBytes,
  idToBytes,
  readId,
  utf8ToBytes,
  type AuthorKey,
  type TenantId,
} from "../std/index.ts";
import type { Key, Verifier } from "../crypto/index.ts";
import type { Delegation } from "./messages.ts";

const version = 1;
const scopeSync = 1;
const fieldBytes = 106;
const domain = utf8ToBytes("coffer/delegation/v1\0");

/** The size of a signed delegation. */
export const delegationBytes = fieldBytes + 64;

/** Write a delegation without its signature. */
export function encodeDelegation(delegation: Delegation): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(fieldBytes).u8(version).u8(scopeSync);
  writer
    .fixed(idToBytes(delegation.deviceKey))
    .fixed(idToBytes(delegation.userKey))
    .fixed(idToBytes(delegation.tenantId));
  return writer.u64(delegation.expiresAtMs).toBytes();
}

/** Sign a delegation with the user's signing key; the answer is what {@link verifyDelegation} takes. */
export async function signDelegation(
  crypto: Pick<Verifier, "sign">,
  userPrivateKey: Key,
  delegation: Delegation,
): Promise<Uint8Array<ArrayBuffer>> {
  const fields = encodeDelegation(delegation);
  return concatBytes(fields, await crypto.sign(userPrivateKey, concatBytes(domain, fields)));
}

/** Read a delegation's fields from untrusted bytes, without judging the signature; `undefined` when they are not one. */
export function parseDelegation(bytes: Uint8Array): Delegation | undefined {
  if (bytes.length !== delegationBytes) return undefined;
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version || reader.u8() !== scopeSync) return undefined;
  const deviceKey = readId(reader, "AuthorKey");
  const userKey = readId(reader, "AuthorKey");
  const tenantId = readId(reader, "TenantId");
  const expiresAtMs = reader.u64();
  return reader.error === undefined
    ? { deviceKey, userKey, tenantId, scope: "sync", expiresAtMs }
    : undefined;
}

/** Whether a device may move commits for the user that the delegation names. */
export type DelegationVerdict =
  | { readonly kind: "valid"; readonly delegation: Delegation }
  | {
      readonly kind: "invalid";
      readonly reason: "malformed" | "device" | "tenant" | "expired" | "signature";
    };

/**
 * Judge a delegation for one device and tenant at one time. Never throws. Whether the user is a member, the directory says.
 */
export async function verifyDelegation(
  crypto: Pick<Verifier, "verify">,
  bytes: Uint8Array,
  expected: { readonly deviceKey: AuthorKey; readonly tenantId: TenantId; readonly nowMs: number },
): Promise<DelegationVerdict> {
  const delegation = parseDelegation(bytes);
  if (delegation === undefined) return { kind: "invalid", reason: "malformed" };
  if (delegation.deviceKey !== expected.deviceKey) return { kind: "invalid", reason: "device" };
  if (delegation.tenantId !== expected.tenantId) return { kind: "invalid", reason: "tenant" };
  if (delegation.expiresAtMs <= expected.nowMs) return { kind: "invalid", reason: "expired" };
  const signed = concatBytes(domain, bytes.subarray(0, fieldBytes));
  const isSigned = await crypto.verify(idToBytes(delegation.userKey), bytes.subarray(fieldBytes), signed);
  return isSigned ? { kind: "valid", delegation } : { kind: "invalid", reason: "signature" };
}
