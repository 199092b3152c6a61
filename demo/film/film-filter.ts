/** The filter and the order of the list, as the plain data that queries and searches take. Pure. */
import { eq, type Expression, type SortKey } from "cofferdb";

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

/** Write the filter of a genre; undefined lets everything through. */
export function filmFilter(genre: string): Expression | undefined {
  return genre === "" ? undefined : eq("genre", genre);
}

/** The sort keys of an order; ties go by title. */
export function filmSort({ field, order }: FilmOrder): readonly SortKey[] {
  return field === "title" ? [{ field, order }] : [{ field, order }, { field: "title" }];
}

/** The order of a column as is usual for it. */
export const firstOrderOf = (field: SortField): FilmOrder => ({
  field,
  order: sortFields.find((one) => one.field === field)?.firstOrder ?? "asc",
});

/**
 * The order after a click on a column: that column in its usual order, then the other way round. What is searched for has an order of its
 * own, the best first, which is `undefined`: a third click leads back to it.
 */
export function nextOrder(
  now: FilmOrder | undefined,
  field: SortField,
  { isSearching }: { readonly isSearching: boolean },
): FilmOrder | undefined {
  const first = firstOrderOf(field);
  if (now?.field !== field) return first;
  if (now.order === first.order) return { field, order: now.order === "asc" ? "desc" : "asc" };
  return isSearching ? undefined : first;
}
