/**
 * Catalog pages as bytes. They are derived and sealed: a page that cannot be read is rebuilt from the log. What a query needs comes in
 * columns and one JSON text, so that opening is fast; entries are in a journal of their own, see entry-journal.ts.
 *
 * | field | size |
 * |---|---|
 * | version | u8 (3) |
 * | document count n | u16 (≤ 256) |
 * | authors: count u16, each 32 | |
 * | keys: count u16, each 16 | |
 * | docIds | n × 16 |
 * | numbers in the catalog, entry counts | n × u32 each |
 * | createdAt, changedAt | n × u64 each |
 * | createdBy, changedBy (indexes of authors), key (index) | n × u16 each |
 * | flags: 1 deleted, 2 summary, 4 whole, 8 tagged, 16 branched, 32 unread | n × u8 |
 * | summaries: sized JSON text, an array of n values, null where there is none; see {@link toJson} | |
 */
import {
  ByteReader,
  ByteWriter,
  bytesToBase64url,
  bytesToId,
  idToBytes,
  parseBase64url,
  type AuthorKey,
  type DocId,
  type KeyId,
} from "../std/index.ts";
import type { DocValue } from "../draft/index.ts";
import { catalogPageSize, type CatalogDoc, type Summary } from "./catalog.ts";

const pageVersion = 3;
const flag = { deleted: 1, summary: 2, whole: 4, tagged: 8, branched: 16, unread: 32 } as const;

/** A document as its page tells of it; its entries are in the journal. */
export type PageDoc = Omit<CatalogDoc, "entries" | "heads"> & {
  readonly entryCount: number;
  /** its summary shows all of its entries */
  readonly isRead: boolean;
};

/** Write documents as a page; of those that are not read the summary shows too little. */
export function encodeCatalogPage(
  docs: readonly CatalogDoc[],
  isRead: (docId: DocId) => boolean,
): Uint8Array<ArrayBuffer> {
  const authors = dictionary(docs.flatMap(({ createdBy, changedBy }) => [createdBy, changedBy]));
  const keys = dictionary(docs.map(({ keyId }) => keyId));
  const writer = new ByteWriter(docs.length * 320 + 64).u8(pageVersion).u16(docs.length);
  for (const names of [authors, keys]) {
    writer.u16(names.size);
    for (const id of names.keys()) writer.fixed(idToBytes(id));
  }
  for (const { docId } of docs) writer.fixed(idToBytes(docId));
  for (const { number } of docs) writer.u32(number);
  for (const { entries } of docs) writer.u32(entries.length);
  for (const { createdAtMs } of docs) writer.u64(createdAtMs);
  for (const { changedAtMs } of docs) writer.u64(changedAtMs);
  for (const { createdBy } of docs) writer.u16(authors.get(createdBy) ?? 0);
  for (const { changedBy } of docs) writer.u16(authors.get(changedBy) ?? 0);
  for (const { keyId } of docs) writer.u16(keys.get(keyId) ?? 0);
  const values = docs.map(({ summary }) => (summary === undefined ? undefined : toJson(summary.value)));
  docs.forEach((doc, index) => {
    const unread = isRead(doc.docId) ? 0 : flag.unread;
    writer.u8(flagsOf(doc) | unread | (values[index]?.isTagged === true ? flag.tagged : 0));
  });
  return writer.text(`[${values.map((value) => value?.text ?? "null").join(",")}]`).toBytes();
}

function dictionary<Id>(ids: readonly Id[]): ReadonlyMap<Id, number> {
  return new Map([...new Set(ids)].map((id, index) => [id, index]));
}

function flagsOf({ isBranched, isDeleted, summary }: CatalogDoc): number {
  return (
    (isDeleted ? flag.deleted : 0) |
    (summary === undefined ? 0 : flag.summary) |
    (summary?.isWhole === true ? flag.whole : 0) |
    (isBranched ? flag.branched : 0)
  );
}

