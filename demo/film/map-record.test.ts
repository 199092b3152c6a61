import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dataSetCount } from "./film.ts";
import { mapCsvRow, mapFilmRecord, parseReleaseDate, type SourceRecord } from "./map-record.ts";

describe("release dates", () => {
  test.each([
    ["Jun 12 1998", "1998-06-12"],
    ["Dec 23 2054", "1954-12-23"],
    ["Dec 31 1969", undefined],
    ["1998-06-12", undefined],
    ["Foo 12 1998", undefined],
    [null, undefined],
    [1998, undefined],
  ])("%s is %s", (text, day) => {
    expect(parseReleaseDate(text)).toBe(day);
  });
});

describe("the shipped data set", () => {
  const path = new URL("../../node_modules/vega-datasets/data/movies.json", import.meta.url);
  const records = JSON.parse(readFileSync(path, "utf8")) as SourceRecord[];
  const films = records.map(mapFilmRecord);

  test("has as many films as the button says", () => {
    expect(films).toHaveLength(dataSetCount);
  });

  test("has a title and whole nested objects in every film, and a year that can be", () => {
    for (const film of films) {
      expect(film.title).not.toBe("");
      expect(film).toMatchObject({ ratings: {}, distribution: {}, notes: "" });
      if (film.year !== undefined) expect(film.year).toBeGreaterThan(1900);
      if (film.year !== undefined) expect(film.year).toBeLessThan(2012);
    }
  });

  test("gives a known film with its nested fields", () => {
    expect(films.find(({ title }) => title === "Inception")).toStrictEqual({
      title: "Inception",
      director: "Christopher Nolan",
      genre: "Thriller/Suspense",
      year: 2010,
      released: "2010-07-16",
      runtimeMinutes: 147,
      rated: "PG-13",
      ratings: { imdb: 9.1, votes: 188247, rottenTomatoes: 87 },
      distribution: { distributor: "Warner Bros.", budgetUsd: 160000000, worldwideUsd: 753830280 },
      tags: ["science fiction", "original screenplay"],
      notes: "",
    });
  });

  test("keeps titles that are numbers as texts", () => {
    expect(films.filter(({ title }) => title === "1941")).toHaveLength(1);
  });
});

describe("rows of a CSV file", () => {
  test("use the columns they know, and keep the others as texts", () => {
    const row = {
      " Name ": "Alien",
      Year: "1979",
      "IMDB Rating": "8.5",
      Gross: "$104,931,801",
      Tags: "space; horror",
      Country: "UK",
    };
    expect(mapCsvRow(row)).toStrictEqual({
      title: "Alien",
      year: 1979,
      ratings: { imdb: 8.5 },
      distribution: { worldwideUsd: 104931801 },
      tags: ["space", "horror"],
      notes: "",
      more: { Country: "UK" },
    });
  });

  test("that hold nothing are left out", () => {
    expect(mapCsvRow({ title: " ", year: "" })).toBeUndefined();
  });

  test("without a title are called so", () => {
    expect(mapCsvRow({ year: "1979" })?.title).toBe("Untitled");
  });

  test("with numbers that are none leave the field out", () => {
    expect(mapCsvRow({ title: "Alien", year: "unknown" })).not.toHaveProperty("year");
  });

  test("give a film whatever is in them", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.anything()), (row) => {
        const film = mapCsvRow(row);
        if (film !== undefined) expect(typeof film.title).toBe("string");
      }),
    );
  });
});
