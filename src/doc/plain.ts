/** Reads an Automerge document as plain data, by its own calls: any key is an own property, and depth is bounded. */
import { shareStructure, type DocValue } from "../draft/index.ts";
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
export function readPlain(handle: ReadableHandle, previous?: { readonly [key: string]: DocValue }): { readonly [key: string]: DocValue } {
  return shareStructure(previous, readMap(handle, "_root", 0));
}

function readMap(handle: ReadableHandle, object: string, depth: number): { readonly [key: string]: DocValue } {
  const entries: [string, DocValue][] = [];
  for (const key of handle.keys(object)) entries.push([key, readValue(handle, handle.getWithType(object, key), depth)]);
  return Object.fromEntries(entries);
}

function readList(handle: ReadableHandle, object: string, depth: number): readonly DocValue[] {
  const list: DocValue[] = [];
  const length = handle.length(object);
  for (let index = 0; index < length; index++) list.push(readValue(handle, handle.getWithType(object, index), depth));
  return list;
}

function readValue(handle: ReadableHandle, found: readonly [string, unknown] | null, depth: number): DocValue {
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

/** Tell whether a value is a map of fields. */
export function isFields(value: DocValue): value is { readonly [key: string]: DocValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date || value instanceof Uint8Array);
}
