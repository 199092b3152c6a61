/**
 * Undo and redo, read from a document's own history: nothing of it is kept beside the entries, so it is the same after a reload, in
 * every tab and on every device of the user.
 *
 * ```
 *   own edit                                     ──► undo stack; the redo stack is emptied
 *   {"undo": last of the edits, their count}     ──► from the undo stack to the redo stack
 *   {"redo": the same}                           ──► and back
 * ```
 *
 * The user's own changes of the handle's line are walked through in an order that follows causality, then time. What has no operations,
 * and the creation, is no edit. An edit is taken back by the inverse of what now stands for it: of itself at first, of its redo later.
 * Steps that were taken back in between, and their taking back, come to nothing together: wherever nobody else has written since, the
 * inverse is that of all of it, so that what an undo restored is taken back with what it belongs to.
 */
import type { DocId } from "../std/index.ts";
import type { OpenDoc } from "../doc/index.ts";
import type { DraftOperation, Path } from "../draft/index.ts";
import { headsAmong, indexesOfLine, pastOf, type Line } from "./branches.ts";
import type { AcceptedEntry } from "./catalog.ts";
import type { LineRoom } from "./database.ts";
import { requireDoc } from "./edit-desk.ts";
import { causalOrder } from "./entry-order.ts";
import { maxTaken, parseNote, takenOf, type Note, type Taken } from "./note.ts";
import type { PreparedEdit } from "./prepared-edit.ts";

/** Beyond so many changes of others in between, what an undo restored is left as if they had written it. */
const maxOthers = 256;

/** What is to be inverted, and how it is called. */
export interface UndoStep {
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly note: Note;
  /** the same with what came to nothing since, and the changes that others made in between */
  readonly wide: { readonly after: readonly string[]; readonly others: readonly AcceptedEntry[] } | undefined;
}

/** One edit, or several that were taken back together. Indexes of entries. */
interface Item {
  /** the edits themselves, oldest first */
  readonly edits: readonly number[];
  /** what stands for it now: the edits, then what took them back, then what made them again */
  readonly effect: readonly number[];
  /** everything that was ever done about it, with whether it was in effect from then on */
  readonly past: readonly { readonly index: number; readonly isOn: boolean }[];
}

/** What a user can take back and make again; the next one last. */
export interface UndoStacks {
  readonly entries: readonly AcceptedEntry[];
  readonly undo: readonly Item[];
  readonly redo: readonly Item[];
  /** taken back, and no longer to be made again */
  readonly gone: readonly Item[];
}

/** Read the stacks from a document's entries; `isOwn`: the user's, on the line. */
export function readStacks(
  entries: readonly AcceptedEntry[],
  isOwn: (entry: AcceptedEntry, index: number) => boolean,
): UndoStacks {
  const undo: Item[] = [];
  const redo: Item[] = [];
  const gone: Item[] = [];
  for (const index of causalOrder(entries)) {
    const entry = entries[index];
    if (entry === undefined || !isOwn(entry, index)) continue;
    const note = entry.note === "" ? {} : parseNote(entry.note);
    if (note.undo !== undefined) move({ entries, from: undo, to: redo, isOn: false }, note.undo, index);
    else if (note.redo !== undefined) move({ entries, from: redo, to: undo, isOn: true }, note.redo, index);
    else if (entry.entryType === "doc_change" && !entry.isEmpty) {
      gone.push(...redo.splice(0));
      undo.push({ edits: [index], effect: [index], past: [{ index, isOn: true }] });
    }
  }
  return { entries, undo, redo, gone };
}

interface Move {
  readonly entries: readonly AcceptedEntry[];
  readonly from: Item[];
  readonly to: Item[];
  readonly isOn: boolean;
}

/** What names nothing here does nothing: another device did it at the same time, or it was not ours. */
function move({ entries, from, to, isOn }: Move, taken: Taken, index: number): void {
  const last = from.findLastIndex((item) => isLast(entries, item, taken));
  if (last < 0) return repeat({ entries, to, isOn }, taken, index);
  let first = last + 1;
  for (let count = 0; first > 0 && count < taken.count; count += from[first]?.edits.length ?? 0) first--;
  const items = from.splice(first, last + 1 - first);
  const edits = items.flatMap((item) => item.edits);
  const past = [...items.flatMap((item) => item.past), { index, isOn }].sort((a, b) => a.index - b.index);
  to.push({ edits, effect: [index], past });
}

