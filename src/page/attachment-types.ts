/** The part of the public API that is about files of documents. */
import type { Doc } from "./types.ts";

/** A file of a document. */
export interface Attachment {
  readonly id: string;
  readonly name: string;
  /** as whoever added it says: what may be shown is for `getAttachment` to say */
  readonly type: string;
  readonly sizeBytes: number;
  readonly addedAtMs: number;
  /** what was made of it as it is now, by extractors: `getAttachment` gives it */
  readonly extracts: readonly ExtractKind[];
}

/** What extractors make of a file: its text, which `db.search` looks through, or a small picture of it. */
export type ExtractKind = "text" | "thumbnail";

/**
 * What an extractor found: `content` is UTF-8 of the type `text/plain` and at most 1 MiB, or `image/webp`, `image/png` or `image/jpeg` of
 * at most 256 KiB. `nothing`: files of this kind are not its own, or there is nothing in it.
 */
export type Extracted =
  | { readonly kind: "found"; readonly content: Blob }
  | { readonly kind: "nothing" }
  | {
      readonly kind: "refused";
      readonly reason: "damaged" | "protected" | "too-large" | "too-slow" | "unavailable";
    };

/** How an extractor ended: what it found is sealed beside the file, and the rest is told. */
export type ExtractVerdict =
  | { readonly gives: ExtractKind; readonly kind: "found" | "nothing" }
  | ({ readonly gives: ExtractKind } & Extract<Extracted, { readonly kind: "refused" }>);

/** Makes something of a file, on the device that adds it. `cofferdb/extract` has some, and an application can write its own. */
export interface Extractor {
  readonly gives: ExtractKind;
  /** One that throws counts as `damaged`, and what takes longer than a minute as `too-slow`. */
  extract(file: Blob, about: ExtractedFile): Promise<Extracted>;
}

/** What an extractor knows of a file beside its bytes. */
export interface ExtractedFile {
  readonly name: string;
  readonly type: string;
  /** fires when nobody waits any more */
  readonly signal: AbortSignal;
}

/** Who makes something of a file, and who hears how that ended. */
export interface ExtractRun {
  /** none by default: nothing is made of a file unless the application says so. Of one kind the first that finds something counts */
  readonly extractors?: readonly Extractor[];
  readonly onExtracted?: (verdict: ExtractVerdict) => void;
}

export interface AttachmentProgress {
  readonly doneBytes: number;
  /** `undefined` for a stream, whose end nobody knows */
  readonly totalBytes: number | undefined;
}

/** What every call that moves bytes takes. */
export interface AttachmentRun {
  readonly onProgress?: (progress: AttachmentProgress) => void;
  readonly signal?: AbortSignal;
}

export interface NewAttachment extends AttachmentRun, ExtractRun {
  /** a `File`'s own by default */
  readonly name?: string;
  /** a MIME type; a `Blob`'s own by default */
  readonly type?: string;
}

/** Bytes of a file: `from` (0), up to and without `to` (its end). */
export interface AttachmentRange extends AttachmentRun {
  readonly from?: number;
  readonly to?: number;
  /** not the file, but what was made of it. @throws input/unknown-id where there is none */
  readonly extract?: ExtractKind;
}

/** A file that stands open until it is disposed of. */
export interface OpenAttachment extends Disposable {
  /**
   * An address of this application for an `<img>`, `<video>` or `<audio>`: it is read piece by piece through the service worker and this page,
   * so that a film plays and seeks without being fetched whole. It ends with this handle, its document's, this page, and for good with the next
   * lock. What is neither a picture, a film, a sound nor plain text is only handed out to be saved.
   *
   * @throws worker/failed without a service worker that answers for files
   */
  getUrl(): Promise<string>;
  dispose(): void;
}

/** What of a document names a file. */
export type AttachmentName = Pick<Attachment, "id"> | string;

/** Files of documents: sealed under the document's key, added and removed by edits that merge, undo and travel in time as all do. */
export interface Attachments<T extends object> {
  /**
   * Add a file. The bytes are read by the worker, part by part; the document has the file once all of it is stored.
   *
   * @throws store/quota, doc/deleted, access/denied; aborted: then the document is as it was
   */
  addAttachment(doc: Doc<T>, file: Blob, options?: NewAttachment): Promise<Attachment>;
  /** Add a file from a stream, which is read as fast as its bytes are stored. */
  addAttachmentStream(
    doc: Doc<T>,
    stream: ReadableStream<Uint8Array>,
    options: NewAttachment & { name: string },
  ): Promise<Attachment>;
  /**
   * Put bytes at the end of a file. Of two who append at once both keep theirs. What was made of the file before goes; extractors make
   * it anew, and with no bytes they make it of a file that was added without them.
   *
   * @throws input/unknown-id
   */
  appendToAttachment(
    doc: Doc<T>,
    file: AttachmentName,
    bytes: Blob | Uint8Array,
    options?: AttachmentRun & ExtractRun,
  ): Promise<void>;
  /** Take a file out of its document. Its bytes stay for history and undo, until the document is purged. */
  removeAttachment(doc: Doc<T>, file: AttachmentName): Promise<void>;
  /**
   * All of a file, or a range of it. The type of the Blob is the file's where nothing of that type can run as a page of the application, and
   * `application/octet-stream` otherwise.
   *
   * @throws input/unknown-id; entry/corrupt where something is not what was signed: never wrong bytes; net/offline where it is not here
   */
  getAttachment(doc: Doc<T>, file: AttachmentName, options?: AttachmentRange): Promise<Blob>;
  /** A range as bytes. Only the chunks that hold it are read and opened. */
  getAttachmentRange(doc: Doc<T>, file: AttachmentName, from: number, to: number): Promise<Uint8Array>;
  /** Open a file as it is now, to show it where it lies. @throws input/unknown-id */
  openAttachment(doc: Doc<T>, file: AttachmentName): Promise<OpenAttachment>;
  /** All of a file, or a range, read as its reader asks for it. */
  streamAttachment(
    doc: Doc<T>,
    file: AttachmentName,
    options?: AttachmentRange,
  ): Promise<ReadableStream<Uint8Array>>;
}
