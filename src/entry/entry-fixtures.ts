/** What this room's tests are made of: fixed people, keys and chance, and a plain second encoder. */
import fc from "fast-check";
import { createWebCrypto, type Crypto } from "../crypto/index.ts";
import { bytesToId, ByteWriter, utf8ToBytes, type EntryHash } from "../std/index.ts";
import {
  createContentKey,
  deriveDocId,
  type CommitDraft,
  type ContentKey,
  type EntryDraft,
  type KeyName,
} from "./index.ts";

/** Bytes that all have one value. */
export function bytesOf(value: number, sizeBytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(sizeBytes).fill(value);
}

/** Crypto whose chance is SHA-256 of a seed and a counter: the same bytes every time. */
export function createSeededCrypto(seed: string): Crypto {
  const crypto = createWebCrypto();
  const sha256: Crypto["sha256"] = (...parts) => crypto.sha256(...parts);
  let drawn = 0;
  return createWebCrypto({
    randomBytes(sizeBytes) {
      const bytes = new Uint8Array(sizeBytes);
      for (let at = 0; at < sizeBytes; at += 32) {
        const block = sha256(utf8ToBytes(`${seed} ${drawn++}`));
        bytes.set(block.subarray(0, Math.min(32, sizeBytes - at)), at);
      }
      return bytes;
    },
  });
}

export type Fixture = Awaited<ReturnType<typeof createFixture>>;

/** One author with two content keys, in one database, whose every byte follows from `seed`. */
export async function createFixture(seed = "fixture") {
  const crypto = createSeededCrypto(seed);
  const pair = await crypto.createSigningPair();
  const place = {
    tenantId: bytesToId("TenantId", bytesOf(0x11, 32)),
    dbId: bytesToId("DbId", bytesOf(0x22, 16)),
    author: bytesToId("AuthorKey", pair.publicKey),
    writerNonce: bytesOf(0x33, 16),
  };
  const keys: readonly [ContentKey, ContentKey] = [
    await createContentKey(crypto, {
      keyId: bytesToId("KeyId", bytesOf(0x44, 16)),
      epoch: 1,
      secret: bytesOf(1, 32),
    }),
    await createContentKey(crypto, {
      keyId: bytesToId("KeyId", bytesOf(0x55, 16)),
      epoch: 2,
      secret: bytesOf(2, 32),
    }),
  ];
  const draftOf = (entries: readonly EntryDraft[], more: Partial<CommitDraft> = {}): CommitDraft => ({
    ...place,
    signingKey: pair.privateKey,
    writerSeq: 1,
    predecessors: [],
    directoryHead: bytesToId("CommitHash", bytesOf(0x66, 32)),
    createdAtMs: 1_700_000_000_000,
    entries,
    ...more,
  });
  const createDoc = (docCounter: number, plaintext: Uint8Array, key = keys[0]): EntryDraft => ({
    entryType: "doc_create",
    docId: deriveDocId(crypto, { ...place, keyId: key.keyId, docCounter }),
    docCounter,
    dependencies: [],
    key,
    plaintext,
  });
  const changeDoc = (
    plaintext: Uint8Array,
    dependencies: EntryDraft["dependencies"] = [],
    key = keys[0],
  ): EntryDraft => ({
    entryType: "doc_change",
    docId: bytesToId("DocId", bytesOf(0x77, 16)),
    dependencies,
    key,
    plaintext,
  });
  const findKey = (name: KeyName): ContentKey | undefined =>
    keys.find((key) => key.keyId === name.keyId && key.epoch === name.epoch);
  return { crypto, pair, place, keys, draftOf, createDoc, changeDoc, findKey };
}

/** Some entry hash that no entry has. */
export function hashOf(value: number): EntryHash {
  return bytesToId("EntryHash", bytesOf(value, 32));
}

/** A commit as plain parts, every one of which can be wrong. */
export interface WireParts {
  version: number;
  suite: number;
  writerSeq: number;
  predecessors: Uint8Array[];
  directoryFlag: number;
  seenFlag: number;
  seen: Uint8Array;
  createdAtMs: number;
  keys: { keyId: Uint8Array; epoch: number; fingerprint: Uint8Array; commitment: Uint8Array }[];
  entryCount: number;
  entries: Uint8Array[];
  tail: Uint8Array;
}

