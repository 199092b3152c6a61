/** A version of a document on its way to the next: a tree that is copied where it is touched only, and frozen at the end. */
import { shareStructure, type DocValue } from "../draft/index.ts";

/** Fields of a map. */
export type Fields = { readonly [key: string]: DocValue };

/** A value on its way: what is new or touched is a node. */
export type Work = DocValue | Node;
/** What is new or touched. */
export type Node = MapNode | ListNode | TextNode;

/** A map, from `source` or new: only what is changed is kept apart. */
export class MapNode {
  readonly #source: Fields | undefined;
  readonly #changed = new Map<string, Work | undefined>();
  #finished: Fields | undefined;

  constructor(source?: Fields) {
    this.#source = source;
  }

  get isNew(): boolean {
    return this.#source === undefined;
  }

  get(step: string | number): Work | undefined {
    const key = String(step);
    if (this.#changed.has(key)) return this.#changed.get(key);
    return this.#source !== undefined && Object.hasOwn(this.#source, key) ? this.#source[key] : undefined;
  }

  set(step: string | number, value: Work | undefined): void {
    this.#changed.set(String(step), value);
  }

  finish(): Fields {
    return (this.#finished ??= this.#finish());
  }

  #finish(): Fields {
    const source = this.#source ?? {};
    const fields: { [key: string]: DocValue } = { ...source };
    let isSame = !this.isNew;
    for (const [key, work] of this.#changed) {
      const old = Object.hasOwn(source, key) ? source[key] : undefined;
      const value = work === undefined ? undefined : settle(this.isNew, old, work);
      isSame &&= Object.is(old, value);
      if (value === undefined) Reflect.deleteProperty(fields, key);
      else
        Object.defineProperty(fields, key, { value, configurable: true, enumerable: true, writable: true });
    }
    return isSame ? source : Object.freeze(fields);
  }
}

/** A list, a copy of `source` or new. */
export class ListNode {
  readonly #source: readonly DocValue[] | undefined;
  readonly items: Work[];
  #finished: readonly DocValue[] | undefined;

  constructor(source?: readonly DocValue[]) {
    this.#source = source;
    this.items = source === undefined ? [] : [...source];
  }

  get isNew(): boolean {
    return this.#source === undefined;
  }

  get(step: string | number): Work | undefined {
    return this.items[Number(step)];
  }

  set(step: string | number, value: Work | undefined): void {
    if (value !== undefined) this.items[Number(step)] = value;
  }

  finish(): DocValue {
    return (this.#finished ??= this.#finish());
  }

  #finish(): readonly DocValue[] {
    const source = this.#source ?? [];
    const items = this.items.map((work, index) => settle(this.isNew, source[index], work));
    const isSame =
      !this.isNew &&
      items.length === source.length &&
      items.every((item, index) => Object.is(item, source[index]));
    return isSame ? source : Object.freeze(items);
  }
}

/** A text that is new: what is spliced into it belongs to the patch that makes it. */
export class TextNode {
  text: string;

  constructor(text: string) {
    this.text = text;
  }

  get isNew(): boolean {
    return true;
  }

  finish(): DocValue {
    return this.text;
  }
}

/** Tell what is new or touched. */
export function isNode(work: Work | undefined): work is Node {
  return work instanceof MapNode || work instanceof ListNode || work instanceof TextNode;
}

/** The value that it became, frozen. */
export function finish(work: Work): DocValue {
  return isNode(work) ? work.finish() : work;
}

/** The final value at a place: what is new there is shared with what was there before, when it is equal. */
function settle(isInNew: boolean, old: DocValue | undefined, work: Work): DocValue {
  const isNew = isNode(work) ? work.isNew : work instanceof Date || work instanceof Uint8Array;
  const value = finish(work);
  return isNew && !isInNew && old !== undefined ? shareStructure(old, value) : value;
}
