import { CofferError, idToBytes } from "../../src/std/index.ts";
import type { ChunkStorage } from "./chunk-storage.ts";
import { bytesAt, numberAt, type Querier } from "./postgres-schema.ts";

const tenantId = "(SELECT id FROM coffer.tenants WHERE tenant = $1)";
const commitSql = `
  SELECT seq, bytes FROM coffer.commits JOIN coffer.logs ON commits.log = logs.id
  WHERE logs.tenant = ${tenantId} AND logs.db = $2 AND commits.created_at = $3 AND commits.hash = $4`;
const usageSql = `
  SELECT coalesce(sum(size_bytes), 0) AS tenant_bytes,
    coalesce(sum(size_bytes) FILTER (WHERE author = $2), 0) AS author_bytes
  FROM coffer.chunks WHERE tenant = ${tenantId}`;

const sizesSql = `
  SELECT chunks.size_bytes FROM unnest($2::bytea[], $3::bytea[]) WITH ORDINALITY AS asked (hash, doc, nr)
  LEFT JOIN coffer.chunks ON chunks.tenant = ${tenantId} AND chunks.hash = asked.hash AND (chunks.doc = asked.doc OR EXISTS (
    SELECT 1 FROM coffer.chunk_docs AS more
    WHERE more.tenant = chunks.tenant AND more.hash = chunks.hash AND more.doc = asked.doc))
  ORDER BY asked.nr`;

/** What is kept of files, in a database that nodes share. */
export function createPostgresChunks(db: Querier): ChunkStorage {
  return {
    async findCommit({ commitHash, createdAtMs, dbId, tenantId: tenant }) {
      const values = [idToBytes(tenant), idToBytes(dbId), createdAtMs, idToBytes(commitHash)];
      const [row] = (await db.query(commitSql, values)).rows;
      return row === undefined ? undefined : { seq: numberAt(row, "seq"), bytes: bytesAt(row, "bytes") };
    },
    async addChunk(tenant, { author, bytes, docId, hash }) {
      const values = [idToBytes(tenant), hash, idToBytes(docId), idToBytes(author), bytes.length, bytes];
      const [row] = (await db.query("SELECT coffer.add_chunk($1, $2, $3, $4, $5, $6) AS outcome", values))
        .rows;
      const outcome = textAt(row, "outcome");
      if (outcome === "stored" || outcome === "present") return outcome;
      throw new CofferError("store/failed", { message: "There is no such tenant." });
    },
    async chunkSizes(tenant, asked) {
      const hashes = asked.map(({ hash }) => Buffer.from(hash));
      const docs = asked.map(({ docId }) => Buffer.from(idToBytes(docId)));
      const { rows } = await db.query(sizesSql, [idToBytes(tenant), hashes, docs]);
      return rows.map((row) => (isNullAt(row, "size_bytes") ? undefined : numberAt(row, "size_bytes")));
    },
    async readChunk(tenant, hash) {
      const sql = `SELECT bytes FROM coffer.chunks WHERE tenant = ${tenantId} AND hash = $2`;
      const [row] = (await db.query(sql, [idToBytes(tenant), hash])).rows;
      return row === undefined ? undefined : bytesAt(row, "bytes");
    },
    async removeChunks(tenant, docIds) {
      const docs = docIds.map((docId) => Buffer.from(idToBytes(docId)));
      await db.query("SELECT coffer.remove_chunks($1, $2)", [idToBytes(tenant), docs]);
    },
    async chunkUsage(tenant, author) {
      const [row] = (await db.query(usageSql, [idToBytes(tenant), idToBytes(author)])).rows;
      return { tenantBytes: numberAt(row, "tenant_bytes"), authorBytes: numberAt(row, "author_bytes") };
    },
  };
}

const isNullAt = (row: unknown, column: string): boolean => textAt(row, column) === null;

function textAt(row: unknown, column: string): unknown {
  return typeof row === "object" && row !== null ? Reflect.get(row, column) : undefined;
}
