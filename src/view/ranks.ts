/**
 * Ranks in place of comparisons: where many documents share what they are ordered by first, each of those values is compared with the
 * others once, however many documents have it. Comparing texts by a locale is what building a view takes longest for.
 */
import type { Plan } from "./plan.ts";
import { sortInSteps } from "./sort-in-steps.ts";

/** Of fewer documents, or more values than a share of them, ranks are not worth their making. */
const leastItems = 256;
const sharedBy = 4;

/** By first key: numbers in the order of a plan, the same for keys that compare alike. */
export type Ranks = ReadonlyMap<unknown, number>;

/** Rank the first keys of documents; `undefined` where too few are shared. Yields 0 after every so many steps of work. */
export function* rankFirstKeys(
  plan: Plan,
  all: readonly { readonly keys: readonly unknown[] | undefined }[],
  stepSize: number,
): Generator<number, Ranks | undefined> {
  if (all.length < leastItems || !plan.isOrdered) return undefined;
  const firsts = new Set<unknown>();
  for (const { keys } of all) {
    firsts.add(keys?.[0]);
    if (firsts.size > all.length / sharedBy) return undefined;
  }
  const compare = ([left]: readonly unknown[], [right]: readonly unknown[]): number =>
    plan.compareKeys([left], [right]);
  const sorted = yield* sortInSteps(
    Array.from(firsts, (first) => [first]),
    compare,
    stepSize,
  );
  const ranks = new Map<unknown, number>();
  let before: readonly unknown[] | undefined;
  let rank = 0;
  for (const key of sorted) {
    if (before !== undefined && compare(before, key) !== 0) rank += 1;
    ranks.set(key[0], rank);
    before = key;
  }
  return ranks;
}
