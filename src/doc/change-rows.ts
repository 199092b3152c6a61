/**
 * The rows of the change that is being written, and the chunk that is made of them (form: `change-chunk.ts`, `column.ts`). One for a
 * thread: a change is written at once, without a pause.
 */
import { assert, bytesToHex, CofferError, parseHex } from "../std/index.ts";
import type { DocValue, DraftValue } from "../draft/index.ts";
import { action, changeChunkType, chunkHeaderBytes, chunkMagic, column, valueType } from "./change-codes.ts";
import { changeLimits } from "./doc.ts";
import { BooleanColumn, Bytes, RunColumn, type WriteValue } from "./write-column.ts";

/** Stands for a lone surrogate, as everywhere. */
const replacement = 0xfffd;
const float = new DataView(new ArrayBuffer(8));
const floatBytes = new Uint8Array(float.buffer);

const writeUnsigned: WriteValue<number> = (bytes, value) => bytes.unsigned(value);
const writeSigned: WriteValue<number> = (bytes, value) => bytes.signed(value);
const writeText: WriteValue<string> = (bytes, value) => bytes.sizedText(value);

/** What is to be written of an object, and where its plain reading goes. */
type Content =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "list"; readonly values: readonly DraftValue[]; readonly reading: DocValue[] }
  | { readonly kind: "map"; readonly fields: Fields; readonly reading: { [key: string]: DocValue } };
/** The fields of a new object. */
export type Fields = { readonly [key: string]: DraftValue };

/** An object whose content is to be written: the operation that makes it, and how deep it is. */
export interface QueuedObject {
  readonly id: number;
  readonly depth: number;
  readonly content: Content;
}

/** A column as it stands in the chunk. */
interface Column {
  readonly specification: number;
  readonly bytes: Bytes;
}

/** The keys of a map: as they came, in order, and what the column of keys holds of all but the last in order. */
export interface Keys {
  readonly names: readonly string[];
  readonly sorted: readonly string[];
  readonly literal: Uint8Array;
}

