/**
 * What a server signs when it holds a chunk, so that a device may let its own copy go.
 *
 * | preimage | bytes |
 * |---|---|
 * | domain | "coffer/chunk/v1\0" |
 * | tenantId | 32 |
 * | hash | 32: SHA-256 of the ciphertext |
 * | size | u32 |
 *
 * Signed with Ed25519 by the key that signs the server's tree heads. It says that the bytes are durable there; it does not say until when.
 * For bytes that a device has from a server it needs none: who hands them out has them.
 */
import { ByteWriter, idToBytes, utf8ToBytes, type TenantId } from "../std/index.ts";
import type { Key, Verifier } from "../crypto/index.ts";

const domain = utf8ToBytes("coffer/chunk/v1\0");

/** What a receipt is about. */
export interface ChunkClaim {
  readonly tenantId: TenantId;
  /** 32 bytes */
  readonly hash: Uint8Array;
  readonly sizeBytes: number;
}

/** The bytes that a server signs: see the table above. */
export function chunkPreimage({ hash, sizeBytes, tenantId }: ChunkClaim): Uint8Array<ArrayBuffer> {
  return new ByteWriter(96).fixed(domain).fixed(idToBytes(tenantId)).fixed(hash, 32).u32(sizeBytes).toBytes();
}

/** Sign a receipt. */
export function signChunk(crypto: Pick<Verifier, "sign">, key: Key, claim: ChunkClaim): Promise<Uint8Array> {
  return crypto.sign(key, chunkPreimage(claim));
}

/** Whether a server with this key gave this receipt. */
export function verifyChunk(
  crypto: Pick<Verifier, "verify">,
  serverKey: Uint8Array,
  claim: ChunkClaim,
  receipt: Uint8Array,
): Promise<boolean> {
  return crypto.verify(serverKey, receipt, chunkPreimage(claim));
}
