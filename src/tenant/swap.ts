/**
 * Changing slots by compare-and-swap: read, change, write if nobody else wrote, and from the start where somebody did.
 *
 * A store may fail without saying whether it wrote. Then it is read again as well, and what the write did shows there. A store that
 * cannot tell twice is left alone.
 */
import type { BatchResult } from "../store/index.ts";
import { CofferError, isCofferError } from "../std/index.ts";

const maxAttempts = 8;

/** How one attempt ended, unless it has a value. */
export const again = Symbol("again");

/** Whether a write was made. @throws what stopped it, where it says that nothing was written */
export type Swap = (writing: Promise<BatchResult>) => Promise<boolean>;

/**
 * Make attempts until one gives a value.
 *
 * @param what names the slots where it fails
 * @throws `store/failed` when others always write in between, or the store does not say twice whether it wrote
 */
export async function swapSlots<T>(
  what: string,
  attempt: (swap: Swap) => Promise<T | typeof again>,
  onUnknown: () => void = () => undefined,
): Promise<T> {
  let unknownCount = 0;
  const swap: Swap = async (writing) => {
    try {
      return (await writing).kind === "stored";
    } catch (error) {
      if (!isCofferError(error) || error.details["outcome"] !== "unknown") throw error;
      onUnknown();
      unknownCount += 1;
      if (unknownCount > 1) throw error;
      return false;
    }
  };
  for (let count = 0; count < maxAttempts; count++) {
    const outcome = await attempt(swap);
    if (outcome !== again) return outcome;
  }
  throw new CofferError("store/failed", { what, reason: "conflict" });
}
