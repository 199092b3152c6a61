/** Versions of a document: read, compared, and what marks a text has. */
import { diffValues, type Mark, type Patch, type Path } from "../draft/index.ts";
import { CofferError } from "../std/index.ts";
import { sameHeads } from "./history.ts";
import type { Handle } from "./library.ts";
import { diffMarks, findMarked, marksOf, tellsMarks } from "./mark-patches.ts";
import { convertPatches, type RawPatch } from "./patches.ts";
import { findObject, readPlain } from "./plain.ts";
import { onScratch, requireHeads, type PlainDoc, type State } from "./state.ts";
import { withVersions } from "./version.ts";

/** The document as of earlier heads. @see OpenDoc.valueAt */
export function valueAt(state: State, heads: readonly string[]): PlainDoc {
  requireHeads(state, heads);
  if (sameHeads(heads, state.heads)) return state.value;
  return onScratch(state, (handle) => withVersions(handle, (at) => readPlain(at(heads), state.value)));
}

/** What turns one version into the other, in Automerge's own steps. @see OpenDoc.diff */
export function diff(state: State, before: readonly string[], after: readonly string[]): readonly Patch[] {
  const from = valueAt(state, before);
  requireHeads(state, after);
  const told = onScratch(state, (handle) => {
    const raw = tryDiff(handle, [...before], [...after]);
    const converted =
      raw && withVersions(handle, (at) => convertPatches(state.library, from, raw, at(after)));
    return converted && { ...converted, hasMarks: tellsMarks(raw) };
  });
  // what Automerge does not tell in full is compared as values
  const to = told?.value ?? valueAt(state, after);
  const patches = told?.patches ?? diffValues(from, to);
  if (told?.hasMarks === false) return patches;
  const [marked, wanted] = onScratch(state, (handle) =>
    withVersions(handle, (at) => [findMarked(at(before), from), findMarked(at(after), to)] as const),
  );
  return [...patches, ...diffMarks(marked, patches, wanted)];
}

function tryDiff(handle: Handle, before: string[], after: string[]): readonly RawPatch[] | undefined {
  try {
    return handle.diff(before, after);
  } catch {
    return undefined;
  }
}

/** Marks of the text at a path, by start, then by name. @see OpenDoc.marks */
export function readMarks({ handle }: State, path: Path): readonly Mark[] {
  const text = findObject(handle, path);
  if (text?.type !== "text") throw new CofferError("input/invalid", { message: "There is no text here." });
  return marksOf(handle, text.id);
}
