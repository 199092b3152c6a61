/** One insert and one update at a time, each awaited: through the public API, in Dexie, and stage by stage. */
import type { Doc } from "cofferdb";
import { Dexie } from "dexie";
import { askAgain, askWorker } from "./ask.ts";
import { makeRows, type Person } from "./rows.ts";
import { foundTenant, removeSession, required } from "./session.ts";
import type { SingleStageTimes } from "./single-stages.ts";
import type { StagesQuestion } from "./stages-worker.ts";

/** Milliseconds of each. */
export interface SingleTimes {
  readonly insertMs: readonly number[];
  readonly updateMs: readonly number[];
  /** opening a document, which comes before its update */
  readonly openMs: readonly number[];
}

async function timesOf(count: number, step: (index: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const startMs = performance.now();
    await step(index);
    times.push(performance.now() - startMs);
  }
  return times;
}

/** `count` documents, created, opened and changed one after another. */
export async function singleWrites(options: { cofferName: string; count: number }): Promise<SingleTimes> {
  const { cofferName, count } = options;
  const session = await foundTenant(cofferName);
  const db = await session.tenant.openDB<Person>("people");
  const rows = makeRows(count);
  const ids: string[] = [];
  const docs: Doc<Person>[] = [];
  const insertMs = await timesOf(count, async (index) => {
    ids.push(...(await db.createDocuments(rows.slice(index, index + 1))));
  });
  const openMs = await timesOf(count, async (index) => docs.push(await db.getDocument(ids[index] ?? "")));
  const updateMs = await timesOf(count, (index) =>
    db.changeDoc(required(docs[index]), (draft) => {
      draft.name = `Changed ${index}`;
    }),
  );
  for (const doc of docs) doc.dispose();
  await removeSession(session);
  return { insertMs, openMs, updateMs };
}

/** The same with Dexie on the page, with three indexes. */
export async function singleDexieWrites(options: {
  databaseName: string;
  count: number;
}): Promise<Omit<SingleTimes, "openMs">> {
  const { databaseName, count } = options;
  const database = new Dexie(databaseName);
  database.version(1).stores({ people: "++id, city, age, company" });
  await database.open();
  const people = database.table("people");
  const rows = makeRows(count);
  const ids: unknown[] = [];
  const insertMs = await timesOf(count, async (index) => ids.push(await people.add({ ...rows[index] })));
  const updateMs = await timesOf(count, (index) => people.update(ids[index], { name: `Changed ${index}` }));
  await database.delete();
  return { insertMs, updateMs };
}

/** The stages of the worker alone. */
export async function singleStages(options: { storeName: string; count: number }): Promise<SingleStageTimes> {
  const question: StagesQuestion = { kind: "single", ...options };
  return askWorker("/bench/stages-worker.js", question);
}

/** A message to a worker that does nothing, and its answer back. */
export async function roundTrips(count: number): Promise<readonly number[]> {
  const question: StagesQuestion = { kind: "echo" };
  return askAgain("/bench/stages-worker.js", question, count);
}
