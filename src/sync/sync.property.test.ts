import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { CofferError, type CommitHash, type DbId } from "../std/index.ts";
import type { Commit } from "../entry/index.ts";
import { createMemoryStorage, type Store } from "../store/index.ts";
import type { SyncAlarm } from "./engine-types.ts";
import { createMemoryTransport, type Weather } from "./memory-transport.ts";
import { createModelRelay } from "./model-relay.ts";
import { parseDatabaseState, remoteSlotNames } from "./remote-slots.ts";
import { startRunner } from "./runner.ts";
import { createFixture, createTestWorld, type Fixture } from "./sync-fixture.ts";
import { parseHex } from "../std/index.ts";
import { runsOf } from "../std/runs-fixtures.ts";

type SealedCommit = Commit & { readonly bytes: Uint8Array<ArrayBuffer> };
let fixture: Fixture;
let commits: readonly SealedCommit[] = [];
beforeAll(async () => {
  fixture = await createFixture();
  commits = await Promise.all(
    Array.from({ length: 60 }, (_, i) => fixture.seal(i % 7 === 0 ? fixture.directoryDbId : fixture.dbId)),
  );
});

/** What each request in turn suffers; after the list the weather is fair. */
const trouble = fc.constantFrom(
  "none",
  "lose-request",
  "lose-answer",
  "cut",
  "tiny-chunks",
  "hang-up",
  "double-live",
  "drop-live",
  "swap-live",
);
const scenario = fc.record({
  hasLive: fc.boolean(),
  seeds: fc.integer({ min: 0, max: 20 }),
  steps: fc.array(
    fc.record({ who: fc.constantFrom("a", "b", "other"), count: fc.integer({ min: 1, max: 4 }), trouble }),
    { maxLength: 12 },
  ),
});

async function logHashes(store: Store): Promise<readonly CommitHash[]> {
  return (await store.readLog({ after: 0, maxCount: 10_000, maxBytes: 1e9 })).map(
    (record) => record.commitHash,
  );
}

async function play({
  hasLive,
  seeds,
  steps,
}: typeof scenario extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
  const relay = await createModelRelay(fixture.crypto, fixture.tenantId, { hasLive });
  const pool = [...commits];
  const take = (): SealedCommit => pool.pop() ?? (commits[0] as SealedCommit);
  const dbIdOf = (commit: SealedCommit): DbId => commit.header.dbId;
  for (let i = 0; i < seeds; i++) {
    const commit = take();
    await relay.append(dbIdOf(commit), commit.bytes);
  }
  const pending: string[] = [];
  let held: Uint8Array | undefined;
  const weather: Weather = {
    request: () => {
      if (pending[0] === "lose-request") {
        pending.shift();
        throw new CofferError("net/failed");
      }
    },
    *answer(body) {
      const now = pending.shift();
      if (now === "lose-answer") throw new CofferError("net/timeout");
      if (now === "cut") {
        yield body.subarray(0, Math.floor(body.length * 0.6));
        throw new CofferError("net/failed");
      }
      if (now === "tiny-chunks")
        for (let at = 0; at < body.length; at += 97) yield body.subarray(at, at + 97);
      else yield body;
    },
    live: (message, towards) => {
      const now = pending.shift();
      if (now === "drop-live") return [];
      if (now === "double-live") return [message, message];
      if (now === "swap-live" && towards === "client" && held === undefined) {
        held = message;
        return [];
      }
      const late = held;
      if (towards === "client") held = undefined;
      return towards === "client" && late !== undefined ? [message, late] : [message];
    },
  };
  const alarms: SyncAlarm[] = [];
  const devices = await Promise.all(
    ["a", "b"].map(async (name) => {
      const world = createTestWorld();
      const store = await createMemoryStorage(world.env).openStore(name);
      const transport = createMemoryTransport(relay, weather);
      const { crypto, tenantId, signer } = fixture;
      const onAlarm = (alarm: SyncAlarm): void => void alarms.push(alarm);
      return {
        name,
        world,
        store,
        runner: startRunner({ env: world.env, crypto, store, transport, tenantId, signer, onAlarm }),
      };
    }),
  );
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 6; i++) await new Promise((resolve) => setTimeout(resolve, 0));
  };
  for (const { who, count, trouble: next } of steps) {
    if (next === "hang-up") relay.hangUp();
    else if (next !== "none") pending.push(next);
    for (let i = 0; i < count; i++) {
      const commit = take();
      const device = devices.find(({ name }) => name === who);
      const { commitHash, bytes } = commit;
      if (device === undefined) await relay.append(dbIdOf(commit), bytes);
      else await device.store.write({ records: [{ commitHash, bytes, origin: "" }] });
    }
    await settle();
    for (const { world } of devices) world.runNextTimer();
  }
  // From here on the weather is fair.
  const wanted = new Set<CommitHash>();
  for (let round = 0; round < 400; round++) {
    pending.length = 0;
    await settle();
    wanted.clear();
    for (const log of relay.logs.values()) for (const row of log.rows) wanted.add(row.commitHash);
    const logs = await Promise.all(devices.map(({ store }) => logHashes(store)));
    const isEven = logs.every((log) => new Set(log).size === wanted.size);
    if (
      isEven &&
      devices.every(({ runner }) => runner.status.pendingPush === 0 && runner.status.error === undefined)
    )
      break;
    if (round % 4 === 3) for (const { world } of devices) world.runNextTimer();
  }
  await Promise.all(devices.map(({ runner }) => runner.stop()));

  expect(alarms).toEqual([]);
  for (const { store } of devices) {
    const log = await logHashes(store);
    expect(new Set(log)).toEqual(wanted);
    expect(log.length).toBe(wanted.size);
    await expectCursorWithinData(store, relay.origin, relay.logs);
  }
  expect([...relay.storedCounts.values()].every((count) => count === 1)).toBe(true);
}

/** Every state vouches for a prefix of the relay's log, all of which is in the device log. */
async function expectCursorWithinData(
  store: Store,
  origin: string,
  logs: ReadonlyMap<DbId, { readonly rows: readonly { readonly commitHash: CommitHash }[] }>,
): Promise<void> {
  const here = new Set(await logHashes(store));
  const { databasePrefix } = remoteSlotNames(origin);
  for (const [dbId, { rows }] of logs) {
    const slot = await store.readSlot(databasePrefix + dbId);
    const value = slot?.value instanceof Uint8Array ? slot.value : new Uint8Array(0);
    const state = parseDatabaseState(dbId, value, parseHex(store.logEpoch) ?? new Uint8Array(0));
    for (const row of rows.slice(0, state?.size ?? 0)) expect(here.has(row.commitHash)).toBe(true);
  }
}

test("whatever gets lost, cut, doubled or late: in the end all logs are equal, and nothing was stored twice", async () => {
  await fc.assert(fc.asyncProperty(scenario, play), { numRuns: runsOf(60) });
});
