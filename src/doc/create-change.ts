/**
 * A document's first change, written without Automerge and byte for byte as Automerge writes it (form: `change-chunk.ts`,
 * `column.ts`). Operations stand in breadth-first order: an object's fields (ascending, by code points), elements or characters,
 * then those of the objects it holds. Object n is made by operation n; the root has none.
 *
 * It gives `undefined` for values it leaves to Automerge: empty documents, and whole numbers beyond 2^53.
 */
import { assert, bytesToHex, ByteWriter, concatBytes, parseHex, utf8ToBytes } from "../std/index.ts";
import type { DraftValue } from "../draft/index.ts";
import type { DocChange } from "./doc.ts";

const action = { makeMap: 0, set: 1, makeList: 2, makeText: 4 } as const;
const valueType = {
  null: 0,
  false: 1,
  true: 2,
  int: 4,
  float: 5,
  text: 6,
  bytes: 7,
  counter: 8,
  time: 9,
} as const;
const noBytes = new Uint8Array(0);

/** A growing byte string for signed and unsigned LEB128. */
class Bytes {
  #bytes = new Uint8Array(128);
  length = 0;

  put(byte: number): void {
    if (this.length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.length++] = byte;
  }

  all(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.#bytes.length) this.#grow(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  unsigned(value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.put((rest % 128) + 128);
    this.put(rest);
  }

  signed(value: number): void {
    let rest = value;
    for (; rest > 63 || rest < -64; rest = Math.floor(rest / 128))
      this.put((((rest % 128) + 128) % 128) + 128);
    this.put(((rest % 128) + 128) % 128);
  }

  done(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length);
  }

  #grow(count: number): void {
    const grown = new Uint8Array(Math.max(this.length + count, 2 * this.length));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
  }
}

/** A run-length coded column: repeated values, literal runs, nulls. */
class Column<T extends number | string> {
  readonly #bytes = new Bytes();
  readonly #write: (bytes: Bytes, value: T) => void;
  #literal: T[] = [];
  #value: T | null | undefined;
  #count = 0;
  #isAllNull = true;

  constructor(write: (bytes: Bytes, value: T) => void) {
    this.#write = write;
  }

  add(value: T | null, count = 1): void {
    if (count <= 0) return;
    if (this.#count > 0 && value === this.#value) {
      this.#count += count;
      return;
    }
    this.#endRun();
    this.#value = value;
    this.#count = count;
  }

  done(): Uint8Array {
    this.#endRun();
    this.#endLiteral();
    return this.#isAllNull ? noBytes : this.#bytes.done();
  }

