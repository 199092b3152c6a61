/** One clock for two browsers: the system's, at the resolution of `performance.now()`. */

/**
 * Tell the milliseconds since 1970 finer than `Date.now()` does. Each process fixes its `timeOrigin` for itself, so the offset is
 * taken at the moment the system's clock turns to its next millisecond.
 */
export function createWallClock(): () => number {
  const offsets = Array.from({ length: 9 }, () => {
    const before = Date.now();
    let wall = before;
    while (wall === before) wall = Date.now();
    return wall - performance.now();
  });
  // The turn is always noticed a little late, never early: the largest offset is the nearest.
  const offset = Math.max(...offsets);
  return () => performance.now() + offset;
}
