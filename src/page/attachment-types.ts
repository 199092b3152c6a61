/** The part of the public API that is about files of documents. */
import type { ReadonlySignal } from "@preact/signals-core";
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
  /**
   * Store what is there already once: the same bytes under the same key of the tenant, in whichever document. A server sees that they are the
   * same, and nothing else: it cannot tell what a guessed file would give. Off by default.
   */
  readonly deduplicate?: boolean;
}

/** Bytes of a file: `from` (0), up to and without `to` (its end). */
export interface AttachmentRange extends AttachmentRun {
  readonly from?: number;
  readonly to?: number;
  /** not the file, but what was made of it. @throws input/unknown-id where there is none */
  readonly extract?: ExtractKind;
}

/** What this device keeps of a file. */
export interface AttachmentState {
  /** all of it is here, some, or nothing: then it is fetched when it is read */
  readonly place: "local" | "partly" | "remote";
  /** of its sealed bytes, here */
  readonly localBytes: number;
  /** no byte of it is on this device alone: a server signed for those that were added here */
  readonly isSafe: boolean;
  /** kept here until it is unpinned */
  readonly isPinned: boolean;
}

/** What this device keeps of the files of a tenant, in sealed bytes: `localBytes` is the sum of the three after it. */
export interface FileSums {
  readonly localBytes: number;
  /** on this device alone, as far as is known: these stay, whatever happens */
  readonly unsafeBytes: number;
  readonly pinnedBytes: number;
  /** may go, and be fetched again */
  readonly freeableBytes: number;
  /** see `limitFiles`; `undefined`: as much as there is room for */
  readonly budgetBytes: number | undefined;
}

/** What an application says of the room for files. */
export interface FileLimits {
  /** from now on, in this browser, at most so many bytes, as far as they may go; `null`: as much as there is room for */
  readonly budgetBytes?: number | null;
  /** now, so many bytes */
  readonly freeBytes?: number;
}

/** The part of a tenant that is about the room that files take. */
export interface KeptFiles {
  /**
   * Let files go from this device: what was used longest ago first, never what is pinned, and never what is not known to be elsewhere. What
   * went is fetched again when it is read.
   */
  limitFiles(limits: FileLimits): Promise<FileSums>;
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
  /** what this device keeps of it; `undefined` before it is known */
  readonly state: ReadonlySignal<AttachmentState | undefined>;
  /** Keep it on this device until it is unpinned: fetches what is not here. Given up or failed, it is as it was. @throws net/offline, store/quota */
  pin(options?: AttachmentRun): Promise<void>;
  unpin(): Promise<void>;
  /** Let it go from this device, as far as it is elsewhere and not pinned. @returns the bytes that went */
  free(): Promise<number>;
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
