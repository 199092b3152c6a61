import { expect, test } from "vitest";
import { createFilm } from "./film.ts";
import { listFacts } from "./film-facts.ts";

test("what was and what is stand side by side, empty fields are left out", () => {
  const then = { ...createFilm("Ikiru"), year: 1952, tags: ["seen", "loved"] };
  const now = { ...createFilm("Ikiru"), year: 1953, distribution: { distributor: "Toho" } };
  expect(listFacts(then, now)).toEqual([
    { label: "Title", text: "Ikiru", isDifferent: false },
    { label: "Year", text: "1952", isDifferent: true },
    { label: "Tags", text: "seen, loved", isDifferent: true },
    { label: "Distributor", text: "", isDifferent: true },
  ]);
});

test("a document that is gone now, or of a strange shape, is told all the same", () => {
  const strange = { title: { of: "nobody" }, tags: "none", ratings: 4, distribution: null, notes: 7 };
  expect(listFacts(strange as never, undefined)).toEqual([
    { label: "Tags", text: "none", isDifferent: true },
    { label: "Notes", text: "7", isDifferent: true },
  ]);
});
