/** RxDB on its Dexie storage, with its own replication over a WebSocket. */
import { createRxDatabase, type RxCollection } from "rxdb/plugins/core";
import { replicateWithWebsocketServer } from "rxdb/plugins/replication-websocket";
import { getRxStorageDexie } from "rxdb/plugins/storage-dexie";
import { schemaOf } from "../../rxdb-schema.mjs";
import type { StoredTask } from "../tasks.ts";
import { socketUrl, untilHeard } from "./heard.ts";
import type { FoundedTasks, Place, SyncPeer } from "./sync-peer.ts";

async function openCollection({ name, serverUrl }: Place): Promise<FoundedTasks> {
  const db = await createRxDatabase({ name, storage: getRxStorageDexie() });
  const { tasks } = (await db.addCollections({ tasks: { schema: schemaOf(false) as never } })) as {
    tasks: RxCollection<StoredTask>;
  };
  const replication = await replicateWithWebsocketServer<StoredTask, unknown>({
    collection: tasks,
    url: socketUrl(serverUrl),
    replicationIdentifier: "bench",
    batchSize: 1000,
    live: true,
  });
  await replication.awaitInSync();
  let known = 0;
  const listeners = new Set<() => void>();
  const subscription = tasks.count().$.subscribe((count) => {
    known = count;
    for (const heard of listeners) heard();
  });
  return {
    invite: async () => "",
    async add(rows) {
      await tasks.bulkInsert(rows.map((row) => ({ id: crypto.randomUUID(), ...row })));
    },
    until: async (count) =>
      untilHeard(
        (heard) => {
          listeners.add(heard);
          return () => listeners.delete(heard);
        },
        () => known >= count,
      ),
    async close() {
      subscription.unsubscribe();
      await db.close();
    },
  };
}

export const peer: SyncPeer = {
  found: openCollection,
  join: async (place) => openCollection(place),
};
