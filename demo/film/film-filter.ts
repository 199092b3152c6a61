/** The filter and the order of the list, as the plain data that queries take. Pure. */
import { and, coalesce, contains, eq, lower, or, type Expression, type SortKey } from "cofferdb";

/** What the list can be sorted by, with the words for it. */
export const sortFields = [
  { field: "title", label: "Title", firstOrder: "asc" },
  { field: "year", label: "Year", firstOrder: "desc" },
  { field: "genre", label: "Genre", firstOrder: "asc" },
  { field: "director", label: "Director", firstOrder: "asc" },
  { field: "ratings.imdb", label: "IMDb", firstOrder: "desc" },
  { field: "runtimeMinutes", label: "Minutes", firstOrder: "desc" },
  { field: "distribution.worldwideUsd", label: "Worldwide", firstOrder: "desc" },
] as const;

/** One of the fields to sort by. */
export type SortField = (typeof sortFields)[number]["field"];

/** How the list is sorted now. */
export interface FilmOrder {
  readonly field: SortField;
  readonly order: "asc" | "desc";
}

/** The words of a search: every one must be found. */
export function searchWords(search: string): readonly string[] {
  return search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
}

/** Write the filter of a search and a genre; undefined lets everything through. */
export function filmFilter(search: string, genre: string): Expression | undefined {
  const words = searchWords(search).map((word) =>
    or(
      ...(["title", "director", "genre"] as const).map((name) => contains(lower(coalesce(name, "")), word)),
      contains("tags", word),
    ),
  );
  const all = genre === "" ? words : [...words, eq("genre", genre)];
  return all.length === 0 ? undefined : and(...all);
}

/** The sort keys of an order; ties go by title. */
export function filmSort({ field, order }: FilmOrder): readonly SortKey[] {
  return field === "title" ? [{ field, order }] : [{ field, order }, { field: "title" }];
}

/** The order after a click on a column: the other way round, or that column in its usual order. */
export function nextOrder(now: FilmOrder, field: SortField): FilmOrder {
  if (now.field === field) return { field, order: now.order === "asc" ? "desc" : "asc" };
  return { field, order: sortFields.find((one) => one.field === field)?.firstOrder ?? "asc" };
}
