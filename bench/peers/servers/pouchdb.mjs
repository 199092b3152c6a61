/** PouchDB's server for Node, express-pouchdb, as little of CouchDB as PouchDB asks for, its databases in LevelDB. */
import { join, sep } from "node:path";
import express from "express";
import expressPouchDb from "express-pouchdb";
import PouchDb from "pouchdb-node";

/** @type {import("./serve.mjs").Start} */
export async function start(folder) {
  const app = express();
  // Pages of another origin may use it, as with CouchDB's own setting for that.
  app.use((request, response, next) => {
    response.set({
      "Access-Control-Allow-Origin": request.headers.origin ?? "*",
      "Access-Control-Allow-Credentials": "true",
      "Access-Control-Allow-Methods": "GET, PUT, POST, HEAD, DELETE",
      "Access-Control-Allow-Headers": "accept, authorization, content-type, origin, referer",
      "Access-Control-Max-Age": "600",
    });
    if (request.method === "OPTIONS") response.sendStatus(204);
    else next();
  });
  const options = { mode: "minimumForPouchDB", inMemoryConfig: true, logPath: join(folder, "log.txt") };
  app.use("/", expressPouchDb(PouchDb.defaults({ prefix: folder + sep }), options));
  return app.listen(0, "127.0.0.1");
}
