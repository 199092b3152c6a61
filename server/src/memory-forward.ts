import { bytesToBase64url, copyBytes, type DbId, type TenantId } from "../../src/std/index.ts";
import type { ForwardStorage } from "./forward-storage.ts";

/** Places of forwarding in memory. */
export interface MemoryForward extends ForwardStorage {
  /** Forget a tenant. */
  readonly removeForwarded: (tenantId: TenantId) => void;
}

type Guarded = <Result>(run: () => Result) => Promise<Result>;

/** Keep places in plain objects. `hasTenant`: whether a tenant is there. */
export function createMemoryForward(
  guarded: Guarded,
  hasTenant: (tenantId: TenantId) => boolean,
): MemoryForward {
  const tenants = new Map<TenantId, Map<string, Map<DbId, Uint8Array>>>();
  return {
    readForwarded: (tenantId, serverKey) =>
      guarded(() => new Map(tenants.get(tenantId)?.get(bytesToBase64url(serverKey)))),
    writeForwarded: (tenantId, serverKey, places) =>
      guarded(() => {
        if (!hasTenant(tenantId)) return;
        const servers = tenants.get(tenantId) ?? new Map<string, Map<DbId, Uint8Array>>();
        const name = bytesToBase64url(serverKey);
        const known = servers.get(name) ?? new Map<DbId, Uint8Array>();
        for (const [dbId, place] of places) known.set(dbId, copyBytes(place));
        tenants.set(tenantId, servers.set(name, known));
      }),
    removeForwarded: (tenantId) => void tenants.delete(tenantId),
  };
}
