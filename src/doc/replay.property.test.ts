/** The oracle of edits: recording and replaying equals running the same function inside `Automerge.change`. */
import * as Automerge from "@automerge/automerge/slim";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  Atomic,
  Counter,
  encodeInitialValue,
  increment,
  mark,
  recordDraft,
  splice,
  unmark,
  updateText,
  type DocValue,
} from "../draft/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import type { DocChange, DocEngine, OpenDoc } from "./doc.ts";
import { readPlain } from "./plain.ts";

const numRuns = Number(process.env.COFFER_RUNS ?? 500);
const actors = { ours: "0a".repeat(16), theirs: "0b".repeat(16), oracle: "0a".repeat(16) };

let engine: DocEngine;
beforeAll(async () => {
  engine = await loadEngine();
});

type Leaf =
  | { readonly leaf: "plain"; readonly value: unknown }
  | { readonly leaf: "counter"; readonly start: number }
  | { readonly leaf: "atomic"; readonly text: string };
type Tree = Leaf | readonly Tree[] | { readonly tree: readonly (readonly [string, Tree])[] };

// Automerge's text functions cannot say keys with "/" or empty ones; unit tests cover those
const keys = fc.constantFrom(
  "a",
  "b",
  "c",
  "name",
  "constructor",
  "toString",
  "hasOwnProperty",
  "length",
  "0",
  "é~",
);
const texts = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom("", "Ada", "a👍b", "é", "two\nlines"));
const numbers = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true }).filter((n) => Math.abs(n) < 2 ** 62),
  fc.constantFrom(0, -1, 2 ** 53, 0.5),
);
const leaves: fc.Arbitrary<Leaf> = fc.oneof(
  { weight: 3, arbitrary: texts.map((value): Leaf => ({ leaf: "plain", value })) },
  { weight: 2, arbitrary: numbers.map((value): Leaf => ({ leaf: "plain", value: value + 0 })) },
  fc.boolean().map((value): Leaf => ({ leaf: "plain", value })),
  fc.constant<Leaf>({ leaf: "plain", value: null }),
  fc.integer({ min: -1e6, max: 1e12 }).map((ms): Leaf => ({ leaf: "plain", value: new Date(ms) })),
  fc.uint8Array({ maxLength: 4 }).map((value): Leaf => ({ leaf: "plain", value })),
  fc.integer({ min: -9, max: 9 }).map((start): Leaf => ({ leaf: "counter", start })),
  texts.map((text): Leaf => ({ leaf: "atomic", text })),
);
const { node: trees } = fc.letrec<{ node: Tree }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaves,
    fc.array(tie("node"), { maxLength: 4 }),
    fc
      .uniqueArray(fc.tuple(keys, tie("node")), { maxLength: 4, selector: ([key]) => key })
      .map((tree) => ({ tree })),
  ),
}));
const documents = fc
  .uniqueArray(fc.tuple(keys, trees), { maxLength: 6, selector: ([key]) => key })
  .map((tree): Tree => ({
    tree: [
      ...tree,
      ["list", [{ leaf: "plain", value: "x" }, { tree: [] }]],
      ["text", { leaf: "plain", value: "Ada 👍 Lovelace" }],
      ["count", { leaf: "counter", start: 1 }],
    ],
  }));

/** One side of the comparison: how its language says counters, atomic strings and the functions. */
interface Language {
  counter(start: number): unknown;
  atomic(text: string): unknown;
  splice(root: unknown, path: (string | number)[], index: number, remove: number, insert: string): void;
  updateText(root: unknown, path: (string | number)[], value: string): void;
  increment(root: unknown, path: (string | number)[], by: number): void;
  mark(
    root: unknown,
    path: (string | number)[],
    range: { start: number; end: number; expand: "none" | "both" },
    name: string,
    value: string | boolean,
  ): void;
  unmark(
    root: unknown,
    path: (string | number)[],
    range: { start: number; end: number; expand: "none" | "both" },
    name: string,
  ): void;
}

