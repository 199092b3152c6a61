/**
 * A document's first change, written without Automerge and byte for byte as Automerge writes it (form: `change-chunk.ts`,
 * `column.ts`). Operations stand in breadth-first order: an object's fields (ascending, by code points), elements or characters,
 * then those of the objects it holds. Object n is made by operation n; the root has none.
 *
 * Of numbers only positive whole ones up to 2^53 are written as integers, as Automerge does with whole trees; all others are floating
 * point.
 */
import { assert, bytesToHex, CofferError, parseHex } from "../std/index.ts";
import type { DocValue, DraftValue } from "../draft/index.ts";
import { action, changeChunkType, chunkHeaderBytes, chunkMagic, column, valueType } from "./change-codes.ts";
import { changeLimits, type DocChange } from "./doc.ts";
import { BooleanColumn, Bytes, RunColumn, type WriteValue } from "./write-column.ts";

const writeUnsigned: WriteValue<number> = (bytes, value) => bytes.unsigned(value);
const writeSigned: WriteValue<number> = (bytes, value) => bytes.signed(value);
const writeText: WriteValue<string> = (bytes, value) => bytes.sizedText(value);

/** What is to be written of an object, and where its plain reading goes. */
type Content =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "list"; readonly values: readonly DraftValue[]; readonly reading: DocValue[] }
  | { readonly kind: "map"; readonly fields: Fields; readonly reading: { [key: string]: DocValue } };
type Fields = { readonly [key: string]: DraftValue };

interface QueuedObject {
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
interface Keys {
  readonly names: readonly string[];
  readonly sorted: readonly string[];
  readonly literal: Uint8Array;
}

/** The columns of the change that is being written. One for a thread: a change is written at once, without a pause. */
class Rows {
  count = 0;
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
  ];
  #lastCounter = 0;

