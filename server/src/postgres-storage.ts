import pg from "pg";
import {
  bytesToId,
  CofferError,
  equalBytes,
  idToBytes,
  isCofferError,
  type DbId,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";
import { createPostgresAppend, type AppendPart } from "./postgres-append.ts";
import { createPostgresChunks } from "./postgres-chunks.ts";
import { createPostgresForward } from "./postgres-forward.ts";
import { createPostgresSubscriptions } from "./postgres-subscriptions.ts";
import { createPostgresReader } from "./postgres-reader.ts";
import { bytesAt, migrate, numberAt, type Querier } from "./postgres-schema.ts";
import {
  epochAfterBackup,
  type NewCommit,
  type RelayReader,
  type RelayStorage,
  type TenantRecord,
} from "./storage.ts";

export interface PostgresOptions {
  readonly env: Pick<Env, "nowMs">;
  /** connections of this node; default 10 */
  readonly maxConnections?: number;
}

/** How large a log is that somebody follows. */
export interface LogSize {
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  readonly epoch: number;
  readonly size: number;
}

/** A storage that several nodes share, and what nodes need of each other through it. */
export interface PostgresStorage extends RelayStorage {
  /** The logs of some tenants, as they are now. */
  logSizes(tenantIds: readonly TenantId[]): Promise<readonly LogSize[]>;
  /** Use up a challenge on all nodes; `false` when it was used before. */
  burn(nonce: Uint8Array, expiresAtMs: number): Promise<boolean>;
  /** Make sure that all nodes sign with one key. @throws `store/blocked` when another key signed here before */
  claimServerKey(publicKey: Uint8Array): Promise<void>;
  /** A connection of one's own, such as for listening. */
  connect(): Promise<pg.Client>;
}

const connectTimeoutMs = 5000;
/** Acknowledged means on disk; a statement that hangs must not hold a log for ever. */
const sessionSettings =
  "-c synchronous_commit=on -c statement_timeout=60000 -c idle_in_transaction_session_timeout=60000";

/**
 * Open the relay's storage in a PostgreSQL database that any number of nodes share, and make its tables where they are missing.
 *
 * @throws `store/failed` when it cannot be reached, `protocol/version` when a newer server made its tables
 */
export async function openPostgresStorage(url: string, options: PostgresOptions): Promise<PostgresStorage> {
  const config = {
    connectionString: url,
    connectionTimeoutMillis: connectTimeoutMs,
    options: sessionSettings,
  };
  const pool = new pg.Pool({ ...config, max: options.maxConnections ?? 10 });
  // A connection that breaks while nobody uses it is replaced; whoever uses one is told by its statement.
  pool.on("error", () => undefined);
  let isClosed = false;

  async function guarded<Result>(run: () => Promise<Result>): Promise<Result> {
    if (isClosed) throw new CofferError("store/closed", { message: "The server is shutting down." });
    try {
      return await run();
    } catch (cause) {
      throw toStoreError(cause);
    }
  }
  const db: Querier = {
    query: (text, values) => guarded(() => pool.query(text, values === undefined ? undefined : [...values])),
  };
  /** One transaction; what `run` throws undoes it. */
  const inTransaction = <Result>(run: (client: Querier) => Promise<Result>): Promise<Result> =>
    guarded(() => transact(pool, run));
  const appends = createPostgresAppend({ db, inTransaction, nowMs: () => options.env.nowMs() });

  try {
    await guarded(async () => {
      const client = await pool.connect();
      await migrate(client).finally(() => client.release());
    });
  } catch (cause) {
    await pool.end();
    throw cause;
  }
  return {
    ...createPostgresReader(db),
    ...createPostgresChunks(db),
    ...createPostgresSubscriptions(db, inTransaction),
    ...createPostgresForward(db),
    createTenant: (record, commits) =>
      inTransaction((client) => createTenant(client, appends.part, record, commits)),
    removeTenant: (tenantId) => inTransaction((client) => removeTenant(client, tenantId)),
    append: (request) => guarded(() => appends.append(request)),
    async startNewEpochs() {
      await db.query("UPDATE coffer.logs SET epoch = greatest(epoch + 1, $1)", [
        epochAfterBackup(options.env),
      ]);
    },
    logSizes: (tenantIds) => logSizes(db, tenantIds),
    burn: (nonce, expiresAtMs) => burn(db, nonce, { expiresAtMs, nowMs: options.env.nowMs() }),
    claimServerKey: (publicKey) => claimServerKey(db, publicKey),
    async connect() {
      const client = new pg.Client(config);
      // Whoever asked is told by his statements; a broken connection must not end the process.
      client.on("error", () => undefined);
      await client.connect();
      return client;
    },
    close: () =>
      guarded(async () => {
        await appends.settled();
        isClosed = true;
        await pool.end();
      }),
  };
}

/** Open the database as it is now, for reading only: every read sees this one moment. */
export async function openPostgresSnapshot(url: string): Promise<RelayReader> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    await client.query("SELECT version FROM coffer.meta");
  } catch (cause) {
    await client.end().catch(() => undefined);
    throw toStoreError(cause);
  }
  return {
    ...createPostgresReader({ query: (text, values) => client.query(text, values && [...values]) }),
    close: () => client.end(),
  };
}

