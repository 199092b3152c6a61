import { describe, expect, it } from "vitest";
import { compileFilter, field, gt, year } from "../expr/index.ts";
import { category, display, sorted, total } from "./builders.ts";
import type { ViewDefinitionInput } from "./definition.ts";
import {
  findByKey,
  findByPosition,
  findByValues,
  findCategory,
  parentsOf,
  positionOf,
  rangeOf,
} from "./navigate.ts";
import { parseViewDefinition } from "./parse-definition.ts";
import type { ShownRow } from "./rows.ts";
import { parseViewState } from "./state.ts";
import { View } from "./view.ts";

type Value = { readonly [key: string]: unknown };

function open(input: ViewDefinitionInput, values: readonly Value[], level = 9): View {
  const verdict = parseViewDefinition(input);
  if (verdict.kind === "malformed") throw new Error(`malformed at ${verdict.at}`);
  const view = new View(verdict.definition, [{ origin: "eu", matches: compileFilter(undefined) }]);
  for (const _ of view.build(values.map((value, index) => ({ origin: 0, row: row(index, value) })))) continue;
  view.expandTo(level);
  return view;
}

function row(index: number, value: Value): Parameters<View["replaceSource"]>[1][number] {
  return { docId: `d${index}`, value, author: "ada", createdAtMs: index, changedAtMs: index };
}

/** The rows as an outline: two blanks for a level, a category by its value, a document by its id. */
function outline(view: View): readonly string[] {
  return view.places(0, view.rowCount).map((place) => {
    const shown = view.show(place);
    const text = shown.kind === "category" ? String(shown.value) : shown.id;
    return "  ".repeat(shown.level) + text;
  });
}

function shown(view: View, index: number): ShownRow | undefined {
  return view.places(index, 1).map((place) => view.show(place))[0];
}

describe("categories", () => {
  it("cut one value into levels, and nest the next column below each", () => {
    const columns = [category("when"), category("team"), sorted("name")];
    const view = open({ columns, locale: "en" }, [
      { when: "2024\\Q1", team: "red", name: "b" },
      { when: "2024\\Q1", team: "red", name: "a" },
      { when: "2024\\Q2", team: "red", name: "c" },
      { when: "2024", team: "blue", name: "d" },
    ]);
    expect(outline(view)).toEqual([
      "2024",
      "  Q1",
      "    red",
      "      d1",
      "      d0",
      "  Q2",
      "    red",
      "      d2",
      "  blue",
      "    d3",
    ]);
  });

  it("show a document under each element of a list, and count it once", () => {
    const view = open({ columns: [category("tags"), total("n", "sum"), total("*", "count")] }, [
      { tags: ["a", "b\\c", "a"], n: 2 },
      { tags: ["b"], n: 3 },
    ]);
    expect(outline(view)).toEqual(["a", "  d0", "b", "  d1", "  c", "    d0"]);
    expect(view.total).toEqual({ documentCount: 2, totals: { "sum(n)": 5, "count(*)": 2 } });
    expect(shown(view, 2)).toMatchObject({ documentCount: 2, childCount: 2, totals: { "sum(n)": 5 } });
  });

  it("stand in either order, those without a value where they are wanted", () => {
    const values = [{ a: 1 }, {}, { a: 3 }, { a: null }, { a: [] }, { a: "" }];
    const columns = [category("a", { order: "desc" })];
    const last = ["3", "  d2", "1", "  d0", "null", "  d1", "  d3", "  d4", "  d5"];
    expect(outline(open({ columns }, values))).toEqual(last);
    expect(outline(open({ columns, uncategorised: "first" }, values))[0]).toBe("null");
    const hidden = open({ columns: [...columns, total("*", "count")], uncategorised: "hidden" }, values);
    expect(outline(hidden)).toEqual(["3", "  d2", "1", "  d0"]);
    expect(hidden.total.totals).toEqual({ "count(*)": 2 });
  });

  it("show their own documents before or after the categories within them", () => {
    const values = [{ a: "x\\y" }, { a: "x" }];
    const columns = [category("a")];
    expect(outline(open({ columns }, values))).toEqual(["x", "  d1", "  y", "    d0"]);
    expect(outline(open({ columns, documents: "after" }, values))).toEqual(["x", "  y", "    d0", "  d1"]);
  });

  it("tell the same text of different kinds apart, and nothing else", () => {
    const values = [
      { a: "1" },
      { a: 1 },
      { a: -0 },
      { a: 0 },
      { a: new Date(5) },
      { a: new Date(5) },
      { a: "A" },
      { a: "a" },
    ];
    const view = open({ columns: [category("a")], locale: "en" }, values, 0);
    expect(view.rowCount).toBe(6);
  });

  it("keep their limits, whatever a document holds", () => {
    const deep = Array.from({ length: 100 }, (_, index) => index).join("\\");
    const wide = Array.from({ length: 1000 }, (_, index) => `t${index}`);
    const columns = [category("a"), category("b"), category("c")];
    const view = open(
      { columns },
      [
        { a: deep, b: deep, c: deep },
        { a: wide, b: wide, c: wide },
      ],
      0,
    );
    expect(view.total.documentCount).toBe(2);
    view.expandTo(32);
    expect(view.rowCount).toBeLessThan(32 + 1 + 256 * 4 + 1);
  });
});

