/** What goes when there is too much: against a plain account of it, in a real chunk store. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToId, CofferError, createSystemEnv, type CommitHash } from "../std/index.ts";
import { createMemoryStorage, type Storage, type Store } from "../store/index.ts";
import {
  addChunks,
  ChunkStore,
  chooseEvictions,
  factsOf,
  freeChunks,
  noChunks,
  type StoredPart,
} from "./index.ts";

const env = createSystemEnv();
const tenantId = bytesToId("TenantId", new Uint8Array(32).fill(9));
const hashOf = (part: number, chunk: number): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? part : at === 1 ? chunk : 7));
const commitHashOf = (part: number): CommitHash => bytesToId("CommitHash", new Uint8Array(32).fill(part + 1));
const chunkBytes = 100;

/** A part as a test makes it up; bits say for each chunk whether it is here, and whether there is a receipt. */
interface Made {
  readonly isOwn: boolean;
  readonly isPinned: boolean;
  readonly usedAtMs: number;
  readonly here: number;
  readonly received: number;
}

const chunkCount = 4;
const bits = fc.nat(2 ** chunkCount - 1);
const made = fc.record({
  isOwn: fc.boolean(),
  isPinned: fc.boolean(),
  usedAtMs: fc.nat(20),
  here: bits,
  received: bits,
});
const has = (set: number, index: number): boolean => (set & (1 << index)) !== 0;

function partOf({ here, received, ...about }: Made, number: number): StoredPart {
  return {
    ...about,
    commitHash: commitHashOf(number),
    dbId: bytesToId("DbId", new Uint8Array(16)),
    docId: bytesToId("DocId", new Uint8Array(16)),
    isNamed: true,
    createdAtMs: number,
    chunks: Array.from({ length: chunkCount }, (_, index) => ({
      hash: hashOf(number, index),
      sizeBytes: chunkBytes,
      isHere: has(here, index),
    })),
    received: new Map([["srv", received]]),
  };
}

/** A chunk store that holds these parts, with the chunks that they say are here. */
async function storeOf(
  parts: readonly StoredPart[],
  storage = createMemoryStorage(env),
): Promise<ChunkStore> {
  const store = new ChunkStore(storage, "test", tenantId);
  for (const part of parts) {
    const bare = { ...part, chunks: part.chunks.map((chunk) => ({ ...chunk, isHere: false })) };
    await store.pin(bare, true);
    for (const [index, { isHere }] of part.chunks.entries())
      if (isHere) await store.addFetched(bare, index, new Uint8Array(chunkBytes).fill(index));
    await store.edit(part.commitHash, () => part);
  }
  return store;
}

/** Which chunks the account says may never go. */
const mustStay = ({ chunks, isOwn, isPinned, received }: StoredPart): readonly number[] =>
  chunks.flatMap(({ isHere }, index) =>
    isHere && (isPinned || (isOwn && !has(received.get("srv") ?? 0, index))) ? [index] : [],
  );

describe("what goes", () => {
  it("is never without a receipt nor pinned, is what was used longest ago, and no more than is needed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(made, { maxLength: 8 }), fc.nat(3000), async (all, wanted) => {
        const parts = all.map(partOf);
        const store = await storeOf(parts);
        const freed = await freeChunks(store, wanted);
        let counted = 0;
        const wentAt: number[] = [];
        const stayedAt: number[] = [];
        for (const part of parts) {
          const after = await store.part(part.commitHash);
          const went = part.chunks.flatMap(({ isHere }, index) =>
            isHere && after?.chunks[index]?.isHere === false ? [index] : [],
          );
          counted += went.length * chunkBytes;
          for (const index of mustStay(part)) expect(went).not.toContain(index);
          for (const [index, { isHere }] of (after?.chunks ?? []).entries())
            expect((await store.chunksOf([hashOf(commitNumber(part), index)]))[0] !== undefined).toBe(isHere);
          if (went.length > 0) wentAt.push(part.usedAtMs);
          else if (factsOf(part).freeableBytes > 0) stayedAt.push(part.usedAtMs);
        }
        expect(counted).toBe(freed);
        const freeable = parts.reduce((sum, part) => sum + factsOf(part).freeableBytes, 0);
        expect(freed).toBeGreaterThanOrEqual(Math.min(wanted, freeable));
        expect(Math.max(-1, ...wentAt)).toBeLessThanOrEqual(Math.min(Infinity, ...stayedAt));
        // The last one that went was needed.
        if (freed > 0) expect(freed - wanted).toBeLessThan(chunkCount * chunkBytes);
      }),
    );
  });

  it("is weighed as a plain count of chunks says", () => {
    fc.assert(
      fc.property(fc.array(made, { maxLength: 8 }), (all) => {
        const parts = all.map(partOf);
        const sums = parts.map(factsOf).reduce((sum, facts) => addChunks(sum, facts), noChunks);
        const count = (is: (part: StoredPart, index: number) => boolean): number =>
          parts.reduce(
            (sum, part) => sum + part.chunks.filter(({ isHere }, at) => isHere && is(part, at)).length,
            0,
          ) * chunkBytes;
        const isUnsafe = ({ isOwn, received }: StoredPart, at: number): boolean =>
          isOwn && !has(received.get("srv") ?? 0, at);
        expect(sums).toEqual({
          hereBytes: count(() => true),
          unsafeBytes: count(isUnsafe),
          pinnedBytes: count((part, at) => part.isPinned && !isUnsafe(part, at)),
          freeableBytes: count((part, at) => !part.isPinned && !isUnsafe(part, at)),
        });
        expect(parts.map(factsOf).reduce((sum, facts) => addChunks(sum, facts, -1), sums)).toEqual(noChunks);
        expect(chooseEvictions(parts.map(factsOf), 0)).toEqual([]);
      }),
    );
  });
});

