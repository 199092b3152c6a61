/**
 * What a recorded value cannot say of something that is moved: which of its numbers are counters, which of its strings are replaced as
 * a whole, and the marks of its texts. The worker reads them off what the same edit takes out of the document, before it is gone, and
 * finds it again by its plain value.
 */
import type { DraftOperation, DraftValue, Mark, Path, TaggedValue } from "./draft.ts";

type Step = string | number;

/** What reading kinds needs of a document. */
export interface KindSource {
  keys(object: string): string[];
  length(object: string): number;
  text(object: string): string;
  marks(object: string): readonly { start: number; end: number; name: string; value: unknown }[];
  getWithType(object: string, step: Step): readonly [string, unknown] | null;
}

/** A mark of a text inside a value. */
export interface InnerMark {
  /** from the value to the text */
  readonly path: Path;
  readonly mark: Mark;
}

interface Kept {
  /** the same number for equal plain values */
  readonly plain: number;
  /** with counters and atomic strings tagged */
  readonly value: DraftValue;
  readonly marks: readonly InnerMark[];
}

/** What was taken of equal plain values. */
interface Shelf {
  /** what is to come */
  readonly taken: Kept[];
  /** what came last */
  last: Kept | undefined;
  /** which operation took the first ones, and how many of them are there */
  operation: number;
  next: number;
}

/** A value with nothing moved in it, and the marks that it shall have. */
export type Settled = Pick<Kept, "value" | "marks">;

/** Tell whether operations put something where it was not before. */
export function holdsMoved(operations: readonly DraftOperation[]): boolean {
  return operations.some(
    (operation) =>
      (operation.op === "set" && isMoved(operation.value)) ||
      (operation.op === "splice" && operation.values.some(isMoved)),
  );
}

function isMoved(value: DraftValue): boolean {
  if (value instanceof Map) return value.has("moved");
  return isTree(value) && Object.values(value).some(isMoved);
}

/** What a tagged value is the moved one of, as plain data; `undefined` for a counter or an atomic string. */
export function movedPart(value: TaggedValue): DraftValue | undefined {
  return value.get("moved");
}

/** Tell whether a value has parts. */
export function isTree(
  value: DraftValue,
): value is readonly DraftValue[] | { readonly [key: string]: DraftValue } {
  return (
    typeof value === "object" &&
    value !== null &&
    !(value instanceof Date || value instanceof Uint8Array || value instanceof Map)
  );
}

/** What one edit takes out of the document, by its plain value. */
export class Kinds {
  readonly #doc: KindSource;
  readonly #numbers = new Map<string, number>();
  readonly #kept = new Map<number, Shelf>();
  #operation = 0;

  constructor(doc: KindSource) {
    this.#doc = doc;
  }

  /** What is taken from here on is of another operation than what was taken before. */
  begin(): void {
    this.#operation += 1;
  }

  /** Note what is at a place; of leaves, only elements that a list gives up. */
  take(owner: string, step: Step, isLeafToo: boolean): void {
    const found = this.#doc.getWithType(owner, step);
    if (found === null) return;
    const kept = this.#read(found);
    if (isLeafToo || isTree(kept.value)) this.#keep(kept);
  }

  /** Note the elements of a list. */
  takeAll(list: string): void {
    const length = this.#doc.length(list);
    for (let index = 0; index < length; index++) this.take(list, index, true);
  }

  /** A recorded value as it goes into the document. */
  settle(value: DraftValue): Settled {
    const marks: InnerMark[] = [];
    return { value: this.#settle(value, [], marks), marks };
  }

  #settle(value: DraftValue, path: Path, marks: InnerMark[]): DraftValue {
    if (value instanceof Map) {
      const content = movedPart(value);
      if (content === undefined) return value;
      const kept = this.#find(content);
      for (const { path: inner, mark } of kept?.marks ?? []) marks.push({ path: [...path, ...inner], mark });
      return kept?.value ?? this.#settle(content, path, marks);
    }
    if (!isTree(value)) return value;
    if (Array.isArray(value))
      return (value as readonly DraftValue[]).map((part, index) =>
        this.#settle(part, [...path, index], marks),
      );
    return Object.fromEntries(
      Object.entries(value as { readonly [key: string]: DraftValue }).map(([key, part]) => [
        key,
        this.#settle(part, [...path, key], marks),
      ]),
    );
  }

