/**
 * The bytes of the specification's calls on a store: one question, one answer, the same within a device and over HTTP
 * (`POST /v1/t/{tenant}/entries`). Version 1.
 *
 * | part | field | bytes |
 * |---|---|---|
 * | question | version | u8, 1 |
 * | | call | u8, below |
 * | | dbId | 16 |
 * | | body | below |
 * | answer | version | u8, 1 |
 * | | call | u8, that of the question |
 * | | body | below |
 *
 * | call | question | answer |
 * |---|---|---|
 * | 1 hasEntries | ids ≤ 4096 | varint count, count × varint: which of them are there, as indexes that ascend |
 * | 2 findNewEntries | ids ≤ 10,000: what is known; sized docId, empty for all documents | entries ≤ 1000 and the rest of a commit, headers only |
 * | 3 getEntries | ids ≤ 256 | entries with their ciphertexts, until 4 MiB are passed |
 * | 4 scanEntriesSince | sized epoch, varint position, varint limit ≤ 1000 | entries, headers only; sized epoch, varint position, u8 has more |
 * | 5 getIdBloomSummary | | salt(16), varint entries, u8 hashes, sized bits |
 * | 6 getCompactionStatus | | varint entries, varint commits, varint bytes |
 *
 * | part | bytes |
 * |---|---|
 * | ids | varint count, count × sized id: `<docId>_d_<fingerprint>_<entryHash>` |
 * | entries | varint count of commits, each: sized commit (entry/codec.ts), varint count, count × u8: the entries meant, as indexes that ascend |
 *
 * An id sets the bits (a + i × b) modulo their count, i from 0 to hashes - 1, where a and b, the latter with its lowest bit set, are the first
 * two u32 of SHA-256("coffer/entry-bloom/v1\0" ‖ salt ‖ id); bit n is bit n modulo 8, the lowest first, of byte n / 8.
 *
 * What is said of an entry is therefore never said by who answers: it is read from its commit, whose signature covers all headers, also
 * where their ciphertexts are left out.
 */
import {
  bytesToId,
  bytesToUtf8,
  ByteReader,
  ByteWriter,
  idToBytes,
  utf8ToBytes,
  type DbId,
} from "../std/index.ts";
import { entryLimits } from "../entry/index.ts";
import type { BloomSummary } from "./store-types.ts";

const version = 1;

export const entryCallLimits = {
  askedIds: 4096,
  knownIds: 10_000,
  gotIds: 256,
  /** entries of an answer; the last commit's may pass it */
  answered: 1000,
  /** commits of an answer; the last one may pass it */
  answerBytes: 4 * 1024 * 1024,
  idBytes: 128,
  /** a question's bytes */
  questionBytes: 1024 * 1024,
  /** a log with more is scanned, and nothing else */
  indexedEntries: 200_000,
} as const;

/** A place in a log that can be gone on from. */
export interface EntryCursor {
  /** which log it is; another one begins anew */
  readonly epoch: string;
  readonly position: number;
}

/** A question, as it was asked. */
export type EntryQuestion = { readonly dbId: DbId } & (
  | { readonly call: "has"; readonly ids: readonly string[] }
  | { readonly call: "get"; readonly ids: readonly string[] }
  | { readonly call: "new"; readonly ids: readonly string[]; readonly docId: string | undefined }
  | { readonly call: "scan"; readonly cursor: EntryCursor; readonly limit: number }
  | { readonly call: "bloom" | "compaction" }
);

/** Entries of one commit: the commit's bytes, and which of them are meant. */
export interface CommitPart {
  readonly commit: Uint8Array;
  readonly indexes: readonly number[];
}

/** An answer, as it was given. */
export type EntryAnswer =
  | { readonly call: "has"; readonly indexes: readonly number[] }
  | { readonly call: "new"; readonly parts: readonly CommitPart[] }
  | { readonly call: "get"; readonly parts: readonly CommitPart[] }
  | {
      readonly call: "scan";
      readonly parts: readonly CommitPart[];
      readonly next: EntryCursor;
      readonly hasMore: boolean;
    }
  | ({ readonly call: "bloom" } & BloomSummary)
  | {
      readonly call: "compaction";
      readonly entryCount: number;
      readonly commitCount: number;
      readonly sizeBytes: number;
    };

const calls = ["", "has", "new", "get", "scan", "bloom", "compaction"] as const;
const idLimits = {
  has: entryCallLimits.askedIds,
  new: entryCallLimits.knownIds,
  get: entryCallLimits.gotIds,
};
const epochBytes = 64;
const bloomBytes = 512 * 1024;

/** Write a question. Its limits are the caller's to keep. */
export function encodeQuestion(question: EntryQuestion): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter()
    .u8(version)
    .u8(calls.indexOf(question.call))
    .fixed(idToBytes(question.dbId));
  if ("ids" in question) {
    writer.varint(question.ids.length);
    for (const id of question.ids) writer.sized(utf8ToBytes(id));
  }
  if (question.call === "new") writer.sized(utf8ToBytes(question.docId ?? ""));
  if (question.call === "scan") writeCursor(writer, question.cursor).varint(question.limit);
  return writer.toBytes();
}

