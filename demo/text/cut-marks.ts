/** Texts with places marked in them. Pure. */

/** A place in a text, in UTF-16 units. */
export interface Place {
  readonly from: number;
  readonly to: number;
}

/** A part of a text. */
export interface TextPart {
  readonly text: string;
  readonly isHit: boolean;
}

/**
 * Cut a text into parts at the places that are marked. The places are those of another moment: the text may have changed since,
 * so that what is not a place of this text, or lies before the one before it, is left out.
 */
export function cutMarks(text: string, places: readonly Place[]): readonly TextPart[] {
  const parts: TextPart[] = [];
  let at = 0;
  for (const { from, to } of places) {
    if (!(from >= at && to > from && to <= text.length)) continue;
    if (from > at) parts.push({ text: text.slice(at, from), isHit: false });
    parts.push({ text: text.slice(from, to), isHit: true });
    at = to;
  }
  if (at < text.length || parts.length === 0) parts.push({ text: text.slice(at), isHit: false });
  return parts;
}
