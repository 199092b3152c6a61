import "fake-indexeddb/auto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToId, createSystemEnv, type CommitHash, type Env } from "../std/index.ts";
import { createDexieStorage, createMemoryStorage, type Storage } from "../store/index.ts";
import {
  ChunkStore,
  chunkStoreName,
  encodeStoredPart,
  isReceived,
  parseStoredPart,
  type StoredPart,
} from "./index.ts";

const env: Env = createSystemEnv();
const idOf = <const Kind extends "CommitHash" | "DbId" | "DocId" | "TenantId">(kind: Kind, byte: number) =>
  bytesToId(kind, new Uint8Array(kind === "CommitHash" || kind === "TenantId" ? 32 : 16).fill(byte));
const hashOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const some: StoredPart = {
  commitHash: idOf("CommitHash", 1),
  dbId: idOf("DbId", 2),
  docId: idOf("DocId", 3),
  isNamed: true,
  isPinned: false,
  isOwn: true,
  createdAtMs: 1_600_000_000_000,
  usedAtMs: 1_700_000_000_000,
  chunks: [
    { hash: hashOf(4), sizeBytes: 262_160, isHere: true },
    { hash: hashOf(5), sizeBytes: 70, isHere: false },
  ],
  received: new Map([["srv", 2]]),
};

describe("what is kept about a part", () => {
  it("has frozen bytes, and each wrong byte of its form is none", () => {
    const bytes = encodeStoredPart(some);
    const hex = [
      "01",
      "05",
      "02".repeat(16),
      "03".repeat(16),
      "00000174876e8000",
      "0000018bcfe56800",
      "02",
      `${"04".repeat(32)}00040010` + "01",
      `${"05".repeat(32)}00000046` + "00",
      "01",
      "037372760002",
    ];
    expect(Buffer.from(bytes).toString("hex")).toBe(hex.join(""));
    expect(parseStoredPart(some.commitHash, bytes)).toEqual(some);
    const at = (index: number, byte: number): Uint8Array =>
      Uint8Array.from(bytes, (old, i) => (i === index ? byte : old));
    const bad = [
      at(0, 2),
      at(1, 8),
      at(50, 0),
      at(50, 17),
      at(87, 2),
      at(83, 9),
      bytes.slice(0, -1),
      Uint8Array.of(...bytes, 0),
      new Uint8Array(0),
    ];
    for (const one of bad) expect(parseStoredPart(some.commitHash, one)).toBeUndefined();
  });

  it("is read from any bytes without a throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(150), fc.nat(255), (noise, at, byte) => {
        parseStoredPart(some.commitHash, noise);
        const bytes = encodeStoredPart(some);
        bytes[at] = byte;
        const read = parseStoredPart(some.commitHash, bytes);
        if (read !== undefined) expect(encodeStoredPart(read)).toEqual(bytes);
      }),
    );
  });
});

const storages: readonly [string, () => Storage][] = [
  ["memory", () => createMemoryStorage(env)],
  ["IndexedDB", () => createDexieStorage(env)],
];
let tenants = 0;

