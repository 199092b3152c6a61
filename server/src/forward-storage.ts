/**
 * What the relay keeps of its forwarding: how far another server has each log, see forward-place.ts, and its files, see forward-files-place.ts.
 *
 * Guarantees, for every implementation (the contract suite proves each)
 * - P1 places are durable when the promise resolves, all of one call or none; the last one that was given for a log counts
 * - P2 the places of one server say nothing of another's
 * - P3 they go with their tenant; for one that is not there nothing is kept
 *
 * It does not read them: what is in a place is the caller's business.
 */
import type { DbId, TenantId } from "../../src/std/index.ts";

/** How far another server has some logs of a tenant, as bytes. */
export type ForwardPlaces = ReadonlyMap<DbId, Uint8Array>;

/** The part of a storage that is about forwarding. */
export interface ForwardStorage {
  /** @param serverKey 32 bytes: who is forwarded to, or the name that its files are kept under */
  readForwarded(tenantId: TenantId, serverKey: Uint8Array): Promise<ForwardPlaces>;
  writeForwarded(tenantId: TenantId, serverKey: Uint8Array, places: ForwardPlaces): Promise<void>;
}
