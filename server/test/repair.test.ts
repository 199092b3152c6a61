import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Commit } from "../../src/entry/index.ts";
import { createSystemEnv, type CommitHash } from "../../src/std/index.ts";
import { createMemoryStorage, type NewRecord, type Store } from "../../src/store/index.ts";
import { createHttpTransport, runOnce, type SyncAlarm } from "../../src/sync/index.ts";
import {
  createTestRelay,
  createUser,
  crypto,
  joinTenant,
  origin,
  TestTenant,
  type TestRelay,
  type TestUser,
} from "./fixtures.ts";

/*
 * What the engine does where a device and a server share no proof: a second server, a restored copy, a new epoch. It must not move
 * what both have.
 */
const env = createSystemEnv();
const realFetch = globalThis.fetch;
let relays: Map<string, TestRelay>;
const moved = { up: 0, down: 0, requests: 0, reconciles: 0 };
let bend: (request: Request) => Response | undefined = () => undefined;

beforeAll(() => {
  globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    const test = relays.get(new URL(request.url).host);
    if (test === undefined) return realFetch(input, init);
    const bent = bend(request);
    const answer = bent ?? (await test.relay.fetch(request.clone()));
    if (!request.url.includes("/v1/t/")) return answer;
    const body = new Uint8Array(await answer.arrayBuffer());
    moved.requests += 1;
    if (request.url.endsWith("/reconcile")) moved.reconciles += 1;
    const { byteLength } = await request.arrayBuffer();
    moved.up += byteLength;
    moved.down += body.length;
    return new Response(body, { status: answer.status, headers: answer.headers });
  };
});
afterAll(() => {
  globalThis.fetch = realFetch;
});
beforeEach(() => {
  relays = new Map();
  bend = () => undefined;
});

/** Clients of the fixtures speak of the relay by its usual name. */
const createRelayAt = (at: string): Promise<TestRelay> => createTestRelay({ origins: [origin, at] });

interface Device {
  readonly store: Store;
  readonly alarms: SyncAlarm[];
  write(...commits: readonly Commit[]): Promise<void>;
  hashes(): Promise<readonly CommitHash[]>;
  /** one cycle with a server; `undefined`: nothing is left */
  sync(host: string): Promise<string | undefined>;
}

async function createDevice(tenant: TestTenant, user: TestUser, origin = ""): Promise<Device> {
  const store = await createMemoryStorage(env).openStore("device");
  const alarms: SyncAlarm[] = [];
  return {
    store,
    alarms,
    async write(...commits) {
      const records = commits.map(({ commitHash, bytes }): NewRecord => ({
        commitHash,
        bytes: new Uint8Array(bytes),
        origin,
      }));
      await store.write({ records });
    },
    async hashes() {
      const records = await store.readLog({ after: 0, maxCount: 10_000, maxBytes: 1e9 });
      return records.map(({ commitHash }) => commitHash).toSorted();
    },
    async sync(host) {
      Object.assign(moved, { up: 0, down: 0, requests: 0, reconciles: 0 });
      const summary = await runOnce({
        env: {
          ...env,
          openChannel: () => ({
            post: () => undefined,
            onMessage: () => () => undefined,
            close: () => undefined,
          }),
        },
        crypto,
        store,
        tenantId: tenant.tenantId,
        signer: { key: user.key, privateKey: user.signing.privateKey },
        transport: {
          http: createHttpTransport(env, `http://${host}`, { allowsPlainHttp: true }),
          live: undefined,
        },
        onAlarm: (alarm) => void alarms.push(alarm),
      });
      return summary === "busy" ? summary : summary.code;
    },
  };
}

const hashesOf = (commits: readonly { readonly commitHash: CommitHash }[]): CommitHash[] =>
  commits.map(({ commitHash }) => commitHash).toSorted();

/** A tenant with a directory and some commits at one server, and a device that has it all from there. */
async function createPlace(count: number) {
  const user = await createUser();
  const tenant = await TestTenant.withUsers(user);
  const first = await createRelayAt("http://first.test");
  relays.set("first.test", first);
  await joinTenant(first, tenant, user);
  const device = await createDevice(tenant, user);
  const commits = await Promise.all(Array.from({ length: count }, () => tenant.write(user)));
  await device.write(...commits);
  expect(await device.sync("first.test")).toBeUndefined();
  const all = await device.hashes();
  const sizeBytes = commits.reduce((sum, { bytes }) => sum + bytes.length, 0);
  return { user, tenant, first, device, commits, all, sizeBytes };
}

async function copyOf(
  { tenant, user }: { readonly tenant: TestTenant; readonly user: TestUser },
  from: Device,
  keeps: (index: number) => boolean = () => true,
): Promise<Device> {
  const copy = await createDevice(tenant, user);
  const records = await from.store.readLog({ after: 0, maxCount: 10_000, maxBytes: 1e9 });
  await copy.store.write({ records: records.filter((_, index) => keeps(index)) });
  return copy;
}

