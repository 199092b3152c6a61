/**
 * Catalog pages as bytes. They are derived and sealed: a page that cannot be read is rebuilt from the log.
 *
 * | field | size |
 * |---|---|
 * | version | u8 (2) |
 * | document count | varint |
 * | per document: docId 16, keyId 16, createdBy 32, createdAt u64, changedBy 32, changedAt u64, flags u8 (1 deleted, 2 summary, 4 whole) | |
 * | entries: varint count, then each position varint, index varint, entryHash 32, changeHash 32, type u8, sized actor, seq varint, varint count of deps, varint each | |
 * | summary: sized JSON text, see {@link valueToJson} | |
 */
import {
  ByteReader,
  ByteWriter,
  bytesToBase64url,
  bytesToHex,
  bytesToId,
  idToBytes,
  parseBase64url,
  parseHex,
} from "../std/index.ts";
import type { DocValue } from "../draft/index.ts";
import { catalogPageSize, headsOf, type AcceptedEntry, type CatalogDoc, type Summary } from "./catalog.ts";

const pageVersion = 2;
const maxActorBytes = 64;
const maxSummaryBytes = 1024 * 1024;
const types = ["doc_create", "doc_change", "doc_delete"] as const;

/** Write documents as a page. */
export function encodeCatalogPage(docs: readonly CatalogDoc[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(docs.length * 512 + 16).u8(pageVersion).varint(docs.length);
  for (const doc of docs) {
    writer
      .fixed(idToBytes(doc.docId))
      .fixed(idToBytes(doc.keyId))
      .fixed(idToBytes(doc.createdBy))
      .u64(doc.createdAtMs);
    writer.fixed(idToBytes(doc.changedBy)).u64(doc.changedAtMs);
    writer.u8(
      (doc.isDeleted ? 1 : 0) | (doc.summary === undefined ? 0 : 2) | (doc.summary?.isWhole === true ? 4 : 0),
    );
    writer.varint(doc.entries.length);
    for (const entry of doc.entries) encodeEntry(writer, entry);
    if (doc.summary !== undefined) writer.text(valueToJson(doc.summary.value));
  }
  return writer.toBytes();
}

/** Read a page; `undefined` when it is damaged. */
export function parseCatalogPage(bytes: Uint8Array): readonly CatalogDoc[] | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== pageVersion) return undefined;
  const count = reader.varint(catalogPageSize);
  const docs: CatalogDoc[] = [];
  for (let i = 0; i < count; i++) {
    const doc = readDoc(reader);
    if (doc === undefined) return undefined;
    docs.push(doc);
  }
  return reader.finish() ? docs : undefined;
}

function encodeEntry(writer: ByteWriter, entry: AcceptedEntry): void {
  writer.varint(entry.position).varint(entry.entryIndex).fixed(idToBytes(entry.entryHash));
  writer.fixed(parseHex(entry.changeHash) ?? new Uint8Array(32), 32).u8(types.indexOf(entry.entryType));
  writer.sized(parseHex(entry.actor) ?? new Uint8Array(0)).varint(entry.seq);
  writer.varint(entry.dependencies.length);
  for (const index of entry.dependencies) writer.varint(index);
}

function readDoc(reader: ByteReader): CatalogDoc | undefined {
  const docId = reader.fixed(16);
  const keyId = reader.fixed(16);
  const createdBy = reader.fixed(32);
  const createdAtMs = reader.u64();
  const changedBy = reader.fixed(32);
  const changedAtMs = reader.u64();
  const flags = reader.u8();
  const entries = readEntries(reader);
  if (entries === undefined) return undefined;
  let summary: Summary | undefined;
  if ((flags & 2) !== 0) {
    const value = parseJsonValue(reader.text(maxSummaryBytes));
    if (value === undefined) return undefined;
    summary = { value, isWhole: (flags & 4) !== 0 };
  }
  if (reader.error !== undefined) return undefined;
  return {
    docId: bytesToId("DocId", docId),
    keyId: bytesToId("KeyId", keyId),
    createdBy: bytesToId("AuthorKey", createdBy),
    createdAtMs,
    changedBy: bytesToId("AuthorKey", changedBy),
    changedAtMs,
    entries,
    heads: headsOf(entries),
    isDeleted: (flags & 1) !== 0,
    summary,
  };
}

function readEntries(reader: ByteReader): AcceptedEntry[] | undefined {
  const count = reader.varint();
  const entries: AcceptedEntry[] = [];
  for (let i = 0; i < count; i++) {
    const position = reader.varint();
    const entryIndex = reader.varint(255);
    const entryHash = reader.fixed(32);
    const changeHash = bytesToHex(reader.fixed(32));
    const entryType = types[reader.u8()];
    const actor = bytesToHex(reader.sized(maxActorBytes));
    const seq = reader.varint();
    const dependencyCount = reader.varint(i);
    const dependencies: number[] = [];
    for (let j = 0; j < dependencyCount && reader.error === undefined; j++)
      dependencies.push(reader.varint(i - 1));
    if (reader.error !== undefined || entryType === undefined) return undefined;
    entries.push({
      position,
      entryIndex,
      entryHash: bytesToId("EntryHash", entryHash),
      changeHash,
      dependencies,
      entryType,
      actor,
      seq,
    });
  }
  return entries;
}

/**
 * Write a document value as JSON. Most values are JSON already and are written as they are, behind "j"; one that holds dates, bytes or
 * numbers JSON lacks is written behind "t" with every array and special value tagged: ["a", …], ["d", ms], ["b", base64url], ["n", text].
 */
export function valueToJson(value: { readonly [key: string]: DocValue }): string {
  return isJson(value) ? `j${JSON.stringify(value)}` : `t${JSON.stringify(tagValue(value))}`;
}

/** Read what {@link valueToJson} wrote; `undefined` when it is damaged. */
export function parseJsonValue(text: string): { readonly [key: string]: DocValue } | undefined {
  try {
    const parsed = JSON.parse(text.slice(1)) as DocValue;
    const value = text.startsWith("t") ? untagValue(parsed) : parsed;
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: DocValue): value is { readonly [key: string]: DocValue } {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Uint8Array)
  );
}

function isJson(value: DocValue): boolean {
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every(isJson);
  if (value instanceof Date || value instanceof Uint8Array) return false;
  for (const key of Object.keys(value)) {
    if (!isJson((value as { readonly [key: string]: DocValue })[key] ?? null)) return false;
  }
  return true;
}

function tagValue(value: DocValue): unknown {
  if (typeof value === "number")
    return isJson(value) ? value : ["n", Object.is(value, -0) ? "-0" : String(value)];
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return ["a", ...value.map(tagValue)];
  if (value instanceof Date) return ["d", value.getTime()];
  if (value instanceof Uint8Array) return ["b", bytesToBase64url(value)];
  const tagged: [string, unknown][] = Object.entries(value).map(([key, inner]) => [key, tagValue(inner)]);
  return Object.fromEntries(tagged);
}

function untagValue(tagged: unknown): DocValue {
  if (!Array.isArray(tagged)) {
    if (typeof tagged !== "object" || tagged === null) return tagged as DocValue;
    return Object.fromEntries(Object.entries(tagged).map(([key, inner]) => [key, untagValue(inner)]));
  }
  const [kind, first] = tagged as readonly unknown[];
  if (kind === "a") return tagged.slice(1).map(untagValue);
  if (kind === "d") return new Date(Number(first));
  if (kind === "b") return parseBase64url(String(first)) ?? new Uint8Array(0);
  return first === "-0" ? -0 : Number(first);
}
