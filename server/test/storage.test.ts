import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { bytesToId, createSystemEnv } from "../../src/std/index.ts";
import { createGroupCommit } from "../src/group-commit.ts";
import { createMemoryStorage, openSqliteStorage } from "../src/index.ts";
import { frontierRows } from "../src/storage.ts";
import { openDatabase, inTransaction } from "../src/sqlite-schema.ts";
import { createDbId, crypto } from "./fixtures.ts";
import { describeStorage } from "./storage-contract.ts";

const folder = mkdtempSync(join(tmpdir(), "coffer-storage-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let fileCount = 0;
const nextPath = (): string => join(folder, `${fileCount++}.db`);

describeStorage("memory storage", (env) => createMemoryStorage({ crypto, env }));
describeStorage("sqlite storage", (env) =>
  // Group commit waits on a real timer; only the clock is the test's.
  openSqliteStorage(nextPath(), { crypto, env: { nowMs: env.nowMs, setTimer: createSystemEnv().setTimer } }),
);

const noAuthor = (): Uint8Array => new Uint8Array(32);

describe("sqlite file", () => {
  const env = createSystemEnv();
  const record = {
    tenantId: bytesToId("TenantId", crypto.randomBytes(32)),
    directoryDbId: createDbId(),
    publication: crypto.randomBytes(20),
  };
  const commit = {
    commitHash: bytesToId("CommitHash", crypto.randomBytes(32)),
    author: bytesToId("AuthorKey", crypto.randomBytes(32)),
    createdAtMs: 8.64e15,
    bytes: crypto.randomBytes(9),
  };

  it("holds what was written when it is opened again", async () => {
    const path = nextPath();
    const before = openSqliteStorage(path, { crypto, env });
    await before.createTenant(record, [commit]);
    await before.close();
    const after = openSqliteStorage(path, { crypto, env });
    expect(await after.readTenant(record.tenantId)).toEqual(record);
    expect(await after.createTenant(record, [commit])).toBe(false);
    const append = {
      tenantId: record.tenantId,
      dbId: record.directoryDbId,
      replicaId: new Uint8Array(16),
      directorySize: 1,
    };
    expect(await after.append({ ...append, commits: [commit] })).toEqual({
      kind: "appended",
      results: [{ status: "present", seq: 0 }],
    });
    await after.close();
  });

  it("is opened by one process at a time", async () => {
    const path = nextPath();
    const first = openSqliteStorage(path, { crypto, env });
    expect(() => openSqliteStorage(path, { crypto, env })).toThrowError(
      expect.objectContaining({ code: "store/blocked" }),
    );
    await first.close();
    await openSqliteStorage(path, { crypto, env }).close();
  });

  it("says store/quota when the disk is full, and undoes the whole transaction", () => {
    const { db } = openDatabase(nextPath(), noAuthor);
    db.pragma("max_page_count = 20");
    const fill = (): void => {
      const insert = db.prepare("INSERT INTO tenants (tenant, directory, publication) VALUES (?, ?, ?)");
      for (let i = 0; i < 100; i++)
        insert.run(crypto.randomBytes(32), new Uint8Array(16), new Uint8Array(4000));
    };
    expect(() => inTransaction(db, fill)).toThrowError(expect.objectContaining({ code: "store/quota" }));
    expect(db.prepare("SELECT count(*) AS count FROM tenants").get()).toMatchObject({ count: 0 });
    expect(() => inTransaction(db, () => db.prepare("SELECT 1").get())).not.toThrow();
    db.close();
  });

  it("is not SQLite's default in how it is synchronised", () => {
    const path = nextPath();
    const { db } = openDatabase(path, noAuthor);
    expect(db.pragma("synchronous")).toEqual([{ synchronous: 2 }]);
    expect(db.pragma("journal_mode")).toEqual([{ journal_mode: "wal" }]);
    db.close();
    expect(readFileSync(path).subarray(0, 15).toString()).toBe("SQLite format 3");
  });
});

describe("group commit", () => {
  it("writes what came together in one go, and rejects all of it together", async () => {
    const writes: (readonly number[])[] = [];
    let fails = false;
    const group = createGroupCommit<number, number>(
      createSystemEnv(),
      { delayMs: 1, maxItems: 4 },
      (items) => {
        if (fails) throw new Error("no");
        writes.push(items);
        return items.map((item) => item * 2);
      },
    );
    expect(await Promise.all([1, 2, 3].map(group.add))).toEqual([2, 4, 6]);
    await Promise.all([1, 2, 3, 4, 5].map(group.add));
    expect(writes).toEqual([[1, 2, 3], [1, 2, 3, 4], [5]]);
    fails = true;
    const outcomes = await Promise.allSettled([1, 2].map(group.add));
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });
});

describe("frontier rows", () => {
  it("names the last row of each perfect subtree", () => {
    expect(frontierRows(0)).toEqual([]);
    expect(frontierRows(1)).toEqual([0]);
    expect(frontierRows(8)).toEqual([7]);
    expect(frontierRows(13)).toEqual([7, 11, 12]);
    expect(frontierRows(2 ** 40 + 1)).toEqual([2 ** 40 - 1, 2 ** 40]);
  });
});
