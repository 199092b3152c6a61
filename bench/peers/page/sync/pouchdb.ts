/** PouchDB on IndexedDB, in live replication both ways with a database of its HTTP server. */
import PouchDB from "pouchdb-browser";
import type { Task } from "../tasks.ts";
import { untilHeard } from "./heard.ts";
import type { FoundedTasks, Place, SyncPeer } from "./sync-peer.ts";

/** So many changes at a time: one batch holds all that is added at once. */
const taskLimit = 1000;

async function openReplicated({ name, serverUrl }: Place, room: string): Promise<FoundedTasks> {
  const db = new PouchDB<Task>(name, { auto_compaction: true });
  const known = new Set<string>();
  const listeners = new Set<() => void>();
  const changes = db.changes({ since: 0, live: true }).on("change", ({ id }) => {
    known.add(id);
    for (const heard of listeners) heard();
  });
  const replication = db.sync(`${serverUrl}/${room}`, { live: true, retry: true, batch_size: taskLimit });
  // Both ways have nothing more to do: the database is there, and in step.
  await new Promise((resolve) => replication.once("paused", resolve));
  return {
    invite: async () => room,
    async add(tasks) {
      await db.bulkDocs(tasks.map((task) => ({ _id: crypto.randomUUID(), ...task })));
    },
    until: async (count) =>
      untilHeard(
        (heard) => {
          listeners.add(heard);
          return () => listeners.delete(heard);
        },
        () => known.size >= count,
      ),
    async close() {
      replication.cancel();
      changes.cancel();
      await db.close();
    },
  };
}

export const peer: SyncPeer = {
  found: async (place) => openReplicated(place, place.name),
  join: openReplicated,
};
