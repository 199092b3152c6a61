/**
 * Notices a tenant whose store is gone or was emptied, by the browser or by hand, and remembers it in the device's row.
 *
 * | store | row | what happens |
 * |---|---|---|
 * | holds commits | lost | found again: no longer lost |
 * | empty, keys there | has held commits | lost; what is known of servers' logs is forgotten, so that everything is pulled again |
 * | no keys | any | lost; it opens after a backup was taken in, see restore.ts |
 * | anything | none | nothing to see: a backup brings the row back, and the log is still there |
 *
 * Either way one who unlocks afterwards is told once, by an alarm: by what was written here and never sent, the tenant may be poorer.
 */
import { isCofferError } from "../std/index.ts";
import type { SlotWrite, Store } from "../store/index.ts";
import type { Device, DeviceTenant } from "./device.ts";
import { slotNames } from "./slots.ts";

/** Look whether the store of a tenant that is being opened still has its log. @returns whether it was emptied */
export async function noticeEmptied(device: Device, row: DeviceTenant, store: Store): Promise<boolean> {
  const hasCommits = (await store.lastPosition()) > 0;
  const isEmptied = row.hadCommits && !hasCommits;
  if (isEmptied) await forgetLog(store);
  if (isEmptied !== row.isLost || hasCommits !== row.hadCommits)
    await note(device, row, { isLost: isEmptied, hadCommits: row.hadCommits || hasCommits });
  return isEmptied;
}

/** Look whether a backup has put keys in the place of a store that was lost, and no one was told yet. */
export async function noticeRefilled(store: Store): Promise<boolean> {
  if ((await store.readSlot(slotNames.refilled)) === undefined) return false;
  await unlessFull(store.write({ slots: [{ name: slotNames.refilled, value: undefined }] }));
  return true;
}

/** Remember that the store of a tenant has no keys any more. */
export async function noteLost(device: Device, row: DeviceTenant): Promise<void> {
  await note(device, row, { isLost: true });
}

/** Everything that vouches for a log that is no more: cursors, outboxes, pages. Servers stay known by their keys. */
async function forgetLog(store: Store): Promise<void> {
  const names = [...(await store.readSlots("remote/")), ...(await store.readSlots("derived/"))]
    .map(({ name }) => name)
    .filter((name) => !name.endsWith("/server"));
  const slots = names.map((name): SlotWrite => ({ name, value: undefined }));
  if (slots.length > 0) await store.write({ slots, durability: "strict" });
}

function note(
  device: Device,
  row: DeviceTenant,
  change: Partial<Pick<DeviceTenant, "hadCommits" | "isLost">>,
): Promise<void> {
  return unlessFull(device.noteTenant(row.tenantId, change));
}

/** What is remembered helps the next opening; this one goes on without it when the disk is full. */
async function unlessFull(writing: Promise<unknown>): Promise<void> {
  try {
    await writing;
  } catch (error) {
    if (!isCofferError(error) || error.code !== "store/quota") throw error;
  }
}
