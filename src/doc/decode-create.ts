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
import { readHead, type Columns } from "./change-chunk.ts";
import { compareByCodePoints } from "./create-change.ts";
import { changeLimits, type DocChange } from "./doc.ts";
import { BooleanRows, NumberRows, readWholeNumber, StringRows } from "./read-column.ts";

/** Read a judged change. @returns `undefined` for what only Automerge reads. Never throws */
export function decodeCreate(change: DocChange): { readonly [key: string]: DocValue } | undefined {
  const head = readHead(change.bytes);
  if (head === undefined || head.deps.length > 0 || head.actors.length > 1) return undefined;
  if (head.seq !== 1 || head.startOp !== 1) return undefined;
  return new Reading(head.columns).read();
}

interface MapObject {
  readonly kind: "map";
  readonly row: number;
  readonly entries: [key: string, row: number][];
}

/** A list or text; `next` tells of each row which one stands behind it, and of the object's own which is the first. */
interface SequenceObject {
  readonly kind: "list" | "text";
  readonly row: number;
}

type MadeObject = MapObject | SequenceObject;

const emptyColumn = new Uint8Array(0);
/** What the column of sizes says of a text of one byte. */
const letterSize = 16 + valueType.text;
const unreadable = Symbol("unreadable");

/** One pass over the rows, then the objects from the last to the first: an object stands behind the one that holds it. */
class Reading {
  readonly #columns: Columns;
  readonly #objects = new Map<number, MadeObject>();
  /** of each row, what it made or set */
  readonly #values: (DocValue | undefined)[] = [];
  readonly #owners: number[] = [];
  /** of each row, the row behind it in its sequence; 0 = none */
  readonly #next: number[] = [];
  /** of each sequence, by its own row, the first one in it */
  readonly #first = new Map<number, number>();
  readonly #raw: Uint8Array;
  #rawOffset = 0;

  constructor(columns: Columns) {
    this.#columns = columns;
    this.#raw = columns.get(column.valueRaw) ?? emptyColumn;
    this.#objects.set(0, { kind: "map", row: 0, entries: [] });
  }

