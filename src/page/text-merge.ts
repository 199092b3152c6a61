/** Three-way merging of a text field's content, and where its caret goes. Positions are UTF-16 units. */

/** The one replacement that turns a text into another: `[from, to)` becomes `insert`. */
export interface Replacement {
  readonly from: number;
  readonly to: number;
  readonly insert: string;
}

/** Find the replacement between two texts: what lies between their common beginning and their common end. */
export function findReplacement(before: string, after: string): Replacement {
  const shortest = Math.min(before.length, after.length);
  let from = 0;
  while (from < shortest && before[from] === after[from]) from += 1;
  let tail = 0;
  while (tail < shortest - from && before[before.length - 1 - tail] === after[after.length - 1 - tail])
    tail += 1;
  return { from, to: before.length - tail, insert: after.slice(from, after.length - tail) };
}

/**
 * Bring what was typed into a field together with what others changed meanwhile.
 *
 * Nothing that either side inserted is lost; where both replaced the same place, theirs comes first.
 *
 * @param base what the field held when typing began
 */
export function mergeText(base: string, mine: string, theirs: string): string {
  if (base === theirs) return mine;
  if (base === mine) return theirs;
  const own = findReplacement(base, mine);
  const other = findReplacement(base, theirs);
  const [first, second] = own.to <= other.from && own.from < other.to ? [own, other] : [other, own];
  if (first.to <= second.from) {
    return (
      base.slice(0, first.from) +
      first.insert +
      base.slice(first.to, second.from) +
      second.insert +
      base.slice(second.to)
    );
  }
  const from = Math.min(own.from, other.from);
  const to = Math.max(own.to, other.to);
  return base.slice(0, from) + other.insert + own.insert + base.slice(to);
}

/**
 * Where a caret goes when the text around it changes: it stays beside the same characters, or at the end of
 * what replaced them.
 */
export function moveCaret(caret: number, before: string, after: string): number {
  const { from, to, insert } = findReplacement(before, after);
  if (caret <= from) return caret;
  if (caret >= to) return caret + insert.length - (to - from);
  return from + insert.length;
}
