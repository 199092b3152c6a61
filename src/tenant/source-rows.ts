/** Where a view finds the rows of a database of a tenant. */
import type { DatabaseSession } from "./database.ts";
import type { SourceRows } from "./kept-window.ts";
import type { TenantSession } from "./session.ts";
import type { CompiledShape } from "./shape.ts";

/** The rows of a database, as a shape shows them. */
export function sourceRows(
  session: TenantSession,
  database: DatabaseSession,
  shape: CompiledShape | undefined,
): SourceRows {
  const { firstRows } = session.subscriptions.queries;
  return {
    follow: (follower) => session.rows.follow(database, shape, follower),
    scan: () => session.rows.scan(database, shape),
    catalog: () => database.catalog,
    orders: database.views,
    search: (hear) => session.searches.follow(database, hear),
    storeName: session.core.store.name,
    dbId: database.dbId,
    shape: shape?.source,
    crypto: session.core.world.crypto,
    first: firstRows,
    flush: () => session.rows.flush(),
  };
}
