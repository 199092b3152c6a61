/** Versions of a document: read, compared, and what marks a text has. */
import { diffValues, type DocValue, type Mark, type Patch, type Path } from "../draft/index.ts";
import { CofferError } from "../std/index.ts";
import { sameHeads } from "./history.ts";
import type { Handle } from "./library.ts";
import { convertPatches, toMarkValue, type RawPatch } from "./patches.ts";
import { findObject, isFields, readPlain } from "./plain.ts";
import { onScratch, requireHeads, type PlainDoc, type State } from "./state.ts";
import { withVersions, type Version } from "./version.ts";

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
  const converted = onScratch(state, (handle) => {
    const raw = tryDiff(handle, [...before], [...after]);
    return raw && withVersions(handle, (at) => convertPatches(state.library, from, raw, at(after)));
  });
  if (converted !== undefined) return converted.patches;
  // what Automerge does not tell in full is compared as values
  const to = valueAt(state, after);
  const marks = onScratch(state, (handle) =>
    withVersions(handle, (at) => diffMarks(to, at(before), at(after))),
  );
  return [...diffValues(from, to), ...marks];
}

function tryDiff(handle: Handle, before: string[], after: string[]): readonly RawPatch[] | undefined {
  try {
    return handle.diff(before, after);
  } catch {
    return undefined;
  }
}

/** Marks of every text that has other ones than before, laid anew over the text as it is after. */
function diffMarks(value: PlainDoc, before: Version, after: Version): readonly Patch[] {
  return findTexts(value, []).flatMap(({ path, text }): readonly Patch[] => {
    const found = findObject(after, path);
    if (found?.type !== "text") return [];
    const [old, marks] = [marksOf(before, found.id), marksOf(after, found.id)];
    const isSame = before.text(found.id) === text && JSON.stringify(old) === JSON.stringify(marks);
    if (isSame || (old.length === 0 && marks.length === 0)) return [];
    const range = { start: 0, end: text.length };
    return [
      ...[...new Set(old.map(({ name }) => name))].map((name): Patch => ({
        op: "unmark",
        path,
        range,
        name,
      })),
      ...marks.map(({ start, end, ...mark }): Patch => ({
        op: "mark",
        path,
        range: { start, end },
        ...mark,
      })),
    ];
  });
}

function findTexts(value: DocValue, path: Path): readonly { readonly path: Path; readonly text: string }[] {
  if (typeof value === "string") return [{ path, text: value }];
  if (Array.isArray(value)) {
    const list: readonly DocValue[] = value;
    return list.flatMap((element, index) => findTexts(element, [...path, index]));
  }
  if (!isFields(value)) return [];
  return Object.entries(value).flatMap(([key, field]) => findTexts(field, [...path, key]));
}

/** Marks of the text at a path, by start, then by name. @see OpenDoc.marks */
export function readMarks({ handle }: State, path: Path): readonly Mark[] {
  const text = findObject(handle, path);
  if (text?.type !== "text") throw new CofferError("input/invalid", { message: "There is no text here." });
  return marksOf(handle, text.id);
}

/** Marks of a text, by start, then by name; those that were taken off are not told. */
export function marksOf(version: Pick<Version, "marks">, text: string): readonly Mark[] {
  return version
    .marks(text)
    .filter(({ value, start, end }) => value !== null && start < end)
    .map(({ start, end, name, value }) => ({ start, end, name, value: toMarkValue(value) }))
    .sort((a, b) => a.start - b.start || a.end - b.end || (a.name < b.name ? -1 : 1));
}
