/**
 * What the relay keeps so that it can wake devices: for each device that asked, the address at its browser's push service.
 *
 * Guarantees, for every implementation (the contract suite proves each)
 * - S1 a device has one address at most in a tenant, the last one it gave; it is durable when the promise resolves
 * - S2 a user has at most `maxDevices` of them in a tenant: another one is refused, and nothing changes
 * - S3 they go with their tenant
 *
 * An address is a secret between the server and the push service: who knows it can wake the device, and nothing more.
 */
import type { AuthorKey, TenantId } from "../../src/std/index.ts";

/** A device that is to be woken when there is news. */
export interface Subscription {
  /** the key that it signs in with */
  readonly device: AuthorKey;
  readonly user: AuthorKey;
  /** at the browser's push service */
  readonly endpoint: string;
}

/** Devices of one user in one tenant that are woken. */
export const maxDevices = 32;

/** The part of a storage that is about waking devices. */
export interface SubscriptionStorage {
  /** Keep a device's address; `false` when its user has enough of them. @throws `store/failed` for an unknown tenant */
  putSubscription(tenantId: TenantId, subscription: Subscription): Promise<boolean>;
  /** Forget a device's address; with `endpoint` only if it is still that one. Doing it twice changes nothing. */
  removeSubscription(tenantId: TenantId, device: AuthorKey, endpoint?: string): Promise<void>;
  /** Those whose device follows `after` in an order that stays, or the first ones. */
  listSubscriptions(
    tenantId: TenantId,
    after: AuthorKey | undefined,
    maxCount: number,
  ): Promise<readonly Subscription[]>;
}
