import { describe, expect, test } from "vitest";
import { matches } from "../../src/expr/index.ts";
import { filmFilter, filmSort, nextOrder } from "./film-filter.ts";

const alien = { title: "Alien", director: "Ridley Scott", genre: "Horror", tags: ["space"] };

describe("the filter of a genre", () => {
  test("of none lets everything through", () => {
    expect(filmFilter("")).toBeUndefined();
  });

  test.each([
    ["Horror", true],
    ["Drama", false],
  ])("%s lets it through: %s", (genre, isFound) => {
    expect(matches(filmFilter(genre) ?? { op: "value", value: !isFound }, alien)).toBe(isFound);
  });
});

describe("the order", () => {
  const browsing = { isSearching: false };
  const searching = { isSearching: true };

  test("has the title as its second key", () => {
    expect(filmSort({ field: "year", order: "desc" })).toStrictEqual([
      { field: "year", order: "desc" },
      { field: "title" },
    ]);
    expect(filmSort({ field: "title", order: "asc" })).toStrictEqual([{ field: "title", order: "asc" }]);
  });

  test("turns round at a second click, and begins as is usual for a field", () => {
    const byTitle = { field: "title", order: "asc" } as const;
    expect(nextOrder(byTitle, "title", browsing)).toStrictEqual({ field: "title", order: "desc" });
    expect(nextOrder(byTitle, "ratings.imdb", browsing)).toStrictEqual({
      field: "ratings.imdb",
      order: "desc",
    });
  });

  test("goes back to the best match at a third click, where there is one", () => {
    const turned = { field: "year", order: "asc" } as const;
    expect(nextOrder(undefined, "year", searching)).toStrictEqual({ field: "year", order: "desc" });
    expect(nextOrder(turned, "year", searching)).toBeUndefined();
    expect(nextOrder(turned, "year", browsing)).toStrictEqual({ field: "year", order: "desc" });
  });
});
