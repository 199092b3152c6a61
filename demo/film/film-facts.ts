/** The facts of a film as it was, beside what it is now. Pure. */
import type { DocData } from "cofferdb";
import type { Film } from "./film.ts";
import { readAt, textOf, textsOf } from "./read-value.ts";

/** One field of a film. */
export interface FilmFact {
  readonly label: string;
  /** empty when there was nothing in it */
  readonly text: string;
  readonly isDifferent: boolean;
}

const fields: readonly { readonly label: string; readonly path: readonly string[] }[] = [
  { label: "Title", path: ["title"] },
  { label: "Director", path: ["director"] },
  { label: "Genre", path: ["genre"] },
  { label: "Year", path: ["year"] },
  { label: "Released", path: ["released"] },
  { label: "Minutes", path: ["runtimeMinutes"] },
  { label: "Rated", path: ["rated"] },
  { label: "Tags", path: ["tags"] },
  { label: "IMDb", path: ["ratings", "imdb"] },
  { label: "Rotten Tomatoes, %", path: ["ratings", "rottenTomatoes"] },
  { label: "Votes", path: ["ratings", "votes"] },
  { label: "Distributor", path: ["distribution", "distributor"] },
  { label: "Budget, $", path: ["distribution", "budgetUsd"] },
  { label: "Worldwide gross, $", path: ["distribution", "worldwideUsd"] },
  { label: "Notes", path: ["notes"] },
];

/** The fields that held something then or hold something now, in the order of the form. */
export function listFacts(then: DocData<Film>, now: DocData<Film> | undefined): readonly FilmFact[] {
  return fields
    .map(({ label, path }) => ({ label, text: textAt(then, path), nowText: textAt(now, path) }))
    .filter((fact) => fact.text !== "" || fact.nowText !== "")
    .map((fact) => ({ label: fact.label, text: fact.text, isDifferent: fact.text !== fact.nowText }));
}

function textAt(film: DocData<Film> | undefined, path: readonly string[]): string {
  const value = readAt(film, path);
  return Array.isArray(value) ? textsOf(value).join(", ") : textOf(value);
}
