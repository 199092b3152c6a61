/** automerge-repo on Node: its WebSocket adapter, its documents in files, shared with who asks for them by their address. */
import { Repo } from "@automerge/automerge-repo";
import { WebSocketServerAdapter } from "@automerge/automerge-repo-network-websocket";
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs";
import { WebSocketServer } from "ws";

/** @type {import("./serve.mjs").Start} */
export async function start(folder) {
  const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  new Repo({
    storage: new NodeFSStorageAdapter(folder),
    network: [new WebSocketServerAdapter(sockets)],
    sharePolicy: async () => false,
  });
  return sockets;
}
