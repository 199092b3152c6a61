import { bytesToId, idToBytes } from "../../src/std/index.ts";
import type { ForwardStorage } from "./forward-storage.ts";
import { bytesAt, type Querier } from "./postgres-schema.ts";

const readSql = `
  SELECT db, place FROM coffer.forwarded WHERE tenant = (SELECT id FROM coffer.tenants WHERE tenant = $1) AND server = $2`;
const writeSql = `
  INSERT INTO coffer.forwarded (tenant, server, db, place)
  SELECT id, $2, item.db, item.place FROM coffer.tenants, unnest($3::bytea[], $4::bytea[]) AS item (db, place) WHERE tenant = $1
  ON CONFLICT (tenant, server, db) DO UPDATE SET place = excluded.place`;

/** Places of forwarding, in a database that nodes share. */
export function createPostgresForward(db: Querier): ForwardStorage {
  return {
    async readForwarded(tenantId, serverKey) {
      const { rows } = await db.query(readSql, [idToBytes(tenantId), serverKey]);
      return new Map(rows.map((row) => [bytesToId("DbId", bytesAt(row, "db")), bytesAt(row, "place")]));
    },
    async writeForwarded(tenantId, serverKey, places) {
      const dbIds = [...places.keys()].map((dbId) => Buffer.from(idToBytes(dbId)));
      const values = [...places.values()].map((place) => Buffer.from(place));
      await db.query(writeSql, [idToBytes(tenantId), serverKey, dbIds, values]);
    },
  };
}
