/** Checks and copies values on their way into a document. */
import { CofferError, isCofferError } from "../std/index.ts";
import { draftLimits, type DocValue, type DraftValue, type Path, type TaggedValue } from "./draft.ts";

declare const counterMark: unique symbol;
declare const atomicMark: unique symbol;

/**
 * A number that merges by adding: concurrent increments all count. Made by `Counter(start)`, changed by `increment`.
 *
 * In drafts and readings it is a number; a plain number cannot be assigned to it, since that would replace the counter.
 */
export type Counter = number & { readonly [counterMark]: true };

/** A string that is replaced as a whole, never merged by characters. Made by `Atomic(text)`; it reads as a string. */
export type Atomic<Text extends string = string> = Text & { readonly [atomicMark]: Text };

class CounterBox extends Number {}
class AtomicBox extends String {}

/** Make a counter to put into a document; `start` is a whole number. */
export function Counter(start = 0): Counter {
  return new CounterBox(start) as unknown as Counter;
}

/** Make a string to put into a document that is replaced as a whole instead of merging by characters. */
export function Atomic<Text extends string>(text: Text): Atomic<Text> {
  return new AtomicBox(text) as unknown as Atomic<Text>;
}

/** What one draft may still write; counted down while it is recorded. */
export interface DraftRoom {
  operations: number;
  bytes: number;
  /** elements that it took out of lists, as they were read */
  readonly taken: Set<unknown>;
}

/** The whole allowance of one draft. */
export function createRoom(): DraftRoom {
  return { operations: draftLimits.operations, bytes: draftLimits.bytes, taken: new Set() };
}

/** Refuse what cannot be recorded; `path` is shown as a JSON pointer. */
export function refuse(path: Path, message: string): never {
  const pointer = printPath(path);
  throw new CofferError("input/invalid", { path: pointer, message: `${pointer || "/"}: ${message}` });
}

/** Take room for one operation or one nested value of `sizeBytes`. @throws `input/too-large` when there is none left */
export function takeRoom(room: DraftRoom, path: Path, sizeBytes: number): void {
  room.operations -= 1;
  room.bytes -= sizeBytes;
  const limit =
    room.operations < 0
      ? "operations"
      : room.bytes < 0
        ? "bytes"
        : path.length > draftLimits.depth
          ? "depth"
          : undefined;
  if (limit === undefined) return;
  const pointer = printPath(path);
  throw new CofferError("input/too-large", {
    path: pointer,
    limit,
    message: `${pointer || "/"}: one edit may hold at most ${draftLimits[limit]} ${limit}. Split it.`,
  });
}

/** Most text holds none of these, and this looks through it faster than a loop. */
const beyondAscii = /[\u0080-\uffff]/;

/** Bytes of a string in UTF-8, at most three for a unit. */
export function textBytes(text: string): number {
  if (!beyondAscii.test(text)) return text.length;
  let sizeBytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // each half of a surrogate pair stands for two of its four bytes
    if (unit > 127) sizeBytes += unit < 0x800 || (unit & 0xf800) === 0xd800 ? 1 : 2;
  }
  return sizeBytes;
}

/**
 * Copy the value of a new document as it is recorded.
 *
 * @throws `input/invalid` with `path` for what cannot be stored, `input/too-large` with `path` over the limits of a draft
 */
export function encodeInitialValue(value: unknown): DraftValue {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    refuse([], "a document is an object with fields");
  const encoded = encodeValue(createRoom(), value, []);
  if (!isPlainMap(encoded)) refuse([], "a document is an object with fields");
  return encoded;
}

/**
 * Copy a value as it is recorded; later changes to the original do not count. What is put into a list and equals what was taken
 * out of one is that: a leaf does not say whether it is the same.
 */
export function encodeValue(
  room: DraftRoom,
  value: unknown,
  path: Path,
  above: readonly object[] = [],
): DraftValue {
  const encoded = encodePart(room, value, path, above);
  const isTaken = isDraft(value) || (room.taken.has(value) && typeof path.at(-1) === "number");
  return isTaken ? tag("moved", encoded) : encoded;
}

const tag = (name: "counter" | "atomic" | "moved", content: DraftValue): TaggedValue =>
  new Map([[name, content]]);

