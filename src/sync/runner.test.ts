import { beforeAll, describe, expect, test } from "vitest";
import { bytesToId, CofferError, equalBytes, type CommitHash } from "../std/index.ts";
import { encodeCommit, parseCommit, verifyCommit } from "../entry/index.ts";
import { createMemoryStorage, type LogRecord, type Store } from "../store/index.ts";
import type { SyncAlarm } from "./engine-types.ts";
import { createMemoryTransport, type Weather } from "./memory-transport.ts";
import { createModelRelay, type ModelRelay } from "./model-relay.ts";
import { runOnce, startRunner, type OnceSummary, type RunnerOptions } from "./runner.ts";
import {
  createFixture,
  createFreezable,
  createTestWorld,
  type Fixture,
  type TestWorld,
} from "./sync-fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});

interface Device {
  readonly store: Store;
  readonly world: TestWorld;
  readonly alarms: SyncAlarm[];
  readonly refused: CommitHash[];
  write(count?: number): Promise<CommitHash[]>;
  once(weather?: Weather, server?: ModelRelay): Promise<OnceSummary>;
  log(): Promise<readonly LogRecord[]>;
}

let storeCount = 0;
async function createDevice(relay: ModelRelay, signer = fixture.signer): Promise<Device> {
  const world = createTestWorld();
  const store = await createMemoryStorage(world.env).openStore(`device-${storeCount++}`);
  const alarms: SyncAlarm[] = [];
  const refused: CommitHash[] = [];
  const { crypto, tenantId } = fixture;
  return {
    store,
    world,
    alarms,
    refused,
    async write(count = 1) {
      const hashes: CommitHash[] = [];
      for (let i = 0; i < count; i++) {
        const { commitHash, bytes } = await fixture.seal();
        await store.write({ records: [{ commitHash, bytes, origin: "" }] });
        hashes.push(commitHash);
      }
      return hashes;
    },
    async once(weather = {}, server = relay) {
      const summary = await runOnce({
        env: world.env,
        crypto,
        store,
        transport: createMemoryTransport(server, weather),
        tenantId,
        signer,
        onAlarm: (alarm) => void alarms.push(alarm),
        onRefused: ({ commitHash }) => void refused.push(commitHash),
      });
      if (summary === "busy") throw new Error("busy");
      return summary;
    },
    log: () => store.readLog({ after: 0, maxCount: 10_000, maxBytes: 1e9 }),
  };
}

/** A device of a member who wrote none of the fixture's commits. */
async function createStranger(relay: ModelRelay): Promise<Device> {
  const pair = await fixture.crypto.createSigningPair();
  return createDevice(relay, { key: bytesToId("AuthorKey", pair.publicKey), privateKey: pair.privateKey });
}

/** Erase the ciphertexts of one record, as a purge does. */
async function eraseAt({ log, store }: Device, position: number): Promise<void> {
  const record = (await log()).find((one) => one.position === position);
  const parsed = parseCommit(fixture.crypto, record?.bytes ?? new Uint8Array(0));
  if (parsed.kind !== "verified") throw new Error("not a commit");
  const entries = parsed.commit.entries.map(({ ciphertext: _, ...rest }) => rest);
  await store.rewrite([{ position, bytes: encodeCommit({ ...parsed.commit, entries }) }]);
}

const newRelay = (hasLive = false): Promise<ModelRelay> =>
  createModelRelay(fixture.crypto, fixture.tenantId, { hasLive });
const hashesOf = (records: readonly { commitHash: CommitHash }[]): CommitHash[] =>
  records.map((record) => record.commitHash);
const relayHashes = (relay: ModelRelay): CommitHash[] => hashesOf(relay.logs.get(fixture.dbId)?.rows ?? []);