  #endRun(): void {
    const { length } = this.#literal;
    if (this.#count === 0) return;
    if (this.#value === null || this.#value === undefined) {
      this.#endLiteral();
      this.#bytes.signed(0);
      this.#bytes.unsigned(this.#count);
    } else {
      this.#isAllNull = false;
      if (this.#count === 1) this.#literal[length] = this.#value;
      else {
        this.#endLiteral();
        this.#bytes.signed(this.#count);
        this.#write(this.#bytes, this.#value);
      }
    }
    this.#count = 0;
  }

  #endLiteral(): void {
    if (this.#literal.length === 0) return;
    this.#bytes.signed(-this.#literal.length);
    for (const value of this.#literal) this.#write(this.#bytes, value);
    this.#literal = [];
  }
}

const writeUnsigned = (bytes: Bytes, value: number): void => bytes.unsigned(value);
const writeSigned = (bytes: Bytes, value: number): void => bytes.signed(value);
const writeText = (bytes: Bytes, value: string): void => {
  const text = utf8ToBytes(value);
  bytes.unsigned(text.length);
  bytes.all(text);
};

type Container = string | readonly DraftValue[] | { readonly [key: string]: DraftValue };

/** The columns of the change, row by row. */
class Rows {
  readonly queue: { readonly id: number; readonly content: Container }[] = [];
  count = 0;
  readonly #columns = {
    objectActor: new Column<number>(writeUnsigned),
    objectCounter: new Column<number>(writeUnsigned),
    keyActor: new Column<number>(writeUnsigned),
    keyCounter: new Column<number>(writeSigned),
    key: new Column<string>(writeText),
    action: new Column<number>(writeUnsigned),
    value: new Column<number>(writeUnsigned),
  };
  readonly #raw = new Bytes();
  readonly #inserts = new Bytes();
  #insertRun = 0;
  #isInserting = false;
  #lastCounter = 0;

  field(owner: number, key: string): void {
    this.#place(owner, false);
    this.#columns.keyActor.add(null);
    this.#columns.keyCounter.add(null);
    this.#columns.key.add(key);
  }

  /** An element behind the one that `previous` made; 0 = the first. */
  element(owner: number, previous: number): void {
    this.#place(owner, true);
    this.#columns.keyActor.add(previous === 0 ? null : 0);
    this.#columns.keyCounter.add(previous - this.#lastCounter);
    this.#lastCounter = previous;
    this.#columns.key.add(null);
  }

  /** All characters of a text: one operation each, whose columns are runs. */
  text(owner: number, text: string): void {
    let count = 0;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      count += 1;
      if (unit < 128) {
        this.#raw.put(unit);
        this.#columns.value.add(16 + valueType.text);
        continue;
      }
      const isPair = unit >= 0xd800 && unit < 0xdc00;
      const bytes = utf8ToBytes(text.slice(i, i + (isPair ? 2 : 1)));
      if (isPair) i++;
      this.#raw.all(bytes);
      this.#columns.value.add(bytes.length * 16 + valueType.text);
    }
    if (count === 0) return;
    const first = this.count + 1;
    this.#place(owner, true, count);
    this.#columns.keyActor.add(null);
    this.#columns.keyActor.add(0, count - 1);
    this.#columns.keyCounter.add(-this.#lastCounter);
    if (count > 1) this.#columns.keyCounter.add(first);
    this.#columns.keyCounter.add(1, count - 2);
    this.#lastCounter = count > 1 ? first + count - 2 : 0;
    this.#columns.key.add(null, count);
    this.#columns.action.add(action.set, count);
  }

  make(kind: number, content: Container): void {
    this.#columns.action.add(kind);
    this.#columns.value.add(0);
    this.queue.push({ id: this.count, content });
  }

