/** What the runner asks one page to do, as `window.bench`. Each peer is a chunk of its own. */
import type { PeerBench } from "./peer-bench.ts";
import type { Collection, Peer, WindowRow } from "./peer.ts";
import { makeTasks, statuses, type Task } from "./tasks.ts";

const peers: Record<string, () => Promise<{ readonly peer: Peer }>> = {
  coffer: async () => import("./coffer.ts"),
  dexie: async () => import("./dexie.ts"),
  rxdb: async () => import("./rxdb.ts"),
  pouchdb: async () => import("./pouchdb.ts"),
  tinybase: async () => import("./tinybase.ts"),
  "automerge-repo": async () => import("./automerge-repo.ts"),
  yjs: async () => import("./yjs.ts"),
  "yjs-documents": async () => import("./yjs-documents.ts"),
  evolu: async () => import("./evolu.ts"),
  pglite: async () => import("./pglite.ts"),
};

async function loadPeer(name: string): Promise<Peer> {
  const load = peers[name];
  if (load === undefined) throw new Error(`No peer is called ${name}`);
  return (await load()).peer;
}

let collection: Collection | undefined;
function opened(): Collection {
  if (collection === undefined) throw new Error("Nothing is open");
  return collection;
}

const rowsShown = 50;
const warmingRounds = 6;
/** What a peer does for the questions that came goes on in the pauses between them, and takes longer of more tasks. */
const warmingPauseMs = (count: number): number => Math.max(250, count / 40);
/** More tasks are inserted in calls of so many. */
const insertedAtOnce = 10_000;
const singlesLimitMs = 15_000;

/** Let the browser go on with what it has to do. */
const nextTask = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve();
    port2.postMessage(undefined);
  });

/** Do something with one after the other, as many as there is time for: ms for each. */
async function eachOf<T>(
  items: readonly T[],
  run: (item: T, index: number) => Promise<void>,
): Promise<number> {
  const startMs = performance.now();
  let done = 0;
  for (const [index, item] of items.entries()) {
    if (performance.now() - startMs > singlesLimitMs) break;
    await run(item, index);
    done++;
  }
  return (performance.now() - startMs) / done;
}

/** Long tasks of the main thread while `run` lasts, in ms. */
async function longestTaskDuring(run: () => Promise<void>): Promise<number> {
  let longest = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
  });
  observer.observe({ type: "longtask" });
  await run();
  await new Promise((resolve) => setTimeout(resolve, 200));
  for (const { duration } of observer.takeRecords()) longest = Math.max(longest, duration);
  observer.disconnect();
  return longest;
}

