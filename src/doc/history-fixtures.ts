/** Random histories for tests: people who edit one document, each with a copy, and hear of each other now and then. */
import fc from "fast-check";
import type { DocValue, DraftOperation, DraftValue, Patch, Path } from "../draft/index.ts";
import type { DocChange, DocEngine, OpenDoc } from "./doc.ts";

type Fields = { readonly [key: string]: DocValue };

/** A step of a history; numbers choose among what is there at that moment. */
export interface Step {
  readonly person: number;
  /** hears of this one's changes first, if it is another */
  readonly hears: number;
  /** edits an earlier version, where it is not 0 */
  readonly behind: number;
  readonly edits: readonly Edit[];
}

export interface Edit {
  readonly place: number;
  readonly key: string;
  readonly kind: number;
  readonly at: number;
  readonly count: number;
  readonly text: string;
}

/** The first letter says what a field holds, so that edits know it from plain values. */
const keys = ["n", "t", "tt", "a", "c", "d", "b", "m", "mm", "ln", "lt", "lm", "lc", "__proto__n"] as const;
const texts = fc.constantFrom("", "a", "bc", "Ada", "a👍b", "é", "xyzw");

export const randomEdits: fc.Arbitrary<readonly Edit[]> = fc.array(
  fc.record({
    place: fc.nat(20),
    key: fc.constantFrom(...keys),
    kind: fc.nat(9),
    at: fc.nat(30),
    count: fc.nat(3),
    text: texts,
  }),
  { minLength: 1, maxLength: 5 },
);
const people = 3;
export const randomSteps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({ person: fc.nat(people - 1), hears: fc.nat(people - 1), behind: fc.nat(2), edits: randomEdits }),
  { minLength: 1, maxLength: 8 },
);

/** The actor of a person. */
export const actorOf = (person: number): string => `${10 + person}`.repeat(16);

/** A document that a history starts from. */
export const firstValue: { readonly [key: string]: DraftValue } = {
  n: 1,
  t: "Ada 👍 Lovelace",
  c: new Map([["counter", 5]]),
  m: { t: "inner", n: 2 },
  ln: [1, 2, 3, 4],
  lt: ["one", "two"],
  lm: [{ n: 1, t: "x" }, { n: 2 }],
  lc: [new Map([["counter", 1]]), new Map([["counter", 2]])],
};

/** Tells whether an operation is wanted, from what is there before it. */
export type OperationFilter = (operation: DraftOperation, found: DocValue | undefined) => boolean;

/** People with a copy of {@link firstValue} each, who edit it. Free them with `close`. */
export class RandomHistory {
  readonly engine: DocEngine;
  readonly docs: readonly OpenDoc[];
  readonly changes: DocChange[] = [];
  /** versions that there were, in order */
  readonly versions: (readonly string[])[] = [];

  constructor(engine: DocEngine, value = firstValue) {
    this.engine = engine;
    this.docs = Array.from({ length: people }, () => engine.createDoc());
    const operations = Object.entries(value).map(
      ([key, field]) => ({ op: "set", path: [key], value: field }) as const,
    );
    this.replay(0, operations);
    for (const doc of this.docs) doc.applyChanges(this.changes);
  }

  doc(person: number): OpenDoc {
    const doc = this.docs[person];
    if (doc === undefined) throw new RangeError("no such person");
    return doc;
  }

  run(steps: readonly Step[]): void {
    for (const { person, hears, behind, edits } of steps) {
      this.hear(person, hears);
      const doc = this.doc(person);
      const known = this.versions.filter((heads) => doc.hasHeads(heads));
      this.edit(person, edits, behind === 0 ? doc.heads : known.at(-behind));
    }
  }

  /** Bring one person all that another has. */
  hear(person: number, other: number): void {
    const from = this.doc(other);
    const result = this.doc(person).applyChanges(this.changes.filter(({ hash }) => from.hasHeads([hash])));
    if (result.rejected.length + result.waiting.length > 0)
      throw new RangeError("an honest change was refused");
    this.versions.push(this.doc(person).heads);
  }

  /** One change of a person; @returns its versions before and after, `undefined` when it changed nothing */
  edit(
    person: number,
    edits: readonly Edit[],
    before = this.doc(person).heads,
    filter: OperationFilter = () => true,
  ): { before: readonly string[]; after: readonly string[] } | undefined {
    const operations: DraftOperation[] = [];
    let value = this.doc(person).valueAt(before);
    for (const edit of edits) {
      const operation = operationOf(value, edit);
      if (operation === undefined || !filter(operation, at(value, operation.path))) continue;
      operations.push(operation);
      value = applyDully(value, operation);
    }
    const after = this.replay(person, operations, before);
    return after.join() === before.join() ? undefined : { before, after };
  }

  replay(
    person: number,
    operations: readonly DraftOperation[],
    baseHeads = this.doc(person).heads,
  ): readonly string[] {
    const result = this.doc(person).replay({ operations, baseHeads, actor: actorOf(person), timeMs: 0 });
    this.changes.push(...result.changes);
    this.versions.push(result.heads);
    return result.draftHeads;
  }

  close(): void {
    for (const doc of this.docs) doc.close();
  }
}

