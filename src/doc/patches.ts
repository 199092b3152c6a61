/**
 * Automerge's patches in our language.
 *
 * Automerge tells a new object as an empty one and then what comes into it, each by a patch of its own. Here everything that goes into
 * a new object goes into the one patch that makes it. To know where a path leads, the patches are carried out on the version before
 * them, copied where they touch it only: the version after them is had at no cost beyond theirs. What marks texts have is not told:
 * {@link diffMarks} finds that.
 */
import type * as Automerge from "@automerge/automerge/slim";
import { shareStructure, type Patch, type Path } from "../draft/index.ts";
import type { Library } from "./library.ts";
import { isFields, readAt, toLeaf, type Readable } from "./plain.ts";
import { finish, isNode, ListNode, MapNode, TextNode, type Fields, type Work } from "./work.ts";

/** A patch as a wasm handle gives it. */
export type RawPatch = Automerge.Patch;

type MarkValue = Extract<Patch, { op: "mark" }>["value"];

/** Patches and what they lead to. */
export interface Converted {
  readonly patches: readonly Patch[];
  /** frozen; branches that are equal are those of the version before */
  readonly value: Fields;
}

/**
 * Convert patches of Automerge upon `before`; `undefined` when one of them does not fit it, or cannot be trusted.
 *
 * @param after the version after, to read what Automerge tells wrong
 */
export function convertPatches(
  library: Library,
  before: Fields,
  raw: readonly RawPatch[],
  after: Readable,
): Converted | undefined {
  const conversion: Conversion = {
    library,
    after,
    root: new MapNode(before),
    patches: [],
    moves: findMoves(raw),
  };
  for (const patch of raw) if (!convertOne(conversion, patch)) return undefined;
  // deeper ones first, so that what is compared is final
  const conflicts = raw.filter(({ action }) => action === "conflict");
  conflicts.sort((a, b) => b.path.length - a.path.length);
  for (const patch of conflicts) if (!settleConflict(conversion, patch)) return undefined;
  const patches = conversion.patches.map(finishPatch);
  return { patches, value: conversion.root.finish() };
}

interface Conversion {
  readonly library: Library;
  readonly after: Readable;
  readonly moves: Moves;
  readonly root: MapNode;
  readonly patches: WorkPatch[];
}

type WorkPatch =
  | Exclude<Patch, { op: "set" | "splice" | "spliceText" }>
  | { readonly op: "set"; readonly path: Path; readonly value: Work }
  | { readonly op: "splice"; readonly path: Path; readonly index: number; remove: number; values: Work[] }
  | {
      readonly op: "spliceText";
      readonly path: Path;
      readonly index: number;
      remove: number;
      insert: string;
    };

function finishPatch(patch: WorkPatch): Patch {
  if (patch.op === "set") return { ...patch, value: finish(patch.value) };
  return patch.op === "splice" ? { ...patch, values: patch.values.map(finish) } : patch;
}

/** What a path leads to: the container of its last step, and whether that is part of something new. */
interface Place {
  readonly owner: MapNode | ListNode;
  readonly step: string | number;
  readonly isInNew: boolean;
}

function findPlace({ root }: Conversion, path: Path): Place | undefined {
  const step = path.at(-1);
  let owner: MapNode | ListNode = root;
  let isInNew = false;
  for (const at of path.slice(0, -1)) {
    const below = openPart(owner, at);
    if (below === undefined) return undefined;
    owner = below;
    isInNew ||= owner.isNew;
  }
  if (step === undefined || !fits(owner, step)) return undefined;
  return { owner, step, isInNew };
}

/** The container at a step, as a node that can be written to. */
function openPart(owner: MapNode | ListNode, step: string | number): MapNode | ListNode | undefined {
  const part = fits(owner, step) ? owner.get(step) : undefined;
  if (part === undefined || part instanceof TextNode) return undefined;
  if (isNode(part)) return part;
  const node = Array.isArray(part) ? new ListNode(part) : isFields(part) ? new MapNode(part) : undefined;
  if (node !== undefined) owner.set(step, node);
  return node;
}

function fits(owner: MapNode | ListNode, step: string | number): boolean {
  return owner instanceof ListNode ? typeof step === "number" : typeof step === "string";
}

function convertOne(conversion: Conversion, patch: RawPatch): boolean {
  const { path } = patch;
  switch (patch.action) {
    case "put": {
      const value = toWork(conversion, patch, path, patch.value);
      return value !== undefined && put(conversion, path, value);
    }
    case "inc": {
      const value = readCounter(conversion, patch, path);
      return value !== undefined && put(conversion, path, value);
    }
    case "del": {
      const step = path.at(-1);
      if (typeof step === "number")
        return spliceAt(conversion, path, { index: step, remove: patch.length ?? 1, added: undefined });
      return deleteKey(conversion, path);
    }
    case "insert": {
      const index = Number(path.at(-1));
      const list = path.slice(0, -1);
      const added = patch.values.map((value, offset) =>
        toWork(conversion, patch, [...list, index + offset], value),
      );
      return (
        added.every((value) => value !== undefined) && spliceAt(conversion, path, { index, remove: 0, added })
      );
    }
    case "splice": {
      const index = Number(path.at(-1));
      return spliceAt(conversion, path, { index, remove: 0, added: patch.value });
    }
    case "mark":
    case "unmark":
    case "conflict":
      return true;
  }
}