/** Read a page; `undefined` when it is damaged or of another version. */
export function parseCatalogPage(bytes: Uint8Array): readonly PageDoc[] | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== pageVersion) return undefined;
  const count = reader.u16();
  const authors = readIds(reader, 32).map((id): AuthorKey => bytesToId("AuthorKey", id));
  const keys = readIds(reader, 16).map((id): KeyId => bytesToId("KeyId", id));
  const columns = reader.fixed(count * rowBytes);
  const text = reader.text(bytes.length);
  if (count > catalogPageSize || !reader.finish()) return undefined;
  const flags = columns.subarray(count * (rowBytes - 1));
  const summaries = parseSummaries(text, flags);
  if (summaries === undefined) return undefined;
  const view = new DataView(columns.buffer, columns.byteOffset, columns.byteLength);
  const docs: PageDoc[] = [];
  for (let row = 0; row < count; row++) {
    const doc = readRow({ columns, view, count, authors, keys }, row, summaries[row]);
    if (doc === undefined) return undefined;
    docs.push(doc);
  }
  return docs;
}

function readIds(reader: ByteReader, sizeBytes: number): Uint8Array[] {
  const ids: Uint8Array[] = [];
  for (let count = reader.u16(); count > 0 && reader.error === undefined; count--) {
    const id = reader.fixed(sizeBytes);
    if (id.length === sizeBytes) ids.push(id);
  }
  return ids;
}

/** Bytes of a document in all columns together. */
const rowBytes = 16 + 4 + 4 + 8 + 8 + 2 + 2 + 2 + 1;

interface Columns {
  readonly columns: Uint8Array;
  readonly view: DataView;
  readonly count: number;
  readonly authors: readonly AuthorKey[];
  readonly keys: readonly KeyId[];
}

function readRow(
  { columns, view, count, authors, keys }: Columns,
  row: number,
  summary: Summary | undefined,
): PageDoc | undefined {
  const u16 = (column: number): number => view.getUint16(count * column + 2 * row);
  const u32 = (column: number): number => view.getUint32(count * column + 4 * row);
  const u64 = (column: number): number => {
    const at = count * column + 8 * row;
    return view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
  };
  const flags = view.getUint8(count * (rowBytes - 1) + row);
  const createdBy = authors[u16(40)];
  const changedBy = authors[u16(42)];
  const keyId = keys[u16(44)];
  if (createdBy === undefined || changedBy === undefined || keyId === undefined) return undefined;
  return {
    docId: bytesToId("DocId", columns.subarray(16 * row, 16 * (row + 1))),
    number: u32(16),
    keyId,
    createdBy,
    createdAtMs: u64(24),
    changedBy,
    changedAtMs: u64(32),
    isDeleted: (flags & flag.deleted) !== 0,
    isBranched: (flags & flag.branched) !== 0,
    summary,
    entryCount: u32(20),
    isRead: (flags & flag.unread) === 0,
  };
}

function parseSummaries(text: string, flags: Uint8Array): readonly (Summary | undefined)[] | undefined {
  const values = parseJson(text);
  if (!Array.isArray(values) || values.length !== flags.length) return undefined;
  const summaries: (Summary | undefined)[] = [];
  for (const [index, bits] of flags.entries()) {
    if ((bits & flag.summary) === 0) {
      summaries.push(undefined);
      continue;
    }
    const read: unknown = values[index];
    const value = (bits & flag.tagged) === 0 ? (read as DocValue) : untagValue(read);
    if (!isRecord(value)) return undefined;
    summaries.push({ value, isWhole: (bits & flag.whole) !== 0 });
  }
  return summaries;
}

/** Read JSON; `undefined` when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Write a document value as JSON. Most values are JSON already and are written as they are; one that holds dates, bytes or numbers that
 * JSON lacks is tagged: every array and special value of it is ["a", …], ["d", ms], ["b", base64url], ["n", text].
 */
export function toJson(value: { readonly [key: string]: DocValue }): {
  readonly text: string;
  readonly isTagged: boolean;
} {
  const isTagged = !isJson(value);
  return { text: JSON.stringify(isTagged ? tagValue(value) : value), isTagged };
}

/** Whether a document value is a map of fields. */
export function isRecord(value: DocValue | undefined): value is { readonly [key: string]: DocValue } {
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

/** The value that was tagged, see {@link toJson}. */
export function untagValue(tagged: unknown): DocValue {
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
