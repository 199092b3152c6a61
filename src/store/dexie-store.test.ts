import "fake-indexeddb/auto";
import { expect, it, vi } from "vitest";
import { createSystemEnv } from "../std/index.ts";
import { createDexieStorage } from "./dexie-store.ts";
import { createOpenOnlyStorage } from "./idb-store.ts";
import { withNewJournal } from "./new-journal.ts";
import { bytesOf, freshName, recordOf, storeContract } from "./store-contract.ts";

storeContract("dexie over fake-indexeddb", () => ({
  storage: createDexieStorage(createSystemEnv()),
  again: () => createDexieStorage(createSystemEnv()),
}));

it("answers whoever wrote before it tells other threads, and tells what came in one turn at once", async () => {
  const env = createSystemEnv();
  const posted: unknown[] = [];
  const openChannel: typeof env.openChannel = (name) => ({
    ...env.openChannel(name),
    post: (message) => posted.push(message),
  });
  const store = await createDexieStorage({ ...env, openChannel }).openStore(freshName());
  const nextTask = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
  await store.write({ records: [recordOf(1)] });
  expect(posted).toEqual([]);
  await nextTask();
  expect(posted).toEqual([{ lastPosition: 1, slotNames: [] }]);
  await store.write({ records: [recordOf(2)], slots: [{ name: "a", value: bytesOf(1, 1) }] });
  store.close();
  expect(posted.slice(1)).toEqual([{ lastPosition: 2, slotNames: ["a"] }]);
  await nextTask();
  expect(posted.length).toBe(2);
});

const namesNow = async (): Promise<readonly unknown[]> =>
  (await indexedDB.databases()).map(({ name }) => name).toSorted();

it("opens what another thread made, and makes nothing, where it may only open", async () => {
  const env = createSystemEnv();
  const name = freshName();
  const made = await createDexieStorage(env).openStore(name);
  await made.write({ records: [recordOf(1)] });
  const openOnly = createOpenOnlyStorage(env);
  const opened = await openOnly.openStore(name);
  expect(opened.logEpoch).toBe(made.logEpoch);
  expect(await opened.write({ records: [recordOf(2)] })).toEqual({ kind: "stored", positions: [2] });
  expect(await made.readLog({ after: 0, maxCount: 9, maxBytes: 1e6 })).toHaveLength(2);
  expect(await openOnly.listStores()).toContain(name);

  const before = await namesNow();
  const failure = { code: "store/failed", details: { reason: "missing" } };
  await expect(openOnly.openStore(freshName())).rejects.toMatchObject(failure);
  await expect(opened.destroy()).rejects.toMatchObject(failure);
  expect(await namesNow()).toEqual(before);
});

it("has a new journal begun once, by a database that is made and deleted when the first store is open", async () => {
  const deleting = vi.spyOn(indexedDB, "deleteDatabase");
  const plain = createDexieStorage(createSystemEnv());
  const storage = withNewJournal(plain);
  expect(deleting).not.toHaveBeenCalled();
  const names = [freshName(), freshName()];
  for (const name of names) await storage.openStore(name);
  await vi.waitFor(() => expect(deleting.mock.calls).toEqual([["coffer-journal"]]));
  await vi.waitFor(async () => expect(await namesNow()).not.toContain("coffer-journal"));
  expect(await storage.listStores()).toEqual(expect.arrayContaining(names));
  expect(await storage.listStores()).toEqual(await plain.listStores());
});