/** An edit as an operation on what is there; `undefined` when it finds nothing to do. */
export function operationOf(value: Fields, edit: Edit): DraftOperation | undefined {
  const maps = findMaps(value, []);
  const owner = maps[edit.place % maps.length] ?? [];
  const path: Path = [...owner, edit.key];
  const found = at(value, path);
  if (found === undefined) return { op: "set", path, value: fresh(edit.key, edit) };
  if (edit.kind === 0) return { op: "delete", path };
  if (edit.kind === 1) return { op: "set", path, value: fresh(edit.key, edit) };
  return editPart(edit.key, path, found, edit);
}

function editPart(key: string, path: Path, found: DocValue, edit: Edit): DraftOperation | undefined {
  if (key === "c" || key === "*c") return { op: "increment", path, by: edit.count + 1 };
  if (key.startsWith("t") || key === "*t") return editText(path, textOf(found), edit);
  if (Array.isArray(found)) return editList(key, path, found as readonly DocValue[], edit);
  return key.startsWith("m") || key === "*m" ? undefined : { op: "set", path, value: fresh(key, edit) };
}

function editText(
  path: Path,
  text: string,
  { kind, at: place, count, text: insert }: Edit,
): DraftOperation | undefined {
  const snap = (index: number): number => ((text.charCodeAt(index) & 0xfc00) === 0xdc00 ? index - 1 : index);
  const index = snap(place % (text.length + 1));
  const end = snap(Math.min(text.length, index + count));
  if (kind < 6) return { op: "spliceText", path, index, remove: end - index, insert };
  if (kind === 6) return { op: "updateText", path, value: insert + text.slice(index) };
  if (end === index) return undefined;
  const range = { start: index, end, expand: "none" } as const;
  return kind === 7
    ? { op: "unmark", path, range, name: "bold" }
    : { op: "mark", path, range, name: kind === 8 ? "bold" : "link", value: kind === 8 ? true : insert };
}

function editList(
  key: string,
  path: Path,
  list: readonly DocValue[],
  edit: Edit,
): DraftOperation | undefined {
  const index = edit.at % (list.length + 1);
  const element = `*${key.slice(1)}`;
  if (edit.kind < 6 || index === list.length) {
    const remove = Math.min(edit.count, list.length - index);
    const values = Array.from({ length: edit.kind % 3 }, () => fresh(element, edit));
    return { op: "splice", path, index, remove, values };
  }
  if (edit.kind === 6) return { op: "set", path: [...path, index], value: fresh(element, edit) };
  return editPart(element, [...path, index], list[index] ?? null, edit);
}

function fresh(key: string, edit: Edit): DraftValue {
  switch (key.replace("*", "")) {
    case "a":
      return new Map([["atomic", edit.text]]);
    case "c":
      return new Map([["counter", edit.at]]);
    case "d":
      return new Date(edit.at);
    case "b":
      return Uint8Array.of(edit.at, edit.count);
    case "t":
    case "tt":
      return edit.text;
    case "m":
    case "mm":
      return { t: edit.text, n: edit.at, ln: [edit.count], c: new Map([["counter", 1]]) };
    case "ln":
      return [edit.at, edit.count];
    case "lt":
      return [edit.text, ""];
    case "lm":
      return [{ t: edit.text }];
    case "lc":
      return [new Map([["counter", edit.at]])];
    default:
      return edit.at;
  }
}

/** A text; nothing that is none. */
export function textOf(value: unknown): string {
  if (typeof value !== "string") throw new Error(`a text was expected, and found ${typeof value}`);
  return value;
}

function findMaps(value: DocValue, path: Path): readonly Path[] {
  if (Array.isArray(value)) {
    const list: readonly DocValue[] = value;
    return list.flatMap((element, index) => findMaps(element, [...path, index]));
  }
  if (typeof value !== "object" || value === null || value instanceof Date || value instanceof Uint8Array)
    return [];
  return [path, ...Object.entries(value).flatMap(([key, element]) => findMaps(element, [...path, key]))];
}

function at(value: DocValue, path: Path): DocValue | undefined {
  let found: DocValue | undefined = value;
  for (const step of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Record<string | number, DocValue>)[step];
  }
  return found;
}

/** The dull twin of every fast path: a copy of all of it, and one operation or patch carried out on that. */
export function applyDully(value: Fields, operation: DraftOperation | Patch): Fields {
  const copy: Fields = structuredClone(value);
  const { path } = operation;
  const step = path.at(-1) ?? "";
  const owner = at(copy, path.slice(0, -1)) as Record<string | number, DocValue>;
  const put = (next: DocValue): void =>
    void Object.defineProperty(owner, step, {
      value: next,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  switch (operation.op) {
    case "set":
      put(plain(operation.value));
      break;
    case "delete":
      delete owner[step];
      break;
    case "splice":
      (owner[step] as DocValue[]).splice(operation.index, operation.remove, ...operation.values.map(plain));
      break;
    case "spliceText": {
      const text = textOf(owner[step]);
      put(text.slice(0, operation.index) + operation.insert + text.slice(operation.index + operation.remove));
      break;
    }
    case "updateText":
      put(operation.value);
      break;
    case "increment":
      put(Number(owner[step]) + operation.by);
      break;
    case "mark":
    case "unmark":
      break;
  }
  return copy;
}

function plain(value: DraftValue): DocValue {
  if (value instanceof Map) {
    const [first = null]: DocValue[] = [...(value as ReadonlyMap<string, DocValue>).values()];
    return first;
  }
  if (Array.isArray(value)) return (value as readonly DraftValue[]).map(plain);
  if (typeof value !== "object" || value === null || value instanceof Date || value instanceof Uint8Array)
    return value as DocValue;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner as DraftValue)]));
}
