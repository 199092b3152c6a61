/**
 * The tables of the relay in PostgreSQL, all in the schema `coffer`, and the one statement that appends.
 *
 * | table | row | what |
 * |---|---|---|
 * | `meta` | one | version of these tables; the lowest epoch of a new log; the public half of the key that signs heads |
 * | `tenants` | tenant | as it was published |
 * | `logs` | database of a tenant | epoch, size, bytes, and the frontier that the next commit extends |
 * | `commits` | commit | by (log, seq), never by a random hash; found by (log, created_at, hash), which grows at its end |
 * | `usage` | author of a tenant | what he has |
 * | `chunks` | chunk of a file | by its hash in its tenant |
 * | `chunk_docs` | chunk and document | further documents that it goes with; the first stands beside it |
 * | `subscriptions` | device of a member | where it is woken when there is news |
 * | `forwarded` | log and another server | how far that server has it |
 * | `used_challenges` | sign-in of the last minute | a challenge is good once, on whatever node |
 *
 * How its function `append` keeps the storage's promises: the tenant's advisory lock is shared by appends and taken whole by those that
 * change the directory, so that the directory's size cannot move under an append (R4); the log's row is locked from before its size
 * is read until the transaction ends, so that numbers are given without gaps and become visible in order (R2); rows, sizes,
 * frontier and sums change in one transaction (R1, R7).
 */
import { CofferError } from "../../src/std/index.ts";

