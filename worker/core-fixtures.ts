/** A tenant that was founded in memory and is unlocked, without engine and network: for tests of what it keeps beside its log. */
import { createChangeCodec } from "../src/doc/index.ts";
import { createMemoryStorage } from "../src/store/index.ts";
import type { TenantCore, TenantWorld } from "../src/tenant/core.ts";
import { Device } from "../src/tenant/device.ts";
import { foundTenant, openCore } from "../src/tenant/founding.ts";
import { openKeys } from "../src/tenant/opened-keys.ts";
import { crypto, env, people } from "./device-fixtures.ts";

/** Found it. */
export async function foundCore(): Promise<TenantCore> {
  const storage = createMemoryStorage(env);
  const world: TenantWorld = {
    env,
    crypto,
    storage,
    scope: "coffer",
    openTransport: () => {
      throw new Error("no network");
    },
    codec: createChangeCodec((bytes) => crypto.sha256(bytes)),
    prepareEngine: () => undefined,
    loadEngine: () => Promise.reject(new Error("not needed")),
  };
  const { row, identity } = await foundTenant(world, new Device(await storage.openStore("device")), people);
  const core = await openCore(world, row);
  core.unlocked = await openKeys(core, identity);
  return core;
}
