import { describe, expect, test } from "vitest";
import { matches } from "../../src/expr/index.ts";
import { filmFilter, filmSort, nextOrder, searchWords } from "./film-filter.ts";

const alien = { title: "Alien", director: "Ridley Scott", genre: "Horror", tags: ["space"] };
const untold = { title: "Untold" };

describe("the filter of a search", () => {
  test("of nothing lets everything through", () => {
    expect(filmFilter("  ", "")).toBeUndefined();
  });

  test.each([
    ["ali", true],
    ["SCOTT alien", true],
    ["alien lynch", false],
    ["space", true],
    ["horr", true],
  ])("%s finds the film: %s", (search, isFound) => {
    expect(matches(filmFilter(search, "") ?? { op: "value", value: true }, alien)).toBe(isFound);
  });

  test("finds a film that has only a title", () => {
    expect(matches(filmFilter("untold", "") ?? { op: "value", value: false }, untold)).toBe(true);
    expect(matches(filmFilter("scott", "") ?? { op: "value", value: true }, untold)).toBe(false);
  });

  test("with a genre asks for both", () => {
    expect(matches(filmFilter("ali", "Horror") ?? { op: "value", value: false }, alien)).toBe(true);
    expect(matches(filmFilter("ali", "Drama") ?? { op: "value", value: true }, alien)).toBe(false);
  });

  test("has its words in lower case", () => {
    expect(searchWords(" Ridley  SCOTT ")).toStrictEqual(["ridley", "scott"]);
  });
});

describe("the order", () => {
  test("has the title as its second key", () => {
    expect(filmSort({ field: "year", order: "desc" })).toStrictEqual([
      { field: "year", order: "desc" },
      { field: "title" },
    ]);
    expect(filmSort({ field: "title", order: "asc" })).toStrictEqual([{ field: "title", order: "asc" }]);
  });

  test("turns round at a second click, and begins as is usual for a field", () => {
    expect(nextOrder({ field: "title", order: "asc" }, "title")).toStrictEqual({
      field: "title",
      order: "desc",
    });
    expect(nextOrder({ field: "title", order: "asc" }, "ratings.imdb")).toStrictEqual({
      field: "ratings.imdb",
      order: "desc",
    });
  });
});
