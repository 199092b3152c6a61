/**
 * The recorder: proxies over copies made on first touch, one operation for each thing that was written.
 *
 * ```
 * base (frozen)          node (one per container that was touched)
 * { a: [ {…}, {…} ] }    target = { a: draft ─┐ }      parent: none
 *                                             └ target = [ draft, {…} ]     parent, key "a"
 * ```
 * A target holds plain frozen values until they are read; a container that is read is replaced, in the target, by its draft.
 * Paths are not kept: they are read off the parents when an operation is recorded, so that a draft of a list element stays right
 * when elements before it come and go.
 */
import type { DocValue, DraftOperation, DraftValue, Path, RecordedDraft } from "./draft.ts";
import type { DocData, Draft } from "./types.ts";
import {
  createRoom,
  decodeValue,
  encodeValue,
  freezeMap,
  isContainer,
  isDraft,
  isPlainMap,
  markDraft,
  refuse,
  takeRoom,
  textBytes,
  type DraftRoom,
} from "./value.ts";

/** One recording. */
interface Session {
  readonly operations: DraftOperation[];
  readonly room: DraftRoom;
  hasEnded: boolean;
}

interface ListTarget {
  readonly kind: "list";
  readonly items: unknown[];
}
interface MapTarget {
  readonly kind: "map";
  /** without prototype, so that every key is an own property */
  readonly items: Record<string, unknown>;
}

type Node = (ListTarget | MapTarget) & {
  readonly session: Session;
  readonly base: object;
  readonly parent: Node | undefined;
  /** where it was last seen in the parent */
  key: string | number;
  draft: object;
};
type ListNode = Node & ListTarget;

const nodeOfDraft = new WeakMap<object, Node>();

/**
 * Record what `edit` does to `base`.
 *
 * `base` is a document as reading gave it; it is never changed. A throw of `edit` passes through.
 *
 * @throws `input/invalid` or `input/too-large`, both with `path` as a JSON pointer
 */
export function recordDraft<T>(base: DocData<T>, edit: (draft: Draft<T>) => void): RecordedDraft<DocData<T>> {
  if (!isContainer(base)) refuse([], "a document is an object with fields");
  const session: Session = { operations: [], room: createRoom(), hasEnded: false };
  const root = createNode(session, base, undefined, "");
  try {
    const returned: unknown = edit(root.draft as Draft<T>);
    if (isContainer(returned) && "then" in returned && !isDraft(returned)) {
      Promise.resolve(returned).catch(() => {});
      refuse([], "an edit must be synchronous: await first");
    }
  } finally {
    session.hasEnded = true;
  }
  return { operations: session.operations, optimistic: finish(root) as DocData<T> };
}

/** The plain, frozen value of a draft as it is now: a copy that can be put in another place. */
export function current<T>(draft: Draft<T>): DocData<T> {
  return copyOf(draft) as DocData<T>;
}

function copyOf(value: unknown): unknown {
  const node = isContainer(value) ? nodeOfDraft.get(value) : undefined;
  if (node === undefined) return value;
  if (node.kind === "list") return Object.freeze(node.items.map(copyOf));
  return freezeMap(Object.entries(node.items).map(([key, item]) => [key, copyOf(item)]));
}

function createNode(session: Session, base: object, parent: Node | undefined, key: string | number): Node {
  const about = { session, base, parent, key };
  const node: Node = Array.isArray(base)
    ? { ...about, kind: "list", items: [...(base as readonly unknown[])], draft: base }
    : {
        ...about,
        kind: "map",
        items: Object.assign(Object.create(null) as Record<string, unknown>, base),
        draft: base,
      };
  const handler = node.kind === "list" ? listHandler(node) : mapHandler(node);
  node.draft = new Proxy(node.items, { ...sealedTraps(node), ...handler });
  nodeOfDraft.set(node.draft, node);
  markDraft(node.draft);
  return node;
}

/** Where a node is now. */
function pathOf(node: Node): (string | number)[] {
  const { parent } = node;
  if (parent === undefined) return [];
  const path = pathOf(parent);
  if (parent.kind === "list") {
    if (parent.items[Number(node.key)] !== node.draft) node.key = parent.items.indexOf(node.draft);
  } else if (parent.items[node.key] !== node.draft) node.key = -1;
  if (node.key === -1) refuse(path, "this object was removed from the document");
  path.push(node.key);
  return path;
}

