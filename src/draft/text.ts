/** Edits of text and counters: Automerge's functions, with its order of arguments. */
import type { DraftOperation, Path } from "./draft.ts";
import { findPlace, type Place } from "./record.ts";
import { checkInteger, refuse, textBytes } from "./value.ts";

type MarkRange = Extract<DraftOperation, { op: "mark" }>["range"];
type MarkValue = Extract<DraftOperation, { op: "mark" }>["value"];

/**
 * Replace `remove` UTF-16 units of the text at `path` below `draft`, from `index` on, by `insert`.
 *
 * A negative `remove` takes the units before `index`, as in Automerge.
 *
 * @throws `input/invalid` when there is no text, the range is outside of it, or it would cut a surrogate pair in two
 */
export function splice(
  draft: unknown,
  path: Path,
  ...[index, remove, insert = ""]: [index: number, remove: number, insert?: string]
): void {
  const { place, text } = findText(draft, path);
  const from = remove < 0 ? index + remove : index;
  const count = Math.abs(remove);
  checkCut(place, text, from);
  checkCut(place, text, from + count);
  const added = wellFormed(place, insert);
  if (count === 0 && added === "") return;
  const operation = {
    op: "spliceText",
    path: place.path,
    index: from,
    remove: count,
    insert: added,
  } as const;
  place.write(operation, text.slice(0, from) + added + text.slice(from + count), textBytes(added));
}

function wellFormed({ path }: Place, text: string): string {
  if (typeof text !== "string") refuse(path, "text is a string");
  return text.toWellFormed();
}

/** Turn the text at `path` into `value` by the smallest edits, so that it merges with other people's. */
export function updateText(draft: unknown, path: Path, value: string): void {
  const { place, text } = findText(draft, path);
  const next = wellFormed(place, value);
  if (next === text) return;
  place.write({ op: "updateText", path: place.path, value: next }, next, textBytes(next));
}

/** Lay a mark over a range of text: bold, a link, a comment. Readings show the text without it. */
export function mark(
  draft: unknown,
  path: Path,
  range: MarkRange,
  ...[name, value]: [name: string, value: MarkValue]
): void {
  const { place, text } = findText(draft, path);
  const checked = checkRange(place, text, range);
  if (value !== null && !["boolean", "number", "string"].includes(typeof value)) {
    refuse(place.path, "a mark holds null, a boolean, a number or a string");
  }
  const size = textBytes(name) + (typeof value === "string" ? textBytes(value) : 8);
  place.write(
    { op: "mark", path: place.path, range: checked, name: checkName(place, name), value },
    text,
    size,
  );
}

/** Take a mark off a range of text. */
export function unmark(draft: unknown, path: Path, range: MarkRange, name: string): void {
  const { place, text } = findText(draft, path);
  const checked = checkRange(place, text, range);
  place.write(
    { op: "unmark", path: place.path, range: checked, name: checkName(place, name) },
    text,
    textBytes(name),
  );
}

/** Add a whole number to the counter at `path`; concurrent increments all count. */
export function increment(draft: unknown, path: Path, by = 1): void {
  const place = findPlace(draft, path);
  const { value } = place;
  if (typeof value !== "number") refuse(place.path, "there is no counter here");
  const step = checkInteger(by, place.path);
  place.write({ op: "increment", path: place.path, by: step }, checkInteger(value + step, place.path), 0);
}

function findText(draft: unknown, path: Path): { place: Place; text: string } {
  const place = findPlace(draft, path);
  if (typeof place.value !== "string") refuse(place.path, "there is no text here");
  return { place, text: place.value };
}

function checkRange(place: Place, text: string, range: MarkRange): MarkRange {
  const { start, end, expand } = range;
  checkCut(place, text, start);
  checkCut(place, text, end);
  if (start >= end) refuse(place.path, "a mark needs a range that is not empty");
  return expand === undefined ? { start, end } : { start, end, expand };
}

function checkName(place: Place, name: string): string {
  return wellFormed(place, name) || refuse(place.path, "a mark needs a name");
}

/** A place where text may be cut: inside it, and not between the halves of one character. */
function checkCut(place: Place, text: string, index: number): void {
  if (!Number.isInteger(index) || index < 0 || index > text.length)
    refuse(place.path, `the text has ${text.length} units`);
  const before = text.charCodeAt(index - 1);
  const after = text.charCodeAt(index);
  if ((before & 0xfc00) === 0xd800 && (after & 0xfc00) === 0xdc00)
    refuse(place.path, "this would cut a character in two");
}
