/** Coming back: from a fresh page to the first rows on screen. */
import { openCoffer, splice } from "cofferdb";
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
  /** until the ids of all documents are here: their catalog is loaded then */
  readonly allKnownMs: number;
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

/** Open that tenant on a fresh page by its password, and show a sorted list. */
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
  const ids = await db.getAllDocumentIds();
  const knownMs = performance.now();
  if (ids.length !== count) throw new Error(`${ids.length} of ${count} documents are known`);
  stopShowing();
  await coffer.close();
  return {
    openCofferMs: cofferMs - startMs,
    openTenantMs: tenantMs - cofferMs,
    openDatabaseMs: databaseMs - tenantMs,
    firstRowsMs: paintedMs - databaseMs,
    allKnownMs: knownMs - databaseMs,
    sinceNavigationMs: paintedMs,
  };
}

/** Remove that tenant. */
export async function removeTenant(cofferName: string): Promise<void> {
  const coffer = await openCoffer({ name: cofferName });
  await removeSession({ coffer, tenant: await coffer.openTenant("bench", { password: userPassword }) });
}

interface Long {
  text: string;
}

/** Make a tenant with one document of many changes, in calls that do not wait for each other; close it in good order. */
export async function fillLong({
  cofferName,
  count,
}: {
  cofferName: string;
  count: number;
}): Promise<number> {
  const { coffer, tenant } = await foundTenant(cofferName);
  const db = await tenant.openDB<Long>("long");
  const doc = await db.createDocument({ text: "" });
  const startMs = performance.now();
  const together = 64;
  for (let from = 0; from < count; from += together) {
    const calls = Array.from({ length: Math.min(together, count - from) }, (_, index) =>
      db.changeDoc(doc, (draft) => splice(draft, ["text"], from + index, 0, "x")),
    );
    await Promise.all(calls);
  }
  const tookMs = performance.now() - startMs;
  await coffer.close();
  return tookMs;
}
