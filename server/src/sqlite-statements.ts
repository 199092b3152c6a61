import type Database from "libsql";
import { addUsageSql, rowsPerLog } from "./sqlite-schema.ts";

/** The statements of one connection. */
export type SqliteStatements = ReturnType<typeof prepareStatements>;

/**
 * Prepare every statement of the storage.
 *
 * A single blob is passed in an array: alone, the driver takes it for named parameters, and ends the process.
 */
export function prepareStatements(db: Database.Database) {
  const logColumns = "logs.id, logs.db, logs.epoch, logs.size, logs.size_bytes";
  const tenantLogs = `SELECT ${logColumns} FROM logs JOIN tenants ON logs.tenant = tenants.id WHERE tenants.tenant = ?`;
  return {
    readTenant: db.prepare("SELECT id, directory, publication FROM tenants WHERE tenant = ?"),
    countTenants: db.prepare("SELECT count(*) AS count FROM tenants"),
    listTenants: db.prepare("SELECT tenant FROM tenants WHERE tenant > ? ORDER BY tenant LIMIT ?"),
    usage: db.prepare(
      `SELECT count(*) AS count, ifnull(sum(logs.size), 0) AS commit_count, ifnull(sum(logs.size_bytes), 0) AS size_bytes
       FROM logs JOIN tenants ON logs.tenant = tenants.id WHERE tenants.tenant = ?`,
    ),
    authorUsage: db.prepare(
      `SELECT commit_count, usage.size_bytes FROM usage JOIN tenants ON usage.tenant = tenants.id
       WHERE tenants.tenant = ? AND author = ?`,
    ),
    addUsage: db.prepare(addUsageSql),
    // In this order: what comes later is found through what is still there.
    removals: [
      "UPDATE lowest_epoch SET epoch = max(epoch, ifnull((SELECT max(epoch) + 1 FROM logs WHERE tenant = ?1), 0))",
      `DELETE FROM commits WHERE key IN (SELECT commits.key FROM logs JOIN commits
       ON commits.key >= logs.id * ${rowsPerLog} AND commits.key < logs.id * ${rowsPerLog} + logs.size WHERE logs.tenant = ?1)`,
      `DELETE FROM partial_commits WHERE key IN (SELECT partial_commits.key FROM logs JOIN partial_commits
       ON partial_commits.key >= logs.id * ${rowsPerLog} AND partial_commits.key < logs.id * ${rowsPerLog} + logs.size WHERE logs.tenant = ?1)`,
      "DELETE FROM lookup WHERE log IN (SELECT id FROM logs WHERE tenant = ?1)",
      "DELETE FROM logs WHERE tenant = ?1",
      "DELETE FROM usage WHERE tenant = ?1",
      "DELETE FROM chunks WHERE tenant = ?1",
      "DELETE FROM chunk_docs WHERE tenant = ?1",
      "DELETE FROM subscriptions WHERE tenant = ?1",
      "DELETE FROM forwarded WHERE tenant = ?1",
      "DELETE FROM tenants WHERE id = ?1",
    ].map((sql) => db.prepare(sql)),
    ...chunkStatements(db),
    ...subscriptionStatements(db),
    ...forwardStatements(db),
    addTenant: db.prepare("INSERT INTO tenants (tenant, directory, publication) VALUES (?, ?, ?)"),
    findLog: db.prepare(`${tenantLogs} AND logs.db = ?`),
    listLogs: db.prepare(tenantLogs),
    readLog: db.prepare("SELECT id, epoch FROM logs WHERE tenant = ? AND db = ?"),
    // Clients were told the newest epoch of the tenant for a log that was lost: its successor may not begin below it.
    addLog: db.prepare(
      `INSERT INTO logs (tenant, db, epoch, size, size_bytes)
       SELECT ?1, ?2, max(?3, (SELECT epoch FROM lowest_epoch), ifnull((SELECT max(epoch) FROM logs WHERE tenant = ?1), 0)), 0, 0`,
    ),
    updateLog: db.prepare("UPDATE logs SET size = ?, size_bytes = ? WHERE id = ?"),
    bumpEpochs: db.prepare("UPDATE logs SET epoch = max(epoch + 1, ?)"),
    findCommit: db.prepare("SELECT seq FROM lookup WHERE log = ? AND created_at = ? AND hash = ?"),
    addLookup: db.prepare("INSERT INTO lookup (log, created_at, hash, seq) VALUES (?, ?, ?, ?)"),
    addCommit: db.prepare("INSERT INTO commits (key, hash, node, replica, bytes) VALUES (?, ?, ?, ?, ?)"),
    replaceBytes: db.prepare("UPDATE commits SET bytes = ? WHERE key = ?"),
    readBytes: db.prepare("SELECT bytes FROM commits WHERE key = ?"),
    addPartial: db.prepare("INSERT INTO partial_commits (key) VALUES (?) ON CONFLICT DO NOTHING"),
    removePartial: db.prepare("DELETE FROM partial_commits WHERE key = ?"),
    readKeys: db.prepare(
      `SELECT seq, hash, created_at, EXISTS (SELECT 1 FROM partial_commits WHERE key = log * ${rowsPerLog} + seq) AS is_partial
       FROM lookup WHERE log = ? AND seq >= ? AND seq < ?`,
    ),
    readNode: db.prepare("SELECT node FROM commits WHERE key = ?"),
    readSizes: db.prepare(
      "SELECT CASE WHEN replica = ? THEN 0 ELSE length(bytes) END AS size_bytes FROM commits WHERE key >= ? AND key < ? ORDER BY key",
    ),
    readCommits: db.prepare(
      `SELECT hash, own, CASE WHEN own THEN NULL ELSE bytes END AS bytes
       FROM (SELECT key, hash, bytes, replica = ? AS own FROM commits WHERE key >= ? AND key < ?) ORDER BY key`,
    ),
  };
}

