/**
 * Containers that an edit has touched: copies made on first touch, and one operation for each thing that was written.
 *
 * ```
 * base (frozen)          node (one per container that was touched)
 * { a: [ {…}, {…} ] }    items = { a: draft ─┐ }      parent: none
 *                                            └ items = [ draft, {…} ]     parent, key "a"
 * ```
 * A node holds plain frozen values until they are read; a container that is read is replaced, in the node, by its draft.
 * Paths are not kept: they are read off the parents when an operation is recorded, so that a draft of a list element stays right
 * when elements before it come and go. A draft that was removed can be put back, anywhere: a copy is recorded, and the draft goes
 * on there. One that is still in the document cannot: a copy of it would miss what others do to it at the same time.
 */
import type { DraftOperation, DraftValue } from "./draft.ts";
import { assemble, placesOf } from "./share.ts";
import {
  decodeValue,
  encodeValue,
  isContainer,
  isDraft,
  markDraft,
  refuse,
  takeRoom,
  type DraftRoom,
} from "./value.ts";

/** One recording. */
export interface Session {
  readonly operations: DraftOperation[];
  readonly room: DraftRoom;
  hasEnded: boolean;
  /** the proxy that an edit function sees of a container */
  readonly createProxy: (node: Node) => object;
}

interface ListTarget {
  readonly kind: "list";
  readonly items: unknown[];
}
/** What a map holds. */
export interface MapTarget {
  readonly kind: "map";
  /** without prototype, so that every key is an own property */
  readonly items: Record<string, unknown>;
}

/** A container of the document, as the edit has made it so far. */
export type Node = (ListTarget | MapTarget) & {
  readonly session: Session;
  readonly base: object;
  parent: Node | undefined;
  /** where it was last seen in the parent */
  key: string | number;
  draft: object;
};
/** One that is a list. */
export type ListNode = Node & ListTarget;

const nodeOfDraft = new WeakMap<object, Node>();

/** The node behind a draft; `undefined` for what is none. */
export function nodeOf(value: unknown): Node | undefined {
  return isContainer(value) ? nodeOfDraft.get(value) : undefined;
}

/** Make the node and the draft of a container. */
export function createNode(
  session: Session,
  base: object,
  parent: Node | undefined,
  key: string | number,
): Node {
  const about = { session, base, parent, key };
  const node: Node = Array.isArray(base)
    ? { ...about, kind: "list", items: [...(base as readonly unknown[])], draft: base }
    : {
        ...about,
        kind: "map",
        items: Object.assign(Object.create(null) as Record<string, unknown>, base),
        draft: base,
      };
  node.draft = session.createProxy(node);
  nodeOfDraft.set(node.draft, node);
  markDraft(node.draft, (room) =>
    room === session.room && locate(node) === undefined ? (copyOf(node.draft) as object) : undefined,
  );
  return node;
}

/** Where a node is now; `undefined` when it is no longer in the document. */
function locate(node: Node): (string | number)[] | undefined {
  const { parent } = node;
  if (parent === undefined) return [];
  const path = isHeld(parent, node) ? locate(parent) : undefined;
  path?.push(node.key);
  return path;
}

/** Tell whether a node is in this one, and note where. */
function isHeld({ kind, items }: Node, node: Node): boolean {
  if (kind === "map") return items[node.key] === node.draft;
  if (items[Number(node.key)] !== node.draft) node.key = items.indexOf(node.draft);
  return node.key !== -1;
}

/** Where a node is now. @throws `input/invalid` when it was removed */
export function pathOf(node: Node): (string | number)[] {
  return locate(node) ?? refuse([], "this was removed: put it back to edit it");
}

/** Note an operation. @throws `input/invalid` after the end of the edit, `input/too-large` */
export function record(node: Node, operation: DraftOperation): void {
  if (node.session.hasEnded) refuse(operation.path, "this edit has ended");
  takeRoom(node.session.room, operation.path, 8);
  node.session.operations.push(operation);
}

/** What a draft shows at a key: drafts of containers, copies of what could be changed in place. */
export function read(node: Node, key: string | number): unknown {
  const value: unknown = node.kind === "list" ? node.items[Number(key)] : node.items[key];
  if (value instanceof Date) return new Date(value);
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (!isContainer(value) || isDraft(value)) return value;
  const child = createNode(node.session, value, node, key);
  replace(node, key, child.draft);
  return child.draft;
}

/** Note what was read of elements that will be put elsewhere, or nowhere. */
export function take(node: ListNode, values: readonly unknown[]): void {
  for (const value of values) node.session.room.taken.add(value);
}

/** Put what is shown at a key, recording nothing. */
export function replace(node: Node, key: string | number, value: unknown): void {
  if (node.kind === "list") node.items[Number(key)] = value;
  else node.items[key] = value;
}

/** Write a value at a key of a map or at an index that the list has. */
export function assign(node: Node, key: string | number, value: unknown): void {
  const path = [...pathOf(node), key];
  const encoded = encodeValue(node.session.room, value, path);
  record(node, { op: "set", path, value: encoded });
  replace(node, key, show(node, key, { value, encoded }));
}

/** What is shown where a value was written: a draft that had been removed goes on here, anything else is a copy. */
function show(
  owner: Node,
  key: string | number,
  { value, encoded }: { value: unknown; encoded: DraftValue | undefined },
): unknown {
  const moved = nodeOf(value);
  if (moved === undefined || locate(moved) !== undefined) return decodeValue(encoded ?? null);
  // What it was in may come back as well, with a copy of it.
  if (moved.parent !== undefined && isHeld(moved.parent, moved))
    replace(moved.parent, moved.key, copyOf(moved.draft));
  moved.parent = owner;
  moved.key = key;
  return moved.draft;
}

/** Replace elements of a list, `index` and `remove` cut to what is there. Gives what was removed, to read. */
export function spliceList(
  node: ListNode,
  index: number,
  remove: number,
  values: readonly unknown[],
): unknown[] {
  const { items, session } = node;
  const at = Math.min(index < 0 ? Math.max(items.length + index, 0) : index, items.length);
  const count = Math.max(0, Math.min(remove, items.length - at));
  const path = pathOf(node);
  const removed = items.slice(at, at + count).map((_, offset) => read(node, at + offset));
  if (count === 0 && values.length === 0) return removed;
  const encoded: readonly DraftValue[] = values.map((value, offset) =>
    encodeValue(session.room, value, [...path, at + offset]),
  );
  record(node, { op: "splice", path, index: at, remove: count, values: encoded });
  take(node, removed);
  const tail = items.splice(at).slice(count);
  for (const [offset, value] of values.entries())
    items.push(show(node, at + offset, { value, encoded: encoded[offset] }));
  for (const item of tail) items.push(item);
  return removed;
}

/** The plain, frozen value of what a draft shows now; what is no draft is its own. */
export function copyOf(value: unknown): unknown {
  const node = nodeOf(value);
  if (node === undefined) return value;
  return assemble(placesOf(node.items), Object.values(node.items).map(copyOf));
}

/** The frozen value of a node when its edit has ended; unchanged ones are their base. */
export function finish(node: Node): object {
  const settle = (value: unknown): unknown => {
    const child = nodeOf(value);
    return child === undefined ? value : finish(child);
  };
  return assemble(placesOf(node.items), Object.values(node.items).map(settle), [node.base]);
}
