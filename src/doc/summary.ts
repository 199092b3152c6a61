/** Shortens documents for the catalog. */
import type { DocValue } from "../draft/index.ts";
import { isFields } from "./plain.ts";

/** Over `textUnits` or `nodes` a document is cut: strings, lists and depth. */
export const summaryLimits = {
  textUnits: 4096,
  nodes: 256,
  stringUnits: 256,
  listItems: 16,
  depth: 4,
} as const;

export interface Summary {
  readonly value: { readonly [key: string]: DocValue };
  /** nothing was left out */
  readonly isWhole: boolean;
}

/**
 * Shorten a document's value for the catalog.
 *
 * Small ones (4 KiB of text, keys included, and 256 nodes) stay whole, the same object. In others strings are cut at 256 units,
 * never inside a character, lists at 16 elements and nesting at depth 4; bytes are left out, and of what is then still too much the
 * last fields are left out, so that a summary is bounded whatever the document.
 */
export function summarizeValue(value: { readonly [key: string]: DocValue }): Summary {
  if (fits({ textUnits: summaryLimits.textUnits, nodes: summaryLimits.nodes }, value))
    return { value, isWhole: true };
  const room = { textUnits: 4 * summaryLimits.textUnits, nodes: 4 * summaryLimits.nodes };
  return { value: shortenMap(room, value, 1), isWhole: false };
}

interface Room {
  textUnits: number;
  nodes: number;
}

function fits(room: Room, value: DocValue): boolean {
  room.nodes -= 1;
  if (typeof value === "string") room.textUnits -= value.length;
  if (value instanceof Uint8Array) room.textUnits -= value.length;
  if (room.nodes < 0 || room.textUnits < 0) return false;
  if (Array.isArray(value)) return value.every((element: DocValue) => fits(room, element));
  if (!isFields(value)) return true;
  return Object.entries(value).every(([key, element]) => {
    room.textUnits -= key.length;
    return fits(room, element);
  });
}

function shorten(room: Room, value: DocValue, depth: number): DocValue | undefined {
  if (typeof value === "string") {
    const cut = cutText(value, summaryLimits.stringUnits);
    room.textUnits -= cut.length;
    return cut;
  }
  if (value instanceof Uint8Array) return undefined;
  const isNested = Array.isArray(value) || isFields(value);
  if (isNested && depth >= summaryLimits.depth) return undefined;
  if (Array.isArray(value)) {
    const items = value
      .slice(0, summaryLimits.listItems)
      .map((element: DocValue) => take(room, element, depth + 1));
    return Object.freeze(items.filter((element) => element !== undefined));
  }
  return isFields(value) ? shortenMap(room, value, depth + 1) : value;
}

function take(room: Room, value: DocValue, depth: number): DocValue | undefined {
  room.nodes -= 1;
  return room.nodes < 0 || room.textUnits < 0 ? undefined : shorten(room, value, depth);
}

function shortenMap(
  room: Room,
  value: { readonly [key: string]: DocValue },
  depth: number,
): { readonly [key: string]: DocValue } {
  const entries: [string, DocValue][] = [];
  for (const [key, element] of Object.entries(value)) {
    if (key.length > summaryLimits.stringUnits) continue;
    room.textUnits -= key.length;
    const short = take(room, element, depth);
    if (short !== undefined) entries.push([key, short]);
  }
  return Object.freeze(Object.fromEntries(entries));
}

function cutText(text: string, maxUnits: number): string {
  if (text.length <= maxUnits) return text;
  const last = text.charCodeAt(maxUnits - 1);
  return text.slice(0, (last & 0xfc00) === 0xd800 ? maxUnits - 1 : maxUnits);
}
