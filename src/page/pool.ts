/** Things that several handles share: opened for the first, closed after the last. */
import { CofferError } from "../std/index.ts";

/** One holder's share. */
export interface Lease<C> {
  readonly shared: C;
  /** the shared thing, as long as the share was not given back. @throws store/closed */
  readonly use: () => C;
  /** Give the share back; doing it again does nothing. */
  readonly release: () => void;
}

/** What can be closed; closing again does no harm. */
export interface Closable {
  close(): Promise<void>;
}

interface Slot<C> {
  readonly opening: Promise<C>;
  holderCount: number;
}

/** A set of shared things by key. */
export interface Pool<K, C> {
  /** Take a share; whoever comes while it is being opened waits for the same opening. */
  acquire(key: K, open: () => Promise<C>): Promise<Lease<C>>;
  /** those that are open, and those whose closing is not done */
  readonly live: ReadonlySet<C>;
  /** Resolve once every closing that has begun is done. */
  quiet(): Promise<void>;
}

/**
 * Make a pool. Each thing is closed after its last holder is gone; nobody waits for that, and its failure
 * changes nothing.
 */
export function createPool<K, C extends Closable>(): Pool<K, C> {
  const slots = new Map<K, Slot<C>>();
  const live = new Set<C>();
  let closings: Promise<unknown> = Promise.resolve();

  function leave(key: K, slot: Slot<C>): void {
    slot.holderCount -= 1;
    if (slot.holderCount > 0) return;
    if (slots.get(key) === slot) slots.delete(key);
    const closing = slot.opening.then(async (shared) => shared.close().finally(() => live.delete(shared)));
    closings = Promise.allSettled([closings, closing]).then(() => undefined);
  }

  return {
    live,
    async quiet() {
      await closings;
    },
    async acquire(key, openIt) {
      let slot = slots.get(key);
      if (slot === undefined) {
        const opening = openIt().then((shared) => {
          live.add(shared);
          return shared;
        });
        slot = { opening, holderCount: 0 };
        slots.set(key, slot);
      }
      const held = slot;
      held.holderCount += 1;
      try {
        const shared = await held.opening;
        return createLease(shared, () => leave(key, held));
      } catch (cause) {
        leave(key, held);
        throw cause;
      }
    },
  };
}

function createLease<C>(shared: C, leave: () => void): Lease<C> {
  let isReleased = false;
  return {
    shared,
    use() {
      if (isReleased) throw new CofferError("store/closed", { message: "This handle was disposed." });
      return shared;
    },
    release() {
      if (!isReleased) leave();
      isReleased = true;
    },
  };
}