function encodePart(room: DraftRoom, value: unknown, path: Path, above: readonly object[]): DraftValue {
  takeRoom(room, path, typeof value === "string" ? textBytes(value) : 8);
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number") return value + 0; // -0 is 0 in a document
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value !== "object") {
    const hint = value === undefined ? "; use null, or delete the field" : "";
    refuse(path, `${typeof value} cannot be stored${hint}`);
  }
  if (value instanceof CounterBox) return tag("counter", checkInteger(Number(value), path));
  if (value instanceof AtomicBox) {
    const text = String(value).toWellFormed();
    takeRoom(room, path, textBytes(text));
    return tag("atomic", text);
  }
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) refuse(path, "this date is not valid");
    return new Date(value);
  }
  if (value instanceof Uint8Array) {
    room.bytes -= value.length;
    takeRoom(room, path, 0);
    return new Uint8Array(value);
  }
  return encodeContainer(room, value, path, above);
}

function encodeContainer(room: DraftRoom, value: object, path: Path, above: readonly object[]): DraftValue {
  if (isDraft(value)) {
    const copy = removedCopy(value, room);
    if (copy === undefined) refuse(path, "already in the document: assign a copy made by current()");
    return encodeContainer(room, copy, path, above);
  }
  if (above.includes(value)) refuse(path, "the value contains itself");
  const inside = [...above, value];
  const keys = readForeign(path, () => keysOf(room, value, path));
  const isList = Array.isArray(value);
  const fields = keys.map((key): [string, DraftValue] => {
    const name = key.toWellFormed();
    if (!isList) room.bytes -= textBytes(name);
    const at = [...path, isList ? Number(key) : name];
    const element = readForeign(at, () => (value as Readonly<Record<string, unknown>>)[key]);
    return [name, encodeValue(room, element, at, inside)];
  });
  return isList ? fields.map(([, element]) => element) : Object.fromEntries(fields);
}

/** The keys of a list without gaps, or of a plain object. Others are refused. */
function keysOf(room: DraftRoom, value: object, path: Path): readonly string[] {
  const isList = Array.isArray(value);
  if (isList && value.length > room.operations) takeRoom({ ...room, operations: 0 }, path, 0);
  let prototype: unknown = Object.getPrototypeOf(value);
  if (isList && prototype !== null) prototype = Object.getPrototypeOf(prototype);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
    refuse(path, `a ${value.constructor.name} cannot be stored`);
  if (Object.getOwnPropertySymbols(value).length > 0) refuse(path, "symbols cannot be stored");
  const keys = Object.keys(value);
  if (isList && (keys.length !== value.length || keys.some((key, index) => key !== `${index}`)))
    refuse(path, "a list has no gaps and no fields");
  return keys;
}

/** Run what reads from an object of the application: its getters and traps may throw. */
function readForeign<T>(path: Path, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (isCofferError(cause)) throw cause;
    refuse(path, "reading this fails");
  }
}

/** Check a whole number that survives every platform. */
export function checkInteger(value: unknown, path: Path): number {
  if (!Number.isSafeInteger(value)) refuse(path, "counters hold whole numbers up to 2^53");
  return Number(value) + 0;
}

/** The plain reading of a recorded value: a frozen copy. */
export function decodeValue(value: DraftValue): DocValue {
  if (value instanceof Map) return decodeValue((value as TaggedValue).values().next().value ?? null);
  if (Array.isArray(value)) return Object.freeze(value.map(decodeValue));
  if (!isPlainMap(value)) return value as DocValue;
  return freezeMap(Object.entries(value).map(([key, element]) => [key, decodeValue(element)]));
}

/** Build a frozen object of the entries, keys in order; any key is an own property. */
export function freezeMap<Value>(entries: [string, Value][]): { readonly [key: string]: Value } {
  return Object.freeze(Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** Tell whether a value is a list or a map, not a leaf. */
export function isContainer(value: unknown): value is object {
  return (
    typeof value === "object" &&
    value !== null &&
    !(value instanceof Date || value instanceof Uint8Array || value instanceof Map)
  );
}

/** Tell whether a recorded or plain value is a map of fields. */
export function isPlainMap(value: unknown): value is { readonly [key: string]: unknown } {
  return isContainer(value) && !Array.isArray(value);
}

function printPath(path: Path): string {
  return path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

type Removed = (room: DraftRoom) => object | undefined;

const drafts = new WeakMap<object, Removed>();

/** Note that an object is a draft, so that it is no value like others. */
export function markDraft(draft: object, removed: Removed): void {
  drafts.set(draft, removed);
}

/** A plain copy of a draft that was removed in the edit that has this room; `undefined` for any other. */
export function removedCopy(draft: object, room: DraftRoom): object | undefined {
  return drafts.get(draft)?.(room);
}

/** Tell whether an object is a draft, of this edit or of another. */
export function isDraft(value: unknown): value is object {
  return typeof value === "object" && value !== null && drafts.has(value);
}
