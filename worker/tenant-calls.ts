/** The calls about tenants on this device: found, open, lock, remove. */
import { CofferError, toCofferError } from "../src/std/index.ts";
import { unlockVault, type UnlockedIdentity } from "../src/keys/index.ts";
import { foundTenant, removeTenant } from "../src/tenant/index.ts";
import type { TenantSnapshot, WorkerApi } from "./api.ts";
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
    async tenants() {
      const { device } = await host.ready();
      return (await device.listTenants()).map((row) => ({
        id: row.tenantId,
        createdAtMs: row.createdAtMs,
        lastOpenedAtMs: row.lastOpenedAtMs,
        locked: !host.isUnlocked(row.tenantId),
      }));
    },

    async pendingIdentities() {
      return (await host.ready()).device.listPending();
    },

    async createTenant(options) {
      const { world, device } = await host.ready();
      const { row, identity } = await foundTenant(world, device, options);
      return host.enter(row, identity);
    },

    openTenant: (nameOrId, options) => openTenant(host, nameOrId, options),

    async resumeTenant(tenantId, box) {
      const { device } = await host.ready();
      const session = await host.session(await device.readTenant(requireTenantId(tenantId)));
      if (box !== undefined && session.core.unlocked === undefined) {
        await session.unlockWith(box.opaque as UnlockedIdentity);
        // What the page has open is read again next, and must show what the last worker had judged since it wrote its pages.
        await session.catchUp();
      } else await session.links.resume();
      return session.snapshot();
    },

    async closeTenant(tenantId) {
      await host.close(requireTenantId(tenantId));
    },

    async removeTenant(tenantId) {
      const { world, device } = await host.ready();
      await host.close(requireTenantId(tenantId));
      await removeTenant(world, device, requireTenantId(tenantId));
    },

    async lock(tenantId) {
      await host.tenant(tenantId).lock("everywhere");
    },

    async unlock(tenantId, password) {
      await host.tenant(tenantId).unlock(password);
    },
  };
}

/** Names are sealed, so a tenant that is asked for by name is found by trying the password on each, the last opened first. */
async function openTenant(
  host: WorkerHost,
  nameOrId: string,
  options: { readonly userName: string | undefined; readonly password: string },
): Promise<TenantSnapshot> {
  const { device, world } = await host.ready();
  const rows = await device.listTenants();
  const byId = rows.filter((row) => row.tenantId === nameOrId);
  let failure = new CofferError("input/unknown-id", { what: "tenant" });
  for (const row of byId.length > 0 ? byId : rows) {
    const vault = await device.readVault(row.userKey);
    const identity = await unlockVault(world.crypto, vault, options.password).catch((error: unknown) => {
      failure = toCofferError(error);
    });
    if (identity === undefined) continue;
    const isUser = options.userName === undefined || options.userName === identity.publicIdentity.userName;
    failure = new CofferError("input/unknown-id", { what: isUser ? "tenant" : "user" });
    if (!isUser) continue;
    const snapshot = await host.enter({ ...row, lastOpenedAtMs: world.env.nowMs() }, identity);
    if (byId.length > 0 || snapshot.name === nameOrId) return snapshot;
    await host.close(row.tenantId);
  }
  throw failure;
}
