/** What extractors look at and give at most. */
import type { Extracted } from "../page/index.ts";

/** Larger files are not looked at; what is longer is cut; and what takes longer is given up. */
export const extractLimits = {
  textBytes: 512 * 1024,
  pictureBytes: 256 * 1024,
  /** of a PDF */
  fileBytes: 64 * 1024 * 1024,
  pages: 2000,
  /** of a picture that is decoded */
  pixels: 64_000_000,
  threadMs: 30_000,
  videoMs: 15_000,
} as const;

type Reason = Extract<Extracted, { readonly kind: "refused" }>["reason"];

/** A verdict that says why there is nothing. */
export const refused = (reason: Reason): Extracted => ({ kind: "refused", reason });

/** Nothing is in it, or it is another's. */
export const nothing: Extracted = { kind: "nothing" };

/** A text as it is kept: cut between two characters where it is too long. */
export function foundText(text: string): Extracted {
  const plain = text.replaceAll("\0", "").trim();
  const bytes = new Uint8Array(extractLimits.textBytes);
  const { written } = new TextEncoder().encodeInto(plain, bytes);
  if (written === 0) return nothing;
  return { kind: "found", content: new Blob([bytes.subarray(0, written)], { type: "text/plain" }) };
}
