/** Any story told to the memory store and to the Dexie store ends alike, step by step. */
import "fake-indexeddb/auto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createSystemEnv } from "../std/index.ts";
import { createDexieStorage } from "./dexie-store.ts";
import { createMemoryStorage } from "./memory-store.ts";
import { bytesOf, freshName, recordOf } from "./store-contract.ts";
import type { Batch, Storage, Store } from "./store.ts";
import { runsOf } from "../std/runs-fixtures.ts";

/** Two handles on one name: a step runs on either. */
interface World {
  readonly storage: Storage;
  readonly stores: Store[];
}
interface Step {
  readonly who: 0 | 1;
  readonly text: string;
  run(world: World, store: Store): Promise<unknown>;
}
interface Unused {
  readonly nothing?: never;
}

class StepCommand implements fc.AsyncCommand<Unused, { left: World; right: World }> {
  readonly #step: Step;

  constructor(step: Step) {
    this.#step = step;
  }

  check(): boolean {
    return true;
  }

  async run(_model: Unused, { left, right }: { left: World; right: World }): Promise<void> {
    const [first, second] = [await this.#outcome(left), await this.#outcome(right)];
    expect(second).toEqual(first);
  }

  async #outcome(world: World): Promise<unknown> {
    const store = world.stores[this.#step.who];
    if (store === undefined) throw new Error("two handles");
    try {
      return await this.#step.run(world, store);
    } catch (error) {
      return { code: (error as { code?: unknown }).code, message: (error as Error).message };
    }
  }

  toString(): string {
    return `${this.#step.who}:${this.#step.text}`;
  }
}

const who = fc.constantFrom<0 | 1>(0, 1);
const slotName = fc.constantFrom("a", "a/1", "a/2", "b", "\uffff");
const slots = fc.uniqueArray(
  fc.record({
    name: slotName,
    value: fc.option(
      fc.nat(50).map((seed) => bytesOf(seed, seed)),
      { nil: undefined },
    ),
    expectedVersion: fc.option(fc.nat(4), { nil: undefined }),
  }),
  { selector: ({ name }) => name, maxLength: 3 },
);
const records = fc.array(
  fc.tuple(fc.nat(99), fc.nat(3000), fc.constantFrom("", "server")).map((args) => recordOf(...args)),
  { maxLength: 25 },
);
const batch: fc.Arbitrary<Batch> = fc.record(
  { records, slots, durability: fc.constantFrom<"relaxed" | "strict">("relaxed", "strict") },
  { requiredKeys: [] },
);
const range = fc.record({
  after: fc.integer({ min: -2, max: 80 }),
  maxCount: fc.nat(60),
  maxBytes: fc.nat(40_000),
});

const steps: fc.Arbitrary<fc.AsyncCommand<Unused, { left: World; right: World }>>[] = [
  fc.record({ who, batch }).map(({ batch: data, ...step }) => ({
    ...step,
    text: `write(${fc.stringify(data)})`,
    run: async (_world: World, store: Store) => store.write(data),
  })),
  fc
    .record({ who, slots, changes: fc.array(fc.tuple(fc.integer({ min: -1, max: 40 }), fc.nat(200))) })
    .map(({ slots: data, changes, ...step }) => ({
      ...step,
      text: `rewrite(${fc.stringify([changes, data])})`,
      run: async (_world: World, store: Store) =>
        store.rewrite(
          changes.map(([position, seed]) => ({ position, bytes: bytesOf(seed, seed) })),
          data,
        ),
    })),
  fc.record({ who, range }).map(({ range: data, ...step }) => ({
    ...step,
    text: `readLog(${fc.stringify(data)})`,
    run: async (_world: World, store: Store) => store.readLog(data),
  })),
  fc.record({ who, positions: fc.array(fc.integer({ min: -1, max: 60 })) }).map(({ positions, ...step }) => ({
    ...step,
    text: `readRecords(${positions.join()})`,
    run: async (_world: World, store: Store) => store.readRecords(positions),
  })),
  fc
    .record({ who, prefix: fc.constantFrom("", "a", "a/", "b", "\uffff", "none") })
    .map(({ prefix, ...step }) => ({
      ...step,
      text: `readSlots(${prefix})`,
      run: async (_world: World, store: Store) => [
        await store.readSlots(prefix),
        await store.readSlot(prefix),
        await store.readSlots(["a/", prefix, "none", "b", prefix]),
        await store.lastPosition(),
      ],
    })),
  fc.record({ who }).map((step) => ({
    ...step,
    text: "close and open",
    run: async (world: World, store: Store) => {
      store.close();
      world.stores[step.who] = await world.storage.openStore(store.name);
      return store.lastPosition();
    },
  })),
  fc.record({ who }).map((step) => ({
    ...step,
    text: "destroy and open",
    run: async (world: World, store: Store) => {
      const before = store.logEpoch;
      await store.destroy();
      const fresh = await world.storage.openStore(store.name);
      world.stores[step.who] = fresh;
      return [fresh.logEpoch === before, await fresh.lastPosition(), await fresh.readSlots("")];
    },
  })),
].map((arbitrary) => (arbitrary as fc.Arbitrary<Step>).map((step) => new StepCommand(step)));

test("memory and Dexie give the same answers to any story", async () => {
  const env = createSystemEnv();
  const open = async (storage: Storage): Promise<World> => {
    const name = freshName();
    return { storage, stores: [await storage.openStore(name), await storage.openStore(name)] };
  };
  await fc.assert(
    fc.asyncProperty(fc.commands(steps, { maxCommands: 25 }), async (commands) => {
      const left = await open(createMemoryStorage(env));
      const right = await open(createDexieStorage(env));
      try {
        await fc.asyncModelRun(() => ({ model: {}, real: { left, right } }), commands);
      } finally {
        for (const store of right.stores) await store.destroy();
      }
    }),
    { numRuns: runsOf(60) },
  );
});