  /** Of several that are equal the newest operation's come first, in their order; the last one comes again. */
  #find(content: DraftValue): Kept | undefined {
    const shelf = this.#kept.get(this.#numberOf(content));
    if (shelf === undefined) return undefined;
    shelf.next = Math.max(0, shelf.next - 1);
    shelf.last = shelf.taken.shift() ?? shelf.last;
    return shelf.last;
  }

  #keep(kept: Kept): void {
    const shelf = this.#kept.get(kept.plain) ?? { taken: [], last: undefined, operation: 0, next: 0 };
    this.#kept.set(kept.plain, shelf);
    if (shelf.operation !== this.#operation) Object.assign(shelf, { operation: this.#operation, next: 0 });
    shelf.taken.splice(shelf.next, 0, kept);
    shelf.next += 1;
  }

  #read([type, content]: readonly [string, unknown]): Kept {
    if (typeof content === "string" && type === "text") return this.#readText(content);
    if (typeof content === "string" && type !== "str") return this.#readContainer(content, type === "list");
    const leaf = toLeaf(content);
    const plain = this.#numberOf(leaf);
    if (type === "counter") return { plain, value: new Map([["counter", leaf]]), marks: [] };
    if (type === "str") return { plain, value: new Map([["atomic", leaf]]), marks: [] };
    return { plain, value: leaf, marks: [] };
  }

  /** Containers in it may come back without it, too. */
  #readContainer(object: string, isList: boolean): Kept {
    const steps = isList ? range(this.#doc.length(object)) : this.#doc.keys(object);
    const parts = steps.flatMap((step): [Step, Kept][] => {
      const found = this.#doc.getWithType(object, step);
      if (found === null) return [];
      const part = this.#read(found);
      if (isTree(part.value)) this.#keep(part);
      return [[step, part]];
    });
    const numbered = parts.map(([step, { plain }]): [string, number] => [String(step), plain]);
    return {
      plain: this.#numberOfParts(isList, numbered),
      value: isList
        ? parts.map(([, { value }]) => value)
        : Object.fromEntries(parts.map(([step, { value }]) => [step, value])),
      marks: parts.flatMap(([step, { marks }]) =>
        marks.map(({ path, mark }) => ({ path: [step, ...path], mark })),
      ),
    };
  }

  #readText(object: string): Kept {
    const value = this.#doc.text(object);
    const marks = this.#doc.marks(object).flatMap(({ start, end, name, value: of }): InnerMark[] => {
      const isMark = of !== null && ["boolean", "number", "string"].includes(typeof of);
      return isMark ? [{ path: [], mark: { start, end, name, value: of as Mark["value"] } }] : [];
    });
    return { plain: this.#numberOf(value), value, marks };
  }

  #numberOf(value: DraftValue): number {
    if (value instanceof Map) {
      for (const content of value.values()) return this.#numberOf(content as DraftValue);
      return this.#number("nothing");
    }
    if (value instanceof Date) return this.#number(`date ${value.getTime()}`);
    if (value instanceof Uint8Array) return this.#number(`bytes ${value.join()}`);
    if (!isTree(value)) return this.#number(typeof value === "number" ? `${value}` : JSON.stringify(value));
    const parts = Object.entries(value).map(([key, part]): [string, number] => [key, this.#numberOf(part)]);
    return this.#numberOfParts(Array.isArray(value), parts);
  }

  #numberOfParts(isList: boolean, parts: readonly [string, number][]): number {
    const sorted = isList ? parts : parts.toSorted(([a], [b]) => (a < b ? -1 : 1));
    return this.#number(JSON.stringify([isList, ...sorted]));
  }

  #number(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const next = this.#numbers.size;
    this.#numbers.set(text, next);
    return next;
  }
}

const range = (length: number): readonly number[] => Array.from({ length }, (_, index) => index);

function toLeaf(content: unknown): DraftValue {
  if (typeof content === "bigint") return Number(content);
  if (content instanceof Date || content instanceof Uint8Array) return content;
  return typeof content === "string" || typeof content === "number" || typeof content === "boolean"
    ? content
    : null;
}
