/** TinyBase: a mergeable store in memory, saved to IndexedDB by itself, a row for each task. */
import { createMergeableStore, type Row } from "tinybase";
import { createIndexedDbPersister } from "tinybase/persisters/persister-indexed-db";
import { createWsSynchronizer } from "tinybase/synchronizers/synchronizer-ws-client";
import { socketUrl, untilHeard } from "./heard.ts";
import type { FoundedTasks, Place, SyncPeer } from "./sync-peer.ts";

async function openRoom({ name, serverUrl }: Place, room: string): Promise<FoundedTasks> {
  const store = createMergeableStore();
  const persister = createIndexedDbPersister(store, name);
  await persister.load();
  await persister.startAutoSave();
  const synchronizer = await createWsSynchronizer(store, new WebSocket(socketUrl(serverUrl, `/${room}`)));
  await synchronizer.startSync();
  return {
    invite: async () => room,
    async add(rows) {
      store.transaction(() => {
        for (const row of rows) store.setRow("tasks", crypto.randomUUID(), row as unknown as Row);
      });
    },
    until: async (count) =>
      untilHeard(
        (heard) => {
          const id = store.addRowCountListener("tasks", heard);
          return () => void store.delListener(id);
        },
        () => store.getRowCount("tasks") >= count,
      ),
    async close() {
      await synchronizer.destroy();
      await persister.destroy();
    },
  };
}

export const peer: SyncPeer = {
  found: async (place) => openRoom(place, place.name),
  join: openRoom,
};
