/**
 * The document that a first change alone makes, read without Automerge.
 *
 * It reads what `create-change.ts` writes, and as much of what Automerge writes otherwise as is plain to see: fields that are
 * written once, elements and characters that are inserted behind others, all types of values. Anything else is left to Automerge:
 * dependencies, several authors, overwriting, deletions, increments, marks, unknown types, and whatever it might refuse.
 */
import { bytesToUtf8 } from "../std/index.ts";
import type { DocValue } from "../draft/index.ts";
import { action, column, valueType } from "./change-codes.ts";
import { readHead } from "./change-chunk.ts";
import type { Columns } from "./columns.ts";
import { compareByCodePoints } from "./create-change.ts";
import { changeLimits, type DocChange } from "./doc.ts";
import { BooleanRows, NumberRows, readWholeNumber, StringRows } from "./read-column.ts";

/** Read a judged change. @returns `undefined` for what only Automerge reads. Never throws */
export function decodeCreate(change: DocChange): { readonly [key: string]: DocValue } | undefined {
  const head = readHead(change.bytes);
  if (head === undefined || head.deps.length > 0 || head.actors.length > 1) return undefined;
  if (head.seq !== 1 || head.startOp !== 1) return undefined;
  const joined = new Reading(head.columns, "joined");
  const value = joined.read();
  return value === undefined && joined.hasJoined ? new Reading(head.columns, "apart").read() : value;
}

/** Where a value is kept until the object is read that holds it. */
interface Place {
  value: DocValue | undefined;
}

interface Field extends Place {
  readonly key: string;
}

/** An element of a list, or characters of a text that stand behind each other in it as in the rows. */
interface Element extends Place {
  readonly owner: SequenceObject;
  lastRow: number;
  next: Element | undefined;
}

interface MapObject {
  readonly kind: "map";
  readonly place: Place;
  readonly fields: Field[];
}

interface SequenceObject {
  readonly kind: "list" | "text";
  readonly place: Place;
  first: Element | undefined;
  /** the one that was inserted last */
  last: Element | undefined;
}

type MadeObject = MapObject | SequenceObject;

const emptyColumn = new Uint8Array(0);
/** What the column of sizes says of a text of one byte. */
const letterSize = 16 + valueType.text;
const unreadable = Symbol("unreadable");
const mostRows = changeLimits.operations + changeLimits.bytes;

/**
 * One pass over the rows, then the objects from the last to the first: an object stands behind the one that holds it.
 *
 * Characters that were typed one behind the other are "joined" to one element. Where others were inserted between them it gives up,
 * and everything is read "apart", an element for each.
 */
class Reading {
  readonly #columns: Columns;
  readonly #isJoined: boolean;
  /** characters were joined so far */
  hasJoined = false;
  readonly #objects = new Map<number, MadeObject>();
  /** the last object that was asked for, and its row */
  #object: MadeObject;
  #owner = 0;
  /** by its row, each element but the last of each sequence */
  readonly #elements = new Map<number, Element>();
  readonly #raw: Uint8Array;
  #rawOffset = 0;

  constructor(columns: Columns, characters: "joined" | "apart") {
    this.#columns = columns;
    this.#isJoined = characters === "joined";
    this.#raw = columns.get(column.valueRaw) ?? emptyColumn;
    this.#object = { kind: "map", place: { value: undefined }, fields: [] };
    this.#objects.set(0, this.#object);
  }

