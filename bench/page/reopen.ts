/** Coming back: from a fresh page to the first rows on screen. */
import { openCoffer } from "cofferdb";
import { effect } from "@preact/signals-core";
import { showRows } from "./list.ts";
import { makeRows, type Person } from "./rows.ts";
import { foundTenant, removeSession, userPassword } from "./session.ts";
import { painted, until } from "./wait.ts";

/** How long each step took, and the whole from the page's navigation on. */
export interface ReopenTimes {
  readonly openCofferMs: number;
  /** with the derivation of the key from the password */
  readonly openTenantMs: number;
  readonly openDatabaseMs: number;
  /** from the query to its first rows, painted */
  readonly firstRowsMs: number;
  /** until every document is counted */
  readonly allCountedMs: number;
  readonly sinceNavigationMs: number;
}

const listLength = 50;

/** Make a tenant with many documents, and close it in good order. */
export async function fillTenant({
  cofferName,
  count,
}: {
  cofferName: string;
  count: number;
}): Promise<void> {
  const { coffer, tenant } = await foundTenant(cofferName);
  const db = await tenant.openDB<Person>("people");
  await db.createDocuments(makeRows(count));
  await coffer.close();
}

/** Open that tenant on a fresh page and show a sorted list. */
export async function reopen({
  cofferName,
  count,
}: {
  cofferName: string;
  count: number;
}): Promise<ReopenTimes> {
  const startMs = performance.now();
  const coffer = await openCoffer({ name: cofferName });
  const cofferMs = performance.now();
  const tenant = await coffer.openTenant("bench", { password: userPassword });
  const tenantMs = performance.now();
  const db = await tenant.openDB<Person>("people");
  const databaseMs = performance.now();
  const query = db.query({ sort: [{ field: "name" }], limit: listLength });
  const stopShowing = effect(() => showRows(query.rows.value));
  await until(() => query.rows.value.length === listLength, "the first rows come");
  await painted();
  const paintedMs = performance.now();
  await until(() => query.total.value === count, "every document is counted");
  const countedMs = performance.now();
  stopShowing();
  await coffer.close();
  return {
    openCofferMs: cofferMs - startMs,
    openTenantMs: tenantMs - cofferMs,
    openDatabaseMs: databaseMs - tenantMs,
    firstRowsMs: paintedMs - databaseMs,
    allCountedMs: countedMs - databaseMs,
    sinceNavigationMs: paintedMs,
  };
}

/** Remove that tenant. */
export async function removeTenant(cofferName: string): Promise<void> {
  const coffer = await openCoffer({ name: cofferName });
  await removeSession({ coffer, tenant: await coffer.openTenant("bench", { password: userPassword }) });
}
