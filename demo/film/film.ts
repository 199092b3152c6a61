/** What the library holds: one film as a document. */

/** A film. What is not known is left out, so that it sorts last; nested objects are always there. */
export interface Film {
  title: string;
  director?: string;
  genre?: string;
  year?: number;
  /** ISO 8601, a day */
  released?: string;
  runtimeMinutes?: number;
  /** the MPAA's rating */
  rated?: string;
  ratings: {
    /** 0 to 10 */
    imdb?: number;
    votes?: number;
    /** 0 to 100 */
    rottenTomatoes?: number;
  };
  distribution: {
    distributor?: string;
    budgetUsd?: number;
    worldwideUsd?: number;
  };
  tags: string[];
  notes: string;
  /** columns of an imported table that have no field of their own */
  more?: Record<string, string>;
}

/** The name of the space's database. */
export const databaseName = "contacts";

/** How many films the shipped data set holds. */
export const dataSetCount = 3201;

/** The genres of the data set, for the filter and as suggestions. */
export const genres: readonly string[] = [
  "Action",
  "Adventure",
  "Black Comedy",
  "Comedy",
  "Concert/Performance",
  "Documentary",
  "Drama",
  "Horror",
  "Musical",
  "Romantic Comedy",
  "Thriller/Suspense",
  "Western",
];

/** A new, empty film. */
export function createFilm(title: string): Film {
  return { title, ratings: {}, distribution: {}, tags: [], notes: "" };
}
