/** Where the words of a search stand in the texts of a document. */
import type { Path } from "../draft/index.ts";
import type { DocText } from "./texts.ts";
import { eachWord } from "./words.ts";

/** Documents with more hits are marked so often, from their beginning. */
export const maxMarks = 256;

/** A word that was searched for, in UTF-16 units of the text at `path`. */
export interface SearchMark {
  readonly field: string;
  readonly path: Path;
  readonly from: number;
  readonly to: number;
}

/** Find the words in the texts of a document, in their order; words that touch are one range. */
export function findMarks(
  texts: readonly DocText[],
  isMatch: (term: string) => boolean,
  fields?: readonly string[],
): readonly SearchMark[] {
  const marks: SearchMark[] = [];
  for (const { field, path, text } of texts) {
    if (fields?.includes(field) === false) continue;
    let open: { from: number; to: number } | undefined;
    const close = (): void => {
      if (open !== undefined && marks.length < maxMarks) marks.push({ field, path, ...open });
    };
    eachWord(text, (term, from, to) => {
      if (!isMatch(term)) return;
      if (open !== undefined && from <= open.to) {
        open.to = to;
        return;
      }
      close();
      open = { from, to };
    });
    close();
    if (marks.length >= maxMarks) break;
  }
  return marks;
}
