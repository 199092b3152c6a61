/**
 * The text of PDF files, by pdf.js in a thread of its own.
 *
 * The expression with the thread's address must stay exactly as it is: bundlers follow that literal, and the library's own build rewrites
 * the address in it.
 */
import type { Extractor } from "../page/index.ts";
import { extractLimits, nothing, refused } from "./limits.ts";
import { runThread, threadSource, type ThreadOptions } from "./thread.ts";

/** How PDF files are read. */
export interface PdfOptions extends ThreadOptions {
  /** default and at most 30 s: then it is `too-slow` */
  readonly withinMs?: number;
}

const head = /%PDF-\d/;
const headBytes = 1024;

/** Makes the text of PDF files: of their first 2,000 pages the first 512 KiB. What is only pictures of text has none. */
export function pdfText(options: PdfOptions = {}): Extractor {
  const spawn = threadSource(
    options,
    () => new Worker(new URL("./pdf-thread.ts", import.meta.url), { type: "module" }),
  );
  return {
    gives: "text",
    async extract(file, { signal }) {
      const start = await file.slice(0, headBytes).arrayBuffer();
      if (!head.test(new TextDecoder("latin1").decode(start))) return nothing;
      if (file.size > extractLimits.fileBytes) return refused("too-large");
      return runThread(spawn, file, signal, Math.min(options.withinMs ?? Infinity, extractLimits.threadMs));
    },
  };
}
