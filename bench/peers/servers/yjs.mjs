/** The server of y-websocket, its documents in LevelDB as it keeps them where a folder is named. */
import { createServer } from "node:http";
import process from "node:process";
import { WebSocketServer } from "ws";

/** @type {import("./serve.mjs").Start} */
export async function start(folder) {
  // It is read when the module is loaded.
  process.env["YPERSISTENCE"] = folder;
  const { setupWSConnection } = await import("@y/websocket-server/utils");
  const server = createServer((_request, response) => response.end());
  new WebSocketServer({ server }).on("connection", setupWSConnection);
  return server.listen(0, "127.0.0.1");
}
