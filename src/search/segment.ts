/**
 * A segment of an index as bytes: some documents, each with its words and how often they occur. Derived: one that cannot be read is made
 * anew from the documents.
 *
 * | field | size |
 * |---|---|
 * | version | u8 (1) |
 * | fields: varint count, a text each, ascending by code units | |
 * | terms: varint count, ascending by code units; each: varint units that it shares with the one before, text of the others | |
 * | document count n | varint (≤ 4096) |
 * | ids | n × 16 |
 * | stamps: what each was indexed at | n × 8 |
 * | for each document: varint count of fields, and for each, ascending: | |
 * | – number of the field, counted from the one before | varint |
 * | – count of its terms | varint |
 * | – for each term, ascending: twice the number, counted from behind the one before, plus 1 when it occurs more than once | varint |
 * | – and then how often | varint (2 … 127) |
 *
 * Numbers of fields and terms are their places in the lists above.
 */
import { assert, ByteReader, ByteWriter, bytesToHex, parseHex } from "../std/index.ts";
import { maxCount } from "./postings.ts";
import { maxTermUnits } from "./words.ts";

const version = 1;
const maxDocs = 4096;
const maxFieldBytes = 1024 * 1024;
const stampBytes = 8;

/** A document as it is kept: `counts` by field, then by term. */
export interface SegmentDoc<Id> {
  readonly id: Id;
  /** 16 hex digits */
  readonly stamp: string;
  readonly counts: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

/** How ids are written: 16 bytes. */
export interface IdForm<Id> {
  toBytes(id: Id): Uint8Array;
  fromBytes(bytes: Uint8Array): Id;
}

/** Write a segment: see the table above. */
export function encodeSegment<Id>(docs: readonly SegmentDoc<Id>[], ids: IdForm<Id>): Uint8Array<ArrayBuffer> {
  const fields = numbered(docs.flatMap(({ counts }) => [...counts.keys()]));
  const terms = numbered(
    docs.flatMap(({ counts }) => [...counts.values()].flatMap((words) => [...words.keys()])),
  );
  const writer = new ByteWriter(docs.length * 128 + 64).u8(version).varint(fields.size);
  for (const name of fields.keys()) writer.text(name);
  writer.varint(terms.size);
  let before = "";
  for (const term of terms.keys()) {
    const shared = sharedUnits(before, term);
    writer.varint(shared).text(term.slice(shared));
    before = term;
  }
  writer.varint(docs.length);
  for (const { id } of docs) writer.fixed(ids.toBytes(id), 16);
  for (const { stamp } of docs) writer.fixed(parseHex(stamp) ?? noBytes, stampBytes);
  for (const { counts } of docs) writeCounts(writer, counts, { fields, terms });
  return writer.toBytes();
}

const noBytes = new Uint8Array(0);

function writeCounts(
  writer: ByteWriter,
  counts: SegmentDoc<never>["counts"],
  {
    fields,
    terms,
  }: { readonly fields: ReadonlyMap<string, number>; readonly terms: ReadonlyMap<string, number> },
): void {
  const numberOf = (names: ReadonlyMap<string, number>, name: string): number => {
    const number = names.get(name);
    assert(number !== undefined, "search: a segment lists what it holds");
    return number;
  };
  writer.varint(counts.size);
  const byField = [...counts].map(([name, words]) => ({ number: numberOf(fields, name), words }));
  let field = 0;
  for (const { number, words } of byField.sort((a, b) => a.number - b.number)) {
    writer.varint(number - field).varint(words.size);
    field = number;
    const byTerm = [...words].map(([text, count]) => ({ number: numberOf(terms, text), count }));
    let next = 0;
    for (const { count, number: term } of byTerm.sort((a, b) => a.number - b.number)) {
      writer.varint(2 * (term - next) + (count > 1 ? 1 : 0));
      if (count > 1) writer.varint(Math.min(count, maxCount));
      next = term + 1;
    }
  }
}

/** By code units, as comparing texts does on every platform. */
function numbered(names: readonly string[]): ReadonlyMap<string, number> {
  return new Map([...new Set(names)].sort().map((name, index) => [name, index]));
}

/** Never half a character, which a text in UTF-8 cannot begin with. */
function sharedUnits(before: string, term: string): number {
  const most = Math.min(before.length, term.length);
  let shared = 0;
  while (shared < most && before.charCodeAt(shared) === term.charCodeAt(shared)) shared++;
  return (term.charCodeAt(shared) & 0xfc00) === 0xdc00 ? shared - 1 : shared;
}

/** Read a segment; `undefined` when it is damaged or of another version. */
export function parseSegment<Id>(bytes: Uint8Array, form: IdForm<Id>): readonly SegmentDoc<Id>[] | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) return undefined;
  const fields = readAscending(reader, () => reader.text(maxFieldBytes));
  let before = "";
  const terms = readAscending(reader, () => {
    const shared = reader.varint(maxTermUnits);
    if (shared > before.length) reader.fail("term");
    before = before.slice(0, shared) + reader.text(4 * maxTermUnits);
    return before;
  });
  const count = reader.varint(maxDocs);
  const ids = reader.fixed(16 * count);
  const stamps = reader.fixed(stampBytes * count);
  const docs: SegmentDoc<Id>[] = [];
  for (let index = 0; index < count && reader.error === undefined; index++) {
    const counts = readCounts(reader, fields, terms);
    if (reader.error !== undefined) break;
    const id = form.fromBytes(ids.subarray(16 * index, 16 * (index + 1)));
    docs.push({
      id,
      stamp: bytesToHex(stamps.subarray(stampBytes * index, stampBytes * (index + 1))),
      counts,
    });
  }
  const isEach = new Set(docs.map(({ id }) => id)).size === count;
  return reader.finish() && isEach ? docs : undefined;
}

function readAscending(reader: ByteReader, read: () => string): readonly string[] {
  const names: string[] = [];
  for (let count = reader.varint(); count > 0 && reader.error === undefined; count--) {
    const name = read();
    const last = names.at(-1);
    if (last !== undefined && last >= name) reader.fail("order");
    names.push(name);
  }
  return names;
}

function readCounts(
  reader: ByteReader,
  fields: readonly string[],
  terms: readonly string[],
): Map<string, Map<string, number>> {
  const counts = new Map<string, Map<string, number>>();
  const fieldCount = reader.varint(fields.length);
  let field = 0;
  for (let index = 0; index < fieldCount && reader.error === undefined; index++) {
    field += reader.varint(fields.length);
    const name = fields[field];
    const words = new Map<string, number>();
    const termCount = reader.varint(terms.length);
    let next = 0;
    for (let at = 0; at < termCount && reader.error === undefined; at++) {
      const word = reader.varint(2 * terms.length);
      const term = terms[next + Math.floor(word / 2)];
      const count = word % 2 === 0 ? 1 : reader.varint(maxCount);
      if (term === undefined || count === 0) reader.fail("term");
      else words.set(term, count);
      next += Math.floor(word / 2) + 1;
    }
    if (name === undefined || counts.has(name) || words.size === 0) reader.fail("field");
    else counts.set(name, words);
  }
  return counts;
}
