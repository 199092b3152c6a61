import type Database from "libsql";
import { bytesToId, bytesToUtf8, CofferError, idToBytes, utf8ToBytes } from "../../src/std/index.ts";
import { bytesAt, inTransaction, numberAt } from "./sqlite-schema.ts";
import type { SqliteStatements } from "./sqlite-statements.ts";
import { readTenantRow } from "./sqlite-tenants.ts";
import { maxDevices, type Subscription, type SubscriptionStorage } from "./subscription-storage.ts";

type Guarded = <Result>(run: () => Result) => Promise<Result>;

/** The addresses of devices in one SQLite file. `flush` writes what is queued: two transactions cannot be open at once. */
export function createSqliteSubscriptions(
  db: Database.Database,
  statements: SqliteStatements,
  { flush, guarded }: { readonly guarded: Guarded; readonly flush: () => void },
): SubscriptionStorage {
  return {
    putSubscription: (tenantId, { device, endpoint, user }) =>
      guarded(() => {
        flush();
        return inTransaction(db, () => {
          const tenant = readTenantRow(statements, tenantId);
          if (tenant === undefined)
            throw new CofferError("store/failed", { message: "There is no such tenant." });
          const [deviceBytes, userBytes] = [idToBytes(device), idToBytes(user)];
          const others: unknown = statements.countSubscriptions.get(tenant.id, userBytes, deviceBytes);
          if (numberAt(others, "count") >= maxDevices) return false;
          statements.putSubscription.run(tenant.id, deviceBytes, userBytes, utf8ToBytes(endpoint));
          return true;
        });
      }),
    removeSubscription: (tenantId, device, endpoint) =>
      guarded(() => {
        flush();
        const only = endpoint === undefined ? new Uint8Array(0) : utf8ToBytes(endpoint);
        statements.removeSubscription.run(idToBytes(tenantId), idToBytes(device), only);
      }),
    listSubscriptions: (tenantId, after, maxCount) =>
      guarded(() => {
        const afterBytes = after === undefined ? new Uint8Array(0) : idToBytes(after);
        const rows: readonly unknown[] = statements.listSubscriptions.all(
          idToBytes(tenantId),
          afterBytes,
          maxCount,
        );
        return rows.map(toSubscription);
      }),
  };
}

/** Read a row of either database: the bytes of the keys, and the address as UTF-8. */
function toSubscription(row: unknown): Subscription {
  return {
    device: bytesToId("AuthorKey", bytesAt(row, "device")),
    user: bytesToId("AuthorKey", bytesAt(row, "member")),
    endpoint: bytesToUtf8(bytesAt(row, "endpoint")) ?? "",
  };
}
