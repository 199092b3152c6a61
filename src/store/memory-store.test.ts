import { createSystemEnv } from "../std/index.ts";
import { createMemoryStorage } from "./memory-store.ts";
import { storeContract } from "./store-contract.ts";

storeContract("memory", () => {
  const storage = createMemoryStorage(createSystemEnv());
  return { storage, again: () => storage };
});
