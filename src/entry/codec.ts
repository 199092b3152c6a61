/**
 * The bytes of commits and entries, in the canonical encoding of `std`. Whatever is not written exactly so is
 * refused: other orders, duplicates, unused keys, unknown types, suites and versions, longer spellings,
 * trailing bytes.
 *
 * Commit on the wire, at most 1 MiB
 *
 * | field | bytes |
 * |---|---|
 * | version | u8 = 1 |
 * | core | below |
 * | entryCount | u16, 1…256 |
 * | entries | below, in order |
 * | signature | 64: Ed25519 by `author` over the signed bytes |
 *
 * Core: the commit header but for the entry hashes
 *
 * | field | bytes |
 * |---|---|
 * | suite | u8 = 1: SHA-256, HKDF-SHA-256, AES-256-GCM, Ed25519 |
 * | tenantId, dbId, author, writerNonce | 32, 16, 32, 16 |
 * | writerSeq | varint, from 1 |
 * | predecessors | u8 count ≤ 64 (exactly 1 when writerSeq > 1), 32 each, ascending |
 * | directoryHead | u8 0, or u8 1 and 32 |
 * | seen | u8 0 for none, or u8 1, logKeyId 8, varint epoch, varint size, rootPrefix 16 |
 * | createdAt | varint, milliseconds since 1970, at most 8.64e15 |
 * | salt | 32 |
 * | keys | u8 count 1…16; each keyId 16, u32 epoch, fingerprint 8, commitment 32; ascending |
 *
 * Signed bytes: `coffer/commit/v1\0` ‖ core ‖ u16 entryCount ‖ every entry hash. Their SHA-256 is the commit
 * hash.
 *
 * Entry on the wire: what can be recomputed does not travel, so a created document costs about 25 bytes over
 * its padded plaintext
 *
 * | field | bytes |
 * |---|---|
 * | presence | u8: 0 = hash only, 1 = whole, 2 = header without ciphertext |
 * | entryHash | 32, and nothing more; presence 0 only |
 * | entryType | u8, 1 + its place in `entryTypes` |
 * | docId | 16; not in doc_create (derived) nor in directory_record (all zero) |
 * | outer dependencies | u8 count, 32 each, ascending: entries of other commits |
 * | inner dependencies | u8 count, u8 index each, ascending: earlier entries of this commit; ≤ 64 in all |
 * | keyIndex | u8, into `keys` |
 * | docCounter | varint; doc_create only |
 * | ciphertextSize | varint, tag included |
 * | ciphertext | `ciphertextSize` bytes; or its SHA-256, 32 bytes, when presence is 2: erased, or a chunk that travels apart |
 *
 * Entry preimage: all of it bound, and to the commit's context. Its SHA-256 is the entry hash; with the last
 * field all zero it is the additional data of the encryption
 *
 * | field | bytes |
 * |---|---|
 * | domain | `coffer/entry/v1\0` |
 * | context | 32: SHA-256 of `coffer/ctx/v1\0`, suite … writerNonce as in the core, u64 writerSeq, salt |
 * | index | u16 |
 * | entryType, docId | u8, 16 |
 * | keyId, epoch, fingerprint | 16, u32, 8 |
 * | docCounter | u64, zero but in doc_create |
 * | dependencies | u8 count, 32 each, ascending |
 * | ciphertextSize, ciphertextHash | u32, 32 |
 */
import {
  bytesToId,
  type ByteReader,
  ByteWriter,
  compareBytes,
  idToBytes,
  utf8ToBytes,
  type CommitHash,
} from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import {
  entryLimits,
  entryTypes,
  type Commit,
  type CommitEntry,
  type CommitHeader,
  type CommittedKey,
  type EntryHeader,
  type EntryType,
  type KeyName,
  type SeenHead,
} from "./entry.ts";

/** The version byte that every commit begins with. */
export const commitVersion = 1;
/** The one suite: SHA-256, HKDF-SHA-256, AES-256-GCM, Ed25519. */
export const commitSuite = 1;
/** Size of an Ed25519 signature. */
export const signatureBytes = 64;
/** The last instant that a date can hold. */
export const maxCreatedAtMs = 8.64e15;
/** What of an entry travels. */
export const presences = { hash: 0, whole: 1, header: 2 } as const;

