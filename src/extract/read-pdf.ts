/** Reads the text of a PDF. The only place that knows pdf.js. */
import { getDocument } from "unpdf/pdfjs";
import type { Extracted } from "../page/index.ts";
import { extractLimits, foundText, refused } from "./limits.ts";

/** Nothing is loaded, drawn, compiled or run: the text alone is wanted. */
const textAlone = {
  isEvalSupported: false,
  enableXfa: false,
  disableFontFace: true,
  useSystemFonts: false,
  useWorkerFetch: false,
  useWasm: false,
  isOffscreenCanvasSupported: false,
  isImageDecoderSupported: false,
  disableAutoFetch: true,
  disableRange: true,
  disableStream: true,
  maxImageSize: 0,
  verbosity: 0,
} as const;

/** Read the text of a PDF, page by page, until there is enough of it. Whatever the bytes are, it is a verdict. */
export async function readPdf(data: Uint8Array): Promise<Extracted> {
  const loading = getDocument({ data, ...textAlone });
  try {
    const document = await loading.promise;
    const texts: string[] = [];
    let units = 0;
    const pageCount = Math.min(document.numPages, extractLimits.pages);
    for (let number = 1; number <= pageCount && units < extractLimits.textBytes; number++) {
      const text = await readPage(document, number);
      units += text.length;
      texts.push(text);
    }
    return foundText(texts.join("\n"));
  } catch (error) {
    return refused(nameOf(error) === "PasswordException" ? "protected" : "damaged");
  } finally {
    await loading.destroy().catch(() => undefined);
  }
}

/** A page that cannot be read has no text, and the others have theirs. */
async function readPage(
  document: Awaited<ReturnType<typeof getDocument>["promise"]>,
  number: number,
): Promise<string> {
  try {
    const page = await document.getPage(number);
    const { items } = await page.getTextContent();
    page.cleanup();
    return items.map((item) => ("str" in item ? item.str + (item.hasEOL ? "\n" : "") : "")).join("");
  } catch {
    return "";
  }
}

const nameOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "name" in error ? error.name : undefined;
