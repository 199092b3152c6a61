/** A text with what was searched for marked in it. */
import { markHits } from "../text/format.ts";

/** Show a text, always as text. */
export function Marked({ text, words }: { readonly text: string; readonly words: readonly string[] }) {
  if (words.length === 0) return <>{text}</>;
  return (
    <>
      {markHits(text, words).map((part, index) =>
        part.isHit ? <mark key={index}>{part.text}</mark> : part.text,
      )}
    </>
  );
}
