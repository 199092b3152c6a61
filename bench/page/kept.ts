/** Coming back without a password: the stages of a reload with a kept session, on one clock with the worker's milestones. */
import { openCoffer, splice, type Coffer, type Tenant } from "cofferdb";
import { effect } from "@preact/signals-core";
import { showRows } from "./list.ts";
import type { Person } from "./rows.ts";
import { required, userPassword } from "./session.ts";
import { pause, until } from "./wait.ts";

/** What was reached, in milliseconds since 1970: pages and workers have clocks of their own, and this one in common. */
export type Points = Readonly<Record<string, number>>;

const listLength = 50;
let opened: Coffer | undefined;

const nowMs = (): number => performance.timeOrigin + performance.now();

/** IndexedDB's own start is the same for all who use it, and is not measured. */
async function startIndexedDb(): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const request = indexedDB.open("bench-probe", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("nothing");
    request.onsuccess = () => resolve(request.result.close());
    request.onerror = () => reject(request.error ?? new Error("IndexedDB"));
  });
}

async function openKept(cofferName: string): Promise<Tenant> {
  opened = await openCoffer({ name: cofferName });
  const [known] = await opened.tenants();
  return opened.openTenant(known?.id ?? "");
}

/** Open a tenant by its password, and keep the session for the next page. */
export async function keepSession({ cofferName }: { cofferName: string }): Promise<void> {
  const coffer = await openCoffer({ name: cofferName });
  await coffer.openTenant("bench", { password: userPassword, keepSession: true });
  await coffer.close();
}

/** Show a sorted list by a kept session, then know all documents. It stays open for {@link closeKept}. */
export async function reopenKept({
  cofferName,
  count,
}: {
  cofferName: string;
  count: number;
}): Promise<Points> {
  await startIndexedDb();
  const begin = nowMs();
  const tenant = await openKept(cofferName);
  const db = await tenant.openDB<Person>("people");
  const query = db.query({ sort: [{ field: "name" }], limit: listLength });
  const stopShowing = effect(() => showRows(query.rows.value));
  await until(() => query.rows.value.length === listLength, "the first rows come");
  void document.body.getBoundingClientRect();
  const rows = nowMs();
  // A kept count may answer earlier: all are known when all of their catalog is here.
  const ids = await db.getAllDocumentIds();
  const all = nowMs();
  stopShowing();
  if (ids.length !== count) throw new Error(`${ids.length} of ${count} documents are known`);
  return { begin, rows, all };
}

/** Show the text of a document with many changes by a kept session, then edit it, after a pause. It stays open for {@link closeKept}. */
export async function reopenLong({
  cofferName,
  length,
  pauseMs,
}: {
  cofferName: string;
  length: number;
  pauseMs: number;
}): Promise<Points> {
  await startIndexedDb();
  const begin = nowMs();
  const tenant = await openKept(cofferName);
  const db = await tenant.openDB<{ text: string }>("long");
  const [id = ""] = await db.getAllDocumentIds();
  const named = nowMs();
  const doc = await db.getDocument(id);
  const shown = doc.data.peek()?.text.length ?? 0;
  const text = nowMs();
  if (shown < length) throw new Error(`${shown} of ${length} characters came back`);
  if (pauseMs > 0) await pause(pauseMs);
  const edit = nowMs();
  await db.changeDoc(doc, (draft) => splice(draft, ["text"], 0, 0, "y"));
  return { begin, named, text, edit, edited: nowMs() };
}

/** Close what was reopened. */
export async function closeKept(): Promise<void> {
  await required(opened).close();
  opened = undefined;
}

/** How long a worker without anything in it takes to run: no store that has a worker opens sooner. */
export async function startEmptyWorker(): Promise<number> {
  const url = URL.createObjectURL(
    new Blob(["postMessage(performance.timeOrigin + performance.now());"], { type: "text/javascript" }),
  );
  const begin = nowMs();
  const worker = new Worker(url, { type: "module" });
  const running = await new Promise<number>((resolve) => {
    worker.addEventListener("message", ({ data }) => resolve(Number(data)), { once: true });
  });
  worker.terminate();
  URL.revokeObjectURL(url);
  return running - begin;
}
