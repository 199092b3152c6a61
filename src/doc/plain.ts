/** Reads an Automerge document as plain data, by its own calls: any key is an own property, and depth is bounded. */
import { shareStructure, type DocValue, type DraftOperation } from "../draft/index.ts";
import { assert } from "../std/index.ts";
import { changeLimits } from "./doc.ts";

/** What reading needs of a document's wasm handle. */
export interface ReadableHandle {
  keys(object: string): string[];
  length(object: string): number;
  text(object: string): string;
  getWithType(object: string, step: string | number): readonly [string, unknown] | null;
}

/**
 * The document as frozen plain data: counters as numbers, atomic strings as strings, bytes as copies.
 *
 * @param previous an earlier reading; branches that are equal stay the same objects
 */
export function readPlain(
  handle: ReadableHandle,
  previous?: { readonly [key: string]: DocValue },
): { readonly [key: string]: DocValue } {
  return shareStructure(previous, readMap(handle, "_root", 0));
}

function readMap(
  handle: ReadableHandle,
  object: string,
  depth: number,
): { readonly [key: string]: DocValue } {
  const entries: [string, DocValue][] = [];
  for (const key of handle.keys(object))
    entries.push([key, readValue(handle, handle.getWithType(object, key), depth)]);
  return Object.fromEntries(entries);
}

function readList(handle: ReadableHandle, object: string, depth: number): readonly DocValue[] {
  const list: DocValue[] = [];
  const length = handle.length(object);
  for (let index = 0; index < length; index++)
    list.push(readValue(handle, handle.getWithType(object, index), depth));
  return list;
}

function readValue(
  handle: ReadableHandle,
  found: readonly [string, unknown] | null,
  depth: number,
): DocValue {
  if (found === null) return null;
  const [type, value] = found;
  if (typeof value === "string") {
    if (type === "str") return value;
    assert(depth < changeLimits.depth, "doc: objects nest within the limit");
    if (type === "text") return handle.text(value);
    return type === "list" ? readList(handle, value, depth + 1) : readMap(handle, value, depth + 1);
  }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value;
  if (value instanceof Uint8Array) return value;
  if (typeof value === "bigint") return Number(value);
  return typeof value === "number" || typeof value === "boolean" ? value : null;
}

/** Where a reading is stale: fields or elements below, or, with `isWhole`, all of it. */
export interface Stale {
  isWhole: boolean;
  readonly below: Map<string | number, Stale>;
}

/** What recorded operations touched. A list that was spliced is stale as a whole, since paths before and after name other elements. */
export function staleAfter(operations: readonly DraftOperation[]): Stale {
  const root: Stale = { isWhole: false, below: new Map() };
  for (const { path } of operations) {
    let at = root;
    for (const step of path) {
      const next = at.below.get(step) ?? { isWhole: false, below: new Map() };
      at.below.set(step, next);
      at = next;
    }
    at.isWhole = true;
  }
  return root;
}

/**
 * Read a document again where it is stale only.
 *
 * @param previous the reading just before the operations that made it stale, all written to `handle` by its one change
 */
export function readStale(
  handle: ReadableHandle,
  previous: { readonly [key: string]: DocValue },
  stale: Stale,
): { readonly [key: string]: DocValue } {
  return shareStructure(previous, renewMap(handle, "_root", previous, { stale, depth: 0 }));
}

interface Renewal {
  readonly stale: Stale;
  readonly depth: number;
}

function renewMap(
  handle: ReadableHandle,
  object: string,
  previous: { readonly [key: string]: DocValue },
  { stale, depth }: Renewal,
): { readonly [key: string]: DocValue } {
  const entries = new Map(Object.entries(previous));
  for (const [step, below] of stale.below) {
    const key = String(step);
    const found = handle.getWithType(object, key);
    if (found === null) entries.delete(key);
    else entries.set(key, renewValue(handle, found, entries.get(key), { stale: below, depth }));
  }
  return Object.fromEntries(entries);
}

function renewList(
  handle: ReadableHandle,
  object: string,
  previous: readonly DocValue[],
  { stale, depth }: Renewal,
): readonly DocValue[] {
  const list = [...previous];
  for (const [step, below] of stale.below) {
    const index = Number(step);
    list[index] = renewValue(handle, handle.getWithType(object, index), list[index], { stale: below, depth });
  }
  return list;
}

function renewValue(
  handle: ReadableHandle,
  found: readonly [string, unknown] | null,
  previous: DocValue | undefined,
  { stale, depth }: Renewal,
): DocValue {
  const object = found?.[1];
  if (!stale.isWhole && typeof object === "string") {
    const below = { stale, depth: depth + 1 };
    if (found?.[0] === "list" && Array.isArray(previous)) return renewList(handle, object, previous, below);
    if (found?.[0] === "map" && previous !== undefined && isFields(previous))
      return renewMap(handle, object, previous, below);
  }
  return readValue(handle, found, depth);
}

/** Tell whether a value is a map of fields. */
export function isFields(value: DocValue): value is { readonly [key: string]: DocValue } {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date || value instanceof Uint8Array)
  );
}
