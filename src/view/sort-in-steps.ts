/** Sorting that lets others take turns: runs are sorted, then merged two by two. */

/** Sort; yields 0 after every so many items of work. The order of equal items is kept. */
export function* sortInSteps<T>(
  items: readonly T[],
  compare: (left: T, right: T) => number,
  stepSize: number,
): Generator<number, T[]> {
  let runs: T[][] = [];
  for (let at = 0; at < items.length; at += stepSize) {
    runs.push(items.slice(at, at + stepSize).sort(compare));
    if (items.length > stepSize) yield 0;
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let index = 0; index < runs.length; index += 2)
      merged.push(yield* mergeInSteps(runs[index] ?? [], runs[index + 1] ?? [], compare, stepSize));
    runs = merged;
  }
  return runs[0] ?? [];
}

/** Merge what is in order; yields 0 after every so many items. Of equal items the left one comes first. */
export function* mergeInSteps<T>(
  left: readonly T[],
  right: readonly T[],
  compare: (left: T, right: T) => number,
  stepSize: number,
): Generator<number, T[]> {
  const merged: T[] = [];
  let [one, other] = [0, 0];
  while (one < left.length && other < right.length) {
    const [first, second] = [left[one] as T, right[other] as T];
    if (compare(first, second) <= 0) {
      merged.push(first);
      one += 1;
    } else {
      merged.push(second);
      other += 1;
    }
    if (merged.length % stepSize === 0) yield 0;
  }
  for (; one < left.length; one += 1) merged.push(left[one] as T);
  for (; other < right.length; other += 1) merged.push(right[other] as T);
  return merged;
}
