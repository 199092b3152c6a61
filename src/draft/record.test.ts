import { describe, expect, it } from "vitest";
import {
  Atomic,
  Counter,
  current,
  decodeValue,
  draftLimits,
  encodeInitialValue,
  increment,
  mark,
  recordDraft,
  shareStructure,
  splice,
  unmark,
  updateText,
  type DraftOperation,
} from "./index.ts";

type Loose = Record<string, never> & { list: never[] };

const base = Object.freeze({
  name: "Ada",
  count: 2,
  address: Object.freeze({ city: "Bergen", geo: Object.freeze({ lat: 60 }) }),
  list: Object.freeze(["a", Object.freeze({ id: 1 }), Object.freeze({ id: 2 })]),
  when: new Date(5),
  photo: Uint8Array.of(1, 2),
});

interface Shape {
  name: string;
  count: number;
  address: { city: string; geo: { lat: number } };
  list: (string | { id: number; tags?: string[] })[];
  when: Date;
  photo: Uint8Array;
  [key: string]: unknown;
}

const record = (edit: (draft: Shape) => void) =>
  recordDraft<Shape>(base as never, edit as never) as unknown as {
    operations: DraftOperation[];
    optimistic: Shape;
  };
const failure = (edit: (draft: Shape) => void): unknown => {
  try {
    record(edit);
  } catch (error) {
    return error;
  }
  return undefined;
};

