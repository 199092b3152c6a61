import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createHttpTransport,
  encodeFrames,
  endBound,
  repairDatabase,
  type Frame,
} from "../../src/sync/index.ts";
import { parseCommit } from "../../src/entry/index.ts";
import { bytesToBase64url, createSystemEnv, type CommitHash } from "../../src/std/index.ts";
import {
  createTestRelay,
  createUser,
  crypto,
  joinTenant,
  origin,
  TestTenant,
  type TestClient,
  type TestRelay,
} from "./fixtures.ts";

const env = createSystemEnv();
const realFetch = globalThis.fetch;
let relays: Map<string, TestRelay>;

beforeAll(() => {
  relays = new Map();
  // The transport of the sync room against relays in this process.
  globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    const test = relays.get(new URL(request.url).host);
    return test === undefined ? realFetch(input, init) : test.relay.fetch(request);
  };
});
afterAll(() => {
  globalThis.fetch = realFetch;
});

async function createPlace(count: number) {
  const test = await createTestRelay();
  relays.set("relay.test", test);
  const user = await createUser();
  const tenant = await TestTenant.withUsers(user);
  const client = await joinTenant(test, tenant, user);
  const commits = await Promise.all(Array.from({ length: count }, () => tenant.write(user)));
  for (let at = 0; at < count; at += 100) await client.push(tenant.dbId, ...commits.slice(at, at + 100));
  return { test, user, tenant, client, commits };
}

interface Held {
  readonly commitHash: CommitHash;
  readonly bytes: Uint8Array;
}

async function repair(client: TestClient, tenant: TestTenant, held: readonly Held[]) {
  const http = createHttpTransport(env, origin, { allowsPlainHttp: true });
  const received: Held[] = [];
  let bytesUp = 0;
  const report = await repairDatabase({
    crypto,
    http: {
      exchange(request) {
        bytesUp += request.body.length;
        return http.exchange(request);
      },
    },
    capabilities: await http.readCapabilities(),
    tenantId: tenant.tenantId,
    dbId: tenant.dbId,
    replicaId: client.replicaId,
    token: client.token ?? new Uint8Array(),
    commits: held.map(({ commitHash, bytes }) => {
      const verdict = parseCommit(crypto, bytes);
      return { commitHash, createdAtMs: verdict.kind === "verified" ? verdict.commit.header.createdAtMs : 0 };
    }),
    receive: async (commits) => void received.push(...commits),
  });
  return { report, received, bytesUp };
}

const hashesOf = (commits: readonly Held[]): CommitHash[] =>
  commits.map(({ commitHash }) => commitHash).sort();

