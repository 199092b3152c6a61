/**
 * Judging a commit's bytes: structure, limits, hashes, signature. Nothing here decrypts, so relays can import
 * it.
 *
 * What can be recomputed does not travel, so nearly every change of a byte shows as a signature that does not
 * hold.
 */
import {
  bytesToId,
  ByteReader,
  compareBytes,
  idToBytes,
  type CommitHash,
  type EntryHash,
} from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import {
  additionalDataOf,
  additionalDataSizeBytes,
  commitVersion,
  contextOf,
  encodeKeyName,
  hashEntry,
  isDocIdImplied,
  presences,
  readAscending,
  readCore,
  readCount,
  signatureBytes,
  signedBytesOf,
  takeFixed,
  type CommitCore,
} from "./codec.ts";
import {
  entryLimits,
  entryTypes,
  type Commit,
  type CommitEntry,
  type CommitVerdict,
  type EntryHeader,
} from "./entry.ts";
import { createDocIdDerivation } from "./ids.ts";
import { maxPlaintextBytes, sealedSizeBytes } from "./padding.ts";

type Forged = Extract<CommitVerdict, { kind: "forged" }>;
type Hashing = Pick<Verifier, "sha256">;

/**
 * Judge a commit's structure, limits and hashes; everything but its signature. Never throws.
 *
 * The commit's byte fields are views of `bytes`.
 *
 * @param expectedHash when the caller knows which commit it must be; another one is `forged` with reason
 *   "hash"
 */
export function parseCommit(crypto: Hashing, bytes: Uint8Array, expectedHash?: CommitHash): CommitVerdict {
  const read = readCommit(crypto, bytes, expectedHash);
  return read.kind === "forged" ? read : { kind: "verified", commit: read.commit };
}

/**
 * Judge a commit completely: as {@link parseCommit}, and its author's signature. Never throws. Whether the
 * author may write here is not asked.
 */
export async function verifyCommit(
  crypto: Pick<Verifier, "sha256" | "verify">,
  bytes: Uint8Array,
  expectedHash?: CommitHash,
): Promise<CommitVerdict> {
  const read = readCommit(crypto, bytes, expectedHash);
  if (read.kind === "forged") return read;
  const { commit, signedBytes } = read;
  const isSigned = await crypto.verify(idToBytes(commit.header.author), commit.signature, signedBytes);
  return isSigned ? { kind: "verified", commit } : { kind: "forged", reason: "signature" };
}

/** Read what a commit's first bytes say of it, and nothing else of it: for sorting what was verified before. Never throws. */
export function readCommitCore(bytes: Uint8Array): CommitCore | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== commitVersion) return undefined;
  const core = readCore(reader);
  return reader.error === undefined ? core : undefined;
}

function readCommit(
  crypto: Hashing,
  bytes: Uint8Array,
  expectedHash: CommitHash | undefined,
): Forged | { readonly kind: "read"; readonly commit: Commit; readonly signedBytes: Uint8Array } {
  if (bytes.length > entryLimits.commitBytes) return { kind: "forged", reason: "limit" };
  const reader = new ByteReader(bytes);
  if (reader.u8() !== commitVersion) reader.fail("version");
  const core = readCore(reader);
  const coreBytes = bytes.subarray(1, reader.offset);
  if (reader.error !== undefined) return forgedOf(reader);
  const list = readEntries(crypto, reader, core);
  const signature = takeFixed(reader, signatureBytes);
  if (!reader.finish()) return forgedOf(reader);
  const signedBytes = signedBytesOf(coreBytes, list.hashes);
  const commitHash = bytesToId("CommitHash", crypto.sha256(signedBytes));
  if (expectedHash !== undefined && commitHash !== expectedHash) return { kind: "forged", reason: "hash" };
  const header = { ...core, entryHashes: list.entries.map(({ entryHash }) => entryHash) };
  return {
    kind: "read",
    commit: { commitHash, header, entries: list.entries, signature, bytes },
    signedBytes,
  };
}

function forgedOf(reader: ByteReader): Forged {
  const { error } = reader;
  return { kind: "forged", reason: error === "version" || error === "limit" ? error : "malformed" };
}

/** The entries read so far; hashes and ids are the same thing twice, each form made once. */
interface EntryList {
  readonly entries: CommitEntry[];
  readonly hashes: Uint8Array[];
  /** all that were given as entries of other commits */
  readonly outerDependencies: EntryHash[];
}

function readEntries(crypto: Hashing, reader: ByteReader, core: CommitCore): EntryList {
  const count = reader.u16();
  if (count === 0) reader.fail("no entry");
  if (count > entryLimits.entriesPerCommit) reader.fail("limit");
  const list: EntryList = { entries: [], hashes: [], outerDependencies: [] };
  const place: EntryPlace = {
    context: contextOf(crypto, core),
    keys: core.keys.map((key) => ({ keyId: idToBytes(key.keyId), name: encodeKeyName(key) })),
    deriveDocId: createDocIdDerivation(crypto, core),
    preimage: new Uint8Array(additionalDataSizeBytes(0)),
    list,
  };
  for (let index = 0; index < count && reader.error === undefined; index++) {
    const presence = reader.u8();
    if (presence > presences.header) reader.fail("presence");
    const { entry, hash } =
      presence === presences.hash
        ? readHashOnly(reader)
        : readWithHeader(crypto, reader, place, presence === presences.whole);
    list.entries.push(entry);
    list.hashes.push(hash);
  }
  checkList(reader, core, list);
  return list;
}

