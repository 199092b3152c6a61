/** `cofferdb/extract`: what an application can have made of the files that it adds. */
export {
  pdfText,
  pictureThumbnail,
  plainText,
  videoThumbnail,
  type PdfOptions,
  type ThreadOptions,
} from "./extract/index.ts";
