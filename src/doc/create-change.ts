/**
 * A document's first change, written without Automerge and byte for byte as Automerge writes it (form: `change-chunk.ts`,
 * `column.ts`). Operations stand in breadth-first order: an object's fields (ascending, by code points), elements or characters,
 * then those of the objects it holds. Object n is made by operation n; the root has none.
 *
 * Of numbers only positive whole ones up to 2^53 are written as integers, as Automerge does with whole trees; all others are floating
 * point.
 */
import { assert } from "../std/index.ts";
import type { DocValue, DraftValue } from "../draft/index.ts";
import { action, valueType } from "./change-codes.ts";
import {
  assemble,
  rows,
  tooLarge,
  type Fields,
  type Keys,
  type QueuedObject,
  type Rows,
} from "./change-rows.ts";
import { changeLimits, type DocChange } from "./doc.ts";
import { Bytes } from "./write-column.ts";

/** Write one value where the row stands. @returns its plain reading; that of an object is filled when it is written */
function writeValue(rows: Rows, value: DraftValue, depth: number): DocValue {
  if (typeof value === "string") {
    rows.makeLater(action.makeText, depth, { kind: "text", text: value });
    return value;
  }
  if (typeof value === "number") {
    if (Number.isSafeInteger(value) && value > 0) rows.setNumber(valueType.int, value);
    else rows.setFloat(value);
    return value;
  }
  if (value === null) rows.set(valueType.null);
  else if (typeof value === "boolean") rows.set(value ? valueType.true : valueType.false);
  else if (value instanceof Date) rows.setNumber(valueType.time, value.getTime());
  else if (value instanceof Uint8Array) rows.setBytes(valueType.bytes, value);
  else if (value instanceof Map) return writeTagged(rows, value);
  else if (Array.isArray(value)) {
    const reading: DocValue[] = [];
    rows.makeLater(action.makeList, depth, { kind: "list", values: value as readonly DraftValue[], reading });
    return reading;
  } else {
    const reading: { [key: string]: DocValue } = {};
    rows.makeLater(action.makeMap, depth, { kind: "map", fields: value as Fields, reading });
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
const scratch = new Bytes();
/** Maps of more keys are data rather than a shape. */
const maxKnownNames = 256;

function keysOf(fields: Fields): Keys {
  const names = Object.keys(fields);
  const known = knownKeys.find((keys) => areSame(keys.names, names));
  if (known !== undefined) return known;
  const sorted = names.toSorted(compareByCodePoints);
  scratch.reset();
  for (const key of sorted.slice(0, -1)) scratch.sizedText(key);
  const keys = { names, sorted, literal: scratch.toBytes() };
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
  const { bytes, hash } = assemble({ actor, timeMs, seq: 1, startOp: 1, deps: [], others: [] }, sha256);
  return { change: { bytes, hash, actor, seq: 1, deps: [], note: "" }, value: reading };
}
