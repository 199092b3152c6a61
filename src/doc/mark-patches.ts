/**
 * What turns the marks of one version's texts into those of another.
 *
 * Automerge tells the marks of one text under the path of another where several texts were marked in one change, so its patches say
 * only that marks changed. Which ones is found by carrying those of the version before through the patches, and comparing.
 */
import type { DocValue, Mark, Patch, Path } from "../draft/index.ts";
import { toMarkValue, type RawPatch } from "./patches.ts";
import { findObject, isFields } from "./plain.ts";
import type { Version } from "./version.ts";

/** A text that has marks, at most one of a name at each of its units. */
interface MarkedText {
  readonly path: Path;
  readonly marks: readonly Mark[];
}

/** Tell whether Automerge's patches say that marks changed, be it of the right text or not. */
export function tellsMarks(raw: readonly RawPatch[]): boolean {
  return raw.some(
    (patch) =>
      patch.action === "mark" ||
      patch.action === "unmark" ||
      (patch.action === "splice" && patch.marks !== undefined),
  );
}

/** Marks of a text, by start, then by name; those that were taken off are not told. */
export function marksOf(version: Pick<Version, "marks">, text: string): readonly Mark[] {
  return version
    .marks(text)
    .filter(({ value, start, end }) => value !== null && start < end)
    .map(({ start, end, name, value }) => ({ start, end, name, value: toMarkValue(value) }))
    .sort((a, b) => a.start - b.start || a.end - b.end || (a.name < b.name ? -1 : 1));
}

/** The texts of a version that have marks. `value` is the version read. */
export function findMarked(version: Version, value: DocValue, path: Path = []): readonly MarkedText[] {
  if (typeof value === "string") {
    const text = findObject(version, path);
    const marks = text?.type === "text" ? marksOf(version, text.id) : [];
    return marks.length === 0 ? [] : [{ path, marks }];
  }
  if (Array.isArray(value)) {
    const list: readonly DocValue[] = value;
    return list.flatMap((element, index) => findMarked(version, element, [...path, index]));
  }
  if (!isFields(value)) return [];
  return Object.entries(value).flatMap(([key, field]) => findMarked(version, field, [...path, key]));
}

/** The patches of marks that are to follow those of the values: from `before`, carried through these, to `after`. */
export function diffMarks(
  before: readonly MarkedText[],
  patches: readonly Patch[],
  after: readonly MarkedText[],
): readonly Patch[] {
  const carried = new Map(carryMarks(before, patches).map((text) => [JSON.stringify(text.path), text]));
  const wanted = new Map(after.map((text) => [JSON.stringify(text.path), text]));
  return [...new Map([...carried, ...wanted])].flatMap(([key, { path }]) =>
    diffText(path, carried.get(key)?.marks ?? [], wanted.get(key)?.marks ?? []),
  );
}

function carryMarks(texts: readonly MarkedText[], patches: readonly Patch[]): readonly MarkedText[] {
  let carried = texts;
  for (const patch of patches) carried = carried.flatMap((text) => carryText(text, patch));
  return carried;
}

/** A text with its marks after a patch; none where the patch took the text away. */
function carryText(text: MarkedText, patch: Patch): readonly MarkedText[] {
  const { path } = patch;
  if (path.length > text.path.length || path.some((step, at) => step !== text.path[at])) return [text];
  if (patch.op === "set" || patch.op === "delete") return [];
  if (patch.op === "spliceText") return [{ ...text, marks: carrySplice(text.marks, patch) }];
  const index = text.path[path.length];
  if (patch.op !== "splice" || typeof index !== "number" || index < patch.index) return [text];
  if (index < patch.index + patch.remove) return [];
  const moved = index - patch.remove + patch.values.length;
  return [{ ...text, path: text.path.with(path.length, moved) }];
}

/** Marks of a text after a splice, whose new units have none. */
function carrySplice(
  marks: readonly Mark[],
  { index, remove, insert }: Extract<Patch, { op: "spliceText" }>,
): readonly Mark[] {
  const cut = (at: number): number => (at <= index ? at : Math.max(index, at - remove));
  return marks.flatMap((mark) => {
    const [start, end] = [cut(mark.start), cut(mark.end)];
    const parts = [
      { ...mark, start, end: Math.min(end, index) },
      { ...mark, start: Math.max(start, index) + insert.length, end: end + insert.length },
    ];
    return parts.filter((part) => part.start < part.end);
  });
}

function diffText(path: Path, before: readonly Mark[], after: readonly Mark[]): readonly Patch[] {
  const names = new Set([...before, ...after].map(({ name }) => name));
  return [...names].flatMap((name) =>
    diffName(
      path,
      before.filter((mark) => mark.name === name),
      after.filter((mark) => mark.name === name),
    ),
  );
}

/** What turns the marks of one name into those after. */
function diffName(path: Path, before: readonly Mark[], after: readonly Mark[]): readonly Patch[] {
  const bounds = [...new Set([...before, ...after].flatMap(({ start, end }) => [start, end]))];
  bounds.sort((a, b) => a - b);
  const name = [...before, ...after][0]?.name ?? "";
  const changed: Mark[] = [];
  for (const [at, start] of bounds.entries()) {
    const end = bounds[at + 1] ?? start;
    const value = valueAt(after, start);
    if (start === end || Object.is(value, valueAt(before, start))) continue;
    const last = changed.at(-1);
    if (last?.end === start && Object.is(last.value, value)) changed.splice(-1, 1, { ...last, end });
    else changed.push({ start, end, name, value });
  }
  return changed.map(({ start, end, value }) =>
    value === null
      ? { op: "unmark", path, range: { start, end }, name }
      : { op: "mark", path, range: { start, end }, name, value },
  );
}

/** What a mark holds at a unit; null where there is none. */
function valueAt(marks: readonly Mark[], unit: number): Mark["value"] {
  return marks.find(({ start, end }) => start <= unit && unit < end)?.value ?? null;
}
