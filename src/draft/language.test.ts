import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  applyPatches,
  Counter,
  current,
  decodeValue,
  increment,
  mark,
  recordDraft,
  shareStructure,
  splice,
  updateText,
  type DocValue,
  type DraftOperation,
  type DraftValue,
  type Patch,
} from "./index.ts";
import { runsOf } from "../std/runs-fixtures.ts";

interface Item {
  id: number;
  tags?: string[];
  in?: { n: number };
}
interface Shape {
  items: Item[];
  leaves: unknown[];
  text: string;
  hits: number;
  a: { b: { c: string; list: string[] } };
  [key: string]: unknown;
}

const base = shareStructure<Shape>(undefined, {
  items: [{ id: 1 }, { id: 2, in: { n: 1 } }, { id: 3 }],
  leaves: [3, "b", 1, "a", null, true, new Date(5), Uint8Array.of(1)],
  text: "Ada",
  hits: 1,
  a: { b: { c: "x", list: ["l"] } },
});

const record = (edit: (draft: Shape) => unknown) =>
  recordDraft<Shape>(base as never, edit as never) as unknown as {
    operations: DraftOperation[];
    optimistic: Shape;
  };
const failure = (edit: (draft: Shape) => unknown): unknown => {
  try {
    record(edit);
  } catch (error) {
    return error;
  }
  return undefined;
};
const ids = (shape: Shape): number[] => shape.items.map(({ id }) => id);

/** What plain values become by the operations: they hold no text functions and no counters here. */
const carriedOut = (operations: readonly DraftOperation[]): unknown =>
  applyPatches(base as never, plain(operations) as readonly Patch[]);

/** The operations with what was moved as plain values. */
const plain = (operations: readonly DraftOperation[]): readonly unknown[] =>
  operations.map((operation) => {
    if (operation.op === "set") return { ...operation, value: decodeValue(operation.value) };
    return operation.op === "splice"
      ? { ...operation, values: operation.values.map(decodeValue) }
      : operation;
  });

const moved = (value: DraftValue): DraftValue => new Map([["moved", value]]);

