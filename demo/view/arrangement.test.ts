import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseViewDefinition } from "../../src/view/index.ts";
import {
  chartQuery,
  definitionOf,
  measureOf,
  moveColumn,
  nextSort,
  parseArrangement,
  toggleColumn,
  usualArrangement,
  usualLevel,
  type Arrangement,
} from "./arrangement.ts";
import { columnNames, columnOf, groupNames } from "./columns.ts";

const anyArrangement: fc.Arbitrary<Arrangement> = fc.record({
  levels: fc
    .uniqueArray(fc.constantFrom(...groupNames), { minLength: 1, maxLength: 2 })
    .map((names) => names.map(usualLevel)),
  columns: fc
    .uniqueArray(fc.constantFrom(...columnNames))
    .chain((names) =>
      fc.tuple(
        ...names.map((name) => fc.constantFrom(...columnOf(name).totals).map((total) => ({ name, total }))),
      ),
    ),
  sort: fc.record({
    name: fc.constantFrom("title" as const, ...columnNames.filter((name) => name !== "films")),
    order: fc.constantFrom("asc" as const, "desc" as const),
  }),
  isChartShown: fc.boolean(),
  measure: fc.constantFrom(...columnNames),
});

describe("an arrangement", () => {
  test("is a definition that the product takes, whatever is chosen", () => {
    fc.assert(
      fc.property(anyArrangement, (arrangement) => {
        expect(parseViewDefinition(definitionOf(arrangement))).toMatchObject({ kind: "definition" });
      }),
    );
  });

  test("comes back from a document as it went into it", () => {
    fc.assert(
      fc.property(anyArrangement, (arrangement) => {
        expect(parseArrangement(JSON.parse(JSON.stringify(arrangement)))).toEqual(arrangement);
      }),
    );
  });

  test("is one, whatever was stored", () => {
    fc.assert(
      fc.property(fc.anything(), (stored) => {
        const arrangement = parseArrangement(stored);
        expect(parseViewDefinition(definitionOf(arrangement))).toMatchObject({ kind: "definition" });
        expect(parseArrangement(arrangement)).toEqual(arrangement);
      }),
    );
    expect(parseArrangement(undefined)).toEqual(usualArrangement);
    const strange = {
      levels: [{ name: "year", order: "up" }, { name: "constructor" }, { name: "year" }],
      columns: [{ name: "imdb", total: "sum" }, { name: "__proto__" }, 7],
      sort: { name: "films" },
      measure: "toString",
    };
    expect(parseArrangement(strange)).toEqual({
      levels: [{ name: "year", order: "desc" }],
      columns: [{ name: "imdb", total: "average" }],
      sort: { name: "title", order: "asc" },
      isChartShown: true,
      measure: "worldwideUsd",
    });
  });

  test("asks for the totals of its chart, or counts where there are none", () => {
    expect(chartQuery(usualArrangement).group?.totals).toMatchObject({ value: { fn: "sum" } });
    const bare = { ...usualArrangement, columns: [{ name: "worldwideUsd", total: "none" } as const] };
    expect(measureOf(bare)).toEqual({ name: "films", total: "none" });
    expect(chartQuery(bare).group?.totals).toEqual({});
  });
});

describe("columns", () => {
  const { columns } = usualArrangement;
  const namesOf = (list: typeof columns) => list.map(({ name }) => name);

  test("go out, and come in at the end", () => {
    const without = toggleColumn(columns, "films");
    expect(namesOf(without)).toEqual(namesOf(columns).slice(1));
    expect(toggleColumn(without, "films").at(-1)).toEqual({ name: "films", total: "none" });
  });

  test("move, and stay at the ends", () => {
    expect(namesOf(moveColumn(columns, "director", -1)).slice(0, 2)).toEqual(["director", "films"]);
    expect(moveColumn(columns, "films", -1)).toEqual(columns);
    expect(moveColumn(columns, "worldwideUsd", 1)).toEqual(columns);
    expect(moveColumn(columns, "votes", 1)).toEqual(columns);
  });

  test("sort as is usual for them, then the other way round", () => {
    const first = nextSort(usualArrangement.sort, "imdb");
    expect(first).toEqual({ name: "imdb", order: "desc" });
    expect(nextSort(first, "imdb")).toEqual({ name: "imdb", order: "asc" });
    expect(nextSort(first, "title")).toEqual({ name: "title", order: "asc" });
  });
});
