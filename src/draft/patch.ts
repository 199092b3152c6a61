/** Versions of a document compared, and brought from one to the next. */
import type { DocValue, Patch, Path } from "./draft.ts";
import { assemble, placesOf, shareStructure } from "./share.ts";
import { isContainer, isPlainMap } from "./value.ts";

type Fields = { readonly [key: string]: DocValue };
type List = readonly DocValue[];

/** What a text patch costs more than saying a text anew, in characters: short texts are told whole. */
const spliceCost = 16;

/** What turns `before` into `after`; empty when they are equal. Branches that are the same object are not looked into. */
export function diffValues(before: Fields, after: Fields): readonly Patch[] {
  const patches: Patch[] = [];
  diffMaps(patches, [], before, after);
  return patches;
}

function diffMaps(patches: Patch[], path: Path, before: Fields, after: Fields): void {
  for (const key of Object.keys(before)) {
    if (!Object.hasOwn(after, key)) patches.push({ op: "delete", path: [...path, key] });
  }
  for (const [key, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, key) ? before[key] : undefined;
    if (old === undefined) patches.push({ op: "set", path: [...path, key], value });
    else diffInto(patches, [...path, key], old, value);
  }
}

function diffInto(patches: Patch[], path: Path, before: DocValue, after: DocValue): void {
  if (before === after) return;
  if (isFields(before) && isFields(after)) diffMaps(patches, path, before, after);
  else if (isList(before) && isList(after)) diffLists(patches, path, before, after);
  else if (typeof before === "string" && typeof after === "string") diffTexts(patches, path, before, after);
  else if (!isEqual(before, after)) patches.push({ op: "set", path, value: after });
}

/** Lists of one length pair by pair, unless they hold leaves alone; others by the one stretch that differs. */
function diffLists(patches: Patch[], path: Path, before: List, after: List): void {
  if (before.length === after.length && before.some((item, index) => isPair(item, after[index]))) {
    for (const [index, value] of after.entries()) {
      const old = before[index];
      if (old !== undefined && old !== value) diffInto(patches, [...path, index], old, value);
    }
    return;
  }
  const shorter = Math.min(before.length, after.length);
  let index = 0;
  while (index < shorter && isEqual(before[index], after[index])) index++;
  let tail = 0;
  while (tail < shorter - index && isEqual(before.at(-1 - tail), after.at(-1 - tail))) tail++;
  const remove = before.length - tail - index;
  const values = after.slice(index, after.length - tail);
  const [value] = values;
  if (remove === 1 && values.length === 1 && value !== undefined)
    patches.push({ op: "set", path: [...path, index], value });
  else if (remove > 0 || values.length > 0) patches.push({ op: "splice", path, index, remove, values });
}

function diffTexts(patches: Patch[], path: Path, before: string, after: string): void {
  const shorter = Math.min(before.length, after.length);
  let index = 0;
  while (index < shorter && before.charCodeAt(index) === after.charCodeAt(index)) index++;
  if ((before.charCodeAt(index - 1) & 0xfc00) === 0xd800) index--; // both halves of a character, or none
  let tail = 0;
  while (
    tail < shorter - index &&
    before.charCodeAt(before.length - 1 - tail) === after.charCodeAt(after.length - 1 - tail)
  )
    tail++;
  if ((before.charCodeAt(before.length - tail) & 0xfc00) === 0xdc00) tail--;
  const insert = after.slice(index, after.length - tail);
  if (insert.length + spliceCost > after.length) patches.push({ op: "set", path, value: after });
  else patches.push({ op: "spliceText", path, index, remove: before.length - tail - index, insert });
}

function isFields(value: DocValue | undefined): value is Fields {
  return isPlainMap(value);
}

function isList(value: DocValue | undefined): value is List {
  return Array.isArray(value);
}

/** Tell whether two values can be compared part by part. */
function isPair(before: DocValue, after: DocValue | undefined): boolean {
  if (isContainer(before)) return isContainer(after) && isList(before) === isList(after);
  return typeof before === "string" && typeof after === "string";
}

function isEqual(before: DocValue | undefined, after: DocValue | undefined): boolean {
  if (Object.is(before, after)) return true;
  if (before instanceof Date) return after instanceof Date && before.getTime() === after.getTime();
  if (before instanceof Uint8Array) {
    if (!(after instanceof Uint8Array) || before.length !== after.length) return false;
    return before.every((byte, index) => byte === after[index]);
  }
  if (isList(before)) {
    if (!isList(after) || before.length !== after.length) return false;
    return before.every((item, index) => isEqual(item, after[index]));
  }
  if (!isFields(before) || !isFields(after)) return false;
  const keys = Object.keys(before);
  if (keys.length !== Object.keys(after).length) return false;
  return keys.every((key) => Object.hasOwn(after, key) && isEqual(before[key], after[key]));
}

/** Values on their way: containers that were copied already are written to in place. */
type Open = Record<string | number, unknown>;

/** Apply patches: frozen, every branch that none touches is the same object. Marks change nothing. */
export function applyPatches(before: Fields, patches: readonly Patch[]): Fields {
  const copies = new Set<unknown>();
  const copy = (value: unknown): Open => {
    const open = copies.has(value)
      ? value
      : Array.isArray(value)
        ? [...(value as unknown[])]
        : Object.assign(Object.create(null) as Open, value);
    copies.add(open);
    return open as Open;
  };
  const settle = (value: unknown): unknown => {
    if (!copies.has(value)) return value;
    return assemble(placesOf(value as Open), Object.values(value as Open).map(settle));
  };
  const top: Open = { 0: before };
  for (const patch of patches) {
    if (patch.op === "mark" || patch.op === "unmark") continue;
    let owner = top;
    let key: string | number = 0;
    for (const step of patch.path) {
      owner = owner[key] = copy(owner[key]);
      key = step;
    }
    if (patch.op === "delete") delete owner[key];
    else if (patch.op === "set") owner[key] = shareStructure(undefined, patch.value);
    else if (patch.op === "splice") {
      const list = owner[key] as List;
      const rest = list.slice(patch.index + patch.remove);
      const values = shareStructure(undefined, patch.values);
      owner[key] = copy([...list.slice(0, patch.index), ...values, ...rest]);
    } else {
      const text = owner[key] as string;
      owner[key] = text.slice(0, patch.index) + patch.insert + text.slice(patch.index + patch.remove);
    }
  }
  return settle(top[0]) as Fields;
}
