/** Reads CSV files; loaded only when there is one. */
import Papa from "papaparse";
import type { SourceRecord } from "../film/map-record.ts";

const chunkBytes = 128 * 1024;

/** Read the rows of a CSV file, chunk by chunk, each as an object by the names in the first row. */
export async function readCsv(file: File, signal: AbortSignal): Promise<readonly SourceRecord[]> {
  return new Promise((resolve, reject) => {
    const rows: SourceRecord[] = [];
    Papa.parse<SourceRecord>(file, {
      header: true,
      skipEmptyLines: "greedy",
      chunkSize: chunkBytes,
      chunk({ data }, parser) {
        if (signal.aborted) parser.abort();
        else rows.push(...data);
      },
      complete: () => (signal.aborted ? reject(signal.reason as Error) : resolve(rows)),
      error: reject,
    });
  });
}
