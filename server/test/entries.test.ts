import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesToBase64url, createSystemEnv, isCofferError } from "../../src/std/index.ts";
import { fuzz, fuzzRuns, mutateBytes } from "../../src/std/mutate-fixtures.ts";
import {
  createHttpTransport,
  createServerEntries,
  encodeQuestion,
  entryCallLimits,
  type EntryReader,
} from "../../src/sync/index.ts";
import { idsOf, testEntryReader } from "../../src/sync/entry-store-contract.ts";
import {
  canary,
  createTestRelay,
  createUser,
  crypto,
  joinTenant,
  origin,
  TestTenant,
  type TestRelay,
  type TestUser,
} from "./fixtures.ts";

const env = createSystemEnv();
const realFetch = globalThis.fetch;
let current: TestRelay | undefined;

beforeAll(() => {
  // The transport of the sync room against a relay in this process.
  globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    return current === undefined ? realFetch(input, init) : current.relay.fetch(request);
  };
});
afterAll(() => {
  globalThis.fetch = realFetch;
});

async function createPlace() {
  const test = await createTestRelay();
  current = test;
  const user = await createUser();
  const tenant = await TestTenant.withUsers(user);
  const client = await joinTenant(test, tenant, user);
  const commits = await Promise.all(
    Array.from({ length: 18 }, (_, n) => tenant.write(user, n % 6 === 5 ? { texts: ["a", "b", "c"] } : {})),
  );
  await client.push(tenant.dbId, ...commits);
  return { test, user, tenant, client, commits };
}

function readerOf(test: TestRelay, tenant: TestTenant, user: TestUser): EntryReader {
  return createServerEntries({
    env,
    crypto,
    http: createHttpTransport(env, origin, { allowsPlainHttp: true }),
    tenantId: tenant.tenantId,
    dbId: tenant.dbId,
    signer: { key: user.key, privateKey: user.signing.privateKey },
    readServerKey: async () => test.serverKey,
  });
}

testEntryReader("a server's log, by HTTP", async () => {
  const { test, user, tenant, client, commits } = await createPlace();
  return {
    reader: readerOf(test, tenant, user),
    commits,
    async add() {
      const later = await tenant.write(user, { texts: ["d", "e"] });
      await client.push(tenant.dbId, later);
      return later;
    },
  };
});

async function ask(test: TestRelay, tenant: TestTenant, token: Uint8Array | undefined, body: Uint8Array) {
  const headers: Record<string, string> = { "Content-Type": "application/octet-stream" };
  if (token !== undefined) headers["Authorization"] = `Bearer ${bytesToBase64url(token)}`;
  const url = `${origin}/v1/t/${tenant.tenantId}/entries`;
  return test.relay.fetch(new Request(url, { method: "POST", headers, body: new Uint8Array(body) }));
}

describe("who asks for entries", () => {
  it("is told nothing without a session, in another tenant, or once revoked", async () => {
    const { test, user, tenant, client, commits } = await createPlace();
    const bloom = encodeQuestion({ call: "bloom", dbId: tenant.dbId });
    expect((await ask(test, tenant, undefined, bloom)).status).toBe(401);
    expect((await ask(test, tenant, client.token, bloom)).status).toBe(200);
    const stranger = await createUser();
    const other = await TestTenant.withUsers(stranger);
    const elsewhere = await joinTenant(test, other, stranger);
    const refused = await ask(test, tenant, elsewhere.token, bloom);
    expect(refused.status).toBe(403);
    expect(await refused.text()).not.toContain(canary);
    // In one's own tenant another one's database is an empty one, whatever it is called.
    const peeking = createServerEntries({
      env,
      crypto,
      http: createHttpTransport(env, origin, { allowsPlainHttp: true }),
      tenantId: other.tenantId,
      dbId: tenant.dbId,
      signer: { key: stranger.key, privateKey: stranger.signing.privateKey },
      readServerKey: async () => test.serverKey,
    });
    const ids = commits.flatMap(idsOf);
    expect(await peeking.hasEntries(ids)).toEqual([]);
    expect(await peeking.getEntries(ids)).toEqual([]);
    expect((await peeking.scanEntriesSince(undefined)).entries).toEqual([]);
    const reader = readerOf(test, tenant, user);
    expect(await reader.hasEntries(ids)).toEqual(ids);
    const cut = await tenant.revoke(
      user,
      commits.map(({ commitHash }) => commitHash),
    );
    const admin = await joinTenant(test, tenant, tenant.admin);
    await admin.push(tenant.directoryDbId, cut);
    await expect(reader.hasEntries(ids)).rejects.toMatchObject({ code: "access/revoked" });
    expect((await ask(test, tenant, client.token, bloom)).status).toBe(403);
  });

  it("is told nothing that is readable", async () => {
    const { test, tenant, client, commits } = await createPlace();
    const ids = commits.flatMap(idsOf);
    for (const question of [
      { call: "get", ids } as const,
      { call: "new", ids: [], docId: undefined } as const,
      { call: "scan", cursor: { epoch: "", position: 0 }, limit: 100 } as const,
    ]) {
      const response = await ask(
        test,
        tenant,
        client.token,
        encodeQuestion({ ...question, dbId: tenant.dbId }),
      );
      expect(response.status).toBe(200);
      const bytes = Buffer.from(await response.arrayBuffer());
      expect(bytes.length).toBeGreaterThan(1000);
      expect(bytes.includes(canary)).toBe(false);
    }
  });

  it("gets a code for questions that are too large or none, and the server goes on", async () => {
    const { test, tenant, client } = await createPlace();
    const large = new Uint8Array(entryCallLimits.questionBytes + 1);
    expect((await ask(test, tenant, client.token, large)).status).toBe(413);
    const ids = Array.from({ length: entryCallLimits.askedIds + 1 }, () => "a");
    const many = encodeQuestion({ call: "has", dbId: tenant.dbId, ids });
    expect((await ask(test, tenant, client.token, many)).status).toBe(400);
    const questions = [
      encodeQuestion({ call: "has", dbId: tenant.dbId, ids: ["a", "b"] }),
      encodeQuestion({ call: "new", dbId: tenant.dbId, ids: ["a"], docId: "b" }),
      encodeQuestion({ call: "scan", dbId: tenant.dbId, cursor: { epoch: "1", position: 2 }, limit: 3 }),
    ];
    await fuzz("questions to a server", fuzzRuns(150, 3), async (random) => {
      const response = await ask(test, tenant, client.token, mutateBytes(random, questions));
      expect([200, 400, 413, 429]).toContain(response.status);
      await response.arrayBuffer();
    });
    expect((await ask(test, tenant, client.token, questions[0] ?? large)).status).toBe(200);
  });

  it("begins anew after a new epoch, and finds nothing where the tenant was removed", async () => {
    const { test, user, tenant, commits } = await createPlace();
    const reader = readerOf(test, tenant, user);
    const { nextCursor } = await reader.scanEntriesSince(undefined, 1000);
    expect((await reader.scanEntriesSince(nextCursor)).entries).toEqual([]);
    await test.storage.startNewEpochs();
    const ids = commits.flatMap(idsOf);
    expect((await reader.scanEntriesSince(nextCursor)).entries.map(({ id }) => id)).toEqual(ids);
    expect(await reader.hasEntries(ids)).toEqual(ids);
    await test.storage.removeTenant(tenant.tenantId);
    const failure: unknown = await reader.hasEntries(ids).catch((error: unknown) => error);
    expect(isCofferError(failure) && failure.code.startsWith("access/")).toBe(true);
  });
});
