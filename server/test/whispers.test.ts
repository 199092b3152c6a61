import { describe, expect, it, vi } from "vitest";
import { decodeFrames, encodeFrames, type Frame } from "../../src/sync/index.ts";
import type { LiveConnection, RelayOptions } from "../src/index.ts";
import {
  createTestRelay,
  createUser,
  joinTenant,
  publish,
  TestClient,
  TestTenant,
  type TestRelay,
  type TestUser,
} from "./fixtures.ts";

class Ear implements LiveConnection {
  readonly frames: Frame[] = [];
  buffered = 0;
  closed: readonly [number, string] | undefined;
  send(message: Uint8Array<ArrayBuffer>): void {
    this.frames.push(...(decodeFrames(message) ?? []));
  }
  close(code: number, reason: string): void {
    this.closed = [code, reason];
  }
  bufferedBytes(): number {
    return this.buffered;
  }
  get whispers(): readonly Frame[] {
    return this.frames.filter(({ type }) => type === "whisper");
  }
}

const pullAll: Frame = { type: "pull", allDatabases: true, full: false, cursors: [], maxBytes: 1e6 };

async function listen(test: TestRelay, tenant: TestTenant, user: TestUser, pull: Frame = pullAll) {
  const client = new TestClient((request) => test.relay.fetch(request), tenant.tenantId, user);
  await client.signIn(test.serverKey);
  const ear = new Ear();
  const live = test.relay.openLive(tenant.tenantId, ear);
  const say = (...frames: readonly Frame[]): Promise<void> => live.onMessage(encodeFrames(frames));
  await say(
    { type: "hello", version: 1, replicaId: client.replicaId },
    { type: "auth", token: client.token ?? new Uint8Array(32) },
    pull,
  );
  return { ear, say, client };
}

async function createPlace(options: Pick<Partial<RelayOptions>, "limits" | "cluster"> = {}) {
  const test = await createTestRelay(options);
  const [anna, bert] = [await createUser(), await createUser()];
  const tenant = await TestTenant.withUsers(anna, bert);
  await publish(test.relay, tenant);
  const whisperOf = (byte: number, sizeBytes = 200): Frame => ({
    type: "whisper",
    dbId: tenant.dbId,
    sealed: new Uint8Array(sizeBytes).fill(byte),
  });
  return { test, anna, bert, tenant, whisperOf };
}

