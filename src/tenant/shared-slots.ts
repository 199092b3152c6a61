/**
 * What the tabs of a device share beside the log: the key bag with its names, and the list of purged documents. What another tab writes
 * is taken over here.
 */
import { isCofferError, type Release } from "../std/index.ts";
import type { TenantCore } from "./core.ts";
import { reloadKeys } from "./named-keys.ts";
import { readPurged, setPurged, type PurgedDoc } from "./purge.ts";
import { slotNames } from "./slots.ts";

/** Who wants to know. */
export interface SharedSlotHooks {
  /** there are keys that were not there before */
  onKeys(): void;
  /** another tab purged these; called from within the tenant's queue */
  onPurged(rows: readonly PurgedDoc[]): void;
}

/** Take over what other tabs of this device write, until released. The tenant must be unlocked. */
export function followSharedSlots(core: TenantCore, hooks: SharedSlotHooks): Release {
  const takeKeys = async (): Promise<void> => {
    if (await reloadKeys(core)) hooks.onKeys();
  };
  const takePurged = async (): Promise<void> => {
    if (core.unlocked === undefined) return;
    const before = core.purged.ids;
    setPurged(core, await readPurged(core));
    const rows = core.purged.rows.filter(({ docId }) => !before.has(docId));
    if (rows.length > 0) hooks.onPurged(rows);
  };
  // The next opening reads them anew.
  const later = (step: () => Promise<void>): void => {
    core.serial.run(step).catch((error: unknown) => {
      if (!isCofferError(error)) throw error;
    });
  };
  const release = core.store.onWrite(({ local, slotNames: written }) => {
    if (local) return;
    if (written.includes(slotNames.bag)) later(takeKeys);
    if (written.includes(slotNames.purged)) later(takePurged);
  });
  // What was written while this tenant was being opened was told before anyone listened.
  later(takeKeys);
  later(takePurged);
  return release;
}
