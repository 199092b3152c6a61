/** A signal for each part of what changes as a whole. */
import { computed, type ReadonlySignal } from "@preact/signals-core";

/** The parts of `S` by these names. */
export type Parts<S, K extends keyof S> = { readonly [N in K]: ReadonlySignal<S[N]> };

/** Make a computed signal for each of some parts, by name. Each of them holds `read`, and whatever that holds. */
export function createParts<S, K extends keyof S>(names: readonly K[], read: (name: K) => S[K]): Parts<S, K> {
  return Object.fromEntries(names.map((name) => [name, computed(() => read(name))])) as Parts<S, K>;
}