describe("whispers", () => {
  it("reach the other sessions of the tenant as they came, not the one that said them, and no other tenant", async () => {
    const { test, anna, bert, tenant, whisperOf } = await createPlace();
    const [first, second, third] = [
      await listen(test, tenant, anna),
      await listen(test, tenant, anna),
      await listen(test, tenant, bert),
    ];
    const elsewhere = await TestTenant.withUsers(anna);
    await publish(test.relay, elsewhere);
    const stranger = await listen(test, elsewhere, anna);
    await first.say(whisperOf(1));
    expect(second.ear.whispers).toEqual([whisperOf(1)]);
    expect(third.ear.whispers).toEqual([whisperOf(1)]);
    expect([...first.ear.whispers, ...stranger.ear.whispers]).toEqual([]);
  });

  it("are kept nowhere: who comes later hears nothing, and no log grows", async () => {
    const { test, anna, bert, tenant, whisperOf } = await createPlace();
    const first = await listen(test, tenant, anna);
    const before = await test.storage.listLogs(tenant.tenantId);
    await first.say(whisperOf(1));
    expect((await listen(test, tenant, bert)).ear.whispers).toEqual([]);
    expect(await test.storage.listLogs(tenant.tenantId)).toEqual(before);
  });

  it("reach only who follows their database and is not behind", async () => {
    const { test, anna, bert, tenant, whisperOf } = await createPlace();
    const first = await listen(test, tenant, anna);
    const other = await listen(test, tenant, bert, {
      ...pullAll,
      allDatabases: false,
      cursors: [{ dbId: tenant.directoryDbId, epoch: 0, seq: 0 }],
    } as Frame);
    const slow = await listen(test, tenant, bert);
    slow.ear.buffered = 2 * 1024 * 1024;
    await first.say(whisperOf(1));
    slow.ear.buffered = 0;
    await first.say(whisperOf(2));
    expect(other.ear.whispers).toEqual([]);
    expect(slow.ear.whispers).toEqual([whisperOf(2)]);
  });

  it("of a flood are dropped, without ending the session or taking from what it may sync", async () => {
    const limits = { whispers: { perMinute: 60, burst: 10 }, member: { perMinute: 60, burst: 20 } };
    const { test, anna, bert, tenant, whisperOf } = await createPlace({ limits });
    const [first, second] = [await listen(test, tenant, anna), await listen(test, tenant, bert)];
    for (let byte = 0; byte < 100; byte++) await first.say(whisperOf(byte));
    expect(second.ear.whispers).toEqual(Array.from({ length: 10 }, (_, byte) => whisperOf(byte)));
    expect(first.ear.closed).toBeUndefined();
    await first.say(pullAll);
    expect(first.ear.frames.at(-1)).toEqual({ type: "end", more: false });
    await second.say(whisperOf(200));
    expect(first.ear.whispers).toEqual([whisperOf(200)]);
    test.env.advance(5001);
    for (let byte = 0; byte < 100; byte++) await first.say(whisperOf(byte));
    expect(second.ear.whispers).toHaveLength(15);
  });

  it("that are too large end the session, and reach nobody", async () => {
    const { test, anna, bert, tenant } = await createPlace();
    const [first, second] = [await listen(test, tenant, anna), await listen(test, tenant, bert)];
    const body = new Uint8Array(16 + 4097);
    const length = [(body.length & 127) | 128, body.length >> 7];
    const client = new TestClient((request) => test.relay.fetch(request), tenant.tenantId, anna);
    await client.signIn(test.serverKey);
    const ear = new Ear();
    await test.relay.openLive(tenant.tenantId, ear).onMessage(new Uint8Array([15, ...length, ...body]));
    expect(ear.closed).toEqual([4400, "protocol/malformed"]);
    expect([...first.ear.whispers, ...second.ear.whispers]).toEqual([]);
  });

  it("of who was revoked, or never signed in, reach nobody", async () => {
    const { test, anna, bert, tenant, whisperOf } = await createPlace();
    const [first, second] = [await listen(test, tenant, anna), await listen(test, tenant, bert)];
    const ear = new Ear();
    await test.relay.openLive(tenant.tenantId, ear).onMessage(encodeFrames([whisperOf(1)]));
    expect(ear.closed).toEqual([4401, "access/unauthenticated"]);
    const admin = new TestClient((request) => test.relay.fetch(request), tenant.tenantId, tenant.admin);
    await admin.signIn(test.serverKey);
    await admin.push(tenant.directoryDbId, await tenant.revoke(anna));
    await first.say(whisperOf(2));
    expect(first.ear.closed?.[0]).toBe(4403);
    await expect(first.client.exchange(whisperOf(3))).rejects.toMatchObject({ code: "access/revoked" });
    expect(second.ear.whispers).toEqual([]);
  });

  it("are said through requests too, at most 16 of them at once", async () => {
    const { test, anna, bert, tenant, whisperOf } = await createPlace();
    const second = await listen(test, tenant, bert);
    const client = await joinTenant(test, tenant, anna);
    expect(await client.exchange(whisperOf(1), whisperOf(2))).toEqual([{ type: "end", more: false }]);
    expect(second.ear.whispers).toEqual([whisperOf(1), whisperOf(2)]);
    await expect(client.exchange(...Array.from({ length: 17 }, () => whisperOf(3)))).rejects.toMatchObject({
      code: "protocol/malformed",
    });
    expect(second.ear.whispers).toHaveLength(2);
  });

  it("are told to the other nodes, and heard from them", async () => {
    const whisper = vi.fn();
    const cluster = {
      key: new Uint8Array(32).fill(1),
      burn: async () => true,
      announce: () => undefined,
      chunkStored: () => undefined,
      whisper,
    };
    const { test, anna, tenant, whisperOf } = await createPlace({ cluster });
    const first = await listen(test, tenant, anna);
    await first.say(whisperOf(1));
    const { dbId, sealed } = whisperOf(1) as Extract<Frame, { type: "whisper" }>;
    expect(whisper.mock.calls).toEqual([[tenant.tenantId, { dbId, sealed }]]);
    test.relay.whispered(tenant.tenantId, { dbId, sealed });
    expect(first.ear.whispers).toEqual([whisperOf(1)]);
    expect(whisper).toHaveBeenCalledTimes(1);
  });
});
