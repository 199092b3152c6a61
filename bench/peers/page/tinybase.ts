/** TinyBase: all rows in memory, saved whole to IndexedDB. */
import { createStore, type Row } from "tinybase";
import { createIndexedDbPersister } from "tinybase/persisters/persister-indexed-db";
import type { Peer } from "./peer.ts";

export const peer: Peer = {
  async open(name) {
    const store = createStore();
    const persister = createIndexedDbPersister(store, name);
    await persister.load();
    const rows = () => Object.values(store.getTable("tasks"));
    return {
      async insertAll(tasks) {
        store.transaction(() => {
          for (const task of tasks) store.setRow("tasks", crypto.randomUUID(), task as unknown as Row);
        });
        await persister.save();
      },
      async insert(task) {
        const id = crypto.randomUUID();
        store.setRow("tasks", id, task as unknown as Row);
        await persister.save();
        return id;
      },
      async update(id, title) {
        store.setCell("tasks", id, "title", title);
        await persister.save();
      },
      async window(limit) {
        const open = rows().filter(({ status }) => status === "open") as unknown as {
          title: string;
          due: string;
        }[];
        return open.sort((a, b) => (a.due < b.due ? -1 : 1)).slice(0, limit);
      },
      count: async () => rows().length,
      async watch(id, listener) {
        const listenerId = store.addCellListener("tasks", id, "title", (_store, _table, _row, _cell, title) =>
          listener(String(title)),
        );
        return () => void store.delListener(listenerId);
      },
      async close() {
        await persister.destroy();
      },
    };
  },
};
