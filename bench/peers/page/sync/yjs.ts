/** Yjs with y-websocket and y-indexeddb: all tasks in one document, a map for each. */
import { IndexeddbPersistence } from "y-indexeddb";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";
import { socketUrl, untilHeard } from "./heard.ts";
import type { FoundedTasks, Place, SyncPeer } from "./sync-peer.ts";

async function openRoom({ name, serverUrl }: Place, room: string): Promise<FoundedTasks> {
  const doc = new Y.Doc();
  const persistence = new IndexeddbPersistence(name, doc);
  await persistence.whenSynced;
  const provider = new WebsocketProvider(socketUrl(serverUrl), room, doc);
  await untilHeard(
    (heard) => {
      provider.on("sync", heard);
      return () => provider.off("sync", heard);
    },
    () => provider.synced,
  );
  const tasks = doc.getMap<Y.Map<unknown>>("tasks");
  return {
    invite: async () => room,
    async add(rows) {
      doc.transact(() => {
        for (const row of rows) tasks.set(crypto.randomUUID(), new Y.Map(Object.entries(row)));
      });
    },
    until: async (count) =>
      untilHeard(
        (heard) => {
          tasks.observe(heard);
          return () => tasks.unobserve(heard);
        },
        () => tasks.size >= count,
      ),
    async close() {
      provider.destroy();
      await persistence.destroy();
    },
  };
}

export const peer: SyncPeer = {
  found: async (place) => openRoom(place, place.name),
  join: openRoom,
};
