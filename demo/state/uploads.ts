/** Files on their way into documents. They go on when the document's page is left, and end with the space. */
import { signal } from "@preact/signals";
import type { Database, Extractor } from "cofferdb";
import type { Film } from "../film/film.ts";
import { explain } from "../text/explain.ts";
import { notify, whileSaving } from "./activity.ts";

/** One file that is being added. */
export interface Upload {
  readonly id: number;
  readonly docId: string;
  readonly name: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly cancel: () => void;
}

/** The files that are being added now, to whichever document. */
export const uploads = signal<readonly Upload[]>([]);

let lastId = 0;

/** Add files to a document, one after another; what cannot be added is told. */
export async function addFiles(db: Database<Film>, docId: string, files: readonly File[]): Promise<void> {
  const waiting = files.map((file) => ({ file, upload: begin(docId, file) }));
  for (const { file, upload } of waiting) await whileSaving(add(db, file, upload));
}

interface Begun {
  readonly id: number;
  readonly docId: string;
  readonly abort: AbortController;
}

function begin(docId: string, { name, size }: File): Begun {
  lastId += 1;
  const id = lastId;
  const abort = new AbortController();
  const cancel = (): void => abort.abort();
  uploads.value = [...uploads.value, { id, docId, name, doneBytes: 0, totalBytes: size, cancel }];
  return { id, docId, abort };
}

/** What is made of every file: its text, for the search, and a small picture. Loaded with the first file. */
async function loadExtractors(): Promise<readonly Extractor[]> {
  const { pdfText, pictureThumbnail, plainText, videoThumbnail } = await import("cofferdb/extract");
  return [plainText(), pdfText(), pictureThumbnail(), videoThumbnail()];
}

async function add(db: Database<Film>, file: File, { id, docId, abort }: Begun): Promise<void> {
  const change = (next: (upload: Upload) => readonly Upload[]): void => {
    uploads.value = uploads.value.flatMap((upload) => (upload.id === id ? next(upload) : [upload]));
  };
  try {
    abort.signal.throwIfAborted();
    // A handle of its own: the page of the document may be left meanwhile.
    const doc = await db.getDocument(docId);
    try {
      await db.addAttachment(doc, file, {
        extractors: await loadExtractors(),
        signal: abort.signal,
        onProgress: ({ doneBytes }) => change((upload) => [{ ...upload, doneBytes }]),
      });
    } finally {
      doc.dispose();
    }
  } catch (error) {
    if (!abort.signal.aborted) notify(`“${file.name}” was not added. ${explain(error).what}`);
  } finally {
    change(() => []);
  }
}