  reset(): void {
    this.count = 0;
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

  make(kind: number, depth: number, content: Content): void {
    this.#columns.action.add(kind);
    this.#columns.value.add(0);
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
    this.#columns.predecessors.add(0, this.count);
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

/** Stands for a lone surrogate, as everywhere. */
const replacement = 0xfffd;
const float = new DataView(new ArrayBuffer(8));
const floatBytes = new Uint8Array(float.buffer);

/** Write one value where the row stands. @returns its plain reading; that of an object is filled when it is written */
function writeValue(rows: Rows, value: DraftValue, depth: number): DocValue {
  if (typeof value === "string") {
    rows.make(action.makeText, depth, { kind: "text", text: value });
    return value;
  }
  if (typeof value === "number") {
    if (Number.isSafeInteger(value) && value > 0) rows.setNumber(valueType.int, value);
    else {
      float.setFloat64(0, value, true);
      rows.setBytes(valueType.float, floatBytes);
    }
    return value;
  }
  if (value === null) rows.set(valueType.null);
  else if (typeof value === "boolean") rows.set(value ? valueType.true : valueType.false);
  else if (value instanceof Date) rows.setNumber(valueType.time, value.getTime());
  else if (value instanceof Uint8Array) rows.setBytes(valueType.bytes, value);
  else if (value instanceof Map) return writeTagged(rows, value);
  else if (Array.isArray(value)) {
    const reading: DocValue[] = [];
    rows.make(action.makeList, depth, { kind: "list", values: value as readonly DraftValue[], reading });
    return reading;
  } else {
    const reading: { [key: string]: DocValue } = {};
    rows.make(action.makeMap, depth, { kind: "map", fields: value as Fields, reading });
    return reading;
  }
  return value;
}

function writeTagged(rows: Rows, value: ReadonlyMap<string, number | string>): DocValue {
  for (const [tag, content] of value) {
    if (tag === "counter") rows.setNumber(valueType.counter, Number(content));
    else rows.setText(String(content));
    return content;
  }
  assert(false, "doc: a tagged value has its tag");
}

function writeContent(rows: Rows, owner: number, { content, depth }: Omit<QueuedObject, "id">): void {
  if (content.kind === "text") return rows.text(owner, content.text);
  const { reading } = content;
  if (content.kind === "list") {
    let previous = 0;
    for (const element of content.values) {
      rows.element(owner, previous);
      previous = rows.count;
      content.reading.push(writeValue(rows, element, depth + 1));
    }
  } else {
    const keys = keysOf(content.fields);
    rows.fields(owner, keys);
    for (const key of keys.sorted) {
      rows.next();
      const value = writeValue(rows, content.fields[key] ?? null, depth + 1);
      if (key === "__proto__") Object.defineProperty(reading, key, { ...plainProperty, value });
      else content.reading[key] = value;
    }
  }
  Object.freeze(reading);
}

const plainProperty = { enumerable: true, configurable: true, writable: true };

/** Documents that come together mostly have the same few shapes: those that were met last. */
const knownKeys: Keys[] = [];
const maxKnownKeys = 8;
/** Maps of more keys are data rather than a shape. */
const maxKnownNames = 256;

function keysOf(fields: Fields): Keys {
  const names = Object.keys(fields);
  const known = knownKeys.find((keys) => areSame(keys.names, names));
  if (known !== undefined) return known;
  const sorted = names.toSorted(compareByCodePoints);
  head.reset();
  for (const key of sorted.slice(0, -1)) head.sizedText(key);
  const keys = { names, sorted, literal: head.toBytes() };
  if (names.length <= maxKnownNames) {
    if (knownKeys.length === maxKnownKeys) knownKeys.shift();
    knownKeys.push(keys);
  }
  return keys;
}

function areSame(some: readonly string[], others: readonly string[]): boolean {
  if (some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false;
  return true;
}

/** Surrogates sort behind the rest of the basic plane, as they do in UTF-8. */
export function compareByCodePoints(a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const [one, other] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (one !== other) return rank(one) - rank(other);
  }
  return a.length - b.length;
}
const rank = (unit: number): number => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit);

function isFields(value: DraftValue): value is Fields {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject && !(value instanceof Map || value instanceof Date || value instanceof Uint8Array);
}

const rows = new Rows();
const head = new Bytes();

/**
 * Write a document's first change.
 *
 * @returns the change, and its plain reading, frozen
 * @throws `input/too-large` when objects nest too deep, or the change takes too many bytes
 */
export function encodeCreate(
  options: { value: DraftValue; actor: string; timeMs: number },
  sha256: (bytes: Uint8Array) => Uint8Array,
): { readonly change: DocChange; readonly value: { readonly [key: string]: DocValue } } {
  const { actor, timeMs, value } = options;
  assert(isFields(value), "doc: a document's value is an object of fields");
  const reading: { [key: string]: DocValue } = {};
  rows.reset();
  writeContent(rows, 0, { depth: 0, content: { kind: "map", fields: value, reading } });
  for (let at = 0; at < rows.queue.length; at++) {
    const next = rows.queue[at];
    if (next === undefined) break;
    if (next.depth > changeLimits.depth) throw tooLarge();
    writeContent(rows, next.id, next);
  }
  // what was written is not held until the next document
  rows.queue.length = 0;
  const bytes = assemble(actor, timeMs);
  const hash = sha256(bytes.subarray(chunkHeaderBytes));
  bytes.set(hash.subarray(0, chunkHeaderBytes - chunkMagic.length), chunkMagic.length);
  return { change: { bytes, hash: bytesToHex(hash), actor, seq: 1, deps: [], note: "" }, value: reading };
}

/** The chunk of the rows, its checksum left out. */
function assemble(actor: string, timeMs: number): Uint8Array<ArrayBuffer> {
  const actorBytes = parseHex(actor);
  assert(actorBytes !== undefined, "doc: an actor is hex");
  const columns = rows.end();
  head.reset();
  head.put(0);
  head.unsigned(actorBytes.length);
  head.all(actorBytes);
  head.put(1);
  head.put(1);
  head.signed(Math.floor(timeMs / 1000));
  head.put(0);
  head.put(0);
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
