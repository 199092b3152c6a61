/** The competitor: Dexie's `bulkAdd` of the same rows, in plain text, in one call, without an index, in a dedicated worker. */
import { Dexie } from "dexie";
import { answerOnce } from "./ask.ts";
import { makeRows } from "./rows.ts";

export interface DexieQuestion {
  readonly databaseName: string;
  readonly count: number;
}

async function importRows({ databaseName, count }: DexieQuestion): Promise<{ ms: number }> {
  const database = new Dexie(databaseName);
  database.version(1).stores({ people: "++id" });
  await database.open();
  const rows = makeRows(count);
  const startMs = performance.now();
  await database.table("people").bulkAdd([...rows]);
  const ms = performance.now() - startMs;
  const stored = await database.table("people").count();
  await database.delete();
  if (stored !== count) throw new Error(`Dexie stored ${stored} of ${count} rows`);
  return { ms };
}

answerOnce(importRows);
