/** Which bytes of an answer a request wants: one range of RFC 9110, section 14. */

/** Bytes `from`, up to and without `to`. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Read a `Range` header for a content of so many bytes. Never throws.
 *
 * @returns `"whole"` without one, and for units that are not bytes; `"unsatisfiable"` for one that begins behind the end, is none, or asks
 *   for several
 */
export function readByteRange(
  header: string | null,
  sizeBytes: number,
): ByteRange | "whole" | "unsatisfiable" {
  if (header === null || !/^\s*bytes\s*=/i.test(header)) return "whole";
  const [, first, last] = /^\s*bytes\s*=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/i.exec(header) ?? [];
  if (first === undefined || last === undefined || first + last === "") return "unsatisfiable";
  // `-n` are the last n bytes.
  const from = first === "" ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const to = first === "" || last === "" ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
  return from < to ? { from, to } : "unsatisfiable";
}
