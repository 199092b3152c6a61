/**
 * `node serve.mjs PEER FOLDER`: the server that belongs to a peer, on a free port of this device, until the process is ended. What it
 * keeps is in the folder. Its address is printed as JSON.
 */
import process from "node:process";

/**
 * Start a peer's server, its files in the folder.
 *
 * @typedef {(folder: string) => Promise<import("node:http").Server | import("ws").WebSocketServer>} Start
 */

/** @type {Readonly<Record<string, () => Promise<{ start: Start }>>>} */
const servers = {
  yjs: async () => import("./yjs.mjs"),
  tinybase: async () => import("./tinybase.mjs"),
  "automerge-repo": async () => import("./automerge-repo.mjs"),
  "automerge-document": async () => import("./automerge-repo.mjs"),
  rxdb: async () => import("./rxdb.mjs"),
  pouchdb: async () => import("./pouchdb.mjs"),
  evolu: async () => import("./evolu.mjs"),
  jazz: async () => import("./jazz.mjs"),
};

const [name = "", folder = ""] = process.argv.slice(2);
const load = servers[name];
if (load === undefined || folder === "") throw new Error(`serve.mjs PEER FOLDER, not ${name} ${folder}`);
const { start } = await load();
const server = await start(folder);
if (server.address() === null) await new Promise((resolve) => server.once("listening", resolve));
const address = server.address();
if (address === null || typeof address === "string") throw new Error("The system gave no port");
console.log(JSON.stringify({ url: `http://127.0.0.1:${address.port}` }));
