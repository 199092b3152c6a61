/** Full text over many documents: the first search, the next ones, and what the index takes on disk. */
import type { Database } from "cofferdb";
import { foundTenant, removeSession } from "./session.ts";
import { makeTexts } from "./texts.ts";
import { pause, until } from "./wait.ts";

interface Article {
  readonly body: string;
}

/** Times of searches with at most 50 hits, in milliseconds, and sizes. */
export interface SearchTimes {
  /** from the first search until all is indexed */
  readonly indexMs: number;
  /** a word, or two, until the signals have their hits */
  readonly searchMs: readonly number[];
  /** the same with a letter that is wrong */
  readonly fuzzyMs: readonly number[];
  /** bytes of the index on disk, by those of the text */
  readonly indexRatio: number;
}

/** Measure searches over `count` documents of 300 characters. */
export async function measureSearch(options: {
  readonly cofferName: string;
  readonly count: number;
  readonly rounds: number;
}): Promise<SearchTimes> {
  const session = await foundTenant(options.cofferName);
  const db = await session.tenant.openDB<Article>("articles");
  const { texts, words } = makeTexts(options.count, 300);
  await db.createDocuments(texts.map((body) => ({ body })));
  const indexMs = await ask(db, words[40] ?? "");
  const searchMs: number[] = [];
  const fuzzyMs: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const word = words[(round * 37) % 400] ?? "";
    searchMs.push(await ask(db, round % 2 === 0 ? word : `${word} ${words[(round * 53) % 60] ?? ""}`));
    fuzzyMs.push(await ask(db, `${word.slice(0, -1)}x`, 1));
  }
  // What is indexed is written once it is quiet.
  await pause(4_000);
  const textBytes = texts.reduce((sum, text) => sum + text.length, 0);
  const indexRatio = (await textSlotBytes()) / textBytes;
  if (indexRatio === 0) throw new Error("The index is not on disk");
  await removeSession(session);
  return { indexMs, searchMs, fuzzyMs, indexRatio };
}

async function ask(db: Database<Article>, text: string, fuzzy: 0 | 1 = 0): Promise<number> {
  const startMs = performance.now();
  const search = await db.search(text, { fuzzy, limit: 50 });
  await until(() => search.status.value.phase === "ready", "a search");
  const tookMs = performance.now() - startMs;
  if (search.hits.value.length === 0) throw new Error(`Nothing holds ${text}`);
  search.dispose();
  return tookMs;
}

/** Bytes of all slots that hold a part of an index, in whichever database of this origin. */
async function textSlotBytes(): Promise<number> {
  let bytes = 0;
  for (const { name } of await indexedDB.databases()) {
    const database = await requested(indexedDB.open(name ?? ""));
    if (database.objectStoreNames.contains("slots")) {
      const rows = await requested(database.transaction("slots").objectStore("slots").getAll());
      for (const { name: slot, value } of rows as readonly { name: string; value: unknown }[])
        if (slot.startsWith("text/") && value instanceof Uint8Array) bytes += value.length;
    }
    database.close();
  }
  return bytes;
}

function requested<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error ?? new Error("IndexedDB failed")));
  });
}
