import "fake-indexeddb/auto";
import { expect, it } from "vitest";
import { createSystemEnv } from "../std/index.ts";
import { createDexieStorage } from "./dexie-store.ts";
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
