import fc from "fast-check";
import { expect, test } from "vitest";
import { recordDraft } from "../../src/draft/index.ts";
import { bringBack } from "./bring-back.ts";
import { createFilm, type Film } from "./film.ts";

/** What an edit makes of a film, and how many operations it takes. */
function brought(now: Film, wanted: Film): { film: unknown; operationCount: number } {
  const { optimistic, operations } = recordDraft(now as never, (draft) =>
    bringBack(draft as never, wanted as never),
  );
  return { film: optimistic, operationCount: operations.length };
}

const films = fc.record(
  {
    title: fc.string(),
    director: fc.string(),
    year: fc.integer(),
    ratings: fc.record({ imdb: fc.integer({ min: 0, max: 10 }) }, { requiredKeys: [] }),
    distribution: fc.record({ distributor: fc.string() }, { requiredKeys: [] }),
    tags: fc.array(fc.constantFrom("a", "b", "c")),
    notes: fc.string(),
    more: fc.dictionary(fc.constantFrom("x", "y"), fc.string()),
  },
  { requiredKeys: ["title", "ratings", "distribution", "tags", "notes"] },
);

test("any film becomes any other", () => {
  fc.assert(
    fc.property(films, films, (now, wanted) => {
      expect(brought(now as Film, wanted as Film).film).toEqual(wanted);
    }),
  );
});

test("what is the same is not touched", () => {
  const film = { ...createFilm("Ikiru"), tags: ["seen"], ratings: { imdb: 8 } };
  expect(brought(film, structuredClone(film)).operationCount).toBe(0);
});

test("a list keeps the entries that are in both", () => {
  const now = { ...createFilm("Ikiru"), tags: ["one", "two", "three"] };
  const { film, operationCount } = brought(now, { ...now, tags: ["one", "three"] });
  expect(film).toMatchObject({ tags: ["one", "three"] });
  expect(operationCount).toBe(1);
});