  read(): { readonly [key: string]: DocValue } | undefined {
    if (!this.#readRows() || this.#rawOffset !== this.#raw.length) return undefined;
    const objects = [...this.#objects.values()];
    for (let index = objects.length - 1; index > 0; index--) {
      const object = objects[index];
      if (object === undefined) continue;
      const value = object.kind === "map" ? this.#readMap(object) : this.#readSequence(object);
      if (value === undefined) return undefined;
      this.#values[object.row] = value;
    }
    const [root] = objects;
    return root?.kind === "map" ? this.#readMap(root) : undefined;
  }

  #readRows(): boolean {
    for (const other of [
      column.predecessorActor,
      column.predecessorCounter,
      column.markExpands,
      column.markName,
    ])
      if (this.#columns.has(other)) return false;
    const kinds = new NumberRows(this.#columns.get(column.action));
    const objectActors = new NumberRows(this.#columns.get(column.objectActor));
    const objectCounters = new NumberRows(this.#columns.get(column.objectCounter));
    const keyActors = new NumberRows(this.#columns.get(column.keyActor));
    const keyCounters = new NumberRows(this.#columns.get(column.keyCounter), "signed");
    const keys = new StringRows(this.#columns.get(column.keyString));
    const inserts = new BooleanRows(this.#columns.get(column.insert));
    const sizes = new NumberRows(this.#columns.get(column.valueSize));
    const predecessors = new NumberRows(this.#columns.get(column.predecessorCount));
    const all = [
      kinds,
      objectActors,
      objectCounters,
      keyActors,
      keyCounters,
      keys,
      inserts,
      sizes,
      predecessors,
    ];
    const mostRows = changeLimits.operations + changeLimits.bytes;
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
      const object = this.#objects.get(owner);
      const isPlaced = isField
        ? this.#placeField(object, key, row)
        : this.#placeElement(object, { actor, counter }, row);
      const size = sizes.next();
      const isInText = object?.kind === "text";
      if (!isPlaced || !this.#make(row, kinds.next(), size, isInText)) return false;
      if (!isInText || delta !== 1 || counter !== row - 1 || size !== letterSize) continue;
      const typed = this.#type(row, owner, Math.min(...all.map(({ repeats }) => repeats)));
      for (const rows of all) rows.skip(typed);
      counter += typed;
      row += typed;
    }
    return all.every((rows) => rows.isDone && !rows.isBad);
  }

  #placeField(object: MadeObject | undefined, key: string, row: number): boolean {
    if (object?.kind !== "map") return false;
    object.entries.push([key, row]);
    return true;
  }

  /** What is inserted last stands directly behind its place: its number is the highest. The head is counter 0, of nobody. */
  #placeElement(
    object: MadeObject | undefined,
    { actor, counter }: { readonly actor: number | null; readonly counter: number },
    row: number,
  ): boolean {
    if (object === undefined || object.kind === "map") return false;
    this.#owners[row] = object.row;
    if (actor === null && counter === 0) {
      this.#next[row] = this.#first.get(object.row) ?? 0;
      this.#first.set(object.row, row);
      return true;
    }
    if (actor !== 0 || counter <= 0 || counter >= row || this.#owners[counter] !== object.row) return false;
    this.#next[row] = this.#next[counter] ?? 0;
    this.#next[counter] = row;
    return true;
  }

  /**
   * Take in what was typed on behind a row: letters of one byte, each behind the one before, of which every column says the same.
   *
   * @param most so many rows say so
   * @returns how many are letters
   */
  #type(row: number, owner: number, most: number): number {
    const start = this.#rawOffset;
    let count = 0;
    for (; count < most; count++) {
      const byte = this.#raw[start + count] ?? 128;
      if (byte >= 128) break;
      const typed = row + count + 1;
      this.#owners[typed] = owner;
      this.#values[typed] = String.fromCharCode(byte);
      this.#next[typed] = this.#next[typed - 1] ?? 0;
      this.#next[typed - 1] = typed;
    }
    this.#rawOffset = start + count;
    return count;
  }

  #make(row: number, kind: number | null, size: number | null, isInText: boolean): boolean {
    if (size === null || kind === null) return false;
    if (kind === action.set) {
      const value = this.#readValue(size % 16, Math.floor(size / 16));
      if (value === unreadable || (isInText && typeof value !== "string")) return false;
      this.#values[row] = value;
      return true;
    }
    if (size !== 0 || isInText) return false;
    if (kind === action.makeMap) this.#objects.set(row, { kind: "map", row, entries: [] });
    else if (kind === action.makeList) this.#objects.set(row, { kind: "list", row });
    else if (kind === action.makeText) this.#objects.set(row, { kind: "text", row });
    else return false;
    return true;
  }

  #readValue(type: number, sizeBytes: number): DocValue | typeof unreadable {
    const start = this.#rawOffset;
    const bytes = this.#raw.subarray(start, start + sizeBytes);
    if (bytes.length !== sizeBytes) return unreadable;
    this.#rawOffset += sizeBytes;
    return readLeaf(type, bytes) ?? (type === valueType.null && sizeBytes === 0 ? null : unreadable);
  }

  #readMap({ entries }: MapObject): { readonly [key: string]: DocValue } | undefined {
    entries.sort(([a], [b]) => compareByCodePoints(a, b));
    const fields: [string, DocValue][] = [];
    let before: string | undefined;
    for (const [key, row] of entries) {
      const value = this.#values[row];
      if (key === before || value === undefined) return undefined;
      before = key;
      fields.push([key, value]);
    }
    return Object.freeze(Object.fromEntries(fields));
  }

  #readSequence({ kind, row: own }: SequenceObject): DocValue | undefined {
    const elements: DocValue[] = [];
    let text = "";
    for (let row = this.#first.get(own) ?? 0; row !== 0; row = this.#next[row] ?? 0) {
      const value = this.#values[row];
      if (value === undefined) return undefined;
      if (kind === "list") elements.push(value);
      else if (typeof value === "string") text += value;
      else return undefined;
    }
    return kind === "text" ? text : Object.freeze(elements);
  }
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
      return length === 1 && (bytes[0] ?? 128) < 128
        ? String.fromCharCode(bytes[0] ?? 0)
        : bytesToUtf8(bytes);
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
