/**
 * The note of a change: what it is for beside its edits. It is Automerge's message of the change, so it travels inside the ciphertext.
 *
 * Canonical JSON: one object, only the fields that apply, in this order, no white space; at most 256 bytes of UTF-8.
 *
 * | field | value | says |
 * |---|---|---|
 * | `branch` | name | written on that branch |
 * | `undo` | taken | takes back own edits |
 * | `redo` | taken | makes own edits again that were taken back |
 * | `merge` | name | makes a branch's edits the document's |
 * | `discard` | true | ends the branch it names; only with `branch` |
 *
 * A name has 1 to 64 UTF-16 units, well-formed, without control characters. `taken` names the last of the edits by the first 32 hex
 * digits of its change's hash: `"5f…"`, or for several, each of which stands on the one before alone, `["5f…", count]` with 2 … 99,999.
 *
 * At most one of `undo`, `redo`, `merge`, `discard`; `merge` stands alone. Anything else is no note, and never an error: other
 * programs may leave messages of their own.
 */
import { utf8ToBytes } from "../std/index.ts";
import { changeLimits } from "../doc/index.ts";

/** Edits that were taken back, or made again: the last of a chain of `count`. */
export interface Taken {
  /** the first 32 hex digits of a change's hash */
  readonly last: string;
  readonly count: number;
}

/** What a change is for. */
export interface Note {
  readonly branch?: string;
  readonly undo?: Taken;
  readonly redo?: Taken;
  readonly merge?: string;
  readonly discard?: true;
}

const maxNameUnits = 64;
/** So many edits are taken back together at most. */
export const maxTaken = 99_999;
const lastDigits = 32;
const noNote: Note = {};

/** Tell whether a text can name a branch. */
export function isBranchName(name: unknown): name is string {
  return (
    typeof name === "string" &&
    name.length >= 1 &&
    name.length <= maxNameUnits &&
    !/\p{Cc}|\p{Cs}/u.test(name)
  );
}

/** Name edits by the hash of the last of them. */
export function takenOf(lastHash: string, count: number): Taken {
  return { last: lastHash.slice(0, lastDigits), count };
}

/** Write a note as the message of a change. */
export function encodeNote({ branch, undo, redo, merge, discard }: Note): string {
  return JSON.stringify({
    branch,
    undo: undo && encodeTaken(undo),
    redo: redo && encodeTaken(redo),
    merge,
    discard,
  });
}

/** Read the message of a change; without a field when it is no note. Never throws. */
export function parseNote(message: string): Note {
  if (!message.startsWith("{") || message.length > changeLimits.noteBytes) return noNote;
  const note = judgeNote(parseJson(message));
  // One note, one form.
  return encodeNote(note) === message && utf8ToBytes(message).length <= changeLimits.noteBytes
    ? note
    : noNote;
}

function encodeTaken({ last, count }: Taken): unknown {
  return count === 1 ? last : [last, count];
}

function parseJson(message: string): { readonly [field: string]: unknown } {
  try {
    const parsed: unknown = JSON.parse(message);
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : {};
  } catch {
    return {};
  }
}

function judgeNote(fields: { readonly [field: string]: unknown }): Note {
  const { branch, discard, merge } = fields;
  const undo = judgeTaken(fields["undo"]);
  const redo = judgeTaken(fields["redo"]);
  if (isBranchName(merge)) return { merge };
  const on = isBranchName(branch) ? { branch } : {};
  if (discard === true && "branch" in on) return { ...on, discard };
  if (undo !== undefined) return { ...on, undo };
  return redo === undefined ? on : { ...on, redo };
}

function judgeTaken(value: unknown): Taken | undefined {
  const taken: readonly unknown[] = Array.isArray(value) ? value : [value, 1];
  const [last, count] = taken;
  if (typeof last !== "string" || !/^[0-9a-f]{32}$/.test(last)) return undefined;
  return typeof count === "number" && Number.isInteger(count) && count >= 1 && count <= maxTaken
    ? { last, count }
    : undefined;
}
