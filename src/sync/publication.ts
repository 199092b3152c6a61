/**
 * What an admin hands a server to open a tenant there: nothing private beside the key of the access-control records.
 *
 * | field | bytes |
 * |---|---|
 * | version | u8, 1 |
 * | genesis | sized, at most 4 KiB: the genesis record, whose SHA-256 is the tenant id |
 * | keyId, epoch, secret | 16, varint, 32: the key of `$publicinfos` |
 * | createdAtMs | u64 |
 * | origin | text, at most 2 KiB: the server this is meant for, such as "https://sync.example.org" |
 * | commits | varint count (1 to 4096), each sized: the directory from its start |
 * | signature | 64, Ed25519 by the admin key over "coffer/publication/v1\0" ‖ all fields before it |
 */
import {
  assert,
  ByteReader,
  ByteWriter,
  bytesToId,
  concatBytes,
  utf8ToBytes,
  type KeyId,
  idToBytes,
} from "../std/index.ts";
import type { Key, Verifier } from "../crypto/index.ts";
import { entryLimits } from "../entry/index.ts";
import { syncLimits } from "./messages.ts";

const version = 1;
const signatureBytes = 64;
const genesisBytes = 4096;
const originBytes = 2048;
const domain = utf8ToBytes("coffer/publication/v1\0");

/** A tenant as its admin publishes it. */
export interface Publication {
  readonly genesis: Uint8Array;
  /** the key named `$publicinfos`; `secret` has 32 bytes */
  readonly publicInfosKey: { readonly keyId: KeyId; readonly epoch: number; readonly secret: Uint8Array };
  readonly createdAtMs: number;
  readonly origin: string;
  /** encoded commits of the directory, from its first */
  readonly directoryCommits: readonly Uint8Array[];
}

/** A publication that was read but not judged: its signature and the bytes it must cover. */
export interface SignedPublication {
  readonly publication: Publication;
  readonly signature: Uint8Array;
  readonly signedBytes: Uint8Array;
}

/** Write and sign a publication; the answer is the body of `POST /v1/tenants`. */
export async function signPublication(
  crypto: Pick<Verifier, "sign">,
  adminPrivateKey: Key,
  publication: Publication,
): Promise<Uint8Array<ArrayBuffer>> {
  const { publicInfosKey, directoryCommits } = publication;
  assert(directoryCommits.length > 0, "publication: a directory has a first commit");
  const writer = new ByteWriter().u8(version).sized(publication.genesis);
  writer.fixed(idToBytes(publicInfosKey.keyId)).varint(publicInfosKey.epoch).fixed(publicInfosKey.secret, 32);
  writer.u64(publication.createdAtMs).text(publication.origin).varint(directoryCommits.length);
  for (const commit of directoryCommits) writer.sized(commit);
  const fields = writer.toBytes();
  return concatBytes(fields, await crypto.sign(adminPrivateKey, concatBytes(domain, fields)));
}

/** Read a publication from untrusted bytes, strictly; `undefined` when they are not one. Byte fields are views of `bytes`. */
export function parsePublication(bytes: Uint8Array): SignedPublication | undefined {
  if (bytes.length < signatureBytes || bytes.length > syncLimits.requestBytes) return undefined;
  const fields = bytes.subarray(0, bytes.length - signatureBytes);
  const reader = new ByteReader(fields);
  if (reader.u8() !== version) return undefined;
  const genesis = reader.sized(genesisBytes);
  const keyIdBytes = reader.fixed(16);
  const epoch = reader.varint();
  const secret = reader.fixed(32);
  const createdAtMs = reader.u64();
  const origin = reader.text(originBytes);
  const count = reader.varint(syncLimits.commitsPerFrame);
  const directoryCommits: Uint8Array[] = [];
  while (directoryCommits.length < count && reader.error === undefined) {
    directoryCommits.push(reader.sized(entryLimits.commitBytes));
  }
  if (!reader.finish() || count === 0) return undefined;
  const publicInfosKey = { keyId: bytesToId("KeyId", keyIdBytes), epoch, secret };
  return {
    publication: { genesis, publicInfosKey, createdAtMs, origin, directoryCommits },
    signature: bytes.subarray(fields.length),
    signedBytes: concatBytes(domain, fields),
  };
}

/**
 * Judge a publication's signature. Never throws. That the admin key is the genesis record's, the caller knows; that the origin is
 * its own and the directory commits fold, it checks.
 *
 * @param adminKey 32 bytes, from the genesis record
 */
export async function verifyPublication(
  crypto: Pick<Verifier, "verify">,
  adminKey: Uint8Array,
  signed: SignedPublication,
): Promise<boolean> {
  return crypto.verify(adminKey, signed.signature, signed.signedBytes);
}
