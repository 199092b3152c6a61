import { CofferError, type AuthorKey, type TenantId } from "../../src/std/index.ts";
import { maxDevices, type Subscription, type SubscriptionStorage } from "./subscription-storage.ts";

/** The addresses of devices in memory. */
export interface MemorySubscriptions extends SubscriptionStorage {
  /** Forget a tenant. */
  readonly removeSubscriptions: (tenantId: TenantId) => void;
}

type Guarded = <Result>(run: () => Result) => Promise<Result>;

/** Keep addresses in plain objects. `hasTenant`: whether a tenant is there. */
export function createMemorySubscriptions(
  guarded: Guarded,
  hasTenant: (tenantId: TenantId) => boolean,
): MemorySubscriptions {
  const tenants = new Map<TenantId, Map<AuthorKey, Subscription>>();
  const put = (tenantId: TenantId, given: Subscription): boolean => {
    if (!hasTenant(tenantId)) throw new CofferError("store/failed", { message: "There is no such tenant." });
    const known = tenants.get(tenantId) ?? new Map<AuthorKey, Subscription>();
    const others = [...known.values()].filter(
      ({ device, user }) => user === given.user && device !== given.device,
    );
    if (others.length >= maxDevices) return false;
    tenants.set(tenantId, known.set(given.device, { ...given }));
    return true;
  };
  const remove = (tenantId: TenantId, device: AuthorKey, endpoint: string | undefined): void => {
    const known = tenants.get(tenantId);
    if (endpoint === undefined || known?.get(device)?.endpoint === endpoint) known?.delete(device);
  };
  return {
    putSubscription: (tenantId, subscription) => guarded(() => put(tenantId, subscription)),
    removeSubscription: (tenantId, device, endpoint) => guarded(() => remove(tenantId, device, endpoint)),
    listSubscriptions: (tenantId, after, maxCount) =>
      guarded(() =>
        [...(tenants.get(tenantId)?.values() ?? [])]
          .filter(({ device }) => after === undefined || device > after)
          .sort((a, b) => (a.device < b.device ? -1 : 1))
          .slice(0, maxCount),
      ),
    removeSubscriptions: (tenantId) => void tenants.delete(tenantId),
  };
}
