import { expect, test } from "vitest";
import { createSystemEnv, type Env } from "../std/index.ts";
import { createDexieStorage } from "./dexie-store.ts";
import { createMemoryStorage } from "./memory-store.ts";
import { bytesOf, freshName, hashOf, recordOf, storeContract } from "./store-contract.ts";

const env = createSystemEnv();
const wholeLog = { after: 0, maxCount: 1000, maxBytes: 1e9 };

storeContract("dexie in a browser", () => ({
  storage: createDexieStorage(env),
  again: () => createDexieStorage(createSystemEnv()),
}));

storeContract("memory in a browser", () => {
  const storage = createMemoryStorage(env);
  return { storage, again: () => storage };
});

const settled = async (request: IDBOpenDBRequest): Promise<IDBDatabase> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("failed"));
  });

test("gives way when another connection deletes the database, and goes on empty under another epoch", async () => {
  const name = freshName();
  const store = await createDexieStorage(env).openStore(name);
  await store.write({ records: [recordOf(1), recordOf(2)] });
  const epoch = store.logEpoch;
  await settled(indexedDB.deleteDatabase(`coffer/${name}`));
  expect(await store.write({ records: [recordOf(3)] })).toEqual({ kind: "stored", positions: [1] });
  expect(store.logEpoch).not.toBe(epoch);
  expect((await store.readLog(wholeLog)).map(({ commitHash }) => commitHash)).toEqual([hashOf(3)]);
});

test("a deletion in the middle of many writes leaves every promise settled", async () => {
  const name = freshName();
  const store = await createDexieStorage(env).openStore(name);
  const writes = Array.from({ length: 50 }, (_, i) => store.write({ records: [recordOf(i)] }));
  const deleting = settled(indexedDB.deleteDatabase(`coffer/${name}`));
  const more = Array.from({ length: 50 }, (_, i) => store.write({ records: [recordOf(50 + i)] }));
  const results = await Promise.all([...writes, ...more]);
  await deleting;
  expect(results.every(({ kind }) => kind === "stored")).toBe(true);
  expect(await store.lastPosition()).toBe((await store.readLog(wholeLog)).length);
});

test("gives way to an upgrade, and refuses a schema that it does not know", async () => {
  const name = freshName();
  const store = await createDexieStorage(env).openStore(name);
  await store.write({ records: [recordOf(1)] });
  (await settled(indexedDB.open(`coffer/${name}`, 20))).close();
  await expect(store.lastPosition()).rejects.toMatchObject({
    code: "store/failed",
    details: { reason: "newer version" },
  });
});

test("says blocked when a connection that does not give way holds a deletion up", async () => {
  const quick: Env = { ...env, setTimer: (afterMs, run) => env.setTimer(afterMs / 20, run) };
  const name = freshName();
  const store = await createDexieStorage(quick).openStore(name);
  await store.write({ records: [recordOf(1)] });
  const stubborn = await settled(indexedDB.open(`coffer/${name}`));
  await expect(store.destroy()).rejects.toMatchObject({ code: "store/blocked" });
  await expect(createDexieStorage(quick).openStore(name)).rejects.toMatchObject({ code: "store/blocked" });
  stubborn.close();
  const later = await createDexieStorage(env).openStore(name);
  expect(await later.lastPosition()).toBe(0);
});

test("a value that cannot be stored aborts the whole batch", async () => {
  const store = await createDexieStorage(env).openStore(freshName());
  const alien = (() => 0) as unknown as Uint8Array<ArrayBuffer>;
  const batch = {
    records: [recordOf(1)],
    slots: [
      { name: "a", value: bytesOf(1, 1) },
      { name: "b", value: alien },
    ],
  };
  await expect(store.write(batch)).rejects.toMatchObject({ code: "input/invalid" });
  expect(await store.lastPosition()).toBe(0);
  expect(await store.readSlots("")).toEqual([]);
});

test("hears writes of a dedicated worker's thread through the channel", async () => {
  const name = freshName();
  const store = await createDexieStorage(env).openStore(name);
  const heard = new Promise((resolve) => store.onWrite(resolve));
  const source = `const channel = new BroadcastChannel("coffer-store/${name}");
    channel.postMessage("noise"); channel.postMessage({ lastPosition: "1", slotNames: [] });
    channel.postMessage({ lastPosition: 7, slotNames: ["a", 1] });`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url);
  expect(await heard).toEqual({ lastPosition: 7, slotNames: ["a"], local: false });
  worker.terminate();
  URL.revokeObjectURL(url);
});