const commitDomain = utf8ToBytes("coffer/commit/v1\0");
const contextDomain = utf8ToBytes("coffer/ctx/v1\0");
const entryDomain = utf8ToBytes("coffer/entry/v1\0");

/** The commit header but for the entry hashes. */
export type CommitCore = Omit<CommitHeader, "entryHashes">;

/** What an entry preimage is made of besides context and index; the dependencies are sorted and unique. */
export interface EntryFields {
  readonly entryType: EntryType;
  readonly docId: Uint8Array;
  /** made by {@link encodeKeyName} */
  readonly keyName: Uint8Array;
  readonly docCounter: number;
  readonly dependencies: readonly Uint8Array[];
  readonly ciphertextSizeBytes: number;
}

/** Tell whether an entry's document id is left out on the wire, because readers know it. */
export function isDocIdImplied(entryType: EntryType): boolean {
  return entryType === "doc_create" || entryType === "directory_record";
}

/** The tree head of an author who has seen none. */
export function noSeenHead(): SeenHead {
  return { logKeyId: new Uint8Array(8), epoch: 0, size: 0, rootPrefix: new Uint8Array(16) };
}

/** Compare two key names in the order that a commit lists them. */
export function compareKeyNames(a: KeyName, b: KeyName): number {
  return compareBytes(encodeKeyName(a), encodeKeyName(b));
}

/** Encode a key's name as preimages hold it: keyId, u32 epoch, fingerprint. */
export function encodeKeyName(name: KeyName): Uint8Array<ArrayBuffer> {
  return new ByteWriter(28).fixed(idToBytes(name.keyId)).u32(name.epoch).fixed(name.fingerprint, 8).toBytes();
}

/** Encode the core of a commit header; its lists are sorted already. */
export function encodeCore(core: CommitCore): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(512)
    .u8(core.suite)
    .fixed(idToBytes(core.tenantId))
    .fixed(idToBytes(core.dbId))
    .fixed(idToBytes(core.author))
    .fixed(core.writerNonce, 16)
    .varint(core.writerSeq)
    .u8(core.predecessors.length);
  for (const predecessor of core.predecessors) writer.fixed(idToBytes(predecessor));
  if (core.directoryHead === undefined) writer.u8(0);
  else writer.u8(1).fixed(idToBytes(core.directoryHead));
  writeSeen(writer, core.seen);
  writer.varint(core.createdAtMs).fixed(core.salt, 32).u8(core.keys.length);
  for (const key of core.keys) writer.fixed(encodeKeyName(key)).fixed(key.commitment, 32);
  return writer.toBytes();
}

/** Read the core of a commit header; with an error noted in the reader the value means nothing. */
export function readCore(reader: ByteReader): CommitCore {
  const suite = reader.u8();
  if (suite !== commitSuite) reader.fail("version");
  const tenantId = bytesToId("TenantId", takeFixed(reader, 32));
  const dbId = bytesToId("DbId", takeFixed(reader, 16));
  const author = bytesToId("AuthorKey", takeFixed(reader, 32));
  const writerNonce = takeFixed(reader, 16);
  const writerSeq = reader.varint();
  if (writerSeq < 1) reader.fail("writer sequence starts at 1");
  const predecessors = readPredecessors(reader);
  if (writerSeq > 1 && predecessors.length !== 1) reader.fail("one predecessor follows");
  const directoryHead = readFlag(reader) ? bytesToId("CommitHash", takeFixed(reader, 32)) : undefined;
  const seen = readSeen(reader);
  const createdAtMs = reader.varint(maxCreatedAtMs);
  const salt = takeFixed(reader, 32);
  const keys = readKeys(reader);
  return {
    suite,
    tenantId,
    dbId,
    author,
    writerNonce,
    writerSeq,
    predecessors,
    directoryHead,
    seen,
    createdAtMs,
    salt,
    keys,
  };
}

