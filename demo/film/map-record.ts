/** From the records of the shipped data set, and the rows of any CSV file, to films. Pure. */
import { createFilm, type Film } from "./film.ts";

/** A record as the data set has it, or a row of a table: nothing about it is certain. */
export type SourceRecord = Readonly<Record<string, unknown>>;

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** The data set was put together in 2010: a later year is an earlier century that was written with two digits. */
const lastYear = 2011;

/**
 * Read a date like "Jun 12 1998".
 *
 * @returns an ISO day; undefined for what is no date, and for "Dec 31 1969", which stands for an unknown one
 */
export function parseReleaseDate(text: unknown): string | undefined {
  const parts = typeof text === "string" ? /^([A-Z][a-z]{2}) (\d{2}) (\d{4})$/.exec(text) : null;
  const [, monthName = "", day = "", yearText = ""] = parts ?? [];
  const month = months.indexOf(monthName.toLowerCase()) + 1;
  if (month === 0 || text === "Dec 31 1969") return undefined;
  const year = Number(yearText) > lastYear ? Number(yearText) - 100 : Number(yearText);
  return `${year}-${String(month).padStart(2, "0")}-${day}`;
}

/** Turn a record of the shipped data set into a film. */
export function mapFilmRecord(record: SourceRecord): Film {
  const film = createFilm(readText(record["Title"]) ?? "Untitled");
  const released = parseReleaseDate(record["Release Date"]);
  const tags = [record["Creative Type"], record["Source"]].map(readText).filter((tag) => tag !== undefined);
  return withoutUnknown({
    ...film,
    director: readText(record["Director"]),
    genre: readText(record["Major Genre"]),
    year: released === undefined ? undefined : Number(released.slice(0, 4)),
    released,
    runtimeMinutes: readNumber(record["Running Time min"]),
    rated: readText(record["MPAA Rating"]),
    ratings: {
      imdb: readNumber(record["IMDB Rating"]),
      votes: readNumber(record["IMDB Votes"]),
      rottenTomatoes: readNumber(record["Rotten Tomatoes Rating"]),
    },
    distribution: {
      distributor: readText(record["Distributor"]),
      budgetUsd: readMoney(record["Production Budget"]),
      worldwideUsd: readMoney(record["Worldwide Gross"]),
    },
    tags: [...new Set(tags.map((tag) => tag.toLowerCase()))],
  });
}

/** The column names that a table may use for a field; the first that is there counts. */
const columns = {
  title: ["title", "name", "film", "movie", "series title"],
  director: ["director", "directed by"],
  genre: ["genre", "major genre", "category"],
  year: ["year", "released year", "release year"],
  runtimeMinutes: ["runtime", "running time min", "runtimeminutes", "minutes"],
  rated: ["rated", "mpaa rating", "certificate"],
  imdb: ["imdb", "imdb rating", "rating"],
  votes: ["votes", "imdb votes"],
  rottenTomatoes: ["rotten tomatoes", "rotten tomatoes rating"],
  distributor: ["distributor", "studio"],
  budgetUsd: ["budget", "production budget"],
  worldwideUsd: ["gross", "worldwide gross"],
  tags: ["tags", "labels"],
  notes: ["notes", "note", "description", "overview"],
} as const;

/**
 * Turn a row of a CSV file into a film. Columns without a field of their own are kept as texts under `more`.
 *
 * @returns undefined for a row in which nothing is written
 */
export function mapCsvRow(row: SourceRecord): Film | undefined {
  const cells = new Map(
    Object.entries(row).map(([name, cell]) => [name.trim().toLowerCase(), { name, cell }]),
  );
  if ([...cells.values()].every(({ cell }) => readText(cell) === undefined)) return undefined;
  const take = (field: keyof typeof columns): unknown => {
    const column = columns[field].find((name) => cells.has(name));
    const found = column === undefined ? undefined : cells.get(column);
    if (column !== undefined) cells.delete(column);
    return found?.cell;
  };
  const film = createFilm(readText(take("title")) ?? "Untitled");
  const known = {
    ...film,
    director: readText(take("director")),
    genre: readText(take("genre")),
    year: readNumber(take("year")),
    runtimeMinutes: readNumber(take("runtimeMinutes")),
    rated: readText(take("rated")),
    ratings: {
      imdb: readNumber(take("imdb")),
      votes: readNumber(take("votes")),
      rottenTomatoes: readNumber(take("rottenTomatoes")),
    },
    distribution: {
      distributor: readText(take("distributor")),
      budgetUsd: readMoney(take("budgetUsd")),
      worldwideUsd: readMoney(take("worldwideUsd")),
    },
    tags: splitTags(readText(take("tags"))),
    notes: readText(take("notes")) ?? "",
  };
  const rest = [...cells.values()].flatMap(({ name, cell }) => {
    const text = readText(cell);
    return text === undefined || name.trim() === "" ? [] : [[name.trim(), text] as const];
  });
  return withoutUnknown({ ...known, more: rest.length === 0 ? undefined : Object.fromEntries(rest) });
}

function splitTags(text: string | undefined): string[] {
  const tags = (text ?? "").split(/[,;|]/).map((tag) => tag.trim());
  return [...new Set(tags)].filter((tag) => tag !== "");
}

function readText(cell: unknown): string | undefined {
  if (typeof cell !== "string" && typeof cell !== "number") return undefined;
  const text = String(cell).trim();
  return text === "" ? undefined : text;
}

/** Numbers, also as a person writes them: "1,234", "142 min", "$28.5". */
function readNumber(cell: unknown): number | undefined {
  const text = readText(cell)?.replaceAll(/[,\s$€£]|min$/g, "");
  const found = text === undefined || text === "" ? Number.NaN : Number(text);
  return Number.isFinite(found) ? found : undefined;
}

/** In the data set a gross of 0 means that nobody wrote it down. */
function readMoney(cell: unknown): number | undefined {
  const amount = readNumber(cell);
  return amount === 0 ? undefined : amount;
}

type Known<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [Key in keyof T]: Known<Exclude<T[Key], undefined>> }
    : T;

/** Leave out what is not known, at any depth. */
function withoutUnknown<T extends object>(value: T): Known<T> & Film {
  const kept = Object.entries(value)
    .filter(([, item]: [string, unknown]) => item !== undefined)
    .map(([key, item]: [string, unknown]) => [key, isPlain(item) ? withoutUnknown(item) : item]);
  return Object.fromEntries(kept) as Known<T> & Film;
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
