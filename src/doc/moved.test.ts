/** What an edit moves keeps what plain data cannot say: counters, strings that are replaced as a whole, marks. */
import * as Automerge from "@automerge/automerge/slim";
import { beforeAll, describe, expect, it } from "vitest";
import {
  Atomic,
  Counter,
  encodeInitialValue,
  increment,
  mark,
  recordDraft,
  updateText,
  type DocData,
  type Draft,
  type Path,
} from "../draft/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import type { DocChange, DocEngine, OpenDoc } from "./doc.ts";
import { readKinds } from "./kinds-fixtures.ts";

let engine: DocEngine;
beforeAll(async () => {
  engine = await loadEngine();
});

interface Board {
  todo: unknown[];
  done: unknown[];
  list: unknown[];
  [key: string]: unknown;
}
interface Lists {
  counts: unknown[];
  tags: unknown[];
  notes: unknown[];
  other: unknown[];
  [key: string]: unknown;
}
const [theirs, ours] = ["0b".repeat(16), "0a".repeat(16)];

interface Made {
  readonly open: OpenDoc;
  readonly changes: DocChange[];
}

function make(value: object): Made {
  const { change } = engine.encodeCreate({ value: encodeInitialValue(value), actor: theirs, timeMs: 0 });
  const open = engine.createDoc();
  open.applyChanges([change]);
  return { open, changes: [change] };
}

/** Edit a document; what is shown at once is what is stored. */
function edit<T extends object>(
  { open, changes }: Made,
  run: (draft: T) => void,
  baseHeads = open.heads,
): void {
  const base = open.valueAt(baseHeads);
  const recorded = recordDraft<T>(base as DocData<T>, run as (draft: Draft<T>) => void);
  const isAlone = baseHeads.join() === open.heads.join();
  const operations = structuredClone(recorded.operations);
  changes.push(...open.replay({ operations, baseHeads, actor: ours, timeMs: 0 }).changes);
  if (isAlone) expect(open.value).toEqual(recorded.optimistic);
}

/** The document as others read it, with the kinds told. */
function kindsOf({ changes }: Made, path: Path = []): unknown {
  const [doc] = Automerge.applyChanges(
    Automerge.init(),
    changes.map(({ bytes }) => bytes),
  );
  const kinds = readKinds(Automerge.getBackend(doc));
  return path.reduce<unknown>((value, step) => (value as Record<string | number, unknown>)[step], kinds);
}

const task = (name: string, votes: number): object => ({
  name,
  votes: Counter(votes),
  status: Atomic("open"),
  due: new Date(5),
  photo: Uint8Array.of(1, 2),
  sub: [{ hits: Counter(votes + 1), note: "inner note" }],
});
const kindsOfTask = (name: string, votes: number, marks: readonly object[] = []): object => ({
  name: { text: name, marks: [] },
  votes: { counter: votes },
  status: { atomic: "open" },
  due: new Date(5),
  photo: Uint8Array.of(1, 2),
  sub: [{ hits: { counter: votes + 1 }, note: { text: "inner note", marks } }],
});
const bold = { start: 0, end: 5, name: "bold", value: true };

function board(): Made {
  const made = make({ todo: [task("first", 1), task("second", 2), task("third", 3)], done: [] });
  edit<Board>(made, (d) => mark(d, ["todo", 0, "sub", 0, "note"], { start: 0, end: 5 }, "bold", true));
  return made;
}
const marked = (): object => kindsOfTask("first", 1, [bold]);

describe("an object that is moved", () => {
  it.each<[string, (d: Board) => void, Path]>([
    ["by splice", (d) => d.todo.splice(2, 0, ...d.todo.splice(0, 1)), ["todo", 2]],
    ["by pop and unshift", (d) => d.todo.push(d.todo.shift()), ["todo", 2]],
    ["into another list", (d) => d.done.push(...d.todo.splice(0, 1)), ["done", 0]],
    ["into a field", (d) => (d.current = d.todo.shift()), ["current"]],
    ["into a new value", (d) => (d.box = { in: [d.todo.shift()] }), ["box", "in", 0]],
    [
      "with its list",
      (d) => ((x) => (Reflect.deleteProperty(d, "todo"), (d.other = x)))(d.todo),
      ["other", 0],
    ],
    [
      "as a part of what was removed",
      (d) => {
        d.wrap = { inner: d.todo.shift() };
        const { inner } = d.wrap as { inner: unknown };
        d.wrap = null;
        d.part = inner;
      },
      ["part"],
    ],
    ["by fill", (d) => d.todo.fill(d.todo.shift(), 1), ["todo", 1]],
    [
      "twice",
      (d) => {
        d.done.push(d.todo.shift());
        d.todo.unshift(d.done.pop());
      },
      ["todo", 0],
    ],
    ["to two places", (d) => ((x) => d.done.push(x, x))(d.todo.shift()), ["done", 1]],
  ])("keeps its kinds %s", (_, run, path) => {
    const made = board();
    edit(made, run);
    expect(kindsOf(made, path)).toEqual(marked());
  });

  it("goes on with them in the same edit, and later", () => {
    const made = board();
    edit<Board>(made, (d) => {
      const [first] = d.todo.splice(0, 1);
      d.done.push(first);
      increment(d, ["done", 0, "votes"], 4);
      updateText(d, ["done", 0, "name"], "first of all");
    });
    edit<Board>(made, (d) => increment(d, ["done", 0, "sub", 0, "hits"], 5));
    expect(kindsOf(made, ["done", 0])).toMatchObject({
      name: { text: "first of all" },
      votes: { counter: 5 },
      sub: [{ hits: { counter: 7 } }],
    });
  });

  it("keeps what the same edit had made or changed of it", () => {
    const made = board();
    edit<Board>(made, (d) => {
      d.todo.push({ fresh: Counter(1), kind: Atomic("a"), text: "a b" });
      mark(d, ["todo", 3, "text"], { start: 0, end: 1 }, "em", "x");
      increment(d, ["todo", 3, "fresh"], 2);
      d.done.push(d.todo.pop());
    });
    expect(kindsOf(made, ["done"])).toEqual([
      {
        fresh: { counter: 3 },
        kind: { atomic: "a" },
        text: { text: "a b", marks: [{ start: 0, end: 1, name: "em", value: "x" }] },
      },
    ]);
  });

  it("keeps them behind the heads, while others write", () => {
    const made = board();
    const before = made.open.heads;
    edit<Board>(made, (d) => d.todo.unshift(task("before", 9)));
    edit<Board>(made, (d) => d.done.push(...d.todo.splice(0, 1)), before);
    expect(kindsOf(made, ["done"])).toEqual([marked()]);
    expect(made.open.value).toMatchObject({
      todo: [{ name: "before" }, { name: "second" }, { name: "third" }],
    });
  });

  it("is what was moved, of several that read the same", () => {
    const made = make({ list: [{ n: 1 }, { n: Counter(1) }, { n: 1 }] });
    edit<Board>(made, (d) => d.list.push(...d.list.splice(0, 3)));
    expect(kindsOf(made, ["list"])).toEqual([{ n: 1 }, { n: { counter: 1 } }, { n: 1 }]);
  });
});