/** Two devices did the same at the same time, or it took two changes: both stand for it. */
function repeat({ entries, to, isOn }: Omit<Move, "from">, taken: Taken, index: number): void {
  const at = to.findLastIndex((item) => isLast(entries, item, taken) && item.edits.length === taken.count);
  const item = to[at];
  if (item === undefined || entries[index]?.isEmpty === true) return;
  const effect = [...item.effect, index];
  to[at] = { ...item, effect, past: [...item.past, { index, isOn }] };
}

function isLast(entries: readonly AcceptedEntry[], item: Item, { last }: Taken): boolean {
  return entries[item.edits.at(-1) ?? -1]?.changeHash.startsWith(last) === true;
}

/** How many edits at the top of the undo stack go together: each stands on the one before alone, and follows it soon. */
function groupSize({ entries, undo }: UndoStacks, groupMs: number): number {
  let size = Math.min(1, undo.length);
  for (; size < undo.length && size < maxTaken; size++) {
    const [older, newer] = [undo.at(-size - 1), undo.at(-size)];
    if (older === undefined || newer === undefined || !isJoined(entries, { older, newer }, groupMs)) break;
  }
  return size;
}

function isJoined(
  entries: readonly AcceptedEntry[],
  { older, newer }: { readonly older: Item; readonly newer: Item },
  groupMs: number,
): boolean {
  // What was made again goes as it was taken back.
  if (older.past.length > 1 || newer.past.length > 1) return false;
  const [first, last] = [older.edits.at(-1) ?? -1, newer.edits[0] ?? -1];
  const dependencies = entries[last]?.dependencies ?? [];
  // Clocks go back, too: edits that are far apart then are so whichever seems the older one.
  const pauseMs = Math.abs((entries[last]?.atMs ?? 0) - (entries[first]?.atMs ?? 0));
  return dependencies.length === 1 && dependencies[0] === first && pauseMs < groupMs;
}

/** How many steps there are. */
export function countSteps(
  stacks: UndoStacks,
  groupMs: number,
): { readonly undo: number; readonly redo: number } {
  let count = 0;
  let undo = stacks.undo;
  for (; undo.length > 0; count++) undo = undo.slice(0, -groupSize({ ...stacks, undo }, groupMs));
  return { undo: count, redo: stacks.redo.length };
}

/** The next step, `undefined` when there is none. */
export function nextStep(
  stacks: UndoStacks,
  { isRedo, groupMs }: { readonly isRedo: boolean; readonly groupMs: number },
): UndoStep | undefined {
  const from = isRedo ? stacks.redo : stacks.undo;
  const size = isRedo ? 1 : groupSize(stacks, groupMs);
  const items = from.slice(Math.max(0, from.length - size));
  const [first] = items;
  const last = items.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const { entries } = stacks;
  const count = items.reduce((sum, { edits }) => sum + edits.length, 0);
  const taken = takenOf(entries[last.edits.at(-1) ?? -1]?.changeHash ?? "", count);
  const effect = items.flatMap((item) => item.effect);
  const before = effect
    .flatMap((index) => entries[index]?.dependencies ?? [])
    .filter((index) => !effect.includes(index));
  return {
    before: hashesOf(entries, new Set(before)),
    after: hashesOf(entries, headsAmong(entries, effect)),
    note: isRedo ? { redo: taken } : { undo: taken },
    wide: widened(stacks, { items, effect, before }),
  };
}

function hashesOf(entries: readonly AcceptedEntry[], indexes: Iterable<number>): readonly string[] {
  return [...indexes].map((index) => entries[index]?.changeHash ?? "");
}