describe("moving what was removed", () => {
  it("puts an element elsewhere in its list, and goes on there", () => {
    const { operations, optimistic } = record((d) => {
      const [first] = d.items.splice(0, 1);
      d.items.splice(2, 0, first as Item);
      (first as Item).tags = ["late"];
      (d.items[2] as Item).id = 9;
    });
    expect(ids(optimistic)).toEqual([2, 3, 9]);
    expect(optimistic.items[2]).toEqual({ id: 9, tags: ["late"] });
    expect(operations).toEqual([
      { op: "splice", path: ["items"], index: 0, remove: 1, values: [] },
      { op: "splice", path: ["items"], index: 2, remove: 0, values: [moved({ id: 1 })] },
      { op: "set", path: ["items", 2, "tags"], value: ["late"] },
      { op: "set", path: ["items", 2, "id"], value: 9 },
    ]);
    expect(carriedOut(operations)).toEqual(optimistic);
  });

  it.each<[string, (d: Shape) => unknown]>([
    ["splice in splice", (d) => d.items.splice(1, 0, ...d.items.splice(2, 1))],
    ["pop and unshift", (d) => d.items.unshift(d.items.pop() as Item)],
    ["shift and push", (d) => d.items.push(d.items.shift() as Item)],
    [
      "delete and assign",
      (d) => ((x) => (delete (d as Record<string, unknown>).a, (d.b = x), (x.b.c = "y")))(d.a),
    ],
    [
      "replace and assign",
      (d) => ((x) => ((d.a = { b: { c: "", list: [] } }), (d.old = x), x.b.list.push("m")))(d.a),
    ],
    ["cut by length", (d) => ((x) => ((d.items.length = 1), d.items.push(x)))(d.items[2] as Item)],
    ["delete an element", (d) => ((x) => (delete d.items[0], (d.items[0] = x)))(d.items[0] as Item)],
    [
      "inside a new value",
      (d) => ((x) => (delete (d as Record<string, unknown>).a, (d.w = { x: [x] })))(d.a),
    ],
    ["in another list", (d) => ((d.other = []), (d.other as unknown[]).push(d.items.pop()))],
    ["fill", (d) => ((x) => d.items.fill(x))(d.items.pop() as Item)],
    ["the list itself", (d) => ((x) => ((d.items = []), (d.was = x), x.push({ id: 5 })))(d.items)],
    ["all of it, backwards", (d) => d.items.push(...d.items.splice(0).toReversed())],
  ])("works by %s", (_, edit) => {
    const { operations, optimistic } = record(edit);
    expect(operations.length).toBeGreaterThan(0);
    expect(carriedOut(structuredClone(operations))).toEqual(optimistic);
    expect(Object.isFrozen(optimistic)).toBe(true);
  });

  it("keeps the very object where nothing of it changed", () => {
    const { optimistic } = record((d) => d.items.push(d.items.shift() as Item));
    expect(optimistic.items[2]).toBe(base.items[0]);
  });

  it("copies for the second place", () => {
    const { operations, optimistic } = record((d) => {
      const item = d.items.pop() as Item;
      d.items.push(item, item);
      item.id = 8;
    });
    expect(ids(optimistic)).toEqual([1, 2, 8, 3]);
    expect(carriedOut(operations)).toEqual(optimistic);
  });

  it("takes a part out of what was removed, which may come back without it being the same", () => {
    const { operations, optimistic } = record((d) => {
      const { a } = d;
      const { b } = a;
      delete (d as Record<string, unknown>).a;
      d.b = b;
      d.a = a;
      b.c = "moved";
      d.a.b.c = "stayed";
    });
    expect([optimistic.b, optimistic.a]).toEqual([
      { c: "moved", list: ["l"] },
      { b: { c: "stayed", list: ["l"] } },
    ]);
    expect(carriedOut(operations)).toEqual(optimistic);
  });

  it("refuses what is still there, and edits of what is not", () => {
    const attached = "already in the document: assign a copy made by current()";
    expect(failure((d) => (d.b = d.a))).toMatchObject({ message: `/b: ${attached}` });
    expect(failure((d) => (d.items = d.items.filter(({ id }) => id > 1)))).toMatchObject({
      message: `/items/0: ${attached}`,
    });
    expect(failure((d) => ((d.items.pop() as Item).id = 1))).toMatchObject({
      code: "input/invalid",
      message: expect.stringContaining("was removed"),
    });
    let other: unknown;
    record((d) => {
      other = d.items.pop();
    });
    expect(failure((d) => (d.x = other))).toMatchObject({ message: `/x: ${attached}` });
  });

  it("equals moving plain values, whatever is moved where", () => {
    const moves = fc.array(fc.tuple(fc.nat(4), fc.nat(5), fc.nat(5)), { maxLength: 8 });
    fc.assert(
      fc.property(moves, (list) => {
        const run = (root: Shape, copy: <T>(value: T) => T): void => {
          const spare: Item[] = [];
          for (const [kind, from, to] of list) {
            const item = root.items[from % Math.max(root.items.length, 1)];
            if (kind === 0) root.items.splice(to, 0, ...root.items.splice(from, 1).map((item) => copy(item)));
            else if (kind === 1) spare.push(...root.items.splice(from, 1));
            else if (kind === 2) root.items.splice(to, 0, ...spare.splice(0, 1).map((item) => copy(item)));
            else if (kind === 3 && item !== undefined) item.id += 10;
            else if (item !== undefined) item.in = { n: to };
          }
        };
        const plain = structuredClone(base);
        const { operations, optimistic } = record((d) => run(d, (value) => value));
        run(plain, (value) => structuredClone(value));
        expect(optimistic).toEqual(plain);
        expect(carriedOut(operations)).toEqual(plain);
      }),
      { numRuns: runsOf(500) },
    );
  });
});

describe("ordering lists of leaves", () => {
  const text = (value: unknown): string => (value instanceof Date ? `d${value.getTime()}` : String(value));

  it.each<[string, (list: unknown[]) => unknown]>([
    ["sort", (list) => list.sort((one, other) => (text(one) < text(other) ? -1 : 1))],
    ["sort as it comes", (list) => list.sort()],
    ["reverse", (list) => list.reverse()],
    ["copyWithin", (list) => list.copyWithin(0, 2, 5)],
  ])("%s assigns what is another", (_, order) => {
    const plain = structuredClone(base.leaves);
    order(plain);
    const { operations, optimistic } = record((d) => expect(order(d.leaves)).toBe(d.leaves));
    expect(optimistic.leaves).toEqual(plain);
    expect(carriedOut(operations)).toEqual(optimistic);
    for (const operation of operations) expect(operation.op).toBe("set");
  });

  it("says nothing of what stays, and nothing at all of a sorted list", () => {
    const sorted = (list: unknown[]) => (d: Shape) => ((d.list = list), (d.list as number[]).sort());
    expect(record(sorted([1, 2, 3])).operations).toHaveLength(1);
    expect(record(sorted([1, 1, 3, 2, 5])).operations.slice(1)).toEqual([
      { op: "set", path: ["list", 2], value: moved(2) },
      { op: "set", path: ["list", 3], value: moved(3) },
    ]);
    expect(record(sorted([new Date(1), new Date(1)])).operations).toHaveLength(1);
  });

  it("refuses lists of objects, and lists that change meanwhile", () => {
    for (const order of ["sort", "reverse", "copyWithin"] as const)
      expect(
        failure((d) => (d.items as unknown as { [key: string]: (at: number) => void })[order]?.(0)),
      ).toMatchObject({
        code: "input/invalid",
        details: { path: "/items" },
        message: expect.stringContaining(order),
      });
    expect(failure((d) => d.leaves.sort(() => d.leaves.push(1)))).toMatchObject({
      code: "input/invalid",
      details: { path: "/leaves" },
    });
    const mine = new Error("mine");
    const thrown = failure((d) =>
      d.leaves.sort(() => {
        throw mine;
      }),
    );
    expect(thrown).toBe(mine);
  });
});

