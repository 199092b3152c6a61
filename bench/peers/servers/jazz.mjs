/** The sync server of Jazz as its command starts it in memory: a node of cojson without an account, to which each socket is a peer. */
import { createServer } from "node:http";
import { LocalNode } from "cojson";
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import { createWebSocketPeer } from "cojson-transport-ws";
import { WebSocketServer } from "ws";

const pingMs = 1500;

/** @type {import("./serve.mjs").Start} */
export async function start() {
  const crypto = await WasmCrypto.create();
  const secret = crypto.newRandomAgentSecret();
  const node = new LocalNode(secret, crypto.newRandomSessionID(crypto.getAgentID(secret)), crypto);
  node.enableGarbageCollector();
  const server = createServer((_request, response) => response.end());
  let socketCount = 0;
  new WebSocketServer({ server }).on("connection", (websocket) => {
    const ping = () => websocket.send(JSON.stringify({ type: "ping", time: Date.now(), dc: "bench" }));
    const timer = setInterval(ping, pingMs);
    websocket.on("close", () => clearInterval(timer));
    socketCount += 1;
    node.syncManager.addPeer(
      createWebSocketPeer({
        id: `browser-${socketCount}`,
        role: "client",
        websocket,
        expectPings: false,
        batchingByDefault: false,
        deletePeerStateOnClose: true,
      }),
    );
  });
  return server.listen(0, "127.0.0.1");
}
