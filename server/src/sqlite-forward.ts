import type Database from "libsql";
import { bytesToId, idToBytes } from "../../src/std/index.ts";
import type { ForwardStorage } from "./forward-storage.ts";
import { bytesAt, inTransaction } from "./sqlite-schema.ts";
import type { SqliteStatements } from "./sqlite-statements.ts";
import { readTenantRow } from "./sqlite-tenants.ts";

type Guarded = <Result>(run: () => Result) => Promise<Result>;

/** Places of forwarding in one SQLite file. `flush` writes what is queued: two transactions cannot be open at once. */
export function createSqliteForward(
  db: Database.Database,
  statements: SqliteStatements,
  { flush, guarded }: { readonly guarded: Guarded; readonly flush: () => void },
): ForwardStorage {
  return {
    readForwarded: (tenantId, serverKey) =>
      guarded(() => {
        const rows: readonly unknown[] = statements.readForwarded.all(idToBytes(tenantId), serverKey);
        return new Map(rows.map((row) => [bytesToId("DbId", bytesAt(row, "db")), bytesAt(row, "place")]));
      }),
    writeForwarded: (tenantId, serverKey, places) =>
      guarded(() => {
        flush();
        inTransaction(db, () => {
          const tenant = readTenantRow(statements, tenantId);
          if (tenant === undefined) return;
          for (const [dbId, place] of places)
            statements.writeForwarded.run(tenant.id, serverKey, idToBytes(dbId), place);
        });
      }),
  };
}
