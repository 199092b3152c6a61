/** Yjs with y-indexeddb: all tasks in one document. */
import { IndexeddbPersistence } from "y-indexeddb";
import * as Y from "yjs";
import type { Peer } from "./peer.ts";
import type { Task } from "./tasks.ts";

/** Every write of the provider has its own transaction; one more behind them ends when they have. */
export async function stored(provider: IndexeddbPersistence): Promise<void> {
  const { db } = provider as unknown as { db: IDBDatabase };
  const transaction = db.transaction(["updates"], "readwrite");
  transaction.objectStore("updates").count();
  await new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

async function openDoc(name: string): Promise<{ doc: Y.Doc; provider: IndexeddbPersistence }> {
  const doc = new Y.Doc();
  const provider = new IndexeddbPersistence(name, doc);
  await provider.whenSynced;
  return { doc, provider };
}

export const peer: Peer = {
  async open(name) {
    const { doc, provider } = await openDoc(name);
    const tasks = doc.getMap<Y.Map<unknown>>("tasks");
    const add = (task: Task): string => {
      const id = crypto.randomUUID();
      tasks.set(id, new Y.Map(Object.entries(task)));
      return id;
    };
    return {
      async insertAll(rows) {
        doc.transact(() => rows.forEach(add));
        await stored(provider);
      },
      async insert(task) {
        const id = add(task);
        await stored(provider);
        return id;
      },
      async update(id, title) {
        tasks.get(id)?.set("title", title);
        await stored(provider);
      },
      async window(limit) {
        const open: { title: string; due: string }[] = [];
        for (const task of tasks.values())
          if (task.get("status") === "open") open.push(task.toJSON() as { title: string; due: string });
        return open.sort((a, b) => (a.due < b.due ? -1 : 1)).slice(0, limit);
      },
      count: async () => tasks.size,
      async watch(id, listener) {
        const task = tasks.get(id);
        const heard = (): void => listener(String(task?.get("title")));
        task?.observe(heard);
        return () => task?.unobserve(heard);
      },
      close: async () => provider.destroy(),
    };
  },

  async openText(name) {
    const { doc, provider } = await openDoc(name);
    const text = doc.getText("text");
    return {
      insert: (index, inserted) => text.insert(index, inserted),
      stored: async () => stored(provider),
      read: async () => text.toString(),
      close: async () => provider.destroy(),
    };
  },
};