  read(): { readonly [key: string]: DocValue } | undefined {
    if (!this.#readRows() || this.#rawOffset !== this.#raw.length) return undefined;
    const objects = [...this.#objects.values()];
    for (let index = objects.length - 1; index > 0; index--) {
      const object = objects[index];
      if (object === undefined) continue;
      const value = object.kind === "map" ? readMap(object) : readSequence(object);
      if (value === undefined) return undefined;
      object.place.value = value;
    }
    const [root] = objects;
    return root?.kind === "map" ? readMap(root) : undefined;
  }

  #readRows(): boolean {
    const columns = this.#columns;
    for (const other of beyondColumns) if (columns.has(other)) return false;
    const kinds = new NumberRows(columns.get(column.action));
    const objectActors = new NumberRows(columns.get(column.objectActor));
    const objectCounters = new NumberRows(columns.get(column.objectCounter));
    const keyActors = new NumberRows(columns.get(column.keyActor));
    const keyCounters = new NumberRows(columns.get(column.keyCounter), "signed");
    const keys = new StringRows(columns.get(column.keyString));
    const inserts = new BooleanRows(columns.get(column.insert));
    const sizes = new NumberRows(columns.get(column.valueSize));
    const predecessors = new NumberRows(columns.get(column.predecessorCount));
    const numbers = [kinds, objectActors, objectCounters, keyActors, keyCounters, sizes, predecessors];
    let counter = 0;
    for (let row = 1; !kinds.isDone; row++) {
      if (row > mostRows || kinds.isBad) return false;
      const owner = ownerOf(objectActors.next(), objectCounters.next());
      const key = keys.next();
      const actor = keyActors.next();
      const delta = keyCounters.next();
      if (delta !== null) counter += delta;
      const isField = key !== null && actor === null && delta === null;
      if ((!isField && (key !== null || delta === null)) || inserts.next() === isField) return false;
      if (owner === undefined || owner >= row || predecessors.next() !== 0) return false;
      const object = this.#find(owner);
      const size = sizes.next();
      const kind = kinds.next();
      if (object === undefined || size === null || kind === null) return false;
      const value = kind === action.set ? this.#readValue(size) : undefined;
      if (value === unreadable) return false;
      const place = isField
        ? placeField(object, key, value)
        : this.#placeElement(object, { actor, counter, row, value });
      if (place === undefined) return false;
      const isInText = object.kind === "text";
      if (
        value === undefined
          ? isInText || !this.#make(row, { kind, size, place })
          : isInText && typeof value !== "string"
      )
        return false;
      if (!isInText || !this.#isJoined || delta !== 1 || counter !== row - 1 || size !== letterSize) continue;
      let most = Math.min(keys.repeats, inserts.repeats);
      for (const rows of numbers) most = Math.min(most, rows.repeats);
      const typed = this.#type(object, most);
      for (const rows of numbers) rows.skip(typed);
      keys.skip(typed);
      inserts.skip(typed);
      counter += typed;
      row += typed;
    }
    const isWhole = keys.isDone && !keys.isBad && inserts.isDone && !inserts.isBad;
    return isWhole && numbers.every((rows) => rows.isDone && !rows.isBad);
  }

  #find(owner: number): MadeObject | undefined {
    if (owner === this.#owner) return this.#object;
    const object = this.#objects.get(owner);
    if (object === undefined) return undefined;
    this.#owner = owner;
    this.#object = object;
    return object;
  }

  /** What is inserted last stands directly behind its place: its number is the highest. The head is counter 0, of nobody. */
  #placeElement(
    object: MadeObject,
    at: { readonly actor: number | null; readonly counter: number; readonly row: number } & Place,
  ): Place | undefined {
    if (object.kind === "map") return undefined;
    const { actor, counter, row, value } = at;
    const { last } = object;
    if (actor === null && counter === 0) {
      object.first = this.#insert(object, { owner: object, lastRow: row, value, next: object.first });
      return object.first;
    }
    if (actor !== 0 || counter <= 0 || counter >= row) return undefined;
    const before = last?.lastRow === counter ? last : this.#elements.get(counter);
    if (before?.owner !== object) return undefined;
    const { value: text } = before;
    const isTypedOn = object.kind === "text" && this.#isJoined && before === last && counter === row - 1;
    if (isTypedOn && typeof text === "string" && typeof value === "string") {
      this.hasJoined = true;
      before.value = text + value;
      before.lastRow = row;
      return before;
    }
    before.next = this.#insert(object, { owner: object, lastRow: row, value, next: before.next });
    return before.next;
  }

  #insert(object: SequenceObject, element: Element): Element {
    if (object.last !== undefined) this.#elements.set(object.last.lastRow, object.last);
    object.last = element;
    return element;
  }

