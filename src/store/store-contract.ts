/** The contract of `store.ts` as a suite that every storage runs: in Node, and in real browsers. */
import { describe, expect, test } from "vitest";
import { bytesToId, copyBytes, type CommitHash } from "../std/index.ts";
import type { LogRecord, NewRecord, Storage, Store, WriteEvent } from "./store.ts";

/** Fixed bytes that look random: the same for the same seed. */
export function bytesOf(seed: number, sizeBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  let state = (seed + 1) * 2_654_435_761;
  for (let i = 0; i < sizeBytes; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export const hashOf = (seed: number): CommitHash => bytesToId("CommitHash", bytesOf(seed, 32));

export const recordOf = (seed: number, sizeBytes = 100, origin = ""): NewRecord => ({
  commitHash: hashOf(seed),
  bytes: bytesOf(seed, sizeBytes),
  origin,
});

const wholeLog = { after: 0, maxCount: 10_000, maxBytes: 1 << 30 };
const positionsOf = async (store: Store): Promise<number[]> =>
  (await store.readLog(wholeLog)).map(({ position }) => position);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

let nameCount = 0;
/** A store name that no other test has. */
export const freshName = (): string => `contract-${Date.now().toString(36)}-${++nameCount}`;

/** Run the suite. `createStorage` gives one origin; `again` gives the same origin as another thread or a later start sees it. */
export function storeContract(
  title: string,
  createStorage: () => { storage: Storage; again: () => Storage },
): void {
  const opened = async (): Promise<{ store: Store; other: Store; storage: Storage; name: string }> => {
    const { storage, again } = createStorage();
    const name = freshName();
    return { storage, name, store: await storage.openStore(name), other: await again().openStore(name) };
  };

  describe(`${title}: S1 one growing log`, () => {
    test("is empty at first", async () => {
      const { store } = await opened();
      expect(await store.lastPosition()).toBe(0);
      expect(await store.readLog(wholeLog)).toEqual([]);
      expect(await store.readRecords([1])).toEqual([]);
    });

    test("gives ascending positions from 1, to the same commit again too", async () => {
      const { store } = await opened();
      expect(await store.write({ records: [recordOf(1), recordOf(2)] })).toEqual({
        kind: "stored",
        positions: [1, 2],
      });
      expect(await store.write({ records: [recordOf(1)] })).toEqual({ kind: "stored", positions: [3] });
      expect(await store.lastPosition()).toBe(3);
    });

    test("two handles that append at once lose nothing", async () => {
      const { store, other } = await opened();
      const results = await Promise.all(
        Array.from({ length: 40 }, (_, i) =>
          (i % 2 ? store : other).write({ records: [recordOf(2 * i), recordOf(2 * i + 1)] }),
        ),
      );
      const given = results.flatMap((result) => (result.kind === "stored" ? result.positions : []));
      expect(given.toSorted((a, b) => a - b)).toEqual(upTo(80));
      const log = await other.readLog(wholeLog);
      expect(log.map(({ position }) => position)).toEqual(upTo(80));
      results.forEach((result, i) => {
        const [first = 0, second = 0] = result.kind === "stored" ? result.positions : [];
        expect(second).toBe(first + 1);
        expect([log[first - 1]?.commitHash, log[second - 1]?.commitHash]).toEqual([
          hashOf(2 * i),
          hashOf(2 * i + 1),
        ]);
      });
    });

    test("reads a range: after, at most so many, at most so large but at least one", async () => {
      const { store } = await opened();
      await store.write({ records: upTo(50).map((seed) => recordOf(seed, 1000)) });
      const read = async (range: { after: number; maxCount: number; maxBytes: number }): Promise<number[]> =>
        (await store.readLog(range)).map(({ position }) => position);
      expect(await read({ after: 47, maxCount: 10, maxBytes: 1e9 })).toEqual([48, 49, 50]);
      expect(await read({ after: 50, maxCount: 10, maxBytes: 1e9 })).toEqual([]);
      expect(await read({ after: 0, maxCount: 3, maxBytes: 1e9 })).toEqual([1, 2, 3]);
      expect(await read({ after: 0, maxCount: 0, maxBytes: 1e9 })).toEqual([]);
      expect(await read({ after: 0, maxCount: 50, maxBytes: 2500 })).toEqual([1, 2]);
      expect(await read({ after: 0, maxCount: 50, maxBytes: 2000 })).toEqual([1, 2]);
      expect(await read({ after: 0, maxCount: 50, maxBytes: 0 })).toEqual([1]);
      expect(await read({ after: 0, maxCount: 50, maxBytes: 30_000 })).toEqual(upTo(30));
      expect(await read({ after: -5, maxCount: 1e9, maxBytes: 1e9 })).toEqual(upTo(50));
    });

    test("reads records of unlike sizes up to the byte", async () => {
      const { store } = await opened();
      const sizes = upTo(60).map((i) => (i % 7 === 0 ? 20_000 : 10));
      await store.write({ records: sizes.map((size, i) => recordOf(i, size)) });
      for (const maxBytes of [1, 59, 60, 20_060, 20_061, 100_000]) {
        let total = 0;
        const count = sizes.findIndex((size) => (total += size) > maxBytes);
        const log = await store.readLog({ after: 0, maxCount: 100, maxBytes });
        expect(log.length).toBe(Math.max(1, count < 0 ? sizes.length : count));
      }
    });

    test("reads records by position, in the order asked, without those that are not there", async () => {
      const { store } = await opened();
      await store.write({ records: upTo(5).map((seed) => recordOf(seed)) });
      const found = await store.readRecords([4, 99, 1, 0, -1, 1.5, Number.NaN, 4]);
      expect(found.map(({ position }) => position)).toEqual([4, 1, 4]);
      expect(found[0]).toEqual({ position: 4, ...recordOf(4) });
    });
  });

  describe(`${title}: S2 whole batches`, () => {
    test("records and slots come together", async () => {
      const { store, other } = await opened();
      await store.write({
        records: [recordOf(1)],
        slots: [{ name: "cursor", value: bytesOf(1, 8) }],
        durability: "strict",
      });
      expect(await positionsOf(other)).toEqual([1]);
      expect((await other.readSlot("cursor"))?.value).toEqual(bytesOf(1, 8));
    });

    test("a stale slot keeps records and other slots out", async () => {
      const { store } = await opened();
      await store.write({ slots: [{ name: "b", value: bytesOf(1, 8) }] });
      const result = await store.write({
        records: [recordOf(1)],
        slots: [
          { name: "a", value: bytesOf(2, 8) },
          { name: "b", value: bytesOf(3, 8), expectedVersion: 0 },
          { name: "c", value: bytesOf(4, 8), expectedVersion: 7 },
        ],
      });
      expect(result).toEqual({ kind: "conflict", slotName: "b" });
      expect(await store.lastPosition()).toBe(0);
      expect((await store.readSlots("")).map(({ name, version }) => [name, version])).toEqual([["b", 1]]);
      expect(await store.write({ records: [recordOf(1)] })).toEqual({ kind: "stored", positions: [1] });
    });

    test("an empty batch stores nothing and tells nobody", async () => {
      const { store } = await opened();
      const heard: WriteEvent[] = [];
      store.onWrite((event) => heard.push(event));
      expect(await store.write({})).toEqual({ kind: "stored", positions: [] });
      expect(heard).toEqual([]);
    });

    test("a batch that names a slot twice is a bug", async () => {
      const { store } = await opened();
      const twice = { name: "a", value: bytesOf(1, 1) };
      await expect(store.write({ slots: [twice, twice] })).rejects.toThrow("S3");
      expect(await store.readSlot("a")).toBeUndefined();
    });
  });

  describe(`${title}: records written a moment ago`, () => {
    test("are given by the store that wrote them, as the log gives them, when it tells of them", async () => {
      const { store, other } = await opened();
      const told: (readonly LogRecord[])[] = [];
      store.onWrite(() => told.push(store.readRecent(0)));
      await store.write({ records: [recordOf(1), recordOf(2, 3000, "server")] });
      expect(told).toEqual([await store.readLog(wholeLog)]);
      expect(store.readRecent(1)).toEqual([{ position: 2, ...recordOf(2, 3000, "server") }]);
      expect(store.readRecent(2)).toEqual([]);
      expect(other.readRecent(0)).toEqual([]);
    });

    test("end where another handle wrote", async () => {
      const { store, other } = await opened();
      await store.write({ records: [recordOf(1)] });
      await other.write({ records: [recordOf(2)] });
      await store.write({ records: [recordOf(3)] });
      expect(store.readRecent(0).map(({ position }) => position)).toEqual([1]);
      expect(store.readRecent(1)).toEqual([]);
      expect(other.readRecent(1).map(({ position }) => position)).toEqual([2]);
    });

    test("are read from the log once one of it was rewritten, and are none in a store that is closed", async () => {
      const { store } = await opened();
      await store.write({ records: [recordOf(1), recordOf(2)] });
      await store.rewrite([{ position: 1, bytes: bytesOf(9, 10) }]);
      expect(store.readRecent(0)).toEqual([]);
      expect(store.readRecent(1)).toEqual([]);
      await store.write({ records: [recordOf(3)] });
      expect(store.readRecent(2)).toEqual([{ position: 3, ...recordOf(3) }]);
      store.close();
      expect(store.readRecent(2)).toEqual([]);
    });

    test("are none of a log that is gone", async () => {
      const { store, other } = await opened();
      await store.write({ records: [recordOf(1)] });
      await other.destroy();
      await store.lastPosition();
      expect(store.readRecent(0)).toEqual([]);
    });
  });

  describe(`${title}: records rewritten`, () => {
    test("hold the new bytes and nothing else changes, for every handle, and nobody is told", async () => {
      const { store, other } = await opened();
      await store.write({ records: [recordOf(1), recordOf(2, 5000, "server"), recordOf(3)] });
      const heard: WriteEvent[] = [];
      store.onWrite((event) => heard.push(event));
      other.onWrite((event) => heard.push(event));
      const view = bytesOf(9, 10_000).subarray(100, 110);
      const result = await store.rewrite(
        [
          { position: 2, bytes: view },
          { position: 7, bytes: bytesOf(7, 10) },
          { position: 0, bytes: bytesOf(7, 10) },
          { position: -1, bytes: bytesOf(7, 10) },
          { position: 1.5, bytes: bytesOf(7, 10) },
        ],
        [{ name: "s", value: bytesOf(1, 3), expectedVersion: 0 }],
      );
      expect(result).toEqual({ kind: "stored", count: 1 });
      const expected = { ...recordOf(2, 0, "server"), position: 2, bytes: copyBytes(view) };
      expect(await other.readLog(wholeLog)).toEqual([
        { position: 1, ...recordOf(1) },
        expected,
        { position: 3, ...recordOf(3) },
      ]);
      expect((await other.readRecords([2]))[0]?.bytes.buffer.byteLength).toBe(10);
      expect((await other.readSlot("s"))?.value).toEqual(bytesOf(1, 3));
      expect(await store.write({ records: [recordOf(4)] })).toEqual({ kind: "stored", positions: [4] });
      expect(heard.flatMap(({ slotNames }) => slotNames)).toEqual([]);
      expect(heard.filter(({ local }) => local).map(({ lastPosition }) => lastPosition)).toEqual([4]);
    });

    test("a stale slot leaves every byte as it was, and a slot named twice is a bug", async () => {
      const { store } = await opened();
      await store.write({ records: [recordOf(1)], slots: [{ name: "s", value: bytesOf(1, 3) }] });
      const change = [{ position: 1, bytes: bytesOf(2, 3) }];
      const slot = { name: "s", value: bytesOf(2, 3), expectedVersion: 0 };
      expect(await store.rewrite(change, [slot])).toEqual({ kind: "conflict", slotName: "s" });
      await expect(store.rewrite(change, [slot, slot])).rejects.toThrow("S3");
      expect(await store.readLog(wholeLog)).toEqual([{ position: 1, ...recordOf(1) }]);
      expect((await store.readSlot("s"))?.version).toBe(1);
      expect(await store.rewrite([])).toEqual({ kind: "stored", count: 0 });
    });

    test("what was handed over can be changed later", async () => {
      const { store } = await opened();
      await store.write({ records: [recordOf(1)] });
      const bytes = bytesOf(2, 50);
      await store.rewrite([{ position: 1, bytes }]);
      bytes.fill(0);
      expect((await store.readRecords([1]))[0]?.bytes).toEqual(bytesOf(2, 50));
    });
  });

  describe(`${title}: S3 compare and swap`, () => {
    test("versions count from 1, and start again after a deletion", async () => {
      const { store } = await opened();
      const put = async (seed: number, expectedVersion?: number): Promise<string> =>
        (await store.write({ slots: [{ name: "s", value: bytesOf(seed, 4), expectedVersion }] })).kind;
      expect(await put(1, 1)).toBe("conflict");
      expect(await put(1, 0)).toBe("stored");
      expect(await put(2, 0)).toBe("conflict");
      expect(await put(2, 1)).toBe("stored");
      expect(await put(3)).toBe("stored");
      expect(await store.readSlot("s")).toEqual({ name: "s", version: 3, value: bytesOf(3, 4) });
      const remove = { name: "s", value: undefined };
      expect((await store.write({ slots: [{ ...remove, expectedVersion: 2 }] })).kind).toBe("conflict");
      expect((await store.write({ slots: [{ ...remove, expectedVersion: 3 }] })).kind).toBe("stored");
      expect(await store.readSlot("s")).toBeUndefined();
      expect(await put(4, 0)).toBe("stored");
      expect((await store.readSlot("s"))?.version).toBe(1);
    });

    test("of racing writers exactly one wins each version", async () => {
      const { store, other } = await opened();
      for (let version = 0; version < 5; version++) {
        const results = await Promise.all(
          upTo(8).map((i) =>
            (i % 2 ? store : other).write({
              records: [recordOf(i)],
              slots: [{ name: "cursor", value: bytesOf(i, 4), expectedVersion: version }],
            }),
          ),
        );
        expect(results.filter(({ kind }) => kind === "stored")).toHaveLength(1);
        const winner = results.findIndex(({ kind }) => kind === "stored") + 1;
        expect(await other.readSlot("cursor")).toEqual({
          name: "cursor",
          version: version + 1,
          value: bytesOf(winner, 4),
        });
        const [record] = await other.readRecords([version + 1]);
        expect(record?.commitHash).toBe(hashOf(winner));
      }
      expect(await store.lastPosition()).toBe(5);
    });

    test("slots are listed by prefix and name, whatever the characters", async () => {
      const { store } = await opened();
      const names = [
        "page/2",
        "page/10",
        "page0",
        "page",
        "a",
        "é",
        "z\uffff",
        "z\uffff\uffff1",
        "{",
        "\uffff",
        "\uffff\uffff",
      ];
      await store.write({ slots: names.map((name, i) => ({ name, value: bytesOf(i, 1) })) });
      for (const prefix of ["", "page/", "page", "z\uffff", "z", "\uffff", "none", "{"]) {
        const expected = names.filter((name) => name.startsWith(prefix)).toSorted((a, b) => (a < b ? -1 : 1));
        expect((await store.readSlots(prefix)).map(({ name }) => name)).toEqual(expected);
      }
    });

    test("by their names, in the order asked, and none for what is not there", async () => {
      const { store, other } = await opened();
      await store.write({ slots: ["a", "b", "c"].map((name, i) => ({ name, value: bytesOf(i, 3) })) });
      const named = await other.readSlots(["c", "none", "a", "c", ""]);
      expect(named.map(({ name, version, value }) => [name, version, value])).toEqual([
        ["c", 1, bytesOf(2, 3)],
        ["a", 1, bytesOf(0, 3)],
        ["c", 1, bytesOf(2, 3)],
      ]);
      const [slot] = named;
      if (slot?.value instanceof Uint8Array) slot.value.fill(9);
      expect((await store.readSlot("c"))?.value).toEqual(bytesOf(2, 3));
      expect(await store.readSlots([])).toEqual([]);
    });
  });

  describe(`${title}: S4 bytes as they went in`, () => {
    test("records of 0 bytes and of 1 MiB, and their origin", async () => {
      const { store, other } = await opened();
      const records = [recordOf(1, 0), recordOf(2, 1 << 20, "server"), recordOf(3, 1 << 20)];
      await store.write({ records });
      expect(
        (await other.readRecords([1, 2, 3])).map(({ position, ...record }) => [position, record.origin]),
      ).toEqual([
        [1, ""],
        [2, "server"],
        [3, ""],
      ]);
      const [empty, big] = await other.readLog({ after: 0, maxCount: 2, maxBytes: 1 << 21 });
      expect(empty?.bytes.length).toBe(0);
      expect(new Uint8Array(await crypto.subtle.digest("SHA-256", big?.bytes ?? new Uint8Array(0)))).toEqual(
        new Uint8Array(await crypto.subtle.digest("SHA-256", bytesOf(2, 1 << 20))),
      );
    });

    test("a view of a larger buffer stores its own bytes only", async () => {
      const { store } = await opened();
      const view = bytesOf(9, 10_000).subarray(100, 110);
      await store.write({
        records: [{ commitHash: hashOf(1), bytes: view, origin: "" }],
        slots: [{ name: "v", value: view }],
      });
      const [record] = await store.readRecords([1]);
      expect(record?.bytes).toEqual(copyBytes(view));
      expect(record?.bytes.buffer.byteLength).toBe(10);
      const value = (await store.readSlot("v"))?.value;
      expect(value instanceof Uint8Array ? value.buffer.byteLength : undefined).toBe(10);
    });

    test("what is read or was written can be changed without changing what is stored", async () => {
      const { store } = await opened();
      const bytes = bytesOf(1, 100);
      await store.write({
        records: [{ commitHash: hashOf(1), bytes, origin: "" }],
        slots: [{ name: "s", value: bytes }],
      });
      bytes.fill(0);
      (await store.readRecords([1]))[0]?.bytes.fill(0);
      const value = (await store.readSlot("s"))?.value;
      if (value instanceof Uint8Array) value.fill(0);
      expect((await store.readLog(wholeLog))[0]?.bytes).toEqual(bytesOf(1, 100));
      expect((await store.readSlots("s"))[0]?.value).toEqual(bytesOf(1, 100));
    });

    test("a key that cannot be exported still works when it is read again", async () => {
      const { store, other } = await opened();
      const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, [
        "encrypt",
        "decrypt",
      ]);
      const algorithm = { name: "AES-GCM", iv: bytesOf(1, 12) };
      const sealed = await crypto.subtle.encrypt(algorithm, key, bytesOf(2, 50));
      await store.write({ slots: [{ name: "device key", value: key }] });
      store.close();
      const held = (await other.readSlot("device key"))?.value;
      if (!(held instanceof CryptoKey)) throw new Error("not a key");
      expect(held.extractable).toBe(false);
      expect(new Uint8Array(await crypto.subtle.decrypt(algorithm, held, sealed))).toEqual(bytesOf(2, 50));
    });
  });

  describe(`${title}: S5 closed`, () => {
    test("every call rejects after close, and the others go on", async () => {
      const { store, other } = await opened();
      store.close();
      store.close();
      const closed = { code: "store/closed" };
      await expect(store.write({ records: [recordOf(1)] })).rejects.toMatchObject(closed);
      await expect(store.write({})).rejects.toMatchObject(closed);
      await expect(store.readLog(wholeLog)).rejects.toMatchObject(closed);
      await expect(store.readRecords([1])).rejects.toMatchObject(closed);
      await expect(store.lastPosition()).rejects.toMatchObject(closed);
      await expect(store.readSlot("a")).rejects.toMatchObject(closed);
      await expect(store.readSlots("")).rejects.toMatchObject(closed);
      await expect(store.readSlots(["a"])).rejects.toMatchObject(closed);
      await expect(store.usage()).rejects.toMatchObject(closed);
      expect((await other.write({ records: [recordOf(1)] })).kind).toBe("stored");
    });

    test("a write under way when the store closes either is there or was refused", async () => {
      const { store, other } = await opened();
      const writing = store.write({ records: [recordOf(1)] }).then(
        () => 1,
        (error: unknown) => {
          expect(error).toMatchObject({ code: "store/closed" });
          return 0;
        },
      );
      store.close();
      expect(await other.lastPosition()).toBe(await writing);
    });
  });

  describe(`${title}: S6 the log's epoch`, () => {
    test("is one for all handles, also later, and 16 bytes in hex", async () => {
      const { storage, again } = createStorage();
      const name = freshName();
      const stores = await Promise.all(upTo(6).map((i) => (i % 2 ? storage : again()).openStore(name)));
      const [epoch = ""] = stores.map(({ logEpoch }) => logEpoch);
      expect(epoch).toMatch(/^[0-9a-f]{32}$/);
      for (const store of stores) expect(store.logEpoch).toBe(epoch);
      await stores[0]?.write({ records: [recordOf(1)] });
      for (const store of stores) store.close();
      const later = await again().openStore(name);
      expect(later.logEpoch).toBe(epoch);
      expect(await positionsOf(later)).toEqual([1]);
    });

    test("is another for another store, and after the store was destroyed", async () => {
      const { storage, store, name } = await opened();
      expect((await storage.openStore(freshName())).logEpoch).not.toBe(store.logEpoch);
      await store.write({ records: [recordOf(1)], slots: [{ name: "a", value: bytesOf(1, 1) }] });
      await store.destroy();
      await expect(store.lastPosition()).rejects.toMatchObject({ code: "store/closed" });
      const fresh = await storage.openStore(name);
      expect(fresh.logEpoch).not.toBe(store.logEpoch);
      expect(await fresh.lastPosition()).toBe(0);
      expect(await fresh.readSlots("")).toEqual([]);
      expect(await fresh.write({ records: [recordOf(1)] })).toEqual({ kind: "stored", positions: [1] });
    });

    test("a store that others destroyed goes on empty, under another epoch", async () => {
      const { store, other } = await opened();
      await store.write({ records: [recordOf(1)] });
      const before = other.logEpoch;
      await store.destroy();
      expect(await other.lastPosition()).toBe(0);
      expect(other.logEpoch).not.toBe(before);
      expect(await other.write({ records: [recordOf(2)] })).toEqual({ kind: "stored", positions: [1] });
    });
  });

  describe(`${title}: storage and news`, () => {
    test("lists the stores that are there", async () => {
      const { storage, store, name } = await opened();
      const second = await storage.openStore(`${name}/two`);
      expect(await storage.listStores()).toEqual(expect.arrayContaining([name, `${name}/two`]));
      await second.destroy();
      store.close();
      const names = await storage.listStores();
      expect(names).toContain(name);
      expect(names).not.toContain(`${name}/two`);
    });

    test("tells the writer before the promise resolves, and other handles soon", async () => {
      const { store, other, storage } = await opened();
      const stranger = await storage.openStore(freshName());
      const here: WriteEvent[] = [];
      const strange: WriteEvent[] = [];
      store.onWrite((event) => here.push(event));
      stranger.onWrite((event) => strange.push(event));
      const there = new Promise<WriteEvent>((resolve) => other.onWrite(resolve));
      await store.write({
        records: [recordOf(1), recordOf(2)],
        slots: [{ name: "s", value: bytesOf(1, 1) }],
      });
      expect(here).toEqual([{ lastPosition: 2, slotNames: ["s"], local: true }]);
      expect(await there).toEqual({ lastPosition: 2, slotNames: ["s"], local: false });
      expect(here).toHaveLength(1);
      expect(strange).toEqual([]);
    });

    test("tells nobody of a conflict, nor one who released", async () => {
      const { store } = await opened();
      const heard: WriteEvent[] = [];
      const release = store.onWrite((event) => heard.push(event));
      await store.write({ slots: [{ name: "s", value: bytesOf(1, 1), expectedVersion: 3 }] });
      expect(heard).toEqual([]);
      await store.write({ slots: [{ name: "s", value: bytesOf(1, 1) }] });
      expect(heard).toHaveLength(1);
      release();
      release();
      await store.write({ records: [recordOf(1)] });
      expect(heard).toHaveLength(1);
    });

    test("usage is numbers or nothing", async () => {
      const { store } = await opened();
      const usage = await store.usage();
      if (usage !== undefined) expect(usage.quotaBytes).toBeGreaterThan(usage.usageBytes);
    });
  });
}