describe("a leaf that changes its place in lists", () => {
  const lists = (): Made => {
    const made = make({
      counts: [Counter(3), Counter(1), Counter(2)],
      tags: [Atomic("c"), Atomic("a"), Atomic("b")],
      notes: ["cc", "aa", "bb"],
      other: [],
    });
    edit<Lists>(made, (d) => mark(d, ["notes", 1], { start: 0, end: 2 }, "bold", true));
    return made;
  };
  const [one, two, three] = [1, 2, 3].map((counter) => ({ counter }));
  const [a, b, c] = ["a", "b", "c"].map((atomic) => ({ atomic }));
  const [aa, bb, cc] = ["aa", "bb", "cc"].map((text) => ({
    text,
    marks: text === "aa" ? [{ start: 0, end: 2, name: "bold", value: true }] : [],
  }));

  it.each<[string, (list: unknown[]) => unknown, unknown[][]]>([
    [
      "by splice",
      (list) => list.splice(2, 0, ...list.splice(0, 1)),
      [
        [one, two, three],
        [a, b, c],
        [aa, bb, cc],
      ],
    ],
    [
      "by pop and unshift",
      (list) => list.unshift(list.pop()),
      [
        [two, three, one],
        [b, c, a],
        [bb, cc, aa],
      ],
    ],
    [
      "by sort",
      (list) => list.sort(),
      [
        [one, two, three],
        [a, b, c],
        [aa, bb, cc],
      ],
    ],
    [
      "by reverse",
      (list) => list.reverse(),
      [
        [two, one, three],
        [b, a, c],
        [bb, aa, cc],
      ],
    ],
    [
      "by copyWithin",
      (list) => list.copyWithin(0, 1),
      [
        [one, two, two],
        [a, b, b],
        [aa, bb, bb],
      ],
    ],
    [
      "by sort, once more",
      (list) => (list.reverse(), list.sort()),
      [
        [one, two, three],
        [a, b, c],
        [aa, bb, cc],
      ],
    ],
  ])("keeps its kind %s", (_, run, [counts, tags, notes]) => {
    const made = lists();
    edit<Lists>(made, (d) => [d.counts, d.tags, d.notes].forEach(run));
    expect(kindsOf(made)).toEqual({ counts, tags, notes, other: [] });
  });

  it("keeps its kind in another list", () => {
    const made = lists();
    edit<Lists>(made, (d) => d.other.push(d.counts.pop(), d.tags.pop(), d.notes.splice(1, 1)[0]));
    expect(kindsOf(made, ["other"])).toEqual([two, b, aa]);
  });

  it("is what an edit says where it says another", () => {
    const made = lists();
    edit<Lists>(made, (d) => {
      d.counts.splice(0, 1, 3);
      d.tags[0] = "c";
      d.field = d.tags.pop();
    });
    expect(kindsOf(made)).toMatchObject({
      counts: [3, one, two],
      tags: [{ text: "c" }, a],
      field: { text: "b" },
    });
  });

  it("is the one that was moved, not one that went before it", () => {
    const made = make({ list: ["a", Atomic("a"), "b"], other: ["a", Atomic("a"), "b"], third: ["", "x"] });
    edit<Lists>(made, (d) => {
      (d.list as unknown[]).shift();
      (d.list as unknown[]).reverse();
      const other = d.other;
      other.shift();
      other.push(other.shift());
      (d.third as unknown[])[0] = Atomic("");
      (d.third as unknown[]).reverse();
    });
    expect(kindsOf(made)).toMatchObject({
      list: [{ text: "b" }, a],
      other: [{ text: "b" }, a],
      third: [{ text: "x" }, { atomic: "" }],
    });
  });
});
