/**
 * The way to the part of the page that the first screen does without: one file, loaded at the first use of any of it.
 *
 * The expression in `loadMore` must stay exactly as it is: bundlers follow that literal, and the library's own build
 * rewrites the address in it.
 */
import { toCofferError } from "../std/index.ts";
import type * as more from "./more.ts";

/** All that `more.ts` gives. */
export type More = typeof more;

let loading: Promise<More> | undefined;

/** Load it, once. @throws worker/failed when it cannot be had; the next call tries again */
export async function loadMore(): Promise<More> {
  try {
    return await (loading ??= import("./more.ts"));
  } catch (cause) {
    loading = undefined;
    throw toCofferError(cause);
  }
}

/** What the functions of it that take `C` first are to callers who give the rest. */
type Bound<C> = {
  [N in keyof More as More[N] extends (core: C, ...args: never) => object ? N : never]: More[N] extends (
    core: C,
    ...args: infer Args
  ) => infer Reply
    ? (...args: Args) => Reply
    : never;
};
type AnyCall<Reply> = (...args: unknown[]) => Reply;

/** The words of a text. */
type Words<S extends string> = S extends `${infer First} ${infer Rest}` ? First | Words<Rest> : S;

/**
 * Make functions that load it and run its functions of the same names on what `use` gives. The names are words of one text, which a page
 * loads in fewer bytes than a list, and in the order that gzip likes best. Those that begin with "iter", and `audit`, go through many
 * things, and load it with the first step.
 */
export function lazily<C, const S extends string>(
  use: () => C,
  names: S & (Words<S> extends keyof Bound<C> ? S : never),
): Pick<Bound<C>, Words<S> & keyof Bound<C>> {
  const find = async <Reply>(name: string): Promise<AnyCall<Reply>> => (await loadMore())[name as never];
  const calls = names.split(" ").map((name) => [
    name,
    /^iter|^audit/.test(name)
      ? async function* (...args: unknown[]) {
          const core = use();
          yield* (await find<AsyncIterable<unknown>>(name))(core, ...args);
        }
      : async (...args: unknown[]) => {
          const core = use();
          return (await find<Promise<unknown>>(name))(core, ...args);
        },
  ]);
  return Object.fromEntries(calls) as Pick<Bound<C>, Words<S> & keyof Bound<C>>;
}
