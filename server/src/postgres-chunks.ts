import { CofferError, idToBytes } from "../../src/std/index.ts";
import type { ChunkStorage } from "./chunk-storage.ts";
import { bytesAt, numberAt, type Querier } from "./postgres-schema.ts";

const tenantId = "(SELECT id FROM coffer.tenants WHERE tenant = $1)";
const commitSql = `
  SELECT bytes FROM coffer.commits JOIN coffer.logs ON commits.log = logs.id
  WHERE logs.tenant = ${tenantId} AND logs.db = $2 AND commits.created_at = $3 AND commits.hash = $4`;
const addSql = `
  INSERT INTO coffer.chunks (tenant, hash, doc, author, size_bytes, bytes)
  SELECT id, $2, $3, $4, $5, $6 FROM coffer.tenants WHERE tenant = $1
  ON CONFLICT DO NOTHING RETURNING size_bytes`;
const usageSql = `
  SELECT coalesce(sum(size_bytes), 0) AS tenant_bytes,
    coalesce(sum(size_bytes) FILTER (WHERE author = $2), 0) AS author_bytes
  FROM coffer.chunks WHERE tenant = ${tenantId}`;

/** What is kept of files, in a database that nodes share. */
export function createPostgresChunks(db: Querier): ChunkStorage {
  return {
    async findCommit({ commitHash, createdAtMs, dbId, tenantId: tenant }) {
      const values = [idToBytes(tenant), idToBytes(dbId), createdAtMs, idToBytes(commitHash)];
      const [row] = (await db.query(commitSql, values)).rows;
      return row === undefined ? undefined : bytesAt(row, "bytes");
    },
    async addChunk(tenant, { author, bytes, docId, hash }) {
      const values = [idToBytes(tenant), hash, idToBytes(docId), idToBytes(author), bytes.length, bytes];
      if ((await db.query(addSql, values)).rows.length > 0) return "stored";
      if ((await db.query(`SELECT ${tenantId} AS id`, [idToBytes(tenant)])).rows.every((row) => !hasId(row)))
        throw new CofferError("store/failed", { message: "There is no such tenant." });
      return "present";
    },
    async readChunk(tenant, hash) {
      const sql = `SELECT bytes FROM coffer.chunks WHERE tenant = ${tenantId} AND hash = $2`;
      const [row] = (await db.query(sql, [idToBytes(tenant), hash])).rows;
      return row === undefined ? undefined : bytesAt(row, "bytes");
    },
    async removeChunks(tenant, docIds) {
      const sql = `DELETE FROM coffer.chunks WHERE tenant = ${tenantId} AND doc = ANY ($2)`;
      await db.query(sql, [idToBytes(tenant), docIds.map((docId) => Buffer.from(idToBytes(docId)))]);
    },
    async chunkUsage(tenant, author) {
      const [row] = (await db.query(usageSql, [idToBytes(tenant), idToBytes(author)])).rows;
      return { tenantBytes: numberAt(row, "tenant_bytes"), authorBytes: numberAt(row, "author_bytes") };
    },
  };
}

function hasId(row: unknown): boolean {
  return typeof row === "object" && row !== null && "id" in row && row.id !== null;
}