describe("one cycle", () => {
  test("moves commits both ways, each once", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    const b = await createDevice(relay);
    const fromA = await a.write(10);
    const fromB = await b.write(4);
    expect((await a.once()).code).toBeUndefined();
    expect((await b.once()).code).toBeUndefined();
    expect((await a.once()).code).toBeUndefined();
    expect(relayHashes(relay)).toEqual([...fromA, ...fromB]);
    expect(hashesOf(await a.log())).toEqual([...fromA, ...fromB]);
    expect(hashesOf(await b.log())).toEqual([...fromB, ...fromA]);
    expect([...relay.storedCounts.values()].every((count) => count === 1)).toBe(true);
    expect((await b.log()).slice(4).every((record) => record.origin === relay.origin)).toBe(true);
  });

  test("without news costs one exchange and at most 256 bytes down", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    await a.write(5);
    await a.once();
    const before = relay.counts.exchanges;
    const summary = await a.once();
    expect(relay.counts.exchanges - before).toBe(1);
    expect(relay.counts.answerBytes).toBeLessThanOrEqual(256);
    expect(summary.status.pendingPush).toBe(0);
    expect(summary.status.verifiedCompleteAtMs).toBeDefined();
  });

  test("an answer that goes on after its end is read no further", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    await a.write(1);
    const endFrame = Uint8Array.of(10, 1, 0);
    let taken = 0;
    const answer = function* (body: Uint8Array): Iterable<Uint8Array> {
      yield body;
      for (taken = 0; taken < 100; taken++) yield endFrame;
    };
    expect((await a.once({ answer })).code).toBe("protocol/malformed");
    expect(taken).toBe(0);
    expect((await a.once()).code).toBeUndefined();
    expect([...relay.storedCounts.values()]).toEqual([1]);
  });

  test("signs in again once when the token has ended", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    let isFirst = true;
    const request = (): void => {
      if (isFirst) relay.expireTokens();
      isFirst = false;
    };
    expect((await a.once({ request })).code).toBeUndefined();
    expect(relay.counts.authentications).toBe(2);
    const always = await a.once({ request: () => relay.expireTokens() });
    expect(always.code).toBe("access/unauthenticated");
    expect(relay.counts.authentications).toBe(4);
  });

  test("ends denied when access was revoked", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    relay.faults.failures.push(new CofferError("access/revoked"));
    const summary = await a.once();
    expect(summary.code).toBe("access/revoked");
    expect(summary.status.phase).toBe("denied");
  });

  test("fetches its own lost commits whole", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    const pushed = await a.write(3);
    await a.once();
    // A device log that kept its name but lost everything, as after a restored backup.
    const restored = await createDevice(relay);
    Object.defineProperty(restored.store, "logEpoch", { value: a.store.logEpoch });
    expect((await restored.once()).code).toBeUndefined();
    expect(hashesOf(await restored.log())).toEqual(pushed);
  });

  test("refused commits are reported and the outbox goes on", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    const [bad, good] = await a.write(2);
    relay.faults.judge = (hash) => (hash === bad ? { status: "refused", code: "access/denied" } : undefined);
    const summary = await a.once();
    expect(summary.code).toBeUndefined();
    expect(a.refused).toEqual([bad]);
    expect(relayHashes(relay)).toEqual([good]);
    expect(summary.status.pendingPush).toBe(0);
  });

  test("what was erased in part before it was sent is sent without that, by its author", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    const written = await a.write(3);
    await eraseAt(a, 2);
    const summary = await a.once();
    expect(summary).toMatchObject({
      code: undefined,
      alarms: [],
      status: { pendingPush: 0, pendingPull: 0 },
    });
    expect(summary.status.verifiedCompleteAtMs).toBeDefined();
    expect(a.refused).toEqual([]);
    expect(relayHashes(relay)).toEqual(written);
    const b = await createDevice(relay);
    expect(await b.once()).toMatchObject({
      code: undefined,
      alarms: [],
      status: { pendingPull: 0, verifiedCompleteAtMs: expect.any(Number) },
    });
    expect((await b.log()).map(({ bytes }) => bytes)).toEqual((await a.log()).map(({ bytes }) => bytes));
  });

  test("what somebody else erased goes on to no other server, and holds nothing up; whole it does", async () => {
    const relay = await newRelay();
    const second = await createModelRelay(fixture.crypto, fixture.tenantId, {
      hasLive: false,
      origin: "https://second.example",
    });
    const a = await createDevice(relay);
    const [first, erased, third] = await a.write(3);
    const [, whole] = await a.log();
    await eraseAt(a, 2);
    await a.once();
    const member = await createStranger(relay);
    await member.once();
    expect(await member.once({}, second)).toMatchObject({ code: undefined, status: { pendingPush: 0 } });
    expect(member.refused).toEqual([]);
    expect(relayHashes(second)).toEqual([first, third]);
    await second.append(fixture.dbId, whole?.bytes ?? new Uint8Array(0));
    await member.once({}, second);
    const log = await member.log();
    expect(hashesOf(log)).toEqual([first, erased, third, erased]);
    expect(log[3]?.bytes).toEqual(whole?.bytes);
    // Nothing more comes of it: not from the other one, and not when all of it is shown again.
    for (const log of [...relay.logs.values(), ...second.logs.values()]) log.epoch += 1;
    for (const server of [relay, second]) expect((await member.once({}, server)).code).toBeUndefined();
    expect(hashesOf(await member.log())).toEqual([first, erased, third, erased]);
  });

  test("what the server puts off stays in the outbox", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    const [first, second] = await a.write(2);
    relay.faults.judge = (hash) =>
      hash === second ? { status: "retry", code: "directory/behind" } : undefined;
    expect(await a.once()).toMatchObject({
      code: "directory/behind",
      status: { pendingPush: 1, error: "directory/behind" },
    });
    delete relay.faults.judge;
    expect(await a.once()).toMatchObject({ code: undefined, status: { pendingPush: 0, error: undefined } });
    expect(relayHashes(relay)).toEqual([first, second]);
  });
});

