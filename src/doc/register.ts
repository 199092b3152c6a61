/** Fields and elements: who wrote what is there, and what becomes of it when it is taken back. */
import type { DraftOperation, Path } from "../draft/index.ts";
import { restore } from "./restore.ts";
import { compareIds, type Undone, type StoredValue } from "./undone.ts";

/** What was in a field or element before, after, and is there now, others' changes included. */
export interface Register {
  readonly old: StoredValue | undefined;
  readonly undoneValues: readonly StoredValue[];
  readonly now: readonly StoredValue[];
}

/** Decide what becomes of a field or element that shows something else after than before. */
export function judgeRegister(
  undone: Undone,
  { old, undoneValues, now }: Register,
): "leave" | "remove" | "restore" {
  const last = undoneValues.at(-1);
  if (old !== undefined && old.id === last?.id)
    return old.type === "counter" && old.value !== last.value ? "restore" : "leave";
  const shown = now.at(-1);
  if (last === undefined) {
    const isGone = old === undefined || undone.isReplacedByOthers(old.id);
    return shown === undefined && !isGone ? "restore" : "leave";
  }
  if (shown === undefined || !undone.wrote(shown.id)) return "leave";
  if (isObject(shown) && undone.isWrittenByOthers(shown)) return "leave";
  const theirs = now.filter(({ id }) => !undoneValues.some((value) => value.id === id)).at(-1);
  if (old === undefined || undone.isReplacedByOthers(old.id)) return "remove";
  return theirs !== undefined && compareIds(theirs.id, old.id) > 0 ? "remove" : "restore";
}

/** The operations that put at a path what was in a register before: an increase of the same counter is taken off again. */
export function restoreAt(
  { before }: Undone,
  { old, undoneValues }: Register,
  path: Path,
): readonly DraftOperation[] {
  const last = undoneValues.at(-1);
  if (old === undefined) return [];
  if (old.id === last?.id) return [{ op: "increment", path, by: Number(old.value) - Number(last.value) }];
  const { value, marks } = restore(before, old, path);
  return [{ op: "set", path, value }, ...marks];
}

function isObject({ type }: StoredValue): boolean {
  return type === "map" || type === "list" || type === "text";
}
