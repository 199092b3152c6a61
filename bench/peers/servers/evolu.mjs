/**
 * The relay of Evolu: its storage, its protocol and whom it tells of news are those of @evolu/common; the sockets around them and SQLite
 * in memory are put together here, since the package of its relay for Node asks for a newer Node and a newer Evolu than its package for browsers.
 */
import "./newer-node.mjs";
import { timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { createRandom, createSqlite, SimpleName } from "@evolu/common";
import {
  applyProtocolMessageAsRelay,
  createBaseSqliteStorageTables,
  createRelaySqliteStorage,
  createRelayStorageTables,
} from "@evolu/common/local-first";
import openSqlite from "@evolu/sqlite-wasm";
import { WebSocketServer } from "ws";

/** SQLite as Evolu asks for it, its statements prepared once. */
async function createSqliteDriver() {
  const { capi, oo1 } = await openSqlite();
  const db = new oo1.DB(":memory:");
  const statements = new Map();
  const prepare = (sql) => {
    const known = statements.get(sql) ?? db.prepare(sql);
    statements.set(sql, known);
    return known;
  };
  return {
    exec({ sql, parameters, options }, isMutation) {
      if (options?.prepare !== true) {
        const rows = db.exec(sql, { returnValue: "resultRows", rowMode: "object", bind: parameters });
        return { rows, changes: db.changes() };
      }
      const statement = prepare(sql).bind(parameters);
      const rows = [];
      if (isMutation) statement.step();
      else while (statement.step()) rows.push(statement.get({}));
      statement.reset();
      return { rows, changes: isMutation ? db.changes() : 0 };
    },
    export: () => capi.sqlite3_js_db_export(db),
    [Symbol.dispose]: () => db.close(),
  };
}

/** What a call of Evolu's gave, which must have gone well. */
function valueOf(result) {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

async function createStorage() {
  const sqlite = valueOf(await createSqlite({ createSqliteDriver })(SimpleName.orThrow("bench")));
  valueOf(createBaseSqliteStorageTables({ sqlite }));
  valueOf(createRelayStorageTables({ sqlite }));
  return createRelaySqliteStorage({ sqlite, random: createRandom(), timingSafeEqual })({
    onStorageError: console.error,
    isOwnerWithinQuota: () => true,
  });
}

/** @type {import("./serve.mjs").Start} */
export async function start() {
  const apply = applyProtocolMessageAsRelay({ storage: await createStorage() });
  const server = createServer((_request, response) => response.end());
  const listeners = new Map();
  const listenersOf = (owner) => {
    const known = listeners.get(owner) ?? new Set();
    listeners.set(owner, known);
    return known;
  };
  new WebSocketServer({ server }).on("connection", (socket) => {
    const options = {
      subscribe: (owner) => void listenersOf(owner).add(socket),
      unsubscribe: (owner) => void listenersOf(owner).delete(socket),
      broadcast(owner, message) {
        for (const other of listenersOf(owner)) if (other !== socket) other.send(message);
      },
    };
    socket.on("message", async (message) => {
      socket.send(valueOf(await apply(new Uint8Array(message), options)).message);
    });
    socket.on("close", () => {
      for (const sockets of listeners.values()) sockets.delete(socket);
    });
  });
  return server.listen(0, "127.0.0.1");
}