describe("a server that misbehaves", () => {
  test("which forges one commit: it is not stored, the others are", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    const commits = [await fixture.seal(), await fixture.seal(), await fixture.seal()];
    for (const [index, { bytes }] of commits.entries()) {
      await relay.append(fixture.dbId, index === 1 ? await forgeSignature(bytes) : bytes);
    }
    const summary = await a.once();
    expect(hashesOf(await a.log())).toEqual([commits[0]?.commitHash, commits[2]?.commitHash]);
    expect(summary.alarms).toEqual([
      expect.objectContaining({ kind: "quarantined", commitHashes: [commits[1]?.commitHash] }),
    ]);
  });

  test("which shortens its log: rollback, and nothing is stored", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    await a.write(5);
    await a.once();
    relay.logs.get(fixture.dbId)?.rows.splice(2);
    const summary = await a.once();
    expect(summary.alarms.map((alarm) => alarm.kind)).toEqual(["rollback"]);
    expect(summary.code).toBe("protocol/malformed");
    expect((await a.log()).length).toBe(5);
  });

  test("which rewrites its log at the same size: fork", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    await a.write(5);
    await a.once();
    relay.logs.get(fixture.dbId)?.rows.reverse();
    expect((await a.once()).alarms.map((alarm) => alarm.kind)).toEqual(["fork"]);
  });

  test("which rewrites its log and appends: fork, nothing is stored", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    await a.write(3);
    await a.once();
    relay.logs.get(fixture.dbId)?.rows.reverse();
    await relay.append(fixture.dbId, (await fixture.seal()).bytes);
    const summary = await a.once();
    expect(summary.alarms).toEqual([expect.objectContaining({ kind: "fork", dbId: fixture.dbId })]);
    expect((await a.log()).length).toBe(3);
  });

  test("which begins a new epoch without what it acknowledged: rollback, and everything is pushed again", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    const b = await createDevice(relay);
    const fromA = await a.write(3);
    const fromB = await b.write(3);
    await a.once();
    await b.once();
    await a.once();
    const log = relay.logs.get(fixture.dbId);
    if (log === undefined) throw new Error("no log");
    log.epoch = 2000;
    log.rows.splice(1);
    const summary = await a.once();
    expect(summary.alarms).toEqual([
      expect.objectContaining({ kind: "rollback", commitHashes: [...fromA, ...fromB].slice(1) }),
    ]);
    expect(summary.code).toBeUndefined();
    expect(new Set(relayHashes(relay))).toEqual(new Set([...fromA, ...fromB]));
    expect((await a.log()).length).toBe(6);
  });

  test("which lost a log and says so: rollback, and everything is pushed again", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    const hashes = await a.write(2);
    await a.once();
    const log = relay.logs.get(fixture.dbId);
    if (log !== undefined) Object.assign(log, { epoch: 2000, rows: [] });
    const summary = await a.once();
    expect(summary.alarms).toEqual([expect.objectContaining({ kind: "rollback", commitHashes: hashes })]);
    expect(summary.code).toBeUndefined();
    expect(relayHashes(relay)).toEqual(hashes);
  });

  test("which begins a new epoch with everything in it: no alarm", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    await a.write(4);
    await a.once();
    const log = relay.logs.get(fixture.dbId);
    if (log !== undefined) log.epoch = 2000;
    const summary = await a.once();
    expect(summary).toMatchObject({ code: undefined, alarms: [] });
    expect((await a.log()).length).toBe(4);
  });

  test("which always has more and never gives: ends within three pages", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    relay.faults.bend = () => [{ type: "end", more: true }];
    expect((await a.once()).code).toBe("protocol/malformed");
    expect(relay.counts.exchanges).toBe(3);
  });

  test("which acknowledges and does not keep: withheld", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    const [hash] = await a.write(1);
    relay.faults.bend = (frames) => {
      for (const log of relay.logs.values()) log.rows = [];
      return frames.flatMap((frame): typeof frames =>
        frame.type === "commits" || frame.type === "head" ? [] : [frame],
      );
    };
    expect((await a.once()).alarms).toEqual([
      expect.objectContaining({ kind: "withheld", commitHashes: [hash] }),
    ]);
  });

  test("whose heads are not signed: nothing is stored", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    await relay.append(fixture.dbId, (await fixture.seal()).bytes);
    relay.faults.bend = (frames) =>
      frames.map((frame) => (frame.type === "head" ? { ...frame, signature: new Uint8Array(64) } : frame));
    expect((await a.once()).code).toBe("protocol/malformed");
    expect(await a.log()).toEqual([]);
  });

  test("who is suddenly another one: denied", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    await a.once();
    const other = await newRelay();
    relay.capabilities = () => other.capabilities();
    const summary = await a.once();
    expect(summary).toMatchObject({ code: "access/denied", status: { phase: "denied" } });
  });
});