  set(type: number, write?: (raw: Bytes) => void): void {
    this.#columns.action.add(action.set);
    const before = this.#raw.length;
    write?.(this.#raw);
    this.#columns.value.add((this.#raw.length - before) * 16 + type);
  }

  columns(): readonly (readonly [specification: number, bytes: Uint8Array])[] {
    this.#inserts.unsigned(this.#insertRun);
    const predecessors = new Column<number>(writeUnsigned);
    predecessors.add(0, this.count);
    const all: readonly (readonly [number, Uint8Array])[] = [
      [0x01, this.#columns.objectActor.done()],
      [0x02, this.#columns.objectCounter.done()],
      [0x11, this.#columns.keyActor.done()],
      [0x13, this.#columns.keyCounter.done()],
      [0x15, this.#columns.key.done()],
      [0x34, this.#inserts.done()],
      [0x42, this.#columns.action.done()],
      [0x56, this.#columns.value.done()],
      [0x57, this.#raw.done()],
      [0x70, predecessors.done()],
    ];
    return all.filter(([, bytes]) => bytes.length > 0);
  }

  #place(owner: number, isInsert: boolean, count = 1): void {
    this.count += count;
    this.#columns.objectActor.add(owner === 0 ? null : 0, count);
    this.#columns.objectCounter.add(owner === 0 ? null : owner, count);
    if (isInsert !== this.#isInserting) {
      this.#inserts.unsigned(this.#insertRun);
      this.#insertRun = 0;
      this.#isInserting = isInsert;
    }
    this.#insertRun += count;
  }
}

/** Write one value where the row stands. @returns false for what is left to Automerge */
function writeValue(rows: Rows, value: DraftValue): boolean {
  if (value === null) rows.set(valueType.null);
  else if (typeof value === "boolean") rows.set(value ? valueType.true : valueType.false);
  else if (typeof value === "number") return writeNumber(rows, value);
  else if (typeof value === "string") rows.make(action.makeText, value);
  else if (value instanceof Date) rows.set(valueType.time, (raw) => raw.signed(value.getTime()));
  else if (value instanceof Uint8Array) rows.set(valueType.bytes, (raw) => raw.all(value));
  else if (value instanceof Map) {
    for (const [tag, content] of value as ReadonlyMap<string, number | string>) {
      if (tag === "counter") rows.set(valueType.counter, (raw) => raw.signed(Number(content)));
      else rows.set(valueType.text, (raw) => raw.all(utf8ToBytes(String(content))));
    }
  } else if (Array.isArray(value)) rows.make(action.makeList, value as readonly DraftValue[]);
  else rows.make(action.makeMap, value as { readonly [key: string]: DraftValue });
  return true;
}

function writeNumber(rows: Rows, value: number): boolean {
  // as Automerge does with whole trees, only positive numbers are whole
  if (Number.isSafeInteger(value) && value > 0) rows.set(valueType.int, (raw) => raw.signed(value));
  else if (Number.isInteger(value) && !Number.isSafeInteger(value)) return false;
  else {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    rows.set(valueType.float, (raw) => raw.all(bytes));
  }
  return true;
}

function writeContent(rows: Rows, owner: number, content: Container): boolean {
  if (typeof content === "string") {
    rows.text(owner, content);
    return true;
  }
  if (Array.isArray(content)) {
    let previous = 0;
    for (const element of content as readonly DraftValue[]) {
      rows.element(owner, previous);
      previous = rows.count;
      if (!writeValue(rows, element)) return false;
    }
    return true;
  }
  const fields = content as { readonly [key: string]: DraftValue };
  for (const key of Object.keys(fields).sort(compareByCodePoints)) {
    const value = fields[key];
    rows.field(owner, key);
    if (value === undefined || !writeValue(rows, value)) return false;
  }
  return true;
}

/** Surrogates sort behind the rest of the basic plane, as they do in UTF-8. */
function compareByCodePoints(a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const [one, other] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (one !== other) return rank(one) - rank(other);
  }
  return a.length - b.length;
}
const rank = (unit: number): number => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit);

function isFields(value: DraftValue): value is { readonly [key: string]: DraftValue } {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject && !(value instanceof Map || value instanceof Date || value instanceof Uint8Array);
}

/** Write a document's first change. @returns undefined for a value that only Automerge writes */
export function encodeCreate(
  options: { value: DraftValue; actor: string; timeMs: number },
  sha256: (bytes: Uint8Array) => Uint8Array,
): DocChange | undefined {
  const rows = new Rows();
  if (!isFields(options.value) || !writeContent(rows, 0, options.value) || rows.count === 0) return undefined;
  for (let at = 0; at < rows.queue.length; at++) {
    const next = rows.queue[at];
    if (next !== undefined && !writeContent(rows, next.id, next.content)) return undefined;
  }
  const actorBytes = parseHex(options.actor);
  assert(actorBytes !== undefined, "doc: an actor is hex");
  const columns = rows.columns();
  const head = new Bytes();
  head.unsigned(0);
  head.unsigned(actorBytes.length);
  head.all(actorBytes);
  head.unsigned(1);
  head.unsigned(1);
  head.signed(Math.floor(options.timeMs / 1000));
  head.unsigned(0);
  head.unsigned(0);
  head.unsigned(columns.length);
  for (const [specification, bytes] of columns) {
    head.unsigned(specification);
    head.unsigned(bytes.length);
  }
  const body = concatBytes(head.done(), ...columns.map(([, bytes]) => bytes));
  const tail = new ByteWriter(body.length + 8).u8(1).sized(body).toBytes();
  const hash = sha256(tail);
  const bytes = concatBytes(Uint8Array.of(0x85, 0x6f, 0x4a, 0x83), hash.subarray(0, 4), tail);
  return { bytes, hash: bytesToHex(hash), actor: options.actor, seq: 1, deps: [] };
}
