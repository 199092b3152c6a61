/** The recorder: what an edit function sees of a document, and what its writing becomes. */
import type { DocValue, DraftOperation, Path, RecordedDraft } from "./draft.ts";
import { listMethods } from "./list-methods.ts";
import {
  assign,
  copyOf,
  createNode,
  finish,
  nodeOf,
  pathOf,
  read,
  record,
  replace,
  spliceList,
  type ListNode,
  type MapTarget,
  type Node,
  type Session,
} from "./node.ts";
import type { DocData, Draft } from "./types.ts";
import { createRoom, isContainer, isDraft, refuse, textBytes } from "./value.ts";

/**
 * Record what `edit` does to `base`.
 *
 * `base` is a document as reading gave it; it is never changed. A throw of `edit` passes through.
 *
 * @throws `input/invalid` or `input/too-large`, both with `path` as a JSON pointer
 */
export function recordDraft<T>(base: DocData<T>, edit: (draft: Draft<T>) => void): RecordedDraft<DocData<T>> {
  if (!isContainer(base)) refuse([], "a document is an object with fields");
  const session: Session = { operations: [], room: createRoom(), hasEnded: false, createProxy };
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

function createProxy(node: Node): object {
  const handler = node.kind === "list" ? listHandler(node) : mapHandler(node);
  return new Proxy(node.items, { ...sealedTraps(node), ...handler });
}

/** Traps that both kinds share: what cannot be said in the language of edits is refused. */
function sealedTraps(node: Node): ProxyHandler<object> {
  const no = (): never => refuse(pathOf(node), "assign the field instead");
  return { defineProperty: no, setPrototypeOf: no, preventExtensions: no };
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
      if (key === "length" && isIndex(value) && value <= length) spliceList(node, value, length - value, []);
      else if (index !== undefined && index < length) assign(node, index, value);
      else if (index === length) spliceList(node, index, 0, [value]);
      else refuse([...pathOf(node), String(key)], `the list has ${length} elements`);
      return true;
    },
    deleteProperty(_, key) {
      const index = parseIndex(key);
      if (index === undefined || index >= node.items.length)
        refuse([...pathOf(node), String(key)], "there is no such element");
      spliceList(node, index, 1, []);
      return true;
    },
    getOwnPropertyDescriptor(_, key) {
      const found = Reflect.getOwnPropertyDescriptor(node.items, key);
      const index = parseIndex(key);
      return found === undefined || index === undefined ? found : { ...found, value: read(node, index) };
    },
  };
}

function isIndex(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}

function parseIndex(key: string | symbol): number | undefined {
  return typeof key === "string" && /^(0|[1-9]\d{0,9})$/.test(key) ? Number(key) : undefined;
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
  let node = nodeOf(draft);
  if (node === undefined) refuse(steps, "the first argument must be a draft");
  const last = steps.at(-1);
  if (last === undefined) refuse(steps, "the path must name a field");
  for (const step of steps.slice(0, -1)) {
    const next: unknown = hasStep(node, step) ? read(node, step) : undefined;
    const child: Node | undefined = nodeOf(next);
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
  return node.kind === "list" ? isIndex(step) && step < node.items.length : step in node.items;
}
