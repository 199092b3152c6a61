import { bytesToId, bytesToUtf8, CofferError, idToBytes, utf8ToBytes } from "../../src/std/index.ts";
import { bytesAt, numberAt, type Querier } from "./postgres-schema.ts";
import { maxDevices, type SubscriptionStorage } from "./subscription-storage.ts";

const tenantId = "(SELECT id FROM coffer.tenants WHERE tenant = $1)";
// The tenant's row is held, so that two devices of one user do not both take the last place.
const lockSql = "SELECT id FROM coffer.tenants WHERE tenant = $1 FOR NO KEY UPDATE";
const countSql =
  "SELECT count(*) AS count FROM coffer.subscriptions WHERE tenant = $1 AND member = $2 AND device <> $3";
const putSql = `
  INSERT INTO coffer.subscriptions (tenant, device, member, endpoint) VALUES ($1, $2, $3, $4)
  ON CONFLICT (tenant, device) DO UPDATE SET member = excluded.member, endpoint = excluded.endpoint`;
const removeSql = `
  DELETE FROM coffer.subscriptions
  WHERE tenant = ${tenantId} AND device = $2 AND ($3::bytea IS NULL OR endpoint = $3)`;
const listSql = `
  SELECT device, member, endpoint FROM coffer.subscriptions
  WHERE tenant = ${tenantId} AND device > $2 ORDER BY device LIMIT $3`;

type InTransaction = <Result>(run: (client: Querier) => Promise<Result>) => Promise<Result>;

/** The addresses of devices, in a database that nodes share. */
export function createPostgresSubscriptions(db: Querier, inTransaction: InTransaction): SubscriptionStorage {
  return {
    putSubscription: (tenant, { device, endpoint, user }) =>
      inTransaction(async (client) => {
        const [row] = (await client.query(lockSql, [idToBytes(tenant)])).rows;
        if (row === undefined) throw new CofferError("store/failed", { message: "There is no such tenant." });
        const id = numberAt(row, "id");
        const keys = [idToBytes(device), idToBytes(user)] as const;
        const others = (await client.query(countSql, [id, keys[1], keys[0]])).rows[0];
        if (numberAt(others, "count") >= maxDevices) return false;
        await client.query(putSql, [id, ...keys, utf8ToBytes(endpoint)]);
        return true;
      }),
    async removeSubscription(tenant, device, endpoint) {
      const only = endpoint === undefined ? null : utf8ToBytes(endpoint);
      await db.query(removeSql, [idToBytes(tenant), idToBytes(device), only]);
    },
    async listSubscriptions(tenant, after, maxCount) {
      const afterBytes = after === undefined ? new Uint8Array(0) : idToBytes(after);
      const { rows } = await db.query(listSql, [idToBytes(tenant), afterBytes, maxCount]);
      return rows.map((row) => ({
        device: bytesToId("AuthorKey", bytesAt(row, "device")),
        user: bytesToId("AuthorKey", bytesAt(row, "member")),
        endpoint: bytesToUtf8(bytesAt(row, "endpoint")) ?? "",
      }));
    },
  };
}
