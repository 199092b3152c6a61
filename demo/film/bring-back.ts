/** Making a document what it was. Pure but for the draft it writes to. */
import { updateText, type DocData, type Draft } from "cofferdb";
import type { Film } from "./film.ts";

type Fields = Record<string, unknown>;

/**
 * Bring a draft to an earlier version, field by field: texts and lists by their differences, so that they go on merging, and nothing is
 * touched that is the same.
 */
export function bringBack(draft: Draft<Film>, wanted: DocData<Film>): void {
  bringFields(draft, draft as unknown as Fields, wanted as unknown as Fields, []);
}

function bringFields(root: unknown, now: Fields, wanted: Fields, path: readonly string[]): void {
  for (const key of Object.keys(now)) if (!Object.hasOwn(wanted, key)) delete now[key];
  for (const [key, value] of Object.entries(wanted)) {
    const there = now[key];
    if (typeof value === "string" && typeof there === "string") {
      if (value !== there) updateText(root, [...path, key], value);
    } else if (isFields(value) && isFields(there)) bringFields(root, there, value, [...path, key]);
    else if (Array.isArray(value) && Array.isArray(there)) bringList(there, value);
    else if (!isEqual(value, there)) now[key] = copy(value);
  }
}

/** Exchange the one stretch in which two lists differ. */
function bringList(now: unknown[], wanted: readonly unknown[]): void {
  const shorter = Math.min(now.length, wanted.length);
  let start = 0;
  while (start < shorter && isEqual(now[start], wanted[start])) start++;
  let tail = 0;
  while (tail < shorter - start && isEqual(now.at(-1 - tail), wanted.at(-1 - tail))) tail++;
  const removeCount = now.length - tail - start;
  const values = wanted.slice(start, wanted.length - tail);
  if (removeCount > 0 || values.length > 0) now.splice(start, removeCount, ...values.map(copy));
}

const isEqual = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** What a document gives is frozen; a draft takes plain values of its own. */
const copy = (value: unknown): unknown => structuredClone(value);

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
