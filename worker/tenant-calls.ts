/** The calls about tenants on this device: found, open, lock, remove. */
import { CofferError, toCofferError } from "../src/std/index.ts";
import { unlockVault, type UnlockedIdentity } from "../src/keys/index.ts";
import type { KnownTenant } from "../src/page/types.ts";
import { foundTenant, removeTenant } from "../src/tenant/index.ts";
import type { SessionBox, TenantSnapshot, WorkerApi } from "./api.ts";
import { requireTenantId, type WorkerHost } from "./host.ts";

type TenantCalls = Pick<
  WorkerApi,
  | "tenants"
  | "pendingIdentities"
  | "createTenant"
  | "openTenant"
  | "resumeTenant"
  | "closeTenant"
  | "removeTenant"
  | "lock"
  | "unlock"
>;

/** Answer the calls about tenants. */
export function tenantCalls(host: WorkerHost): TenantCalls {
  return {
    async tenants(): Promise<readonly KnownTenant[]> {
      const { device } = await host.ready();
      return (await device.listTenants()).map((row) => ({
        id: row.tenantId,
        createdAtMs: row.createdAtMs,
        lastOpenedAtMs: row.lastOpenedAtMs,
        locked: !host.isUnlocked(row.tenantId),
      }));
    },

    async pendingIdentities(): Promise<readonly { key: string; createdAtMs: number }[]> {
      return (await host.ready()).device.listPending();
    },

    async createTenant(options: Parameters<WorkerApi["createTenant"]>[0]): Promise<TenantSnapshot> {
      const { world, device } = await host.ready();
      const { row, identity } = await foundTenant(world, device, options);
      return host.enter(row, identity);
    },

    async openTenant(nameOrId: string, options: { userName: string | undefined; password: string }): Promise<TenantSnapshot> {
      const { world, device } = await host.ready();
      const rows = await device.listTenants();
      const byId = rows.filter((row) => row.tenantId === nameOrId);
      const candidates = byId.length > 0 ? byId : rows;
      if (candidates.length === 0) throw new CofferError("input/unknown-id", { what: "tenant" });
      let failure = new CofferError("input/unknown-id", { what: "tenant" });
      for (const row of candidates) {
        const identity = await unlockVault(world.crypto, await device.readVault(row.userKey), options.password).catch((error: unknown) => {
          failure = toCofferError(error);
          return undefined;
        });
        if (identity === undefined) continue;
        const isMeant = options.userName === undefined || options.userName === identity.publicIdentity.userName;
        const snapshot = isMeant ? await host.enter({ ...row, lastOpenedAtMs: world.env.nowMs() }, identity) : undefined;
        if (snapshot !== undefined && (byId.length > 0 || snapshot.name === nameOrId)) return snapshot;
        if (snapshot !== undefined) await host.close(row.tenantId);
        failure = new CofferError("input/unknown-id", { what: isMeant ? "tenant" : "user" });
      }
      throw failure;
    },

    async resumeTenant(tenantId: string, box: SessionBox | undefined): Promise<TenantSnapshot> {
      const { device } = await host.ready();
      const session = await host.session(await device.readTenant(requireTenantId(tenantId)));
      if (box !== undefined && session.core.unlocked === undefined) await session.unlockWith(box.opaque as UnlockedIdentity);
      else await session.links.resume();
      return session.snapshot();
    },

    async closeTenant(tenantId: string): Promise<void> {
      await host.close(requireTenantId(tenantId));
    },

    async removeTenant(tenantId: string): Promise<void> {
      const { world, device } = await host.ready();
      await host.close(requireTenantId(tenantId));
      await removeTenant(world, device, requireTenantId(tenantId));
    },

    async lock(tenantId: string): Promise<void> {
      await host.tenant(tenantId).lock();
    },

    async unlock(tenantId: string, password: string): Promise<void> {
      await host.tenant(tenantId).unlock(password);
    },
  };
}