describe("totals", () => {
  it("average the documents that have the number, and know none", () => {
    const columns = [
      category("a"),
      total("n", "average"),
      total("n", "count"),
      total("n", "min"),
      total("n", "max"),
    ];
    const view = open(
      { columns },
      [{ a: 1, n: 10 }, { a: 1, n: "20" }, { a: 1 }, { a: 1, n: 20 }, { a: 2 }],
      0,
    );
    expect(shown(view, 0)).toMatchObject({
      totals: { "average(n)": 15, "count(n)": 3, "min(n)": 10, "max(n)": "20" },
    });
    expect(shown(view, 1)).toMatchObject({ totals: { "average(n)": null, "count(n)": 0, "min(n)": null } });
  });

  it("follow a document's change where it stands", () => {
    const columns = [category("a"), total("n", "sum"), total("n", "max"), total("tag", "distinct")];
    const view = open(
      { columns },
      [
        { a: 1, n: 0.1, tag: ["x", "y"] },
        { a: 1, n: 0.2, tag: "x" },
      ],
      0,
    );
    const revision = view.places(0, 1)[0];
    view.apply([{ origin: 0, id: "d1", row: row(1, { a: 1, n: 0.7, tag: "z" }) }]);
    expect(view.places(0, 1)[0]).toBe(revision);
    expect(view.total.totals).toEqual({ "sum(n)": 0.1 + 0.7, "max(n)": 0.7, "distinct(tag)": 3 });
    view.apply([{ origin: 0, id: "d1", row: undefined }]);
    expect(view.total.totals).toEqual({ "sum(n)": 0.1, "max(n)": 0.1, "distinct(tag)": 2 });
  });

  it("leave out what the filter hides", () => {
    const columns = [category("a"), total("n", "sum")];
    const view = open({ columns, filter: gt("n", 1) }, [
      { a: 1, n: 1 },
      { a: 1, n: 2 },
      { a: 2, n: 0 },
    ]);
    expect(outline(view)).toEqual(["1", "  d1"]);
    expect(view.total).toEqual({ documentCount: 1, totals: { "sum(n)": 2 } });
  });
});