function record(node: Node, operation: DraftOperation): void {
  if (node.session.hasEnded) refuse(operation.path, "this edit has ended");
  takeRoom(node.session.room, operation.path, 8);
  node.session.operations.push(operation);
}

/** What a draft shows at a key: drafts of containers, copies of what could be changed in place. */
function read(node: Node, key: string | number): unknown {
  const value: unknown = node.kind === "list" ? node.items[Number(key)] : node.items[key];
  if (value instanceof Date) return new Date(value);
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (!isContainer(value) || isDraft(value)) return value;
  const child = createNode(node.session, value, node, key);
  replace(node, key, child.draft);
  return child.draft;
}

function replace(node: Node, key: string | number, value: unknown): void {
  if (node.kind === "list") node.items[Number(key)] = value;
  else node.items[key] = value;
}

/** Traps that both kinds share: what cannot be said in the language of edits is refused. */
function sealedTraps(node: Node): ProxyHandler<object> {
  const no = (): never => refuse(pathOf(node), "assign the field instead");
  return { defineProperty: no, setPrototypeOf: no, preventExtensions: no };
}

function assign(node: Node, key: string | number, value: unknown): void {
  const path = [...pathOf(node), key];
  const encoded = encodeValue(node.session.room, value, path);
  record(node, { op: "set", path, value: encoded });
  replace(node, key, decodeValue(encoded));
}

function mapHandler(node: Node & MapTarget): ProxyHandler<object> {
  return {
    get: (_, key) => (typeof key === "symbol" ? undefined : read(node, key)),
    set(_, key, value) {
      if (typeof key === "symbol") refuse(pathOf(node), "symbols cannot be stored");
      const name = key.toWellFormed();
      node.session.room.bytes -= textBytes(name);
      assign(node, name, value);
      return true;
    },
    deleteProperty(_, key) {
      if (typeof key === "symbol" || !(key in node.items)) return true;
      record(node, { op: "delete", path: [...pathOf(node), key] });
      delete node.items[key];
      return true;
    },
    getOwnPropertyDescriptor(_, key) {
      if (typeof key === "symbol" || !(key in node.items)) return undefined;
      return { value: read(node, key), writable: true, enumerable: true, configurable: true };
    },
  };
}

function listHandler(node: ListNode): ProxyHandler<object> {
  return {
    get(_, key, receiver) {
      const index = parseIndex(key);
      if (index !== undefined) return read(node, index);
      if (typeof key === "string" && Object.hasOwn(listMethods, key)) {
        const method = listMethods[key];
        return (...values: unknown[]) => method?.(node, values, key);
      }
      return Reflect.get(node.items, key, receiver) as unknown;
    },
    set(_, key, value) {
      const index = parseIndex(key);
      const { length } = node.items;
      if (key === "length" && typeof value === "number" && value >= 0 && value <= length)
        spliceList(node, value, length - value, []);
      else if (index !== undefined && index < length) assign(node, index, value);
      else if (index === length) spliceList(node, index, 0, [value]);
      else refuse([...pathOf(node), String(key)], `not an index of this list, which has ${length} elements`);
      return true;
    },
    deleteProperty(_, key) {
      const index = parseIndex(key);
      if (index === undefined || index >= node.items.length)
        refuse([...pathOf(node), String(key)], "there is no such element");
      spliceList(node, index, 1, []);
      return true;
    },
  };
}

function parseIndex(key: string | symbol): number | undefined {
  return typeof key === "string" && /^(0|[1-9]\d{0,9})$/.test(key) ? Number(key) : undefined;
}

/** Replace elements of a list, `index` and `remove` cut to what is there. Gives what was removed, to read. */
function spliceList(node: ListNode, index: number, remove: number, values: readonly unknown[]): unknown[] {
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
  const tail = items.splice(at).slice(count);
  for (const value of encoded) items.push(decodeValue(value));
  for (const item of tail) items.push(item);
  return removed;
}

type ListMethod = (node: ListNode, values: unknown[], name: string) => unknown;