const commitNumber = ({ createdAtMs }: StoredPart): number => createdAtMs;

/** A storage whose chunks may take so many bytes. */
function smallDisk(maxBytes: number): { readonly storage: Storage; readonly full: () => number } {
  const inner = createMemoryStorage(env);
  const sizes = new Map<string, number>();
  let refused = 0;
  const openStore = async (name: string): Promise<Store> => {
    const store = await inner.openStore(name);
    const write: Store["write"] = async (batch) => {
      const after = new Map(sizes);
      for (const { name: slot, value } of batch.slots ?? [])
        after.set(slot, value instanceof Uint8Array && slot.startsWith("c/") ? value.length : 0);
      const total = [...after.values()].reduce((sum, size) => sum + size, 0);
      const before = [...sizes.values()].reduce((sum, size) => sum + size, 0);
      if (total > maxBytes && total > before) {
        refused += 1;
        throw new CofferError("store/quota");
      }
      const outcome = await store.write(batch);
      if (outcome.kind === "stored") for (const [slot, size] of after) sizes.set(slot, size);
      return outcome;
    };
    return new Proxy(store, {
      get: (target, key) => {
        const value: unknown = key === "write" ? write : Reflect.get(target, key);
        return typeof value === "function" && key !== "write" ? value.bind(target) : value;
      },
    });
  };
  return { storage: { ...inner, openStore, listStores: () => inner.listStores() }, full: () => refused };
}

describe("on a full disk", () => {
  const size = 10_000;
  const place = (number: number) => ({
    commitHash: commitHashOf(number),
    dbId: bytesToId("DbId", new Uint8Array(16)),
    docId: bytesToId("DocId", new Uint8Array(16)),
    createdAtMs: number,
  });
  const add = (store: ChunkStore, number: number): Promise<void> =>
    store.addOwn(place(number), [{ hash: hashOf(number, 0), bytes: new Uint8Array(size) }], number);
  const receive = (store: ChunkStore, number: number): Promise<void> =>
    store.edit(commitHashOf(number), (part) => ({ ...part, received: new Map([["srv", 1]]) }));

  it("what may go makes room for what comes; what may not is kept, and the new one is refused whole", async () => {
    const { full, storage } = smallDisk(3 * size);
    const store = new ChunkStore(storage, "test", tenantId);
    for (const number of [1, 2, 3]) await add(store, number);
    await expect(add(store, 4)).rejects.toMatchObject({ code: "store/quota" });
    expect([await store.part(commitHashOf(4)), (await store.chunksOf([hashOf(4, 0)]))[0]]).toEqual([
      undefined,
      undefined,
    ]);
    expect((await store.parts()).every(({ chunks }) => chunks[0]?.isHere)).toBe(true);
    await receive(store, 2);
    await add(store, 4);
    expect(full()).toBe(2);
    const here = await Promise.all(
      [1, 2, 3, 4].map(async (number) => (await store.chunksOf([hashOf(number, 0)]))[0]),
    );
    expect(here.map((bytes) => bytes !== undefined)).toEqual([true, false, true, true]);
  });
});

describe("a budget", () => {
  it("is kept with the chunks, told to who listens, and none where its bytes are damaged", async () => {
    const storage = createMemoryStorage(env);
    const store = new ChunkStore(storage, "test", tenantId);
    expect(await store.budget()).toBeUndefined();
    await store.setBudget(undefined);
    expect(await storage.listStores()).toEqual([]);
    const told: unknown[] = [];
    const release = store.onChange((commitHash) => void told.push(commitHash));
    await store.setBudget(5_000_000_000);
    expect([await new ChunkStore(storage, "test", tenantId).budget(), told]).toEqual([
      5_000_000_000,
      [undefined],
    ]);
    release();
    await store.setBudget(undefined);
    expect([await store.budget(), told.length]).toEqual([undefined, 1]);
    const [name = ""] = await storage.listStores();
    const bare = await storage.openStore(name);
    for (const value of [Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 1), Uint8Array.of(1, 0), new Uint8Array(0)]) {
      await bare.write({ slots: [{ name: "budget", value }] });
      expect(await store.budget()).toBeUndefined();
    }
  });
});
