/** A text with what was searched for marked in it. */
import { cutMarks, type Place } from "../text/cut-marks.ts";

/** Show a text, always as text. */
export function Marked({ text, places }: { readonly text: string; readonly places: readonly Place[] }) {
  if (places.length === 0) return <>{text}</>;
  return (
    <>
      {cutMarks(text, places).map((part, index) =>
        part.isHit ? <mark key={index}>{part.text}</mark> : part.text,
      )}
    </>
  );
}
