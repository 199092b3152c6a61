/**
 * extract: what an application can have made of the files that it adds, each an extractor for `addAttachment`.
 *
 * ```
 *   page     plainText()   videoThumbnail()   pdfText() ──────────┐   pictureThumbnail() ──┐
 *              decode        <video>, canvas                      │ file, one message      │
 *   thread                                     pdf.js in a thread of its own     decoder, canvas
 *                                              └ ended when it answers, is late, or nobody waits any more
 * ```
 *
 * Guarantees
 * - X1 whatever the bytes are, an extractor ends with a verdict, in bounded time, and gives no more than may be kept
 * - X2 what parses a stranger's file runs in a thread that is ended afterwards, holds no key and has no way to the network: of a PDF no
 *      script is run and no font, picture or other file is loaded
 * - X3 a small picture is painted anew: nothing that stood in the file beside its pixels, as the place where it was taken, is in it
 * - X4 nothing of it is loaded before an extractor meets a file of its own
 *
 * It stores nothing and knows no documents: the page does what is to be done with what is found.
 */
export { pdfText, type PdfOptions } from "./pdf-text.ts";
export { pictureThumbnail } from "./picture-thumbnail.ts";
export { plainText } from "./plain-text.ts";
export { type ThreadOptions } from "./thread.ts";
export { videoThumbnail } from "./video-thumbnail.ts";
