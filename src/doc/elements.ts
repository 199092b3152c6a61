/** What became of the elements of a list, or the characters of a text, between two versions. */
import type { Path } from "../draft/index.ts";
import type { Handle } from "./library.ts";
import type { RawPatch } from "./patches.ts";
import { writtenAt, type StoredValue } from "./undone.ts";
import type { Version } from "./version.ts";

/** One step from the front on: `index` is the place in the list as the steps before leave it. */
export type ElementStep =
  | { readonly kind: "remove" | "insert"; readonly index: number; readonly count: number }
  /** another value, or another count */
  | { readonly kind: "put"; readonly index: number };

/** A list or text, and where it is seen in one of the versions. */
export interface Sequence {
  readonly object: string;
  readonly path: Path;
}

/** The steps that turn a list or text of one version into that of another, of its own elements alone. It is seen in both. */
export function elementSteps(
  handle: Handle,
  { object, path }: Sequence,
  from: Version,
  to: Version,
): readonly ElementStep[] {
  const raw = handle.diffPath(object, from.heads, to.heads, { recursive: false });
  if (miscounts(raw)) return alignElements(object, from, to);
  const steps: ElementStep[] = [];
  for (const patch of raw) {
    // what is in new elements is deeper
    if (patch.path.length !== path.length + 1) continue;
    const index = Number(patch.path.at(-1));
    if (patch.action === "del") steps.push({ kind: "remove", index, count: patch.length ?? 1 });
    if (patch.action === "splice") steps.push({ kind: "insert", index, count: patch.value.length });
    if (patch.action === "insert") steps.push({ kind: "insert", index, count: patch.values.length });
    if (patch.action === "put" || patch.action === "inc" || patch.action === "conflict")
      steps.push({ kind: "put", index });
  }
  return steps;
}

/** Where each element of a version is in another, by its index; `undefined` when it is gone. */
export function follow(
  handle: Handle,
  sequence: Sequence,
  from: Version,
  to: Version,
): readonly (number | undefined)[] {
  const length = from.length(sequence.object);
  const indexes = Array.from({ length }, (_, index): number | undefined => index);
  for (const step of elementSteps(handle, sequence, from, to)) {
    if (step.kind === "remove") indexes.splice(step.index, step.count);
    if (step.kind === "insert")
      indexes.splice(step.index, 0, ...Array.from({ length: step.count }, () => undefined));
  }
  const places = Array.from({ length }, (): number | undefined => undefined);
  for (const [place, index] of indexes.entries()) if (index !== undefined) places[index] = place;
  return places;
}

/**
 * Tell whether places may be wrong: what is inserted just after a counter that was increased, Automerge tells one place too early. It
 * is enough that anything else changes.
 */
function miscounts(raw: readonly RawPatch[]): boolean {
  return raw.length > 1 && raw.some(({ action }) => action === "inc");
}

/** Find the elements of one version in the other by who wrote them: the dull way, element by element. */
function alignElements(list: string, from: Version, to: Version): readonly ElementStep[] {
  const source = readElements(from, list);
  const target = readElements(to, list);
  const places = new Map<string, number>();
  for (const [place, values] of target.entries()) for (const { id } of values) places.set(id, place);
  const steps: ElementStep[] = [];
  let next = 0;
  let gone = 0;
  for (const values of source) {
    const place = values.map(({ id }) => places.get(id)).find((found) => found !== undefined);
    if (place === undefined) {
      gone += 1;
      continue;
    }
    replaceRun(steps, { index: next, gone, come: place - next });
    if (!sameWritten(values.at(-1), target[place]?.at(-1))) steps.push({ kind: "put", index: place });
    next = place + 1;
    gone = 0;
  }
  replaceRun(steps, { index: next, gone, come: target.length - next });
  return steps;
}

function readElements(version: Version, list: string): readonly (readonly StoredValue[])[] {
  const length = version.length(list);
  return Array.from({ length }, (_, index) => writtenAt(version, [list, index]));
}

/** Elements between two that stayed: as many as there are on both sides count as written over. */
function replaceRun(
  steps: ElementStep[],
  { index, gone, come }: { readonly index: number; readonly gone: number; readonly come: number },
): void {
  const both = Math.min(gone, come);
  for (let i = 0; i < both; i++) steps.push({ kind: "put", index: index + i });
  if (gone > both) steps.push({ kind: "remove", index: index + both, count: gone - both });
  if (come > both) steps.push({ kind: "insert", index: index + both, count: come - both });
}

function sameWritten(a: StoredValue | undefined, b: StoredValue | undefined): boolean {
  return a?.id === b?.id && Object.is(a?.value, b?.value);
}
