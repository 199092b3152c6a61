/** The worker's half: runs recorded operations on a document that comes as an argument. */
import { CofferError } from "../std/index.ts";
import type { DraftOperation, DraftValue, Path } from "./draft.ts";
import { holdsMoved, isTree, Kinds, movedPart, type InnerMark, type KindSource } from "./kinds.ts";

type Step = string | number;
type ScalarType = "null" | "boolean" | "int" | "f64" | "timestamp" | "bytes" | "counter" | "str";

/** An Automerge document open for a change, as its wasm handle offers it, with the boxes of the values plain data lacks. */
export interface ReplayTarget {
  readonly doc: KindSource & {
    put(object: string, step: Step, value: unknown, datatype: ScalarType): void;
    putObject(object: string, step: Step, text: string): string;
    putObjectFromHydrate(object: string, step: Step, value: unknown): string;
    delete(object: string, step: Step): void;
    splice(object: string, index: number, remove: number, text: string): void;
    spliceFromHydrate(object: string, index: number, remove: number, values: readonly unknown[]): void;
    updateText(object: string, text: string): void;
    increment(object: string, step: Step, by: number): void;
    mark(object: string, range: object, name: string, value: unknown): void;
    unmark(object: string, range: object, name: string): void;
  };
  counter(start: number): unknown;
  atomic(text: string): unknown;
}

const root = "_root";

/**
 * Run recorded operations, in order. The caller opens, commits or rolls back the change around it.
 *
 * @throws `input/invalid` with `path` when an operation does not fit the document
 */
export function replayDraft(target: ReplayTarget, operations: readonly DraftOperation[]): void {
  const replay = holdsMoved(operations) ? replayMoving(target) : replayOne;
  for (const operation of foldIncrements(operations)) replay(target, operation);
}

/** Replays one after the other, where what some take out others put in. */
function replayMoving({ doc }: ReplayTarget): typeof replayOne {
  const kinds = new Kinds(doc);
  /** the list whose elements change places */
  let ordered: string | undefined;
  return (target, operation) => {
    const { op, path } = operation;
    kinds.begin();
    if (op === "set" || op === "delete") {
      const { owner, step } = ownerAt(target, path);
      const isOrdering = typeof step === "number" && op === "set" && isMovedLeaf(operation.value);
      if (!isOrdering) kinds.take(owner, step, false);
      else if (owner !== ordered) kinds.takeAll(owner);
      ordered = isOrdering ? owner : undefined;
    } else {
      ordered = undefined;
      if (op === "splice") {
        const list = objectAt(target, path, ["list"]);
        const end = Math.min(operation.index + operation.remove, doc.length(list));
        for (let index = operation.index; index < end; index++) kinds.take(list, index, true);
      }
    }
    if (op === "set") {
      const { value, marks } = kinds.settle(operation.value);
      replayOne(target, { ...operation, value });
      markInside(target, path, marks);
    } else if (op === "splice") {
      const settled = operation.values.map((value) => kinds.settle(value));
      replayOne(target, { ...operation, values: settled.map(({ value }) => value) });
      for (const [offset, { marks }] of settled.entries())
        markInside(target, [...path, operation.index + offset], marks);
    } else replayOne(target, operation);
  };
}

function isMovedLeaf(value: DraftValue): boolean {
  const part = value instanceof Map ? movedPart(value) : undefined;
  return part !== undefined && !isTree(part);
}

function markInside(target: ReplayTarget, path: Path, marks: readonly InnerMark[]): void {
  for (const { path: inner, mark } of marks) {
    const { start, end, name, value } = mark;
    target.doc.mark(objectAt(target, [...path, ...inner], ["text"]), { start, end }, name, value);
  }
}

/** Of increases of one counter in a row, their sum: Automerge looks at all that there are whenever one is added. */
function* foldIncrements(operations: readonly DraftOperation[]): Generator<DraftOperation> {
  let last: Extract<DraftOperation, { readonly op: "increment" }> | undefined;
  for (const operation of operations) {
    if (operation.op !== "increment") {
      if (last !== undefined) yield last;
      last = undefined;
      yield operation;
      continue;
    }
    const by = (last?.by ?? 0) + operation.by;
    if (last !== undefined && Number.isSafeInteger(by) && samePath(last.path, operation.path))
      last = { ...last, by };
    else {
      if (last !== undefined) yield last;
      last = operation;
    }
  }
  if (last !== undefined) yield last;
}

function samePath(a: Path, b: Path): boolean {
  return a.length === b.length && a.every((step, index) => step === b[index]);
}

