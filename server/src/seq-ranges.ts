/** Places of a log as ranges: in order, apart from each other, and so many at most that a few bytes hold them. */

/** From one place of a log up to another, which is not in it. */
export interface SeqRange {
  readonly from: number;
  readonly to: number;
}

/** Ranges that rise and do not touch. */
export type SeqRanges = readonly SeqRange[];

/** Add a range. Where there would be more than `maxCount`, those that are nearest to each other become one, with what is between them. */
export function addRange(ranges: SeqRanges, added: SeqRange, maxCount: number): SeqRanges {
  if (added.from >= added.to) return ranges;
  const apart = ranges.filter(({ from, to }) => to < added.from || from > added.to);
  const joined = ranges.filter(({ from, to }) => to >= added.from && from <= added.to);
  const one = {
    from: Math.min(added.from, ...joined.map(({ from }) => from)),
    to: Math.max(added.to, ...joined.map(({ to }) => to)),
  };
  return joinNearest(
    [...apart, one].sort((a, b) => a.from - b.from),
    maxCount,
  );
}

/** Take a range out; what it cuts in two counts against `maxCount` as in {@link addRange}. */
export function removeRange(ranges: SeqRanges, removed: SeqRange, maxCount: number): SeqRanges {
  if (removed.from >= removed.to) return ranges;
  const left = ranges.flatMap(({ from, to }) => [
    { from, to: Math.min(to, removed.from) },
    { from: Math.max(from, removed.to), to },
  ]);
  return joinNearest(
    left.filter(({ from, to }) => from < to),
    maxCount,
  );
}

function joinNearest(ranges: SeqRanges, maxCount: number): SeqRanges {
  let fewer = ranges;
  while (fewer.length > maxCount) {
    const gaps = fewer.map(({ from }, index) => from - (fewer[index - 1]?.to ?? -Infinity));
    const at = gaps.indexOf(Math.min(...gaps));
    const [before, after] = [fewer[at - 1], fewer[at]];
    if (before === undefined || after === undefined) break;
    fewer = [...fewer.slice(0, at - 1), { from: before.from, to: after.to }, ...fewer.slice(at + 1)];
  }
  return fewer;
}
