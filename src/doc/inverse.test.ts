import { beforeAll, describe, expect, it } from "vitest";
import type { DraftOperation, DraftValue } from "../draft/index.ts";
import { loadEngine } from "./automerge-fixtures.ts";
import type { DocEngine } from "./doc.ts";
import { RandomHistory } from "./history-fixtures.ts";

let engine: DocEngine;
beforeAll(async () => {
  engine = await loadEngine();
});

const counter = (start: number): DraftValue => new Map([["counter", start]]);
const atomic = (text: string): DraftValue => new Map([["atomic", text]]);
const [ours, theirs] = [0, 1];

/** One person's edit, what another writes with or without having seen it, and then the edit taken back. */
function takeBack(
  value: { readonly [key: string]: DraftValue },
  edit: readonly DraftOperation[],
  others: { readonly seen?: readonly DraftOperation[]; readonly unseen?: readonly DraftOperation[] } = {},
): { value: unknown; operations: readonly DraftOperation[] } {
  const history = new RandomHistory(engine, value);
  const doc = history.doc(ours);
  const before = doc.heads;
  const after = history.replay(ours, edit);
  if (others.unseen !== undefined) history.replay(theirs, others.unseen);
  if (others.seen !== undefined) {
    history.hear(theirs, ours);
    history.replay(theirs, others.seen);
  }
  history.hear(ours, theirs);
  const operations = doc.inverse(before, after);
  history.replay(ours, operations, after);
  const result = doc.value;
  history.hear(theirs, ours);
  expect(history.doc(theirs).value).toEqual(result);
  history.close();
  return { value: result, operations };
}

describe("taking back a field", () => {
  const set = (value: DraftValue): DraftOperation => ({ op: "set", path: ["f"], value });
  const remove: DraftOperation = { op: "delete", path: ["f"] };

  it("puts what was there before, of its type", () => {
    for (const before of [
      1,
      true,
      null,
      "text",
      atomic("a"),
      counter(3),
      new Date(5),
      2 ** 60,
      { a: [{ t: "x" }] },
    ]) {
      expect(takeBack({ f: before }, [set("new")]).operations).toEqual([
        { op: "set", path: ["f"], value: before },
      ]);
      expect(takeBack({ f: before }, [remove]).operations).toEqual([
        { op: "set", path: ["f"], value: before },
      ]);
    }
    expect(takeBack({}, [set(1)]).value).toEqual({});
    expect(takeBack({ f: 1 }, [set(2), set(1)]).value).toEqual({ f: 1 });
  });

  it("leaves what somebody wrote since", () => {
    expect(takeBack({ f: 1 }, [set(2)], { seen: [set(3)] })).toEqual({ value: { f: 3 }, operations: [] });
    expect(takeBack({ f: 1 }, [set(2)], { seen: [remove] })).toEqual({ value: {}, operations: [] });
    expect(takeBack({ f: 1 }, [remove], { seen: [set(3)] })).toEqual({ value: { f: 3 }, operations: [] });
    expect(takeBack({}, [set(2)], { seen: [set(3)] })).toEqual({ value: { f: 3 }, operations: [] });
  });

  it("shows what somebody wrote at the same time, whoever won", () => {
    // with more written before it, an edit wins
    const filler = Array.from({ length: 5 }, (_, i): DraftOperation => ({
      op: "set",
      path: ["x"],
      value: i,
    }));
    for (const unseen of [[set(3)], [...filler, set(3)]]) {
      for (const edit of [[set(2)], [...filler, ...filler, set(2)], [remove]]) {
        expect(takeBack({ f: 1 }, edit, { unseen }).value).toMatchObject({ f: 3 });
        expect(takeBack({}, [set(2), ...edit], { unseen }).value).toMatchObject({ f: 3 });
      }
    }
    expect(takeBack({ f: 1 }, [remove], { unseen: [remove] }).value).toEqual({});
    expect(takeBack({ f: 1 }, [set(2)], { unseen: [remove] }).value).toEqual({});
  });

  it("takes counted steps off, whatever was counted besides", () => {
    const add = (by: number): DraftOperation => ({ op: "increment", path: ["f"], by });
    expect(takeBack({ f: counter(1) }, [add(5)], { seen: [add(10)], unseen: [add(100)] })).toEqual({
      value: { f: 111 },
      operations: [add(-5)],
    });
    expect(takeBack({ f: counter(1) }, [add(5), add(-5)]).operations).toEqual([]);
  });

  it("keeps a new container that somebody else wrote into, and one that is back keeps its marks", () => {
    const made = set({ t: "abc", list: [{ n: 1 }] });
    const inside: DraftOperation = { op: "set", path: ["f", "list", 0, "n"], value: 2 };
    expect(takeBack({}, [made]).value).toEqual({});
    expect(takeBack({}, [made], { seen: [inside] })).toEqual({
      value: { f: { t: "abc", list: [{ n: 2 }] } },
      operations: [],
    });
    expect(takeBack({ g: 1 }, [made], { seen: [{ op: "set", path: ["g"], value: 2 }] }).value).toEqual({
      g: 2,
    });
    const history = new RandomHistory(engine, { f: { t: "abcd" } });
    const doc = history.doc(ours);
    const range = { start: 1, end: 3 };
    const before = history.replay(ours, [{ op: "mark", path: ["f", "t"], range, name: "bold", value: true }]);
    const after = history.replay(ours, [remove]);
    history.replay(ours, doc.inverse(before, after), after);
    expect(doc.marks(["f", "t"])).toEqual([{ ...range, name: "bold", value: true }]);
    history.close();
  });
});

