import type { Env, Release } from "../../src/std/index.ts";

/** What {@link createGroupCommit} gives: add work, or write what is queued at once. */
export interface GroupCommit<Item, Outcome> {
  add(item: Item): Promise<Outcome>;
  flush(): void;
}

interface Queued<Item, Outcome> {
  readonly item: Item;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (cause: unknown) => void;
}

/**
 * Gather the work of concurrent callers and write it in one transaction: one flush of the disk for all of them.
 *
 * @param write one transaction over all items, in order; what it throws rejects every one of them
 */
export function createGroupCommit<Item, Outcome>(
  env: Pick<Env, "setTimer">,
  options: { readonly delayMs: number; readonly maxItems: number },
  write: (items: readonly Item[]) => readonly Outcome[],
): GroupCommit<Item, Outcome> {
  let queue: Queued<Item, Outcome>[] = [];
  let cancelTimer: Release | undefined;

  function flush(): void {
    cancelTimer?.();
    cancelTimer = undefined;
    const batch = queue;
    queue = [];
    if (batch.length === 0) return;
    let outcomes: readonly Outcome[];
    try {
      outcomes = write(batch.map(({ item }) => item));
    } catch (cause) {
      for (const { reject } of batch) reject(cause);
      return;
    }
    for (const [index, { resolve, reject }] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined) reject(new RangeError("A write gave fewer outcomes than items"));
      else resolve(outcome);
    }
  }

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        queue.push({ item, resolve, reject });
        if (queue.length >= options.maxItems) flush();
        else cancelTimer ??= env.setTimer(options.delayMs, flush);
      }),
    flush,
  };
}
