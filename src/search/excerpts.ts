/**
 * Pieces cut out of the texts of a document around the words that were searched for.
 *
 * ```
 *   text    … the sea. They bought solar panels, and the panels paid for themselves within …
 *   piece            They bought [solar] [panels], and the [panels] paid for
 * ```
 *
 * Guarantees
 * - E1 a piece is a part of its text, of at most so many UTF-16 units, and never cuts a character in two
 * - E2 it shows as many hits as can stand together, and of such places the first
 * - E3 it begins and ends between words, where one of the next few places is between words
 * - E4 its marks are those hits, counted from where it begins, within it, in their order
 */
import type { Path } from "../draft/index.ts";
import type { SearchMark } from "./marks.ts";
import type { DocText } from "./texts.ts";

/** Bounds of excerpts: their length, and how many of one document. */
export const excerptLimits = { leastUnits: 16, mostUnits: 1000, count: 8 } as const;

/** How far a piece gives way, so that it begins and ends between words. */
const giveUnits = 24;
/** How much around a place is looked at, to see where characters end. */
const characterUnits = 32;

/** A range of a text, in UTF-16 units. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** A part of the text at `path`. */
export interface SearchExcerpt {
  readonly field: string;
  readonly path: Path;
  /** where it begins in the whole text, and how long that is: both in UTF-16 units */
  readonly from: number;
  readonly wholeLength: number;
  readonly text: string;
  /** where the words stand in this part */
  readonly marks: readonly Range[];
}

/** Cut a piece out of each of the first texts that have hits. `marks`: as `findMarks` gave them for these texts. */
export function cutExcerpts(
  texts: readonly DocText[],
  marks: readonly SearchMark[],
  lengthUnits: number,
): readonly SearchExcerpt[] {
  const marksByPath = new Map<Path, SearchMark[]>();
  for (const mark of marks) {
    const before = marksByPath.get(mark.path);
    if (before === undefined) marksByPath.set(mark.path, [mark]);
    else before.push(mark);
  }
  const excerpts: SearchExcerpt[] = [];
  for (const { field, path, text } of texts) {
    const hits = marksByPath.get(path) ?? [];
    if (hits.length === 0) continue;
    const { from, to } = pieceOf(text, hits, lengthUnits);
    excerpts.push({
      field,
      path,
      from,
      wholeLength: text.length,
      text: text.slice(from, to),
      marks: hits.flatMap((hit) => within(hit, { from, to })),
    });
    if (excerpts.length === excerptLimits.count) break;
  }
  return excerpts;
}

/** What of a hit is in a piece, counted from there. */
function within(hit: Range, piece: Range): readonly Range[] {
  const [from, to] = [Math.max(hit.from, piece.from), Math.min(hit.to, piece.to)];
  return from < to ? [{ from: from - piece.from, to: to - piece.from }] : [];
}

function pieceOf(text: string, hits: readonly Range[], lengthUnits: number): Range {
  if (text.length <= lengthUnits) return { from: 0, to: text.length };
  const shown = mostTogether(hits, lengthUnits);
  const hitUnits = Math.min(shown.to - shown.from, lengthUnits);
  // As much before the hits as behind them, unless the text ends there.
  const lead = Math.floor((lengthUnits - hitUnits) / 2);
  const from = Math.max(0, Math.min(shown.from - lead, text.length - lengthUnits));
  const to = Math.min(text.length, from + lengthUnits);
  return {
    from: from === 0 ? 0 : begin(text, from, Math.min(shown.from, from + giveUnits)),
    to: to === text.length ? to : end(text, to, Math.max(Math.min(shown.to, to), to - giveUnits)),
  };
}

/** The first of the places where most hits stand within so many units. */
function mostTogether(hits: readonly Range[], lengthUnits: number): Range {
  let best: Range = hits[0] ?? { from: 0, to: 0 };
  let bestCount = 0;
  let last = 0;
  for (const [first, { from }] of hits.entries()) {
    last = Math.max(last, first);
    while (last + 1 < hits.length && (hits[last + 1]?.to ?? 0) <= from + lengthUnits) last += 1;
    const count = last - first + 1;
    if (count <= bestCount) continue;
    bestCount = count;
    best = { from, to: hits[last]?.to ?? from };
  }
  return best;
}

const isSpace = (text: string, at: number): boolean => /\s/.test(text.charAt(at));

/** The first place from `from` on, up to `most`, that a word begins at; otherwise the first between two characters. */
function begin(text: string, from: number, most: number): number {
  for (let at = from; at <= most; at += 1) if (isSpace(text, at - 1) && !isSpace(text, at)) return at;
  let at = from;
  while (!isBetween(text, at) && at < most) at += 1;
  return at;
}

/** The last place from `to` down, to `least`, that a word ends at; otherwise the last between two characters. */
function end(text: string, to: number, least: number): number {
  for (let at = to; at >= least; at -= 1) if (isSpace(text, at) && !isSpace(text, at - 1)) return at;
  let at = to;
  while (!isBetween(text, at) && at > least) at -= 1;
  return at;
}

const characters =
  typeof Intl.Segmenter === "function" ? new Intl.Segmenter("en", { granularity: "grapheme" }) : undefined;

/** Whether one character, as people see them, ends here and another begins. */
function isBetween(text: string, at: number): boolean {
  if (at === 0 || at >= text.length) return true;
  const start = Math.max(0, at - characterUnits);
  const around = text.slice(start, at + characterUnits);
  if (characters !== undefined)
    return characters.segment(around).containing(at - start)?.index === at - start;
  return !(/[\uD800-\uDBFF]/.test(text.charAt(at - 1)) && /[\uDC00-\uDFFF]/.test(text.charAt(at)));
}
