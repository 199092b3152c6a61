/** RxDB's own server for its replication over a WebSocket, its collection in memory: its stores on disk for Node need another server or are sold. */
import { createRxDatabase } from "rxdb/plugins/core";
import { startWebsocketServer } from "rxdb/plugins/replication-websocket";
import { getRxStorageMemory } from "rxdb/plugins/storage-memory";
import { schemaOf } from "../rxdb-schema.mjs";

/** @type {import("./serve.mjs").Start} */
export async function start() {
  const database = await createRxDatabase({ name: "bench", storage: getRxStorageMemory() });
  await database.addCollections({ tasks: { schema: schemaOf(false) } });
  return startWebsocketServer({ database, port: 0, host: "127.0.0.1" }).server;
}