function replayOne(target: ReplayTarget, operation: DraftOperation): void {
  const { doc } = target;
  const { path } = operation;
  switch (operation.op) {
    case "set": {
      const { owner, step } = ownerAt(target, path);
      return setValue(target, owner, step, operation.value);
    }
    case "delete": {
      const { owner, step } = ownerAt(target, path);
      // elements of lists are removed by splices
      if (typeof step === "number") misfit(path);
      return doc.delete(owner, step);
    }
    case "splice": {
      const list = objectAt(target, path, ["list"]);
      const { index, remove, values } = operation;
      if (index + remove > doc.length(list)) misfit(path);
      // one by one: deleting by a splice leaves the list's index wrong in a document that is isolated at older heads
      for (let i = 0; i < remove; i++) doc.delete(list, index);
      doc.spliceFromHydrate(
        list,
        index,
        0,
        values.map((value) => hydrate(target, value)),
      );
      values.forEach((value, offset) => mendLarge(target, list, index + offset, value));
      return;
    }
    case "spliceText": {
      const text = objectAt(target, path, ["text"]);
      if (operation.index + operation.remove > doc.length(text)) misfit(path);
      return doc.splice(text, operation.index, operation.remove, operation.insert);
    }
    case "updateText":
      return doc.updateText(objectAt(target, path, ["text"]), operation.value);
    case "increment": {
      const { owner, step, type } = ownerAt(target, path);
      if (type !== "counter") misfit(path);
      return doc.increment(owner, step, operation.by);
    }
    case "mark":
      return doc.mark(objectAt(target, path, ["text"]), operation.range, operation.name, operation.value);
    case "unmark":
      return doc.unmark(objectAt(target, path, ["text"]), operation.range, operation.name);
  }
}

function misfit(path: Path): never {
  const pointer = path.map((step) => `/${step}`).join("");
  throw new CofferError("input/invalid", {
    path: pointer,
    message: `${pointer}: this edit does not fit the document.`,
  });
}

/** The object at a path, when it is of one of these types. */
function objectAt(target: ReplayTarget, path: Path, types: readonly string[]): string {
  let object = root;
  let type = "map";
  for (const step of path) {
    const found = lookUp(target, object, type, step);
    if (found === null || typeof found[1] !== "string" || !["map", "list", "text"].includes(found[0]))
      misfit(path);
    type = found[0];
    object = found[1];
  }
  if (!types.includes(type)) misfit(path);
  return object;
}

/** The container of a path's last step, and what is there now. */
function ownerAt(target: ReplayTarget, path: Path): { owner: string; step: Step; type: string | undefined } {
  const step = path.at(-1);
  if (step === undefined) misfit(path);
  const owner = objectAt(target, path.slice(0, -1), typeof step === "number" ? ["list"] : ["map"]);
  const found = target.doc.getWithType(owner, step);
  if (typeof step === "number" && found === null) misfit(path);
  return { owner, step, type: found?.[0] };
}

function lookUp(
  target: ReplayTarget,
  object: string,
  type: string,
  step: Step,
): readonly [string, unknown] | null {
  if (type !== (typeof step === "number" ? "list" : "map")) return null;
  return target.doc.getWithType(object, step);
}

function setValue(target: ReplayTarget, owner: string, step: Step, value: DraftValue): void {
  const { doc } = target;
  if (value === null) return doc.put(owner, step, null, "null");
  if (typeof value === "boolean") return doc.put(owner, step, value, "boolean");
  if (typeof value === "number")
    return doc.put(owner, step, value, Number.isSafeInteger(value) ? "int" : "f64");
  if (typeof value === "string") return void doc.putObject(owner, step, value);
  if (value instanceof Date) return doc.put(owner, step, value.getTime(), "timestamp");
  if (value instanceof Uint8Array) return doc.put(owner, step, value, "bytes");
  if (value instanceof Map) {
    const [tag, content] = tagged(value);
    return doc.put(owner, step, content, tag === "counter" ? "counter" : "str");
  }
  const object = doc.putObjectFromHydrate(owner, step, hydrate(target, value));
  mendInside(target, object, value);
}

function tagged(value: ReadonlyMap<string, DraftValue>): [string, DraftValue] {
  for (const entry of value) return entry;
  return ["atomic", ""];
}

/** A recorded value in the form that Automerge takes whole trees in. */
function hydrate(target: ReplayTarget, value: DraftValue): unknown {
  if (value instanceof Map) {
    const [tag, content] = tagged(value);
    return tag === "counter"
      ? target.counter(Number(content))
      : target.atomic(typeof content === "string" ? content : "");
  }
  if (value instanceof Date || value instanceof Uint8Array || typeof value !== "object" || value === null)
    return value;
  if (Array.isArray(value))
    return (value as readonly DraftValue[]).map((element) => hydrate(target, element));
  const fields = Object.entries(value as { readonly [key: string]: DraftValue });
  return Object.fromEntries(fields.map(([key, element]) => [key, hydrate(target, element)]));
}

/** Whole trees keep whole numbers as 64-bit integers: larger ones are put again as floating point. */
function mendLarge(target: ReplayTarget, owner: string, step: Step, value: DraftValue): void {
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    target.doc.put(owner, step, value, "f64");
  } else if (holdsLarge(value)) {
    const found = target.doc.getWithType(owner, step);
    if (found !== null && typeof found[1] === "string") mendInside(target, found[1], value);
  }
}

function mendInside(target: ReplayTarget, object: string, value: DraftValue): void {
  if (Array.isArray(value)) {
    for (const [index, element] of (value as readonly DraftValue[]).entries())
      mendLarge(target, object, index, element);
  } else if (isTree(value))
    for (const [key, element] of Object.entries(value)) mendLarge(target, object, key, element);
}

function holdsLarge(value: DraftValue): boolean {
  if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value);
  return isTree(value) && Object.values(value).some(holdsLarge);
}
