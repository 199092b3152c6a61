import type Database from "libsql";
import { CofferError, idToBytes } from "../../src/std/index.ts";
import type { ChunkStorage } from "./chunk-storage.ts";
import { bytesAt, inTransaction, numberAt, rowsPerLog } from "./sqlite-schema.ts";
import type { SqliteStatements } from "./sqlite-statements.ts";
import { readTenantRow } from "./sqlite-tenants.ts";

type Guarded = <Result>(run: () => Result) => Promise<Result>;

/** What is kept of files in one SQLite file. `flush` writes what is queued: two transactions cannot be open at once. */
export function createSqliteChunks(
  db: Database.Database,
  statements: SqliteStatements,
  { flush, guarded }: { readonly guarded: Guarded; readonly flush: () => void },
): ChunkStorage {
  return {
    findCommit: ({ commitHash, createdAtMs, dbId, tenantId }) =>
      guarded(() => {
        flush();
        const log: unknown = statements.findLog.get(idToBytes(tenantId), idToBytes(dbId));
        if (log === undefined) return undefined;
        const logId = numberAt(log, "id");
        const row: unknown = statements.findCommit.get(logId, createdAtMs, idToBytes(commitHash));
        if (row === undefined) return undefined;
        const seq = numberAt(row, "seq");
        return { seq, bytes: bytesAt(statements.readBytes.get(logId * rowsPerLog + seq), "bytes") };
      }),
    addChunk: (tenantId, { author, bytes, docId, hash }) =>
      guarded(() => {
        flush();
        return inTransaction(db, () => {
          const tenant = readTenantRow(statements, tenantId);
          if (tenant === undefined)
            throw new CofferError("store/failed", { message: "There is no such tenant." });
          if (statements.nameChunk.run(tenant.id, hash, idToBytes(docId)).changes > 0) return "present";
          statements.addChunk.run(tenant.id, hash, idToBytes(docId), idToBytes(author), bytes.length, bytes);
          return "stored";
        });
      }),
    chunkSizes: (tenantId, asked) =>
      guarded(() =>
        asked.map(({ docId, hash }) => {
          const row: unknown = statements.chunkSize.get(idToBytes(tenantId), hash, idToBytes(docId));
          return row === undefined ? undefined : numberAt(row, "size_bytes");
        }),
      ),
    readChunk: (tenantId, hash) =>
      guarded(() => {
        const row: unknown = statements.readChunk.get(idToBytes(tenantId), hash);
        return row === undefined ? undefined : bytesAt(row, "bytes");
      }),
    removeChunks: (tenantId, docIds) =>
      guarded(() => {
        flush();
        // What is removed is overwritten, not only forgotten.
        db.pragma("secure_delete = ON");
        inTransaction(db, () => {
          for (const docId of docIds)
            for (const step of statements.removeChunks) step.run(idToBytes(tenantId), idToBytes(docId));
        });
      }),
    chunkUsage: (tenantId, author) =>
      guarded(() => {
        const row: unknown = statements.chunkUsage.get(idToBytes(author), idToBytes(tenantId));
        return { tenantBytes: numberAt(row, "tenant_bytes"), authorBytes: numberAt(row, "author_bytes") };
      }),
  };
}