describe("where a device and a server share no proof", () => {
  it("a copy without cursors proves what it has by leaves: no commit moves either way", async () => {
    const place = await createPlace(200);
    const copy = await copyOf(place, place.device);
    expect(await copy.sync("first.test")).toBeUndefined();
    expect(await copy.hashes()).toEqual(place.all);
    expect(moved.reconciles).toBe(0);
    expect(moved.down).toBeLessThan(200 * 36 + 1500);
    expect(moved.up).toBeLessThan(500);
    expect(place.sizeBytes).toBeGreaterThan(5 * moved.down);
    // And from then on as always.
    const later = await place.tenant.write(place.user);
    await copy.write(later);
    expect(await copy.sync("first.test")).toBeUndefined();
    expect(moved.down).toBeLessThan(1000);
    expect(await place.device.sync("first.test")).toBeUndefined();
    expect(await place.device.hashes()).toEqual(await copy.hashes());
  });

  it("a copy that lacks some, and has some of its own, gets and sends only those", async () => {
    const place = await createPlace(200);
    const copy = await copyOf(place, place.device, (index) => index % 40 !== 7);
    const own = await Promise.all([place.tenant.write(place.user), place.tenant.write(place.user)]);
    await copy.write(...own);
    expect(await copy.sync("first.test")).toBeUndefined();
    expect(await copy.hashes()).toEqual([...place.all, ...hashesOf(own)].toSorted());
    expect(moved.reconciles).toBeGreaterThan(0);
    expect(moved.down).toBeLessThan(place.sizeBytes / 3);
    expect(moved.up).toBeLessThan(place.sizeBytes / 5);
    await place.device.sync("first.test");
    expect(await place.device.hashes()).toEqual(await copy.hashes());
    expect(copy.alarms).toEqual([]);
  });

  it("a second server gets what it lacks, and nothing that it has", async () => {
    const place = await createPlace(120);
    const second = await createRelayAt("http://second.test");
    relays.set("second.test", second);
    const there = await joinTenant(second, place.tenant, place.user);
    expect(await place.device.sync("second.test")).toBeUndefined();
    const pushedBytes = moved.up;
    expect(pushedBytes).toBeGreaterThan(place.sizeBytes);
    const elsewhere = await place.tenant.write(place.user);
    await there.push(place.tenant.dbId, elsewhere);
    // A third device, whose log came from the first server, meets the second.
    const other = await copyOf(place, place.device, (index) => index < 100);
    const own = await place.tenant.write(place.user);
    await other.write(own);
    expect(await other.sync("second.test")).toBeUndefined();
    expect(await other.hashes()).toEqual([...place.all, elsewhere.commitHash, own.commitHash].toSorted());
    expect(moved.up).toBeLessThan(pushedBytes / 4);
    expect(await place.device.sync("second.test")).toBeUndefined();
    expect(await place.device.sync("first.test")).toBeUndefined();
    // Client, server, client, server: what was written at the second is at the first.
    const fresh = await createDevice(place.tenant, place.user);
    expect(await fresh.sync("first.test")).toBeUndefined();
    expect(await fresh.hashes()).toEqual(await place.device.hashes());
    expect(await fresh.hashes()).toContain(elsewhere.commitHash);
  });

  it("a new epoch comes as leaves, and only what it lost is pushed again", async () => {
    const place = await createPlace(150);
    await place.first.storage.startNewEpochs();
    expect(await place.device.sync("first.test")).toBeUndefined();
    expect(moved.down).toBeLessThan(150 * 36 + 3000);
    expect(moved.up).toBeLessThan(1500);
    expect(place.device.alarms).toEqual([]);
    // The same tenant, restored from an older backup: with a new epoch, and without the last commits.
    const restored = await createRelayAt("http://first.test");
    relays.set("first.test", restored);
    const member = await joinTenant(restored, place.tenant, place.user);
    for (const commit of place.commits.slice(0, 140)) await member.push(place.tenant.dbId, commit);
    const other = await copyOf(place, place.device);
    expect(await other.sync("first.test")).toBeUndefined();
    expect(moved.up).toBeLessThan(place.sizeBytes / 4);
    const fresh = await createDevice(place.tenant, place.user);
    expect(await fresh.sync("first.test")).toBeUndefined();
    expect(await fresh.hashes()).toEqual(place.all);
  });
});

describe("a server that reconciles wrongly, or not at all", () => {
  it("shows its log whole instead", async () => {
    const place = await createPlace(40);
    const liars: ((request: Request) => Response | undefined)[] = [
      ({ url }) => (url.endsWith("/reconcile") ? new Response(new Uint8Array(9).fill(255)) : undefined),
      // It says that nothing is missing.
      ({ url }) => (url.endsWith("/reconcile") ? new Response(Uint8Array.of(10, 1, 0)) : undefined),
    ];
    for (const liar of liars) {
      bend = liar;
      const copy = await copyOf(place, place.device, (index) => index !== 12);
      expect(await copy.sync("first.test")).toBeUndefined();
      expect(await copy.hashes()).toEqual(place.all);
    }
  });

  it("is tried again when it cannot be reached, and told apart from one that lies about what it has", async () => {
    const place = await createPlace(40);
    bend = ({ url }) => (url.endsWith("/reconcile") ? new Response(null, { status: 503 }) : undefined);
    const copy = await copyOf(place, place.device, (index) => index !== 12);
    expect(await copy.sync("first.test")).toBe("net/failed");
    bend = () => undefined;
    expect(await copy.sync("first.test")).toBeUndefined();
    expect(await copy.hashes()).toEqual(place.all);
  });
});