describe.each(storages)("chunks in %s", (_, createStorage) => {
  const open = () => {
    const storage = createStorage();
    const tenantId = idOf("TenantId", ++tenants);
    return { storage, tenantId, store: new ChunkStore(storage, "test", tenantId) };
  };
  const place = (byte: number) => ({
    commitHash: idOf("CommitHash", byte),
    dbId: idOf("DbId", 2),
    docId: idOf("DocId", 3),
    createdAtMs: 4,
  });
  const chunk = (byte: number, size = 40) => ({ hash: hashOf(byte), bytes: new Uint8Array(size).fill(byte) });
  const hereOf = async (store: ChunkStore, commitHash: CommitHash) =>
    (await store.part(commitHash))?.chunks.map(({ isHere }) => isHere);

  it("make no store before there is a chunk, and leave none behind", async () => {
    const { storage, store, tenantId } = open();
    const name = chunkStoreName("test", tenantId);
    expect([
      await store.parts(),
      await store.part(place(1).commitHash),
      (await store.chunksOf([hashOf(1)]))[0],
    ]).toEqual([[], undefined, undefined]);
    await store.edit(place(1).commitHash, (part) => part);
    await store.evict(place(1).commitHash);
    expect(await storage.listStores()).not.toContain(name);
    await store.addOwn(place(1), [chunk(1)], 5);
    expect(await storage.listStores()).toContain(name);
    await store.destroy();
    expect(await storage.listStores()).not.toContain(name);
  });

  it("come back as they went in, by this handle and by another one", async () => {
    const { storage, store, tenantId } = open();
    await store.addOwn(place(1), [chunk(1), chunk(2)], 5);
    const other = new ChunkStore(storage, "test", tenantId);
    expect((await other.chunksOf([hashOf(2)]))[0]).toEqual(chunk(2).bytes);
    expect(
      (await other.parts()).map(({ commitHash, isNamed, isOwn }) => ({ commitHash, isNamed, isOwn })),
    ).toEqual([{ commitHash: place(1).commitHash, isNamed: false, isOwn: true }]);
  });

  it("are never evicted before a receipt, nor when pinned; what a server has may go, and come again", async () => {
    const { store } = open();
    const { commitHash } = place(1);
    await store.addOwn(place(1), [chunk(1), chunk(2)], 5);
    expect(await store.evict(commitHash)).toBe(0);
    await store.edit(commitHash, (part) => ({ ...part, received: new Map([["srv", 0b10]]) }));
    const part = await store.part(commitHash);
    expect(part && [isReceived(part, 0), isReceived(part, 1)]).toEqual([false, true]);
    await store.edit(commitHash, (before) => ({ ...before, isPinned: true }));
    expect(await store.evict(commitHash)).toBe(0);
    await store.edit(commitHash, (before) => ({ ...before, isPinned: false }));
    expect(await store.evict(commitHash)).toBe(40);
    expect(await hereOf(store, commitHash)).toEqual([true, false]);
    expect([(await store.chunksOf([hashOf(1)]))[0], (await store.chunksOf([hashOf(2)]))[0]]).toEqual([
      chunk(1).bytes,
      undefined,
    ]);
    const known = await store.part(commitHash);
    if (known !== undefined) await store.addFetched(known, 1, chunk(2).bytes);
    expect(await hereOf(store, commitHash)).toEqual([true, true]);
  });

  it("that were fetched may go without a receipt: they came from where they are", async () => {
    const { store } = open();
    const part: StoredPart = {
      ...some,
      isOwn: false,
      chunks: [1, 2].map((byte) => ({ hash: hashOf(byte), sizeBytes: 40, isHere: false })),
      received: new Map(),
    };
    await store.addFetched(part, 0, chunk(1).bytes);
    await store.addFetched(part, 1, chunk(2).bytes);
    expect(await hereOf(store, part.commitHash)).toEqual([true, true]);
    expect(await store.evict(part.commitHash)).toBe(80);
  });

  it("keep what two handles write at once", async () => {
    const { storage, store, tenantId } = open();
    const { commitHash } = place(1);
    await store.addOwn(
      place(1),
      Array.from({ length: 16 }, (__, index) => chunk(index + 1)),
      5,
    );
    const handles = [store, new ChunkStore(storage, "test", tenantId)];
    await Promise.all(
      Array.from({ length: 8 }, (__, bit) =>
        (handles[bit % 2] ?? store).edit(commitHash, ({ received, ...part }) => ({
          ...part,
          received: new Map([["srv", (received.get("srv") ?? 0) | (1 << bit)]]),
        })),
      ),
    );
    expect((await store.part(commitHash))?.received.get("srv")).toBe(0xff);
  });

  it("that several parts name stay as long as one of them has them here", async () => {
    const { store } = open();
    await store.addOwn(place(1), [chunk(1), chunk(2)], 5, true);
    await store.addOwn(place(2), [chunk(2), chunk(3)], 5, true);
    const partOf = async (byte: number) => (await store.part(place(byte).commitHash)) ?? expect.fail();
    await store.edit(place(1).commitHash, (part) => ({ ...part, received: new Map([["srv", 0b11]]) }));
    // The second part was sent nowhere yet: what it has must not go with the first one.
    expect(await store.evict(place(1).commitHash)).toBe(40);
    expect([(await store.chunksOf([hashOf(1)]))[0], (await store.chunksOf([hashOf(2)]))[0]]).toEqual([
      undefined,
      chunk(2).bytes,
    ]);
    await store.erase([await partOf(1)]);
    expect((await store.chunksOf([hashOf(2)]))[0]).toEqual(chunk(2).bytes);
    await store.erase([await partOf(2)]);
    expect([(await store.chunksOf([hashOf(2)]))[0], (await store.chunksOf([hashOf(3)]))[0]]).toEqual([
      undefined,
      undefined,
    ]);
  });

  it("that are shared are neither lost nor left, whoever adds and erases at the same time", async () => {
    const { storage, store, tenantId } = open();
    const other = new ChunkStore(storage, "test", tenantId);
    for (let round = 0; round < 12; round++) {
      await store.addOwn(place(1), [chunk(9)], 5, true);
      const first = (await store.part(place(1).commitHash)) ?? expect.fail();
      await Promise.all([store.erase([first]), other.addOwn(place(2), [chunk(9)], 5, true)]);
      expect((await store.chunksOf([hashOf(9)]))[0]).toEqual(chunk(9).bytes);
      await store.addOwn(place(1), [chunk(9)], 5, true);
      const both = await store.parts();
      await Promise.all(both.map((part, at) => (at === 0 ? store : other).erase([part])));
      expect([(await store.chunksOf([hashOf(9)]))[0], await store.parts()]).toEqual([undefined, []]);
    }
  });

  it("are gone when they are erased", async () => {
    const { store } = open();
    await store.addOwn(place(1), [chunk(1)], 5);
    await store.addOwn(place(2), [chunk(2)], 5);
    const [first] = (await store.parts()).filter(({ commitHash }) => commitHash === place(1).commitHash);
    if (first !== undefined) await store.erase([first]);
    expect([(await store.chunksOf([hashOf(1)]))[0], (await store.parts()).length]).toEqual([undefined, 1]);
  });
});
