import { freezeMap, isPlainMap } from "./value.ts";

/**
 * Freeze `after`, keeping every branch of `before` that is equal to it.
 *
 * @returns `before` itself when nothing differs; a reader that compares by identity sees exactly what changed
 */
export function shareStructure<T>(before: unknown, after: T): T {
  return share(before, after) as T;
}

function share(before: unknown, after: unknown): unknown {
  if (Object.is(before, after)) return before;
  if (after instanceof Date)
    return before instanceof Date && before.getTime() === after.getTime() ? before : after;
  if (after instanceof Uint8Array)
    return before instanceof Uint8Array && sameBytes(before, after) ? before : after;
  if (Array.isArray(after)) {
    const old: readonly unknown[] = Array.isArray(before) ? before : [];
    const list = after.map((value, index) => share(old[index], value));
    const isSame =
      Array.isArray(before) &&
      old.length === list.length &&
      list.every((value, index) => Object.is(value, old[index]));
    return isSame ? before : Object.freeze(list);
  }
  if (!isPlainMap(after)) return after;
  const old: { readonly [key: string]: unknown } = isPlainMap(before) ? before : {};
  const entries = Object.entries(after).map(([key, value]): [string, unknown] => [
    key,
    share(Object.hasOwn(old, key) ? old[key] : undefined, value),
  ]);
  const isSame =
    isPlainMap(before) &&
    Object.keys(old).length === entries.length &&
    entries.every(([key, value]) => Object.hasOwn(old, key) && Object.is(value, old[key]));
  return isSame ? before : freezeMap(entries);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