  /**
   * Take in what was typed on behind the last element: letters of one byte, each behind the one before, of which every column says the
   * same.
   *
   * @param most so many rows say so
   * @returns how many are letters
   */
  #type({ last }: SequenceObject, most: number): number {
    const start = this.#rawOffset;
    let end = start;
    while (end - start < most && (this.#raw[end] ?? 128) < 128) end += 1;
    const letters = bytesToUtf8(this.#raw.subarray(start, end));
    if (last === undefined || typeof last.value !== "string" || letters === undefined) return 0;
    last.value += letters;
    last.lastRow += end - start;
    this.#rawOffset = end;
    return end - start;
  }

  /** Begin an object; `false` for what is none. */
  #make(row: number, { kind, size, place }: { kind: number; size: number; place: Place }): boolean {
    if (size !== 0) return false;
    if (kind === action.makeMap) this.#objects.set(row, { kind: "map", place, fields: [] });
    else if (kind === action.makeList)
      this.#objects.set(row, { kind: "list", place, first: undefined, last: undefined });
    else if (kind === action.makeText)
      this.#objects.set(row, { kind: "text", place, first: undefined, last: undefined });
    else return false;
    return true;
  }

  #readValue(size: number): DocValue | typeof unreadable {
    if (size === letterSize) {
      const letter = this.#raw[this.#rawOffset] ?? 128;
      if (letter < 128) {
        this.#rawOffset += 1;
        return String.fromCharCode(letter);
      }
    }
    const sizeBytes = Math.floor(size / 16);
    const start = this.#rawOffset;
    const bytes = this.#raw.subarray(start, start + sizeBytes);
    if (bytes.length !== sizeBytes) return unreadable;
    this.#rawOffset += sizeBytes;
    const type = size % 16;
    return readLeaf(type, bytes) ?? (type === valueType.null && sizeBytes === 0 ? null : unreadable);
  }
}

/** The columns of what is left to Automerge. */
const beyondColumns = [
  column.predecessorActor,
  column.predecessorCounter,
  column.markExpands,
  column.markName,
];

function placeField(object: MadeObject, key: string, value: DocValue | undefined): Place | undefined {
  if (object.kind !== "map") return undefined;
  const field = { key, value };
  object.fields.push(field);
  return field;
}

function readMap({ fields }: MapObject): { readonly [key: string]: DocValue } | undefined {
  // They are written in order; whoever did otherwise gets them in order.
  if (!isInOrder(fields)) fields.sort((a, b) => compareByCodePoints(a.key, b.key));
  const read: { [key: string]: DocValue } = {};
  let before: string | undefined;
  for (const { key, value } of fields) {
    if (key === before || value === undefined) return undefined;
    before = key;
    if (key === "__proto__") Object.defineProperty(read, key, { value, enumerable: true });
    else read[key] = value;
  }
  return Object.freeze(read);
}

function isInOrder(fields: readonly Field[]): boolean {
  for (let index = 1; index < fields.length; index++)
    if (compareByCodePoints(fields[index - 1]?.key ?? "", fields[index]?.key ?? "") > 0) return false;
  return true;
}

function readSequence({ kind, first }: SequenceObject): DocValue | undefined {
  if (kind === "text") return readText(first);
  const elements: DocValue[] = [];
  for (let element = first; element !== undefined; element = element.next) {
    if (element.value === undefined) return undefined;
    elements.push(element.value);
  }
  return Object.freeze(elements);
}

function readText(first: Element | undefined): string | undefined {
  let text = "";
  for (let element = first; element !== undefined; element = element.next) {
    if (typeof element.value !== "string") return undefined;
    text += element.value;
  }
  return text;
}

/** The row that made the object an operation is in; 0 = the document. */
function ownerOf(actor: number | null, counter: number | null): number | undefined {
  if (actor === null && counter === null) return 0;
  return actor === 0 && counter !== null && counter > 0 ? counter : undefined;
}

/** A value without parts, as documents show it; `undefined` for null, and for what Automerge may read otherwise. */
function readLeaf(type: number, bytes: Uint8Array): DocValue | undefined {
  const { length } = bytes;
  switch (type) {
    case valueType.false:
      return length === 0 ? false : undefined;
    case valueType.true:
      return length === 0 ? true : undefined;
    case valueType.uint:
      return readWholeNumber(bytes, "unsigned");
    case valueType.int:
    case valueType.counter:
      return readWholeNumber(bytes, "signed");
    case valueType.float:
      return length === 8 ? new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true) : undefined;
    case valueType.text:
      return bytesToUtf8(bytes);
    case valueType.bytes:
      return bytes.slice();
    case valueType.time: {
      const timeMs = readWholeNumber(bytes, "signed");
      const date = timeMs === undefined ? undefined : new Date(timeMs);
      return date === undefined || Number.isNaN(date.getTime()) ? undefined : date;
    }
    default:
      return undefined;
  }
}
