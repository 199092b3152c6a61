import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToBase64url } from "../../src/std/index.ts";
import { mutationsOf } from "../../src/std/mutate-fixtures.ts";
import { encodeFrames, endBound } from "../../src/sync/index.ts";
import { createTestRelay, createUser, joinTenant, origin, TestTenant } from "./fixtures.ts";
import { runsOf } from "../../src/std/runs-fixtures.ts";

/** Whatever the bytes, the answer is a 4xx, or a good answer when the bytes happen to be good; never a 5xx, never a throw. */
describe("any bytes", () => {
  it("give a verdict on every route that takes some", async () => {
    const test = await createTestRelay({
      limits: { anonymous: { perMinute: 1e9, burst: 1e9 }, member: { perMinute: 1e9, burst: 1e9 } },
    });
    const user = await createUser();
    const tenant = await TestTenant.withUsers(user);
    const client = await joinTenant(test, tenant, user);
    const commit = await tenant.write(user);
    const hello = encodeFrames([{ type: "hello", version: 1, replicaId: client.replicaId }]);
    const push = encodeFrames([
      { type: "hello", version: 1, replicaId: client.replicaId },
      { type: "push", dbId: tenant.dbId, commits: [commit.bytes] },
      {
        type: "pull",
        allDatabases: true,
        full: false,
        cursors: [{ dbId: tenant.dbId, epoch: 1, seq: 2 }],
        maxBytes: 99,
      },
    ]);
    const publication = await tenant.publication();
    const headers = {
      "Content-Type": "application/octet-stream",
      Authorization: `Bearer ${bytesToBase64url(client.token ?? new Uint8Array())}`,
    };
    const post = async (path: string, body: Uint8Array, more: Record<string, string> = {}) => {
      const request = new Request(origin + path, {
        method: "POST",
        headers: { ...headers, ...more },
        body: new Uint8Array(body),
      });
      const answer = await test.relay.fetch(request);
      await answer.arrayBuffer();
      return answer.status;
    };
    const random = fc.uint8Array({ maxLength: 200 });
    const sync = `/v1/t/${tenant.tenantId}/sync`;
    const reconcile = `/v1/t/${tenant.tenantId}/reconcile`;
    await client.push(tenant.dbId, commit);
    const salt = new Uint8Array(8);
    const ranges = encodeFrames([
      { type: "hello", version: 1, replicaId: client.replicaId },
      {
        type: "ranges",
        dbId: tenant.dbId,
        salt,
        ranges: [
          {
            mode: "fingerprint",
            upTo: { timeMs: 9, prefix: Uint8Array.of(1, 2) },
            fingerprint: new Uint8Array(12),
          },
          { mode: "ids", upTo: endBound, ids: [new Uint8Array(6)] },
        ],
      },
    ]);
    const json = { "Content-Type": "application/json" };
    const cases = fc.oneof(
      random.map((body) => [sync, body, {}] as const),
      random.map((body) => [sync, new Uint8Array([...hello, ...body]), {}] as const),
      mutationsOf(push).map((body) => [sync, body, {}] as const),
      mutationsOf(ranges).map((body) => [reconcile, body, {}] as const),
      random.map((body) => [reconcile, new Uint8Array([...hello, ...body]), {}] as const),
      random.map((body) => ["/v1/tenants", body, {}] as const),
      mutationsOf(publication).map((body) => ["/v1/tenants", body, {}] as const),
      random.map((body) => ["/v1/auth/token", body, json] as const),
      fc.json().map((body) => ["/v1/auth/token", new TextEncoder().encode(body), json] as const),
      fc.json().map((body) => ["/v1/auth/challenge", new TextEncoder().encode(body), json] as const),
    );
    await fc.assert(
      fc.asyncProperty(cases, async ([path, body, more]) => {
        const status = await post(path, body, more);
        expect(status === 200 || status === 201 || (status >= 400 && status < 500)).toBe(true);
      }),
      { numRuns: runsOf(1500) },
    );
  });

  it("end a live session or are answered, and never throw", async () => {
    const test = await createTestRelay();
    const user = await createUser();
    const tenant = await TestTenant.withUsers(user);
    const client = await joinTenant(test, tenant, user);
    const opening = encodeFrames([
      { type: "hello", version: 1, replicaId: client.replicaId },
      { type: "auth", token: client.token ?? new Uint8Array(32) },
    ]);
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 4 }),
        async (isOpen, messages) => {
          const closes: number[] = [];
          const connection = {
            send: () => undefined,
            close: (code: number) => void closes.push(code),
            bufferedBytes: () => 0,
          };
          const live = test.relay.openLive(tenant.tenantId, connection);
          if (isOpen) await live.onMessage(opening);
          for (const message of messages) await live.onMessage(message);
          expect(closes.length).toBeLessThanOrEqual(1);
          for (const code of closes) expect(code).toBeGreaterThanOrEqual(4400);
          live.onClose();
        },
      ),
      { numRuns: runsOf(300) },
    );
    expect(test.relay.liveCount()).toBe(0);
  });
});
