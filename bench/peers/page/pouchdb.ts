/** PouchDB on IndexedDB; sorted windows come from a scan, and questions from an index of its find plugin. */
import PouchDB from "pouchdb-browser";
import find from "pouchdb-find";
import type { Peer } from "./peer.ts";
import type { Task } from "./tasks.ts";

PouchDB.plugin(find);

export const peer: Peer = {
  async open(name, isAsked) {
    const db = new PouchDB<Task>(name, { auto_compaction: true });
    if (isAsked === true) await db.createIndex({ index: { fields: ["status", "due"] } });
    const all = async () =>
      (await db.allDocs({ include_docs: true })).rows.flatMap((row) =>
        "doc" in row && row.doc !== undefined && row.doc !== null ? [row.doc as Task] : [],
      );
    return {
      async insertAll(tasks) {
        await db.bulkDocs(tasks.map((task) => ({ _id: crypto.randomUUID(), ...task })));
      },
      async insert(task) {
        const id = crypto.randomUUID();
        await db.put({ _id: id, ...task });
        return id;
      },
      async update(id, title) {
        const found = await db.get(id);
        await db.put({ ...found, title });
      },
      async window(limit) {
        const open = (await all()).filter(({ status }) => status === "open");
        return open.sort((a, b) => (a.due < b.due ? -1 : 1)).slice(0, limit);
      },
      async ask({ status, from, limit }) {
        const selector = { status, due: { $gte: from } };
        return (await db.find({ selector, sort: ["status", "due"], limit })).docs;
      },
      count: async () => (await db.info()).doc_count,
      async watch(id, listener) {
        const changes = db
          .changes({ since: "now", live: true, include_docs: true, doc_ids: [id] })
          .on("change", ({ doc }) => {
            if (doc !== undefined) listener(doc.title);
          });
        return () => changes.cancel();
      },
      close: async () => db.close(),
    };
  },
};
