/**
 * The bytes of a backup file, format `CFRB`, version 1; version 2 where the bytes of attachments are in it.
 *
 * | part | field | size |
 * |---|---|---|
 * | header | magic | 4, "CFRB" |
 * | | version | u8: 2 with attachments, else 1 |
 * | | headerSize | u16, the whole header, at most 512 |
 * | | flags | u8: 0 keys and names only, 1 with the log, 3 with the log and attachments |
 * | | tenantId | 32 |
 * | | fileNonce | 32, random |
 * | | endPosition | u64: what of the log is in it, 0 without the log |
 * | | contentSize | u64: plaintext bytes in all chunks, from 1 |
 * | | contentHash | 32: see below |
 * | | parameters | how the password becomes a key, see keys/kdf-codec.ts |
 * | | commitment | 32: of the file's key |
 * | | checksum | 16, SHA-256("coffer/backup-checksum/v1\0" ‖ all before it), cut |
 * | chunks | each | 65 536 bytes of content, the last one 1 … 65 536, sealed: ciphertext ‖ tag(16) |
 *
 * File key ‖ commitment = HKDF-SHA-256 of the password's key, salt = fileNonce, info = "coffer/backup/v1\0" ‖ SHA-256(the header up to
 * the commitment), 64 bytes. Chunk i is AES-256-GCM under the file key, nonce = i as 11 bytes ‖ u8 (1 in the last chunk), the header its
 * additional data. So a chunk opens in its own file, at its own place only, and none can be left out at the end.
 *
 * contentHash is the last of a chain over the chunks' plaintexts: h₀ = 32 zero bytes, hᵢ₊₁ = SHA-256(hᵢ ‖ plaintext i). Since it is part
 * of what the file key is made of, one key never seals two different contents: an export that goes on after it broke off writes the same
 * bytes, or is refused.
 *
 * The content is a sequence of records: u8 kind ‖ varint size ‖ body, in the order of their kinds
 *
 * | kind | body | how many |
 * |---|---|---|
 * | 1 tenant | userKey(32) ‖ u8 has admin [‖ admin key(32)] ‖ u64 createdAtMs ‖ sized genesis | one |
 * | 2 vault | signing key(32) ‖ vault, see keys/vault.ts | of the user; of the admin where this device has it |
 * | 3 slot | text name ‖ value: one of {@link isBackedUpSlot} | each at most once |
 * | 4 commit | an encoded commit, see entry/codec.ts; in the order of the log | |
 * | 5 end | u64 commit count ‖ hash(32): the last of a chain as above over the commit hashes | one |
 * | 6 part | hash(32) of one of these commits ‖ u8 flags: 1 a document names it ‖ u16: a bit for each of its chunks that follow, at least one | version 2 |
 * | 7 chunk | a ciphertext, as its commit names it; those of a part in their order | version 2 |
 * | 8 chunks | u64: how many there were, the end of a file of version 2 | one in version 2 |
 */
import {
  bytesToId,
  ByteReader,
  ByteWriter,
  CofferError,
  concatBytes,
  copyBytes,
  equalBytes,
  equalBytesConstantTime,
  idToBytes,
  utf8ToBytes,
  type TenantId,
} from "../std/index.ts";
import type { Crypto, KdfParameters, Key } from "../crypto/index.ts";
import { readKdfParameters, writeKdfParameters } from "../keys/index.ts";

const versions = { plain: 1, withChunks: 2 } as const;
const flagsOf = { keys: 0, log: 1, chunks: 3 } as const;
const magic = utf8ToBytes("CFRB");
const startBytes = magic.length + 1 + 2;
const checksumBytes = 16;
const maxHeaderBytes = 512;
const keyDomain = utf8ToBytes("coffer/backup/v1\0");
const checksumDomain = utf8ToBytes("coffer/backup-checksum/v1\0");
const tagBytes = 16;

/** Plaintext of every chunk but the last. */
export const backupChunkBytes = 64 * 1024;
/** Bytes of a sealed chunk of full size. */
export const sealedChunkBytes = backupChunkBytes + tagBytes;

