/** Many documents from one browser until another one has them all, and one more of them. The two are joined as for small edits. */
import type { Database } from "cofferdb";
import { openedSession } from "./edit.ts";
import { makeRows, type Person } from "./rows.ts";
import { required } from "./session.ts";
import { until } from "./wait.ts";
import { createWallClock } from "./wall-clock.ts";

interface Rows {
  readonly db: Database<Person>;
  readonly query: ReturnType<Database<Person>["query"]>;
  readonly wallMs: () => number;
}

let rows: Rows | undefined;

/** Open the database that is filled, on either device. */
export async function openRows(): Promise<void> {
  const db = await openedSession().tenant.openDB<Person>("rows");
  rows = { db, query: db.query({ sort: [{ field: "name" }], limit: 50 }), wallMs: createWallClock() };
}

/** Make documents. @returns when it began, in milliseconds since 1970 */
export async function makeDocuments(count: number, seed: number): Promise<number> {
  const { db, wallMs } = required(rows);
  const made = makeRows(count, seed);
  const beganAtMs = wallMs();
  await db.createDocuments(made);
  return beganAtMs;
}

/** @returns when this device had so many documents on its page, in milliseconds since 1970 */
export async function untilDocuments(count: number): Promise<number> {
  const { query, wallMs } = required(rows);
  await until(() => query.total.value >= count, "every document is here");
  return wallMs();
}

/** Close what was opened here; the session is left as after small edits. */
export function closeRows(): void {
  rows?.query.dispose();
  rows = undefined;
}
