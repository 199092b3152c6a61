/** The calls about files: their bytes come and go part by part, as the page asks for them. */

import type { Database, Tenant } from "../src/page/types.ts";

type FileLimits = Parameters<Tenant["limitFiles"]>[0];
type FileSums = Awaited<ReturnType<Tenant["limitFiles"]>>;
type AttachmentState = NonNullable<Awaited<ReturnType<Database["openAttachment"]>>["state"]["value"]>;

/** Part of the contract between page and worker, see api.ts. A part is what `encodePart` of the room `attachment` writes. */
export interface AttachmentCalls {
  /** Begin to take in a file of a document. `isShared`: it is sealed by its content, and what is there already is not stored twice. At most 16 are under way. */
  openUpload(database: number, docId: string, isShared?: boolean): Promise<number>;
  /** At most 4 MiB. A `Blob` is read here: the page that hands it over touches none of its bytes. Resolves when the parts that it fills are durable; the next pieces may come before. */
  writeUpload(uploadId: number, piece: Uint8Array | Blob): Promise<void>;
  /** End of the file: its parts are durable, and wait for the document to name them. `id` and `atMs` are for a new file. */
  finishUpload(uploadId: number): Promise<FinishedUpload>;
  /** Give up a file; what was stored of it is erased later. */
  abortUpload(uploadId: number): Promise<void>;
  /** The document names these parts now: they may be sent. */
  nameParts(database: number, parts: readonly Uint8Array[]): Promise<void>;
  /** A range within a part. @throws `entry/corrupt`, `net/offline` where it is neither here nor to be had, `doc/missing` */
  readPart(database: number, docId: string, part: Uint8Array, range: PartRangeMessage): Promise<Uint8Array>;
  /** The same, a piece for each chunk, which are handed over as they are. */
  readPieces(
    database: number,
    docId: string,
    part: Uint8Array,
    range: PartRangeMessage,
  ): Promise<readonly Uint8Array[]>;
  /** Tell what is kept of a file from now on, under a number. */
  watchFile(database: number, parts: readonly Uint8Array[], subscription: number): Promise<void>;
  unwatchFile(subscription: number): Promise<void>;
  /** Pin a part, and fetch what is not here of it; or let it go again. */
  pinPart(database: number, docId: string, part: Uint8Array, isPinned: boolean): Promise<void>;
  /** Let parts go, as far as they may. @returns bytes */
  freeParts(database: number, parts: readonly Uint8Array[]): Promise<number>;
  /** Keep at most so many bytes of files from now on, or free some now. */
  limitFiles(tenantId: string, limits: FileLimits): Promise<FileSums>;
}

/** What is kept of a file moved, or is told for the first time. */
export interface FileEvent {
  readonly kind: "file";
  readonly subscription: number;
  readonly state: AttachmentState;
}

/** Bytes `from`, up to and without `to`. */
export interface PartRangeMessage {
  readonly from: number;
  readonly to: number;
}

/** What a file is after its upload. */
export interface FinishedUpload {
  readonly id: string;
  readonly atMs: number;
  readonly parts: readonly Uint8Array[];
}
