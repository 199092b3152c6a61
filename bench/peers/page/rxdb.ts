/** RxDB on its Dexie storage. */
import { createRxDatabase, type RxCollection } from "rxdb/plugins/core";
import { getRxStorageDexie } from "rxdb/plugins/storage-dexie";
import { schemaOf } from "../rxdb-schema.mjs";
import type { Peer } from "./peer.ts";
import type { StoredTask } from "./tasks.ts";

export const peer: Peer = {
  async open(name, isAsked = false) {
    const db = await createRxDatabase({ name, storage: getRxStorageDexie() });
    const { tasks } = (await db.addCollections({ tasks: { schema: schemaOf(isAsked) as never } })) as {
      tasks: RxCollection<StoredTask>;
    };
    return {
      async insertAll(rows) {
        await tasks.bulkInsert(rows.map((row) => ({ id: crypto.randomUUID(), ...row })));
      },
      async insert(row) {
        const id = crypto.randomUUID();
        await tasks.insert({ id, ...row });
        return id;
      },
      async update(id, title) {
        const found = await tasks.findOne(id).exec();
        await found?.patch({ title });
      },
      async window(limit) {
        const found = await tasks
          .find({ selector: { status: "open" }, sort: [{ due: "asc" }], limit })
          .exec();
        return found.map((row) => row.toJSON());
      },
      async ask({ status, from, limit }) {
        const selector = { status, due: { $gte: from } };
        const found = await tasks.find({ selector, sort: [{ status: "asc" }, { due: "asc" }], limit }).exec();
        return found.map((row) => row.toJSON());
      },
      count: async () => tasks.count().exec(),
      async watch(id, listener) {
        const subscription = tasks.findOne(id).$.subscribe((row) => {
          if (row !== null) listener(row.get("title") as string);
        });
        return () => subscription.unsubscribe();
      },
      async close() {
        await db.close();
      },
    };
  },
};
