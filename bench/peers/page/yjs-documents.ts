/** Yjs with y-indexeddb: one document a task, which is what one needs to share or load tasks by themselves. */
import { IndexeddbPersistence } from "y-indexeddb";
import * as Y from "yjs";
import type { Peer } from "./peer.ts";
import type { Task } from "./tasks.ts";
import { stored } from "./yjs.ts";

interface OpenTask {
  readonly map: Y.Map<unknown>;
  readonly provider: IndexeddbPersistence;
}

export const peer: Peer = {
  async open(name) {
    const root = new Y.Doc();
    const rootProvider = new IndexeddbPersistence(name, root);
    await rootProvider.whenSynced;
    const ids = root.getArray<string>("ids");
    const open = new Map<string, OpenTask>();
    const load = async (id: string): Promise<OpenTask> => {
      const known = open.get(id);
      if (known !== undefined) return known;
      const doc = new Y.Doc();
      const provider = new IndexeddbPersistence(`${name}-${id}`, doc);
      await provider.whenSynced;
      const task = { map: doc.getMap("task"), provider };
      open.set(id, task);
      return task;
    };
    const create = async (task: Task): Promise<string> => {
      const id = crypto.randomUUID();
      const { map, provider } = await load(id);
      map.doc?.transact(() => {
        for (const [field, value] of Object.entries(task)) map.set(field, value);
      });
      await stored(provider);
      return id;
    };
    return {
      async insertAll(tasks) {
        const made: string[] = [];
        for (const task of tasks) made.push(await create(task));
        ids.push(made);
        await stored(rootProvider);
      },
      async insert(task) {
        const id = await create(task);
        ids.push([id]);
        await stored(rootProvider);
        return id;
      },
      async update(id, title) {
        const { map, provider } = await load(id);
        map.set("title", title);
        await stored(provider);
      },
      async window(limit) {
        const rows: { status: string; title: string; due: string }[] = [];
        for (const id of ids) rows.push((await load(id)).map.toJSON() as (typeof rows)[number]);
        return rows
          .filter(({ status }) => status === "open")
          .sort((a, b) => (a.due < b.due ? -1 : 1))
          .slice(0, limit);
      },
      count: async () => ids.length,
      async close() {
        for (const { provider } of open.values()) await provider.destroy();
        await rootProvider.destroy();
      },
    };
  },
};
