import type Database from "libsql";
import { bytesToId, idToBytes, type AuthorKey, type TenantId } from "../../src/std/index.ts";
import { bytesAt, inTransaction, numberAt } from "./sqlite-schema.ts";
import type { SqliteStatements } from "./sqlite-statements.ts";
import type { TenantRecord, TenantUsage, Usage } from "./storage.ts";

/** A tenant and the number of its row. */
export interface TenantRow {
  readonly id: number;
  readonly record: TenantRecord;
}

/** Find a tenant. */
export function readTenantRow(statements: SqliteStatements, tenantId: TenantId): TenantRow | undefined {
  const row: unknown = statements.readTenant.get([idToBytes(tenantId)]);
  if (row === undefined) return undefined;
  const directoryDbId = bytesToId("DbId", bytesAt(row, "directory"));
  return {
    id: numberAt(row, "id"),
    record: { tenantId, directoryDbId, publication: bytesAt(row, "publication") },
  };
}

/** The tenants that follow one, by the bytes of their ids. */
export function listTenantIds(
  statements: SqliteStatements,
  after: TenantId | undefined,
  maxCount: number,
): readonly TenantId[] {
  const afterBytes = after === undefined ? new Uint8Array(0) : idToBytes(after);
  const rows: readonly unknown[] = statements.listTenants.all(afterBytes, maxCount);
  return rows.map((row) => bytesToId("TenantId", bytesAt(row, "tenant")));
}

/** What a tenant and some of its authors have. */
export function readUsage(
  statements: SqliteStatements,
  tenantId: TenantId,
  authors: readonly AuthorKey[] = [],
): TenantUsage {
  const row: unknown = statements.usage.get([idToBytes(tenantId)]);
  const byAuthor = new Map(authors.map((author) => [author, authorUsage(statements, tenantId, author)]));
  return { ...toUsage(row), logCount: numberAt(row, "count"), byAuthor };
}

function authorUsage(statements: SqliteStatements, tenantId: TenantId, author: AuthorKey): Usage {
  const row: unknown = statements.authorUsage.get(idToBytes(tenantId), idToBytes(author));
  return row === undefined ? { commitCount: 0, sizeBytes: 0 } : toUsage(row);
}

function toUsage(row: unknown): Usage {
  return { commitCount: numberAt(row, "commit_count"), sizeBytes: numberAt(row, "size_bytes") };
}

/** Remove a tenant with everything it has; what is removed is overwritten, not only forgotten. */
export function removeTenantRows(
  db: Database.Database,
  statements: SqliteStatements,
  tenantId: TenantId,
): boolean {
  const tenant = readTenantRow(statements, tenantId);
  if (tenant === undefined) return false;
  db.pragma("secure_delete = ON");
  inTransaction(db, () => {
    for (const removal of statements.removals) removal.run(tenant.id);
  });
  return true;
}
