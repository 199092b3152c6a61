import { describe, expect, it, vi } from "vitest";
import { decodeFrames, encodeFrames, type Frame } from "../../src/sync/index.ts";
import type { LiveConnection } from "../src/index.ts";
import {
  createTestRelay,
  createUser,
  itemsOf,
  joinTenant,
  TestClient,
  TestTenant,
  type TestRelay,
} from "./fixtures.ts";

/** A connection in process, whose network can be stopped. */
class TestConnection implements LiveConnection {
  readonly frames: Frame[] = [];
  buffered = 0;
  isStuck = false;
  closed: readonly [number, string] | undefined;

  send(message: Uint8Array<ArrayBuffer>): void {
    if (this.isStuck) this.buffered += message.length;
    this.frames.push(...(decodeFrames(message) ?? []));
  }
  close(code: number, reason: string): void {
    this.closed = [code, reason];
  }
  bufferedBytes(): number {
    return this.buffered;
  }
}

async function createPlace() {
  const test: TestRelay = await createTestRelay();
  const user = await createUser();
  const reader = await createUser();
  const tenant = await TestTenant.withUsers(user, reader);
  const writer = await joinTenant(test, tenant, user);
  const client = new TestClient((request) => test.relay.fetch(request), tenant.tenantId, reader);
  await client.signIn(test.serverKey);
  const connection = new TestConnection();
  const live = test.relay.openLive(tenant.tenantId, connection);
  const opening: Frame[] = [
    { type: "hello", version: 1, replicaId: client.replicaId },
    { type: "auth", token: client.token ?? new Uint8Array(32) },
  ];
  return { test, user, tenant, writer, client, connection, live, opening };
}

const pullAll: Frame = { type: "pull", allDatabases: true, full: false, cursors: [], maxBytes: 1e6 };
/** Following goes on by itself: wait until it has come that far, or to rest. */
const until = (isDone: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(isDone()).toBe(true), { timeout: 30_000, interval: 2 });
const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));

describe("a live session in process", () => {
  it("ends when nobody signs in within five seconds, and not when somebody does", async () => {
    const { test, connection, live, opening } = await createPlace();
    const idle = new TestConnection();
    test.relay.openLive((await TestTenant.create()).tenantId, idle);
    await live.onMessage(encodeFrames(opening));
    test.env.advance(5001);
    expect(idle.closed).toEqual([4408, "net/timeout"]);
    expect(connection.closed).toBeUndefined();
    expect(test.relay.liveCount()).toBe(1);
    test.env.advance(60 * 60_000);
    expect(connection.closed).toEqual([4401, "access/unauthenticated"]);
    expect(test.relay.liveCount()).toBe(0);
  });

  it("queues nothing for a slow reader, and goes on from the cursor once it reads again", async () => {
    const { tenant, user, writer, connection, live, opening } = await createPlace();
    await live.onMessage(encodeFrames([...opening, pullAll]));
    connection.isStuck = true;
    for (let i = 0; i < 12; i++)
      await writer.push(tenant.dbId, await tenant.write(user, { text: "w".repeat(200_000) }));
    await rest();
    const before = itemsOf(connection.frames, tenant.dbId).length;
    expect(before).toBeGreaterThan(2);
    expect(before).toBeLessThan(9);
    expect(connection.buffered).toBeLessThan(1024 * 1024 + 512 * 1024);
    connection.isStuck = false;
    connection.buffered = 0;
    live.onDrain();
    await until(() => itemsOf(connection.frames, tenant.dbId).length === 12);
    const starts = connection.frames.flatMap((frame) =>
      frame.type === "commits" && frame.dbId === tenant.dbId ? [[frame.fromSeq, frame.items.length]] : [],
    );
    let next = 0;
    for (const [fromSeq = -1, count = 0] of starts) {
      expect(fromSeq).toBe(next);
      next += count;
    }
  });

  it("sends nothing before the first pull has ended, and then misses nothing", async () => {
    const { tenant, user, writer, connection, live, opening } = await createPlace();
    await live.onMessage(encodeFrames(opening));
    await writer.push(tenant.dbId, await tenant.write(user));
    await rest();
    expect(connection.frames).toEqual([]);
    const pulling = live.onMessage(encodeFrames([pullAll]));
    await Promise.all([writer.push(tenant.dbId, await tenant.write(user)), pulling]);
    await until(() => itemsOf(connection.frames, tenant.dbId).length === 2);
  });

  it("follows only the databases that were asked for", async () => {
    const { tenant, user, writer, connection, live, opening } = await createPlace();
    await live.onMessage(
      encodeFrames([
        ...opening,
        { ...pullAll, allDatabases: false, cursors: [{ dbId: tenant.directoryDbId, epoch: 0, seq: 0 }] },
      ]),
    );
    await writer.push(tenant.dbId, await tenant.write(user));
    await rest();
    expect(itemsOf(connection.frames, tenant.directoryDbId)).toHaveLength(2);
    expect(itemsOf(connection.frames, tenant.dbId)).toEqual([]);
  });

  it("is told when the server shuts down", async () => {
    const { test, connection, live, opening } = await createPlace();
    await live.onMessage(encodeFrames(opening));
    test.relay.close();
    expect(connection.closed).toEqual([4503, "store/closed"]);
    expect(connection.frames).toMatchObject([{ type: "error", code: "store/closed" }]);
  });
});