describe("finding", () => {
  const view = (): View =>
    open(
      {
        columns: [
          category("team"),
          category("year", { expr: year("at") }),
          sorted("name"),
          sorted("n", { order: "desc" }),
          display("n2", { field: "n" }),
          display("same", { expr: field("name") }),
        ],
        locale: "en",
      },
      [
        { team: "red", at: new Date(0), name: "ada", n: 1 },
        { team: "red", at: new Date(0), name: "ada", n: 2 },
        { team: "red", at: new Date(0), name: "bob", n: 3 },
        { team: "sea", at: new Date(5e10), name: "cyd", n: 4 },
      ],
    );

  it("goes by values of categories, then of columns that order", () => {
    const found = view();
    const idOf = (values: readonly unknown[]): string | undefined => {
      const place = findByValues(found, values);
      if (place === undefined) return undefined;
      const there = found.show(place);
      return there.kind === "document" ? there.id : String(there.value);
    };
    expect(idOf(["red"])).toBe("red");
    expect(idOf(["red", 1970])).toBe("1970");
    expect(idOf(["red", 1970, "ada"])).toBe("d1");
    expect(idOf(["red", 1970, "ada", 1])).toBe("d0");
    expect(idOf(["red", 1970, "ada", 9])).toBeUndefined();
    expect(idOf(["blue"])).toBeUndefined();
    expect(idOf([])).toBeUndefined();
    expect(findCategory(found, ["sea", 1971])?.level).toBe(1);
    expect(findCategory(found, ["sea", 1970])).toBeUndefined();
  });

  it("goes by position, and knows what is around", () => {
    const found = view();
    const place = findByPosition(found, "1.1.3");
    if (place === undefined) throw new Error("nothing there");
    expect(found.show(place)).toMatchObject({ id: "d2", values: { name: "bob", n: 3, n2: 3, same: "bob" } });
    expect(positionOf(found, place)).toBe("1.1.3");
    expect(parentsOf(place).map(({ key }) => key)).toEqual(["/0sred", "/0sred/1n1970"]);
    for (const none of ["0", "1.1.4", "1.1.1.1", "", "-1", "1.01", "9".repeat(40)])
      expect(findByPosition(found, none)).toBeUndefined();
    for (const none of ["", "x", "/", "/0sred/@eu", "/0sred/1n1970/@us/d0", "/0sred/1n1970/@eu/d9"])
      expect(findByKey(found, none)).toBeUndefined();
  });

  it("gives the rows between two", () => {
    const found = view();
    const [one, other] = [findByPosition(found, "1.1.2"), findByPosition(found, "2")];
    if (one === undefined || other === undefined) throw new Error("nothing there");
    const keys = rangeOf(found, other, one).map((place) => found.keyOf(place));
    expect(keys).toEqual(["/0sred/1n1970/@eu/d0", "/0sred/1n1970/@eu/d2", "/0ssea"]);
  });
});

describe("definitions", () => {
  it.each([
    [{}, "columns"],
    [{ columns: [] }, "columns"],
    [{ columns: [{ role: "sorted" }] }, "columns.0.name"],
    [{ columns: [{ role: "sort", name: "a" }] }, "columns.0.role"],
    [{ columns: [display("a"), display("a")] }, "columns.1.name"],
    [{ columns: [total("*", "sum")] }, "columns.0.field"],
    [{ columns: [{ role: "total", name: "a", total: "median" }] }, "columns.0.total"],
    [{ columns: [category("a", { separator: "" })] }, "columns.0.separator"],
    [{ columns: [{ ...display("a"), expr: field("b"), meta: "id" }] }, "columns.0.meta"],
    [{ columns: [{ ...display("a"), meta: "password" }] }, "columns.0.meta"],
    [{ columns: [{ ...display("a"), expr: { op: "evil", args: [] } }] }, "columns.0.expr.op"],
    [{ columns: [{ ...display("a"), width: 3 }] }, "columns.0"],
    [{ columns: [display("a")], documents: "between" }, "documents"],
    [{ columns: [display("a")], uncategorised: true }, "uncategorised"],
    [{ columns: [display("a")], locale: "not a locale" }, "locale"],
    [{ columns: [display("a")], filter: 1 }, "filter"],
    [{ columns: Array.from({ length: 65 }, (_, index) => display(`c${index}`)) }, "columns"],
  ])("%o are malformed at %s", (input, at) => {
    expect(parseViewDefinition(input)).toEqual({ kind: "malformed", at });
  });

  it.each([
    [null, ""],
    [{ version: 2, expandedTo: 0, flipped: [], selected: [] }, "version"],
    [{ version: 1, expandedTo: -1, flipped: [], selected: [] }, "expandedTo"],
    [{ version: 1, expandedTo: 0, flipped: [1], selected: [] }, "flipped"],
    [
      { version: 1, expandedTo: 0, flipped: [], selected: Array.from({ length: 10_001 }, String) },
      "selected",
    ],
  ])("state %o is malformed at %s", (input, at) => {
    expect(parseViewState(input)).toEqual({ kind: "malformed", at });
  });
});
