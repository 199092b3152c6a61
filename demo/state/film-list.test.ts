import { signal } from "@preact/signals";
import type { Database, Query, QueryDefinition, QueryRow } from "cofferdb";
import { expect, test } from "vitest";
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
  return { db: { query: open } as unknown as Database<Film>, asked, rows, status };
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
  list.change({ search: "star" });
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
