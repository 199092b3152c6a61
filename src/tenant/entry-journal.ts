/**
 * The accepted entries of a database as bytes, in the order in which they were accepted. Append-only: an edit changes the last chunk
 * alone, however long its document's history is. Opening indexes the chunks by document and decodes nothing; a document's entries are
 * decoded when it is touched.
 *
 * Chunk: {@link chunkLength} records, the last chunk up to that many
 *
 * | field | size |
 * |---|---|
 * | version | u8 (3) |
 * | count n | u16 |
 * | documents: 31 bits its number in the catalog; top bit: its first entry, what came before under this number is void | n × u32 |
 * | commits: each the index of its own below | n × u16 |
 * | entry hashes | n × 32 |
 * | change hashes | n × 32 |
 * | ends of the details, from the first detail on | n × u32 |
 * | count m of commits, in the order in which they are first named | u16, 1…n |
 * | commits: position in the log, time | m × 2 varints |
 * | details: entryIndex u8, type u8 (and 4 for a change without operations), sized actor, varint seq, varint count of dependencies, varint each, text note | |
 *
 * A dependency is an index among the document's own entries, and lower than the entry's. No byte of an actor stands for the one that the
 * writer of the commit has in this document: whoever knows the commit derives it.
 */
import {
  assert,
  ByteReader,
  ByteWriter,
  bytesToHex,
  bytesToId,
  idToBytes,
  parseHex,
  type DocId,
} from "../std/index.ts";
import type { AcceptedEntry, CatalogDoc } from "./catalog.ts";

const chunkVersion = 3;
export const chunkLength = 512;
const headBytes = 3;
const rowBytes = 4 + 2 + 32 + 32 + 4;
const firstBit = 0x8000_0000;
const maxActorBytes = 64;
const maxDocuments = 50_000_000;
const maxNoteBytes = 1024;
const emptyFlag = 4;
const types = ["doc_create", "doc_change", "doc_delete"] as const;

/** Tells what actors the writer of a commit has in documents, by the commit's position; `undefined` for a commit that is not known. */
export type ActorsAt = (position: number) => ((docId: DocId) => string) | undefined;

/** Every commit is known, and nobody's actor is derived. */
const noActors: ActorsAt = () => () => "";

interface Row {
  /** of the document, in its catalog */
  readonly number: number;
  readonly isFirst: boolean;
  readonly entry: AcceptedEntry;
  /** not known of what was read back: then the actor of the entry is "" if it is to be derived */
  readonly docId: DocId | undefined;
}

/** A chunk of records: as it is kept, or still to be encoded. */
type FullChunk = Uint8Array<ArrayBuffer> | readonly Row[];

/** What the entries of one commit have in common. */
type Commit = Pick<AcceptedEntry, "position" | "atMs">;

/** A chunk that was read, but for its details. */
interface Chunk {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  readonly count: number;
  readonly commits: readonly Commit[];
  /** where the details begin */
  readonly detailsAt: number;
}

/** Where the records of each document are: `places[starts[number]] … places[starts[number + 1]]`, counted over all chunks. */
interface Index {
  readonly starts: Uint32Array;
  readonly places: Uint32Array;
}

const noIndex: Index = { starts: new Uint32Array(1), places: new Uint32Array(0) };

/** The journal of one database. */
export class EntryJournal {
  readonly #actorsAt: ActorsAt;
  /** encoded when they are asked for, which is not in the midst of an import */
  readonly #full: FullChunk[] = [];
  /** the records behind them */
  #rows: Row[] = [];
  /** what was there when the catalog was put back from its pages */
  #loaded: readonly Chunk[] = [];
  #index: Index = noIndex;
  /** a last chunk that is not full: its records are decoded when something follows them */
  #open: Chunk | undefined;
  /** chunks from here on changed */
  #dirtyFrom = 0;
  #voidCount = 0;

  constructor(actorsAt: ActorsAt = noActors) {
    this.#actorsAt = actorsAt;
  }

  get chunkCount(): number {
    return this.#full.length + (this.#rows.length > 0 || this.#open !== undefined ? 1 : 0);
  }

