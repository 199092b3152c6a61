import "fake-indexeddb/auto";
import { createSystemEnv } from "../std/index.ts";
import { createDexieStorage } from "./dexie-store.ts";
import { storeContract } from "./store-contract.ts";

storeContract("dexie over fake-indexeddb", () => ({
  storage: createDexieStorage(createSystemEnv()),
  again: () => createDexieStorage(createSystemEnv()),
}));