/** The bytes that the author signs and that the commit hash is made of. */
export function signedBytesOf(core: Uint8Array, entryHashes: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(commitDomain.length + core.length + 2 + entryHashes.length * 32)
    .fixed(commitDomain)
    .fixed(core)
    .u16(entryHashes.length);
  for (const entryHash of entryHashes) writer.fixed(entryHash, 32);
  return writer.toBytes();
}

/** Hash what ties an entry to its commit, whatever its place in it. */
export function contextOf(crypto: Pick<Verifier, "sha256">, core: CommitCore): Uint8Array<ArrayBuffer> {
  const preimage = new ByteWriter(192)
    .fixed(contextDomain)
    .u8(core.suite)
    .fixed(idToBytes(core.tenantId))
    .fixed(idToBytes(core.dbId))
    .fixed(idToBytes(core.author))
    .fixed(core.writerNonce, 16)
    .u64(core.writerSeq)
    .fixed(core.salt, 32);
  return crypto.sha256(preimage.toBytes());
}

/** The size of an entry preimage. */
export function additionalDataSizeBytes(dependencyCount: number): number {
  return additionalDataBytes + dependencyCount * 32;
}

/**
 * Encode an entry preimage with its ciphertext hash all zero: the additional data of the encryption.
 *
 * @param into where it is written, of just its size; memory of its own by default
 */
export function additionalDataOf(
  context: Uint8Array,
  entryIndex: number,
  fields: EntryFields,
  into = new Uint8Array(additionalDataSizeBytes(fields.dependencies.length)),
): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(into)
    .fixed(entryDomain)
    .fixed(context, 32)
    .u16(entryIndex)
    .u8(entryTypes.indexOf(fields.entryType) + 1)
    .fixed(fields.docId, 16)
    .fixed(fields.keyName, 28)
    .u64(fields.docCounter)
    .u8(fields.dependencies.length);
  for (const dependency of fields.dependencies) writer.fixed(dependency, 32);
  return writer.u32(fields.ciphertextSizeBytes).fixed(noHash).toBytes();
}

const noHash = new Uint8Array(32);
/** domain, context, index, type, docId, key name, counter, dependency count, size, hash */
const additionalDataBytes = entryDomain.length + 32 + 2 + 1 + 16 + 28 + 8 + 1 + 4 + 32;

/** Hash an entry, from its additional data, which is overwritten, and its ciphertext hash. */
export function hashEntry(
  crypto: Pick<Verifier, "sha256">,
  additionalData: Uint8Array,
  ciphertextHash: Uint8Array,
): Uint8Array<ArrayBuffer> {
  additionalData.set(ciphertextHash, additionalData.length - 32);
  return crypto.sha256(additionalData);
}

/**
 * Encode a commit with as much of each entry as is given: an entry without ciphertext keeps its header, one
 * without header its hash. Its hash and signature stay what they were, so it still verifies.
 */
export function encodeCommit(
  commit: Pick<Commit, "header" | "entries" | "signature">,
): Uint8Array<ArrayBuffer> {
  return encodeUnsigned(encodeCore(commit.header), commit.entries).fixed(commit.signature).toBytes();
}

/**
 * Encode a commit but for its signature, which is written next: the version, the core, and as much of each entry as is there.
 */
export function encodeUnsigned(core: Uint8Array, entries: readonly CommitEntry[]): ByteWriter {
  let sizeBytes = core.length + 3 + signatureBytes;
  for (const { header, ciphertext } of entries) {
    sizeBytes += 96 + (ciphertext?.length ?? 0) + (header?.dependencies.length ?? 0) * 32;
  }
  const writer = new ByteWriter(sizeBytes).u8(commitVersion).fixed(core).u16(entries.length);
  const isAlone = entries.every(({ header }) => (header?.dependencies.length ?? 0) === 0);
  const indexByHash = new Map(isAlone ? [] : entries.map(({ entryHash }, index) => [entryHash, index]));
  for (const entry of entries) {
    if (entry.header === undefined) writer.u8(presences.hash).fixed(idToBytes(entry.entryHash));
    else {
      writer.u8(entry.ciphertext === undefined ? presences.header : presences.whole);
      writeEntryHeader(writer, entry.header, indexByHash);
      writer.fixed(entry.ciphertext ?? entry.header.ciphertextHash);
    }
  }
  return writer;
}

