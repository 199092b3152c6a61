/** Reads an Automerge document as plain data, by its own calls: any key is an own property, and depth is bounded. */
import { shareStructure, type DocValue, type Path } from "../draft/index.ts";
import { assert } from "../std/index.ts";
import { changeLimits } from "./doc.ts";

/** What reading needs of a document's wasm handle, or of a version. */
export interface Readable {
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
  from: Readable,
  previous?: { readonly [key: string]: DocValue },
): { readonly [key: string]: DocValue } {
  return shareStructure(previous, readMap(from, "_root", 0));
}

function readMap(from: Readable, object: string, depth: number): { readonly [key: string]: DocValue } {
  const entries: [string, DocValue][] = [];
  for (const key of from.keys(object)) entries.push([key, readValue(from, object, key, depth)]);
  return Object.fromEntries(entries);
}

function readList(from: Readable, object: string, depth: number): readonly DocValue[] {
  const list: DocValue[] = [];
  const length = from.length(object);
  for (let index = 0; index < length; index++) list.push(readValue(from, object, index, depth));
  return list;
}

function readValue(from: Readable, owner: string, step: string | number, depth: number): DocValue {
  const found = from.getWithType(owner, step);
  if (found === null) return null;
  const [type, value] = found;
  if (typeof value !== "string" || type === "str") return toLeaf(value);
  assert(depth < changeLimits.depth, "doc: objects nest within the limit");
  if (type === "text") return from.text(value);
  return type === "list" ? readList(from, value, depth + 1) : readMap(from, value, depth + 1);
}

/** The container or text at a path; `undefined` where there is none. */
export function findObject(
  from: Readable,
  path: Path,
): { readonly type: string; readonly id: string } | undefined {
  let found = { type: "map", id: "_root" };
  for (const step of path) {
    if (found.type !== (typeof step === "number" ? "list" : "map")) return undefined;
    const value = from.getWithType(found.id, step);
    if (value === null || typeof value[1] !== "string" || value[0] === "str") return undefined;
    found = { type: value[0], id: value[1] };
  }
  return found;
}

/** The value at a path, with all that is in it; `undefined` where there is none. */
export function readAt(from: Readable, path: Path): DocValue | undefined {
  const step = path.at(-1) ?? "";
  const owner = findObject(from, path.slice(0, -1));
  const isThere =
    owner?.type === (typeof step === "number" ? "list" : "map") && from.getWithType(owner.id, step) !== null;
  return isThere ? readValue(from, owner.id, step, path.length - 1) : undefined;
}

/** A value without parts as documents show it; null for what only other programs write. */
export function toLeaf(value: unknown): DocValue {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value;
  if (value instanceof Uint8Array) return value;
  if (typeof value === "bigint") return Number(value);
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
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