/** What a header says but for the commitment, which follows from the password. */
export interface BackupClaim {
  readonly hasLog: boolean;
  /** the bytes of attachments are in it, as far as the device had them; never without the log */
  readonly hasChunks: boolean;
  readonly tenantId: TenantId;
  readonly fileNonce: Uint8Array;
  readonly endPosition: number;
  readonly contentSizeBytes: number;
  readonly contentHash: Uint8Array;
  readonly parameters: KdfParameters;
}

/** A header that was read. */
export interface BackupHeader extends BackupClaim {
  readonly commitment: Uint8Array;
  /** as it stands in the file */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The key of one file, with its header. */
export interface BackupKey {
  readonly key: Key;
  readonly header: Uint8Array<ArrayBuffer>;
  readonly chunkCount: number;
}

/** What the first bytes of a file are. `short`: more of them are needed. */
export type HeaderVerdict =
  | { readonly kind: "header"; readonly header: BackupHeader }
  | { readonly kind: "short" }
  | { readonly kind: "refused"; readonly code: "entry/corrupt" | "protocol/version" };

/** Start a new file under a password: its header and its key. @throws `input/too-large`, `input/invalid` for the password */
export async function createBackupKey(
  crypto: Crypto,
  password: string,
  claim: BackupClaim,
): Promise<BackupKey> {
  const bound = encodeClaim(claim);
  const { key, commitment } = await deriveKey(crypto, password, { bound, ...claim });
  const body = concatBytes(bound, commitment);
  return { key, header: concatBytes(body, checksumOf(crypto, body)), chunkCount: countChunks(claim) };
}

/**
 * Derive the key of a file that is there.
 *
 * @throws `key/parameters` before any work when the header asks for too little or too much of it; `key/wrong-password`
 */
export async function openBackupKey(
  crypto: Crypto,
  password: string,
  header: BackupHeader,
): Promise<BackupKey> {
  const bound = header.bytes.subarray(0, header.bytes.length - checksumBytes - header.commitment.length);
  const { key, commitment } = await deriveKey(crypto, password, { bound, ...header });
  if (!equalBytesConstantTime(commitment, header.commitment)) throw new CofferError("key/wrong-password");
  return { key, header: header.bytes, chunkCount: countChunks(header) };
}

/** Read the header at the start of a file. Never throws. */
export function readBackupHeader(crypto: Pick<Crypto, "sha256">, bytes: Uint8Array): HeaderVerdict {
  const corrupt = { kind: "refused", code: "entry/corrupt" } as const;
  const magicBytes = bytes.subarray(0, magic.length);
  if (!equalBytes(magicBytes, magic.subarray(0, magicBytes.length))) return corrupt;
  if (bytes.length < startBytes) return { kind: "short" };
  const start = new ByteReader(bytes.subarray(magic.length));
  const version = start.u8();
  if (version !== versions.plain && version !== versions.withChunks)
    return { kind: "refused", code: "protocol/version" };
  const sizeBytes = start.u16();
  if (sizeBytes < startBytes + checksumBytes || sizeBytes > maxHeaderBytes) return corrupt;
  if (bytes.length < sizeBytes) return { kind: "short" };
  const whole = copyBytes(bytes.subarray(0, sizeBytes));
  const body = whole.subarray(0, sizeBytes - checksumBytes);
  if (!equalBytes(whole.subarray(body.length), checksumOf(crypto, body))) return corrupt;
  const header = readFields(new ByteReader(body.subarray(startBytes)), version, whole);
  return header === undefined ? corrupt : { kind: "header", header };
}

function readFields(
  reader: ByteReader,
  version: number,
  bytes: Uint8Array<ArrayBuffer>,
): BackupHeader | undefined {
  const flags = reader.u8();
  const hasChunks = flags === flagsOf.chunks;
  if (flags > flagsOf.log && !hasChunks) reader.fail("flags");
  if (hasChunks !== (version === versions.withChunks)) reader.fail("flags");
  const tenantId = reader.fixed(32);
  const fileNonce = reader.fixed(32);
  const endPosition = reader.u64();
  const contentSizeBytes = reader.u64();
  if (contentSizeBytes === 0) reader.fail("empty");
  const contentHash = reader.fixed(32);
  const parameters = readKdfParameters(reader);
  const commitment = reader.fixed(32);
  if (!reader.finish()) return undefined;
  return {
    hasLog: flags !== flagsOf.keys,
    hasChunks,
    tenantId: bytesToId("TenantId", tenantId),
    fileNonce,
    endPosition,
    contentSizeBytes,
    contentHash,
    parameters,
    commitment,
    bytes,
  };
}

function encodeClaim(claim: BackupClaim): Uint8Array<ArrayBuffer> {
  const fields = new ByteWriter()
    .u8(claim.hasChunks ? flagsOf.chunks : claim.hasLog ? flagsOf.log : flagsOf.keys)
    .fixed(idToBytes(claim.tenantId), 32)
    .fixed(claim.fileNonce, 32)
    .u64(claim.endPosition)
    .u64(claim.contentSizeBytes)
    .fixed(claim.contentHash, 32);
  writeKdfParameters(fields, claim.parameters);
  const sizeBytes = startBytes + fields.length + 32 + checksumBytes;
  const version = claim.hasChunks ? versions.withChunks : versions.plain;
  return new ByteWriter().fixed(magic).u8(version).u16(sizeBytes).fixed(fields.toBytes()).toBytes();
}

async function deriveKey(
  crypto: Crypto,
  password: string,
  from: Pick<BackupClaim, "fileNonce" | "parameters"> & { readonly bound: Uint8Array },
): Promise<{ readonly key: Key; readonly commitment: Uint8Array }> {
  const secret = await crypto.deriveFromPassword(password, from.parameters);
  const root = await crypto.importDerivationKey(secret);
  secret.fill(0);
  const info = concatBytes(keyDomain, crypto.sha256(from.bound));
  const derived = await crypto.derive(root, from.fileNonce, info, 64);
  const key = await crypto.importCipherKey(derived.subarray(0, 32));
  const commitment = derived.slice(32);
  derived.fill(0);
  return { key, commitment };
}

function countChunks({ contentSizeBytes }: Pick<BackupClaim, "contentSizeBytes">): number {
  return Math.ceil(contentSizeBytes / backupChunkBytes);
}

function checksumOf(crypto: Pick<Crypto, "sha256">, bytes: Uint8Array): Uint8Array {
  return crypto.sha256(checksumDomain, bytes).subarray(0, checksumBytes);
}

/** Seal the chunk with this number. The content under one {@link BackupKey} is always the same, so its nonces are too. */
export function sealChunk(
  crypto: Pick<Crypto, "encrypt">,
  { key, header, chunkCount }: BackupKey,
  index: number,
  plaintext: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  return crypto.encrypt(key, nonceOf(index, chunkCount), plaintext, header);
}

/** Open the chunk with this number; `undefined` when it is not this one, or changed. */
export function openChunk(
  crypto: Pick<Crypto, "decrypt">,
  { key, header, chunkCount }: BackupKey,
  index: number,
  sealed: Uint8Array,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return crypto.decrypt(key, nonceOf(index, chunkCount), sealed, header);
}

function nonceOf(index: number, chunkCount: number): Uint8Array<ArrayBuffer> {
  const isLast = index === chunkCount - 1;
  return new ByteWriter(12)
    .fixed(new Uint8Array(3))
    .u64(index)
    .u8(isLast ? 1 : 0)
    .toBytes();
}

/** The size of a sealed chunk, by its number. */
export function sealedSizeOf(header: Pick<BackupClaim, "contentSizeBytes">, index: number): number {
  const rest = header.contentSizeBytes - index * backupChunkBytes;
  return Math.min(backupChunkBytes, rest) + tagBytes;
}

/** The size of the whole file, by its header. */
export function fileSizeOf(header: Pick<BackupHeader, "bytes" | "contentSizeBytes">): number {
  return header.bytes.length + header.contentSizeBytes + countChunks(header) * tagBytes;
}

/** The start of a chain of hashes. */
export const emptyChain: Uint8Array<ArrayBuffer> = new Uint8Array(32);

/** The chain with one more link. */
export function chainHash(
  crypto: Pick<Crypto, "sha256">,
  chain: Uint8Array,
  link: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return crypto.sha256(chain, link);
}
