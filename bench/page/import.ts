/** The import: many documents through the public API, alone or with a live list on screen, beside Dexie and the stages alone. */
import { effect } from "@preact/signals-core";
import { askWorker } from "./ask.ts";
import type { DexieQuestion } from "./dexie-worker.ts";
import { showRows } from "./list.ts";
import { watchMainThread, type MainThreadReport } from "./main-thread.ts";
import { makeRows, type Person } from "./rows.ts";
import { foundTenant, removeSession } from "./session.ts";
import type { StagesAnswer, StagesQuestion } from "./stages-worker.ts";
import { until } from "./wait.ts";

export interface ImportOptions {
  readonly cofferName: string;
  readonly count: number;
}

/** `createDocuments` of all rows in a fresh tenant; resolves when all are durable. */
export async function importDocuments({ cofferName, count }: ImportOptions): Promise<{ ms: number }> {
  const session = await foundTenant(cofferName);
  const db = await session.tenant.openDB<Person>("people");
  const rows = makeRows(count);
  const startMs = performance.now();
  const ids = await db.createDocuments(rows);
  const ms = performance.now() - startMs;
  if (new Set(ids).size !== count) throw new Error(`${ids.length} documents were made of ${count} rows`);
  await removeSession(session);
  return { ms };
}

/** The same import with a sorted live list and a progress bar on screen, as an application shows it. */
export async function importOnScreen({
  cofferName,
  count,
}: ImportOptions): Promise<MainThreadReport & { ms: number }> {
  const session = await foundTenant(cofferName);
  const db = await session.tenant.openDB<Person>("people");
  const rows = makeRows(count);
  const query = db.query({ sort: [{ field: "name" }], limit: 50 });
  const stopShowing = effect(() => showRows(query.rows.value));
  const progress = document.body.appendChild(document.createElement("progress"));
  const watch = watchMainThread();
  const startMs = performance.now();
  await db.createDocuments(rows, {
    onProgress({ doneCount, totalCount }) {
      progress.value = doneCount / totalCount;
    },
  });
  const ms = performance.now() - startMs;
  await until(() => query.total.value === count, "the list shows every document");
  const report = await watch.end();
  stopShowing();
  progress.remove();
  query.dispose();
  await removeSession(session);
  return { ...report, ms };
}

/** Dexie's bulkAdd of the same rows. */
export async function importWithDexie({ databaseName, count }: DexieQuestion): Promise<{ ms: number }> {
  return askWorker("/bench/dexie-worker.js", { databaseName, count } satisfies DexieQuestion);
}

/** The stages of the worker alone. */
export async function importByStages(options: { storeName: string; count: number }): Promise<StagesAnswer> {
  const question: StagesQuestion = { kind: "stages", wasmUrl: "/dist/automerge.wasm", ...options };
  return askWorker("/bench/stages-worker.js", question);
}

/** One derivation of a key from a password, in a worker. */
export async function derivePassword(): Promise<{ ms: number }> {
  return askWorker("/bench/stages-worker.js", { kind: "password" } satisfies StagesQuestion);
}
