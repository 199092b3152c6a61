/**
 * The tenant's root of trust: one record from which the tenant's id is made, so that no other root can claim the id.
 *
 * | field | size |
 * |---|---|
 * | version | u8, 1 |
 * | adminSigningKey | 32, Ed25519 |
 * | adminEncryptionKey | 32, X25519 |
 * | random | 16 |
 * | nameCommitment | 32, HMAC-SHA-256(names key, "coffer/alias/v1\0" ‖ display name in UTF-8) |
 *
 * `tenantId` = SHA-256("coffer/genesis/v1\0" ‖ these 113 bytes).
 */
import {
  ByteReader,
  bytesToId,
  ByteWriter,
  equalBytesConstantTime,
  idToBytes,
  readId,
  utf8ToBytes,
} from "../std/index.ts";
import type { Crypto, Verifier } from "../crypto/index.ts";
import type { Genesis, PublicIdentity } from "./keys.ts";
import { requireName } from "./name.ts";

const genesisVersion = 1;
const genesisDomain = utf8ToBytes("coffer/genesis/v1\0");
const aliasDomain = utf8ToBytes("coffer/alias/v1\0");

/** Size of a genesis record. */
export const genesisBytes = 113;

/**
 * Create the genesis of a new tenant.
 *
 * @throws `input/invalid` when the tenant's name cannot be one
 */
export function createGenesis(
  crypto: Pick<Crypto, "sha256" | "hmacSha256" | "randomBytes">,
  root: { readonly admin: PublicIdentity; readonly namesKey: Uint8Array; readonly tenantName: string },
): Genesis {
  requireName(root.tenantName);
  const bytes = new ByteWriter(genesisBytes)
    .u8(genesisVersion)
    .fixed(idToBytes(root.admin.signingKey), 32)
    .fixed(root.admin.encryptionKey, 32)
    .fixed(crypto.randomBytes(16), 16)
    .fixed(commitToName(crypto, root.namesKey, root.tenantName))
    .toBytes();
  return readGenesis(crypto, bytes);
}

/** Read a genesis record from untrusted bytes; `undefined` when it is not one. Whether it is the expected one, its id says. */
export function parseGenesis(crypto: Pick<Verifier, "sha256">, bytes: Uint8Array): Genesis | undefined {
  if (bytes.length !== genesisBytes || bytes[0] !== genesisVersion) return undefined;
  return readGenesis(crypto, bytes.slice());
}

/** Tell whether a genesis commits to a display name. */
export function isNameOf(
  crypto: Pick<Crypto, "hmacSha256">,
  genesis: Genesis,
  alias: { readonly namesKey: Uint8Array; readonly tenantName: string },
): boolean {
  return equalBytesConstantTime(
    genesis.nameCommitment,
    commitToName(crypto, alias.namesKey, alias.tenantName),
  );
}

function commitToName(crypto: Pick<Crypto, "hmacSha256">, namesKey: Uint8Array, name: string): Uint8Array {
  return crypto.hmacSha256(namesKey, aliasDomain, utf8ToBytes(name));
}

function readGenesis(crypto: Pick<Verifier, "sha256">, bytes: Uint8Array<ArrayBuffer>): Genesis {
  const reader = new ByteReader(bytes.subarray(1));
  return {
    tenantId: bytesToId("TenantId", crypto.sha256(genesisDomain, bytes)),
    adminSigningKey: readId(reader, "AuthorKey"),
    adminEncryptionKey: reader.fixed(32).slice(),
    random: reader.fixed(16).slice(),
    nameCommitment: reader.fixed(32).slice(),
    bytes,
  };
}
