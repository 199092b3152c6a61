/** Typing makes a step of each key; people think of it as one. Pure. */
import type { HistoryStep, Patch } from "cofferdb";

/** Edits of one author less than this apart are shown as one. */
export const typingPauseMs = 1500;

/** Put edits together that one author made without a pause: the step is the last of them, with what all of them changed. */
export function groupSteps(steps: readonly HistoryStep[]): readonly HistoryStep[] {
  const groups: { last: HistoryStep; patches: Patch[]; verified: boolean }[] = [];
  for (const step of steps) {
    const group = groups.at(-1);
    if (group !== undefined && goesOn(group.last, step)) {
      group.last = step;
      group.verified &&= step.verified;
      for (const patch of step.patches) addPatch(group.patches, patch);
    } else groups.push({ last: step, patches: [...step.patches], verified: step.verified });
  }
  return groups.map(({ last, patches, verified }) => ({ ...last, patches, verified }));
}

function goesOn(before: HistoryStep, step: HistoryStep): boolean {
  return (
    before.kind === "change" &&
    step.kind === "change" &&
    before.author === step.author &&
    before.branch === step.branch &&
    step.atMs >= before.atMs &&
    step.atMs - before.atMs < typingPauseMs
  );
}

/** Add a patch to those before it: what it writes over is gone, and what it goes on with grows. */
function addPatch(patches: Patch[], patch: Patch): void {
  if (patch.op === "spliceText") {
    const index = patches.findLastIndex(({ path }) => isSame(path, patch.path));
    const joined = joinText(patches[index], patch);
    if (joined !== undefined) {
      patches[index] = joined;
      return;
    }
  }
  if (patch.op === "set" || patch.op === "delete") {
    for (const [index, before] of [...patches.entries()].toReversed())
      if (isWithin(before.path, patch.path)) patches.splice(index, 1);
  }
  patches.push(patch);
}

/** A text that is typed on in: as a whole, or where the last stretch of typing is. */
function joinText(before: Patch | undefined, typed: Extract<Patch, { op: "spliceText" }>): Patch | undefined {
  const splice = (text: string, index: number): string =>
    text.slice(0, index) + typed.insert + text.slice(index + typed.remove);
  if (before?.op === "set" && typeof before.value === "string")
    return { ...before, value: splice(before.value, typed.index) };
  if (before?.op !== "spliceText") return undefined;
  const index = typed.index - before.index;
  if (index < 0 || index + typed.remove > before.insert.length) return undefined;
  return { ...before, insert: splice(before.insert, index) };
}

const isSame = (path: Patch["path"], other: Patch["path"]): boolean =>
  path.length === other.length && isWithin(path, other);

const isWithin = (path: Patch["path"], outer: Patch["path"]): boolean =>
  outer.every((step, index) => path[index] === step);