/**
 * What only the whole list can tell: entries are distinct, keys are used, and no outer dependency is an entry
 * of ours.
 */
function checkList(reader: ByteReader, core: CommitCore, list: EntryList): void {
  const ours = new Set(list.entries.map(({ entryHash }) => entryHash));
  if (ours.size !== list.entries.length) reader.fail("entry twice");
  if (list.outerDependencies.some((dependency) => ours.has(dependency)))
    reader.fail("outer dependency is inner");
  const unusedKeys = new Set(core.keys.keys());
  for (const { header } of list.entries) {
    // An entry without header may use any of them.
    if (header === undefined) return;
    unusedKeys.delete(header.keyIndex);
  }
  if (unusedKeys.size > 0) reader.fail("unused key");
}

interface ReadEntry {
  readonly entry: CommitEntry;
  readonly hash: Uint8Array;
}

function readHashOnly(reader: ByteReader): ReadEntry {
  const hash = takeFixed(reader, 32);
  return { entry: { entryHash: bytesToId("EntryHash", hash) }, hash };
}

/** What every entry of the commit needs, made once. */
interface EntryPlace {
  readonly context: Uint8Array;
  readonly keys: readonly { readonly keyId: Uint8Array; readonly name: Uint8Array }[];
  readonly deriveDocId: ReturnType<typeof createDocIdDerivation>;
  /** where the preimage of an entry without dependencies is written: it is hashed at once, and then done with */
  readonly preimage: Uint8Array<ArrayBuffer>;
  /** the entries before this one */
  readonly list: EntryList;
}

function readWithHeader(crypto: Hashing, reader: ByteReader, place: EntryPlace, isWhole: boolean): ReadEntry {
  const entryType = entryTypes[reader.u8() - 1];
  if (entryType === undefined) reader.fail("entry type");
  const type = entryType ?? "doc_change";
  const givenDocId = isDocIdImplied(type) ? noDocId : takeFixed(reader, 16);
  const dependencies = readDependencies(reader, place.list);
  const keyIndex = reader.u8();
  const key = place.keys[keyIndex];
  if (key === undefined) reader.fail("key index");
  const docCounter = type === "doc_create" ? reader.varint() : 0;
  const ciphertextSizeBytes = reader.varint();
  if (ciphertextSizeBytes > sealedSizeBytes(maxPlaintextBytes(type))) reader.fail("limit");
  const rest = reader.fixed(isWhole ? ciphertextSizeBytes : 32);
  if (key === undefined || reader.error !== undefined) return unreadable;
  const docId = type === "doc_create" ? place.deriveDocId(key.keyId, docCounter) : givenDocId;
  const fields = {
    entryType: type,
    docId,
    keyName: key.name,
    docCounter,
    dependencies: dependencies.map(({ bytes }) => bytes),
    ciphertextSizeBytes,
  };
  const into = dependencies.length === 0 ? place.preimage : undefined;
  const additionalData = additionalDataOf(place.context, place.list.entries.length, fields, into);
  const ciphertextHash = isWhole ? crypto.sha256(rest) : rest;
  const hash = hashEntry(crypto, additionalData, ciphertextHash);
  const entryHash = bytesToId("EntryHash", hash);
  const header: EntryHeader = {
    docId: bytesToId("DocId", docId),
    entryType: type,
    dependencies: dependencies.map(({ id }) => id),
    keyIndex,
    docCounter,
    ciphertextSizeBytes,
    ciphertextHash,
  };
  return { entry: isWhole ? { entryHash, header, ciphertext: rest } : { entryHash, header }, hash };
}

const noDocId = new Uint8Array(16);
const noHash = new Uint8Array(32);
/** Stands for an entry that cannot be read; the reader holds the reason, and nothing of it is used. */
const unreadable: ReadEntry = { entry: { entryHash: bytesToId("EntryHash", noHash) }, hash: noHash };

interface Dependency {
  readonly id: EntryHash;
  readonly bytes: Uint8Array;
}

function readDependencies(reader: ByteReader, before: EntryList): readonly Dependency[] {
  const outerCount = readCount(reader, entryLimits.dependencies);
  const dependencies: Dependency[] = [];
  for (const bytes of readAscending(reader, outerCount)) {
    const id = bytesToId("EntryHash", bytes);
    before.outerDependencies.push(id);
    dependencies.push({ id, bytes });
  }
  const innerCount = readCount(reader, entryLimits.dependencies - dependencies.length);
  let last = -1;
  for (let i = 0; i < innerCount; i++) {
    const index = reader.u8();
    const entry = before.entries[index];
    const bytes = before.hashes[index];
    if (index <= last || entry === undefined || bytes === undefined) reader.fail("inner dependency");
    else dependencies.push({ id: entry.entryHash, bytes });
    last = index;
  }
  return innerCount === 0 ? dependencies : dependencies.sort((a, b) => compareBytes(a.bytes, b.bytes));
}
