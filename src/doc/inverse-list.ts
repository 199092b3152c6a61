/** Taking back what was done to a list. */
import type { DraftOperation, Path } from "../draft/index.ts";
import { elementSteps, follow } from "./elements.ts";
import { judgeRegister, restoreAt } from "./register.ts";
import { restore } from "./restore.ts";
import { writtenAt, type Place, type Undone } from "./undone.ts";
import type { Version } from "./version.ts";

/**
 * Walks from the version after to the one before, from the front.
 *
 *     after    a b c d      `afterIndex` of what comes next
 *     before   a x c        `index` of it, once all before it is done
 *     written  a x c d      `index + kept`: d stays, somebody else wrote it
 */
interface Walk {
  readonly undone: Undone;
  readonly list: string;
  readonly path: Path;
  readonly operations: DraftOperation[];
  /** of an index after: where the element is now, `undefined` when it is gone */
  readonly nowFromAfter: () => readonly (number | undefined)[];
  readonly nowFromBefore: () => readonly (number | undefined)[];
  /** elements of the version after less those of the one before, among the ones passed */
  shift: number;
  /** elements that are written more than there were before, among the ones passed */
  kept: number;
}

/** The operations that turn a list of the version after into that before. */
export function inverseOfList(undone: Undone, place: Place): readonly DraftOperation[] {
  const { handle, before, after, now } = undone;
  const { object: list, path } = place;
  const findNow = (version: Version): Walk["nowFromAfter"] =>
    lazily(() => (place.isSeen ? follow(handle, place, version, now) : []));
  const walk: Walk = {
    undone,
    list,
    path,
    operations: [],
    nowFromAfter: findNow(after),
    nowFromBefore: findNow(before),
    shift: 0,
    kept: 0,
  };
  for (const step of elementSteps(handle, place, after, before)) {
    const { kind, index } = step;
    if (kind === "remove") for (let i = 0; i < step.count; i++) takeOut(walk, index);
    if (kind === "insert") for (let i = 0; i < step.count; i++) putBack(walk, index + i);
    if (kind === "put") setBack(walk, index);
  }
  return walk.operations;
}

function lazily<T>(find: () => T): () => T {
  let found: { readonly value: T } | undefined;
  return () => (found ??= { value: find() }).value;
}

function takeOut(walk: Walk, index: number): void {
  const { undone, list } = walk;
  const { after, now } = undone;
  const afterIndex = index + walk.shift;
  walk.shift += 1;
  const place = walk.nowFromAfter()[afterIndex];
  const verdict = judgeRegister(undone, {
    old: undefined,
    undoneValues: writtenAt(after, [list, afterIndex]),
    now: place === undefined ? [] : writtenAt(now, [list, place]),
  });
  if (verdict === "leave" && place !== undefined) walk.kept += 1;
  else splice(walk, index + walk.kept, 1);
}

function putBack(walk: Walk, index: number): void {
  const { undone, list, path } = walk;
  const { before } = undone;
  walk.shift -= 1;
  const old = writtenAt(before, [list, index]).at(-1);
  const isThere = walk.nowFromBefore()[index] !== undefined;
  if (old === undefined || isThere || undone.isReplacedByOthers(old.id)) {
    walk.kept -= 1;
    return;
  }
  const at = index + walk.kept;
  const { value, marks } = restore(before, old, [...path, at]);
  const last = walk.operations.at(-1);
  if (last?.op === "splice" && last.index + last.values.length === at && marks.length === 0)
    walk.operations.splice(-1, 1, { ...last, values: [...last.values, value] });
  else walk.operations.push({ op: "splice", path, index: at, remove: 0, values: [value] }, ...marks);
}

function setBack(walk: Walk, index: number): void {
  const { undone, list, path } = walk;
  const { before, after, now } = undone;
  const afterIndex = index + walk.shift;
  const place = walk.nowFromAfter()[afterIndex];
  const register = {
    old: writtenAt(before, [list, index]).at(-1),
    undoneValues: writtenAt(after, [list, afterIndex]),
    now: place === undefined ? [] : writtenAt(now, [list, place]),
  };
  const verdict = judgeRegister(undone, register);
  if (verdict === "restore")
    walk.operations.push(...restoreAt(undone, register, [...path, index + walk.kept]));
  if (verdict === "remove") {
    splice(walk, index + walk.kept, 1);
    walk.kept -= 1;
  }
}

function splice(walk: Walk, index: number, remove: number): void {
  const last = walk.operations.at(-1);
  if (last?.op === "splice" && last.index + last.values.length === index)
    walk.operations.splice(-1, 1, { ...last, remove: last.remove + remove });
  else walk.operations.push({ op: "splice", path: walk.path, index, remove, values: [] });
}
