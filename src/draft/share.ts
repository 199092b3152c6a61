import { freezeMap, isContainer } from "./value.ts";

/**
 * Freeze `after`, keeping every branch of `before` that is equal to it. A frozen branch that takes nothing of `before` in stays the
 * object that it is.
 *
 * @returns `before` itself when nothing differs; a reader that compares by identity sees exactly what changed
 */
export function shareStructure<T>(before: unknown, after: T): T {
  return share(before, after) as T;
}

type Places = readonly string[] | undefined;
type Container = { readonly [place: string | number]: unknown };

/** Where the parts of a container are: its keys; `undefined` for a list, whose parts are where they stand. */
export function placesOf(container: object): Places {
  return Array.isArray(container) ? undefined : Object.keys(container);
}

/** The frozen container of these parts: the first of `known` that has the very same ones, or a new one. */
export function assemble(places: Places, parts: readonly unknown[], known: readonly unknown[] = []): object {
  const isIt = (one: unknown): one is object => {
    if (!isContainer(one) || Array.isArray(one) !== (places === undefined)) return false;
    const own = one as Container;
    return (
      (placesOf(one) ?? (one as readonly unknown[])).length === parts.length &&
      parts.every((part, index) => {
        const place = places?.[index] ?? index;
        return Object.hasOwn(own, place) && Object.is(part, own[place]);
      })
    );
  };
  return (
    known.find(isIt) ??
    (places === undefined
      ? Object.freeze(parts)
      : freezeMap(places.map((place, index) => [place, parts[index]])))
  );
}

function share(before: unknown, after: unknown): unknown {
  if (Object.is(before, after)) return before;
  if (after instanceof Date)
    return before instanceof Date && before.getTime() === after.getTime() ? before : after;
  if (after instanceof Uint8Array)
    return before instanceof Uint8Array && sameBytes(before, after) ? before : after;
  if (!isPlain(after)) return after;
  const isPair = isPlain(before) && Array.isArray(before) === Array.isArray(after);
  const old = (isPair ? before : {}) as Container;
  const places = placesOf(after);
  const parts = Object.values(after).map((part: unknown, index) => {
    const place = places?.[index] ?? index;
    return share(Object.hasOwn(old, place) ? old[place] : undefined, part);
  });
  return assemble(places, parts, [before, Object.isFrozen(after) ? after : undefined]);
}

/** What has other prototypes is not looked into: a set, say, has no parts of its own. */
function isPlain(value: unknown): value is object {
  if (!isContainer(value) || Array.isArray(value)) return isContainer(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
