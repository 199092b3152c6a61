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

/** The ranges of places that rise, held to `maxCount` as in {@link addRange}. */
export function rangesOf(seqs: readonly number[], maxCount: number): SeqRanges {
  const ranges: SeqRange[] = [];
  let from: number | undefined;
  for (const [index, seq] of seqs.entries()) {
    from ??= seq;
    if (seqs[index + 1] === seq + 1) continue;
    ranges.push({ from, to: seq + 1 });
    from = undefined;
  }
  return joinNearest(ranges, maxCount);
}

/** The first place from one on that is in a range, and where that range ends; `undefined` behind all of them. */
export function nextIn(ranges: SeqRanges, seq: number): SeqRange | undefined {
  const range = ranges.find(({ to }) => to > seq);
  return range && { from: Math.max(range.from, seq), to: range.to };
}

/** What is apart stays so across the widest gaps. */
function joinNearest(ranges: SeqRanges, maxCount: number): SeqRanges {
  if (ranges.length <= maxCount) return ranges;
  const gaps = ranges
    .slice(1)
    .map(({ from }, index) => ({ at: index + 1, size: from - (ranges[index]?.to ?? 0) }));
  const widest = gaps.sort((a, b) => b.size - a.size || a.at - b.at).slice(0, maxCount - 1);
  const starts = [0, ...widest.map(({ at }) => at).sort((a, b) => a - b)];
  return starts.flatMap((start, index) => {
    const [first, last] = [ranges[start], ranges[(starts[index + 1] ?? ranges.length) - 1]];
    return first === undefined || last === undefined ? [] : [{ from: first.from, to: last.to }];
  });
}