function writeEntryHeader(
  writer: ByteWriter,
  header: EntryHeader,
  indexByHash: ReadonlyMap<string, number>,
): void {
  writer.u8(entryTypes.indexOf(header.entryType) + 1);
  if (!isDocIdImplied(header.entryType)) writer.fixed(idToBytes(header.docId));
  const outer = header.dependencies.filter((dependency) => !indexByHash.has(dependency));
  writer.u8(outer.length);
  for (const dependency of outer) writer.fixed(idToBytes(dependency));
  const inner = header.dependencies.flatMap((dependency) => indexByHash.get(dependency) ?? []);
  writer.u8(inner.length);
  for (const index of inner.sort((a, b) => a - b)) writer.u8(index);
  writer.u8(header.keyIndex);
  if (header.entryType === "doc_create") writer.varint(header.docCounter);
  writer.varint(header.ciphertextSizeBytes);
}

/** Read a u8 count; one over its limit ends the reading. */
export function readCount(reader: ByteReader, limit: number): number {
  const count = reader.u8();
  if (count > limit) reader.fail("limit");
  return reader.error === undefined ? count : 0;
}

/** Read fixed-size bytes: zeros when they are not there, so that reading can go on to its verdict. */
export function takeFixed(reader: ByteReader, sizeBytes: number): Uint8Array {
  const bytes = reader.fixed(sizeBytes);
  return reader.error === undefined ? bytes : new Uint8Array(sizeBytes);
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8();
  if (flag > 1) reader.fail("flag");
  return flag === 1;
}

function readPredecessors(reader: ByteReader): readonly CommitHash[] {
  const count = readCount(reader, entryLimits.predecessors);
  return readAscending(reader, count).map((bytes) => bytesToId("CommitHash", bytes));
}

/** Read 32-byte hashes in strictly ascending order. */
export function readAscending(reader: ByteReader, count: number): readonly Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const hash = takeFixed(reader, 32);
    const before = hashes.at(-1);
    if (before !== undefined && compareBytes(before, hash) >= 0) reader.fail("order");
    hashes.push(hash);
  }
  return hashes;
}

function readKeys(reader: ByteReader): readonly CommittedKey[] {
  const count = readCount(reader, entryLimits.keysPerCommit);
  if (count === 0) reader.fail("no key");
  const keys: CommittedKey[] = [];
  for (let i = 0; i < count; i++) {
    const keyId = bytesToId("KeyId", takeFixed(reader, 16));
    const key = {
      keyId,
      epoch: reader.u32(),
      fingerprint: takeFixed(reader, 8),
      commitment: takeFixed(reader, 32),
    };
    const before = keys.at(-1);
    if (before !== undefined && compareKeyNames(before, key) >= 0) reader.fail("order");
    keys.push(key);
  }
  return keys;
}

function isSeenNothing(seen: SeenHead): boolean {
  const isZero = (byte: number): boolean => byte === 0;
  return seen.epoch === 0 && seen.size === 0 && seen.logKeyId.every(isZero) && seen.rootPrefix.every(isZero);
}

function writeSeen(writer: ByteWriter, seen: SeenHead): void {
  if (isSeenNothing(seen)) writer.u8(0);
  else writer.u8(1).fixed(seen.logKeyId, 8).varint(seen.epoch).varint(seen.size).fixed(seen.rootPrefix, 16);
}

function readSeen(reader: ByteReader): SeenHead {
  if (!readFlag(reader)) return noSeenHead();
  const logKeyId = takeFixed(reader, 8);
  const epoch = reader.varint();
  const seen = { logKeyId, epoch, size: reader.varint(), rootPrefix: takeFixed(reader, 16) };
  if (isSeenNothing(seen)) reader.fail("seen nothing");
  return seen;
}