/** The effect together with what came to nothing since; `undefined` when nothing did. */
function widened(
  { entries, undo, redo, gone }: UndoStacks,
  step: {
    readonly items: readonly Item[];
    readonly effect: readonly number[];
    readonly before: readonly number[];
  },
): UndoStep["wide"] {
  const order = new Map(causalOrder(entries).map((index, place) => [index, place]));
  const placeOf = (index: number): number => order.get(index) ?? -1;
  const since = Math.max(...step.effect.map(placeOf));
  const nothing = [...undo, ...redo, ...gone]
    .filter((item) => !step.items.includes(item))
    .flatMap(({ past }) => {
      const later = past.filter(({ index }) => placeOf(index) > since);
      const wasOn = past.findLast(({ index }) => placeOf(index) <= since)?.isOn ?? false;
      return (later.at(-1)?.isOn ?? wasOn) === wasOn ? later.map(({ index }) => index) : [];
    });
  if (nothing.length === 0) return undefined;
  const wide = [...step.effect, ...nothing];
  const known = new Set([...pastOf(entries, step.before), ...wide]);
  const others = [...pastOf(entries, wide)]
    .filter((index) => !known.has(index))
    .flatMap((index) => entries[index] ?? [])
    .filter(({ isEmpty }) => !isEmpty);
  return others.length > maxOthers
    ? undefined
    : { after: hashesOf(entries, headsAmong(entries, wide)), others };
}

/** Take back the user's own last edit that still stands, or make it again. Called in the tenant's queue. */
export async function undoLast(
  room: LineRoom,
  { docId, line }: { readonly docId: DocId; readonly line: Line },
  options: { readonly isRedo: boolean; readonly groupMs: number },
): Promise<{ readonly heads: readonly string[] } | undefined> {
  const stacks = stacksOf(room, docId, line);
  const step = nextStep(stacks, options);
  if (step === undefined) return undefined;
  const doc = await room.documents.load(docId, line);
  const edits: PreparedEdit[] = [];
  try {
    for (const { operations, at } of inversesOf(doc, stacks.entries, step)) {
      const edit = await room.desk.edit(docId, { operations, line, note: step.note }, at);
      if (edit.changes.length > 0) edits.push(edit);
      else edit.unpin();
    }
    // All of it was overwritten since: it counts as taken back, and what is older stays.
    if (edits.length === 0) edits.push(await room.desk.mark(docId, { line, note: step.note }));
  } catch (error) {
    for (const { unpin } of edits) unpin();
    room.documents.drop(docId, line);
    throw error;
  }
  await room.write(edits, "relaxed");
  return { heads: doc.heads };
}

/** Operations, and the version that they are for. */
interface Inverse {
  readonly operations: readonly DraftOperation[];
  readonly at: readonly string[];
}

/**
 * What is to be replayed for a step, one or two drafts: where others wrote since, the inverse of the effect alone; everywhere else that
 * of the wider step.
 */
export function inversesOf(
  doc: Pick<OpenDoc, "diff" | "inverse">,
  entries: readonly AcceptedEntry[],
  { before, after, wide }: UndoStep,
): readonly Inverse[] {
  const plain = doc.inverse(before, after);
  if (wide === undefined) return plain.length === 0 ? [] : [{ operations: plain, at: after }];
  const taken = wide.others.flatMap(({ changeHash, dependencies }) =>
    doc.diff(hashesOf(entries, dependencies), [changeHash]).map(({ path }) => placeOf(path)),
  );
  const isFree = ({ path }: DraftOperation): boolean =>
    !taken.some((place) => overlaps(place, placeOf(path)));
  const free = doc.inverse(before, wide.after).filter(isFree);
  const inverses = [
    { operations: plain.filter((operation) => !isFree(operation)), at: after },
    { operations: free, at: wide.after },
  ];
  return inverses.filter(({ operations }) => operations.length > 0);
}

/** The field that a path leads into, down to the first list. */
function placeOf(path: Path): Path {
  const end = path.findIndex((step) => typeof step === "number");
  return end < 0 ? path : path.slice(0, end);
}

function overlaps(one: Path, other: Path): boolean {
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  return short.every((step, index) => step === long[index]);
}

/** How many steps can be taken back and made again. */
export function undoDepth(
  room: LineRoom,
  { docId, line }: { readonly docId: DocId; readonly line: Line },
  groupMs: number,
): { readonly undo: number; readonly redo: number } {
  return countSteps(stacksOf(room, docId, line), groupMs);
}

function stacksOf(room: LineRoom, docId: DocId, line: Line): UndoStacks {
  const { entries, isBranched } = requireDoc(room.catalog, docId);
  const self = room.core.keys.identity.publicIdentity.signingKey;
  const members = isBranched ? indexesOfLine(entries, line) : undefined;
  return readStacks(
    entries,
    ({ position }, index) => members?.has(index) !== false && room.ledger.at(position)?.author === self,
  );
}
