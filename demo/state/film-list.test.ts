import { signal } from "@preact/signals";
import type { Database, Query, QueryDefinition, QueryRow, Search, SearchHit, SearchOptions } from "cofferdb";
import { expect, test, vi } from "vitest";
import type { Film } from "../film/film.ts";
import { FilmList, windowFor } from "./film-list.ts";

/** A database with one query that answers when told to. */
function scriptedDatabase() {
  const asked: QueryDefinition[] = [];
  const rows = signal<readonly QueryRow<Film>[]>([]);
  const status = signal<"loading" | "ready" | "locked" | "failed">("loading");
  const query: Query<Film> = {
    rows,
    total: signal(3201),
    status,
    groups: signal([]),
    cursor: signal(undefined),
    error: signal(undefined),
    update(definition) {
      asked.push(definition);
      status.value = "loading";
    },
    dispose: () => undefined,
    [Symbol.dispose]: () => undefined,
  };
  const open = (definition?: QueryDefinition): Query<Film> => {
    asked.push(definition ?? {});
    return query;
  };
  const searches: (SearchOptions & { text: string })[] = [];
  const hits = signal<readonly SearchHit<Film>[]>([]);
  const total = signal(0);
  const found: Search<Film> = {
    hits,
    total,
    status: signal({ phase: "ready", doneCount: 9, totalCount: 9 }),
    error: signal(undefined),
    update: (text, options) => void searches.push({ text, ...options }),
    dispose: () => undefined,
    [Symbol.dispose]: () => undefined,
  };
  const search = vi.fn(async (text: string, options: SearchOptions) => {
    searches.push({ text, ...options });
    return found;
  });
  const db = { query: open, search } as unknown as Database<Film>;
  return { db, asked, rows, status, search, searches, hits, total };
}

test("a window covers what is visible, and stays the same for small steps", () => {
  for (let first = 0; first < 500; first += 1) {
    const { offset, limit } = windowFor(first, 20);
    expect(offset).toBeLessThanOrEqual(first);
    expect(offset + limit).toBeGreaterThanOrEqual(first + 20);
    expect(limit).toBeLessThanOrEqual(200);
  }
  expect(windowFor(100, 20)).toStrictEqual(windowFor(101, 20));
});

test("while an answer is under way only the newest wish is kept", () => {
  const { db, asked, status } = scriptedDatabase();
  const list = new FilmList(db);
  list.want(500, 20);
  list.want(1000, 20);
  list.change({ genre: "Drama" });
  expect(asked).toHaveLength(1);
  status.value = "ready";
  expect(asked).toHaveLength(2);
  expect(asked[1]).toMatchObject({ offset: 0 });
  expect(asked[1]?.filter).toBeDefined();
});

test("rows are shown at the place they were asked for", () => {
  const { db, status, rows } = scriptedDatabase();
  const list = new FilmList(db);
  status.value = "ready";
  list.want(1000, 20);
  expect(list.shown.value.offset).toBe(0);
  rows.value = [];
  status.value = "ready";
  expect(list.shown.value.offset).toBe(windowFor(1000, 20).offset);
});

test("locked, nothing of it stays", () => {
  const { db, status, rows } = scriptedDatabase();
  const list = new FilmList(db);
  rows.value = [{ id: "1" } as QueryRow<Film>];
  status.value = "ready";
  list.change({ search: "secret" });
  status.value = "locked";
  expect(list.shown.value.rows).toHaveLength(0);
  expect(list.search.value).toBe("");
});

const settled = async (): Promise<void> => {
  await new Promise((resolve) => {
    setTimeout(resolve);
  });
};

test("a search is opened once, by whoever first searches, and asks for what was typed last", async () => {
  const { db, search, searches } = scriptedDatabase();
  const list = new FilmList(db);
  expect(search).not.toHaveBeenCalled();
  list.change({ search: "st" });
  list.change({ search: "star", genre: "Drama" });
  expect(list.isSearching.value).toBe(true);
  await settled();
  expect(search).toHaveBeenCalledTimes(1);
  expect(searches.at(-1)).toMatchObject({ text: "star", fuzzy: true, highlight: true, sort: [] });
  expect(searches.at(-1)?.filter).toBeDefined();
});

test("whoever is about to search finds the library looked through already", async () => {
  const { db, search, searches } = scriptedDatabase();
  const list = new FilmList(db);
  list.prepare();
  await settled();
  expect(searches.map(({ text }) => text)).toEqual(["", ""]);
  list.change({ search: "s" });
  list.prepare();
  expect(search).toHaveBeenCalledTimes(1);
  expect(searches.at(-1)).toMatchObject({ text: "s", highlight: true });
});

test("hits are the rows while something is searched for, and the rows of before come back", async () => {
  const { db, status, rows, hits, total, searches } = scriptedDatabase();
  const list = new FilmList(db);
  rows.value = [{ id: "browsed" } as QueryRow<Film>];
  status.value = "ready";
  list.change({ search: "star" });
  await settled();
  hits.value = [{ id: "hit" } as SearchHit<Film>];
  total.value = 1500;
  expect(list.shown.value).toEqual({ offset: 0, rows: [{ id: "hit" }] });
  expect([list.total.value, list.rowCount.value]).toEqual([1500, 1000]);
  list.want(400, 20);
  expect(searches.at(-1)).toMatchObject({ text: "star", limit: 450 });
  list.change({ search: " " });
  expect(searches.at(-1)).toMatchObject({ text: "" });
  expect(list.shown.value.rows).toEqual([{ id: "browsed" }]);
});

test("the best match comes first, until somebody sorts; what is searched for anew begins so again", async () => {
  const { db, searches } = scriptedDatabase();
  const list = new FilmList(db);
  expect(list.order.value).toEqual({ field: "title", order: "asc" });
  list.change({ search: "star" });
  expect(list.order.value).toBeUndefined();
  list.change({ order: { field: "year", order: "desc" } });
  list.change({ search: "stars" });
  await settled();
  expect(searches.at(-1)?.sort?.[0]).toEqual({ field: "year", order: "desc" });
  list.change({ search: "" });
  expect(list.order.value).toEqual({ field: "title", order: "asc" });
  list.change({ search: "moon" });
  expect(list.order.value).toBeUndefined();
});