/** Change a byte that the hash does not cover, so that only the signature fails. */
async function forgeSignature(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const original = parseCommit(fixture.crypto, bytes);
  for (let at = 0; at < bytes.length; at++) {
    const changed = new Uint8Array(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    const parsed = parseCommit(fixture.crypto, changed);
    if (parsed.kind !== "verified" || original.kind !== "verified") continue;
    if (parsed.commit.commitHash !== original.commit.commitHash) continue;
    if ((await verifyCommit(fixture.crypto, changed)).kind === "forged" && !equalBytes(bytes, changed))
      return changed;
  }
  throw new Error("no byte of the signature was found");
}

describe("a kept link", () => {
  const start = (device: Device, relay: ModelRelay, hooks: Pick<RunnerOptions, "onProven"> = {}) =>
    startRunner({
      ...hooks,
      env: device.world.env,
      crypto: fixture.crypto,
      store: device.store,
      transport: createMemoryTransport(relay),
      tenantId: fixture.tenantId,
      signer: fixture.signer,
      onAlarm: (alarm) => void device.alarms.push(alarm),
    });
  const until = async (isTrue: () => boolean | Promise<boolean>): Promise<void> => {
    for (let i = 0; i < 2000; i++) {
      if (await isTrue()) return;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error("it did not happen");
  };

  test("brings what others write at once, and takes away what is written here", async () => {
    const relay = await newRelay(true);
    const a = await createDevice(relay);
    const b = await createDevice(relay);
    const runnerA = start(a, relay);
    const runnerB = start(b, relay);
    await until(() => runnerA.status.phase === "live" && runnerB.status.phase === "live");
    await until(async () => (await runnerA.sync(), await runnerB.sync(), true));
    const exchanges = relay.counts.exchanges;
    const [hash] = await a.write(1);
    await until(async () => hashesOf(await b.log()).includes(hash as CommitHash));
    expect(relay.counts.exchanges).toBe(exchanges);
    await until(() => runnerA.status.pendingPush === 0);
    await runnerA.stop();
    await runnerB.stop();
    expect([a.alarms, b.alarms]).toEqual([[], []]);
  });

  test("comes back after the connection broke and the network was away", async () => {
    const relay = await newRelay(true);
    const a = await createDevice(relay);
    const runner = start(a, relay);
    await runner.sync();
    a.world.setOnline(false);
    await until(() => runner.status.phase === "offline");
    await expect(runner.sync()).rejects.toMatchObject({ code: "net/offline" });
    const hashes = await a.write(2);
    a.world.setOnline(true);
    await until(() => runner.status.pendingPush === 0 && runner.status.phase === "live");
    relay.hangUp();
    await until(() => runner.status.phase === "offline");
    expect(a.world.runNextTimer()).toBe(true);
    await until(() => runner.status.phase === "live");
    await runner.stop();
    expect(relayHashes(relay)).toEqual(hashes);
    expect(a.world.timers).toEqual([]);
  });

  test("counts as still to be sent only what was written here, also when it starts anew without a network", async () => {
    const relay = await newRelay();
    const [a, b] = [await createDevice(relay), await createDevice(relay)];
    await b.write(9);
    await b.once();
    await a.once();
    a.world.setOnline(false);
    await a.write(2);
    const runner = start(a, relay);
    await until(() => runner.status.pendingPush === 2);
    await runner.stop();
  });

  test("comes back by itself where nobody says that the network is back", async () => {
    const relay = await newRelay(true);
    const a = await createDevice(relay);
    a.world.setOnline(false);
    const runner = start(a, relay);
    await expect(runner.sync()).rejects.toMatchObject({ code: "net/offline" });
    expect(a.world.runNextTimer()).toBe(true);
    expect(runner.status.phase).toBe("offline");
    a.world.setOnline(true, true);
    expect(a.world.runNextTimer()).toBe(true);
    await until(() => runner.status.phase === "live");
    await runner.stop();
    expect(a.world.timers).toEqual([]);
  });

  test("is held by one runner, and the next takes over", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    const first = start(a, relay);
    await first.sync();
    const second = start(a, relay);
    await second.sync();
    expect(relay.counts.authentications).toBe(1);
    const transport = createMemoryTransport(relay);
    const { crypto, tenantId, signer } = fixture;
    expect(await runOnce({ env: a.world.env, crypto, store: a.store, transport, tenantId, signer })).toBe(
      "busy",
    );
    await first.stop();
    await second.sync();
    expect(relay.counts.authentications).toBe(2);
    await second.stop();
  });

  test("says what is proven in the thread that talks, and in no other", async () => {
    const relay = await newRelay();
    const a = await createDevice(relay);
    const noting = () => {
      const sizes: number[] = [];
      const completeAtMs: number[] = [];
      const onProven: RunnerOptions["onProven"] = (databases, atMs) => {
        sizes.push(...databases.map(({ size }) => size));
        if (atMs !== undefined) completeAtMs.push(atMs);
      };
      return { sizes, completeAtMs, onProven };
    };
    const [talking, hearing] = [noting(), noting()];
    await a.write(2);
    const first = start(a, relay, talking);
    await first.sync();
    const second = start(a, relay, hearing);
    await second.sync();
    expect(second.status.verifiedCompleteAtMs).toBeDefined();
    expect(hearing).toMatchObject({ sizes: [], completeAtMs: [] });
    expect(talking.sizes).toContain(2);
    expect(talking.completeAtMs).toContain(first.status.verifiedCompleteAtMs);
    await first.stop();
    await second.sync();
    expect(hearing.sizes).toContain(2);
    expect(hearing.completeAtMs.length).toBeGreaterThan(0);
    await second.stop();
  });

  describe("of a thread that is frozen", () => {
    /** Two threads of one device, and a relay that counts. */
    const createThreads = async (relay: ModelRelay) => {
      const device = await createDevice(relay);
      const storage = createMemoryStorage(device.world.env);
      const name = `threads-${storeCount++}`;
      const open = async () => {
        const thread = createFreezable(device.world.env, storage);
        const store = await thread.storage.openStore(name);
        const runner = startRunner({
          env: thread.env,
          crypto: fixture.crypto,
          store,
          transport: createMemoryTransport(relay),
          tenantId: fixture.tenantId,
          signer: fixture.signer,
          onAlarm: (alarm) => void device.alarms.push(alarm),
        });
        return { ...thread, store, runner };
      };
      const write = async ({ store }: { readonly store: Store }, count: number): Promise<CommitHash[]> => {
        const sealed = await Promise.all(Array.from({ length: count }, () => fixture.seal()));
        const records = sealed.map(({ commitHash, bytes }) => ({ commitHash, bytes, origin: "" }));
        await store.write({ records });
        return hashesOf(sealed);
      };
      const pass = async (): Promise<void> => {
        device.world.runNextTimer();
        await new Promise((resolve) => setTimeout(resolve, 10));
      };
      return { device, name, open, pass, storage, write };
    };

    test("is taken over within two seconds, and the thawed one neither sends nor rewinds", async () => {
      const relay = await newRelay(true);
      const { device, open, pass, write } = await createThreads(relay);
      const holder = await open();
      await holder.runner.sync();
      const waiting = await open();
      await until(() => holder.runner.status.phase === "live" && waiting.runner.status.phase === "live");
      const first = await write(holder, 3);
      await until(() => relayHashes(relay).length === 3);
      await until(() => waiting.runner.status.pendingPush === 0);

      holder.freeze();
      const frozenAtMs = device.world.nowMs;
      const second = await write(waiting, 2);
      while (relay.counts.authentications === 1) {
        expect(device.world.nowMs - frozenAtMs).toBeLessThanOrEqual(2000);
        await pass();
      }
      await until(() => waiting.runner.status.phase === "live" && waiting.runner.status.pendingPush === 0);
      expect(device.world.nowMs - frozenAtMs).toBeLessThanOrEqual(2000);
      expect(relayHashes(relay)).toEqual([...first, ...second]);

      // What others bring in the meantime moves the cursor; what the frozen one had in hand would move it back.
      const other = await createDevice(relay);
      const third = await other.write(2);
      await other.once();
      await until(async () => (await waiting.store.lastPosition()) === 7);
      const slots = async () => (await waiting.store.readSlots("remote/")).map(({ version }) => version);
      await until(() => waiting.runner.status.pendingPull === 0);
      const versions = await slots();
      holder.thaw();
      await until(() => holder.runner.status.phase === "live");
      await holder.runner.sync();
      for (let i = 0; i < 20; i++) await pass();
      expect(relay.counts).toMatchObject({ authentications: 3, pushedCommits: 7 });
      expect(relayHashes(relay)).toEqual([...first, ...second, ...third]);
      expect([...relay.storedCounts.values()].every((count) => count === 1)).toBe(true);
      expect(await slots()).toEqual(versions);

      const fourth = await write(holder, 1);
      await until(() => relayHashes(relay).length === 8);
      expect(relayHashes(relay).slice(7)).toEqual(fourth);
      await waiting.runner.stop();
      await holder.runner.sync();
      await holder.runner.stop();
      expect(device.alarms).toEqual([]);
      expect(device.world.timers).toEqual([]);
    });

    test.each([0, 1, 2, 3, 5, 8, 13, 21])(
      "may be frozen in the middle of what it does: everything arrives once (%i)",
      async (steps) => {
        const relay = await newRelay(true);
        const { device, open, pass, write } = await createThreads(relay);
        const holder = await open();
        await holder.runner.sync();
        const waiting = await open();
        await until(() => holder.runner.status.phase === "live");
        const written = await write(holder, 4);
        for (let i = 0; i < steps; i++) await Promise.resolve();
        holder.freeze();
        written.push(...(await write(waiting, 2)));
        for (let i = 0; i < 20 && relay.counts.authentications === 1; i++) await pass();
        expect(relay.counts.authentications).toBe(2);
        await waiting.runner.sync();
        const other = await createDevice(relay);
        written.push(...(await other.write(2)));
        await other.once();
        await until(async () => (await waiting.store.lastPosition()) === 8);
        const { pushedCommits } = relay.counts;
        holder.thaw();
        await holder.runner.sync();
        for (let i = 0; i < 5; i++) await pass();
        expect(relay.counts.pushedCommits).toBe(pushedCommits);
        expect(relayHashes(relay)).toEqual(written);
        expect(hashesOf(await waiting.store.readLog({ after: 0, maxCount: 99, maxBytes: 1e9 }))).toEqual(
          written,
        );
        await holder.runner.stop();
        await waiting.runner.stop();
        expect(device.alarms).toEqual([]);
      },
    );

    test("is not taken over while it answers, by whoever waits or comes for one cycle", async () => {
      const relay = await newRelay(true);
      const { device, open, pass } = await createThreads(relay);
      const holder = await open();
      await holder.runner.sync();
      const waiting = await open();
      for (let i = 0; i < 30; i++) await pass();
      expect(device.world.nowMs).toBeGreaterThan(5000);
      expect(relay.counts.authentications).toBe(1);
      await waiting.runner.stop();
      await holder.runner.stop();
      expect(device.world.timers).toEqual([]);
    });

    test("is taken over by one who comes for one cycle", async () => {
      const relay = await newRelay(true);
      const { device, name, open, pass, storage, write } = await createThreads(relay);
      const holder = await open();
      await holder.runner.sync();
      // What it says when it is live would be taken for a sign of life.
      await until(() => holder.runner.status.phase === "live");
      await pass();
      holder.freeze();
      const store = await storage.openStore(name);
      const written = await write({ store }, 2);
      const { crypto, signer, tenantId } = fixture;
      const transport = createMemoryTransport(relay);
      let outcome: OnceSummary | "busy" | undefined;
      void runOnce({ env: device.world.env, crypto, store, transport, tenantId, signer }).then((ended) => {
        outcome = ended;
      });
      for (let i = 0; i < 20 && outcome === undefined; i++) await pass();
      expect(outcome).toMatchObject({ code: undefined });
      expect(relayHashes(relay)).toEqual(written);
      holder.thaw();
      await holder.runner.sync();
      expect(relayHashes(relay)).toEqual(written);
      await holder.runner.stop();
      expect(device.alarms).toEqual([]);
    });
  });
});