type Box = Record<string, unknown>;
const at = (root: unknown, path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>((value, step) => (value as Box)[step], root);

const drafts: Language = { counter: Counter, atomic: Atomic, splice, updateText, increment, mark, unmark };
const direct: Language = {
  counter: (start) => new Automerge.Counter(start),
  atomic: (text) => new Automerge.ImmutableString(text),
  splice: (root, path, index, remove, insert) =>
    Automerge.splice(at(root, path.slice(0, -1)) as Box, path.slice(-1) as string[], index, remove, insert),
  updateText: (root, path, value) =>
    Automerge.updateText(at(root, path.slice(0, -1)) as Box, path.slice(-1) as string[], value),
  increment: (root, path, by) => (at(root, path) as { increment(by: number): void }).increment(by),
  mark: (root, path, range, name, value) =>
    Automerge.mark(at(root, path.slice(0, -1)) as Box, path.slice(-1) as string[], range, name, value),
  unmark: (root, path, range, name) =>
    Automerge.unmark(at(root, path.slice(0, -1)) as Box, path.slice(-1) as string[], range, name),
};

function build(language: Language, tree: Tree): unknown {
  if ("leaf" in tree) {
    if (tree.leaf === "counter") return language.counter(tree.start);
    return tree.leaf === "atomic" ? language.atomic(tree.text) : tree.value;
  }
  if ("tree" in tree)
    return Object.fromEntries(tree.tree.map(([key, inner]) => [key, build(language, inner)]));
  return tree.map((inner) => build(language, inner));
}

/** A random edit; `pick` numbers choose places among what the document shows at that moment. */
interface Edit {
  readonly kind: number;
  readonly pick: number;
  readonly at: number;
  readonly count: number;
  readonly key: string;
  readonly text: string;
  readonly values: readonly Tree[];
}
const edits: fc.Arbitrary<readonly Edit[]> = fc.array(
  fc.record({
    kind: fc.nat(16),
    pick: fc.nat(),
    at: fc.nat(),
    count: fc.nat(3),
    key: keys,
    text: texts,
    values: fc.array(trees, { minLength: 1, maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 8 },
);

interface Places {
  readonly maps: (string | number)[][];
  readonly lists: (string | number)[][];
  readonly texts: (string | number)[][];
  readonly counters: (string | number)[][];
}

/** All places of a document, found in a model that both sides agree on: `shape` is Automerge's own proxy or ours. */
function findPlaces(
  value: unknown,
  kinds: Map<string, string>,
  path: (string | number)[] = [],
  places: Places = { maps: [], lists: [], texts: [], counters: [] },
): Places {
  const kind = kinds.get(JSON.stringify(path));
  if (kind === "counter") places.counters.push(path);
  else if (kind === "text") places.texts.push(path);
  else if (Array.isArray(value)) {
    places.lists.push(path);
    value.forEach((inner, index) => findPlaces(inner, kinds, [...path, index], places));
  } else if (kind === "map") {
    places.maps.push(path);
    for (const key of Object.keys(value as Box).sort())
      findPlaces((value as Box)[key], kinds, [...path, key], places);
  }
  return places;
}

/** What is where, by running the edits in Automerge alone: the page cannot tell an atomic string from text. */
function kindsOf(root: unknown): Map<string, string> {
  const kinds = new Map<string, string>();
  const walk = (value: unknown, path: (string | number)[]): void => {
    const key = JSON.stringify(path);
    // lists first: asked for any symbol, Automerge's list proxy says that it has it
    if (!Array.isArray(value) && Automerge.isCounter(value)) kinds.set(key, "counter");
    else if (typeof value === "string") kinds.set(key, "text");
    else if (Array.isArray(value)) {
      kinds.set(key, "list");
      for (let i = 0; i < value.length; i++) walk(value[i], [...path, i]);
    } else if (
      typeof value === "object" &&
      value !== null &&
      !(value instanceof Date || value instanceof Uint8Array || Automerge.isImmutableString(value))
    ) {
      kinds.set(key, "map");
      for (const step of Object.keys(value)) walk((value as Box)[step], [...path, step]);
    }
  };
  walk(root, []);
  return kinds;
}

/** Cut a place in text back to the start of a character. */
const snap = (text: string, index: number): number =>
  (text.charCodeAt(index) & 0xfc00) === 0xdc00 ? index - 1 : index;

interface Planned {
  readonly edit: Edit;
  readonly places: Places;
}

function applyEdit(language: Language, root: unknown, { edit, places }: Planned): void {
  const choose = <T>(list: readonly T[]): T | undefined => list[edit.pick % Math.max(list.length, 1)];
  const values = edit.values.map((tree) => build(language, tree));
  const [value] = values;
  const map = at(root, choose(places.maps) ?? []) as Box;
  const listPath = choose(places.lists);
  // without a list the edit of one falls on a list of its own, which nobody sees
  const list = listPath === undefined ? fallbackList() : (at(root, listPath) as unknown[]);
  const index = edit.at % Math.max(list.length, 1);
  const textPath = choose(places.texts);
  const text = textPath === undefined ? "" : String(at(root, textPath));
  const from = snap(text, edit.at % (text.length + 1));
  const to = snap(text, Math.min(text.length, from + edit.count));
  const counterPath = choose(places.counters);
  switch (edit.kind) {
    case 0:
    case 1:
      map[edit.key] = value;
      break;
    case 2:
      delete map[Object.keys(map).sort()[edit.at % Math.max(Object.keys(map).length, 1)] ?? "none"];
      break;
    case 3:
      list.push(...values);
      break;
    case 4:
      list.unshift(...values);
      break;
    case 5:
      list.pop();
      break;
    case 6:
      list.shift();
      break;
    case 7:
      list.splice(index, Math.min(edit.count, list.length - index), ...values);
      break;
    case 8:
      list.splice(index);
      break;
    case 9:
      if (list.length > 0) list[index] = value;
      break;
    case 10:
      (list as unknown as { insertAt(index: number, ...values: unknown[]): void }).insertAt(index, ...values);
      break;
    case 11:
      if (list.length > 0 && listPath !== undefined && !isCounterAt(places, [...listPath, index]))
        (list as unknown as { deleteAt(index: number): void }).deleteAt(index);
      break;
    case 12:
      if (textPath !== undefined) language.splice(root, textPath, from, to - from, edit.text);
      break;
    case 13:
      if (textPath !== undefined) language.updateText(root, textPath, edit.text);
      break;
    case 14:
      if (counterPath !== undefined) language.increment(root, counterPath, edit.count + 1);
      break;
    case 15:
      if (textPath !== undefined && from < to)
        language.mark(
          root,
          textPath,
          { start: from, end: to, expand: "none" },
          "bold",
          edit.count > 1 ? true : edit.text,
        );
      break;
    default:
      if (textPath !== undefined && from < to)
        language.unmark(root, textPath, { start: from, end: to, expand: "none" }, "bold");
  }
}

function fallbackList(): unknown[] {
  return Object.assign([], { insertAt: () => undefined, deleteAt: () => undefined });
}

const isCounterAt = (places: Places, path: (string | number)[]): boolean =>
  places.counters.some((other) => JSON.stringify(other) === JSON.stringify(path));

/** Run edits in Automerge; what was there before each one is noted, for the recorder to take the same places. */
function runDirect(
  doc: Automerge.Doc<Box>,
  list: readonly Edit[],
  heads?: string[],
): { doc: Automerge.Doc<Box>; plan: readonly Planned[]; heads: string[] } {
  const plan: Planned[] = [];
  const edit = (root: Box): void => {
    for (const one of list) {
      const planned = { edit: one, places: findPlaces(root, kindsOf(root)) };
      plan.push(planned);
      applyEdit(direct, root, planned);
    }
  };
  if (heads === undefined) {
    const next = Automerge.change(doc, edit);
    return { doc: next, plan, heads: Automerge.getHeads(next) };
  }
  try {
    const { newDoc, newHeads } = Automerge.changeAt(doc, heads, edit);
    return { doc: newDoc, plan, heads: newHeads ?? heads };
  } catch (cause) {
    // the oracle itself stumbles, rarely, over patches of counters in lists; it then throws a bare string
    fc.pre(typeof cause !== "string");
    throw cause;
  }
}

/** As everyone else reads it: from its changes, in a document that was never isolated. */
function plainOf(doc: Automerge.Doc<Box>): { readonly [key: string]: DocValue } {
  const [fresh] = Automerge.applyChanges(Automerge.init<Box>(), Automerge.getAllChanges(doc));
  const value = readPlain(Automerge.getBackend(fresh));
  Automerge.free(fresh);
  return value;
}

function replayed(
  open: OpenDoc,
  base: { readonly [key: string]: DocValue },
  baseHeads: readonly string[],
  plan: readonly Planned[],
) {
  const recorded = recordDraft<Box>(base, (root) => {
    for (const planned of plan) applyEdit(drafts, root, planned);
  });
  const result = open.replay({
    operations: structuredClone(recorded.operations),
    baseHeads,
    actor: actors.ours,
    timeMs: 1_000,
  });
  return { optimistic: recorded.optimistic, result };
}

function start(tree: Tree): { open: OpenDoc; doc: Automerge.Doc<Box>; first: DocChange } {
  const { change } = engine.encodeInitial({
    value: encodeInitialValue(build(drafts, tree)),
    actor: actors.theirs,
    timeMs: 0,
  });
  const open = engine.createDoc();
  expect(open.applyChanges([change]).applied).toEqual([change]);
  const [doc] = Automerge.applyChanges(Automerge.init<Box>({ actor: actors.oracle }), [change.bytes]);
  return { open, doc, first: change };
}

function parse(bytes: Uint8Array): DocChange {
  const verdict = engine.parseChange(bytes);
  if (verdict.kind !== "change") throw new Error(verdict.reason);
  return verdict.change;
}

describe("recording and replaying an edit", () => {
  it("equals running it in Automerge.change, and shows at once what is stored", () => {
    fc.assert(
      fc.property(documents, edits, (tree, list) => {
        const { open, doc, first } = start(tree);
        expect(open.value).toEqual(plainOf(doc));
        const base = open.value;
        const copy = structuredClone(base);
        const after = runDirect(doc, list);
        const { optimistic, result } = replayed(open, base, open.heads, after.plan);
        expect(open.value).toEqual(plainOf(after.doc));
        expect(optimistic).toEqual(open.value);
        expect(base).toEqual(copy);
        expect(result.heads).toEqual(open.heads);
        const other = engine.createDoc();
        other.applyChanges([...result.changes, first]);
        expect(other.value).toEqual(open.value);
        open.close();
        other.close();
        Automerge.free(after.doc);
      }),
      { numRuns },
    );
  }, 600_000);

  it("equals it also behind the heads, merged with what others wrote", () => {
    fc.assert(
      fc.property(documents, edits, edits, edits, (tree, theirs, ours, later) => {
        const { open, doc } = start(tree);
        const base = open.value;
        const baseHeads = open.heads;
        const forked = Automerge.clone(doc, { actor: actors.theirs });
        const remote = runDirect(forked, theirs).doc;
        const changes = Automerge.getChanges(doc, remote).map(parse);
        expect(open.applyChanges(changes).applied).toEqual(changes);
        let oracle = Automerge.merge(doc, remote);
        const first = runDirect(oracle, ours, [...baseHeads]);
        oracle = first.doc;
        const one = replayed(open, base, baseHeads, first.plan);
        expect(open.value).toEqual(plainOf(oracle));
        // a second edit recorded on the first one's optimistic value
        const headsOfOurs = one.result.draftHeads;
        const second = runDirect(oracle, later, first.heads);
        const two = replayed(
          open,
          one.optimistic as { readonly [key: string]: DocValue },
          headsOfOurs,
          second.plan,
        );
        expect(open.value).toEqual(plainOf(second.doc));
        expect(two.result.heads).toEqual(open.heads);
        for (const { actor } of [...one.result.changes, ...two.result.changes])
          expect(actor.endsWith(actors.ours)).toBe(true);
        open.close();
        Automerge.free(second.doc);
      }),
      { numRuns },
    );
  }, 600_000);
});
