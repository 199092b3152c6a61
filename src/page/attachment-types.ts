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

export interface NewAttachment extends AttachmentRun {
  /** a `File`'s own by default */
  readonly name?: string;
  /** a MIME type; a `Blob`'s own by default */
  readonly type?: string;
}

/** Bytes of a file: `from` (0), up to and without `to` (its end). */
export interface AttachmentRange extends AttachmentRun {
  readonly from?: number;
  readonly to?: number;
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
  /** Put bytes at the end of a file. Of two who append at once both keep theirs. @throws input/unknown-id */
  appendToAttachment(
    doc: Doc<T>,
    file: AttachmentName,
    bytes: Blob | Uint8Array,
    options?: AttachmentRun,
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
  /** All of a file, or a range, read as its reader asks for it. */
  streamAttachment(
    doc: Doc<T>,
    file: AttachmentName,
    options?: AttachmentRange,
  ): Promise<ReadableStream<Uint8Array>>;
}
