/** The text of files that are text already. */
import type { Extractor } from "../page/index.ts";
import { extractLimits, foundText, nothing } from "./limits.ts";

const types =
  /^(?:text\/(?:plain|markdown|csv|tab-separated-values|x-log|vtt)|application\/(?:json|x-ndjson|x-subrip))$/;
const names = /\.(?:txt|text|md|markdown|csv|tsv|log|json|ndjson|srt|vtt)$/i;
/** What browsers say of a file whose kind they do not know. */
const unknown = /^(?:|application\/octet-stream)$/;

/** What a file's first bytes say of the others. */
const marks = [
  { bytes: [0xef, 0xbb, 0xbf], encoding: "utf-8" },
  { bytes: [0xff, 0xfe], encoding: "utf-16le" },
  { bytes: [0xfe, 0xff], encoding: "utf-16be" },
] as const;

/** Makes the text of text files, of lists and logs: their first 512 KiB. HTML is none of them. */
export function plainText(): Extractor {
  return {
    gives: "text",
    async extract(file, { name, type }) {
      const plain = type.split(";")[0]?.trim().toLowerCase() ?? "";
      if (!types.test(plain) && !(unknown.test(plain) && names.test(name))) return nothing;
      const text = decode(new Uint8Array(await file.slice(0, extractLimits.textBytes).arrayBuffer()));
      return text === undefined ? nothing : foundText(text);
    },
  };
}

/** Read bytes as text; `undefined`: they are none. What is cut off in the middle of a character at the end is left out. */
export function decode(bytes: Uint8Array): string | undefined {
  const mark = marks.find((one) => one.bytes.every((byte, index) => bytes[index] === byte));
  if (mark !== undefined) return new TextDecoder(mark.encoding).decode(bytes, { stream: true });
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch {
    // Older files are in what their writers' systems wrote; of a language in Latin letters most of it is read so.
    return new TextDecoder("windows-1252").decode(bytes);
  }
}
