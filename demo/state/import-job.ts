/**
 * Imports: the shipped data set, or any CSV file. The records are read and mapped in slices, so that the page stays alive, and stored by
 * `createDocuments`, so that rows appear while it runs. One import at a time.
 */
import { signal } from "@preact/signals";
import { isCofferError } from "cofferdb";
import moviesUrl from "../../node_modules/vega-datasets/data/movies.json?url";
import type { Film } from "../film/film.ts";
import { mapCsvRow, mapFilmRecord, type SourceRecord } from "../film/map-record.ts";
import { notices, notify, whileSaving } from "./activity.ts";
import { space } from "./space.ts";
import { formatThings } from "../text/format.ts";

/** An import under way, or one that failed and waits to be read. */
export interface ImportJob {
  readonly source: string;
  readonly phase: "reading" | "storing" | "failed";
  readonly doneCount: number;
  readonly totalCount: number;
  readonly perSecond: number;
  readonly error: unknown;
}

/** The import to show. */
export const importJob = signal<ImportJob | undefined>(undefined);

let abort: AbortController | undefined;

/** Import the shipped data set. */
export async function importDataSet(): Promise<void> {
  await run("films", async (signal) => {
    const response = await fetch(moviesUrl, { signal });
    if (!response.ok) throw new Error(`The data set could not be loaded (${response.status}).`);
    return mapInSlices((await response.json()) as SourceRecord[], mapFilmRecord);
  });
}

/** Import a CSV file whose first row names the columns. */
export async function importCsv(file: File): Promise<void> {
  await run(file.name, async (signal) => {
    const { readCsv } = await import("./read-csv.ts");
    const films = await mapInSlices(await readCsv(file, signal), mapCsvRow);
    if (films.length === 0)
      throw new Error("No rows were found in this file. The first row must name the columns.");
    return films;
  });
}

/** Stop the import; what is stored stays. */
export function cancelImport(): void {
  abort?.abort();
}

/** Take the message of a failed import away. */
export function closeImport(): void {
  importJob.value = undefined;
}

async function run(source: string, read: (signal: AbortSignal) => Promise<readonly Film[]>): Promise<void> {
  const db = space.peek()?.db;
  if (db === undefined || (abort !== undefined && !abort.signal.aborted)) return;
  const { signal } = (abort = new AbortController());
  // Older messages would lie over the progress.
  notices.value = [];
  importJob.value = { source, phase: "reading", doneCount: 0, totalCount: 0, perSecond: 0, error: undefined };
  try {
    const films = await read(signal);
    const startedMs = performance.now();
    const onProgress = (progress: { doneCount: number; totalCount: number }): void => {
      const perSecond = progress.doneCount / Math.max(0.001, (performance.now() - startedMs) / 1000);
      importJob.value = { source, phase: "storing", ...progress, perSecond, error: undefined };
    };
    onProgress({ doneCount: 0, totalCount: films.length });
    await whileSaving(db.createDocuments(films, { signal, onProgress }));
    importJob.value = undefined;
    notify(`Imported ${formatThings(films.length, "document")}.`);
  } catch (error) {
    finishFailed(signal, error);
  } finally {
    abort = undefined;
  }
}

function finishFailed(signal: AbortSignal, error: unknown): void {
  const job = importJob.peek();
  if (signal.aborted || (isCofferError(error) && error.code === "aborted")) {
    importJob.value = undefined;
    notify(`Import cancelled. ${formatThings(job?.doneCount ?? 0, "document")} stayed.`);
  } else if (job !== undefined) importJob.value = { ...job, phase: "failed", error };
}

const sliceMs = 8;

/** Map records, and let the page breathe between slices of a few milliseconds. */
async function mapInSlices(
  records: readonly SourceRecord[],
  map: (record: SourceRecord) => Film | undefined,
): Promise<readonly Film[]> {
  const films: Film[] = [];
  let sliceEndMs = performance.now() + sliceMs;
  for (const record of records) {
    const film = map(record);
    if (film !== undefined) films.push(film);
    if (performance.now() < sliceEndMs) continue;
    await new Promise((resolve) => setTimeout(resolve));
    sliceEndMs = performance.now() + sliceMs;
  }
  return films;
}
