/** A categorised view over many documents: built, looked at, edited, and opened again from disk. */
import {
  category,
  openCoffer,
  sorted,
  total,
  type Database,
  type Tenant,
  type View,
  type ViewOptions,
} from "cofferdb";
import { effect } from "@preact/signals-core";
import { askWorker } from "./ask.ts";
import { watchMainThread, type MainThreadReport } from "./main-thread.ts";
import { makeRows, type Person } from "./rows.ts";
import { foundTenant, removeSession } from "./session.ts";
import type { ViewAnswer, ViewQuestion } from "./view-worker.ts";
import { painted, pause, until } from "./wait.ts";

/** Times of a view over many documents, in milliseconds. */
export interface ViewTimes {
  /** from `coffer.view` until its rows are there */
  readonly buildMs: number;
  /** 60 rows at a random position, from the call until they are there */
  readonly windowMs: readonly number[];
  /** from `changeDoc` until the view's signals show it */
  readonly editMs: readonly number[];
  /** the page while other documents change, a hundred times a second */
  readonly busy: MainThreadReport;
}

/** Two levels of categories, an order, three totals. */
const definition = {
  columns: [
    category("country"),
    category("city"),
    sorted("name"),
    total("balance", "sum"),
    total("age", "average"),
    total("*", "count"),
  ],
  locale: "en",
} satisfies Partial<ViewOptions>;
const everything = { version: 1, expandedTo: 2, flipped: [], selected: [] } as const;
const windowLength = 60;

/** Measure a view over `count` documents. */
export async function measureView(options: {
  readonly cofferName: string;
  readonly count: number;
  readonly rounds: number;
}): Promise<ViewTimes> {
  const session = await foundTenant(options.cofferName);
  const db = await session.tenant.openDB<Person>("people");
  await db.createDocuments(makeRows(options.count));
  await pause(options.count / 50);
  const startMs = performance.now();
  const view = await session.coffer.view({
    sources: [{ origin: "o", db }],
    ...definition,
    state: everything,
  });
  await isShown(view);
  const buildMs = performance.now() - startMs;
  const windowMs = await measureWindows(view, options.rounds);
  const editMs = await measureEdits(db, view, options.rounds);
  const busy = await whileEdited(db, view);
  view.dispose();
  await removeSession(session);
  return { buildMs, windowMs, editMs, busy };
}

/** The same work in a worker of its own, by the rooms that do it. */
export async function viewByStages(question: ViewQuestion): Promise<ViewAnswer> {
  return askWorker("/bench/view-worker.js", question);
}

async function isShown(view: View): Promise<void> {
  await until(() => view.rows.value !== undefined && view.progress.value === undefined, "a view");
}

async function measureWindows(view: View, rounds: number): Promise<readonly number[]> {
  const { rowCount = 0 } = view.total.value ?? {};
  const timesMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const from = (round * 7919 * 13) % (rowCount - windowLength);
    const startMs = performance.now();
    await view.window({ from, count: windowLength });
    timesMs.push(performance.now() - startMs);
    if (view.from.value !== from || view.rows.value?.length !== windowLength)
      throw new Error("The window is elsewhere");
    await pause(20);
  }
  return timesMs;
}

async function measureEdits(db: Database<Person>, view: View, rounds: number): Promise<readonly number[]> {
  const row = view.rows.value?.find(({ kind }) => kind === "document");
  const id = row?.kind === "document" ? row.id : "";
  const doc = await db.getDocument(id);
  const timesMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await pause(40);
    const balance = 1_000_000 + round;
    const startMs = performance.now();
    const saved = db.changeDoc(doc, (draft) => {
      draft.balance = balance;
    });
    const hasIt = (): boolean =>
      view.rows.value?.some(
        (one) => one.kind === "document" && one.id === id && one.values["sum(balance)"] === balance,
      ) ?? false;
    await until(hasIt, "an edit");
    timesMs.push(performance.now() - startMs);
    await saved;
  }
  doc.dispose();
  return timesMs;
}

/** A hundred edits a second for three seconds, with the view on screen. */
async function whileEdited(db: Database<Person>, view: View): Promise<MainThreadReport> {
  const stop = effect(() => showView(view));
  const ids = (view.rows.value ?? []).flatMap((row) => (row.kind === "document" ? [row.id] : []));
  const docs = await Promise.all(ids.slice(0, 20).map(async (id) => db.getDocument(id)));
  const watch = watchMainThread();
  const saving: Promise<unknown>[] = [];
  for (let edit = 0; edit < 300; edit++) {
    const doc = docs[edit % docs.length];
    if (doc === undefined) throw new Error("No documents are shown");
    saving.push(
      db.changeDoc(doc, (draft) => {
        draft.balance = edit;
      }),
    );
    await pause(10);
  }
  const report = await watch.end();
  await Promise.all(saving);
  for (const doc of docs) doc.dispose();
  stop();
  return report;
}

function showView(view: View): void {
  const list = document.querySelector("ol") ?? document.body.appendChild(document.createElement("ol"));
  list.replaceChildren(
    ...(view.rows.value ?? []).map((row) => {
      const item = document.createElement("li");
      const cells = row.kind === "document" ? row.values : { value: String(row.value), ...row.totals };
      item.textContent = Object.values(cells).join(" · ");
      return item;
    }),
  );
}

/** A view that was opened again, in milliseconds. */
export interface ReopenedViewTimes {
  /** from the unlocked tenant to the first rows, painted */
  readonly firstMs: number;
  /** from `openTenant`, with the keys of a kept session, to the same */
  readonly sinceOpenMs: number;
  /** from the unlocked tenant until the whole view answers */
  readonly wholeMs: number;
}

/** Open the tenant of `fillTenant` on a fresh page with that view. `pauseMs`: how long to stay, so that what is kept is written. */
export async function reopenView(options: {
  readonly cofferName: string;
  readonly count: number;
  readonly pauseMs: number;
}): Promise<ReopenedViewTimes> {
  const coffer = await openCoffer({ name: options.cofferName });
  const startMs = performance.now();
  const tenant: Tenant = await coffer.openTenant((await coffer.tenants())[0]?.id ?? "");
  const unlockedMs = performance.now();
  const db = await tenant.openDB<Person>("people");
  const window = { from: 0, count: windowLength };
  const view = await coffer.view({
    sources: [{ origin: "o", db }],
    ...definition,
    state: everything,
    window,
  });
  const stop = effect(() => showView(view));
  await until(() => view.rows.value?.length === windowLength, "the first rows");
  await painted();
  const firstMs = performance.now();
  await isShown(view);
  const middle = await view.read({ from: Math.floor(options.count / 2), count: windowLength });
  const wholeMs = performance.now();
  if (middle.length !== windowLength || view.total.value?.documentCount !== options.count)
    throw new Error("Documents are missing");
  await pause(options.pauseMs);
  stop();
  await coffer.close();
  return {
    firstMs: firstMs - unlockedMs,
    sinceOpenMs: firstMs - startMs,
    wholeMs: wholeMs - unlockedMs,
  };
}
