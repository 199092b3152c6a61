import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToId, type AuthorKey } from "../../src/std/index.ts";
import { authorsWithoutRoom, directoryReserve, type Quotas } from "../src/quota.ts";
import {
  createTestRelay,
  createUser,
  crypto,
  itemsOf,
  joinTenant,
  publish,
  publicationRequest,
  TestClient,
  TestTenant,
  type TestRelay,
  type TestUser,
} from "./fixtures.ts";

const none: Quotas = {
  tenantBytes: Infinity,
  tenantCommits: Infinity,
  userBytes: Infinity,
  userCommits: Infinity,
};

async function createPlace(limits: Partial<Quotas>) {
  const test = await createTestRelay({ limits });
  const [anna, bert] = [await createUser(), await createUser()];
  const tenant = await TestTenant.withUsers(anna, bert);
  const clientA = await joinTenant(test, tenant, anna);
  const clientB = await clientOf(test, tenant, bert);
  return { test, tenant, anna, bert, clientA, clientB };
}

async function clientOf(test: TestRelay, tenant: TestTenant, user: TestUser): Promise<TestClient> {
  const client = new TestClient((request) => test.relay.fetch(request), tenant.tenantId, user);
  await client.signIn(test.serverKey);
  return client;
}

const full = { status: "retry", code: "store/quota" };

describe("a quota", () => {
  it("of commits ends one user's writing and nobody else's, and reading goes on", async () => {
    const { tenant, anna, bert, clientA, clientB } = await createPlace({ userCommits: 2 });
    const commits = await Promise.all([1, 2, 3].map(() => tenant.write(anna)));
    expect(await clientA.push(tenant.dbId, ...commits.slice(0, 2))).toMatchObject([
      { status: "accepted" },
      { status: "accepted" },
    ]);
    expect(await clientA.push(tenant.dbId, ...commits.slice(2))).toMatchObject([full]);
    // It is the author who is counted, not who brings it.
    const berts = await tenant.write(bert);
    expect(await clientB.push(tenant.dbId, ...commits.slice(2), berts)).toMatchObject([
      full,
      { status: "accepted", seq: 2 },
    ]);
    expect(itemsOf(await clientA.pull(), tenant.dbId)).toHaveLength(3);
  });

  it("of bytes counts what a user wrote in all databases", async () => {
    const { tenant, anna, clientA } = await createPlace({ userBytes: 3000 });
    const other = bytesToId("DbId", crypto.randomBytes(16));
    const big = { text: "x".repeat(1500) };
    expect(await clientA.push(tenant.dbId, await tenant.write(anna, big))).toMatchObject([
      { status: "accepted" },
    ]);
    expect(await clientA.push(other, await tenant.write(anna, { ...big, dbId: other }))).toMatchObject([
      full,
    ]);
    expect(await clientA.push(other, await tenant.write(anna, { dbId: other }))).toMatchObject([
      { status: "accepted" },
    ]);
  });

  it("of a tenant's commits ends everyone's writing, and somebody can still be revoked", async () => {
    const { test, tenant, anna, bert, clientA, clientB } = await createPlace({ tenantCommits: 3 });
    expect(await clientA.push(tenant.dbId, await tenant.write(anna))).toMatchObject([{ status: "accepted" }]);
    expect(await clientB.push(tenant.dbId, await tenant.write(bert))).toMatchObject([full]);
    const admin = await clientOf(test, tenant, tenant.admin);
    expect(await admin.push(tenant.directoryDbId, await tenant.revoke(anna))).toMatchObject([
      { status: "accepted" },
    ]);
    await expect(clientA.pull()).rejects.toMatchObject({ code: "access/revoked" });
  });

  it("has the status 507 where it is an answer of its own, and too large a body has 413", async () => {
    const test = await createTestRelay({ limits: { maxTenants: 0 } });
    expect((await publish(test.relay, await TestTenant.withUsers(await createUser()))).status).toBe(507);
    const body = new Uint8Array(9 * 1024 * 1024);
    expect((await test.relay.fetch(publicationRequest(body))).status).toBe(413);
  });

  it("is decided author by author, as a plain count does", () => {
    const authors = [1, 2, 3].map((byte) => bytesToId("AuthorKey", new Uint8Array(32).fill(byte)));
    const author = fc.constantFrom(...authors);
    const small = fc.nat(20);
    const usage = fc.record({ commitCount: small, sizeBytes: small });
    fc.assert(
      fc.property(
        fc.record({
          tenantBytes: fc.nat(80),
          tenantCommits: fc.nat(80),
          userBytes: fc.nat(40),
          userCommits: fc.nat(40),
        }),
        fc.array(usage, { minLength: 3, maxLength: 3 }),
        fc.array(fc.record({ author, sizeBytes: small }), { maxLength: 6 }),
        (quotas, usages, written) => {
          const byAuthor = new Map(
            authors.map((key, index) => [key, usages[index] ?? { commitCount: 0, sizeBytes: 0 }]),
          );
          const all = [...byAuthor.values()];
          const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
          const has = {
            logCount: 1,
            byAuthor,
            commitCount: sum(all.map(({ commitCount }) => commitCount)),
            sizeBytes: sum(all.map(({ sizeBytes }) => sizeBytes)),
          };
          const commits = written.map(({ author: key, sizeBytes }) => ({
            author: key,
            bytes: new Uint8Array(sizeBytes),
          }));
          const fits = (key: AuthorKey): boolean => {
            const own = written.filter((one) => one.author === key);
            const mine = byAuthor.get(key) ?? { commitCount: 0, sizeBytes: 0 };
            const bytes = sum(written.map(({ sizeBytes }) => sizeBytes));
            return (
              has.commitCount + written.length <= quotas.tenantCommits &&
              has.sizeBytes + bytes <= quotas.tenantBytes &&
              mine.commitCount + own.length <= quotas.userCommits &&
              mine.sizeBytes + sum(own.map(({ sizeBytes }) => sizeBytes)) <= quotas.userBytes
            );
          };
          const expected = [...new Set(written.map((one) => one.author))].filter((key) => !fits(key));
          expect([...authorsWithoutRoom(quotas, has, commits)].sort()).toEqual(expected.sort());
        },
      ),
    );
    expect(directoryReserve.sizeBytes).toBeGreaterThan(0);
    expect(
      authorsWithoutRoom(none, { logCount: 0, commitCount: 1e9, sizeBytes: 1e15, byAuthor: new Map() }, []),
    ).toEqual(new Set());
  });
});