async function transact<Result>(pool: pg.Pool, run: (client: Querier) => Promise<Result>): Promise<Result> {
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query("BEGIN");
    const result = await run({ query: (text, values) => client.query(text, values && [...values]) });
    await client.query("COMMIT");
    return result;
  } catch (cause) {
    // A connection that cannot even undo is not given to anybody else.
    await client.query("ROLLBACK").catch((error: Error) => (failure = error));
    throw cause;
  } finally {
    client.release(failure);
  }
}

async function createTenant(
  client: Querier,
  append: AppendPart,
  { tenantId, directoryDbId, publication }: TenantRecord,
  commits: readonly NewCommit[],
): Promise<boolean> {
  const { rows } = await client.query(
    "INSERT INTO coffer.tenants (tenant, directory, publication) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING id",
    [idToBytes(tenantId), idToBytes(directoryDbId), publication],
  );
  if (rows.length === 0) return false;
  const replicaId = new Uint8Array(16);
  await append(client, { tenantId, dbId: directoryDbId, replicaId, commits, directorySize: 0 });
  return true;
}

async function removeTenant(client: Querier, tenantId: TenantId): Promise<boolean> {
  const found = await client.query("SELECT id FROM coffer.tenants WHERE tenant = $1", [idToBytes(tenantId)]);
  if (found.rows.length === 0) return false;
  const id = numberAt(found.rows[0], "id");
  // No append is under way, and those that wait will find nothing.
  await client.query("SELECT pg_advisory_xact_lock($1)", [id]);
  await client.query(
    `UPDATE coffer.meta SET lowest_epoch = greatest(lowest_epoch, (SELECT max(epoch) + 1 FROM coffer.logs WHERE tenant = $1))`,
    [id],
  );
  const { rows } = await client.query("DELETE FROM coffer.tenants WHERE id = $1 RETURNING id", [id]);
  return rows.length > 0;
}

async function logSizes(db: Querier, tenantIds: readonly TenantId[]): Promise<readonly LogSize[]> {
  if (tenantIds.length === 0) return [];
  const { rows } = await db.query(
    `SELECT tenants.tenant, logs.db, logs.epoch, logs.size FROM coffer.logs
     JOIN coffer.tenants ON logs.tenant = tenants.id WHERE tenants.tenant = ANY ($1)`,
    [tenantIds.map((tenantId) => Buffer.from(idToBytes(tenantId)))],
  );
  return rows.map((row) => ({
    tenantId: bytesToId("TenantId", bytesAt(row, "tenant")),
    dbId: bytesToId("DbId", bytesAt(row, "db")),
    epoch: numberAt(row, "epoch"),
    size: numberAt(row, "size"),
  }));
}

async function burn(
  db: Querier,
  nonce: Uint8Array,
  { expiresAtMs, nowMs }: { readonly expiresAtMs: number; readonly nowMs: number },
): Promise<boolean> {
  // What has expired is refused by its date, and can be forgotten.
  const { rows } = await db.query(
    `WITH expired AS (DELETE FROM coffer.used_challenges WHERE expires_at < $3)
     INSERT INTO coffer.used_challenges VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING expires_at`,
    [nonce, expiresAtMs, nowMs],
  );
  return rows.length > 0;
}

async function claimServerKey(db: Querier, publicKey: Uint8Array): Promise<void> {
  const { rows } = await db.query(
    "UPDATE coffer.meta SET server_key = coalesce(server_key, $1) RETURNING server_key",
    [publicKey],
  );
  if (equalBytes(bytesAt(rows[0], "server_key"), publicKey)) return;
  throw new CofferError("store/blocked", {
    message: "Another server key signs for this database: give every node the same server-key file.",
  });
}

/** Name a failure of PostgreSQL by the closed list of codes. */
function toStoreError(cause: unknown): unknown {
  if (isCofferError(cause)) return cause;
  const state = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (state === "CF001") return cause;
  if (state === "53100")
    return new CofferError("store/quota", { message: "The database's disk is full." }, { cause });
  return new CofferError(
    "store/failed",
    { message: "The server's database failed.", reason: state },
    { cause },
  );
}
