/** Live queries over many documents: asked for the first time, asked again, and told of an edit. */
import { splice, type Database, type Draft, type Query, type QueryDefinition } from "cofferdb";
import { makeRows, type Person } from "./rows.ts";
import { foundTenant, removeSession } from "./session.ts";
import { pause, until } from "./wait.ts";

/** Times of queries with a window of 50 rows, in milliseconds. */
export interface QueryTimes {
  /** asked for the first time: all rows are read */
  readonly firstMs: number;
  /** asked again with other values */
  readonly warmMs: readonly number[];
  /** what no index helps with: a text inside a text */
  readonly scanMs: readonly number[];
  /** from `changeDoc` until the window shows it, right behind the queries: their indexes and more are being written */
  readonly busyEditMs: readonly number[];
  /** the same when all of that is written */
  readonly editMs: readonly number[];
  /** of letters typed into a text, which takes Automerge */
  readonly typedEditMs: readonly number[];
}

const cities = ["Bergen", "Oslo", "Lyon", "Kyoto", "Accra", "Porto", "Graz"];
/** What an import and queries leave to be written is written by then. */
const restMs = 3000;
const sort = [{ field: "name" }, { field: "balance", order: "desc" }] as const;

/** Measure queries over `count` documents. */
export async function measureQueries(options: {
  readonly cofferName: string;
  readonly count: number;
  readonly rounds: number;
}): Promise<QueryTimes> {
  const session = await foundTenant(options.cofferName);
  const db = await session.tenant.openDB<Person>("people");
  await db.createDocuments(makeRows(options.count));
  const inCity = (round: number): QueryDefinition => {
    const city = cities[round % cities.length] ?? "";
    return { filter: `city = '${city}' and age >= ${30 + (round % 5)}`, sort, locale: "en", limit: 50 };
  };
  const firstMs = await ask(db, inCity(0));
  // Fields and order are asked for again: their indexes are made beside the answers.
  for (const round of [1, 2, 3]) await ask(db, inCity(round));
  await pause(options.count / 20);
  // On a crowded machine that takes longer, but not without end.
  for (let more = 0; more < 8 && (await ask(db, inCity(more))) > firstMs / 4; more++)
    await pause(options.count / 20);
  const warmMs: number[] = [];
  const scanMs: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    warmMs.push(await ask(db, inCity(round)));
    scanMs.push(await ask(db, { filter: `contains(email, '${round % 10}')`, sort, locale: "en", limit: 50 }));
  }
  const busyEditMs = await measureEdits(db, options.rounds, 20, setPhone);
  await pause(restMs);
  const editMs = await measureEdits(db, options.rounds, 21, setPhone);
  const typedEditMs = await measureEdits(db, options.rounds, 22, typePhone);
  await removeSession(session);
  return { firstMs, warmMs, scanMs, busyEditMs, editMs, typedEditMs };
}

async function ask(db: Database<Person>, definition: QueryDefinition): Promise<number> {
  const startMs = performance.now();
  const query = db.query(definition);
  await ready(query);
  const tookMs = performance.now() - startMs;
  if (query.rows.value.length !== 50) throw new Error(`${query.rows.value.length} rows instead of 50`);
  query.dispose();
  return tookMs;
}

async function ready(query: Query<Person>): Promise<void> {
  await until(() => query.status.value === "ready", "a query");
}

type Edit = (draft: Draft<Person>, phone: string) => void;
const setPhone: Edit = (draft, phone) => {
  draft.phone = phone;
};
const typePhone: Edit = (draft, phone) => {
  splice(draft, ["phone"], 0, draft.phone.length, phone);
};

/** Edit the document in a row of the window. */
async function measureEdits(
  db: Database<Person>,
  rounds: number,
  place: number,
  edit: Edit,
): Promise<readonly number[]> {
  const query = db.query({ filter: "age >= 30", sort, locale: "en", limit: 50 });
  await ready(query);
  const id = query.rows.value[place]?.id ?? "";
  const doc = await db.getDocument(id);
  const timesMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await pause(40);
    const phone = `+47 ${round}`;
    const startMs = performance.now();
    const saved = db.changeDoc(doc, (draft) => edit(draft, phone));
    await until(() => query.rows.value.some((row) => row.id === id && row.data.phone === phone), "an edit");
    timesMs.push(performance.now() - startMs);
    await saved;
  }
  doc.dispose();
  query.dispose();
  return timesMs;
}
