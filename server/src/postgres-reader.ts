import { bytesToId, idToBytes, type AuthorKey, type DbId, type TenantId } from "../../src/std/index.ts";
import { byLogId } from "./log-frontier.ts";
import { booleanAt, bytesAt, numberAt, type Querier } from "./postgres-schema.ts";
import type { LogRange, LogState, RelayReader, StoredCommit, TenantUsage, Usage } from "./storage.ts";

/** A range's rows are looked at one by one; so many at a time. */
const maxRows = 4096;

/** The reading half of the storage over anything that runs statements. */
export function createPostgresReader(db: Querier): Omit<RelayReader, "close"> {
  const one = async (text: string, ...values: readonly unknown[]): Promise<unknown> =>
    (await db.query(text, values)).rows[0];

  return {
    async readTenant(tenantId) {
      const row = await one(
        "SELECT directory, publication FROM coffer.tenants WHERE tenant = $1",
        idToBytes(tenantId),
      );
      if (row === undefined) return undefined;
      const directoryDbId = bytesToId("DbId", bytesAt(row, "directory"));
      return { tenantId, directoryDbId, publication: bytesAt(row, "publication") };
    },
    tenantCount: async () => numberAt(await one("SELECT count(*) FROM coffer.tenants"), "count"),
    async listTenants(after, maxCount) {
      const afterBytes = after === undefined ? new Uint8Array(0) : idToBytes(after);
      const { rows } = await db.query(
        "SELECT tenant FROM coffer.tenants WHERE tenant > $1 ORDER BY tenant LIMIT $2",
        [afterBytes, maxCount],
      );
      return rows.map((row) => bytesToId("TenantId", bytesAt(row, "tenant")));
    },
    tenantUsage: (tenantId, authors) => tenantUsage(db, tenantId, authors),
    async readLog(tenantId, dbId) {
      const row = await one(`${logsSql} AND logs.db = $2`, idToBytes(tenantId), idToBytes(dbId));
      return row === undefined ? undefined : toLogState(row);
    },
    async listLogs(tenantId) {
      const { rows } = await db.query(logsSql, [idToBytes(tenantId)]);
      return rows.map(toLogState).sort(byLogId);
    },
    readCommits: (tenantId, dbId, range) => readCommits(db, tenantId, dbId, range),
    async readKeys(tenantId, dbId, fromSeq, maxCount) {
      const { rows } = await db.query(keysSql, [
        idToBytes(tenantId),
        idToBytes(dbId),
        fromSeq,
        fromSeq + maxCount,
      ]);
      return rows.map((row) => ({
        seq: numberAt(row, "seq"),
        commitHash: bytesToId("CommitHash", bytesAt(row, "hash")),
        createdAtMs: numberAt(row, "created_at"),
        isPartial: booleanAt(row, "is_partial"),
      }));
    },
    async readNodes(tenantId, dbId, seqs) {
      if (seqs.length === 0) return [];
      const { rows } = await db.query(nodesSql, [idToBytes(tenantId), idToBytes(dbId), seqs]);
      const nodes = new Map(rows.map((row) => [numberAt(row, "seq"), bytesAt(row, "node")]));
      return seqs.flatMap((seq) => nodes.get(seq) ?? []);
    },
  };
}

async function tenantUsage(
  db: Querier,
  tenantId: TenantId,
  authors: readonly AuthorKey[] = [],
): Promise<TenantUsage> {
  const [row] = (await db.query(usageSql, [idToBytes(tenantId)])).rows;
  const byAuthor = new Map<AuthorKey, Usage>(
    authors.map((author) => [author, { commitCount: 0, sizeBytes: 0 }]),
  );
  if (authors.length > 0) {
    const { rows } = await db.query(authorsSql, [idToBytes(tenantId), authors.map(toBuffer)]);
    for (const found of rows) byAuthor.set(bytesToId("AuthorKey", bytesAt(found, "author")), toUsage(found));
  }
  return { ...toUsage(row), logCount: numberAt(row, "count"), byAuthor };
}

async function readCommits(
  db: Querier,
  tenantId: TenantId,
  dbId: DbId,
  range: LogRange,
): Promise<readonly StoredCommit[]> {
  const replica = range.withoutReplica ?? new Uint8Array(0);
  const maxCount = Math.min(range.maxCount, maxRows);
  const maxBytes = Math.min(range.maxBytes, Number.MAX_SAFE_INTEGER);
  const values = [
    idToBytes(tenantId),
    idToBytes(dbId),
    replica,
    range.fromSeq,
    range.fromSeq + maxCount,
    maxBytes,
  ];
  const { rows } = await db.query(rangeSql, values);
  return rows.map((row) => ({
    seq: numberAt(row, "seq"),
    commitHash: bytesToId("CommitHash", bytesAt(row, "hash")),
    bytes: booleanAt(row, "own") ? undefined : bytesAt(row, "bytes"),
  }));
}

const ofTenant = "JOIN coffer.tenants ON logs.tenant = tenants.id WHERE tenants.tenant = $1";
const logsSql = `SELECT logs.db, logs.epoch, logs.size, logs.size_bytes FROM coffer.logs ${ofTenant}`;
const logIdSql = `(SELECT logs.id FROM coffer.logs ${ofTenant} AND logs.db = $2)`;
const usageSql = `
  SELECT count(*), coalesce(sum(logs.size), 0) AS commit_count, coalesce(sum(logs.size_bytes), 0) AS size_bytes
  FROM coffer.logs ${ofTenant}`;
const authorsSql = `
  SELECT author, commit_count, size_bytes FROM coffer.usage JOIN coffer.tenants ON usage.tenant = tenants.id
  WHERE tenants.tenant = $1 AND author = ANY ($2)`;
/** Lengths are summed first: a length is read without its bytes, and so no more bytes are read than the budget holds. */
const rangeSql = `
  SELECT seq, hash, own, CASE WHEN own THEN NULL ELSE bytes END AS bytes FROM (
    SELECT seq, hash, bytes, replica = $3 AS own,
      sum(CASE WHEN replica = $3 THEN 0 ELSE length(bytes) END) OVER (ORDER BY seq) AS total
    FROM coffer.commits WHERE log = ${logIdSql} AND seq >= $4 AND seq < $5
  ) AS rows WHERE total <= $6 OR seq = $4 ORDER BY seq`;
const keysSql = `SELECT seq, hash, created_at, is_partial FROM coffer.commits WHERE log = ${logIdSql} AND seq >= $3 AND seq < $4`;
const nodesSql = `SELECT seq, node FROM coffer.commits WHERE log = ${logIdSql} AND seq = ANY ($3)`;

function toBuffer(id: AuthorKey): Buffer {
  return Buffer.from(idToBytes(id));
}

function toUsage(row: unknown): Usage {
  return { commitCount: numberAt(row, "commit_count"), sizeBytes: numberAt(row, "size_bytes") };
}

function toLogState(row: unknown): LogState {
  return {
    dbId: bytesToId("DbId", bytesAt(row, "db")),
    epoch: numberAt(row, "epoch"),
    size: numberAt(row, "size"),
    sizeBytes: numberAt(row, "size_bytes"),
  };
}
