/**
 * What the tabs of a device share beside the log: the key bag with its names, and the list of purged documents. What another tab writes
 * is taken over here.
 */
import { isCofferError } from "../std/index.ts";
import type { TenantCore } from "./core.ts";
import { reloadKeys } from "./named-keys.ts";
import { takePurged, type PurgedDoc } from "./purge.ts";
import { slotNames } from "./slots.ts";

/** Who wants to know. */
export interface SharedSlotHooks {
  /** there are keys that were not there before */
  onKeys(): void;
  /** these were purged; called from within the tenant's queue */
  onPurged(rows: readonly PurgedDoc[]): void;
}

/** What is shared, while it is followed. */
export interface SharedSlots {
  /** Look at the list of purged documents where nobody told whether it was written. Called in the tenant's queue. */
  makeSure(): Promise<void>;
  release(): void;
}

/** Take over what other tabs of this device write, until released. The tenant must be unlocked. */
export function followSharedSlots(core: TenantCore, hooks: SharedSlotHooks): SharedSlots {
  const takeKeys = async (): Promise<void> => {
    if (await reloadKeys(core)) hooks.onKeys();
  };
  // What is told is kept apart from the list: whoever writes it reads what other tabs wrote first, and goes by that at once.
  let told = core.purged.ids;
  const followPurged = async (): Promise<void> => {
    if (core.unlocked === undefined) return;
    const { ids, rows } = await takePurged(core);
    const news = rows.filter(({ docId }) => !told.has(docId));
    told = ids;
    if (news.length > 0) hooks.onPurged(news);
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
    if (written.includes(slotNames.purged)) later(followPurged);
  });
  // What was written while this tenant was being opened was told before anyone listened.
  later(takeKeys);
  later(followPurged);
  const makeSure = async (): Promise<void> => {
    if (core.unlocked?.isPurgedUnsure === true) await followPurged();
  };
  return { makeSure, release };
}