describe("reading a draft", () => {
  it("is like reading plain data, and records nothing", () => {
    const { operations } = record((d) => {
      const { items, ...rest } = d;
      expect({ ...rest, items: [...items] }).toEqual(base);
      expect(Object.keys(d)).toEqual(Object.keys(base));
      expect(Object.entries(d.a.b)).toEqual(Object.entries(base.a.b));
      expect(JSON.stringify(d)).toBe(JSON.stringify(base));
      expect([Reflect.has(d, "text"), Reflect.has(d, "toString"), 0 in d.items, 9 in d.items]).toEqual([
        true,
        false,
        true,
        false,
      ]);
      expect([Array.isArray(d.items), Array.isArray(d.a)]).toEqual([true, false]);
      const seen: number[] = [];
      for (const item of d.items) seen.push(item.id);
      for (const key in d.a.b) seen.push(key.length);
      expect(seen).toEqual([1, 2, 3, 1, 4]);
      const second = d.items.find(({ id }) => id === 2) as Item;
      expect([d.items.indexOf(second), d.items.includes(second), d.items.lastIndexOf(second)]).toEqual([
        1,
        true,
        1,
      ]);
      expect(d.items.findLast(({ id }) => id < 3)).toBe(second);
      expect(d.items.filter((item) => item === second)).toEqual([second]);
      expect(d.items.concat(d.items).length + d.items.slice(1).length).toBe(8);
      expect(d.items.reduce((sum, { id }) => sum + id, 0)).toBe(6);
      expect([d.leaves.join("|"), d.leaves.at(-2), d.items.flatMap(({ id }) => [id, id]).length]).toEqual([
        base.leaves.join("|"),
        new Date(5),
        6,
      ]);
      expect(d.items.toSorted((one, other) => other.id - one.id).map(({ id }) => id)).toEqual([3, 2, 1]);
      expect(Object.getOwnPropertyDescriptor(d.items, 0)?.value).toBe(d.items[0]);
      expect(Object.getOwnPropertyDescriptor(d.leaves, "length")?.value).toBe(8);
      expect(Object.getOwnPropertyDescriptors(d.a)["b"]?.value).toBe(d.a.b);
      const when = Object.getOwnPropertyDescriptor(d.leaves, 6)?.value as Date | undefined;
      when?.setTime(9);
      expect(() => structuredClone(d)).toThrow(expect.objectContaining({ name: "DataCloneError" }));
      expect(structuredClone(current(d as never))).toEqual(base);
      expect(Object.isFrozen(current(d.items as never))).toBe(true);
    });
    expect(operations).toEqual([]);
  });

  it("sees what the edit wrote, at any depth", () => {
    const { operations, optimistic } = record((d) => {
      d.new = { list: [{ deep: { text: "ab", hits: Counter(1) } }] };
      const fresh = d.new as { list: { deep: { text: string; hits: number; more?: unknown } }[] };
      const { deep } = fresh.list[0] as { deep: { text: string; hits: number; more?: unknown } };
      splice(d, ["new", "list", 0, "deep", "text"], 1, 0, "-");
      mark(deep, ["text"], { start: 0, end: 2 }, "bold", true);
      updateText(fresh, ["list", 0, "deep", "text"], "a-c");
      increment(fresh.list, [0, "deep", "hits"], 4);
      deep.more = [[1]];
      fresh.list.unshift({ deep: { text: "", hits: 0 } });
      (deep.more as number[][])[0]?.push(2);
      expect(deep).toEqual({ text: "a-c", hits: 5, more: [[1, 2]] });
    });
    expect(optimistic.new).toMatchObject({ list: [{}, { deep: { text: "a-c", hits: 5, more: [[1, 2]] } }] });
    expect(operations.at(-1)?.path).toEqual(["new", "list", 1, "deep", "more", 0]);
  });

  it("takes list edits as Array does", () => {
    const { optimistic } = record((d) => {
      d.list = ["a", "b", "c", "d"];
      const list = d.list as string[];
      expect(list.splice(0, undefined as never)).toEqual([]);
      expect((list.splice as () => unknown)()).toEqual([]);
      expect(list.splice(-1)).toEqual(["d"]);
      expect(list.splice("1" as never, 1, "x", "y")).toEqual(["b"]);
      expect(list.splice(-Infinity, NaN, "0")).toEqual([]);
      expect([list.push(), list.push("e"), list.unshift("f", "g")]).toEqual([5, 6, 8]);
      list[list.length] = "h";
      delete list[0];
      list.length -= 1;
    });
    expect(optimistic.list).toEqual(["g", "0", "a", "x", "y", "c", "e"]);
  });
});

