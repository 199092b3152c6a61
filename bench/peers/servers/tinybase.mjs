/** TinyBase's WsServer, its stores in memory: with its FilePersister it sends whole stores again, since each file it writes is one it reads. */
import { createWsServer } from "tinybase/synchronizers/synchronizer-ws-server";
import { WebSocketServer } from "ws";

/** @type {import("./serve.mjs").Start} */
export async function start() {
  const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  createWsServer(sockets);
  return sockets;
}