  /** Records that speak of nothing any more are too many: {@link rewrite} leaves them out. */
  get isWasteful(): boolean {
    return this.#voidCount > chunkLength && 2 * this.#voidCount > this.chunkCount * chunkLength;
  }

  /** A document has one more entry. */
  add({ number, docId, entries }: JournalDoc): void {
    const entry = entries.at(-1);
    if (entry !== undefined) this.#push({ number, docId, isFirst: entries.length === 1, entry });
  }

  /** A document has these entries now, and none of the `before` entries that it had. */
  restart(doc: JournalDoc, before: number): void {
    for (const row of rowsOf(doc)) this.#push(row);
    this.#voidCount += before;
  }

  /** Begin again with the entries of these documents. */
  rewrite(docs: Iterable<JournalDoc>): void {
    const rows = [...docs].flatMap(rowsOf);
    this.#open = undefined;
    this.#full.length = 0;
    this.#rows = [];
    this.#dirtyFrom = 0;
    this.#voidCount = 0;
    for (const row of rows) this.#push(row);
  }

  markAllDirty(): void {
    this.#dirtyFrom = 0;
  }

  /** The chunks that changed, from which on they are clean. */
  takeDirty(): readonly { readonly chunk: number; readonly bytes: Uint8Array<ArrayBuffer> }[] {
    if (this.#dirtyFrom >= this.chunkCount) return [];
    const last = this.#full.length;
    const dirty: { readonly chunk: number; readonly bytes: Uint8Array<ArrayBuffer> }[] = [];
    for (let chunk = Math.min(this.#dirtyFrom, last); chunk < last; chunk++) {
      const full = this.#full[chunk] ?? [];
      const bytes = full instanceof Uint8Array ? full : encodeChunk(full, this.#actorsAt);
      this.#full[chunk] = bytes;
      dirty.push({ chunk, bytes });
    }
    if (this.#rows.length > 0) dirty.push({ chunk: last, bytes: encodeChunk(this.#rows, this.#actorsAt) });
    else if (this.#open !== undefined) dirty.push({ chunk: last, bytes: this.#open.bytes });
    this.#dirtyFrom = this.chunkCount;
    return dirty;
  }

  /**
   * Take chunks that were kept, in order, of documents numbered below `numberLimit`. `false` when one is damaged, or of a commit that is
   * not known.
   */
  load(pages: readonly Uint8Array<ArrayBuffer>[], numberLimit: number): boolean {
    if (numberLimit > maxDocuments) return false;
    const chunks: Chunk[] = [];
    for (const [index, bytes] of pages.entries()) {
      const chunk = parseChunk(bytes);
      if (chunk === undefined || (chunk.count < chunkLength && index < pages.length - 1)) return false;
      if (!chunk.commits.every(({ position }) => this.#actorsAt(position) !== undefined)) return false;
      chunks.push(chunk);
    }
    this.#loaded = chunks;
    this.#index = indexChunks(chunks, numberLimit);
    this.#voidCount = chunks.reduce((sum, { count }) => sum + count, 0) - this.#index.places.length;
    this.#open = chunks.findLast(({ count }) => count < chunkLength);
    this.#full.length = 0;
    for (const chunk of chunks) if (chunk !== this.#open) this.#full.push(chunk.bytes);
    this.#rows = [];
    this.#dirtyFrom = this.chunkCount;
    return true;
  }

  /** How many entries the loaded chunks hold of a document. */
  loadedCount(number: number): number {
    const { starts } = this.#index;
    return (starts[number + 1] ?? 0) - (starts[number] ?? 0);
  }

  /** Decode the entries that the loaded chunks hold of a document. */
  decode(number: number, docId: DocId): AcceptedEntry[] {
    const { starts, places } = this.#index;
    const own = places.subarray(starts[number] ?? 0, starts[number + 1] ?? 0);
    assert(own.length > 0, "journal: entries are asked for when they are loaded");
    return Array.from(own, (place) => {
      const chunk = this.#loaded[Math.floor(place / chunkLength)];
      assert(chunk !== undefined, "journal: an indexed record is in a chunk");
      const { entry } = decodeRow(chunk, place % chunkLength);
      if (entry.actor !== "") return entry;
      const actor = this.#actorsAt(entry.position)?.(docId);
      assert(actor !== undefined, "journal: the commits of loaded chunks are known");
      return { ...entry, actor };
    });
  }

  #push(row: Row): void {
    this.#resume();
    this.#dirtyFrom = Math.min(this.#dirtyFrom, this.#full.length);
    this.#rows.push(row);
    if (this.#rows.length < chunkLength) return;
    this.#full.push(this.#rows);
    this.#rows = [];
  }

  #resume(): void {
    const chunk = this.#open;
    if (chunk === undefined) return;
    this.#open = undefined;
    this.#rows = Array.from({ length: chunk.count }, (_, index) => decodeRow(chunk, index));
  }
}

/** What the journal is told of a document. */
type JournalDoc = Pick<CatalogDoc, "number" | "docId" | "entries">;

function rowsOf({ number, docId, entries }: JournalDoc): Row[] {
  return entries.map((entry, index) => ({ number, docId, isFirst: index === 0, entry }));
}

/** The bytes that stand for an entry's actor: none where it can be derived. */
function actorBytes({ docId, entry }: Row, actorsAt: ActorsAt): Uint8Array<ArrayBuffer> {
  const isDerived =
    docId === undefined ? entry.actor === "" : actorsAt(entry.position)?.(docId) === entry.actor;
  const actor = isDerived ? new Uint8Array(0) : parseHex(entry.actor);
  assert(actor !== undefined && actor.length <= maxActorBytes, "journal: an actor is bytes in hex");
  assert(isDerived || actor.length > 0, "journal: an actor has bytes");
  return actor;
}

/** The same, asked once for entries of one commit that stand behind each other. */
function askingOnce(actorsAt: ActorsAt): ActorsAt {
  let asked = -1;
  let actors: ReturnType<ActorsAt>;
  return (position) => {
    if (position !== asked) actors = actorsAt(position);
    asked = position;
    return actors;
  };
}

function encodeChunk(rows: readonly Row[], actorsAt: ActorsAt): Uint8Array<ArrayBuffer> {
  const details = new ByteWriter(rows.length * 32);
  const commits = new ByteWriter(64);
  const writer = new ByteWriter(rows.length * (rowBytes + 32) + headBytes);
  const ends: number[] = [];
  const indexes = new Map<string, number>();
  const actors = askingOnce(actorsAt);
  for (const row of rows) {
    const { entry } = row;
    details.u8(entry.entryIndex);
    details
      .u8(types.indexOf(entry.entryType) | (entry.isEmpty ? emptyFlag : 0))
      .sized(actorBytes(row, actors))
      .varint(entry.seq);
    details.varint(entry.dependencies.length);
    for (const index of entry.dependencies) details.varint(index);
    ends.push(details.text(entry.note).length);
    const name = commitName(entry);
    if (indexes.has(name)) continue;
    indexes.set(name, indexes.size);
    commits.varint(entry.position).varint(entry.atMs);
  }
  writer.u8(chunkVersion).u16(rows.length);
  for (const { number, isFirst } of rows) writer.u32(number + (isFirst ? firstBit : 0));
  for (const { entry } of rows) writer.u16(indexes.get(commitName(entry)) ?? 0);
  for (const { entry } of rows) writer.fixed(idToBytes(entry.entryHash));
  for (const { entry } of rows) writer.fixed(parseHex(entry.changeHash) ?? new Uint8Array(0), 32);
  for (const end of ends) writer.u32(end);
  return writer.u16(indexes.size).fixed(commits.toBytes()).fixed(details.toBytes()).toBytes();
}

function commitName({ position, atMs }: Commit): string {
  return `${position} ${atMs}`;
}

/** Judge the form of a chunk; its details are read later. */
function parseChunk(bytes: Uint8Array<ArrayBuffer>): Chunk | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headBytes || view.getUint8(0) !== chunkVersion) return undefined;
  const count = view.getUint16(1);
  const commitsAt = headBytes + count * rowBytes;
  if (count === 0 || count > chunkLength || bytes.length < commitsAt) return undefined;
  const reader = new ByteReader(bytes.subarray(commitsAt));
  const commitCount = reader.u16();
  const commits: Commit[] = [];
  for (let i = 0; i < commitCount && reader.error === undefined; i++)
    commits.push({ position: reader.varint(), atMs: reader.varint() });
  if (reader.error !== undefined) return undefined;
  for (let row = 0; row < count; row++)
    if (view.getUint16(headBytes + 4 * count + 2 * row) >= commitCount) return undefined;
  let last = 0;
  for (let at = commitsAt - 4 * count; at < commitsAt; at += 4) {
    const end = view.getUint32(at);
    if (end < last) return undefined;
    last = end;
  }
  const detailsAt = commitsAt + reader.offset;
  return detailsAt + last === bytes.length ? { bytes, view, count, commits, detailsAt } : undefined;
}

function indexChunks(chunks: readonly Chunk[], numberLimit: number): Index {
  const counts = new Uint32Array(numberLimit + 1);
  const validFrom = new Uint32Array(numberLimit);
  const each = (run: (number: number, place: number, isFirst: boolean) => void): void => {
    for (const [index, { view, count }] of chunks.entries()) {
      for (let row = 0; row < count; row++) {
        const word = view.getUint32(headBytes + 4 * row);
        const number = word % firstBit;
        if (number < numberLimit) run(number, index * chunkLength + row, word >= firstBit);
      }
    }
  };
  each((number, place, isFirst) => {
    if (isFirst) {
      counts[number] = 0;
      validFrom[number] = place;
    }
    counts[number] = (counts[number] ?? 0) + 1;
  });
  const starts = new Uint32Array(numberLimit + 1);
  let total = 0;
  for (let number = 0; number <= numberLimit; number++) {
    starts[number] = total;
    total += counts[number] ?? 0;
  }
  const places = new Uint32Array(total);
  const next = starts.slice();
  each((number, place) => {
    if (place < (validFrom[number] ?? 0)) return;
    const at = next[number] ?? 0;
    places[at] = place;
    next[number] = at + 1;
  });
  return { starts, places };
}

/** Read one record. Chunks are sealed by this device: one that is not as it was written is a bug. */
function decodeRow({ bytes, view, count, commits, detailsAt }: Chunk, row: number): Row {
  const commitsAt = headBytes + 4 * count;
  const hashesAt = commitsAt + 2 * count;
  const changesAt = hashesAt + 32 * count;
  const endsAt = changesAt + 32 * count;
  const from = row === 0 ? 0 : view.getUint32(endsAt + 4 * (row - 1));
  const reader = new ByteReader(
    bytes.subarray(detailsAt + from, detailsAt + view.getUint32(endsAt + 4 * row)),
  );
  const entryIndex = reader.u8();
  const flags = reader.u8();
  const entryType = types[flags & ~emptyFlag];
  const actor = bytesToHex(reader.sized(maxActorBytes));
  const seq = reader.varint();
  const dependencyCount = reader.varint();
  const dependencies: number[] = [];
  for (let i = 0; i < dependencyCount && reader.error === undefined; i++) dependencies.push(reader.varint());
  const note = reader.text(maxNoteBytes);
  const commit = commits[view.getUint16(commitsAt + 2 * row)];
  assert(
    reader.finish() && entryType !== undefined && commit !== undefined,
    "journal: a record is as it was written",
  );
  const word = view.getUint32(headBytes + 4 * row);
  const entry: AcceptedEntry = {
    position: commit.position,
    entryIndex,
    entryHash: bytesToId("EntryHash", bytes.subarray(hashesAt + 32 * row, hashesAt + 32 * (row + 1))),
    changeHash: bytesToHex(bytes.subarray(changesAt + 32 * row, changesAt + 32 * (row + 1))),
    dependencies,
    entryType,
    actor,
    seq,
    note,
    atMs: commit.atMs,
    isEmpty: (flags & emptyFlag) !== 0,
  };
  return { number: word % firstBit, isFirst: word >= firstBit, entry, docId: undefined };
}