describe("repair without a cursor", () => {
  it("costs one small round trip when nothing is missing", async () => {
    const { tenant, client, commits } = await createPlace(300);
    const { report, received, bytesUp } = await repair(client, tenant, commits);
    expect(report).toEqual({ missingThere: [], receivedCount: 0, rejectedCount: 0, roundTrips: 1 });
    expect(received).toEqual([]);
    expect(bytesUp).toBeLessThan(400);
  });

  it("brings what is missing here, names what is missing there, and ends with both alike", async () => {
    const { user, tenant, client, commits } = await createPlace(300);
    const own = await Promise.all(Array.from({ length: 20 }, () => tenant.write(user)));
    const held = [...commits.filter((_, index) => index % 9 !== 4 && index < 280), ...own];
    const { report, received } = await repair(client, tenant, held);
    const lacking = commits.filter((commit) => !held.includes(commit));
    expect(hashesOf(received)).toEqual(hashesOf(lacking));
    for (const { commitHash, bytes } of received)
      expect([...bytes]).toEqual([
        ...(commits.find((commit) => commit.commitHash === commitHash)?.bytes ?? []),
      ]);
    expect([...report.missingThere].sort()).toEqual(hashesOf(own));
    const missing = own.filter(({ commitHash }) => report.missingThere.includes(commitHash));
    await client.push(tenant.dbId, ...missing);
    const again = await repair(client, tenant, [...held, ...received]);
    expect(again.report).toMatchObject({ missingThere: [], receivedCount: 0, roundTrips: 1 });
  });

  it("fills a device that has nothing, and a second server that has nothing", async () => {
    const { user, tenant, client, commits } = await createPlace(120);
    const { received } = await repair(client, tenant, []);
    expect(hashesOf(received)).toEqual(hashesOf(commits));
    const second = await createTestRelay();
    relays.set("relay.test", second);
    const there = await joinTenant(second, tenant, user);
    const { report } = await repair(there, tenant, commits);
    expect([...report.missingThere].sort()).toEqual(hashesOf(commits));
  });

  it("sees what was pushed since, and begins anew after a new epoch and a removal", async () => {
    const { test, user, tenant, client, commits } = await createPlace(30);
    await repair(client, tenant, commits);
    const later = await tenant.write(user);
    await client.push(tenant.dbId, later);
    expect(hashesOf((await repair(client, tenant, commits)).received)).toEqual([later.commitHash]);
    await test.storage.startNewEpochs();
    expect((await repair(client, tenant, [...commits, later])).report).toMatchObject({ roundTrips: 1 });
    await test.storage.removeTenant(tenant.tenantId);
    const again = await joinTenant(test, tenant, user);
    expect((await repair(again, tenant, commits)).report.missingThere).toHaveLength(30);
  });

  it("goes on from what came when not everything fits into one answer", async () => {
    const { tenant, user, client } = await createPlace(1);
    const big = await Promise.all(
      Array.from({ length: 20 }, () =>
        tenant.write(user, { texts: Array.from({ length: 4 }, () => "x".repeat(240_000)) }),
      ),
    );
    for (const commit of big) await client.push(tenant.dbId, commit);
    const { received, report } = await repair(client, tenant, []);
    expect(received).toHaveLength(21);
    expect(report.roundTrips).toBeGreaterThan(1);
  });

  it("keeps nothing that is forged or of another database, and ends with a server that never does", async () => {
    const { tenant, user, client, commits } = await createPlace(3);
    const foreign = await (await TestTenant.withUsers(user)).write(user);
    const forged = {
      bytes: commits[0]?.bytes.map((byte, index) => (index === 300 ? byte ^ 1 : byte)) ?? new Uint8Array(),
    };
    const answerWith = (more: readonly Frame[]) => ({
      exchange: async ({ onChunk }: { onChunk: (chunk: Uint8Array) => void }) => onChunk(encodeFrames(more)),
    });
    const options = {
      crypto,
      capabilities: {
        protocolVersion: 1,
        serverKey: "",
        limits: { frameBytes: 1, requestBytes: 1 },
        capabilities: { log: true, heads: true, ws: true, sse: true, reconcile: true, leaves: true },
      },
      tenantId: tenant.tenantId,
      dbId: tenant.dbId,
      replicaId: client.replicaId,
      token: new Uint8Array(32),
      commits: [],
      receive: async (received: readonly Held[]) =>
        expect(hashesOf(received)).toEqual(hashesOf(commits.slice(1, 2))),
    };
    const end: Frame = { type: "end", more: false };
    const pushed = [foreign, forged, commits[1]].map((commit) => commit?.bytes ?? new Uint8Array());
    const http = answerWith([{ type: "push", dbId: tenant.dbId, commits: pushed }, end]);
    expect(await repairDatabase({ ...options, http })).toMatchObject({ receivedCount: 1, rejectedCount: 2 });
    const salt = new Uint8Array(8);
    const ranges: Frame = {
      type: "ranges",
      dbId: tenant.dbId,
      salt,
      ranges: [{ mode: "ids", upTo: endBound, ids: [new Uint8Array(6)] }],
    };
    const receive = async (): Promise<void> => undefined;
    for (const [frames, calls, code] of [
      [[ranges, end], 64, "protocol/malformed"],
      // as from any connection that breaks: it is asked again later
      [[ranges], 1, "net/failed"],
      [[end, ranges, end], 1, "protocol/malformed"],
      [[ranges, ranges, end], 1, "protocol/malformed"],
      [[{ type: "end", more: true }], 1, "protocol/malformed"],
      [[{ ...ranges, dbId: tenant.directoryDbId }, end], 1, "protocol/malformed"],
    ] as const) {
      let asked = 0;
      const liar = answerWith(frames);
      const counting = {
        exchange: (request: Parameters<typeof liar.exchange>[0]) => {
          asked++;
          return liar.exchange(request);
        },
      };
      await expect(repairDatabase({ ...options, receive, http: counting })).rejects.toMatchObject({ code });
      expect(asked).toBe(calls);
    }
    const old = {
      ...options.capabilities,
      capabilities: { ...options.capabilities.capabilities, reconcile: false },
    };
    await expect(repairDatabase({ ...options, http, capabilities: old })).rejects.toMatchObject({
      code: "protocol/version",
    });
  });
});

describe("the endpoint", () => {
  async function post(
    test: TestRelay,
    tenant: TestTenant,
    token: Uint8Array | undefined,
    frames: readonly Frame[],
  ) {
    const headers: Record<string, string> = { "Content-Type": "application/octet-stream" };
    if (token !== undefined) headers["Authorization"] = `Bearer ${bytesToBase64url(token)}`;
    const body = encodeFrames(frames);
    return test.relay.fetch(
      new Request(`${origin}/v1/t/${tenant.tenantId}/reconcile`, { method: "POST", headers, body }),
    );
  }

  it("is for members only, and takes nothing else than it says", async () => {
    const { test, tenant, client, user } = await createPlace(2);
    const hello: Frame = { type: "hello", version: 1, replicaId: client.replicaId };
    const ranges: Frame = { type: "ranges", dbId: tenant.dbId, salt: new Uint8Array(8), ranges: [] };
    const end: Frame = { type: "end", more: false };
    expect((await post(test, tenant, client.token, [hello, ranges])).status).toBe(200);
    expect((await post(test, tenant, undefined, [hello, ranges])).status).toBe(401);
    for (const frames of [[ranges], [hello], [hello, end], [hello, ranges, ranges], [hello, ranges, end], []])
      expect((await post(test, tenant, client.token, frames)).status).toBe(400);
    expect((await post(test, tenant, client.token, [{ ...hello, version: 2 }, ranges])).status).toBe(426);
    const elsewhere = await TestTenant.withUsers(user);
    expect((await post(test, elsewhere, client.token, [hello, ranges])).status).toBe(403);
    const admin = await joinTenant(test, tenant, tenant.admin);
    await admin.push(tenant.directoryDbId, await tenant.revoke(user));
    expect((await post(test, tenant, client.token, [hello, ranges])).status).toBe(403);
  });
});