const unsupported: ListMethod = (node, _, name) =>
  refuse(
    pathOf(node),
    `${name}() cannot be merged with other people's edits; use splice, or order by a field when showing the list`,
  );

/** The methods that write; all others are Array's own and read through the draft. */
const listMethods: Record<string, ListMethod> = {
  push(node, values) {
    spliceList(node, node.items.length, 0, values);
    return node.items.length;
  },
  unshift(node, values) {
    spliceList(node, 0, 0, values);
    return node.items.length;
  },
  pop: (node) => spliceList(node, node.items.length - 1, 1, [])[0],
  shift: (node) => spliceList(node, 0, 1, [])[0],
  splice(node, [index, remove, ...values]) {
    const at = toInteger(index, 0);
    return spliceList(node, at, toInteger(remove, node.items.length), values);
  },
  insertAt(node, [index, ...values]) {
    spliceList(node, toInteger(index, 0), 0, values);
    return node.draft;
  },
  deleteAt(node, [index, count]) {
    spliceList(node, toInteger(index, 0), toInteger(count, 1), []);
    return node.draft;
  },
  fill(node, [value, start, end]) {
    const { length } = node.items;
    const from = toInteger(start, 0);
    const to = Math.min(toInteger(end, length), length);
    for (
      let index = from < 0 ? Math.max(from + length, 0) : from;
      index < (to < 0 ? to + length : to);
      index++
    ) {
      assign(node, index, value);
    }
    return node.draft;
  },
  sort: unsupported,
  reverse: unsupported,
  copyWithin: unsupported,
};

function toInteger(value: unknown, otherwise: number): number {
  return typeof value === "number" ? Math.trunc(value) || 0 : otherwise;
}

/** The frozen value of a node when its edit has ended; unchanged ones are their base. */
function finish(node: Node): object {
  const settle = (value: unknown): unknown => {
    const child = isContainer(value) ? nodeOfDraft.get(value) : undefined;
    return child === undefined ? value : finish(child);
  };
  if (node.kind === "list") {
    const list = node.items.map(settle);
    const { base } = node;
    const isSame =
      Array.isArray(base) &&
      base.length === list.length &&
      list.every((value, index) => Object.is(value, base[index]));
    return isSame ? base : Object.freeze(list);
  }
  const entries = Object.entries(node.items).map(([key, value]): [string, unknown] => [key, settle(value)]);
  const { base } = node;
  const isSame =
    isPlainMap(base) &&
    Object.keys(base).length === entries.length &&
    entries.every(([key, value]) => Object.hasOwn(base, key) && Object.is(value, base[key]));
  return isSame ? base : freezeMap(entries);
}

/** The place an operation on text or a counter names: the container's node, the full path and the value there. */
export interface Place {
  readonly path: Path;
  readonly value: unknown;
  /** Record the operation, and show `value` there. */
  readonly write: (operation: DraftOperation, value: DocValue, sizeBytes: number) => void;
}

/** Find the place at `steps` below a draft. */
export function findPlace(draft: unknown, steps: Path): Place {
  let node = isContainer(draft) ? nodeOfDraft.get(draft) : undefined;
  if (node === undefined) refuse(steps, "the first argument must be a draft");
  const last = steps.at(-1);
  if (last === undefined) refuse(steps, "the path must name a field");
  for (const step of steps.slice(0, -1)) {
    const next: unknown = hasStep(node, step) ? read(node, step) : undefined;
    const child: Node | undefined = isContainer(next) ? nodeOfDraft.get(next) : undefined;
    if (child === undefined) refuse([...pathOf(node), step], "there is no object or list here");
    node = child;
  }
  const owner: Node = node;
  const path = [...pathOf(owner), last];
  if (!hasStep(owner, last)) refuse(path, "there is no such field");
  return {
    path,
    value: read(owner, last),
    write(operation, value, sizeBytes) {
      owner.session.room.bytes -= sizeBytes;
      record(owner, operation);
      replace(owner, last, value);
    },
  };
}

function hasStep(node: Node, step: string | number): boolean {
  return node.kind === "list"
    ? typeof step === "number" && Number.isInteger(step) && step >= 0 && step < node.items.length
    : step in node.items;
}