/** Runs one statement. */
export interface Querier {
  query(text: string, values?: readonly unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

const schemaVersion = 6;

const tables = `
  CREATE SCHEMA coffer;
  CREATE TABLE coffer.meta (version int NOT NULL, lowest_epoch bigint NOT NULL, server_key bytea);
  INSERT INTO coffer.meta VALUES (1, 0, NULL);
  CREATE TABLE coffer.tenants (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant bytea NOT NULL UNIQUE, directory bytea NOT NULL,
    publication bytea NOT NULL
  );
  CREATE TABLE coffer.logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant bigint NOT NULL REFERENCES coffer.tenants ON DELETE CASCADE,
    db bytea NOT NULL, epoch bigint NOT NULL, size bigint NOT NULL, size_bytes bigint NOT NULL, frontier bytea[] NOT NULL,
    UNIQUE (tenant, db)
  );
  CREATE TABLE coffer.commits (
    log bigint NOT NULL REFERENCES coffer.logs ON DELETE CASCADE, seq bigint NOT NULL, created_at bigint NOT NULL,
    hash bytea NOT NULL, author bytea NOT NULL, replica bytea NOT NULL, node bytea NOT NULL, bytes bytea NOT NULL,
    PRIMARY KEY (log, seq)
  );
  ALTER TABLE coffer.commits ALTER COLUMN bytes SET STORAGE EXTERNAL;
  CREATE UNIQUE INDEX commits_lookup ON coffer.commits (log, created_at, hash);
  CREATE TABLE coffer.usage (
    tenant bigint NOT NULL REFERENCES coffer.tenants ON DELETE CASCADE, author bytea NOT NULL,
    commit_count bigint NOT NULL, size_bytes bigint NOT NULL, PRIMARY KEY (tenant, author)
  );
  CREATE TABLE coffer.used_challenges (nonce bytea PRIMARY KEY, expires_at bigint NOT NULL);
  CREATE INDEX used_challenges_expiry ON coffer.used_challenges (expires_at);
`;

/** Since version 2: chunks of files. */
const secondTables = `
  CREATE TABLE coffer.chunks (
    tenant bigint NOT NULL REFERENCES coffer.tenants ON DELETE CASCADE, hash bytea NOT NULL, doc bytea NOT NULL,
    author bytea NOT NULL, size_bytes bigint NOT NULL, bytes bytea NOT NULL, PRIMARY KEY (tenant, hash)
  );
  ALTER TABLE coffer.chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;
  CREATE INDEX chunks_usage ON coffer.chunks (tenant, author) INCLUDE (size_bytes);
  CREATE INDEX chunks_doc ON coffer.chunks (tenant, doc);
  UPDATE coffer.meta SET version = 2;
`;

/** Since version 3: chunks that several documents name. */
const thirdTables = `
  CREATE TABLE coffer.chunk_docs (
    tenant bigint NOT NULL REFERENCES coffer.tenants ON DELETE CASCADE, hash bytea NOT NULL, doc bytea NOT NULL,
    PRIMARY KEY (tenant, hash, doc)
  );
  CREATE INDEX chunk_docs_doc ON coffer.chunk_docs (tenant, doc);
  UPDATE coffer.meta SET version = 3;
`;

/** Since version 4: devices that are woken. */
const fourthTables = `
  CREATE TABLE coffer.subscriptions (
    tenant bigint NOT NULL REFERENCES coffer.tenants ON DELETE CASCADE, device bytea NOT NULL, member bytea NOT NULL,
    endpoint bytea NOT NULL, PRIMARY KEY (tenant, device)
  );
  CREATE INDEX subscriptions_member ON coffer.subscriptions (tenant, member);
  UPDATE coffer.meta SET version = 4;
`;

/** Since version 5: which commits lack ciphertexts. Those stored before count as whole. */
const fifthTables = `
  ALTER TABLE coffer.commits ADD COLUMN is_partial boolean NOT NULL DEFAULT false;
  UPDATE coffer.meta SET version = 5;
`;

/** Since version 6: how far other servers have what is forwarded to them. */
const sixthTables = `
  CREATE TABLE coffer.forwarded (
    tenant bigint NOT NULL REFERENCES coffer.tenants ON DELETE CASCADE, server bytea NOT NULL, db bytea NOT NULL,
    place bytea NOT NULL, PRIMARY KEY (tenant, server, db)
  );
  UPDATE coffer.meta SET version = 6;
`;

/**
 * Who names a chunk that is there holds its row until that is written, and who removes it takes the row first: so neither a chunk goes that
 * somebody has just named, nor does a name stay without its chunk. Each statement of a function sees what others had committed before it.
 */
const chunkFunctions = `
  CREATE OR REPLACE FUNCTION coffer.add_chunk(
    p_tenant bytea, p_hash bytea, p_doc bytea, p_author bytea, p_size_bytes bigint, p_bytes bytea
  ) RETURNS text LANGUAGE plpgsql AS $body$
  DECLARE v_tenant bigint; v_doc bytea;
  BEGIN
    SELECT id INTO v_tenant FROM coffer.tenants WHERE tenant = p_tenant;
    IF NOT FOUND THEN RETURN 'no-tenant'; END IF;
    LOOP
      INSERT INTO coffer.chunks (tenant, hash, doc, author, size_bytes, bytes)
        VALUES (v_tenant, p_hash, p_doc, p_author, p_size_bytes, p_bytes) ON CONFLICT DO NOTHING;
      IF FOUND THEN RETURN 'stored'; END IF;
      SELECT doc INTO v_doc FROM coffer.chunks WHERE tenant = v_tenant AND hash = p_hash FOR KEY SHARE;
      IF FOUND THEN
        IF v_doc <> p_doc THEN
          INSERT INTO coffer.chunk_docs VALUES (v_tenant, p_hash, p_doc) ON CONFLICT DO NOTHING;
        END IF;
        RETURN 'present';
      END IF;
    END LOOP;
  END
  $body$;
  CREATE OR REPLACE FUNCTION coffer.remove_chunks(p_tenant bytea, p_docs bytea[]) RETURNS void LANGUAGE plpgsql AS $body$
  DECLARE v_tenant bigint;
  BEGIN
    SELECT id INTO v_tenant FROM coffer.tenants WHERE tenant = p_tenant;
    PERFORM 1 FROM coffer.chunks WHERE tenant = v_tenant AND doc = ANY (p_docs) ORDER BY hash FOR UPDATE;
    DELETE FROM coffer.chunk_docs WHERE tenant = v_tenant AND doc = ANY (p_docs);
    UPDATE coffer.chunks AS known SET doc = (
      SELECT doc FROM coffer.chunk_docs WHERE tenant = v_tenant AND hash = known.hash ORDER BY doc LIMIT 1
    ) WHERE tenant = v_tenant AND doc = ANY (p_docs)
      AND EXISTS (SELECT 1 FROM coffer.chunk_docs WHERE tenant = v_tenant AND hash = known.hash);
    DELETE FROM coffer.chunks WHERE tenant = v_tenant AND doc = ANY (p_docs);
  END
  $body$;
`;

/** What a row of `append` says. */
export const appendOutcomes = { stored: 0, present: 1, differs: 2, stale: 3, "no-tenant": 4 } as const;

/** The error that undoes an append in which stored bytes differ, where the caller may unite the two. */
export const unitesState = "CF001";

const appendFunction = `
  CREATE OR REPLACE FUNCTION coffer.append(
    p_tenant bytea, p_db bytea, p_directory_size bigint, p_epoch bigint, p_unites boolean,
    p_hashes bytea[], p_authors bytea[], p_created bigint[], p_replicas bytea[], p_bytes bytea[]
  ) RETURNS TABLE (outcome int, at bigint) LANGUAGE plpgsql AS $body$
  DECLARE
    v_tenant bigint; v_directory bytea; v_log bigint; v_size bigint; v_size_bytes bigint; v_frontier bytea[];
    v_item record; v_seq bigint; v_same boolean; v_node bytea; v_rest bigint; v_stored bigint[] := '{}';
  BEGIN
    SELECT id, directory INTO v_tenant, v_directory FROM coffer.tenants WHERE tenant = p_tenant;
    IF NOT FOUND THEN
      RETURN QUERY SELECT ${appendOutcomes["no-tenant"]}, 0::bigint;
      RETURN;
    END IF;
    IF p_db = v_directory THEN
      PERFORM pg_advisory_xact_lock(v_tenant);
    ELSE
      PERFORM pg_advisory_xact_lock_shared(v_tenant);
    END IF;
    IF coalesce((SELECT size FROM coffer.logs WHERE tenant = v_tenant AND db = v_directory), 0) <> p_directory_size THEN
      RETURN QUERY SELECT ${appendOutcomes.stale}, 0::bigint;
      RETURN;
    END IF;
    SELECT id, size, size_bytes, frontier INTO v_log, v_size, v_size_bytes, v_frontier
      FROM coffer.logs WHERE tenant = v_tenant AND db = p_db FOR UPDATE;
    IF NOT FOUND THEN
      INSERT INTO coffer.logs (tenant, db, epoch, size, size_bytes, frontier)
        VALUES (v_tenant, p_db, greatest(p_epoch, (SELECT lowest_epoch FROM coffer.meta),
          (SELECT max(epoch) FROM coffer.logs WHERE tenant = v_tenant)), 0, 0, '{}')
        ON CONFLICT DO NOTHING;
      SELECT id, size, size_bytes, frontier INTO v_log, v_size, v_size_bytes, v_frontier
        FROM coffer.logs WHERE tenant = v_tenant AND db = p_db FOR UPDATE;
    END IF;
    FOR v_item IN
      SELECT * FROM unnest(p_hashes, p_authors, p_created, p_replicas, p_bytes)
        WITH ORDINALITY AS item (hash, author, created, replica, bytes, place)
    LOOP
      SELECT seq, bytes = v_item.bytes INTO v_seq, v_same
        FROM coffer.commits WHERE log = v_log AND created_at = v_item.created AND hash = v_item.hash;
      IF FOUND THEN
        IF NOT v_same AND p_unites THEN
          RAISE EXCEPTION 'stored bytes differ' USING ERRCODE = '${unitesState}';
        END IF;
        outcome := CASE WHEN v_same THEN ${appendOutcomes.present} ELSE ${appendOutcomes.differs} END;
        at := v_seq;
        RETURN NEXT;
        CONTINUE;
      END IF;
      v_node := sha256('\\x00'::bytea || v_item.hash);
      v_rest := v_size;
      WHILE v_rest % 2 = 1 LOOP
        v_node := sha256('\\x01'::bytea || v_frontier[cardinality(v_frontier)] || v_node);
        v_frontier := v_frontier[1:cardinality(v_frontier) - 1];
        v_rest := v_rest / 2;
      END LOOP;
      v_frontier := v_frontier || v_node;
      INSERT INTO coffer.commits (log, seq, created_at, hash, author, replica, node, bytes)
        VALUES (v_log, v_size, v_item.created, v_item.hash, v_item.author, v_item.replica, v_node, v_item.bytes);
      outcome := ${appendOutcomes.stored};
      at := v_size;
      RETURN NEXT;
      v_size := v_size + 1;
      v_size_bytes := v_size_bytes + length(v_item.bytes);
      v_stored := v_stored || v_item.place;
    END LOOP;
    IF cardinality(v_stored) = 0 THEN RETURN; END IF;
    UPDATE coffer.logs SET size = v_size, size_bytes = v_size_bytes, frontier = v_frontier WHERE id = v_log;
    INSERT INTO coffer.usage AS known (tenant, author, commit_count, size_bytes)
      SELECT v_tenant, author, count(*), sum(length(bytes)) FROM unnest(p_authors, p_bytes)
        WITH ORDINALITY AS item (author, bytes, place) WHERE place = ANY (v_stored) GROUP BY author ORDER BY author
      ON CONFLICT (tenant, author) DO UPDATE SET
        commit_count = known.commit_count + excluded.commit_count, size_bytes = known.size_bytes + excluded.size_bytes;
  END
  $body$;
`;

/**
 * Make the tables where they are missing. Nodes that start at once do it one after another.
 *
 * @throws `protocol/version` when a newer server made them
 */
export async function migrate(client: Querier): Promise<void> {
  await client.query("BEGIN");
  try {
    // A number of our own: two nodes on an empty database must not both make it. Tenants' locks are above 0.
    await client.query("SELECT pg_advisory_xact_lock(-4857164771)");
    const { rows } = await client.query("SELECT to_regclass('coffer.meta') IS NOT NULL AS exists");
    if (!booleanAt(rows[0], "exists")) await client.query(tables);
    const version = numberAt((await client.query("SELECT version FROM coffer.meta")).rows[0], "version");
    if (version > schemaVersion)
      throw new CofferError("protocol/version", { message: "A newer server made this database." });
    if (version < 2) await client.query(secondTables);
    if (version < 3) await client.query(thirdTables);
    if (version < 4) await client.query(fourthTables);
    if (version < 5) await client.query(fifthTables);
    if (version < 6) await client.query(sixthTables);
    await client.query(appendFunction);
    await client.query(chunkFunctions);
    await client.query("COMMIT");
  } catch (cause) {
    await client.query("ROLLBACK");
    throw cause;
  }
}

/** Read a number of a row that the schema types; the driver gives wide ones as text. */
export function numberAt(row: unknown, column: string): number {
  const value = columnOf(row, column);
  const number = typeof value === "string" ? Number(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number)) return number;
  throw damaged(column);
}

/** Read bytes of a row that the schema types, as plain bytes. */
export function bytesAt(row: unknown, column: string): Uint8Array {
  const value = columnOf(row, column);
  if (value instanceof Uint8Array) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw damaged(column);
}

/** Read a boolean of a row that the schema types. */
export function booleanAt(row: unknown, column: string): boolean {
  const value = columnOf(row, column);
  if (typeof value === "boolean") return value;
  throw damaged(column);
}

function damaged(column: string): CofferError {
  return new CofferError("store/failed", { message: "A stored row is damaged.", column });
}

function columnOf(row: unknown, column: string): unknown {
  return typeof row === "object" && row !== null
    ? (row as Readonly<Record<string, unknown>>)[column]
    : undefined;
}