/** IndexedDB's own start: it is the same for all, and measured apart. */
async function openIndexedDb(): Promise<number> {
  const startMs = performance.now();
  await new Promise((resolve, reject) => {
    const request = indexedDB.open("bench-probe", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("nothing");
    request.onsuccess = () => resolve(request.result.close());
    request.onerror = () => reject(request.error);
  });
  return performance.now() - startMs;
}

/** The due dates that an answer has, by looking at all tasks. */
function dueDatesOf(tasks: readonly Task[], status: string, from: string): readonly string[] {
  const found = tasks.filter((task) => task.status === status && task.due >= from);
  return found
    .map(({ due }) => due)
    .toSorted()
    .slice(0, rowsShown);
}

function checkAnswer(rows: readonly WindowRow[], dueDates: readonly string[]): void {
  if (rows.length !== dueDates.length || rows.some(({ due }, index) => due !== dueDates[index]))
    throw new Error(`${rows.length} rows came that are not those asked for`);
}

const bench: PeerBench = {
  async open(peerName: string, name: string, isAsked = false): Promise<void> {
    await openIndexedDb();
    collection = await (await loadPeer(peerName)).open(name, isAsked);
  },

  async close(): Promise<void> {
    await opened().close();
    collection = undefined;
  },

  /** Insert `count` tasks at once. */
  async insertAll(count: number): Promise<{ ms: number; longestTaskMs: number }> {
    const tasks = makeTasks(count);
    let ms = 0;
    const longestTaskMs = await longestTaskDuring(async () => {
      const startMs = performance.now();
      await opened().insertAll(tasks);
      ms = performance.now() - startMs;
    });
    const found = await opened().count();
    if (found < count) throw new Error(`${found} of ${count} tasks are there`);
    return { ms, longestTaskMs };
  },

  /** One insert after another, then one update of each, all awaited: ms for each. Who is slow does fewer of them. */
  async singles(count: number): Promise<{ insertMs: number; updateMs: number }> {
    const ids: string[] = [];
    const insertMs = await eachOf(makeTasks(count, 2), async (task) => {
      ids.push(await opened().insert(task));
    });
    const updateMs = await eachOf(ids, async (id, index) => opened().update(id, `Changed ${index}`));
    return { insertMs, updateMs };
  },

  /** From the update's call to the subscriber's on the same page, ms for each; `undefined` where one cannot subscribe. */
  async notify(count: number): Promise<readonly number[] | undefined> {
    const [task] = makeTasks(1, 3);
    if (task === undefined || opened().watch === undefined) return undefined;
    const id = await opened().insert(task);
    let heard: (title: string) => void = () => undefined;
    const stop = await opened().watch?.(id, (title) => heard(title));
    const times: number[] = [];
    for (let round = 0; round < count; round++) {
      const title = `Told ${round}`;
      const startMs = performance.now();
      const told = new Promise<number>((resolve) => {
        heard = (shown) => {
          if (shown === title) resolve(performance.now() - startMs);
        };
      });
      await opened().update(id, title);
      times.push(await told);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    stop?.();
    return times;
  },

  /** Ms from the call of a question to its rows, each with other values than the one before; the first ones only warm it up. */
  async ask(count: number, rounds: number): Promise<readonly number[] | undefined> {
    const collected = opened();
    if (collected.ask === undefined) return undefined;
    const tasks = makeTasks(count);
    for (let from = 0; from < count; from += insertedAtOnce)
      await collected.insertAll(tasks.slice(from, from + insertedAtOnce));
    const times: number[] = [];
    for (let round = 0; round < warmingRounds + rounds; round++) {
      const status = statuses[round % statuses.length] ?? "";
      // No question comes twice, or a peer that remembers answers would be asked for nothing.
      const from = new Date(Date.UTC(2026, 0, 1 + 5 * round)).toISOString();
      const startMs = performance.now();
      const rows = await collected.ask({ status, from, limit: rowsShown });
      if (round >= warmingRounds) times.push(performance.now() - startMs);
      else await new Promise((resolve) => setTimeout(resolve, warmingPauseMs(count)));
      checkAnswer(rows, dueDatesOf(tasks, status, from));
    }
    return times;
  },

  /** The other tab: says on the wall clock when it heard of each title. */
  async listen(peerName: string, name: string, id: string): Promise<boolean> {
    await bench.open(peerName, name);
    if (opened().watch === undefined) return false;
    const heard: Record<string, number> = {};
    Object.assign(window, { heard });
    await opened().watch?.(id, (title) => {
      heard[title] ??= performance.timeOrigin + performance.now();
    });
    return true;
  },
  heard: (): Record<string, number> => (window as unknown as { heard: Record<string, number> }).heard,

  async insertOne(): Promise<string> {
    const [task] = makeTasks(1, 4);
    return task === undefined ? "" : opened().insert(task);
  },
  /** Titles with the moment each was written, on the wall clock. */
  async tell(id: string, count: number): Promise<Record<string, number>> {
    const told: Record<string, number> = {};
    for (let round = 0; round < count; round++) {
      const title = `Across ${round}`;
      told[title] = performance.timeOrigin + performance.now();
      await opened().update(id, title);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    return told;
  },

  /** From the store's opening to the first rows on the page, and to the count of all. */
  async coldOpen(
    peerName: string,
    name: string,
  ): Promise<{
    indexedDbMs: number;
    openMs: number;
    firstRowsMs: number;
    allKnownMs: number;
    count: number;
  }> {
    const peer = await loadPeer(peerName);
    const indexedDbMs = await openIndexedDb();
    const startMs = performance.now();
    collection = await peer.open(name);
    const openMs = performance.now() - startMs;
    const rows = await collection.window(rowsShown);
    const list = document.body.appendChild(document.createElement("ul"));
    for (const { title, due } of rows) {
      const item = list.appendChild(document.createElement("li"));
      item.textContent = `${due} ${title}`;
    }
    void list.getBoundingClientRect();
    const firstRowsMs = performance.now() - startMs;
    const count = await collection.count();
    if (rows.length !== rowsShown) throw new Error(`${rows.length} rows came of ${count}`);
    return { indexedDbMs, openMs, firstRowsMs, allKnownMs: performance.now() - startMs, count };
  },

  /** `count` characters, one after another, all of them stored at the end. */
  async type(peerName: string, name: string, count: number): Promise<number | undefined> {
    const peer = await loadPeer(peerName);
    if (peer.openText === undefined) return undefined;
    await openIndexedDb();
    const text = await peer.openText(name);
    const startMs = performance.now();
    for (let index = 0; index < count; index++) {
      text.insert(index, index % 7 === 6 ? " " : "abcdefg".charAt(index % 7));
      await nextTask();
    }
    await text.stored();
    const ms = performance.now() - startMs;
    await text.close();
    return ms;
  },
  async readText(peerName: string, name: string): Promise<{ ms: number; length: number }> {
    const peer = await loadPeer(peerName);
    await openIndexedDb();
    const startMs = performance.now();
    const text = await peer.openText?.(name);
    const { length } = (await text?.read()) ?? "";
    return { ms: performance.now() - startMs, length };
  },
};

Object.assign(window, { bench });
