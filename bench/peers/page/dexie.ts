/** Dexie on the page: plain text, a primary key and three secondary indexes. */
import { Dexie, liveQuery, type EntityTable } from "dexie";
import type { Peer } from "./peer.ts";
import type { Task } from "./tasks.ts";

interface StoredTask extends Task {
  readonly id: string;
}

async function openDatabase(
  name: string,
  isAsked = false,
): Promise<Dexie & { tasks: EntityTable<StoredTask, "id"> }> {
  const db = new Dexie(name) as Dexie & { tasks: EntityTable<StoredTask, "id"> };
  const tasks = `id, status, due, assignee${isAsked ? ", [status+due]" : ""}`;
  db.version(1).stores({ tasks, texts: "id" });
  await db.open();
  return db;
}

export const peer: Peer = {
  async open(name, isAsked) {
    const db = await openDatabase(name, isAsked);
    return {
      async insertAll(tasks) {
        await db.tasks.bulkAdd(tasks.map((task) => ({ id: crypto.randomUUID(), ...task })));
      },
      async insert(task) {
        const id = crypto.randomUUID();
        await db.tasks.add({ id, ...task });
        return id;
      },
      async update(id, title) {
        await db.tasks.update(id, { title });
      },
      window: async (limit) =>
        db.tasks
          .orderBy("due")
          .filter((task) => task.status === "open")
          .limit(limit)
          .toArray(),
      ask: async ({ status, from, limit }) =>
        db.tasks.where("[status+due]").between([status, from], [status, Dexie.maxKey]).limit(limit).toArray(),
      count: async () => db.tasks.count(),
      async watch(id, listener) {
        const subscription = liveQuery(() => db.tasks.get(id)).subscribe((task) => {
          if (task !== undefined) listener(task.title);
        });
        return () => subscription.unsubscribe();
      },
      async close() {
        db.close();
      },
    };
  },

  /** A text is stored whole each time. */
  async openText(name) {
    const db = await openDatabase(name);
    const table = db.table<{ id: string; text: string }>("texts");
    let text = (await table.get("text"))?.text ?? "";
    let last: Promise<unknown> = Promise.resolve();
    return {
      insert(index, inserted) {
        text = text.slice(0, index) + inserted + text.slice(index);
        last = table.put({ id: "text", text });
      },
      stored: async () => void (await last),
      read: async () => text,
      async close() {
        db.close();
      },
    };
  },
};
