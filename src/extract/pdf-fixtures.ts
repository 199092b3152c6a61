/** PDF files for tests, written by hand: the smallest that readers take. */

interface PdfParts {
  /** for each page, the operators that paint it */
  readonly pages: readonly (string | Uint8Array)[];
  /** of every content stream: how it is encoded */
  readonly filter?: string;
  /** further entries of the catalog and of the trailer */
  readonly catalog?: string;
  readonly trailer?: string;
}

/** The operators that show a line of text. */
export const line = (text: string, y = 200): string => `BT /F1 24 Tf 20 ${y} Td (${text}) Tj ET\n`;

/** Write a PDF. */
export function makePdf({
  catalog = "",
  filter = "",
  pages,
  trailer = "",
}: PdfParts): Uint8Array<ArrayBuffer> {
  const chunks: Uint8Array[] = [];
  const offsets: number[] = [];
  let length = 0;
  const put = (piece: string | Uint8Array): void => {
    const bytes = typeof piece === "string" ? new TextEncoder().encode(piece) : piece;
    chunks.push(bytes);
    length += bytes.length;
  };
  const object = (...pieces: readonly (string | Uint8Array)[]): void => {
    offsets.push(length);
    put(`${offsets.length} 0 obj\n`);
    for (const piece of pieces) put(piece);
    put("\nendobj\n");
  };
  put("%PDF-1.4\n");
  const kids = pages.map((_, index) => `${4 + 2 * index} 0 R`).join(" ");
  object(`<< /Type /Catalog /Pages 2 0 R ${catalog} >>`);
  object(`<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`);
  object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
  for (const [index, page] of pages.entries()) {
    const bytes = typeof page === "string" ? new TextEncoder().encode(page) : page;
    object(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents ${5 + 2 * index} 0 R /Resources << /Font << /F1 3 0 R >> >> >>`,
    );
    object(`<< /Length ${bytes.length} ${filter} >>\nstream\n`, bytes, "\nendstream");
  }
  const start = length;
  put(`xref\n0 ${offsets.length + 1}\n0000000000 65535 f \n`);
  for (const offset of offsets) put(`${String(offset).padStart(10, "0")} 00000 n \n`);
  put(`trailer << /Size ${offsets.length + 1} /Root 1 0 R ${trailer} >>\nstartxref\n${start}\n%%EOF\n`);
  const file = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    file.set(chunk, at);
    at += chunk.length;
  }
  return file;
}

/**
 * A PDF that does not say how many pages it has, and whose second one is not where the table says: pdf.js stumbles over it while it looks
 * ahead from the first.
 */
export function makeTornPdf(): Uint8Array<ArrayBuffer> {
  const torn = makePdf({ pages: [line("one"), line("two")] });
  const text = new TextDecoder("latin1").decode(torn);
  for (const word of ["Count 2", "6 0 obj"]) torn[text.indexOf(word)] = "<".charCodeAt(0);
  return torn;
}
