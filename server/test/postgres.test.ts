import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { bytesToId, createSystemEnv, type CommitHash } from "../../src/std/index.ts";
import { appendLeaves, emptyFrontier, rootOf } from "../../src/sync/index.ts";
import { runAdminCommand } from "../src/cli-admin.ts";
import { readCommand, type AdminCommand } from "../src/cli-options.ts";
import { openPostgresStorage, type NewCommit, type PostgresStorage } from "../src/index.ts";
import {
  createDbId,
  createTestRelay,
  createUser,
  crypto,
  joinTenant,
  TestTenant,
  type TestEnv,
} from "./fixtures.ts";
import { hasPostgres, startPostgres, startTimeoutMs, type PrivatePostgres } from "./private-postgres.ts";
import { describeStorage } from "./storage-contract.ts";

const env = createSystemEnv();
const describeWithPostgres = describe.skipIf(!hasPostgres);
let server: PrivatePostgres;
const opened: PostgresStorage[] = [];

async function open(url: string, world: Pick<TestEnv, "nowMs"> = env): Promise<PostgresStorage> {
  const storage = await openPostgresStorage(url, { env: world, maxConnections: 6 });
  opened.push(storage);
  return storage;
}

describeWithPostgres("PostgreSQL", () => {
  beforeAll(async () => {
    server = await startPostgres();
  }, startTimeoutMs);
  afterAll(async () => {
    await Promise.allSettled(opened.map((storage) => storage.close()));
    await server.stop();
  });

  describeStorage("postgres storage", async (world) => open(await server.createDatabase(), world));

  describe("nodes on one database", () => {
    const author = bytesToId("AuthorKey", crypto.randomBytes(32));
    const createCommit = (): NewCommit => ({
      commitHash: bytesToId("CommitHash", crypto.randomBytes(32)),
      author,
      createdAtMs: env.nowMs(),
      bytes: crypto.randomBytes(60),
    });

    async function createPlace() {
      const url = await server.createDatabase();
      // Both make the tables at once.
      const [a, b] = await Promise.all([open(url), open(url)]);
      const tenantId = bytesToId("TenantId", crypto.randomBytes(32));
      const directoryDbId = createDbId();
      await a.createTenant({ tenantId, directoryDbId, publication: crypto.randomBytes(9) }, [createCommit()]);
      return { url, a, b, tenantId, directoryDbId, replicaId: new Uint8Array(16), directorySize: 1 };
    }

    it("lose no row for readers that only go forward, with 16 writers, two logs and both nodes (R2)", async () => {
      const { a, b, tenantId, replicaId, directorySize } = await createPlace();
      const nodes = [a, b];
      const logs = [createDbId(), createDbId()];
      const written = logs.map(() => new Set<CommitHash>());
      let isWriting = true;
      const readers = [0, 1, 2, 3].map(async (index) => {
        const dbId = logs[index % 2] ?? createDbId();
        const node = nodes[index < 2 ? 0 : 1] ?? a;
        const seen: CommitHash[] = [];
        for (let isLast = false; ;) {
          const rows = await node.readCommits(tenantId, dbId, {
            fromSeq: seen.length,
            maxCount: 500,
            maxBytes: 1e6,
          });
          for (const { seq, commitHash } of rows) {
            expect(seq).toBe(seen.length);
            seen.push(commitHash);
          }
          if (rows.length === 0 && isLast) return { index, seen };
          isLast = rows.length === 0 && !isWriting;
        }
      });
      await Promise.all(
        Array.from({ length: 16 }, async (_, writer) => {
          const dbId = logs[writer % 2] ?? createDbId();
          const node = nodes[writer < 8 ? 0 : 1] ?? a;
          for (let round = 0; round < 40; round++) {
            const commits = Array.from({ length: 1 + (round % 5) }, createCommit);
            const result = await node.append({ tenantId, dbId, replicaId, commits, directorySize });
            expect(result.kind).toBe("appended");
            for (const { commitHash } of commits) written[writer % 2]?.add(commitHash);
          }
        }),
      );
      isWriting = false;
      for (const { index, seen } of await Promise.all(readers)) {
        expect(seen).toHaveLength(8 * 120);
        expect(new Set(seen)).toEqual(written[index % 2]);
        const frontier = appendLeaves(crypto, emptyFrontier, seen);
        const nodesOfLog = await b.readNodes(tenantId, logs[index % 2] ?? createDbId(), [511, 767, 895, 959]);
        expect([...rootOf(crypto, { frontier: nodesOfLog })]).toEqual([...rootOf(crypto, frontier)]);
      }
    });

    it("would lose rows with a plain sequence as cursor: the control that fails", async () => {
      const url = await server.createDatabase();
      const pool = new pg.Pool({ connectionString: url, max: 20 });
      await pool.query("CREATE TABLE plain (seq bigserial PRIMARY KEY, bytes bytea NOT NULL)");
      let isWriting = true;
      const reader = (async () => {
        let cursor = 0;
        let seen = 0;
        for (let isLast = false; ;) {
          const { rows } = await pool.query<{ seq: string }>(
            "SELECT seq FROM plain WHERE seq > $1 ORDER BY seq",
            [cursor],
          );
          seen += rows.length;
          cursor = Number(rows.at(-1)?.seq ?? cursor);
          if (rows.length === 0 && isLast) return seen;
          isLast = rows.length === 0 && !isWriting;
        }
      })();
      const writers = Array.from({ length: 16 }, async () => {
        const client = await pool.connect();
        for (let round = 0; round < 40; round++) {
          await client.query("BEGIN");
          await client.query("INSERT INTO plain (bytes) VALUES ($1)", [crypto.randomBytes(60)]);
          await client.query("INSERT INTO plain (bytes) VALUES ($1)", [crypto.randomBytes(60)]);
          await client.query("COMMIT");
        }
        client.release();
      });
      await Promise.all(writers);
      isWriting = false;
      const missed = 16 * 80 - (await reader);
      await pool.end();
      expect(missed).toBeGreaterThan(0);
    });

    it("give one row to a commit that both bring, and wait for a directory that grows on the other (R3, R4)", async () => {
      const { a, b, tenantId, directoryDbId, replicaId, directorySize } = await createPlace();
      const dbId = createDbId();
      const commits = Array.from({ length: 30 }, createCommit);
      const results = await Promise.all(
        commits.flatMap((commit) =>
          [a, b].map((node) => node.append({ tenantId, dbId, replicaId, commits: [commit], directorySize })),
        ),
      );
      const seqs = results.map((result) => (result.kind === "appended" ? result.results[0]?.seq : -1));
      for (let i = 0; i < 60; i += 2) expect(seqs[i]).toBe(seqs[i + 1]);
      expect(new Set(seqs).size).toBe(30);
      const racing = await Promise.all([
        a.append({ tenantId, dbId: directoryDbId, replicaId, commits: [createCommit()], directorySize: 1 }),
        b.append({ tenantId, dbId: directoryDbId, replicaId, commits: [createCommit()], directorySize: 1 }),
        ...Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? a : b).append({
            tenantId,
            dbId,
            replicaId,
            commits: [createCommit()],
            directorySize: 1,
          }),
        ),
      ]);
      expect(
        racing
          .slice(0, 2)
          .map(({ kind }) => kind)
          .sort(),
      ).toEqual(["appended", "stale"]);
      const stored = racing.slice(2).filter(({ kind }) => kind === "appended").length;
      expect((await a.readLog(tenantId, dbId))?.size).toBe(30 + stored);
      expect(
        await b.append({ tenantId, dbId, replicaId, commits: [createCommit()], directorySize: 1 }),
      ).toEqual({ kind: "stale" });
    });

    it("use up a challenge once, and forget it when it has expired", async () => {
      const { url, a, b } = await createPlace();
      const nonce = crypto.randomBytes(16);
      const burns = await Promise.all([a, b, a, b].map((node) => node.burn(nonce, env.nowMs() + 60_000)));
      expect(burns.filter(Boolean)).toHaveLength(1);
      await a.burn(crypto.randomBytes(16), env.nowMs() - 1);
      await a.burn(crypto.randomBytes(16), env.nowMs() + 60_000);
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      const { rows } = await client.query<{ count: string }>("SELECT count(*) FROM coffer.used_challenges");
      await client.end();
      expect(Number(rows[0]?.count)).toBe(2);
    });

    it("sign with one key, or do not start", async () => {
      const { a, b } = await createPlace();
      await a.claimServerKey(new Uint8Array(32).fill(1));
      await b.claimServerKey(new Uint8Array(32).fill(1));
      await expect(b.claimServerKey(new Uint8Array(32).fill(2))).rejects.toMatchObject({
        code: "store/blocked",
      });
    });

    it("say store/failed while the database is away, and go on when it is back", async () => {
      const { url, a, tenantId } = await createPlace();
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
      );
      await client.end();
      await vi.waitFor(async () => expect(await a.readTenant(tenantId)).toBeDefined(), 30_000);
      await expect(openPostgresStorage(url.replace(/\/coffer_\d+/, "/none"), { env })).rejects.toMatchObject({
        code: "store/failed",
      });
    });
  });

  describe("the commands", () => {
    const folder = mkdtempSync(join(tmpdir(), "coffer-pg-data-"));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it("list, remove and verify in the database, also while nodes write it", async () => {
      const url = await server.createDatabase();
      const storage = await open(url);
      const run = async (...args: string[]) => {
        const lines: Record<string, unknown>[] = [];
        const command = readCommand([...args, "--data", folder, "--postgres", url]) as AdminCommand;
        const code = await runAdminCommand(command, (line) =>
          lines.push(JSON.parse(line) as Record<string, unknown>),
        );
        return { code, lines };
      };
      const tenant = await publishTenant(storage);
      expect((await run("tenants")).lines).toEqual([
        { tenant: tenant.tenantId, databases: 2, commits: 9, bytes: tenant.sizeBytes },
      ]);
      expect(await run("verify")).toMatchObject({ code: 0, lines: [{ commitCount: 9, isWhole: true }] });
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query("DELETE FROM coffer.commits WHERE seq = 3");
      expect(await run("verify")).toMatchObject({ code: 3 });
      const { lines } = await run("verify");
      expect(lines).toContainEqual({
        damage: { tenantId: tenant.tenantId, dbId: tenant.dbId, seq: 3, what: "gap" },
      });
      expect(() => readCommand(["backup", "--data", folder, "--postgres", url, "--to", "x"])).toThrow(
        "pg_dump",
      );
      expect((await run("tenants", "remove", tenant.tenantId)).code).toBe(0);
      for (const table of ["tenants", "logs", "commits", "usage"])
        expect((await client.query(`SELECT 1 FROM coffer.${table}`)).rows).toEqual([]);
      await client.end();
    });
  });
});

/** A tenant with a real directory and eight real commits. */
async function publishTenant(storage: PostgresStorage) {
  const test = await createTestRelay({ storage });
  const user = await createUser();
  const tenant = await TestTenant.withUsers(user);
  const client = await joinTenant(test, tenant, user);
  const commits = await Promise.all(Array.from({ length: 8 }, () => tenant.write(user)));
  await client.push(tenant.dbId, ...commits);
  const sizeBytes = [...tenant.directory, ...commits].reduce((sum, { bytes }) => sum + bytes.length, 0);
  return { tenantId: tenant.tenantId, dbId: tenant.dbId, sizeBytes };
}