/** The columns of the change that is being written. One for a thread: a change is written at once, without a pause. */
export class Rows {
  /** the number of the last operation; that of the first row is one more than where it began */
  count = 0;
  #before = 0;
  /** rows whose predecessors are written */
  #precededCount = 0;
  #lastPredecessor = 0;
  readonly queue: QueuedObject[] = [];
  readonly #columns = {
    objectActor: new RunColumn(writeUnsigned),
    objectCounter: new RunColumn(writeUnsigned),
    keyActor: new RunColumn(writeUnsigned),
    keyCounter: new RunColumn(writeSigned),
    key: new RunColumn(writeText),
    insert: new BooleanColumn(),
    action: new RunColumn(writeUnsigned),
    value: new RunColumn(writeUnsigned),
    predecessors: new RunColumn(writeUnsigned),
    predecessorActor: new RunColumn(writeUnsigned),
    predecessorCounter: new RunColumn(writeSigned),
  };
  readonly #all = Object.values(this.#columns);
  readonly #raw = new Bytes();
  /** in the order of their specifications */
  readonly #ordered: readonly Column[] = [
    { specification: column.objectActor, bytes: this.#columns.objectActor.bytes },
    { specification: column.objectCounter, bytes: this.#columns.objectCounter.bytes },
    { specification: column.keyActor, bytes: this.#columns.keyActor.bytes },
    { specification: column.keyCounter, bytes: this.#columns.keyCounter.bytes },
    { specification: column.keyString, bytes: this.#columns.key.bytes },
    { specification: column.insert, bytes: this.#columns.insert.bytes },
    { specification: column.action, bytes: this.#columns.action.bytes },
    { specification: column.valueSize, bytes: this.#columns.value.bytes },
    { specification: column.valueRaw, bytes: this.#raw },
    { specification: column.predecessorCount, bytes: this.#columns.predecessors.bytes },
    { specification: column.predecessorActor, bytes: this.#columns.predecessorActor.bytes },
    { specification: column.predecessorCounter, bytes: this.#columns.predecessorCounter.bytes },
  ];
  #lastCounter = 0;

  /** @param before how many operations there are already */
  reset(before = 0): void {
    this.count = before;
    this.#before = before;
    this.#precededCount = 0;
    this.#lastPredecessor = 0;
    this.queue.length = 0;
    this.#lastCounter = 0;
    this.#raw.reset();
    for (const written of this.#all) written.reset();
  }

  /** All fields of a map, whose values are written next, {@link next} before each. */
  fields(owner: number, { sorted, literal }: Keys): void {
    this.#place(owner, false, sorted.length);
    this.#columns.keyActor.add(null, sorted.length);
    this.#columns.keyCounter.add(null, sorted.length);
    this.#columns.key.addLiteral(sorted, literal);
  }

  /** The next operation is that of a field of the document, in place of what another made: its actor's index, and its number. */
  field(name: string, replaced: { readonly actor: number; readonly counter: number } | undefined): void {
    const { predecessors, predecessorActor, predecessorCounter } = this.#columns;
    predecessors.add(0, this.#rowCount - this.#precededCount);
    this.#place(0, false, 1);
    this.count += 1;
    this.#columns.keyActor.add(null);
    this.#columns.keyCounter.add(null);
    this.#columns.key.add(name);
    predecessors.add(replaced === undefined ? 0 : 1);
    this.#precededCount = this.#rowCount;
    if (replaced === undefined) return;
    predecessorActor.add(replaced.actor);
    predecessorCounter.add(replaced.counter - this.#lastPredecessor);
    this.#lastPredecessor = replaced.counter;
  }

  get #rowCount(): number {
    return this.count - this.#before;
  }

  /** The next operation is that of a field. */
  next(): void {
    this.count += 1;
  }

  /** An element behind the one that `previous` made; 0 = the first. */
  element(owner: number, previous: number): void {
    this.#place(owner, true, 1);
    this.count += 1;
    this.#columns.keyActor.add(previous === 0 ? null : 0);
    this.#columns.keyCounter.add(previous - this.#lastCounter);
    this.#lastCounter = previous;
    this.#columns.key.add(null);
  }

  /** All characters of a text: one operation each, whose columns are runs. */
  text(owner: number, text: string): void {
    const count = this.#characters(text);
    if (count === 0) return;
    const first = this.count + 1;
    this.#place(owner, true, count);
    this.count += count;
    this.#columns.keyActor.add(null);
    this.#columns.keyActor.add(0, count - 1);
    this.#columns.keyCounter.add(-this.#lastCounter);
    if (count > 1) this.#columns.keyCounter.add(first);
    this.#columns.keyCounter.add(1, count - 2);
    this.#lastCounter = count > 1 ? first + count - 2 : 0;
    this.#columns.key.add(null, count);
    this.#columns.action.add(action.set, count);
  }

  make(kind: number): void {
    this.#columns.action.add(kind);
    this.#columns.value.add(0);
  }

  /** An object whose content is written when its turn has come. */
  makeLater(kind: number, depth: number, content: Content): void {
    this.make(kind);
    this.queue.push({ id: this.count, depth, content });
  }

  set(type: number): void {
    this.#columns.action.add(action.set);
    this.#columns.value.add(type);
  }

  setNumber(type: number, value: number): void {
    const start = this.#raw.length;
    this.#raw.signed(value);
    this.set((this.#raw.length - start) * 16 + type);
  }

  setFloat(value: number): void {
    float.setFloat64(0, value, true);
    this.setBytes(valueType.float, floatBytes);
  }

  setText(text: string): void {
    const start = this.#raw.length;
    this.#raw.text(text);
    this.set((this.#raw.length - start) * 16 + valueType.text);
  }

  setBytes(type: number, bytes: Uint8Array): void {
    this.#raw.all(bytes);
    this.set(bytes.length * 16 + type);
  }

  /** End the columns, in the order of their specifications; empty ones are not written. */
  end(): readonly Column[] {
    this.#columns.predecessors.add(0, this.#rowCount - this.#precededCount);
    for (const written of this.#all) written.end();
    return this.#ordered;
  }

  /** @returns how many characters there are */
  #characters(text: string): number {
    const { length } = text;
    let count = 0;
    for (let i = 0; i < length;) {
      const end = this.#raw.ascii(text, i);
      this.#columns.value.add(16 + valueType.text, end - i);
      count += end - i;
      i = end;
      if (i === length) break;
      const codePoint = text.codePointAt(i) ?? replacement;
      const isLone = (codePoint & 0x1ff800) === 0xd800;
      const sizeBytes = this.#raw.character(isLone ? replacement : codePoint);
      this.#columns.value.add(sizeBytes * 16 + valueType.text);
      count += 1;
      i += codePoint > 0xffff ? 2 : 1;
    }
    return count;
  }

  #place(owner: number, isInsert: boolean, count: number): void {
    this.#columns.objectActor.add(owner === 0 ? null : 0, count);
    this.#columns.objectCounter.add(owner === 0 ? null : owner, count);
    this.#columns.insert.add(isInsert, count);
  }
}

/** The columns of this thread. */
export const rows = new Rows();
const head = new Bytes();

/** What the head of a change says. */
interface Head {
  readonly actor: string;
  readonly timeMs: number;
  readonly seq: number;
  readonly startOp: number;
  readonly deps: readonly string[];
  /** the other actors that its operations name, in order */
  readonly others: readonly string[];
}

/** Make a change of the rows. @throws `input/too-large` */
export function assemble(
  change: Head,
  sha256: (bytes: Uint8Array) => Uint8Array,
): { readonly bytes: Uint8Array<ArrayBuffer>; readonly hash: string } {
  const bytes = writeChunk(change);
  const hash = sha256(bytes.subarray(chunkHeaderBytes));
  bytes.set(hash.subarray(0, chunkHeaderBytes - chunkMagic.length), chunkMagic.length);
  return { bytes, hash: bytesToHex(hash) };
}

/** The chunk of the rows, its checksum left out. */
function writeChunk({ actor, timeMs, seq, startOp, deps, others }: Head): Uint8Array<ArrayBuffer> {
  const columns = rows.end();
  head.reset();
  head.unsigned(deps.length);
  for (const hash of deps) head.all(hexToBytes(hash));
  writeActor(actor);
  head.unsigned(seq);
  head.unsigned(startOp);
  head.signed(Math.floor(timeMs / 1000));
  // no message
  head.put(0);
  head.unsigned(others.length);
  for (const other of others) writeActor(other);
  let count = 0;
  for (const { bytes } of columns) if (bytes.length > 0) count += 1;
  head.unsigned(count);
  let sizeBytes = 0;
  for (const { specification, bytes } of columns) {
    if (bytes.length === 0) continue;
    head.unsigned(specification);
    head.unsigned(bytes.length);
    sizeBytes += bytes.length;
  }
  sizeBytes += head.length;
  let at = chunkHeaderBytes + 1;
  const bytes = new Uint8Array(at + unsignedBytes(sizeBytes) + sizeBytes);
  if (bytes.length > changeLimits.bytes) throw tooLarge();
  bytes.set(chunkMagic);
  bytes[at - 1] = changeChunkType;
  for (let rest = sizeBytes; ; rest >>>= 7) {
    bytes[at++] = rest < 128 ? rest : (rest & 127) | 128;
    if (rest < 128) break;
  }
  head.copyTo(bytes, at);
  at += head.length;
  for (const { bytes: written } of columns) {
    written.copyTo(bytes, at);
    at += written.length;
  }
  return bytes;
}

function writeActor(actor: string): void {
  const bytes = hexToBytes(actor);
  head.unsigned(bytes.length);
  head.all(bytes);
}

function hexToBytes(text: string): Uint8Array {
  const bytes = parseHex(text);
  assert(bytes !== undefined, "doc: hashes and actors are hex");
  return bytes;
}

function unsignedBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 128; rest >>>= 7) count++;
  return count;
}

/** The failure that a document over the limits of a change is. */
export function tooLarge(): CofferError {
  return new CofferError("input/too-large", {
    message: "This document is too large. Split it into smaller ones.",
  });
}