class Thing {
  n = 1;
}
const throwing = Object.defineProperty({}, "g", {
  enumerable: true,
  get: () => {
    throw new Error("mine");
  },
});
const trapped = new Proxy(
  {},
  {
    ownKeys: () => {
      throw new Error("mine");
    },
  },
);
const endless = new Proxy([], { get: (_, key) => (key === "length" ? 2 ** 32 - 1 : 0) });

describe("what cannot be stored", () => {
  it.each<[string, unknown, string]>([
    ["a function", () => 0, ""],
    ["a symbol", Symbol("s"), ""],
    ["undefined", { a: [undefined] }, "/a/0"],
    ["a bigint", { a: 1n }, "/a"],
    ["a class instance", [new Thing()], "/0"],
    ["a set", new Set(), ""],
    ["a map", new Map([["counter", 1]]), ""],
    ["a weak map", new WeakMap(), ""],
    ["an error", new Error("e"), ""],
    ["a regular expression", /x/, ""],
    ["a promise", Promise.resolve(), ""],
    ["a boxed number", Object(1), ""],
    ["an object with a prototype", Object.create({ inherited: 1 }), ""],
    ["a list of its own class", new (class extends Array {})(), ""],
    ["16-bit numbers", Uint16Array.of(1), ""],
    ["a buffer", new ArrayBuffer(1), ""],
    ["an invalid date", { "a/b~": new Date(Number.NaN) }, "/a~1b~0"],
    ["a list with gaps", Object.assign([1], { 2: 3 }), ""],
    ["a list with fields", Object.assign([1], { index: 0 }), ""],
    ["a list with a symbol", Object.assign([1], { [Symbol.iterator]: 0 }), ""],
    ["a getter that throws", { in: throwing }, "/in/g"],
    ["a proxy that throws", trapped, ""],
    ["a list within itself", ((list: unknown[]) => (list.push(list), list))([]), "/0"],
  ])("%s is refused with its place, and nothing is recorded", (_, value, path) => {
    const error = { code: "input/invalid", details: { path: `/x${path}` } };
    expect(failure((d) => (d.x = value))).toMatchObject(error);
    expect(failure((d) => d.items.push({ id: 1, in: value as never }))).toMatchObject({
      code: "input/invalid",
      details: { path: `/items/3/in${path}` },
    });
    const { operations, optimistic } = record((d) => {
      expect(() => (d.x = value)).toThrow(expect.objectContaining({ code: "input/invalid" }));
      expect(() => d.leaves.fill(value)).toThrow(expect.objectContaining({ code: "input/invalid" }));
    });
    expect(operations).toEqual([]);
    expect(optimistic).toBe(base);
  });

  it("is what has no end, too", () => {
    expect(failure((d) => (d.x = endless))).toMatchObject({ code: "input/too-large" });
    expect(failure((d) => (d.items.length = 0.5))).toMatchObject({ details: { path: "/items/length" } });
  });

  it("reads getters that work, and bytes of any kind of byte list", () => {
    const given = {
      get now() {
        return 5;
      },
      bytes: Buffer.from([1]),
    };
    expect(record((d) => (d.x = given)).optimistic.x).toEqual({ now: 5, bytes: Uint8Array.of(1) });
  });

  it("is an edit that goes on later", async () => {
    const late: Promise<unknown>[] = [];
    const edit = async (d: Shape): Promise<void> => {
      await Promise.resolve();
      d.text = "late";
    };
    expect(failure((d) => late.push((async () => edit(d))()) && late.at(-1))).toMatchObject({
      message: expect.stringContaining("synchronous"),
    });
    await expect(late[0]).rejects.toMatchObject({
      code: "input/invalid",
      message: expect.stringContaining("ended"),
    });
  });

  it("never leaves a trace in the base", () => {
    const before = structuredClone(base) as unknown as DocValue;
    expect(failure((d) => ((d.text = "x"), d.items.pop(), (d.x = undefined)))).toBeDefined();
    expect(base).toEqual(before);
  });
});
