/**
 * What the relay keeps of a publication, beside the directory's commits.
 *
 * | field | bytes |
 * |---|---|
 * | genesis | sized: the genesis record; its SHA-256 under its domain is the tenant id |
 * | keyId, epoch, secret | 16, varint, 32: the key of `$publicinfos`, and no other |
 */
import type { Verifier } from "../../src/crypto/index.ts";
import { directoryDbId } from "../../src/entry/index.ts";
import {
  bytesToId,
  ByteReader,
  ByteWriter,
  CofferError,
  idToBytes,
  utf8ToBytes,
  type AuthorKey,
  type TenantId,
} from "../../src/std/index.ts";
import type { Publication } from "../../src/sync/index.ts";
import type { TenantRecord } from "./storage.ts";

const genesisDomain = utf8ToBytes("coffer/genesis/v1\0");
const genesisVersion = 1;
const genesisBytes = 113;

/** The part of a genesis record that a relay needs: who the admin is, and which tenant that makes. */
export interface TenantRoot {
  readonly tenantId: TenantId;
  readonly adminKey: AuthorKey;
}

/**
 * Read the root from a genesis record; `undefined` when it is not one. The record's table is in `keys/genesis.ts`, a room
 * that a relay may not reach; its version and admin key come first.
 */
export function readTenantRoot(
  crypto: Pick<Verifier, "sha256">,
  genesis: Uint8Array,
): TenantRoot | undefined {
  if (genesis.length !== genesisBytes || genesis[0] !== genesisVersion) return undefined;
  const tenantId = bytesToId("TenantId", crypto.sha256(genesisDomain, genesis));
  return { tenantId, adminKey: bytesToId("AuthorKey", genesis.subarray(1, 33)) };
}

/** Write what is kept of a publication. */
export function toTenantRecord(
  crypto: Pick<Verifier, "sha256">,
  tenantId: TenantId,
  { genesis, publicInfosKey }: Pick<Publication, "genesis" | "publicInfosKey">,
): TenantRecord {
  const writer = new ByteWriter().sized(genesis).fixed(idToBytes(publicInfosKey.keyId), 16);
  const publication = writer.varint(publicInfosKey.epoch).fixed(publicInfosKey.secret, 32).toBytes();
  return { tenantId, directoryDbId: directoryDbId(crypto, tenantId), publication };
}

/** Read back what {@link toTenantRecord} wrote. @throws `entry/corrupt` when the stored bytes are damaged */
export function readTenantRecord(
  crypto: Pick<Verifier, "sha256">,
  record: TenantRecord,
): { readonly root: TenantRoot; readonly publicInfosKey: Publication["publicInfosKey"] } {
  const reader = new ByteReader(record.publication);
  const root = readTenantRoot(crypto, reader.sized(genesisBytes));
  const keyIdBytes = reader.fixed(16);
  const epoch = reader.varint();
  const secret = reader.fixed(32);
  if (!reader.finish() || root?.tenantId !== record.tenantId) {
    throw new CofferError("entry/corrupt", { message: "A stored tenant is damaged." });
  }
  return { root, publicInfosKey: { keyId: bytesToId("KeyId", keyIdBytes), epoch, secret } };
}