/** An entry as plain parts. */
export interface WireEntry {
  presence: number;
  type: number;
  docId: Uint8Array;
  outer: Uint8Array[];
  inner: number[];
  keyIndex: number;
  docCounter: number | undefined;
  size: number;
  rest: Uint8Array;
}

/** A valid change on the wire: 1 outer dependency, 17 bytes of ciphertext. */
export function wireEntry(more: Partial<WireEntry> = {}): Uint8Array {
  const entry: WireEntry = {
    presence: 1,
    type: 2,
    docId: bytesOf(7, 16),
    outer: [bytesOf(8, 32)],
    inner: [],
    keyIndex: 0,
    docCounter: undefined,
    size: 17,
    rest: bytesOf(9, 17),
    ...more,
  };
  const writer = new ByteWriter().u8(entry.presence).u8(entry.type).fixed(entry.docId).u8(entry.outer.length);
  for (const hash of entry.outer) writer.fixed(hash);
  writer.u8(entry.inner.length);
  for (const index of entry.inner) writer.u8(index);
  writer.u8(entry.keyIndex);
  if (entry.docCounter !== undefined) writer.varint(entry.docCounter);
  return writer.varint(entry.size).fixed(entry.rest).toBytes();
}

/** A valid commit on the wire, but for its signature, with any part replaced. */
export function wireCommit(more: Partial<WireParts> = {}): Uint8Array {
  const entries = more.entries ?? [wireEntry()];
  const parts: WireParts = {
    version: 1,
    suite: 1,
    writerSeq: 1,
    predecessors: [],
    directoryFlag: 0,
    seenFlag: 0,
    seen: new Uint8Array(0),
    createdAtMs: 5,
    keys: [{ keyId: bytesOf(1, 16), epoch: 1, fingerprint: bytesOf(2, 8), commitment: bytesOf(3, 32) }],
    entryCount: entries.length,
    entries,
    tail: bytesOf(0, 64),
    ...more,
  };
  const writer = new ByteWriter().u8(parts.version).u8(parts.suite);
  writer
    .fixed(bytesOf(1, 32))
    .fixed(bytesOf(2, 16))
    .fixed(bytesOf(3, 32))
    .fixed(bytesOf(4, 16))
    .varint(parts.writerSeq);
  writer.u8(parts.predecessors.length);
  for (const predecessor of parts.predecessors) writer.fixed(predecessor);
  writer
    .u8(parts.directoryFlag)
    .u8(parts.seenFlag)
    .fixed(parts.seen)
    .varint(parts.createdAtMs)
    .fixed(bytesOf(5, 32));
  writer.u8(parts.keys.length);
  for (const key of parts.keys)
    writer.fixed(key.keyId).u32(key.epoch).fixed(key.fingerprint).fixed(key.commitment);
  writer.u16(parts.entryCount);
  for (const entry of parts.entries) writer.fixed(entry);
  return writer.fixed(parts.tail).toBytes();
}

/** Any list of 1 to 12 entries that a writer could hand in. */
export function entryDrafts(fixture: Fixture): fc.Arbitrary<readonly EntryDraft[]> {
  const one = fc.record({
    kind: fc.constantFrom(
      "doc_create",
      "doc_change",
      "doc_snapshot",
      "doc_delete",
      "attachment_chunk",
      "directory_record",
      "doc_purge",
    ),
    plaintext: fc.uint8Array({ maxLength: 400 }),
    outer: fc.array(fc.integer({ min: 0, max: 255 }).map(hashOf), { maxLength: 4 }),
    inner: fc.array(fc.nat(), { maxLength: 3 }),
    keyIndex: fc.integer({ min: 0, max: 1 }),
    docId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  });
  return fc.array(one, { minLength: 1, maxLength: 12 }).map((list) =>
    list.map(({ kind, plaintext, outer, inner, keyIndex, docId }, index): EntryDraft => {
      const key = fixture.keys[keyIndex] ?? fixture.keys[0];
      const dependencies = [...outer, ...(index === 0 ? [] : inner.map((i) => ({ index: i % index })))];
      if (kind === "doc_create") return { ...fixture.createDoc(index + 1, plaintext, key), dependencies };
      const given = bytesToId("DocId", kind === "directory_record" ? new Uint8Array(16) : docId);
      return { entryType: kind, docId: given, dependencies, key, plaintext };
    }),
  );
}