/** Read a question; `undefined` when it is none, or over a limit. Never throws. */
export function decodeQuestion(bytes: Uint8Array): EntryQuestion | undefined {
  const reader = new ByteReader(bytes);
  const call = readHead(reader);
  const name = reader.fixed(16);
  if (call === undefined || reader.error !== undefined) return undefined;
  const dbId = bytesToId("DbId", name);
  const question = readQuestion(reader, dbId, call);
  return reader.finish() ? question : undefined;
}

function readQuestion(reader: ByteReader, dbId: DbId, call: EntryQuestion["call"]): EntryQuestion {
  if (call === "has" || call === "get") return { call, dbId, ids: readIds(reader, idLimits[call]) };
  if (call === "new") {
    const ids = readIds(reader, idLimits.new);
    const docId = readText(reader, entryCallLimits.idBytes);
    return { call, dbId, ids, docId: docId === "" ? undefined : docId };
  }
  if (call === "scan") {
    const cursor = readCursor(reader);
    const limit = reader.varint(entryCallLimits.answered);
    if (limit === 0) reader.fail("limit");
    return { call, dbId, cursor, limit };
  }
  return { call, dbId };
}

/** Write an answer. */
export function encodeAnswer(answer: EntryAnswer): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().u8(version).u8(calls.indexOf(answer.call));
  if ("indexes" in answer) {
    writer.varint(answer.indexes.length);
    for (const index of answer.indexes) writer.varint(index);
  }
  if ("parts" in answer) {
    writer.varint(answer.parts.length);
    for (const { commit, indexes } of answer.parts) {
      writer.sized(commit).varint(indexes.length);
      for (const index of indexes) writer.u8(index);
    }
  }
  if (answer.call === "scan") writeCursor(writer, answer.next).u8(answer.hasMore ? 1 : 0);
  if (answer.call === "bloom")
    writer.fixed(answer.salt, 16).varint(answer.entryCount).u8(answer.hashCount).sized(answer.bits);
  if (answer.call === "compaction")
    writer.varint(answer.entryCount).varint(answer.commitCount).varint(answer.sizeBytes);
  return writer.toBytes();
}

/** Read an answer; `undefined` when it is none. Never throws. */
export function decodeAnswerOf(bytes: Uint8Array): EntryAnswer | undefined {
  const reader = new ByteReader(bytes);
  const call = readHead(reader);
  const answer = call && readAnswer(reader, call);
  return reader.finish() ? answer : undefined;
}

function readAnswer(reader: ByteReader, call: EntryAnswer["call"]): EntryAnswer {
  if (call === "has")
    return { call, indexes: readAscending(reader, entryCallLimits.askedIds, () => reader.varint()) };
  if (call === "new" || call === "get") return { call, parts: readParts(reader) };
  if (call === "scan") {
    const parts = readParts(reader);
    const next = readCursor(reader);
    const flag = reader.u8();
    if (flag > 1) reader.fail("flag");
    return { call, parts, next, hasMore: flag === 1 };
  }
  if (call === "bloom") {
    const salt = reader.fixed(16).slice();
    const entryCount = reader.varint();
    const hashCount = reader.u8();
    const bits = reader.sized(bloomBytes).slice();
    if (hashCount === 0 || hashCount > 32 || bits.length === 0) reader.fail("bloom");
    return { call, salt, entryCount, hashCount, bits };
  }
  return { call, entryCount: reader.varint(), commitCount: reader.varint(), sizeBytes: reader.varint() };
}

function readHead(reader: ByteReader): EntryQuestion["call"] | undefined {
  if (reader.u8() !== version) reader.fail("version");
  const call = calls[reader.u8()];
  if (call === undefined || call === "") reader.fail("call");
  return reader.error === undefined && call !== "" ? call : undefined;
}

function readIds(reader: ByteReader, maxCount: number): readonly string[] {
  const count = reader.varint(maxCount);
  const ids: string[] = [];
  while (ids.length < count && reader.error === undefined)
    ids.push(readText(reader, entryCallLimits.idBytes));
  return ids;
}

function readText(reader: ByteReader, maxBytes: number): string {
  const text = bytesToUtf8(reader.sized(maxBytes));
  if (text === undefined) reader.fail("text");
  return text ?? "";
}

function writeCursor(writer: ByteWriter, { epoch, position }: EntryCursor): ByteWriter {
  return writer.sized(utf8ToBytes(epoch)).varint(position);
}

function readCursor(reader: ByteReader): EntryCursor {
  return { epoch: readText(reader, epochBytes), position: reader.varint() };
}

function readAscending(reader: ByteReader, maxCount: number, read: () => number): readonly number[] {
  const count = reader.varint(maxCount);
  const numbers: number[] = [];
  while (numbers.length < count && reader.error === undefined) {
    const number = read();
    if (number <= (numbers.at(-1) ?? -1)) reader.fail("order");
    numbers.push(number);
  }
  return numbers;
}

function readParts(reader: ByteReader): readonly CommitPart[] {
  const count = reader.varint(entryCallLimits.answered);
  const parts: CommitPart[] = [];
  while (parts.length < count && reader.error === undefined) {
    const commit = reader.sized(entryLimits.commitBytes).slice();
    parts.push({ commit, indexes: readAscending(reader, entryLimits.entriesPerCommit, () => reader.u8()) });
  }
  return parts;
}