describe("taking back in lists and text", () => {
  const splice = (index: number, remove: number, ...values: DraftValue[]): DraftOperation => ({
    op: "splice",
    path: ["l"],
    index,
    remove,
    values,
  });
  const type = (index: number, remove: number, insert: string): DraftOperation => ({
    op: "spliceText",
    path: ["t"],
    index,
    remove,
    insert,
  });
  const at = (index: number, value: DraftValue): DraftOperation => ({ op: "set", path: ["l", index], value });

  it("keeps the elements and characters of others", () => {
    expect(
      takeBack({ l: [1, 2, 3] }, [splice(1, 1, 7, 8)], { unseen: [splice(3, 0, 4)], seen: [splice(0, 0, 0)] })
        .value,
    ).toEqual({
      l: [0, 1, 2, 3, 4],
    });
    expect(
      takeBack({ t: "one three" }, [type(4, 0, "two ")], { seen: [type(13, 0, "!"), type(5, 0, "-")] }).value,
    ).toEqual({
      t: "one -three!",
    });
    expect(takeBack({ t: "one two" }, [type(3, 4, "")], { unseen: [type(0, 3, "1")] }).value).toEqual({
      t: "1 two",
    });
  });

  it("brings nothing back that others removed too, nor twice what is there", () => {
    expect(takeBack({ t: "abcdef" }, [type(1, 4, "")], { unseen: [type(2, 2, "")] }).value).toEqual({
      t: "abef",
    });
    expect(takeBack({ t: "a👍b👍c" }, [type(0, 7, "")], { unseen: [type(1, 2, "")] }).value).toEqual({
      t: "ab👍c",
    });
    expect(takeBack({ l: [1, 2, 3] }, [splice(0, 3)], { unseen: [splice(1, 1)] }).value).toEqual({
      l: [1, 3],
    });
    expect(takeBack({ l: [1, 2, 3] }, [splice(0, 3)], { unseen: [at(1, 9)] }).value).toEqual({
      l: [1, 3, 9],
    });
  });

  it("takes an element as a field: by who wrote it last", () => {
    expect(takeBack({ l: [1, 2, 3] }, [at(1, 7)]).value).toEqual({ l: [1, 2, 3] });
    expect(takeBack({ l: [1, 2, 3] }, [at(1, 7)], { seen: [splice(0, 0, 0), at(2, 8)] }).value).toEqual({
      l: [0, 1, 8, 3],
    });
    expect(takeBack({ l: [1, 2, 3] }, [at(1, 7)], { unseen: [at(1, 8)] }).value).toEqual({ l: [1, 8, 3] });
    expect(
      takeBack({ l: [1] }, [splice(1, 0, { n: 1 }, 5)], {
        seen: [{ op: "set", path: ["l", 1, "n"], value: 2 }],
      }).value,
    ).toEqual({
      l: [1, { n: 2 }],
    });
    expect(takeBack({ l: [1] }, [splice(1, 0, 5, 6)], { seen: [at(1, 9)] }).value).toEqual({ l: [1, 9] });
  });

  it("reverses marks, and gives those back that were removed with their text", () => {
    const mark = (start: number, end: number, value: string): DraftOperation => ({
      op: "mark",
      path: ["t"],
      range: { start, end, expand: "none" },
      name: "link",
      value,
    });
    const history = new RandomHistory(engine, { t: "one two three" });
    const doc = history.doc(ours);
    const marks = (): readonly unknown[] =>
      doc.marks(["t"]).map(({ start, end, value }) => [start, end, value]);
    history.replay(ours, [mark(4, 7, "a")]);
    const before = doc.heads;
    const after = history.replay(ours, [mark(0, 5, "b"), type(3, 4, ""), mark(5, 8, "c")]);
    history.hear(theirs, ours);
    history.replay(theirs, [mark(6, 8, "d")]);
    history.hear(ours, theirs);
    history.replay(ours, doc.inverse(before, after), after);
    expect(doc.value).toEqual({ t: "one two three" });
    expect(marks()).toEqual([
      [4, 7, "a"],
      [10, 12, "d"],
    ]);
    history.close();
  });

  it("asks for versions that are here", () => {
    const history = new RandomHistory(engine, { t: "x" });
    const doc = history.doc(ours);
    const unknown = ["00".repeat(32)];
    for (const call of [
      () => doc.inverse(unknown, doc.heads),
      () => doc.inverse(doc.heads, unknown),
      () => doc.diff(unknown, doc.heads),
      () => doc.diff(doc.heads, unknown),
      () => doc.valueAt(unknown),
      () => doc.valueAt(["x"]),
      () => doc.marks(["y"]),
      () => doc.marks([]),
      () => doc.marks(["t", 0]),
    ])
      expect(call).toThrow(expect.objectContaining({ code: "input/invalid" }));
    expect(doc.inverse(doc.heads, doc.heads)).toEqual([]);
    history.close();
  });
});