describe("recordDraft", () => {
  it("records nothing and gives the base for an edit that only reads", () => {
    const { operations, optimistic } = record((draft) => {
      expect({ ...draft, list: [...draft.list] }.name).toBe("Ada");
      expect(JSON.parse(JSON.stringify(draft.address))).toEqual(base.address);
      expect("name" in draft && !("toString" in draft)).toBe(true);
      expect(Object.keys(draft)).toEqual(Object.keys(base));
      expect(draft.list.map((item) => (typeof item === "string" ? item : item.id))).toEqual(["a", 1, 2]);
      expect(draft.list.indexOf(draft.list[2] ?? "")).toBe(2);
      expect([Array.isArray(draft.list), draft.list.at(-1) === draft.list[2], draft.list.length]).toEqual([
        true,
        true,
        3,
      ]);
      draft.when.setTime(9);
      draft.photo[0] = 9;
    });
    expect(operations).toEqual([]);
    expect(optimistic).toBe(base);
    expect([base.when.getTime(), base.photo[0]]).toEqual([5, 1]);
  });

  it("shares what did not change, and freezes what did", () => {
    const { optimistic } = record((draft) => {
      draft.address.city = "Oslo";
    });
    expect(optimistic.address).toEqual({ city: "Oslo", geo: { lat: 60 } });
    expect(optimistic.address.geo).toBe(base.address.geo);
    expect(optimistic.list).toBe(base.list);
    expect(Object.isFrozen(optimistic) && Object.isFrozen(optimistic.address)).toBe(true);
    expect(base.address.city).toBe("Bergen");
  });

  it("copies what is assigned, and edits it through the draft", () => {
    const given = { id: 7, tags: ["x"] };
    const { operations, optimistic } = record((draft) => {
      draft.list.push(given);
      given.tags.push("late");
      const last = draft.list[3];
      if (typeof last === "object") last.tags?.push("y");
    });
    expect(optimistic.list[3]).toEqual({ id: 7, tags: ["x", "y"] });
    expect(operations).toEqual([
      { op: "splice", path: ["list"], index: 3, remove: 0, values: [{ id: 7, tags: ["x"] }] },
      { op: "splice", path: ["list", 3, "tags"], index: 1, remove: 0, values: ["y"] },
    ]);
  });

  it("follows an element when others move it", () => {
    const { operations } = record((draft) => {
      const second = draft.list[2];
      draft.list.shift();
      draft.list.unshift("b", "c");
      if (typeof second === "object") second.id = 9;
    });
    expect(operations.at(-1)).toEqual({ op: "set", path: ["list", 3, "id"], value: 9 });
  });

  it("says list edits as splices", () => {
    const { operations, optimistic } = record((draft) => {
      expect(draft.list.pop()).toEqual({ id: 2 });
      draft.list.length = 1;
      draft.list[1] = "z";
      delete draft.list[0];
      draft.list.fill("f", 0);
      (draft.list as unknown as { insertAt(index: number, value: string): void }).insertAt(0, "i");
      (draft.list as unknown as { deleteAt(index: number): void }).deleteAt(1);
      draft.list.splice(5, 3);
    });
    expect(optimistic.list).toEqual(["i"]);
    expect(operations.map(({ op }) => op)).toEqual([
      "splice",
      "splice",
      "splice",
      "splice",
      "set",
      "splice",
      "splice",
    ]);
  });

  it("keeps hostile keys as own properties, and changes no prototype", () => {
    const hostile = JSON.parse(
      '{"__proto__":{"polluted":1},"constructor":"c","toString":null,"":0,"a/b~":1}',
    ) as Record<string, unknown>;
    const { optimistic } = record((draft) => {
      draft.inner = hostile;
      draft["__proto__"] = "text";
      (draft.inner as Record<string, unknown>)["hasOwnProperty"] = 1;
      expect(draft["constructor"]).toBeUndefined();
      delete (draft.inner as Record<string, unknown>)["toString"];
    });
    expect(Object.getPrototypeOf(optimistic)).toBe(Object.prototype);
    expect(Object.getOwnPropertyDescriptor(optimistic, "__proto__")?.value).toBe("text");
    expect(Object.keys(optimistic.inner as object).sort()).toEqual([
      "",
      "__proto__",
      "a/b~",
      "constructor",
      "hasOwnProperty",
    ]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("edits text, counters and marks", () => {
    const { operations, optimistic } = record((draft) => {
      splice(draft, ["name"], 3, 0, " L");
      splice(draft, ["name"], 1, -1);
      updateText(draft.address, ["city"], "Berlin");
      increment(draft, ["count"], 3);
      mark(draft, ["name"], { start: 0, end: 2, expand: "both" }, "bold", true);
      unmark(draft, ["name"], { start: 0, end: 1 }, "bold");
    });
    expect([optimistic.name, optimistic.address.city, optimistic.count]).toEqual(["da L", "Berlin", 5]);
    expect(operations.map(({ op }) => op)).toEqual([
      "spliceText",
      "spliceText",
      "updateText",
      "increment",
      "mark",
      "unmark",
    ]);
    expect(operations[1]).toEqual({ op: "spliceText", path: ["name"], index: 0, remove: 1, insert: "" });
  });

  it("tags counters and atomic strings, and reads them plainly", () => {
    const { operations, optimistic } = record((draft) => {
      draft.hits = Counter(1);
      draft.title = Atomic("x");
      increment(draft, ["hits"]);
    });
    expect([optimistic.hits, optimistic.title]).toEqual([2, "x"]);
    expect(operations[0]).toEqual({ op: "set", path: ["hits"], value: new Map([["counter", 1]]) });
  });

  it("gives a copy of a draft to put in a second place", () => {
    const { optimistic } = record((draft) => {
      draft.copy = current(draft.address as never);
    });
    expect(optimistic.copy).toEqual(base.address);
  });

  it.each<[string, string, string, (draft: Shape) => void]>([
    ["undefined", "input/invalid", "/a", (draft) => (draft.a = undefined)],
    ["a nested undefined", "input/invalid", "/a/b/0", (draft) => (draft.a = { b: [undefined] })],
    ["a function", "input/invalid", "/a", (draft) => (draft.a = () => 0)],
    ["a bigint", "input/invalid", "/a", (draft) => (draft.a = 1n)],
    ["a symbol key", "input/invalid", "/a", (draft) => (draft.a = { [Symbol()]: 1 })],
    ["a class instance", "input/invalid", "/a~1b", (draft) => (draft["a/b"] = new (class Thing {})())],
    ["a map", "input/invalid", "/a", (draft) => (draft.a = new Map())],
    ["an invalid date", "input/invalid", "/a", (draft) => (draft.a = new Date(NaN))],
    ["a broken counter", "input/invalid", "/a", (draft) => (draft.a = Counter(0.5))],
    ["a cycle", "input/invalid", "/a/self", (draft) => (draft.a = cycle())],
    ["a second place", "input/invalid", "/other", (draft) => (draft.other = draft.address)],
    ["a second place, nested", "input/invalid", "/other/0", (draft) => (draft.other = [draft.address])],
    ["a gap in a list", "input/invalid", "/list/9", (draft) => (draft.list[9] = "x")],
    ["a longer list", "input/invalid", "/list/length", (draft) => (draft.list.length = 9)],
    ["sort", "input/invalid", "/list", (draft) => draft.list.sort()],
    ["text where none is", "input/invalid", "/count", (draft) => splice(draft, ["count"], 0, 0, "x")],
    ["text outside", "input/invalid", "/name", (draft) => splice(draft, ["name"], 9, 0, "x")],
    [
      "half a character",
      "input/invalid",
      "/e",
      (draft) => ((draft.e = "👍"), splice(draft, ["e"], 1, 0, "x")),
    ],
    ["a counter where none is", "input/invalid", "/name", (draft) => increment(draft, ["name"])],
    ["a path that ends", "input/invalid", "/nowhere", (draft) => updateText(draft, ["nowhere", "x"], "")],
    [
      "a removed object",
      "input/invalid",
      "",
      (draft) =>
        ((removed) => (delete (draft as Record<string, unknown>).address, (removed.city = "x")))(
          draft.address,
        ),
    ],
    ["defineProperty", "input/invalid", "", (draft) => Object.defineProperty(draft, "x", { value: 1 })],
    ["freezing", "input/invalid", "", (draft) => Object.freeze(draft)],
    ["an asynchronous edit", "input/invalid", "", (async () => {}) as never],
    ["too long a text", "input/too-large", "/a", (draft) => (draft.a = "x".repeat(draftLimits.bytes + 1))],
    [
      "too many elements",
      "input/too-large",
      "/a",
      (draft) => (draft.a = Array.from({ length: draftLimits.operations + 1 }, () => 0)),
    ],
    [
      "too many operations",
      "input/too-large",
      "/count",
      (draft) => Array.from({ length: draftLimits.operations + 1 }, (_, i) => (draft.count = i)),
    ],
    [
      "too deep",
      "input/too-large",
      `/d${"/d".repeat(draftLimits.depth)}`,
      (draft) => (draft.d = deep(draftLimits.depth)),
    ],
  ])("refuses %s with %s at %s", (_, code, path, edit) => {
    expect(failure(edit)).toMatchObject({ code, details: { path } });
  });

  it("passes a throw of the edit through, leaving the base alone", () => {
    const error = new Error("mine");
    expect(failure((draft) => ((draft.name = "x"), raise(error)))).toBe(error);
    expect(base.name).toBe("Ada");
  });

  it("refuses a draft after its edit has ended", () => {
    const kept: Shape[] = [];
    record((draft) => void kept.push(draft));
    expect(() => kept.forEach((draft) => (draft.name = "x"))).toThrow(
      expect.objectContaining({ code: "input/invalid" }),
    );
  });

  it("makes text well formed and zero positive, as documents do", () => {
    const { optimistic } = record((draft) => {
      draft.a = "a\ud800b";
      draft.z = -0;
    });
    expect([optimistic.a, Object.is(optimistic.z, 0)]).toEqual(["a\ufffdb", true]);
  });
});

describe("encodeInitialValue", () => {
  it("copies, tags and reads back plainly", () => {
    const encoded = encodeInitialValue({
      a: Counter(1),
      b: Atomic("t"),
      c: [new Date(3), Uint8Array.of(1)],
      d: null,
    } as unknown as Loose);
    expect(encoded).toEqual({
      a: new Map([["counter", 1]]),
      b: new Map([["atomic", "t"]]),
      c: [new Date(3), Uint8Array.of(1)],
      d: null,
    });
    expect(structuredClone(encoded)).toEqual(encoded);
    expect(decodeValue(encoded)).toEqual({ a: 1, b: "t", c: [new Date(3), Uint8Array.of(1)], d: null });
  });
  it.each([[null], [[]], ["text"], [new Date(0)], [Counter(1)]])("refuses %s as a document", (value) => {
    expect(() => encodeInitialValue(value)).toThrow(expect.objectContaining({ code: "input/invalid" }));
  });
});

describe("shareStructure", () => {
  it("keeps equal branches, and gives the old value when all is equal", () => {
    const before = shareStructure(undefined, { a: { b: [1, new Date(2)] }, c: { d: Uint8Array.of(1) } });
    expect(shareStructure(before, structuredClone(before))).toBe(before);
    const after = shareStructure(before, { a: { b: [1, new Date(2)] }, c: { d: Uint8Array.of(2) } });
    expect(after.a).toBe(before.a);
    expect(after.c).not.toBe(before.c);
    expect(Object.isFrozen(after.c)).toBe(true);
  });
});

function cycle(): object {
  const value: Record<string, unknown> = {};
  value.self = value;
  return value;
}

function deep(levels: number): unknown {
  return levels === 0 ? 1 : { d: deep(levels - 1) };
}

function raise(error: Error): never {
  throw error;
}