/** What a patch puts at a path; `undefined` where that cannot be told. */
function toWork(
  conversion: Conversion,
  patch: RawPatch,
  ...[path, value]: [Path, unknown]
): Work | undefined {
  if (typeof value === "string") return new TextNode(value);
  const content = conversion.library.unbox(value);
  if (Array.isArray(content)) return new ListNode();
  if (typeof content !== "object" || content === null) {
    const isCounter = content !== value && typeof content === "number";
    return isCounter ? readCounter(conversion, patch, path) : toLeaf(content);
  }
  return content instanceof Date || content instanceof Uint8Array ? toLeaf(content) : new MapNode();
}

/**
 * Automerge tells counters wrong that several people made at once, and places wrong behind counters in lists that were increased. So
 * they are read, where the path cannot have moved.
 */
function readCounter({ after, moves }: Conversion, patch: RawPatch, path: Path): number | undefined {
  if (canHaveMoved(moves, path, patch)) return undefined;
  const value = readAt(after, path);
  return typeof value === "number" ? value : undefined;
}

/** Automerge tells a conflict also where another value is shown now: then it is read. */
function settleConflict(conversion: Conversion, patch: RawPatch): boolean {
  const { after, moves } = conversion;
  const { path } = patch;
  const place = findPlace(conversion, path);
  if (place === undefined || canHaveMoved(moves, path, patch)) return false;
  const found = place.owner.get(place.step);
  const value = readAt(after, path);
  if (found === undefined || value === undefined) return found === value;
  const before = finish(found);
  return Object.is(shareStructure(before, value), before) || put(conversion, path, value);
}

/** The patches that add or remove elements, by the path of their list; of many in one list, two. */
type Moves = ReadonlyMap<string, readonly RawPatch[]>;

function findMoves(raw: readonly RawPatch[]): Moves {
  const moves = new Map<string, RawPatch[]>();
  for (const patch of raw) {
    if (patch.action !== "insert" && patch.action !== "del") continue;
    if (typeof patch.path.at(-1) !== "number") continue;
    const list = JSON.stringify(patch.path.slice(0, -1));
    const found = moves.get(list);
    if (found === undefined) moves.set(list, [patch]);
    else if (found.length === 1) found.push(patch);
  }
  return moves;
}

/** Tell whether any patch but one adds or removes elements of a list that a path goes through. */
function canHaveMoved(moves: Moves, path: Path, but: RawPatch): boolean {
  return (
    moves.size > 0 &&
    path.some(
      (step, index) =>
        typeof step === "number" &&
        moves.get(JSON.stringify(path.slice(0, index)))?.some((patch) => patch !== but),
    )
  );
}

function put(conversion: Conversion, path: Path, value: Work): boolean {
  const place = findPlace(conversion, path);
  if (place === undefined) return false;
  const { owner, step, isInNew } = place;
  if (owner instanceof ListNode && Number(step) >= owner.items.length) return false;
  owner.set(step, value);
  if (!isInNew) conversion.patches.push({ op: "set", path, value });
  return true;
}

function deleteKey(conversion: Conversion, path: Path): boolean {
  const place = findPlace(conversion, path);
  if (place?.owner.get(place.step) === undefined) return false;
  place.owner.set(place.step, undefined);
  if (!place.isInNew) conversion.patches.push({ op: "delete", path });
  return true;
}

interface Cut {
  readonly index: number;
  readonly remove: number;
  /** text, or elements; `undefined` fits both */
  readonly added: string | readonly Work[] | undefined;
}

/** A splice of the list or text that holds the path's last step. */
function spliceAt(conversion: Conversion, path: Path, cut: Cut): boolean {
  const owned = path.slice(0, -1);
  const place = findPlace(conversion, owned);
  if (place === undefined) return false;
  const part = place.owner.get(place.step);
  if (typeof part === "string" || part instanceof TextNode) return spliceText(conversion, owned, place, cut);
  const list = openPart(place.owner, place.step);
  const { index, remove, added = [] } = cut;
  if (!(list instanceof ListNode) || typeof added === "string") return false;
  if (!(index + remove <= list.items.length)) return false;
  list.items.splice(index, remove, ...added);
  if (place.isInNew || list.isNew) return true;
  const last = conversion.patches.at(-1);
  if (last?.op === "splice" && index === last.index + last.values.length && samePath(last.path, owned)) {
    last.remove += remove;
    last.values.push(...added);
  } else conversion.patches.push({ op: "splice", path: owned, index, remove, values: [...added] });
  return true;
}

function spliceText(conversion: Conversion, path: Path, place: Place, cut: Cut): boolean {
  const { index, remove, added: insert = "" } = cut;
  const { owner, step } = place;
  const part = owner.get(step);
  const text = part instanceof TextNode ? part.text : part;
  if (typeof text !== "string" || typeof insert !== "string" || !(index + remove <= text.length))
    return false;
  const after = text.slice(0, index) + insert + text.slice(index + remove);
  if (part instanceof TextNode) {
    part.text = after;
    return true;
  }
  owner.set(step, after);
  if (place.isInNew) return true;
  const last = conversion.patches.at(-1);
  if (last?.op === "spliceText" && index === last.index + last.insert.length && samePath(last.path, path)) {
    last.remove += remove;
    last.insert += insert;
  } else conversion.patches.push({ op: "spliceText", path, index, remove, insert });
  return true;
}

/** What a mark holds; null for dates and bytes, which only other programs write. */
export function toMarkValue(value: unknown): MarkValue {
  const leaf = toLeaf(value);
  return typeof leaf === "object" ? null : leaf;
}

function samePath(a: Path, b: Path): boolean {
  return a.length === b.length && a.every((step, index) => step === b[index]);
}