/** Those about devices that are woken. */
function subscriptionStatements(db: Database.Database) {
  const tenantOf = "(SELECT id FROM tenants WHERE tenant = ?1)";
  return {
    countSubscriptions: db.prepare(
      "SELECT count(*) AS count FROM subscriptions WHERE tenant = ? AND member = ? AND device <> ?",
    ),
    putSubscription: db.prepare(
      `INSERT INTO subscriptions (tenant, device, member, endpoint) VALUES (?, ?, ?, ?)
       ON CONFLICT (tenant, device) DO UPDATE SET member = excluded.member, endpoint = excluded.endpoint`,
    ),
    removeSubscription: db.prepare(
      `DELETE FROM subscriptions WHERE tenant = ${tenantOf} AND device = ?2 AND (?3 = x'' OR endpoint = ?3)`,
    ),
    listSubscriptions: db.prepare(
      `SELECT device, member, endpoint FROM subscriptions
       WHERE tenant = ${tenantOf} AND device > ?2 ORDER BY device LIMIT ?3`,
    ),
  };
}

/** Those about forwarding. */
function forwardStatements(db: Database.Database) {
  return {
    readForwarded: db.prepare(
      "SELECT db, place FROM forwarded WHERE tenant = (SELECT id FROM tenants WHERE tenant = ?1) AND server = ?2",
    ),
    writeForwarded: db.prepare(
      `INSERT INTO forwarded (tenant, server, db, place) VALUES (?, ?, ?, ?)
       ON CONFLICT (tenant, server, db) DO UPDATE SET place = excluded.place`,
    ),
  };
}

/** Those about chunks of files. */
function chunkStatements(db: Database.Database) {
  const tenantOf = "(SELECT id FROM tenants WHERE tenant = ?1)";
  return {
    // Where the chunk is: it goes with this document too.
    nameChunk: db.prepare(
      `INSERT INTO chunk_docs SELECT tenant, hash, ?3 FROM chunks WHERE tenant = ?1 AND hash = ?2
       ON CONFLICT (tenant, hash, doc) DO UPDATE SET doc = excluded.doc`,
    ),
    addChunk: db.prepare(
      "INSERT INTO chunks (tenant, hash, doc, author, size_bytes, bytes) VALUES (?, ?, ?, ?, ?, ?)",
    ),
    readChunk: db.prepare(
      "SELECT bytes FROM chunks JOIN tenants ON chunks.tenant = tenants.id WHERE tenants.tenant = ? AND hash = ?",
    ),
    // In this order: what another document names goes with that one from here on.
    chunkSize: db.prepare(
      `SELECT size_bytes FROM chunks WHERE tenant = ${tenantOf} AND hash = ?2 AND (doc = ?3 OR EXISTS (
         SELECT 1 FROM chunk_docs WHERE chunk_docs.tenant = chunks.tenant AND chunk_docs.hash = chunks.hash AND chunk_docs.doc = ?3))`,
    ),
    removeChunks: [
      `DELETE FROM chunk_docs WHERE tenant = ${tenantOf} AND doc = ?2`,
      `UPDATE chunks SET doc = (SELECT min(doc) FROM chunk_docs WHERE chunk_docs.tenant = chunks.tenant AND chunk_docs.hash = chunks.hash)
       WHERE tenant = ${tenantOf} AND doc = ?2
       AND EXISTS (SELECT 1 FROM chunk_docs WHERE chunk_docs.tenant = chunks.tenant AND chunk_docs.hash = chunks.hash)`,
      `DELETE FROM chunks WHERE tenant = ${tenantOf} AND doc = ?2`,
    ].map((sql) => db.prepare(sql)),
    chunkUsage: db.prepare(
      `SELECT ifnull(sum(size_bytes), 0) AS tenant_bytes,
       ifnull(sum(CASE WHEN author = ? THEN size_bytes ELSE 0 END), 0) AS author_bytes
       FROM chunks WHERE tenant = (SELECT id FROM tenants WHERE tenant = ?)`,
    ),
  };
}
